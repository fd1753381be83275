// Questions in many languages, where classes and languages differ in size: one model a task,
// several ways to train it.
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/files.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/qa/model.h"
#include "demos/qa/qa_flags.h"
#include "demos/qa/report.h"
#include "demos/qa/runs.h"
#include "demos/qa/scores.h"
#include "demos/qa/strategy.h"
#include "demos/qa/task.h"

namespace equipoise::demos {
namespace {

constexpr std::size_t kMostPieces = 128;  // that an encoder reads of a question and a sentence

// The task and what the data are.
std::pair<QaTask, std::string> find_task(const DemoFlags& flags, const QaFlags& own,
                                         const std::optional<Encoding>& encoding) {
  if (!own.selects_sentences()) {
    const AnswerTypeData data = find_answer_types(flags, own);
    return {make_task(data), data.description};
  }
  const SentenceData data = find_sentences(flags, own);
  return {encoding ? make_task(data, *encoding) : make_task(data), data.description};
}

std::string model_text(const QaTask& task, bool has_encoder) {
  if (has_encoder)
    return "an encoder with a linear head, softmax on question and sentence as a pair";
  return absl::StrCat("linear softmax on ",
                      task.selects_sentences() ? "what question and sentence have in common"
                      : task.is_translated     ? "hashed n-grams of question and translation"
                                               : "hashed n-grams");
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags, const QaFlags& own) {
  Comparison comparison;
  ExperimentOptions& experiment = comparison.experiment;
  const std::optional<Encoding> encoding = encoding_of_flags(kMostPieces);
  QaRunOptions options;
  options.training = flags.training;
  options.make_learner = [&](const LearnerShape& shape, std::uint64_t seed) {
    return make_learner(flags, encoding, shape, seed);
  };
  if (encoding) {
    set_encoder_training(flags, *encoding, {}, experiment, options.training);
  } else {
    set_rate(flags, default_rate(own.task), /*is_linear=*/true, experiment);
    options.training.rate = experiment.rate;
  }
  // An impossible device is noticed before anything is written.
  options.make_learner({1, 2, 0}, 0);
  const std::pair<QaTask, std::string> found = find_task(flags, own, encoding);
  const QaTask& task = found.first;
  const std::vector<QaStrategy> strategies = suited_strategies(flags, own, task);
  if (!is_set("monitor")) options.training.monitor = headline_of(task);
  if (!flags.report.empty()) make_directory(flags.report);

  for (const QaStrategy& strategy : strategies) experiment.strategies.push_back(strategy.name);
  experiment.seeds = flags.seeds;
  experiment.headline = headline_of(task);
  experiment.test_units = task.resampled_units();
  const std::string header =
      absl::StrCat(found.second, "\nModel: ", model_text(task, encoding.has_value()),
                   rate_text(experiment), ", trained with ", flags.backend, ".");
  *flags.out << header << "\n\n" << treatment_table(task, strategies) << std::endl;

  experiment.steps_per_run =
      options.training.epochs * steps_per_epoch(task.train.rows(), options.training);
  // Scoring an epoch takes a linear model about as long as its steps.
  comparison.tried_units = encoding ? experiment.steps_per_run : options.training.epochs;
  comparison.try_out = [&](std::uint64_t units) {
    if (encoding) {
      train_steps(task, options, units);
    } else {
      train_epochs(task, options, units);
    }
  };
  prepare(encoding, comparison);
  comparison.run = [&](std::size_t s, std::uint64_t seed, double rate, Progress& progress) {
    options.training.rate = rate;
    return run_qa_strategy(task, strategies[s], seed, options, progress);
  };
  comparison.summary = [&](const Results& results) {
    return qa_summary(task, experiment, results);
  };
  comparison.write_report = [&](const Results& results, const std::filesystem::path& directory) {
    return write_qa_report(header, task, experiment, results, directory);
  };
  return compare(flags, comparison);
}

void run(const DemoFlags& flags) {
  const QaFlags own = read_qa_flags(flags);
  const std::string file = flags.load.string();
  Program program{kQaModelKind};
  program.train = [&] {
    check_question(own.predict, own.selects_sentences());
    return train(flags, own);
  };
  program.evaluate = [&](const SavedModel& saved) {
    evaluate(flags, own, use(flags, saved, file));
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
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kQaUsage, equipoise::demos::run);
}
