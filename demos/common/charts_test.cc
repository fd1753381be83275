#include "demos/common/charts.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "demos/common/files.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The lines of a data block.
std::string block(const Plot& plot, const std::string& name) {
  const std::string start = "$" + name + " << EndOfData\n";
  const std::size_t begin = plot.commands.find(start);
  if (begin == std::string::npos) return "no block " + name;
  const std::size_t end = plot.commands.find("EndOfData\n", begin + start.size());
  return plot.commands.substr(begin + start.size(), end - begin - start.size());
}

std::vector<std::string> names(std::size_t count) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(absl::StrCat("class ", i));
  return result;
}

// Whether gnuplot draws it; true where gnuplot is missing.
bool is_drawn(const Plot& plot) {
  if (std::system("command -v gnuplot > /dev/null") != 0) return true;
  const std::filesystem::path picture =
      std::filesystem::path(testing::TempDir()) / "charts_test.png";
  return draw(plot, picture) && read_file(picture).starts_with("\x89PNG");
}

TEST(Bars, HaveALineForEachCategoryWithItsNumber) {
  const Plot plot = bars({"Rows", "rows", {"joy", "grief"}, {1500, 39}});
  EXPECT_EQ(block(plot, "bars"), "0 1500 \"1,500\"\n1 39 \"39\"\n");
  EXPECT_THAT(plot.commands, HasSubstr("set yrange [2 - 0.5:-0.5]"));  // the first at the top
  EXPECT_THAT(plot.commands, HasSubstr("set ytics scale 0 ('joy' 0, 'grief' 1)"));
  EXPECT_THAT(plot.commands, HasSubstr("set xlabel 'rows'"));
  EXPECT_THAT(plot.commands, HasSubstr("set xrange [0:1650]"));
  EXPECT_THAT(plot.commands, Not(HasSubstr("logscale")));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(Bars, AreLogarithmicFromTwoDecadesOn) {
  // From the power of ten below the least; what is zero stands there, without a length.
  const Plot plot = bars({"", "", {"a", "b", "c"}, {200000, 2000, 0}});
  EXPECT_THAT(plot.commands, HasSubstr("set logscale x\nset xrange [1000:"));
  EXPECT_EQ(block(plot, "bars"), "0 200000 \"200,000\"\n1 2000 \"2,000\"\n2 1001 \"0\"\n");
  EXPECT_TRUE(is_drawn(plot));
  EXPECT_THAT(bars({"", "", {"a", "b"}, {1000, 10}}).commands, HasSubstr("set xrange [1:"));
  EXPECT_THAT(bars({"", "", {"a", "b"}, {999, 10}}).commands, Not(HasSubstr("logscale")));
}

TEST(Bars, CanBeOneOrAllZeroOrNone) {
  EXPECT_THAT(bars({"", "", {"a", "b"}, {0, 0}}).commands, HasSubstr("set xrange [0:1.1]"));
  EXPECT_TRUE(is_drawn(bars({"", "", {"a", "b"}, {0, 0}})));
  EXPECT_TRUE(is_drawn(bars({"", "", {"only"}, {5}})));
  const Plot none = bars({"a title", "", {}, {}});
  EXPECT_THAT(none.commands, HasSubstr("'no data'"));
  EXPECT_THAT(none.commands, HasSubstr("'a title'"));
  EXPECT_TRUE(is_drawn(none));
}

TEST(Dots, JoinTheLeastAndTheGreatest) {
  const Plot plot = dots({.title = "Recall",
                          .value_axis = "recall",
                          .categories = {"joy", "grief"},
                          .series = {{"none", {0.5, 0.25}}, {"weights", {0.25, 0.75}}},
                          .most = 1,
                          .count_name = "test rows",
                          .counts = {1598, 2}});
  // The category, where its line begins, how long it is, and the series.
  EXPECT_EQ(block(plot, "dots"), "0 0.25 0.25 0.5 0.25\n1 0.25 0.5 0.25 0.75\n");
  EXPECT_THAT(plot.commands, HasSubstr("set xrange [0:1]"));
  EXPECT_THAT(plot.commands, HasSubstr("set y2tics scale 0 ('1,598' 0, '2' 1)"));
  EXPECT_THAT(plot.commands, HasSubstr("'test rows' at graph 1,1"));
  // Before is hollow, after is filled.
  EXPECT_THAT(plot.commands, HasSubstr("using 4:1 with points pt 6 "));
  EXPECT_THAT(plot.commands, HasSubstr("title 'none', $dots using 5:1 with points pt 7 "));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(Dots, LeaveOutWhatIsNoNumberAndOnLogarithmicAxesWhatIsNotPositive) {
  DotChart chart{.categories = {"a", "b", "c"},
                 .series = {{"x", {kNaN, 2, kNaN}}, {"y", {1, 0, kNaN}}, {"z", {4, 8, kNaN}}}};
  EXPECT_EQ(block(dots(chart), "dots"), "0 1 3 NaN 1 4\n1 0 8 2 0 8\n2 NaN NaN NaN NaN NaN\n");
  EXPECT_THAT(dots(chart).commands, HasSubstr("set xrange [0:8.64]"));
  chart.logarithmic = true;
  EXPECT_EQ(block(dots(chart), "dots"), "0 1 3 NaN 1 4\n1 2 6 2 NaN 8\n2 NaN NaN NaN NaN NaN\n");
  EXPECT_THAT(dots(chart).commands, HasSubstr("set logscale x\nset xrange [0.666667:12]"));
  EXPECT_TRUE(is_drawn(dots(chart)));
  chart.series = {{"x", {kNaN, kNaN, kNaN}}};
  EXPECT_THAT(dots(chart).commands, HasSubstr("'no data'"));
  EXPECT_TRUE(is_drawn(dots(chart)));
  EXPECT_TRUE(is_drawn(dots({.title = "without a category"})));
}

TEST(Dots, OfOneSeriesAreFilled) {
  const Plot plot = dots({.categories = {"a"}, .series = {{"none", {0}}}});
  EXPECT_THAT(plot.commands, HasSubstr("using 4:1 with points pt 7 ps 1.5 lc rgb '#0072b2' title"));
  EXPECT_THAT(plot.commands, HasSubstr("set xrange [0:1]"));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(Charts, CutLongNamesBetweenCharactersAndTakeNamesAsText) {
  const std::string arabic = "العربية";
  std::string long_name;
  for (int i = 0; i < 33; ++i) long_name += "ä";
  const std::string fits = long_name.substr(2);
  const Plot plot = dots(
      {.categories = {long_name, fits, arabic, "it's `x` @y \\"}, .series = {{"s", {1, 2, 3, 4}}}});
  EXPECT_THAT(plot.commands, HasSubstr("'" + long_name.substr(4) + "…' 0, '" + fits + "' 1, '" +
                                       arabic + "' 2, 'it''s `x` @y \\' 3"));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(Charts, NamesWithAPercentSignAreNoFormats) {
  const std::vector<std::string> categories = {"50%", "%d"};
  for (const Plot& plot :
       {bars({"", "", categories, {1, 2}}),
        dots({.categories = categories, .series = {{"10%", {1, 2}}, {"%s", {2, 1}}}}),
        heat_map({"%d", categories, {1, 2, 3, 4}})}) {
    EXPECT_THAT(plot.commands, HasSubstr("('50%%' 0, '%%d' 1)"));
    EXPECT_TRUE(is_drawn(plot));
  }
}

TEST(Charts, GrowWithTheirCategoriesAndAreNeverWiderThanAPage) {
  const std::vector<double> values(28, 0.5);
  const Plot few = dots({.categories = {"a"}, .series = {{"s", {1}}}});
  const Plot many = dots({.categories = names(28), .series = {{"s", values}}});
  EXPECT_EQ(many.height - few.height, 28 * 19U - 24U);
  EXPECT_EQ(many.width, 900U);
  EXPECT_EQ(bars({"", "", names(28), values}).width, 900U);
  EXPECT_LE(heat_map({"", names(28), std::vector<double>(28 * 28, 1)}).width, 900U);
  PrecisionRecallChart curves;
  for (const std::string& name : names(28)) curves.panels.push_back({name});
  EXPECT_LE(precision_recall(curves).width, 900U);
}

TEST(Reliability, HasTheBinsWithTheirScoreIntervalsAndCounts) {
  const Plot plot =
      reliability({.title = "title", .bins = 10, .lines = {{"raw", {0.25, 1}, {0.5, 1}, {4, 16}}}});
  // Wilson's interval of 2 in 4: (.5 + z^2 / 8 -+ z sqrt(1 / 16 + z^2 / 64)) / (1 + z^2 / 4), by
  // hand .5 -+ .349961; of 16 in 16: from 16 / (16 + z^2) to 1. Bars stand amid [.2, .3], [.9, 1].
  EXPECT_EQ(block(plot, "line0"), "0.25 0.5 0.150039 0.849961 0.25 4\n1 1 0.806392 1 0.95 16\n");
  EXPECT_THAT(plot.commands, HasSubstr("title 'perfectly calibrated'"));
  EXPECT_THAT(plot.commands, HasSubstr("title 'raw'"));
  EXPECT_THAT(plot.commands, HasSubstr("using 5:6:(0.08) with boxes"));
  EXPECT_THAT(plot.commands, HasSubstr("set ytics autofreq\nset yrange [0:*]"));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(Reliability, CountsManyDecadesOnALogarithmicAxis) {
  const Plot plot = reliability(
      {.lines = {{"raw", {0.9, 0.1}, {1, 0}, {1000, 1}}, {"fitted", {0.8}, {1}, {1001}}}});
  EXPECT_THAT(plot.commands, HasSubstr("set logscale y"));
  EXPECT_THAT(block(plot, "line1"), HasSubstr(" 1001\n"));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(Reliability, WithoutPredictionsSaysSo) {
  EXPECT_THAT(reliability({.lines = {{"raw"}}}).commands, HasSubstr("'no data'"));
  EXPECT_TRUE(is_drawn(reliability({})));
}

TEST(PrecisionRecall, HasAPanelPerClassWithCurvesFromRecallZero) {
  const Plot plot = precision_recall(
      {"title",
       {{"grief", 2, 0.125, {{"none", {0.5, 1}, {1, 0.25}, 0.625}, {"weights", {1}, {0.5}, 0.5}}},
        {"pride", 7, 0.25, {{"none"}, {"weights", {1}, {1}, 1}}}}});
  EXPECT_EQ(block(plot, "curve0_0"), "0 1\n0.5 1\n1 0.25\n");
  EXPECT_EQ(block(plot, "curve0_1"), "0 0.5\n1 0.5\n");
  EXPECT_EQ(block(plot, "curve1_0"), "");
  EXPECT_THAT(plot.commands, HasSubstr("set title 'grief, n = 2'"));
  EXPECT_THAT(plot.commands, HasSubstr("'AP .62 → .50'"));
  EXPECT_THAT(plot.commands, HasSubstr("'AP .00 → 1.00'"));
  EXPECT_THAT(plot.commands, HasSubstr("plot 0.125 with lines"));
  EXPECT_THAT(plot.commands, HasSubstr("'━ weights'"));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(PrecisionRecall, OfNothingAndOfClassesWithoutACurve) {
  EXPECT_THAT(precision_recall({"title", {}}).commands, HasSubstr("'no data'"));
  EXPECT_TRUE(
      is_drawn(precision_recall({"title", {{"a"}, {"b", 1, kNaN, {{"x", {}, {}, kNaN}}}}})));
}

TEST(HeatMap, HasPercentagesOfEachTrueClass) {
  // Two runs: 2 of 4 and 1 of 1 samples a run; nobody is of the third class.
  const Plot plot = heat_map({"title", {"a", "b", "c"}, {4, 3.96, 0.04, 0, 2, 0, 0, 0, 0}, 2});
  EXPECT_EQ(block(plot, "cells"), "0.5 0.495 0.005\n0 1 0\n0 0 0\n");
  EXPECT_EQ(block(plot, "numbers"),  // column, row, percentage, colour; from 1 % on
            "0 0 50 0x222222\n1 0 50 0x222222\n1 1 100 0xffffff\n");
  EXPECT_THAT(plot.commands, HasSubstr("set y2tics scale 0 ('4' 0, '1' 1, '0' 2)"));
  EXPECT_THAT(plot.commands, HasSubstr("'true class'"));
  EXPECT_TRUE(is_drawn(plot));
}

TEST(HeatMap, OfManyClassesHasNumbersFromFivePercentOn) {
  std::vector<double> counts(28 * 28, 1.0);
  counts[0] = 73;
  const Plot plot = heat_map({"", names(28), counts});
  EXPECT_TRUE(block(plot, "numbers").starts_with("0 0 73 0xffffff\n"));
  EXPECT_THAT(block(plot, "numbers"), Not(HasSubstr("1 0 1 ")));  // 1 %
  EXPECT_THAT(plot.commands, HasSubstr("rotate by 90"));
  EXPECT_TRUE(is_drawn(plot));
  EXPECT_THAT(heat_map({"", {"only"}, {3}}).commands, HasSubstr("'no data'"));
  EXPECT_THAT(heat_map({}).commands, HasSubstr("'no data'"));
}

}  // namespace
}  // namespace equipoise::demos
