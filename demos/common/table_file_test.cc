#include "demos/common/table_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class Table : public ::testing::Test {
 protected:
  TableFile read(const std::string& content, char separator = 0) {
    write_file(path_, content);
    return read_table(path_, separator);
  }
  std::string error(const std::string& content, char separator = 0) {
    try {
      read(content, separator);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }
  static std::vector<std::vector<std::string>> cells(const TableFile& table) {
    std::vector<std::vector<std::string>> result;
    for (const TableFile::Row& row : table.rows) result.push_back(row.cells);
    return result;
  }

  // A file for each test: they may run at the same time.
  std::filesystem::path path_ = std::filesystem::path(::testing::TempDir()) /
                                ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(Table, FindsTheSeparator) {
  EXPECT_EQ(read("a\tb,c;d\n").separator, '\t');
  EXPECT_EQ(read("a,b;c,d\n").separator, ',');
  EXPECT_EQ(read("a;b,c;d\n").separator, ';');
  // With which all rows are alike.
  EXPECT_EQ(read("I like it; really; very,x\nno,y\n").separator, ',');
  EXPECT_EQ(read("\"text, raw\";label\na;b\n").separator, ';');
  EXPECT_THAT(cells(read("a|b,c\nd|e\n", '|')),
              ElementsAre(ElementsAre("a", "b,c"), ElementsAre("d", "e")));
}

TEST_F(Table, TakesQuotesOff) {
  const TableFile table = read("text,label\n\"one, two\",a\n\"say \"\"no\"\"\",\"b\"\n\"\",c\n");
  EXPECT_TRUE(table.is_quoted);
  EXPECT_THAT(cells(table), ElementsAre(ElementsAre("text", "label"), ElementsAre("one, two", "a"),
                                        ElementsAre("say \"no\"", "b"), ElementsAre("", "c")));
}

TEST_F(Table, CellsMayHaveSeveralLines) {
  const TableFile table = read("\"a\nb\n\nc\",x\r\n\r\nd,\"y\nz\"\ne,f");
  EXPECT_THAT(cells(table), ElementsAre(ElementsAre("a\nb\n\nc", "x"), ElementsAre("d", "y\nz"),
                                        ElementsAre("e", "f")));
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_EQ(table.rows[0].line, 1U);
  EXPECT_EQ(table.rows[1].line, 6U);
  EXPECT_EQ(table.rows[2].line, 8U);
}

// As the files of GoEmotions have them.
TEST_F(Table, QuotesThatDoNotFitAreCharacters) {
  const TableFile table = read("\"What? he said\t3\n\"so\" it is\t4\n\tx\n");
  EXPECT_FALSE(table.is_quoted);
  EXPECT_THAT(cells(table), ElementsAre(ElementsAre("\"What? he said", "3"),
                                        ElementsAre("\"so\" it is", "4"), ElementsAre("", "x")));
  // A pair of quotes that would swallow a row.
  EXPECT_THAT(cells(read("\"a\tb\nc\"\td\n")),
              ElementsAre(ElementsAre("\"a", "b"), ElementsAre("c\"", "d")));
}

TEST_F(Table, DropsBlanksBlankLinesAndTheByteOrderMark) {
  for (const char* content :
       {"\xEF\xBB\xBF\n a , b\n \n c,d \n", "\xEF\xBB\xBF\n a , b\n\n\"c\",d \n"}) {
    const TableFile table = read(content);
    EXPECT_THAT(cells(table), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
    EXPECT_EQ(table.rows[0].line, 2U);
    EXPECT_EQ(table.rows[1].line, 4U);
  }
}

TEST_F(Table, RowsOfEmptyCellsAreRows) {
  EXPECT_THAT(cells(read("a\tb\n\t\n")), ElementsAre(ElementsAre("a", "b"), ElementsAre("", "")));
  EXPECT_THAT(cells(read("a,b\n,\n")), ElementsAre(ElementsAre("a", "b"), ElementsAre("", "")));
}

TEST_F(Table, OtherFilesAreRefusedByLine) {
  EXPECT_THAT(error("a,b\nc,d\ne,f,g\n"),
              HasSubstr(":3: expected 2 columns as in line 1, found 3"));
  // Rows are counted as quotes have them where these fit together.
  EXPECT_THAT(error("a,b\n\"c\nd\",e\nf,g,h\n"),
              HasSubstr(":4: expected 2 columns as in line 1, found 3, with a comma"));
  EXPECT_THAT(
      error("a,b\n\"c,d\",e\n5\" f,g,h\n"),
      HasSubstr("; quotes are read as characters, for those of line 3 do not fit together"));
  EXPECT_THAT(error("one\ntwo\n"), HasSubstr(":1: expected at least two columns, found one, with a "
                                             "comma between columns; --separator"));
  EXPECT_THAT(error("\none,two\n", '|'), HasSubstr(":2: expected at least two columns, found one"));
  EXPECT_THAT(error(" \n\n"), EndsWith(":1: there are only blank lines"));
  EXPECT_THAT(error(""), HasSubstr(":1: "));
  EXPECT_THAT(error("a,b\nc,\xFF\n"), HasSubstr(":2: byte 3"));
  EXPECT_THROW(read_table(path_ / "nothing"), InputError);
}

TEST(Separator, IsACharacterOrATab) {
  EXPECT_EQ(separator_named("|"), '|');
  EXPECT_EQ(separator_named("tab"), '\t');
  EXPECT_EQ(separator_named(""), '\0');
  EXPECT_THROW(separator_named("ab"), InputError);
}

TEST_F(Table, ColumnsHaveNamesOrNumbers) {
  const TableFile table = read("id,text,text,2020\n1,a,b,c\n");
  EXPECT_EQ(column_of(table, "text", "id"), 0U);
  EXPECT_EQ(column_of(table, "text", "4"), 3U);
  const auto error_of = [&](const std::string& name) -> std::string {
    try {
      column_of(table, "text", name);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(error_of("label"), HasSubstr("its first row is id | text | text | 2020"));
  EXPECT_THAT(error_of("text"), HasSubstr("--text=text: two columns of"));
  EXPECT_THAT(error_of("5"), HasSubstr("has the columns 1 to 4"));
  EXPECT_THAT(error_of("0"), HasSubstr("has the columns 1 to 4"));
  EXPECT_THAT(error_of("99999999999999999999"), HasSubstr("--text="));
  EXPECT_TRUE(is_column_number("12"));
  EXPECT_FALSE(is_column_number("1a"));
  EXPECT_FALSE(is_column_number(""));
}

}  // namespace
}  // namespace equipoise::demos
