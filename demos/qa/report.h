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

/// What each strategy draws and weighs, before it is trained.
std::string treatment_table(const QaTask& task, const std::vector<QaStrategy>& strategies);

/// The tables of strategies, of languages, of classes, and of calibration.
std::string qa_summary(const QaTask& task, const ExperimentOptions& options,
                       const Results& results);

/// Writes results.csv, summary.md and the pictures classes.png, weights.png, reliability.png and,
/// where there are several languages, languages.png, mixes.png and language_scores.png; of types,
/// class_scores.png. Returns a line that says what was written.
/// @throws InputError where a file cannot be written.
std::string write_qa_report(const std::string& header, const QaTask& task,
                            const ExperimentOptions& options, const Results& results,
                            const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_REPORT_H_
