#include "demos/common/text_table.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace equipoise::demos {
namespace {

TEST(TextTable, IsMarkdownWhoseColumnsStandUnderEachOther) {
  TextTable table({"class", "F1"});
  table.add_row({"joy", ".5"});
  table.add_row({"\u00e4rger", ".25"});
  EXPECT_EQ(table.to_string(),
            "| class |  F1 |\n"
            "|:------|----:|\n"
            "| joy   |  .5 |\n"
            "| \u00e4rger | .25 |\n");
}

TEST(TextTable, RowsHaveAsManyCellsAsTheHeader) {
  TextTable table({"a", "b"});
  const std::string header = table.to_string();
  EXPECT_THROW(table.add_row({"1"}), std::invalid_argument);
  EXPECT_THROW(table.add_row({"1", "2", "3"}), std::invalid_argument);
  EXPECT_EQ(table.to_string(), header);
}

TEST(TextTable, WidthsCountCodePointsOfAnySize) {
  TextTable table({"\u4e2d\u6587\u4e2d\u6587", "\U0001F600"});
  table.add_row({"abcd", "12345"});
  EXPECT_EQ(table.to_string(),
            "| \u4e2d\u6587\u4e2d\u6587 |     \U0001F600 |\n"
            "|:-----|------:|\n"
            "| abcd | 12345 |\n");
}

TEST(TextTable, ColumnsHaveThreeCharactersAtLeast) {
  EXPECT_EQ(TextTable({"a", ""}).to_string(),
            "| a   |     |\n"
            "|:----|----:|\n");
}

TEST(TextTable, CellsEndNeitherCellsNorRows) {
  TextTable table({"this|that", "n"});
  table.add_row({"two\nlines", "|"});
  EXPECT_EQ(table.to_string(),
            "| this\\|that |   n |\n"
            "|:-----------|----:|\n"
            "| two lines  |  \\| |\n");
}

}  // namespace
}  // namespace equipoise::demos
