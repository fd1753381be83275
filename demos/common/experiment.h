// Strategies compared: each trained with several seeds, the best one chosen on validation, gains
// with intervals.
#ifndef EQUIPOISE_DEMOS_COMMON_EXPERIMENT_H_
#define EQUIPOISE_DEMOS_COMMON_EXPERIMENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/charts.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"

namespace equipoise::demos {

struct SavedModel;  // see model_file.h

/// A metric on test, of units that are taken so often.
using Resampled = std::function<double(std::span<const std::uint32_t>)>;

/// One training of one strategy.
struct Run {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;  ///< the best on validation, from 0
  std::string choice{};     ///< what else was chosen on validation, such as tau; may be empty
  double seconds = 0;       ///< of training and scoring
  Metrics validation{};
  Metrics test{};
  Resampled resampled{};                       ///< the headline metric
  Resampled second{};                          ///< another metric, if a task has one: see its gain
  metrics::ConfusionMatrix confusion{};        ///< of test rows; without classes: not counted
  std::vector<PrecisionRecallCurve> curves{};  ///< of test rows, a curve for each class or none
  std::shared_ptr<const SavedModel> model{};
};

struct Outcome {
  std::string strategy;
  std::vector<Run> runs{};                  ///< by seed
  std::optional<metrics::Interval> gain{};  ///< in the headline metric over the baseline, on test
  std::optional<metrics::Interval> second_gain{};  ///< that of the second metric
  double rate = 0;                                 ///< the learning rate of the runs
  bool is_edge = false;  ///< of the rates that were tried it is the largest or the smallest
};

struct Results {
  std::vector<Outcome> outcomes{};
  std::size_t best = 0;  ///< the outcome with the best mean headline metric on validation
  std::shared_ptr<const SavedModel> model{};  ///< of its best run on validation
};

/// The mean over the runs of an outcome, on test or on validation.
/// @throws std::invalid_argument for a metric that the runs do not have.
double mean_on_test(const Outcome& outcome, std::string_view metric, std::string_view label = "");
double mean_on_validation(const Outcome& outcome, std::string_view metric,
                          std::string_view label = "");

/// Null if the strategy was not run.
const Outcome* find_outcome(const Results& results, std::string_view strategy);

struct ExperimentOptions {
  std::vector<std::string> strategies;
  std::uint64_t seeds = 3;
  std::string headline = "macro_f1";  ///< the metric by which strategies are chosen and compared
  std::string baseline = "none";
  std::size_t test_units = 0;       ///< what bootstraps resample
  double rate = 0;                  ///< learning rate, or where the search for one begins
  bool searches_rate = false;       ///< chooses a rate for each strategy on validation
  std::uint64_t steps_per_run = 0;  ///< what the progress has for a run
};

std::uint64_t most_runs(const ExperimentOptions& options);

/// Runs every strategy with seeds 0, 1, ...; `run(strategy, seed, rate)` does one of them. A line a
/// run is noted. Gains have 95 % intervals by a paired bootstrap over the units of the test part,
/// the mean over seeds on either side.
///
/// Where the rate is searched, each strategy is trained at the rate, at twice and at half of it,
/// and on in that direction by factors of two while the last one is the best on validation, in the
/// mean over the seeds, at most at five rates in all. none_tau corrects what the baseline has
/// learnt, so it has the baseline's rate, if that was run before.
Results run_experiment(
    const ExperimentOptions& options,
    const std::function<Run(std::size_t strategy, std::uint64_t seed, double rate)>& run,
    Progress& progress);

metrics::Interval gain_over(const Outcome& outcome, const Outcome& other, std::size_t test_units,
                            Resampled Run::*metric = &Run::resampled);

/// Every metric of every run: strategy,seed,split,metric,label,value.
std::string results_csv(const Results& results);

/// Of a table: a metric on test.
struct Column {
  std::string title;
  std::string metric;
  std::string label{};
};

/// A line a strategy: its headline metric on validation, the columns, the seconds of a run, its
/// gain, and the mean of its gains seed by seed with their interval over seeds. What was chosen on
/// validation stands behind the name, the best strategy in bold.
std::string strategy_table(const Results& results, const ExperimentOptions& options,
                           std::span<const Column> columns);

/// A line with the gain of the best strategy over none_tau, the correction without a training, and
/// an empty one; nothing where one of them is the other or was not run.
std::string gain_over_posthoc(const Results& results, const ExperimentOptions& options);

/// A paragraph for whoever wants a decision: the flag of the strategy that is best on validation,
/// and what it gains on test, if it is shown to gain anything.
std::string gain_in_words(const Results& results, const ExperimentOptions& options);

/// What the last two columns of that table are, said of what the bootstraps resample; how rates
/// were chosen, and which strategies may do better at a rate beyond those that were tried.
std::string explain_gains(const Results& results, const ExperimentOptions& options,
                          std::string_view test_units);

/// A line a strategy: the mean of each column over seeds, with its interval where there are
/// several.
std::string seed_table(const Results& results, std::span<const Column> columns);

/// Three digits, without the zero that all of them would begin with; with a sign and an interval.
std::string value_text(double value);
std::string interval_text(const std::optional<metrics::Interval>& interval);

/// The outcomes that are worth a comparison label by label: the baseline, if it was run, and the
/// best unless it is that.
std::vector<const Outcome*> compared(const Results& results, const ExperimentOptions& options);

/// A line a label: what goes before (sizes, say), then each metric of the compared outcomes.
std::string label_table(const Results& results, const ExperimentOptions& options,
                        const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows,
                        const std::vector<Column>& metrics);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_EXPERIMENT_H_
