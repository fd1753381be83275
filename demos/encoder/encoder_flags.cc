#include "demos/encoder/encoder_flags.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <filesystem>

#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"

ABSL_FLAG(std::string, encoder, "",
          "directory of a pretrained BERT, which is trained further in place of the demo's own "
          "model, LibTorch only; tools/fetch_data.sh encoder brings one");
ABSL_FLAG(int, most_pieces, 0,
          "pieces of a text that the encoder reads, the rest is left out; 0: the demo's own");
ABSL_FLAG(double, layer_decay, 1,
          "what the rate of each layer of the encoder is of the next one's");
ABSL_FLAG(
    bool, freeze, false,
    "leaves the encoder as it is and trains the head alone, on states that are computed once");

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

}  // namespace

void check_encoder_flags(const DemoFlags& flags) {
  if (flags.backend != "libtorch") refuse_flags({"encoder"}, "needs --backend=libtorch");
  if (!flags.load.empty()) {
    refuse_flags({"most_pieces", "layer_decay", "freeze"}, "not with --load, which trains nothing");
  }
  if (!is_set("encoder")) {
    refuse_flags({"most_pieces", "layer_decay", "freeze"}, "needs --encoder");
  }
  if (is_set("most_pieces")) {
    require_between("most_pieces", absl::GetFlag(FLAGS_most_pieces), kLeastPieces, 512);
  }
  const double decay = absl::GetFlag(FLAGS_layer_decay);
  if (!(decay > 0 && decay <= 1)) {
    throw InputError(absl::StrCat("--layer_decay=", decay, ": expected a number above 0, up to 1"));
  }
  if (absl::GetFlag(FLAGS_freeze)) refuse_flags({"layer_decay"}, "not with --freeze");
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
  const std::string directory = is_set("encoder") && obeys_flag
                                    ? encoder_directory()
                                    : facts.at("encoder").get<std::string>();
  Encoding encoding = make_encoding(
      directory, std::max(facts.at("most_pieces").get<std::size_t>(), std::size_t{kLeastPieces}));
  if (encoding.tokenizer.fingerprint() != facts.at("vocabulary").get<std::uint64_t>()) {
    throw InputError(directory, 0,
                     "vocab.txt is not the one that the model of --load was trained with");
  }
  return encoding;
}

void set_encoder_training(const DemoFlags& flags, const Encoding& encoding,
                          const EncoderDefaults& defaults, ExperimentOptions& experiment,
                          TrainingOptions& training) {
  set_rate(flags, kEncoderRate, /*is_linear=*/false, experiment);
  training.rate = experiment.rate;
  training.warmup = kEncoderWarmup;
  training.batch_size = defaults.batch_size;
  require_batch(defaults.batch_size);
  if (!flags.has_epochs) training.epochs = encoding.frozen ? kFrozenEpochs : defaults.epochs;
  if (!is_set("clip")) training.clip_norm = kEncoderClip;
}

void prepare(const std::optional<Encoding>& encoding, const Comparison& comparison) {
  if (encoding && encoding->frozen) comparison.try_out(1);
}

EncoderLearnerOptions learner_options(const Encoding& encoding) {
  EncoderLearnerOptions options;
  options.directory = encoding.directory;
  options.pieces = encoding.tokenizer.size();
  options.most_pieces = encoding.most_pieces;
  options.layer_decay = encoding.layer_decay;
  options.frozen = encoding.frozen;
  return options;
}

std::unique_ptr<Learner> make_learner(const DemoFlags& flags,
                                      const std::optional<Encoding>& encoding,
                                      const LearnerShape& shape, std::uint64_t seed) {
  if (encoding) {
    EncoderLearnerOptions options = learner_options(*encoding);
    options.classes = shape.classes;
    options.device = flags.device;
    options.seed = seed;
    options.workers = flags.workers;
    return make_encoder_learner(options);
  }
  if (flags.backend == "eigen") return make_eigen_learner(shape);
  return make_libtorch_learner(shape, flags.device, seed, flags.workers);
}

}  // namespace equipoise::demos
