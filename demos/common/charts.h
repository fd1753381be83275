// The charts of reports, as gnuplot draws them: on white, up to 900 pixels wide, in colours that
// colour-blind readers can tell apart (Okabe & Ito 2008, "Color universal design"). A name of more
// than 32 characters is cut; a chart without data says so.
#ifndef EQUIPOISE_DEMOS_COMMON_CHARTS_H_
#define EQUIPOISE_DEMOS_COMMON_CHARTS_H_

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace equipoise::demos {

/// A picture: its size in pixels, and the commands that draw it, with the data in them.
struct Plot {
  std::size_t width = 0;
  std::size_t height = 0;
  std::string commands{};
};

/// Text as a string in a gnuplot command, and as a field of gnuplot data: nothing in it is special.
std::string gnuplot_string(const std::string& text);
std::string gnuplot_field(const std::string& text);

/// The plot as a gnuplot script that writes its picture to a file.
std::string gnuplot_script(const Plot& plot, const std::filesystem::path& picture);

/// Draws the plot, and leaves its script next to the picture, with the ending .gnuplot.
/// @return false if gnuplot is missing or failed; there is no picture then.
/// @throws InputError if the script cannot be written.
bool draw(const Plot& plot, const std::filesystem::path& picture);

/// A count per category, >= 0: horizontal bars from the first category down, each with its number.
/// The axis is logarithmic if the counts other than 0 span two decades.
struct BarChart {
  std::string title{};
  std::string value_axis{};
  std::vector<std::string> categories{};
  std::vector<double> counts{};
};
Plot bars(const BarChart& chart);

/// A value per category under one name, such as "before" or "after". NaN: no mark.
struct Series {
  std::string name{};
  std::vector<double> values{};
};

/// A line per category with a mark for each series, joined from the least to the greatest: for two
/// series a dumbbell.
struct DotChart {
  std::string title{};
  std::string value_axis{};
  std::vector<std::string> categories{};
  std::vector<Series> series{};  ///< each with a value for each category
  double most = 0;               ///< where the axis from 0 ends; 0: behind the greatest value
  bool logarithmic = false;      ///< values that are not > 0 have no mark then
  std::string count_name{};      ///< what `counts` are, such as "test rows"
  std::vector<double> counts{};  ///< a number at the right of each category; empty: none
};
Plot dots(const DotChart& chart);

/// The bins of a reliability diagram that have predictions.
struct ReliabilityLine {
  std::string name{};
  std::vector<double> confidence{};  ///< mean probability per bin
  std::vector<double> frequency{};   ///< the fraction that came true
  std::vector<double> count{};       ///< predictions, >= 1
};

/// How often predictions come true against their probability, with the diagonal and the 95 % score
/// interval of each bin (Wilson 1927); below, how many predictions each of `bins` bins of equal
/// width has. Any number of lines up to four.
struct ReliabilityChart {
  std::string title{};
  std::size_t bins = 15;
  std::vector<ReliabilityLine> lines{};
};
Plot reliability(const ReliabilityChart& chart);

/// Precision per recall, each holding from the recall before it: the step function whose area is
/// the average precision.
struct PrecisionRecallCurve {
  std::string name{};
  std::vector<double> recall{};  ///< ascending
  std::vector<double> precision{};
  double average_precision = 0;
};

/// The curves of one class.
struct PrecisionRecallPanel {
  std::string name{};
  double positives = 0;
  double prevalence = 0;  ///< the precision of random scores
  std::vector<PrecisionRecallCurve> curves{};
};

/// A panel per class, four in a row.
struct PrecisionRecallChart {
  std::string title{};
  std::vector<PrecisionRecallPanel> panels{};
};
Plot precision_recall(const PrecisionRecallChart& chart);

/// A confusion matrix: of the samples of each true class (rows, from the top) the percentage
/// predicted as each class, in colour and, from 1 % (5 % with more than 12 classes), as a number.
/// A class without samples has an empty row; one class has nothing to show.
struct HeatMap {
  std::string title{};
  std::vector<std::string> classes{};
  std::vector<double> counts{};  ///< C x C, row by row: samples of a true class by prediction
  double runs = 1;               ///< over how many runs they were summed
};
Plot heat_map(const HeatMap& map);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_CHARTS_H_
