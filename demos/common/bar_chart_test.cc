#include "demos/common/bar_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "demos/common/files.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;

BarChart chart() {
  BarChart chart;
  chart.title = "It's a title";
  chart.value_axis = "rows";
  chart.categories = {"joy", "say \"hi\""};
  chart.series = {{"before", {8, 2}}, {"after", {4, 3}}};
  return chart;
}

TEST(GnuplotScript, HasARowForEachCategory) {
  const std::string script = gnuplot_script(chart(), "out.png");
  EXPECT_THAT(script, HasSubstr("\"joy\" 8 4\n\"say 'hi'\" 2 3\nEndOfData\n"));
  EXPECT_THAT(script, HasSubstr("set output 'out.png'"));
  EXPECT_THAT(script, HasSubstr("set title 'It''s a title'"));
  EXPECT_THAT(script, HasSubstr("set yrange [0:*]"));
  EXPECT_THAT(script, HasSubstr("using 3:xtic(1) title 'after'"));
}

TEST(GnuplotScript, LogarithmicAxesBeginBelowTheLowestBar) {
  BarChart logarithmic = chart();
  logarithmic.logarithmic = true;
  const std::string script = gnuplot_script(logarithmic, "out.png");
  EXPECT_THAT(script, HasSubstr("set logscale y\nset yrange [1:*]"));
}

TEST(Draw, MakesAPictureOrSaysThatItCouldNot) {
  const std::filesystem::path picture = std::filesystem::path(testing::TempDir()) / "it's.png";
  if (draw(chart(), picture)) {
    EXPECT_EQ(read_file(picture).substr(1, 3), "PNG");
  }
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  EXPECT_FALSE(draw(chart(), picture));
  EXPECT_FALSE(std::filesystem::exists(picture));
  setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace equipoise::demos
