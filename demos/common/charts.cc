#include "demos/common/charts.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_replace.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <system_error>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kWidth = 900;  // pixels; what pages show without scaling
constexpr double kCharacter = 8;     // about the width of one, in pixels
constexpr double kBelow = 56;        // an axis with its title
constexpr const char* kGrey = "#767676";
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7"};

// A number that gnuplot reads.
std::string number(double value) {
  return std::isfinite(value) ? absl::StrFormat("%.6g", value) : "NaN";
}

// A count with commas between thousands.
std::string count_text(double count) {
  std::string text = absl::StrFormat("%.0f", count);
  for (auto i = static_cast<std::ptrdiff_t>(text.size()) - 3; i > 0; i -= 3) {
    text.insert(static_cast<std::size_t>(i), ",");
  }
  return text;
}

// Two digits without the zero before them.
std::string score_text(double score) {
  if (!std::isfinite(score)) return "-";
  const std::string text = absl::StrFormat("%.2f", score);
  return text.starts_with("0.") ? text.substr(1) : text;
}

// The first 32 characters of a name.
std::string shortened(const std::string& name) {
  constexpr std::size_t kMost = 32;
  const std::vector<std::size_t> offsets = code_point_offsets(name);
  if (offsets.size() <= kMost + 1) return name;
  return name.substr(0, offsets[kMost - 1]) + "…";
}

// The height of something, in pixels from the top, on gnuplot's screen.
std::string at_pixel(const Plot& plot, double top) {
  return absl::StrFormat("screen %.4f", 1 - top / static_cast<double>(plot.height));
}

// The least width of a picture with a title, in pixels.
std::size_t width_for(const std::string& title) {
  return 24 + 9 * code_point_offsets(title).size();
}

std::string title_of(const Plot& plot, const std::string& title) {
  return absl::StrCat("set label 1 ", gnuplot_string(title), " at screen 0.5,", at_pixel(plot, 18),
                      " center font 'sans,13' textcolor rgb '#000000'\n");
}

// A chart without data.
Plot no_data(const std::string& title) {
  Plot plot{kWidth / 2, 120};
  plot.commands = title_of(plot, title) +
                  "unset border\nunset tics\nset label 2 'no data' at graph 0.5,0.5 center\n"
                  "plot [0:1] [0:1] NaN notitle\n";
  return plot;
}

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  bool empty() const { return least > most; }
};

bool spans_decades(const Range& range) { return !range.empty() && range.most >= 100 * range.least; }

std::string axis(const Range& range, bool logarithmic) {
  if (logarithmic) {
    return absl::StrCat("set logscale x\nset xrange [", number(range.least), ":",
                        number(range.most), "]\n");
  }
  return absl::StrCat("set xrange [0:", number(range.most), "]\n");
}

// Categories as the labels of an axis, which gnuplot takes for formats.
std::string tick_names(const std::vector<std::string>& categories) {
  std::string names;
  for (std::size_t c = 0; c < categories.size(); ++c) {
    const std::string name = absl::StrReplaceAll(shortened(categories[c]), {{"%", "%%"}});
    absl::StrAppend(&names, c == 0 ? "" : ", ", gnuplot_string(name), " ", c);
  }
  return "(" + names + ")";
}

// The vertical axis of a chart with a line per category, from the top.
std::string category_axis(const std::vector<std::string>& categories) {
  return absl::StrCat("set yrange [", categories.size(), " - 0.5:-0.5]\nset ytics scale 0 ",
                      tick_names(categories), "\nset grid xtics lt 1 lc rgb '#e4e4e4'\n");
}

// Numbers at the right of categories, under their name.
std::string count_column(const std::string& name, std::span<const double> counts) {
  std::vector<std::string> numbers;
  for (const double count : counts) numbers.push_back(count_text(count));
  return absl::StrCat("set y2range [", counts.size(), " - 0.5:-0.5]\nset y2tics scale 0 ",
                      tick_names(numbers), " textcolor rgb '", kGrey, "'\nset label 2 ",
                      gnuplot_string(name), " at graph 1,1 left offset 0.8,0.7 textcolor rgb '",
                      kGrey, "'\n");
}

// The 95 % interval of a proportion of n.
std::pair<double, double> wilson(double p, double n) {
  constexpr double kZ = 1.959963984540054;
  const double z2 = kZ * kZ / n;
  const double middle = (p + z2 / 2) / (1 + z2);
  const double half = std::sqrt(z2 * (p * (1 - p) + z2 / 4)) / (1 + z2);
  return {middle - half, middle + half};
}

