// Pictures as PNG files, drawn by gnuplot.
#ifndef EQUIPOISE_DEMOS_COMMON_GNUPLOT_H_
#define EQUIPOISE_DEMOS_COMMON_GNUPLOT_H_

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace equipoise::demos {

/// A picture: its size in pixels, and the commands that draw it, with the data in them.
struct Plot {
  std::size_t width = 0;
  std::size_t height = 0;
  std::string commands{};
};

/// Text as a string in a gnuplot command: nothing in it is special.
std::string gnuplot_string(const std::string& text);

/// Text as a field of gnuplot data.
std::string gnuplot_field(const std::string& text);

/// The plot as a gnuplot script that writes its picture to a file.
std::string gnuplot_script(const Plot& plot, const std::filesystem::path& picture);

/// Draws the plot, and leaves its script next to the picture, with the ending .gnuplot.
/// @return false if gnuplot is missing or failed; there is no picture then.
/// @throws InputError if the script cannot be written.
bool draw(const Plot& plot, const std::filesystem::path& picture);

/// Draws the plots of a report that has results.csv and summary.md already, each under its name.
/// Returns a line that lists the files.
std::string draw_report(const std::vector<std::pair<std::string, Plot>>& plots,
                        const std::filesystem::path& directory);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_GNUPLOT_H_
