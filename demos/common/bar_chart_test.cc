#include "demos/common/bar_chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

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

TEST(GnuplotScript, QuotesEveryName) {
  BarChart quoted = chart();
  quoted.value_axis = "a\nb";
  quoted.categories = {"back\\slash\\", "two\nlines"};
  quoted.series[1].name = "'after'";
  const std::string script = gnuplot_script(quoted, "it's.png");
  EXPECT_THAT(script, HasSubstr("\"back\\\\slash\\\\\" 8 4\n\"two lines\" 2 3\n"));
  EXPECT_THAT(script, HasSubstr("set output 'it''s.png'"));
  EXPECT_THAT(script, HasSubstr("set ylabel 'a b'"));
  EXPECT_THAT(script, HasSubstr("title '''after'''"));
}

TEST(GnuplotScript, LogarithmicAxesBeginBelowTheLowestBar) {
  BarChart logarithmic = chart();
  logarithmic.logarithmic = true;
  const std::string script = gnuplot_script(logarithmic, "out.png");
  EXPECT_THAT(script, HasSubstr("set logscale y\nset yrange [1:*]"));
}

class Draw : public testing::Test {
 protected:
  void SetUp() override { make_directory(directory_); }
  void TearDown() override {
    setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(directory_);
  }

  bool has_gnuplot() const {
    std::istringstream directories(path_);
    for (std::string directory; std::getline(directories, directory, ':');) {
      if (access((directory + "/gnuplot").c_str(), X_OK) == 0) return true;
    }
    return false;
  }

  const std::string path_ = std::getenv("PATH");
  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("it's " + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
  const std::filesystem::path picture_ = directory_ / "picture.png";
};

TEST_F(Draw, MakesAPictureAndLeavesItsScript) {
  if (!has_gnuplot()) GTEST_SKIP() << "there is no gnuplot on PATH";
  ASSERT_TRUE(draw(chart(), picture_));
  EXPECT_THAT(read_file(picture_), StartsWith("\x89PNG\r\n\x1a\n"));
  EXPECT_EQ(read_file(directory_ / "picture.gnuplot"), gnuplot_script(chart(), picture_));
}

TEST_F(Draw, NamesAreTextAndNoCommands) {
  if (!has_gnuplot()) GTEST_SKIP() << "there is no gnuplot on PATH";
  const std::filesystem::path made = directory_ / "made";
  const std::string name = "`touch \"" + made.string() + "\"` @x # \\";
  BarChart hostile = chart();
  hostile.title = name;
  hostile.value_axis = name;
  hostile.categories = {name, "EndOfData"};
  hostile.series[0].name = name;
  EXPECT_TRUE(draw(hostile, picture_));
  EXPECT_FALSE(std::filesystem::exists(made));
}

TEST_F(Draw, WithoutGnuplotLeavesNoPictureNotEvenAnEarlierOne) {
  write_file(picture_, "an earlier picture");
  setenv("PATH", directory_.c_str(), 1);
  EXPECT_FALSE(draw(chart(), picture_));
  EXPECT_FALSE(std::filesystem::exists(picture_));
  EXPECT_TRUE(std::filesystem::exists(directory_ / "picture.gnuplot"));
}

TEST_F(Draw, LeavesNoPictureWhereGnuplotFails) {
  const std::filesystem::path program = directory_ / "gnuplot";
  write_file(program, "#!/bin/sh\nexit 1\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  write_file(picture_, "half a picture");
  setenv("PATH", directory_.c_str(), 1);
  EXPECT_FALSE(draw(chart(), picture_));
  EXPECT_FALSE(std::filesystem::exists(picture_));
}

TEST_F(Draw, NeedsADirectoryToWriteTo) {
  EXPECT_THROW(draw(chart(), directory_ / "no" / "picture.png"), InputError);
}

}  // namespace
}  // namespace equipoise::demos
