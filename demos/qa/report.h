// What the demo prints, and its report: tables, CSV and pictures.
#ifndef EQUIPOISE_DEMOS_QA_REPORT_H_
#define EQUIPOISE_DEMOS_QA_REPORT_H_

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "demos/common/experiment.h"
#include "demos/qa/strategy.h"
#include "demos/qa/task.h"
#include "equipoise/metrics/bootstrap.h"

namespace equipoise::demos {

/// Results with, of each outcome, the gain over the baseline in the figure of the worst language.
struct QaResults {
  Results results;
  std::vector<std::optional<metrics::Interval>> worst_language_gains{};
};

/// A figure of units that are taken so often, of each seed of each strategy.
using ResampledRuns =
    std::vector<std::vector<std::function<double(std::span<const std::uint32_t>)>>>;

/// The gains of each strategy over the baseline: paired bootstrap, the mean over seeds on either
/// side. Nothing for the baseline, nor where it was not run.
std::vector<std::optional<metrics::Interval>> gains_over_baseline(const ResampledRuns& runs,
                                                                  const ExperimentOptions& options);

/// What each strategy draws and weighs, before it is trained.
std::string treatment_table(const QaTask& task, const std::vector<QaStrategy>& strategies);

/// The tables of strategies, of languages, of classes, and of calibration.
std::string qa_summary(const QaTask& task, const ExperimentOptions& options, const QaResults& all);

/// Writes results.csv, summary.md and the pictures classes.png, languages.png, mixes.png,
/// weights.png, language_scores.png, reliability.png and, of types, class_scores.png. Returns a
/// line that says what was written.
/// @throws InputError where a file cannot be written.
std::string write_qa_report(const std::string& header, const QaTask& task,
                            const ExperimentOptions& options, const QaResults& all,
                            const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_REPORT_H_
