#include "equipoise/detail/text.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::detail {
namespace {

using testing::error_of;
using Names = std::vector<std::string>;

TEST(Text, CountsCharactersNotBytes) {
  EXPECT_EQ(characters("r\u00e4re"), 4u);
  EXPECT_EQ(right_aligned("r\u00e4re", 6), "  r\u00e4re");
  EXPECT_EQ(right_aligned("long", 2), "long");
  EXPECT_EQ(with_digits(0.126, 2), "0.13");
}

TEST(Table, AlignsNamesAndColumns) {
  const Names names = {"r\u00e4re", "often"};
  Table table(names, 3, 4, "|");
  table.line("", {"a", "b"});
  table.blank_line();
  table.line(0, {"1", "22"});
  table.line("all", {"", "333"});
  EXPECT_EQ(table.text(),
            "     |    a    b\n"
            "\n"
            " r\u00e4re|    1   22\n"
            "  all|       333\n");
  Table numbered({}, 3, 2);
  numbered.line(12, {"x"});
  EXPECT_EQ(numbered.text(), " 12  x\n");
}

TEST(RequireNames, AreOneAClassOrNone) {
  require_names("f", {}, 3);
  require_names("f", Names(3), 3);
  EXPECT_EQ(error_of([] { require_names("f", Names(2), 3); }),
            "f(): names.size() = 2, expected 3 (classes)");
}

}  // namespace
}  // namespace equipoise::detail
