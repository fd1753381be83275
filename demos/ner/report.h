// What the demo prints, and its report: tables, CSV and pictures.
#ifndef EQUIPOISE_DEMOS_NER_REPORT_H_
#define EQUIPOISE_DEMOS_NER_REPORT_H_

#include <filesystem>
#include <string>

#include "demos/common/experiment.h"
#include "demos/ner/task.h"

namespace equipoise::demos {

/// The tables of strategies, of types, and of the prior shift.
std::string tagging_summary(const TaggingTask& task, const ExperimentOptions& options,
                            const Results& results);

/// Writes results.csv, summary.md, counts.png, weights.png, f1.png, reliability.png and, where
/// shares were estimated, shift.png. Returns a line
/// that says what was written.
/// @throws InputError where a file cannot be written.
std::string write_tagging_report(const std::string& header, const TaggingTask& task,
                                 const ExperimentOptions& options, const Results& results,
                                 const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_REPORT_H_
