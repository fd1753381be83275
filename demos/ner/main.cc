// Named entities where almost every token is O: one tagger, several ways to train it.
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/ner/corpus.h"
#include "demos/ner/model.h"
#include "demos/ner/ner_flags.h"
#include "demos/ner/report.h"
#include "demos/ner/runs.h"
#include "demos/ner/task.h"

namespace equipoise::demos {
namespace {

constexpr std::size_t kMostPieces = 128;  // that an encoder reads at once

// Options of a training, and the rate of the experiment, for a model.
TaggingRunOptions run_options(const DemoFlags& flags, const NerFlags& own,
                              ExperimentOptions& experiment) {
  TaggingRunOptions options;
  options.tagger = {own.model, flags.backend, flags.device,
                    0,         flags.workers, encoding_of_flags(kMostPieces)};
  options.training = flags.training;
  if (!is_set("monitor")) options.training.monitor = experiment.headline;
  if (options.tagger.encoding) {
    set_encoder_training(flags, *options.tagger.encoding, {.epochs = 4, .batch_size = 16},
                         experiment, options.training);
    return options;
  }
  if (!flags.has_epochs) options.training.epochs = 8;
  const bool is_linear = own.model == "linear";
  set_rate(flags, default_rate(own.model), is_linear, experiment);
  options.training.rate = experiment.rate;
  if (!is_set("clip") && !is_linear) options.training.clip_norm = 5;
  return options;
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags, const NerFlags& own) {
  Comparison comparison;
  ExperimentOptions& experiment = comparison.experiment;
  experiment.headline = "token_macro_f1";
  experiment.strategies = own.strategies;
  experiment.seeds = flags.seeds;
  TaggingRunOptions options = run_options(flags, own, experiment);

  const TaggedCorpus corpus = find_corpus(flags);
  const TaggingTask task = make_tagging_task(corpus);
  make_tagger(options.tagger, task);  // what is impossible is noticed before anything is written
  if (!flags.report.empty()) make_directory(flags.report);
  const std::string header =
      absl::StrCat(corpus.description, "\nModel: ", own.model, rate_text(experiment),
                   ", trained with ", flags.backend, ".");
  *flags.out << header << std::endl;

  experiment.test_units = task.test.sentences.size();
  // A search is of linear models, whose strategies all have as many steps.
  experiment.steps_per_run = tagging_steps(task, own.strategies.front(), options.training);
  if (!experiment.searches_rate) {
    for (const std::string& strategy : own.strategies) {
      comparison.all_steps += flags.seeds * tagging_steps(task, strategy, options.training);
    }
  }
  comparison.tried_units = comparison.all_steps > 0 ? comparison.all_steps / most_runs(experiment)
                                                    : experiment.steps_per_run;
  comparison.try_out = [&](std::uint64_t steps) { train_tagging_steps(task, options, steps); };
  prepare(options.tagger.encoding, comparison);
  comparison.run = [&](std::size_t s, std::uint64_t seed, double rate, Progress& progress) {
    options.training.rate = rate;
    return run_tagging(task, own.strategies[s], seed, options, progress);
  };
  comparison.summary = [&](const Results& results) {
    return tagging_summary(task, experiment, results);
  };
  comparison.write_report = [&](const Results& results, const std::filesystem::path& directory) {
    return write_tagging_report(header, task, experiment, results, directory);
  };
  return compare(flags, comparison);
}

void run(const DemoFlags& flags) {
  const NerFlags own = read_ner_flags(flags);
  const std::string file = flags.load.string();
  Program program{kTaggerKind};
  program.train = [&] { return train(flags, own); };
  program.evaluate = [&](const SavedModel& saved) {
    print_evaluation(flags, use(flags, saved, file));
  };
  if (!own.predict.empty()) {
    program.predict = [&](const SavedModel& saved) {
      print_predictions(flags, use(flags, saved, file), own.predict);
    };
  }
  run_program(flags, program);
}

}  // namespace
}  // namespace equipoise::demos

int main(int argc, char** argv) {
  constexpr std::size_t kSentences = 32;  // a batch
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kNerUsage, equipoise::demos::run,
                                    kSentences);
}
