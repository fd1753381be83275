#include "demos/common/gnuplot.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <system_error>

#include "demos/common/files.h"

namespace equipoise::demos {

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

std::string draw_report(const std::vector<std::pair<std::string, Plot>>& plots,
                        const std::filesystem::path& directory) {
  std::string written = "results.csv, summary.md";
  bool all = true;
  for (const auto& [name, plot] : plots) {
    if (draw(plot, directory / name)) {
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
