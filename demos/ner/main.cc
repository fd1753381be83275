// Named entities where almost every token is O: one tagger, several ways to train it.
#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/common/unicode.h"
#include "demos/ner/conll.h"
#include "demos/ner/corpus.h"
#include "demos/ner/report.h"
#include "demos/ner/runs.h"
#include "demos/ner/strategy.h"
#include "demos/ner/tag_notation.h"
#include "demos/ner/tagger.h"
#include "demos/ner/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/entities.h"

ABSL_FLAG(std::string, corpus, "btc", "what to look for in --data: btc or wnut17");
ABSL_FLAG(std::string, train, "",
          "CoNLL files for training, with commas between, in place of --corpus");
ABSL_FLAG(std::string, dev, "", "CoNLL files for validation");
ABSL_FLAG(std::string, test, "", "CoNLL files for testing");
ABSL_FLAG(int, tag_column, 0, "column of the tags in these files, from 1; 0: the last one");
ABSL_FLAG(int, token_column, 0,
          "column of the tokens, from 1; 0: the first one, which must not number them");
ABSL_FLAG(std::string, scheme, "auto",
          "scheme of the tags: iob1, iob2 (also called BIO), bioes, bilou or bmes; auto: what fits "
          "the tags of a file. The letter may stand before the type (B-PER), behind it (PER-B) or "
          "alone (B)");
ABSL_FLAG(std::string, flaws, "repair",
          "what becomes of flaws: repair (broken tag sequences are read as conlleval does; "
          "malformed rows are left out and counted, but more than 1 % of a file's rows, or a tag "
          "of another scheme, is an error), skip (the same, but malformed rows are left out "
          "however many there are) or refuse (any flaw is an error)");
ABSL_FLAG(std::string, model, "",
          "linear, bilstm or cnn; without it linear on Eigen, bilstm on LibTorch");
ABSL_FLAG(std::string, predict, "",
          "a text, words parted by spaces: its entities; -: JSON lines from standard input, each "
          "{\"tokens\": [...]} or {\"text\": \"...\"}, to JSON lines with tags");

namespace equipoise::demos {
namespace {

constexpr const char* kUsage =
    "Trains a tagger of named entities in several ways and compares them.\n"
    "  bazel run -c opt //demos/ner -- --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/ner -- --backend=libtorch --strategy=none,weights_0.5\n"
    "  bazel run -c opt //demos/ner -- --train=a.conll,b.conll --dev=d.conll --test=t.conll\n"
    "  bazel run -c opt //demos/ner -- --strategy=weights_0.5 --save=FILE\n"
    "  bazel run -c opt //demos/ner -- --load=FILE --predict=\"I met Ann in Paris\"\n"
    "Strategies: none, none_tau, weights, weights_0.5, outside, spans_0.5, focal, dice, "
    "repeat_factor, scr,\ndrw, crt (not of linear models).";

std::string model_name(const DemoFlags& flags) {
  const std::string model = absl::GetFlag(FLAGS_model);
  if (!model.empty()) return model;
  return flags.backend == "eigen" ? "linear" : "bilstm";
}

std::vector<std::string> words_of(const std::string& text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty());
}

void check_own_flags(const DemoFlags& flags) {
  const std::vector<std::string> corpora = {"btc", "wnut17"};
  const std::vector<std::string> flaws = {"repair", "skip", "refuse"};
  std::vector<std::string> schemes = {"auto"};
  for (const FileScheme& scheme : file_schemes()) schemes.emplace_back(scheme.flag);
  const std::vector<std::string> models = {"", "linear", "bilstm", "cnn"};
  require_choice("corpus", absl::GetFlag(FLAGS_corpus), corpora);
  require_choice("flaws", absl::GetFlag(FLAGS_flaws), flaws);
  require_choice("model", absl::GetFlag(FLAGS_model), models);
  require_choice("scheme", absl::GetFlag(FLAGS_scheme), schemes);
  require_between("tag_column", absl::GetFlag(FLAGS_tag_column), 0, 1000);
  require_between("token_column", absl::GetFlag(FLAGS_token_column), 0, 1000);
  const int column = absl::GetFlag(FLAGS_tag_column);
  if (column == std::max(absl::GetFlag(FLAGS_token_column), 1)) {
    throw InputError(absl::StrCat("--tag_column=", column,
                                  ": tokens are read from this column; --token_column says where "
                                  "they stand"));
  }
  const std::string text = absl::GetFlag(FLAGS_predict);
  if (const auto at = first_invalid_utf8(text)) {
    throw InputError(absl::StrCat("--predict: byte ", *at + 1, " is not UTF-8"));
  }
  if (!text.empty() && words_of(text).empty()) {
    throw InputError("--predict: the text has no word");
  }
  if (!is_set("train")) refuse_flags({"dev", "test"}, "needs --train");
  if (is_set("train")) refuse_flags({"corpus", "data"}, "not with --train");
  if (!flags.load.empty()) {
    refuse_flags({"model"}, "not with --load, whose file says it");
    if (!text.empty()) {
      refuse_flags({"data", "corpus", "train", "dev", "test", "tag_column", "token_column",
                    "scheme", "flaws"},
                   "not with --load and --predict, which read no data");
    }
  }
  if (model_name(flags) != "linear" && flags.backend == "eigen" && flags.load.empty()) {
    throw InputError("--model: a neural model needs --backend=libtorch");
  }
}

std::vector<std::filesystem::path> paths_of(const char* flag, const std::string& list) {
  std::vector<std::filesystem::path> paths;
  if (list.empty()) return paths;
  for (const absl::string_view name : absl::StrSplit(list, ',')) {
    if (name.empty()) {
      throw InputError(absl::StrCat("--", flag, "=", list, ": a name of a file is empty"));
    }
    paths.push_back(user_path(std::string(name)));
  }
  return paths;
}

TaggedCorpus find_corpus(const DemoFlags& flags) {
  ConllOptions options;
  options.token_column = static_cast<std::size_t>(absl::GetFlag(FLAGS_token_column));
  options.tag_column = static_cast<std::size_t>(absl::GetFlag(FLAGS_tag_column));
  options.scheme = file_scheme(absl::GetFlag(FLAGS_scheme));
  const std::string flaws = absl::GetFlag(FLAGS_flaws);
  options.flaws = flaws == "refuse" ? ConllFlaws::kRefuse
                  : flaws == "skip" ? ConllFlaws::kSkip
                                    : ConllFlaws::kRepair;
  if (is_set("train")) {
    const CorpusFiles files{paths_of("train", absl::GetFlag(FLAGS_train)),
                            paths_of("dev", absl::GetFlag(FLAGS_dev)),
                            paths_of("test", absl::GetFlag(FLAGS_test))};
    return load_tagged_corpus(files, options);
  }
  const std::string name = absl::GetFlag(FLAGS_corpus);
  const std::filesystem::path data = data_directory(flags);
  const CorpusFiles files = find_files(name, data);
  if (!files.train.empty()) return load_tagged_corpus(files, options);
  if (!flags.data.empty()) {
    throw InputError(data.string(), 0, "no files of " + name + " there; see --corpus and --train");
  }
  return synthetic_tagged_corpus();
}

TaggerOptions tagger_options(const DemoFlags& flags, const std::string& model) {
  return {model, flags.backend, flags.device, 0, flags.workers};
}

// A tagger from a file, with what it needs to be used.
struct LoadedTagger {
  TaggingTask task{};  ///< the tags alone
  std::vector<double> offset{};
  std::unique_ptr<Tagger> tagger{};

