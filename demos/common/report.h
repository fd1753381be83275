// Tables and pictures that the reports of all demos have.
#ifndef EQUIPOISE_DEMOS_COMMON_REPORT_H_
#define EQUIPOISE_DEMOS_COMMON_REPORT_H_

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <numeric>
#include <ranges>
#include <string>
#include <vector>

#include "demos/common/charts.h"
#include "demos/common/experiment.h"
#include "demos/common/task.h"

namespace equipoise::demos {

/// Indices from that of the largest value to that of the smallest, equals as they stand.
template <class Values>
std::vector<std::size_t> by_falling(const Values& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  return order;
}

template <class Values>
auto in_order(const std::vector<std::size_t>& order, const Values& values) {
  std::vector<std::ranges::range_value_t<Values>> result;
  for (const std::size_t i : order) result.push_back(values[i]);
  return result;
}

/// "mean over 3 seeds"
std::string mean_text(const Results& results);

/// A table of how far probabilities can be believed: its metrics are ece_, class_wise_ece_ and
/// nll_, its ways how probabilities are made, see add_reliability().
struct CalibrationTable {
  std::vector<std::string> metrics = {"ece_", "class_wise_ece_", "nll_"};
  std::vector<std::string> ways = {"raw", "fitted"};
  bool has_posthoc = false;  ///< whether none_tau has a row: its model is that of none
  std::vector<std::string> more_titles{};
  std::function<std::vector<std::string>(const Outcome&)> more{};
};
std::string calibration_table(const Results& results, const CalibrationTable& table = {});

/// Weights of each name at half and at full strength.
DotChart weight_chart(const std::string& title, const std::vector<std::string>& names,
                      const std::function<std::vector<double>(double tau)>& weights);

/// Writes results.csv, summary.md (the header and the summary) and the pictures, and says so.
/// @throws InputError where a file cannot be written.
std::string write_report(const std::string& header, const Task& task,
                         const ExperimentOptions& options, const Results& results,
                         const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_REPORT_H_
