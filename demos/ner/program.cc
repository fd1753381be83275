#include "demos/ner/program.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/common/program.h"
#include "demos/common/unicode.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/ner/corpus.h"
#include "demos/ner/task.h"
#include "demos/ner/token_features.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/entities.h"
#include "equipoise/metrics/entity_tags.h"

ABSL_FLAG(std::string, corpus, "btc", "corpus to look for in --data: btc or wnut17");
ABSL_FLAG(std::string, train, "",
          "your own CoNLL files for training, separated by commas, in place of --corpus");
ABSL_FLAG(std::string, dev, "", "CoNLL files for validation");
ABSL_FLAG(std::string, test, "", "CoNLL files for testing");
ABSL_FLAG(int, tag_column, 0, "column of the tags in these files, from 1; 0: the last one");
ABSL_FLAG(int, token_column, 0,
          "column of the tokens, from 1; 0: the first one, which must not number the tokens");
ABSL_FLAG(std::string, scheme, "auto",
          "tagging scheme: iob1, iob2 (also called BIO), bioes, bilou or bmes; auto: the "
          "one that fits the tags of a file. The letter may stand before the type (B-PER), "
          "after it (PER-B) or on its own (B)");
ABSL_FLAG(std::string, flaws, "repair",
          "how to treat defects: repair (reads broken tag sequences as conlleval does, and "
          "leaves out and counts malformed rows; more than 1 % of a file's rows, or a tag "
          "of a different scheme, is an error), skip (the same, but leaves out malformed "
          "rows however many there are) or refuse (any defect is an error)");
ABSL_FLAG(std::string, model, "",
          "linear, bilstm or cnn; by default linear on Eigen, bilstm on LibTorch");
ABSL_FLAG(std::string, predict, "",
          "a text, words separated by spaces: prints its entities; -: reads JSON lines "
          "{\"tokens\": [...]} or {\"text\": \"...\"} from standard input and prints JSON lines "
          "with tags");

