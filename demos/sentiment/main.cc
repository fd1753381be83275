// Sentiment on imbalanced classes: one model, several ways to train it.
#include <absl/strings/str_cat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/sentiment/model.h"
#include "demos/sentiment/report.h"
#include "demos/sentiment/runs.h"
#include "demos/sentiment/sentiment_flags.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"

namespace equipoise::demos {
namespace {

constexpr std::size_t kMostPieces = 48;  // that an encoder reads of a text

std::string model_text(const SentimentFlags& own, bool has_encoder) {
  const std::string model = has_encoder ? "an encoder with a linear head,"
                            : own.hidden == 0
                                ? "linear"
                                : absl::StrCat("a hidden layer of ", own.hidden, " units");
  return absl::StrCat(model, own.has_several_labels() ? " with a sigmoid a label" : " softmax",
                      " on ", has_encoder ? "pieces of words" : "hashed n-grams");
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags, const SentimentFlags& own) {
  const bool several = own.has_several_labels();
  Comparison comparison;
  ExperimentOptions& experiment = comparison.experiment;
  experiment.strategies = own.strategies;
  experiment.seeds = flags.seeds;

  RunOptions options;
  options.training = flags.training;
  options.hidden = own.hidden;
  const std::optional<Encoding> encoding = encoding_of_flags(kMostPieces);
  if (encoding) {
    set_encoder_training(flags, *encoding, {}, experiment, options.training);
    options.facts = facts_of(*encoding);
  } else {
    set_rate(flags, default_rate(own.hidden, several), own.hidden == 0, experiment);
    options.training.rate = experiment.rate;
  }
  options.make_learner = [&](const LearnerShape& shape, std::uint64_t seed) {
    return make_learner(flags, encoding, shape, seed);
  };
  const Corpus corpus = find_corpus(flags, own);
  // An impossible device is noticed before anything is written.
  options.make_learner({1, corpus.classes.size(), 0}, 0);
  if (!flags.report.empty()) make_directory(flags.report);

  const std::string header =
      absl::StrCat(corpus.description, "\nModel: ", model_text(own, encoding.has_value()),
                   rate_text(experiment), ", trained with ", flags.backend, ".");
  *flags.out << header << std::endl;
  const Task task =
      encoding ? make_task(corpus, encoding->tokenizer, encoding->most_pieces) : make_task(corpus);
  std::vector<Strategy> strategies;
  if (!several) {
    for (const std::string& name : own.strategies) strategies.push_back(strategy_named(name));
    *flags.out << '\n' << ledger_table(task, strategies) << std::endl;
  }

  experiment.test_units = task.test.rows();
  experiment.steps_per_run =
      options.training.epochs * steps_per_epoch(task.train.rows(), options.training);
  for (const Strategy& strategy : strategies) {
    comparison.all_steps +=
        flags.seeds * experiment.steps_per_run * (strategy.retrains_head ? 2 : 1);
  }
  if (several || experiment.searches_rate) comparison.all_steps = 0;
  comparison.tried_units = comparison.all_steps > 0 ? comparison.all_steps / most_runs(experiment)
                                                    : experiment.steps_per_run;
  comparison.try_out = [&](std::uint64_t steps) { train_steps(task, options, steps); };
  prepare(encoding, comparison);
  comparison.run = [&](std::size_t s, std::uint64_t seed, double rate, Progress& progress) {
    options.training.rate = rate;
    return several ? run_multilabel(task, own.strategies[s], seed, options, progress)
                   : run_strategy(task, strategies[s], seed, options, progress);
  };
  comparison.summary = [&](const Results& results) { return summary(task, experiment, results); };
  comparison.write_report = [&](const Results& results, const std::filesystem::path& directory) {
    return write_report(header, task, experiment, results, directory);
  };
  return compare(flags, comparison);
}

void run(const DemoFlags& flags) {
  const SentimentFlags own = read_sentiment_flags(flags);
  const std::string file = flags.load.string();
  Program program{kModelKind};
  program.train = [&] { return train(flags, own); };
  program.evaluate = [&](const SavedModel& saved) {
    print_evaluation(flags, own, use(flags, saved, file));
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
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kSentimentUsage,
                                    equipoise::demos::run);
}
