#include "demos/encoder/encoder_flags.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>

#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/encoder/safetensors.h"

ABSL_FLAG(std::string, encoder, "",
          "directory of a pretrained BERT to train further in place of the demo's own "
          "model, LibTorch only; tools/fetch_data.sh encoder fetches one");
ABSL_FLAG(int, most_pieces, 0,
          "maximum number of word pieces that the encoder reads of a text; 0: the demo's "
          "default");
ABSL_FLAG(double, layer_decay, 1,
          "learning rate of each layer of the encoder, relative to the layer above it");
ABSL_FLAG(bool, freeze, false,
          "leaves the encoder unchanged and only trains the head, on states that are "
          "computed once");
ABSL_FLAG(std::string, export_encoder, "",
          "directory for the encoder of the model, as trained, for --encoder or other programs");

namespace equipoise::demos {

namespace {

constexpr int kLeastPieces = 5;  // three marks, and one of each of two texts
constexpr std::uint64_t kFrozenEpochs = 20;

std::string encoder_directory() {
  return std::filesystem::absolute(user_path(absl::GetFlag(FLAGS_encoder))).string();
}

Encoding make_encoding(const std::string& directory, std::size_t most_pieces) {
  return {directory, WordPiece(std::filesystem::path(directory) / "vocab.txt"), most_pieces,
          absl::GetFlag(FLAGS_layer_decay),
          absl::GetFlag(FLAGS_freeze) ? make_frozen_states() : nullptr};
}

// The encoder that a saved model began with, unless --encoder says where it is now.
std::string directory_of(const nlohmann::json& facts, bool obeys_flag = true) {
  return is_set("encoder") && obeys_flag ? encoder_directory()
                                         : facts.at("encoder").get<std::string>();
}

std::filesystem::path export_directory() {
  return std::filesystem::absolute(user_path(absl::GetFlag(FLAGS_export_encoder)));
}

// What would lose a training at its end is refused before.
void check_export() {
  if (!is_set("export_encoder")) return;
  make_directory(export_directory());
  std::error_code error;
  if (is_set("encoder") &&
      std::filesystem::equivalent(export_directory(), encoder_directory(), error)) {
    throw InputError("--export_encoder: this is the directory of --encoder");
  }
}

}  // namespace

void check_encoder_flags(const DemoFlags& flags) {
  if (flags.backend != "libtorch") refuse_flags({"encoder"}, "needs --backend=libtorch");
  if (!flags.load.empty()) {
    refuse_flags({"most_pieces", "layer_decay", "freeze"},
                 "cannot be combined with --load, which trains nothing");
  }
  if (!is_set("encoder")) {
    if (flags.load.empty()) refuse_flags({"export_encoder"}, "needs --encoder or --load");
    refuse_flags({"most_pieces", "layer_decay", "freeze"}, "needs --encoder");
  }
  if (is_set("most_pieces")) {
    require_between("most_pieces", absl::GetFlag(FLAGS_most_pieces), kLeastPieces, 512);
  }
  const double decay = absl::GetFlag(FLAGS_layer_decay);
  if (!(decay > 0 && decay <= 1)) {
    throw InputError(absl::StrCat("--layer_decay=", decay, ": expected a number above 0, up to 1"));
  }
  if (absl::GetFlag(FLAGS_freeze))
    refuse_flags({"layer_decay"}, "cannot be combined with --freeze");
  check_export();
}

std::optional<Encoding> encoding_of_flags(std::size_t most_pieces) {
  if (!is_set("encoder")) return std::nullopt;
  const int most = absl::GetFlag(FLAGS_most_pieces);
  return make_encoding(encoder_directory(),
                       most == 0 ? most_pieces : static_cast<std::size_t>(most));
}

nlohmann::json facts_of(const Encoding& encoding) {
  return {{"encoder", encoding.directory},
          {"most_pieces", encoding.most_pieces},
          {"vocabulary", encoding.tokenizer.fingerprint()}};
}

std::optional<Encoding> encoding_of_facts(const DemoFlags& flags, const nlohmann::json& facts,
                                          bool obeys_flag) {
  if (!facts.contains("encoder")) {
    if (is_set("encoder") && obeys_flag)
      throw InputError("--encoder: the model of --load has none");
    return std::nullopt;
  }
  if (flags.backend == "eigen") {
    throw InputError("--load: this model has an encoder and needs --backend=libtorch");
  }
  const std::string directory = directory_of(facts, obeys_flag);
  Encoding encoding = make_encoding(
      directory, std::max(facts.at("most_pieces").get<std::size_t>(), std::size_t{kLeastPieces}));
  if (encoding.tokenizer.fingerprint() != facts.at("vocabulary").get<std::uint64_t>()) {
    throw InputError(directory, 0,
                     "vocab.txt is not the one that the model of --load was trained with");
  }
  return encoding;
}

void export_encoder(const nlohmann::json& facts, const std::vector<Parameter>& parameters) {
  if (!is_set("export_encoder")) return;
  if (!facts.contains("encoder")) {
    throw InputError("--export_encoder: the model has no encoder");
  }
  constexpr std::string_view kPrefix = "encoder.";
  static_assert(std::endian::native == std::endian::little, "the file's numbers are");
  std::map<std::string, StoredTensor> tensors;
  for (const Parameter& parameter : parameters) {
    if (!parameter.name.starts_with(kPrefix)) continue;
    tensors[parameter.name.substr(kPrefix.size())] = {
        "F32", parameter.shape,
        std::string_view(reinterpret_cast<const char*>(parameter.values.data()),
                         parameter.values.size() * sizeof(float))};
  }
  const std::filesystem::path from = directory_of(facts);
  const std::filesystem::path to = export_directory();
  for (const char* const name : {"config.json", "vocab.txt"}) {
    write_file(to / name, read_file(from / name));
  }
  write_file(to / "model.safetensors", to_safetensors(tensors));
}

Model make_model(const DemoFlags& flags, const std::optional<Encoding>& encoding,
                 const ModelDefaults& defaults) {
  Model model{.text = defaults.text};
  TrainingOptions& training = model.run.training;
  training = flags.training;
  if (encoding) {
    model.rate = kEncoderRate;
    training.warmup = kEncoderWarmup;
    training.batch_size = defaults.encoder_batch;
    require_batch(defaults.encoder_batch);
    if (!flags.has_epochs) {
      training.epochs = encoding->frozen ? kFrozenEpochs : defaults.encoder_epochs;
    }
    if (!is_set("clip")) training.clip_norm = kEncoderClip;
  } else {
    model.rate = defaults.rate;
    model.is_linear = defaults.is_linear;
    if (!flags.has_epochs) training.epochs = defaults.epochs;
    if (!is_set("clip")) training.clip_norm = defaults.clip_norm;
  }
  model.run.make_learner = [&flags, &encoding](const LearnerShape& shape, std::uint64_t seed) {
    return make_learner(flags, encoding, shape, seed);
  };
  return model;
}

std::unique_ptr<Learner> make_learner(const DemoFlags& flags,
                                      const std::optional<Encoding>& encoding,
                                      const LearnerShape& shape, std::uint64_t seed,
                                      bool reads_places) {
  if (encoding) {
    EncoderLearnerOptions options;
    options.directory = encoding->directory;
    options.classes = shape.classes;
    options.device = flags.device;
    options.seed = seed;
    options.pieces = encoding->tokenizer.size();
    options.most_pieces = encoding->most_pieces;
    options.layer_decay = encoding->layer_decay;
    options.reads_places = reads_places;
    options.frozen = encoding->frozen;
    options.workers = flags.workers;
    return make_encoder_learner(options);
  }
  if (flags.backend == "eigen") return make_eigen_learner(shape);
  return make_libtorch_learner(shape, flags.device, seed, flags.workers);
}

}  // namespace equipoise::demos
