// What the demo prints, and its report: tables, CSV and pictures.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_REPORT_H_
#define EQUIPOISE_DEMOS_SENTIMENT_REPORT_H_

#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/experiment.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"

namespace equipoise::demos {

/// What the ledger says of each strategy before it is trained.
std::string ledger_table(const Task& task, const std::vector<Strategy>& strategies);

/// The tables of strategies, of their calibration and of classes; or, with several labels, of
/// strategies and of labels.
std::string summary(const Task& task, const ExperimentOptions& options, const Results& results);

/// Writes results.csv, summary.md, counts.png, weights.png, recall.png (f1.png for several labels),
/// precision_recall.png and, for one label per row, reliability.png and confusion.png. Returns a
/// line that says what was written.
/// @throws InputError where a file cannot be written.
std::string write_report(const std::string& header, const Task& task,
                         const ExperimentOptions& options, const Results& results,
                         const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_REPORT_H_
