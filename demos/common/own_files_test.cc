#include "demos/common/own_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Labels = std::vector<std::int64_t>;

class OwnFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(::testing::TempDir()) /
                 ::testing::UnitTest::GetInstance()->current_test_info()->name();
    make_directory(directory_);
  }
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    write_file(directory_ / name, content);
    return directory_ / name;
  }
  static std::string error_of(const OwnFiles& files) {
    try {
      load_files(files);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path directory_{};
};

TEST_F(OwnFilesTest, ColumnsByName) {
  const OwnFiles files{
      .train = write("train.csv", "id,mood,comment\n1,glad,hooray\n2,sad,\"oh, no\"\n3,sad,alas\n"),
      .validation = write("dev.csv", "comment,mood\nyes,glad\nhooray,glad\n"),
      .test = write("test.csv", "mood,comment\nsad,woe\nglad,\"well\"\n"),
      .text = "comment",
      .label = "mood"};
  const Corpus corpus = load_files(files);
  EXPECT_THAT(corpus.classes, ElementsAre("sad", "glad"));  // the most frequent first
  EXPECT_FALSE(corpus.has_several_labels);
  EXPECT_THAT(corpus.train.texts, ElementsAre("hooray", "oh, no", "alas"));
  EXPECT_THAT(corpus.train.labels, ElementsAre(Labels{1}, Labels{0}, Labels{0}));
  EXPECT_THAT(corpus.test.texts, ElementsAre("woe", "well"));
}

TEST_F(OwnFilesTest, LeavesNoRowOfOneInAnotherPart) {
  const OwnFiles files{.train = write("train.csv", "text,label\na,x\nb,y\n"),
                       .validation = write("dev.csv", "text,label\na,x\nc,x\nd,y\n"),
                       .test = write("test.csv", "text,label\nb,x\nd,y\ne,x\n")};
  const Corpus corpus = load_files(files);
  EXPECT_THAT(corpus.validation.texts, ElementsAre("c"));
  EXPECT_THAT(corpus.test.texts, ElementsAre("d", "e"));
  EXPECT_THAT(corpus.description,
              HasSubstr("2 training, 1 validation and 2 test rows, 2 classes.\nLeft out: 1 test "
                        "and 2 validation rows whose text stands in another part.\nRead with a "
                        "comma between columns, a header, no quotes.\n"));
  EXPECT_THAT(corpus.description,
              HasSubstr("| x     |             1 | 50.0 % |               1 |         1 |"));
}

TEST_F(OwnFilesTest, SplitsWhatHasNoFile) {
  std::string rows;
  for (int i = 0; i < 100; ++i) {
    rows += "text " + std::to_string(i) + "\t" + (i % 10 == 0 ? "rare" : "common") + "\n";
  }
  const Corpus corpus = load_files({.train = write("train.tsv", rows), .text = "1", .label = "2"});
  EXPECT_EQ(corpus.test.size(), 20U);
  EXPECT_EQ(corpus.validation.size(), 8U);
  EXPECT_EQ(corpus.train.size(), 72U);
  std::set<std::string> texts;
  for (const LabelledTexts* part : {&corpus.train, &corpus.validation, &corpus.test}) {
    texts.insert(part->texts.begin(), part->texts.end());
  }
  EXPECT_EQ(texts.size(), 100U);
  EXPECT_EQ(std::count(corpus.test.labels.begin(), corpus.test.labels.end(), Labels{1}), 2);
  EXPECT_THAT(corpus.description,
              HasSubstr("72 training, 8 validation (a tenth of train.tsv, stratified) and 20 test "
                        "(a fifth of train.tsv, stratified) rows, 2 classes."));
  EXPECT_THAT(corpus.description, HasSubstr("no header"));
  EXPECT_EQ(load_files({.train = directory_ / "train.tsv", .text = "1", .label = "2"}).test.texts,
            corpus.test.texts);
}

TEST_F(OwnFilesTest, TextsMayHaveLanguages) {
  OwnFiles files{.train = write("train.csv", "text,label,code\na,x,yo\nb,y,ha\nc,x,ha\n"),
                 .validation = write("dev.csv", "text,label,code\nd,x,ha\n"),
                 .test = write("test.csv", "code,text,label\nyo,e,x\n"),
                 .language = "code"};
  const Corpus corpus = load_files(files);
  EXPECT_THAT(corpus.languages, ElementsAre("ha", "yo"));
  EXPECT_THAT(corpus.train.languages, ElementsAre("yo", "ha", "ha"));
  EXPECT_THAT(corpus.test.languages, ElementsAre("yo"));
  files.test = write("test.csv", "code,text,label\nig,e,x\n");
  EXPECT_THAT(error_of(files),
              EndsWith("test.csv:2: language 'ig' does not occur in " + files.train.string()));
  files.test = write("test.csv", "code,text,label\nyo,f,x\n,e,x\n");
  EXPECT_THAT(error_of(files), EndsWith("test.csv:3: expected a language, found nothing"));
}

TEST_F(OwnFilesTest, BlanksAroundCellsDoNotCount) {
  const OwnFiles files{.train = write("train.csv", "text,\" label\"\na,\" x \"\nb,y\nc, x\n"),
                       .validation = write("dev.csv", "text,label\nd,x\n"),
                       .test = write("test.csv", "text,label\n\"e \",x\n")};
  EXPECT_THAT(load_files(files).classes, ElementsAre("x", "y"));
  EXPECT_THAT(load_files(files).test.texts, ElementsAre("e"));
}

TEST_F(OwnFilesTest, AHeaderThatIsTakenForARowIsNoticed) {
  const std::filesystem::path train = write("train.csv", "text,label\na,x\nb,y\nc,x\nd,y\n");
  const std::filesystem::path other = write("other.csv", "e,x\nf,y\n");
  const OwnFiles files{.train = train,
                       .validation = write("dev.csv", "g,x\n"),
                       .test = other,
                       .text = "1",
                       .label = "2"};
  EXPECT_THAT(
      load_files(files).description,
      HasSubstr("Only line 1 has the label 'label': if it is a header, say columns by name."));
}

TEST_F(OwnFilesTest, RowsForAModelHaveItsClasses) {
  const std::filesystem::path file = write("new.csv", "text,label\na,y\nb,x\n");
  EXPECT_THAT(load_rows(file, {}, {"x", "y"}, "the model").labels,
              ElementsAre(Labels{1}, Labels{0}));
  try {
    load_rows(file, {}, {"x", "z"}, "the model");
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), EndsWith("new.csv:2: label 'y' does not occur in the model"));
  }
}

