// What the demo prints and writes of its results.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_REPORT_H_
#define EQUIPOISE_DEMOS_SENTIMENT_REPORT_H_

#include <filesystem>
#include <string>
#include <vector>

#include "demos/sentiment/experiment.h"
#include "demos/sentiment/strategy.h"

namespace equipoise::demos {

/// What the strategies will do to the classes, before anything is trained.
std::string ledger_table(const Task& task, const std::vector<Strategy>& strategies);

/// The tables as Markdown: a row a strategy, figures on test averaged over seeds, the best strategy
/// on validation marked; then the figures of each class under none and under the best.
std::string summary(const Task& task, const Results& results);

/// All figures of all runs: "strategy,seed,split,metric,label,value".
std::string results_csv(const Task& task, const Results& results);

/// Writes summary.md (the header and the summary), results.csv and pictures of class counts,
/// weights and recall by class into a directory.
/// @return a line that says what was written, or why pictures are missing.
/// @throws InputError if a file cannot be written.
std::string write_report(const std::string& header, const Task& task, const Results& results,
                         const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_REPORT_H_
