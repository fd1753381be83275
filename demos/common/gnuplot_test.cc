#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include "demos/common/charts.h"
#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Plot plot() { return {300, 200, "set title 'It''s a title'\nplot x\n"}; }

TEST(GnuplotScript, HasTheSizeThePictureAndTheCommands) {
  const std::string script = gnuplot_script(plot(), "it's.png");
  EXPECT_THAT(script, HasSubstr("size 300,200"));
  EXPECT_THAT(script, HasSubstr("set output 'it''s.png'\n"));
  EXPECT_THAT(script, HasSubstr("background rgb '#ffffff'"));
  EXPECT_TRUE(script.ends_with(plot().commands));
}

TEST(GnuplotText, IsQuoted) {
  EXPECT_EQ(gnuplot_string("it's\na \\ \"b\""), "'it''s a \\ \"b\"'");
  EXPECT_EQ(gnuplot_field("say \"hi\""), "\"say 'hi'\"");
  EXPECT_EQ(gnuplot_field("back\\slash\\\n"), "\"back\\\\slash\\\\ \"");
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
  ASSERT_TRUE(draw(plot(), picture_));
  EXPECT_THAT(read_file(picture_), StartsWith("\x89PNG\r\n\x1a\n"));
  EXPECT_EQ(read_file(directory_ / "picture.gnuplot"), gnuplot_script(plot(), picture_));
}

TEST_F(Draw, NamesAreTextAndNoCommands) {
  if (!has_gnuplot()) GTEST_SKIP() << "there is no gnuplot on PATH";
  const std::filesystem::path made = directory_ / "made";
  const std::string name = "`touch \"" + made.string() + "\"` @x # \\";
  const Plot hostile{300, 200,
                     "$data << EndOfData\n1 " + gnuplot_field(name) + "\n" +
                         gnuplot_field("EndOfData") + " 2\nEndOfData\nset title " +
                         gnuplot_string(name) + "\nplot $data using 1:0:2 with labels title " +
                         gnuplot_string(name) + "\n"};
  EXPECT_TRUE(draw(hostile, picture_));
  EXPECT_FALSE(std::filesystem::exists(made));
}

TEST_F(Draw, WithoutGnuplotLeavesNoPictureNotEvenAnEarlierOne) {
  write_file(picture_, "an earlier picture");
  setenv("PATH", directory_.c_str(), 1);
  EXPECT_FALSE(draw(plot(), picture_));
  EXPECT_FALSE(std::filesystem::exists(picture_));
  EXPECT_TRUE(std::filesystem::exists(directory_ / "picture.gnuplot"));
}

TEST_F(Draw, LeavesNoPictureWhereGnuplotFails) {
  const std::filesystem::path program = directory_ / "gnuplot";
  write_file(program, "#!/bin/sh\nexit 1\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  write_file(picture_, "half a picture");
  setenv("PATH", directory_.c_str(), 1);
  EXPECT_FALSE(draw(plot(), picture_));
  EXPECT_FALSE(std::filesystem::exists(picture_));
}

TEST_F(Draw, NeedsADirectoryToWriteTo) {
  EXPECT_THROW(draw(plot(), directory_ / "no" / "picture.png"), InputError);
}

}  // namespace
}  // namespace equipoise::demos