TEST_F(OwnFilesTest, TextsMayHaveSeveralLabels) {
  const OwnFiles files{.train = write("train.csv", "text;label\na;x|y\nb; y | z \nc;\nd;y\n"),
                       .validation = write("dev.csv", "text;label\ne;z\n"),
                       .test = write("test.csv", "text;label\nf;|\n"),
                       .label_separator = "|"};
  const Corpus corpus = load_files(files);
  EXPECT_TRUE(corpus.has_several_labels);
  EXPECT_THAT(corpus.classes, ElementsAre("y", "x", "z"));
  EXPECT_THAT(corpus.train.labels, ElementsAre(Labels{0, 1}, Labels{0, 2}, IsEmpty(), Labels{0}));
  EXPECT_THAT(corpus.test.labels, ElementsAre(IsEmpty()));
}

TEST_F(OwnFilesTest, MistakesAreNamedByLine) {
  const std::filesystem::path train = write("train.csv", "text,label\na,x\nb,y\n");
  const auto error_with = [&](const std::string& rows, const std::string& label_separator = "") {
    return error_of({.train = train,
                     .validation = write("dev.csv", "text,label\n" + rows),
                     .test = train,
                     .label_separator = label_separator});
  };
  EXPECT_THAT(error_with("c,x\nd,z\n"),
              EndsWith("dev.csv:3: label 'z' does not occur in " + train.string()));
  EXPECT_THAT(error_with("c,x\nd,\n"), EndsWith("dev.csv:3: expected a label, found nothing"));
  EXPECT_THAT(error_with(",x\n"), EndsWith("dev.csv:2: expected a text, found nothing"));
  EXPECT_THAT(error_with("c,x|x\n", "|"), EndsWith("dev.csv:2: label 'x' occurs twice"));
  EXPECT_THAT(error_with(""), EndsWith("dev.csv:0: there is no row below the header"));
  EXPECT_THAT(
      error_with("c,x\n"),
      HasSubstr("train.csv:0: no row is left for testing: its texts stand in another part too"));
  EXPECT_THAT(error_of({.train = train, .label = "mood"}), HasSubstr("--label=mood: no column of"));
  EXPECT_THAT(error_of({.train = train, .label = "text"}),
              HasSubstr("--label: this is the column of --text"));
  EXPECT_THAT(error_of({.train = train}),
              HasSubstr("there is no --test, and of 2 rows no fifth can be taken"));
  EXPECT_THAT(error_of({.train = write("one.csv", "text,label\na,x\nb,x\n")}),
              EndsWith("one.csv:0: expected at least two labels, found 'x' alone"));
}

}  // namespace
}  // namespace equipoise::demos