namespace equipoise::demos {

const char* const kNerUsage =
    "Trains a named entity tagger with several strategies and compares them.\n"
    "  bazel run -c opt //demos/ner -- --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/ner -- --backend=libtorch --strategy=none,weights_0.5\n"
    "  bazel run -c opt //demos/ner -- --train=a.conll,b.conll --dev=d.conll --test=t.conll\n"
    "  bazel run -c opt //demos/ner -- --backend=libtorch --encoder=DIR --strategy=weights_0.5\n"
    "  bazel run -c opt //demos/ner -- --strategy=weights_0.5 --save=FILE\n"
    "  bazel run -c opt //demos/ner -- --load=FILE --predict=\"I met Ann in Paris\"\n"
    "Strategies: none, none_tau, weights, weights_0.5, outside, spans_0.5, focal, dice, "
    "repeat_factor, scr,\ndrw, crt (not for linear models).";

namespace {

// The words of a text, parted by blanks.
std::vector<std::string> words_of(const std::string& text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

TokenFeatures features_from(const nlohmann::json& facts, const std::optional<Encoding>& encoding) {
  if (encoding) return piece_features(encoding->tokenizer, encoding->most_pieces);
  if (facts.at("model") == "linear") return linear_features();
  return word_features(facts.at("words").get<std::vector<std::string>>());
}

void print_entities(const DemoFlags& flags, const LoadedTagger& loaded, const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  *flags.out << "\"" << text << "\"\n";
  const std::vector<metrics::Entity> entities =
      metrics::find_entities(loaded.tags_of(words), loaded.tags);
  for (const metrics::Entity& entity : entities) {
    *flags.out << "  " << loaded.tags.types()[entity.type] << " ";
    for (std::size_t i = entity.begin; i < entity.end; ++i) *flags.out << " " << words[i];
    *flags.out << "\n";
  }
  if (entities.empty()) *flags.out << "  no entities\n";
}

nlohmann::ordered_json answer(const LoadedTagger& loaded, const nlohmann::json& asked) {
  const auto words = asked.contains("tokens") ? asked.at("tokens").get<std::vector<std::string>>()
                                              : words_of(asked.at("text").get<std::string>());
  std::vector<std::string> names;
  if (!words.empty()) {
    for (const std::int64_t tag : loaded.tags_of(words)) {
      names.push_back(loaded.tag_names[static_cast<std::size_t>(tag)]);
    }
  }
  return {{"tags", names}, {"tokens", words}};
}

}  // namespace

std::string model_name(const DemoFlags& flags) {
  if (is_set("model")) return absl::GetFlag(FLAGS_model);
  if (is_set("encoder")) return "encoder";
  return flags.backend == "eigen" ? "linear" : "bilstm";
}

void check_flags(const DemoFlags& flags) {
  std::vector<std::string> schemes = {"auto"};
  for (const FileScheme& scheme : file_schemes()) schemes.emplace_back(scheme.flag);
  require_choice("corpus", absl::GetFlag(FLAGS_corpus), {"btc", "wnut17"});
  flaws_named(absl::GetFlag(FLAGS_flaws));
  require_choice("model", absl::GetFlag(FLAGS_model), {"", "linear", "bilstm", "cnn"});
  require_choice("scheme", absl::GetFlag(FLAGS_scheme), schemes);
  require_between("tag_column", absl::GetFlag(FLAGS_tag_column), 0, 1000);
  require_between("token_column", absl::GetFlag(FLAGS_token_column), 0, 1000);
  const int column = absl::GetFlag(FLAGS_tag_column);
  if (column == std::max(absl::GetFlag(FLAGS_token_column), 1)) {
    throw InputError(absl::StrCat("--tag_column=", column,
                                  ": this is the column of the tokens; --token_column sets "
                                  "another one"));
  }
  const std::string text = absl::GetFlag(FLAGS_predict);
  if (const auto at = first_invalid_utf8(text)) {
    throw InputError(absl::StrCat("--predict: byte ", *at + 1, " is not UTF-8"));
  }
  if (!text.empty() && words_of(text).empty()) {
    throw InputError("--predict: the text has no word");
  }
  if (!is_set("train")) refuse_flags({"dev", "test"}, "needs --train");
  if (is_set("train")) refuse_flags({"corpus", "data"}, "cannot be combined with --train");
  if (!flags.load.empty()) {
    refuse_flags({"model"}, "cannot be combined with --load, whose file determines it");
    if (!text.empty()) {
      refuse_flags({"data", "corpus", "train", "dev", "test", "tag_column", "token_column",
                    "scheme", "flaws"},
                   "cannot be combined with --load and --predict, which read no data");
    }
  }
  if (is_set("encoder")) refuse_flags({"model"}, "cannot be combined with --encoder");
  check_encoder_flags(flags);
  if (model_name(flags) != "linear" && flags.backend == "eigen" && flags.load.empty()) {
    throw InputError("--model: a neural model needs --backend=libtorch");
  }
}

std::vector<std::string> strategies_of(const DemoFlags& flags) {
  std::vector<std::string> known = all_tagging_strategies();
  if (model_name(flags) == "linear") known.pop_back();  // its head is all it has
  return choose_strategies(flags.strategies, known);
}

TaggedCorpus find_corpus(const DemoFlags& flags) {
  ConllOptions options;
  options.token_column = static_cast<std::size_t>(absl::GetFlag(FLAGS_token_column));
  options.tag_column = static_cast<std::size_t>(absl::GetFlag(FLAGS_tag_column));
  options.scheme = file_scheme(absl::GetFlag(FLAGS_scheme));
  options.flaws = flaws_named(absl::GetFlag(FLAGS_flaws));
  if (is_set("train")) {
    const PartFiles files{user_paths("train", absl::GetFlag(FLAGS_train)),
                          user_paths("dev", absl::GetFlag(FLAGS_dev)),
                          user_paths("test", absl::GetFlag(FLAGS_test))};
    return load_tagged_corpus(files, options);
  }
  const std::string name = absl::GetFlag(FLAGS_corpus);
  const std::filesystem::path data = data_directory(flags);
  const PartFiles files = find_files(name, data);
  if (!files.train.empty()) return load_tagged_corpus(files, options);
  if (!flags.data.empty()) {
    throw InputError(data.string(), 0, "no files of " + name + " there; see --corpus and --train");
  }
  return synthetic_tagged_corpus();
}

std::unique_ptr<Learner> make_tagger(const DemoFlags& flags, const std::string& model,
                                     const std::optional<Encoding>& encoding,
                                     const LearnerShape& shape, std::uint64_t seed) {
  if (model == "bilstm" || model == "cnn") {
    return make_neural_tagger(model, shape, flags.device, seed, flags.workers);
  }
  return make_learner(flags, encoding, shape, seed, /*reads_places=*/true);
}

LoadedTagger use(const DemoFlags& flags, const SavedModel& saved) {
  return read_saved(flags, [&] {
    const nlohmann::json& facts = saved.facts;
    LoadedTagger result;
    result.tag_names = facts.at("tags").get<std::vector<std::string>>();
    result.tags = metrics::EntityTags(result.tag_names);
    result.strategy = facts.value("strategy", "?");
    result.offset = facts.at("offset").get<std::vector<double>>();
    if (result.offset.size() != result.tags.size()) {
      throw std::invalid_argument("an offset of another size");
    }
    const std::string model = facts.at("model");
    if (model != "linear" && flags.backend == "eigen") {
      throw InputError("--load: this model is neural and needs --backend=libtorch");
    }
    const std::optional<Encoding> encoding = encoding_of_facts(flags, facts);
    result.features = features_from(facts, encoding);
    result.learner =
        make_tagger(flags, model, encoding, {result.features.columns, result.tags.size()}, 0);
    result.learner->set_parameters(saved.parameters);
    return result;
  });
}

void print_evaluation(const DemoFlags& flags, const LoadedTagger& loaded) {
  const TaggedCorpus corpus = find_corpus(flags);
  if (corpus.tags != loaded.tag_names) {
    throw InputError("--load: the model's tags differ from those of the data");
  }
  const Examples test = loaded.features.rows(corpus.test);
  metrics::EntityScores scores(loaded.tags);
  scores.add(test.targets, loaded.tags_of(test), test.unit_starts);
  *flags.out << corpus.description << "\n\nTest sentences, strategy " << loaded.strategy << ":\n\n"
             << report(scores.strict(), 3) << "\n"
             << metrics::conlleval_report(scores);
}

void print_predictions(const DemoFlags& flags, const LoadedTagger& loaded,
                       const std::string& text) {
  if (text == "-") {
    answer_lines(flags, [&](const nlohmann::json& asked) { return answer(loaded, asked); });
  } else {
    print_entities(flags, loaded, text);
  }
}

}  // namespace equipoise::demos