// Where a panel stands, in pixels from the left and from the top.
std::string panel_at(const Plot& plot, double left, double top, double width, double height) {
  const auto w = static_cast<double>(plot.width);
  const auto h = static_cast<double>(plot.height);
  return absl::StrFormat(
      "set lmargin at screen %.4f\nset rmargin at screen %.4f\n"
      "set tmargin at screen %.4f\nset bmargin at screen %.4f\n",
      left / w, (left + width) / w, 1 - top / h, 1 - (top + height) / h);
}

// The room that names take, in pixels.
double width_of(const std::vector<std::string>& names) {
  std::size_t most = 0;
  for (const std::string& name : names) {
    most = std::max(most, code_point_offsets(shortened(name)).size());
  }
  return 16 + kCharacter * static_cast<double>(most);
}

// The height of categories, in pixels: many of them stand closer.
double height_of(const std::vector<std::string>& categories) {
  constexpr std::size_t kMany = 16;
  return static_cast<double>(categories.size() * (categories.size() < kMany ? 24 : 19));
}

// A chart with a line per category, of which `top` pixels go to the title and the key.
Plot with_categories(const std::string& title, const std::vector<std::string>& categories,
                     double top, double right) {
  const double height = height_of(categories);
  Plot plot{kWidth, static_cast<std::size_t>(top + height + kBelow)};
  const double left = width_of(categories);
  plot.commands = title_of(plot, title) +
                  panel_at(plot, left, top, static_cast<double>(kWidth) - left - right, height) +
                  category_axis(categories);
  return plot;
}

}  // namespace

// In single quotes only the quote itself is special.
std::string gnuplot_string(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}, {"\n", " "}}), "'");
}

// In double quotes backslashes escape, and a quote cannot be written.
std::string gnuplot_field(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "'"}, {"\n", " "}}),
                      "\"");
}

std::string gnuplot_script(const Plot& plot, const std::filesystem::path& picture) {
  return absl::StrCat("set terminal pngcairo noenhanced size ", plot.width, ",", plot.height,
                      " font 'sans,11' background rgb '#ffffff'\n", "set output ",
                      gnuplot_string(picture.string()), "\n",
                      "set encoding utf8\n"
                      "set border 3 lc rgb '#777777'\n"
                      "set tics nomirror textcolor rgb '#222222'\n"
                      "set key textcolor rgb '#222222'\n",
                      plot.commands);
}

bool draw(const Plot& plot, const std::filesystem::path& picture) {
  std::filesystem::path script = picture;
  script.replace_extension(".gnuplot");
  write_file(script, gnuplot_script(plot, picture));
  std::string program = "gnuplot";
  std::string argument = script.string();
  char* const command[] = {program.data(), argument.data(), nullptr};
  pid_t process = 0;
  int status = 1;
  const bool drawn = posix_spawnp(&process, "gnuplot", nullptr, nullptr, command, environ) == 0 &&
                     waitpid(process, &status, 0) == process && status == 0;
  std::error_code error;
  if (!drawn) std::filesystem::remove(picture, error);
  return drawn;
}

Plot bars(const BarChart& chart) {
  Range range;
  for (const double count : chart.counts) {
    if (count > 0) range.include(count);
  }
  if (chart.categories.empty()) return no_data(chart.title);
  const bool logarithmic = spans_decades(range);
  // A bar of the least count can be seen; the number of the greatest has room.
  const double start = logarithmic ? std::pow(10, std::floor(std::log10(range.least / 1.01))) : 0;
  const double most = range.empty() ? 1 : range.most;
  const double end = logarithmic ? most * std::pow(most / start, 0.1) : most * 1.1;
  Plot plot = with_categories(chart.title, chart.categories, 40, 24);
  plot.commands += "$bars << EndOfData\n";
  for (std::size_t c = 0; c < chart.counts.size(); ++c) {
    absl::StrAppend(&plot.commands, c, " ", number(std::max(chart.counts[c], start * 1.001)), " ",
                    gnuplot_field(count_text(chart.counts[c])), "\n");
  }
  absl::StrAppend(&plot.commands, "EndOfData\n", axis({start, end}, logarithmic),
                  "set format x '%.6g'\nset xlabel ", gnuplot_string(chart.value_axis),
                  "\nset style fill solid noborder\nunset key\n"
                  "plot $bars using (",
                  number(start), "):1:(", number(start),
                  "):2:($1-0.36):($1+0.36) with boxxyerror lc rgb '", kColours[0],
                  "', $bars using 2:1:3 with labels left offset 0.5,0 tc rgb '#222222'\n");
  return plot;
}