  std::vector<std::int64_t> tags_of(const TaggedPart& part) const {
    return calibrate::predict(tagger->logits(part).view(), offset);
  }
};

LoadedTagger use(const DemoFlags& flags, const SavedModel& saved, const std::string& file) {
  const auto refuse = [&](const char* reason) {
    throw InputError(file, 0, absl::StrCat("not a model that --save has written: ", reason));
  };
  try {
    LoadedTagger result;
    result.task.tag_names = saved.facts.at("tags").get<std::vector<std::string>>();
    result.task.tags = metrics::EntityTags(result.task.tag_names);
    result.offset = saved.facts.at("offset").get<std::vector<double>>();
    if (result.offset.size() != result.task.tags.size()) refuse("an offset of another size");
    const std::string model = saved.facts.at("model");
    if (model != "linear" && flags.backend == "eigen") {
      throw InputError("--load: this model is neural and needs --backend=libtorch");
    }
    result.tagger = make_tagger(tagger_options(flags, model), result.task);
    result.tagger->restore(saved);
    return result;
  } catch (const nlohmann::json::exception& error) {
    refuse(error.what());
  } catch (const std::invalid_argument& error) {
    refuse(error.what());
  }
  return {};
}

TaggedPart part_of(std::vector<std::string> tokens) {
  TaggedPart part;
  part.tags.assign(tokens.size(), 0);
  part.types.assign(tokens.size(), 0);
  part.offsets.push_back(tokens.size());
  part.sentences.push_back({std::move(tokens), part.tags});
  return part;
}

void print_entities(const DemoFlags& flags, const LoadedTagger& loaded, const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  const std::vector<std::int64_t> tags = loaded.tags_of(part_of(words));
  *flags.out << "\"" << text << "\"\n";
  const std::vector<metrics::Entity> entities = metrics::find_entities(tags, loaded.task.tags);
  for (const metrics::Entity& entity : entities) {
    *flags.out << "  " << loaded.task.tags.types()[entity.type] << " ";
    for (std::size_t i = entity.begin; i < entity.end; ++i) *flags.out << " " << words[i];
    *flags.out << "\n";
  }
  if (entities.empty()) *flags.out << "  no entities\n";
}

// A line of JSON for each on standard input.
void predict_lines(const DemoFlags& flags, const LoadedTagger& loaded) {
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      const nlohmann::json given = nlohmann::json::parse(line);
      const auto words = given.contains("tokens")
                             ? given.at("tokens").get<std::vector<std::string>>()
                             : words_of(given.at("text").get<std::string>());
      std::vector<std::string> names;
      if (!words.empty()) {
        for (const std::int64_t tag : loaded.tags_of(part_of(words))) {
          names.push_back(loaded.task.tag_names[static_cast<std::size_t>(tag)]);
        }
      }
      *flags.out << nlohmann::json{{"tokens", words}, {"tags", names}}.dump() << "\n";
    } catch (const nlohmann::json::exception& error) {
      throw InputError(
          "standard input", number,
          absl::StrCat(R"(expected {"tokens": ["..."]} or {"text": "..."}: )", error.what()));
    }
  }
  *flags.out << std::flush;
}

