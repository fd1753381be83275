#include "demos/common/bar_chart.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <system_error>

#include "demos/common/files.h"

namespace equipoise::demos {

namespace {

// A gnuplot string: in single quotes nothing is special but the quote itself.
std::string quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}, {"\n", " "}}), "'");
}

// A field of gnuplot data: in double quotes backslashes escape, and no quote can stand.
std::string data_field(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "'"}, {"\n", " "}}),
                      "\"");
}

// Where the value axis begins: below the lowest bar if it is logarithmic.
double lowest(const BarChart& chart) {
  if (!chart.logarithmic) return 0;
  double least = std::numeric_limits<double>::infinity();
  for (const BarSeries& series : chart.series) {
    for (const double value : series.values) least = std::min(least, value);
  }
  return least / 2;
}

// In pixels: room for a title, and for every category.
std::size_t width_of(const BarChart& chart) {
  constexpr std::size_t kLeast = 620;
  return std::max(kLeast, 260 + 34 * chart.categories.size());
}

}  // namespace

std::string gnuplot_script(const BarChart& chart, const std::filesystem::path& picture) {
  std::string script = "$data << EndOfData\n";
  for (std::size_t c = 0; c < chart.categories.size(); ++c) {
    script += data_field(chart.categories[c]);
    for (const BarSeries& series : chart.series) absl::StrAppend(&script, " ", series.values[c]);
    script += '\n';
  }
  absl::StrAppend(&script, "EndOfData\n", "set terminal pngcairo noenhanced size ", width_of(chart),
                  ",480 font 'sans,10'\n", "set output ", quoted(picture.string()), "\n",
                  "set title ", quoted(chart.title), "\n", "set ylabel ", quoted(chart.value_axis),
                  "\n",
                  "set style data histogram\n"
                  "set style histogram clustered gap 1\n"
                  "set style fill solid 0.9 noborder\n"
                  "set boxwidth 0.9\n"
                  "set xtics rotate by -45 nomirror scale 0\n"
                  "set ytics nomirror\n"
                  "set grid ytics lt 1 lc rgb '#dddddd'\n"
                  "set border 3\n"
                  "set key above\n");
  if (chart.logarithmic) script += "set logscale y\n";
  absl::StrAppend(&script, "set yrange [", lowest(chart), ":*]\n");
  constexpr const char* kColours[] = {"#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3"};
  for (std::size_t s = 0; s < chart.series.size(); ++s) {
    absl::StrAppend(&script, s == 0 ? "plot " : ", ", "$data using ", s + 2, ":xtic(1) title ",
                    quoted(chart.series[s].name), " lc rgb '", kColours[s % std::size(kColours)],
                    "'");
  }
  return script + '\n';
}

bool draw(const BarChart& chart, const std::filesystem::path& picture) {
  std::filesystem::path script = picture;
  script.replace_extension(".gnuplot");
  write_file(script, gnuplot_script(chart, picture));
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

std::string draw_report(const std::vector<std::pair<std::string, BarChart>>& charts,
                        const std::filesystem::path& directory) {
  std::string written = "results.csv, summary.md";
  bool all = true;
  for (const auto& [name, chart] : charts) {
    if (draw(chart, directory / name)) {
      absl::StrAppend(&written, ", ", name);
    } else {
      all = false;
    }
  }
  return absl::StrCat(
      "Report: ", directory.string(), " (", written, ")",
      all ? "" : "; no pictures: gnuplot is missing or failed (package gnuplot-nox)");
}

}  // namespace equipoise::demos
