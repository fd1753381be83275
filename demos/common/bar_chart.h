// Bar charts as PNG files, drawn by gnuplot.
#ifndef EQUIPOISE_DEMOS_COMMON_BAR_CHART_H_
#define EQUIPOISE_DEMOS_COMMON_BAR_CHART_H_

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace equipoise::demos {

/// One bar a category, in one colour.
struct BarSeries {
  std::string name;
  std::vector<double> values;
};

struct BarChart {
  std::string title;
  std::string value_axis;
  std::vector<std::string> categories{};
  std::vector<BarSeries> series{};  ///< each with a value for each category
  bool logarithmic = false;         ///< values > 0 then
};

/// The chart as a gnuplot script that writes its picture to a file.
std::string gnuplot_script(const BarChart& chart, const std::filesystem::path& picture);

/// Draws the chart, and leaves its script beside it, with the ending .gnuplot.
/// @return false if there is no gnuplot or it failed; there is no picture then.
/// @throws InputError if the script cannot be written.
bool draw(const BarChart& chart, const std::filesystem::path& picture);

/// Draws the charts of a report that has results.csv and summary.md already, each under its name.
/// Returns a line that says what is there.
std::string draw_report(const std::vector<std::pair<std::string, BarChart>>& charts,
                        const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_BAR_CHART_H_