Plot dots(const DotChart& chart) {
  const auto drawn = [&](double value) {
    return std::isfinite(value) && (!chart.logarithmic || value > 0)
               ? value
               : std::numeric_limits<double>::quiet_NaN();
  };
  Range range;
  std::string data = "$dots << EndOfData\n";
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    Range own;
    for (const Series& series : chart.series) own.include(drawn(series.values[c]));
    range.include(own.least);
    range.include(own.most);
    absl::StrAppend(&data, c, " ", number(own.least), " ", number(own.most - own.least));
    for (const Series& series : chart.series) {
      absl::StrAppend(&data, " ", number(drawn(series.values[c])));
    }
    data += '\n';
  }
  if (range.empty()) return no_data(chart.title);
  if (chart.logarithmic) {
    range = {range.least / 1.5, range.most * 1.5};
  } else {
    range.most = chart.most > 0 ? chart.most : range.most > 0 ? range.most * 1.08 : 1;
  }
  Plot plot = with_categories(chart.title, chart.categories, 66, chart.counts.empty() ? 24 : 86);
  absl::StrAppend(&plot.commands, data, "EndOfData\n", axis(range, chart.logarithmic),
                  "set grid ytics\nset format x '%g'\nset xlabel ",
                  gnuplot_string(chart.value_axis), "\n",
                  chart.counts.empty() ? "" : count_column(chart.count_name, chart.counts),
                  "set key at graph 0.5,", at_pixel(plot, 44),
                  " center vertical maxrows 1 reverse Left samplen 1\n",
                  "plot $dots using 2:1:3:(0) with vectors nohead lw 3 lc rgb '#c4c4c4' notitle");
  constexpr int kMarks[] = {7, 5, 9, 13};  // circle, square, triangle, diamond
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    const std::string values = absl::StrCat(", $dots using ", s + 4, ":1 with points ");
    const std::string name = gnuplot_string(shortened(chart.series[s].name));
    if (s == 0 && chart.series.size() > 1) {  // where it began: hollow
      absl::StrAppend(&plot.commands, values, "pt 7 ps 1.5 lc rgb '#ffffff' notitle", values,
                      "pt 6 ps 1.5 lw 2 lc rgb '", kGrey, "' title ", name);
      continue;
    }
    const std::size_t kind = (s == 0 ? 0 : s - 1) % std::size(kColours);
    absl::StrAppend(&plot.commands, values, "pt ", kMarks[kind], " ps 1.5 lc rgb '", kColours[kind],
                    "' title ", name);
  }
  plot.commands += '\n';
  return plot;
}