void print_evaluation(const DemoFlags& flags, const LoadedTagger& loaded,
                      const std::string& strategy) {
  const TaggedCorpus corpus = find_corpus(flags);
  if (corpus.tags != loaded.task.tag_names) {
    throw InputError("--load: the model's tags are not those of the data");
  }
  const TaggingTask task = make_tagging_task(corpus);
  const std::vector<std::int64_t> tags = loaded.tags_of(task.test);
  metrics::EntityScores scores(task.tags);
  scores.add(task.test.tags, tags, task.test.offsets);
  *flags.out << corpus.description << "\n\nTest sentences, strategy " << strategy << ":\n\n"
             << report(scores.strict(), 3) << "\n"
             << metrics::conlleval_report(scores);
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags) {
  const std::string model = model_name(flags);
  ExperimentOptions experiment;
  experiment.headline = "token_macro_f1";
  std::vector<std::string> known = all_tagging_strategies();
  if (model == "linear") known.pop_back();  // its head is all it has
  experiment.strategies = choose_strategies(flags.strategies, known);
  experiment.seeds = flags.seeds;

  TaggingRunOptions options;
  options.tagger = tagger_options(flags, model);
  options.training = flags.training;
  if (!is_set("monitor")) options.training.monitor = experiment.headline;
  if (!flags.has_epochs) options.training.epochs = 8;
  set_rate(flags, default_rate(model), model == "linear", experiment);
  options.training.rate = experiment.rate;
  if (!is_set("clip") && model != "linear") options.training.clip_norm = 5;

  const TaggedCorpus corpus = find_corpus(flags);
  const TaggingTask task = make_tagging_task(corpus);
  make_tagger(options.tagger, task);  // what is impossible is noticed before anything is written
  if (!flags.report.empty()) make_directory(flags.report);
  const std::string header =
      absl::StrCat(corpus.description, "\nModel: ", model, rate_text(experiment), ", trained with ",
                   flags.backend, ".");
  *flags.out << header << std::endl;
  experiment.test_units = task.test.sentences.size();
  // A search is of linear models, whose strategies all have as many steps.
  experiment.steps_per_run = tagging_steps(task, experiment.strategies.front(), options.training);
  const std::uint64_t runs = most_runs(experiment);
  std::uint64_t steps = 0;
  for (const std::string& strategy : experiment.strategies) {
    steps += experiment.seeds * tagging_steps(task, strategy, options.training);
  }
  if (experiment.searches_rate) steps = runs * experiment.steps_per_run;
  if (flags.workers == nullptr) {
    *flags.out << announcement(runs, steps / runs, [&](std::uint64_t few) {
      train_tagging_steps(task, options, few);
    }) << std::endl;
  }
  const std::unique_ptr<Progress> progress = make_progress(flags, steps);
  const Results results = run_experiment(
      experiment,
      [&](std::size_t s, std::uint64_t seed, double rate) {
        options.training.rate = rate;
        return run_tagging(task, experiment.strategies[s], seed, options, *progress);
      },
      *progress);
  *flags.out << '\n' << tagging_summary(task, experiment, results) << std::endl;
  if (!flags.report.empty()) {
    *flags.out << write_tagging_report(header, task, experiment, results, flags.report)
               << std::endl;
  }
  return results.model;
}

void run(const DemoFlags& flags) {
  check_own_flags(flags);
  const std::string text = absl::GetFlag(FLAGS_predict);
  std::shared_ptr<const SavedModel> model;
  if (flags.load.empty()) {
    model = train(flags);
  } else {
    model = std::make_shared<SavedModel>(load_model(kTaggerKind, flags.load));
    if (text.empty()) {
      print_evaluation(flags, use(flags, *model, flags.load.string()),
                       model->facts.value("strategy", "?"));
    }
  }
  if (!flags.save.empty()) {
    save_model(kTaggerKind, *model, flags.save);
    *flags.out << "Model of strategy " << model->facts.value("strategy", "?") << ": "
               << flags.save.string() << std::endl;
  }
  if (text.empty()) return;
  const LoadedTagger loaded = use(flags, *model, flags.load.string());
  if (text == "-") {
    predict_lines(flags, loaded);
  } else {
    print_entities(flags, loaded, text);
  }
}

}  // namespace
}  // namespace equipoise::demos

int main(int argc, char** argv) {
  constexpr std::size_t kSentences = 32;  // a batch
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kUsage, equipoise::demos::run,
                                    kSentences);
}
