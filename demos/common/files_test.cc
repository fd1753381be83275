#include "demos/common/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Files : public testing::Test {
 protected:
  void SetUp() override { make_directory(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // What reading these bytes says, after the file's name.
  std::string error(std::string_view content) const {
    write_file(file_, content);
    try {
      read_lines(file_);
    } catch (const InputError& failure) {
      return std::string(failure.what()).substr(file_.string().size());
    }
    return "";
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("files_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
  const std::filesystem::path file_ = directory_ / "file";
};

TEST_F(Files, LinesEndAsOnUnixOrWindowsOrNotAtAll) {
  write_file(file_, "one\ntwo\r\n\nfour");
  EXPECT_THAT(read_lines(file_), ElementsAre("one", "two", "", "four"));
  write_file(file_, "one\n");
  EXPECT_THAT(read_lines(file_), ElementsAre("one"));
  write_file(file_, "\n");
  EXPECT_THAT(read_lines(file_), ElementsAre(""));
}

TEST_F(Files, EmptyAndNonUtf8FilesAreErrorsWithALine) {
  EXPECT_EQ(error(""), ":1: the file is empty");
  EXPECT_EQ(error("good\nbad \xfe\n"), ":2: byte 5 of the line is not UTF-8");
  EXPECT_EQ(error("cut \xe4\xb8\nnext\n"), ":1: byte 5 of the line is not UTF-8");
}

TEST_F(Files, WhatIsNotAFileCannotBeRead) {
  const auto error_of = [](const std::filesystem::path& path) -> std::string {
    try {
      read_file(path);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  };
  EXPECT_THAT(error_of(file_), HasSubstr("file:0: cannot be read: No such file"));
  EXPECT_EQ(error_of(directory_), directory_.string() + ":0: expected a file, this is a directory");
  EXPECT_EQ(error_of(directory_ / "no" / "file"), (directory_ / "no" / "file").string() +
                                                      ":0: there is no directory " +
                                                      (directory_ / "no").string());
}

TEST_F(Files, AreReadAsTheyWereWritten) {
  const std::string content("any\0bytes\xff\r\n", 12);
  write_file(file_, content);
  EXPECT_EQ(read_file(file_), content);
  write_file(file_, "shorter");
  EXPECT_EQ(read_file(file_), "shorter");
  write_file(file_, "");
  EXPECT_EQ(read_file(file_), "");
}

TEST_F(Files, AreWrittenWholeOrNotAtAll) {
  std::filesystem::create_directories(file_ / "below");  // no file can take this name
  EXPECT_THROW(write_file(file_, "content"), InputError);
  EXPECT_THROW(write_file(directory_ / "no" / "file", "content"), InputError);
  std::size_t entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    EXPECT_EQ(entry.path(), file_);
    ++entries;
  }
  EXPECT_EQ(entries, 1U);
}

TEST_F(Files, DirectoriesAreMadeUnlessThereIsAFile) {
  make_directory(directory_ / "a" / "b");
  EXPECT_TRUE(std::filesystem::is_directory(directory_ / "a" / "b"));
  EXPECT_NO_THROW(make_directory(directory_ / "a" / "b"));
  write_file(file_, "x");
  EXPECT_THROW(make_directory(file_), InputError);
}

TEST(UserPath, StartsWhereBazelWasCalled) {
  setenv("BUILD_WORKING_DIRECTORY", "/where/called", 1);
  EXPECT_EQ(user_path("data/x"), "/where/called/data/x");
  EXPECT_EQ(user_path("/data/x"), "/data/x");
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(user_path("data/x"), "data/x");
}

}  // namespace
}  // namespace equipoise::demos