Plot reliability(const ReliabilityChart& chart) {
  Plot plot{std::max<std::size_t>(620, width_for(chart.title)), 760, ""};
  Range counts;
  for (std::size_t l = 0; l < chart.lines.size(); ++l) {
    const ReliabilityLine& line = chart.lines[l];
    absl::StrAppend(&plot.commands, "$line", l, " << EndOfData\n");
    for (std::size_t b = 0; b < line.count.size(); ++b) {
      const auto [lower, upper] = wilson(line.frequency[b], line.count[b]);
      counts.include(line.count[b]);
      const auto bins = static_cast<double>(chart.bins);
      const double bin = std::min(std::floor(line.confidence[b] * bins), bins - 1);
      const double place = (static_cast<double>(l) + 0.5) / static_cast<double>(chart.lines.size());
      absl::StrAppend(&plot.commands, number(line.confidence[b]), " ", number(line.frequency[b]),
                      " ", number(lower), " ", number(upper), " ",
                      number((bin + 0.1 + 0.8 * place) / bins), " ", number(line.count[b]), "\n");
    }
    plot.commands += "EndOfData\n";
  }
  if (counts.empty()) return no_data(chart.title);
  const bool logarithmic = spans_decades(counts);
  const auto colour = [&](std::size_t line) {
    return kColours[(chart.lines.size() - 1 - line) % std::size(kColours)];
  };
  absl::StrAppend(&plot.commands, "set multiplot\n", panel_at(plot, 76, 44, 520, 520),
                  title_of(plot, chart.title),
                  "set grid lt 1 lc rgb '#e4e4e4'\n"
                  "set xrange [0:1]\nset yrange [0:1]\nset xtics 0.2\nset ytics 0.2\n"
                  "set format x ''\nset ylabel 'fraction that came true'\n"
                  "set key bottom right reverse Left width 1 opaque\n"
                  "plot x with lines dt 2 lw 1.5 lc rgb '",
                  kGrey, "' title 'perfectly calibrated'");
  for (std::size_t l = 0; l < chart.lines.size(); ++l) {
    absl::StrAppend(&plot.commands, ", $line", l,
                    " using 1:2:3:4 with yerrorbars pt -1 lw 1 lc rgb '", colour(l),
                    "' notitle, $line", l, " using 1:2 with linespoints pt 7 ps 1.1 lw 2 lc rgb '",
                    colour(l), "' title ", gnuplot_string(chart.lines[l].name));
  }
  absl::StrAppend(
      &plot.commands, "\nunset label\nunset key\n", panel_at(plot, 76, 588, 520, 112),
      "set format x '%g'\nset xlabel 'predicted probability'\nset ylabel 'predictions'\n"
      "set style fill solid noborder\n",
      logarithmic ? "set logscale y\nset ytics 10 nomirror\nset format y '%.0s%c'\n"
                    "set yrange [0.5:*]\n"
                  : "set ytics autofreq\nset yrange [0:*]\n",
      "plot ");
  const double width = 0.8 / static_cast<double>(chart.bins * chart.lines.size());
  for (std::size_t l = 0; l < chart.lines.size(); ++l) {
    absl::StrAppend(&plot.commands, l == 0 ? "" : ", ", "$line", l, " using 5:6:(", number(width),
                    ") with boxes lc rgb '", colour(l), "'");
  }
  plot.commands += "\nunset multiplot\n";
  return plot;
}

Plot precision_recall(const PrecisionRecallChart& chart) {
  if (chart.panels.empty()) return no_data(chart.title);
  constexpr std::size_t kColumns = 4;
  constexpr std::size_t kSide = 178;
  const std::size_t columns = std::min(kColumns, chart.panels.size());
  const std::size_t rows = (chart.panels.size() + kColumns - 1) / kColumns;
  Plot plot{std::max<std::size_t>(76 + columns * (kSide + 28), 480), 116 + rows * (kSide + 50), ""};
  absl::StrAppend(&plot.commands, "set multiplot\n", title_of(plot, chart.title),
                  "set xrange [0:1]\nset yrange [0:1.2]\nset xtics 0.5\nset ytics 0,0.5,1\n"
                  "set grid lt 1 lc rgb '#e4e4e4'\nset key off\n");
  const std::vector<PrecisionRecallCurve>& names = chart.panels.front().curves;
  const auto colour = [](std::size_t k, std::size_t size) {
    return k + 1 < size ? kGrey : kColours[0];
  };
  for (std::size_t k = 0; k < names.size(); ++k) {  // the second to the right of the first
    absl::StrAppend(&plot.commands, "set label ", k + 2, " ", gnuplot_string("━ " + names[k].name),
                    " at screen 0.5,", at_pixel(plot, 42),
                    names.size() == 1 ? " center"
                    : k == 0          ? " right offset -1.5,0"
                                      : " left offset 1.5,0",
                    " textcolor rgb '", colour(k, names.size()), "'\n");
  }
  for (std::size_t p = 0; p < chart.panels.size(); ++p) {
    const PrecisionRecallPanel& panel = chart.panels[p];
    std::string areas = "AP";
    std::string curves;
    for (std::size_t k = 0; k < panel.curves.size(); ++k) {
      const PrecisionRecallCurve& curve = panel.curves[k];
      absl::StrAppend(&areas, k == 0 ? " " : " → ", score_text(curve.average_precision));
      absl::StrAppend(&plot.commands, "$curve", p, "_", k, " << EndOfData\n");
      if (!curve.precision.empty()) {
        absl::StrAppend(&plot.commands, "0 ", number(curve.precision.front()), "\n");
      }
      for (std::size_t i = 0; i < curve.recall.size(); ++i) {
        absl::StrAppend(&plot.commands, number(curve.recall[i]), " ", number(curve.precision[i]),
                        "\n");
      }
      plot.commands += "EndOfData\n";
      if (curve.recall.empty()) continue;
      absl::StrAppend(&curves, ", $curve", p, "_", k, " with fsteps lw 2 lc rgb '",
                      colour(k, panel.curves.size()), "'");
    }
    const bool is_left = p % kColumns == 0;
    const std::size_t left = 64 + p % kColumns * (kSide + 28);
    const std::size_t top = 84 + p / kColumns * (kSide + 50);
    const bool is_last = p + kColumns >= chart.panels.size();
    absl::StrAppend(
        &plot.commands,
        panel_at(plot, static_cast<double>(left), static_cast<double>(top), kSide, kSide),
        "set title ",
        gnuplot_string(absl::StrCat(shortened(panel.name), ", n = ", count_text(panel.positives))),
        " font 'sans,11' offset 0,-0.6\n", "set ylabel ", is_left ? "'precision'" : "''",
        "\nset format y ", is_left ? "'%g'" : "''", "\nset xlabel ", is_last ? "'recall'" : "''",
        "\nset label 9 ", gnuplot_string(areas),
        " at graph 0.97,0.93 right textcolor rgb '#222222'\n", "plot ", number(panel.prevalence),
        " with lines dt 3 lw 1.5 lc rgb '", kGrey, "'", curves, "\n");
    if (p == 0) plot.commands += "unset label\n";
  }
  plot.commands += "unset multiplot\n";
  return plot;
}

