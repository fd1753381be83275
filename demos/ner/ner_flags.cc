#include "demos/ner/ner_flags.h"

#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>

#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/unicode.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/ner/conll.h"
#include "demos/ner/tag_notation.h"
#include "demos/ner/task.h"

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

std::string model_name(const DemoFlags& flags) {
  const std::string model = absl::GetFlag(FLAGS_model);
  if (!model.empty()) return model;
  if (is_set("encoder")) return "encoder";
  return flags.backend == "eigen" ? "linear" : "bilstm";
}

void check(const DemoFlags& flags) {
  const std::vector<std::string> corpora = {"btc", "wnut17"};
  std::vector<std::string> schemes = {"auto"};
  for (const FileScheme& scheme : file_schemes()) schemes.emplace_back(scheme.flag);
  const std::vector<std::string> models = {"", "linear", "bilstm", "cnn"};
  require_choice("corpus", absl::GetFlag(FLAGS_corpus), corpora);
  flaws_named(absl::GetFlag(FLAGS_flaws));
  require_choice("model", absl::GetFlag(FLAGS_model), models);
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

}  // namespace

std::vector<std::string> words_of(const std::string& text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

NerFlags read_ner_flags(const DemoFlags& flags) {
  check(flags);
  const std::string model = model_name(flags);
  std::vector<std::string> known = all_tagging_strategies();
  if (model == "linear") known.pop_back();  // its head is all it has
  return {model, choose_strategies(flags.strategies, known), absl::GetFlag(FLAGS_predict)};
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

}  // namespace equipoise::demos
