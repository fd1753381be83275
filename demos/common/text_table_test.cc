#include "demos/common/text_table.h"

#include <gtest/gtest.h>

#include <stdexcept>

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
  EXPECT_THROW(table.add_row({"1"}), std::invalid_argument);
}

}  // namespace
}  // namespace equipoise::demos