Plot heat_map(const HeatMap& map) {
  const std::size_t classes = map.classes.size();
  if (classes < 2) return no_data(map.title);
  constexpr std::size_t kManyClasses = 12;
  const bool is_large = classes > kManyClasses;
  const double least = is_large ? 0.05 : 0.01;
  std::string cells = "$cells << EndOfData\n";
  std::string numbers = "$numbers << EndOfData\n";
  std::vector<double> supports;
  for (std::size_t t = 0; t < classes; ++t) {
    double support = 0;
    for (std::size_t p = 0; p < classes; ++p) support += map.counts[t * classes + p];
    supports.push_back(support / map.runs);
    for (std::size_t p = 0; p < classes; ++p) {
      const double fraction = support > 0 ? map.counts[t * classes + p] / support : 0;
      absl::StrAppend(&cells, p == 0 ? "" : " ", number(fraction));
      if (fraction < least) continue;
      absl::StrAppend(&numbers, p, " ", t, " ", absl::StrFormat("%.0f", 100 * fraction), " ",
                      fraction > 0.5 ? "0xffffff" : "0x222222", "\n");
    }
    cells += '\n';
  }
  const double side = static_cast<double>(classes) * (is_large ? 24 : classes > 4 ? 56 : 80);
  const double left = 24 + width_of(map.classes);
  const double below = 40 + (is_large ? 1.0 : 0.6) * width_of(map.classes);
  Plot plot{std::max(static_cast<std::size_t>(left + side + 64), width_for(map.title)),
            static_cast<std::size_t>(50 + side + below)};
  absl::StrAppend(&plot.commands, cells, "EndOfData\n", numbers, "EndOfData\n",
                  panel_at(plot, left, 50, side, side), title_of(plot, map.title),
                  category_axis(map.classes), count_column("rows", supports),
                  "set xrange [-0.5:", classes, " - 0.5]\nset xtics scale 0 ",
                  is_large ? "rotate by 90 right " : "rotate by 35 right ", tick_names(map.classes),
                  "\nunset grid\nunset colorbox\nunset key\nset cbrange [0:1]\n",
                  "set label 3 'true class' at ",
                  absl::StrFormat("screen %.4f", 14 / static_cast<double>(plot.width)),
                  ",graph 0.5 center rotate by 90\nset label 4 'predicted class' at graph 0.5,",
                  at_pixel(plot, 50 + side + below - 14), " center\n",
                  "set palette defined (0 '#ffffff', 0.05 '#deebf7', 0.3 '#9ecae1', 0.6 '#4292c6', "
                  "1 '#08306b')\n"
                  "plot $cells matrix with image, $numbers using 1:2:3:4 with labels font 'sans,",
                  is_large ? 9 : 11, "' tc rgb variable\n");
  return plot;
}

}  // namespace equipoise::demos
