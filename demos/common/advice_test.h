// Code that demos print is code that their tests compile.
#ifndef EQUIPOISE_DEMOS_COMMON_ADVICE_TEST_H_
#define EQUIPOISE_DEMOS_COMMON_ADVICE_TEST_H_

#include <absl/strings/ascii.h>
#include <absl/strings/str_split.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "demos/common/files.h"

namespace equipoise::demos {

/// Expects each line of some code, but for comments, to be one of a source file.
inline void expect_lines_of(const std::string& file, const std::string& code) {
  std::set<std::string> compiled;
  for (const std::string& line : read_lines(file)) {
    compiled.insert(std::string(absl::StripAsciiWhitespace(line)));
  }
  for (const absl::string_view line : absl::StrSplit(code, '\n')) {
    const std::string stripped(absl::StripAsciiWhitespace(line));
    if (stripped.starts_with("//")) continue;
    EXPECT_TRUE(compiled.contains(stripped)) << stripped;
  }
}

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_ADVICE_TEST_H_
