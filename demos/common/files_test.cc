#include "demos/common/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>
#include <string_view>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

// While it lives, no file can grow beyond so many bytes, as if the disk were full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &previous_);
    const rlimit limit{bytes, previous_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit previous_{};
  void (*handler_)(int) = std::signal(SIGXFSZ, SIG_IGN);  // an error, not the end of the program
};

// What the InputError says that f() throws; nothing if it throws none.
template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const InputError& failure) {
    return failure.what();
  }
  return "";
}

class Files : public testing::Test {
 protected:
  void SetUp() override { make_directory(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // What reading these bytes says, after the file's name.
  std::string error(std::string_view content) const {
    write_file(file_, content);
    const std::string message = message_of([&] { read_lines(file_); });
    return message.empty() ? message : message.substr(file_.string().size());
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("files_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
  const std::filesystem::path file_ = directory_ / "file";
};

TEST_F(Files, LinesEndAsOnUnixWindowsOrOldMacsOrNotAtAll) {
  write_file(file_, "one\ntwo\r\n\nfour");
  EXPECT_THAT(read_lines(file_), ElementsAre("one", "two", "", "four"));
  write_file(file_, "\uFEFFone\ntwo\n");  // a byte order mark is no part of the text
  EXPECT_THAT(read_lines(file_), ElementsAre("one", "two"));
  write_file(file_, "one\n");
  EXPECT_THAT(read_lines(file_), ElementsAre("one"));
  write_file(file_, "\n");
  EXPECT_THAT(read_lines(file_), ElementsAre(""));
  write_file(file_, "one\rtwo\r\rfour");  // as on old Macs
  EXPECT_THAT(read_lines(file_), ElementsAre("one", "two", "", "four"));
  write_file(file_, "one\r\ntwo\nthree\rfour\r");
  EXPECT_THAT(read_lines(file_), ElementsAre("one", "two", "three", "four"));
}

TEST(Lines, EndOnceWhereWindowsWroteTheReturnTwice) {
  EXPECT_THAT(split_lines("a\r\r\nb\r\r\n\r\r\nc\r"), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split_lines("\r\r\r\n"), ElementsAre("", ""));
  EXPECT_THAT(split_lines("a\n\rb\uFEFF"), ElementsAre("a", "", "b\uFEFF"));
  EXPECT_THAT(split_lines(""), IsEmpty());
  EXPECT_THAT(split_lines("\uFEFF"), IsEmpty());
}

TEST(Lines, AreTextUnlessAByteSaysOtherwise) {
  EXPECT_EQ(encoding_flaw("a\tb \U0001F600"), std::nullopt);
  EXPECT_EQ(encoding_flaw("ab\xff"), "byte 3 of the line is not UTF-8");
  EXPECT_EQ(encoding_flaw(std::string_view("a\0b\0", 4)),
            "byte 2 of the line is zero, expected text in UTF-8");
}

TEST_F(Files, EmptyAndNonUtf8FilesAreErrorsWithALine) {
  EXPECT_EQ(error(""), ":1: the file is empty");
  EXPECT_EQ(error("good\nbad \xfe\n"), ":2: byte 5 of the line is not UTF-8");
  EXPECT_EQ(error("cut \xe4\xb8\nnext\n"), ":1: byte 5 of the line is not UTF-8");
  EXPECT_EQ(error(std::string_view("good\rn\0u\0l\0", 11)),
            ":2: byte 2 of the line is zero, expected text in UTF-8");
  EXPECT_EQ(error("\r\n\r\n\xc0\xaf"), ":3: byte 1 of the line is not UTF-8");  // no final line end
}

TEST_F(Files, WhatIsNotAFileCannotBeRead) {
  const auto error_of = [](const std::filesystem::path& path) {
    return message_of([&] { read_file(path); });
  };
  EXPECT_THAT(error_of(file_), HasSubstr("file:0: cannot be read: No such file"));
  EXPECT_EQ(error_of(directory_), directory_.string() + ":0: expected a file, this is a directory");
  EXPECT_EQ(error_of(directory_ / "no" / "file"), (directory_ / "no" / "file").string() +
                                                      ":0: there is no directory " +
                                                      (directory_ / "no").string());
  write_file(file_, "no directory");
  EXPECT_THAT(error_of(file_ / "below"), HasSubstr("below:0: "));
}

TEST_F(Files, PathsThatCannotBeLookedAtAreErrorsOfTheFile) {
  const std::string endless(1000, 'x');
  for (const auto& path : {directory_ / endless, directory_ / endless / "file"}) {
    EXPECT_EQ(message_of([&] { read_file(path); }),
              path.string() + ":0: cannot be read: File name too long");
  }
  EXPECT_THAT(message_of([&] { write_file(directory_ / endless, "content"); }),
              EndsWith(":0: cannot be written: File name too long"));
  const std::filesystem::path loop = directory_ / "loop";
  std::filesystem::create_symlink(loop, loop);
  for (const auto& path : {loop, loop / "file"}) {
    EXPECT_EQ(message_of([&] { read_file(path); }),
              path.string() + ":0: cannot be read: Too many levels of symbolic links");
    EXPECT_THAT(message_of([&] { make_directory(path); }),
                HasSubstr(":0: cannot be made a directory: "));
  }
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

TEST_F(Files, KeepTheirContentIfTheNewOneDoesNotFit) {
  write_file(file_, "what was there");
  for (const std::size_t size :
       {std::size_t{100}, std::size_t{1} << 20}) {  // what a stream's buffer holds, and more
    const std::string content(size, 'x');
    std::string message;
    {
      const FileSizeLimit limit(64);
      message = message_of([&] { write_file(file_, content); });
    }
    EXPECT_EQ(message, file_.string() + ":0: cannot be written: File too large");
    EXPECT_EQ(read_file(file_), "what was there");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
  }
}

TEST_F(Files, DirectoriesAreMadeUnlessThereIsAFile) {
  make_directory(directory_ / "a" / "b");
  EXPECT_TRUE(std::filesystem::is_directory(directory_ / "a" / "b"));
  EXPECT_NO_THROW(make_directory(directory_ / "a" / "b"));
  write_file(file_, "x");
  EXPECT_THAT(message_of([&] { make_directory(file_); }),
              HasSubstr("file:0: cannot be made a directory: "));
  EXPECT_EQ(read_file(file_), "x");
}

TEST(UserPath, StartsWhereBazelWasCalled) {
  setenv("BUILD_WORKING_DIRECTORY", "/where/called", 1);
  EXPECT_EQ(user_path("data/x"), "/where/called/data/x");
  EXPECT_EQ(user_path("/data/x"), "/data/x");
  EXPECT_EQ(user_path("../x"), "/where/called/../x");
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(user_path("data/x"), "data/x");
}

TEST(UserPaths, StandInAListWithCommasBetween) {
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_THAT(user_paths("train", "a.json,b/c.json"), ElementsAre("a.json", "b/c.json"));
  EXPECT_THAT(user_paths("train", ""), IsEmpty());
  EXPECT_EQ(message_of([] { user_paths("train", "a,"); }), "--train=a,: a name of a file is empty");
}

}  // namespace
}  // namespace equipoise::demos
