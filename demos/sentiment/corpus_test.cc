#include "demos/sentiment/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Labels = std::vector<std::int64_t>;

// The labels of texts that have one each.
Labels only_labels(const LabelledTexts& rows) {
  Labels labels;
  for (const Labels& of_row : rows.labels) {
    EXPECT_EQ(of_row.size(), 1U);
    labels.push_back(of_row.front());
  }
  return labels;
}

// How many texts have each label.
std::map<std::int64_t, int> counts_of(const LabelledTexts& rows) {
  std::map<std::int64_t, int> counts;
  for (const Labels& of_row : rows.labels) {
    for (const std::int64_t label : of_row) ++counts[label];
  }
  return counts;
}

// A directory of small files; a test changes one of them.
class CorpusFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(directory_);
    write("labels.txt", "joy\nanger\nneutral\n");
    write("train.tsv", "good\t0\ta\nbad\t1\tb\nboth\t0,1\tc\ntable\t2\td\nfine\t0\te\n");
    write("dev.tsv", "good\t0\tf\nnice\t0\tg\nunseen\t1\th\n");
    write("test.tsv", "unseen\t1\ti\nbad\t1\tj\nchair\t2\tk\n");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, std::string_view content) const {
    std::ofstream(directory_ / name, std::ios::binary) << content;
  }
  void remove(const std::string& name) const { std::filesystem::remove(directory_ / name); }

  std::string error(Granularity granularity = Granularity::kFine) const {
    try {
      load_corpus(directory_, granularity);
    } catch (const InputError& failure) {
      std::string text = failure.what();
      const std::string prefix = directory_.string() + "/";
      return text.rfind(prefix, 0) == 0 ? text.substr(prefix.size()) : text;
    }
    return "";
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      ("corpus_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(CorpusFiles, KeepsRowsWithOneLabelAndDropsTextsKnownFromTrain) {
  const Corpus corpus = load_corpus(directory_, Granularity::kFine);
  EXPECT_THAT(corpus.classes, ElementsAre("joy", "anger", "neutral"));
  EXPECT_THAT(corpus.train.texts, ElementsAre("good", "bad", "table", "fine"));
  EXPECT_FALSE(corpus.has_several_labels);
  EXPECT_THAT(only_labels(corpus.train), ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(corpus.test.texts, ElementsAre("unseen", "chair"));  // "bad" stands in train
  EXPECT_THAT(only_labels(corpus.test), ElementsAre(1, 2));
  EXPECT_THAT(corpus.validation.texts, ElementsAre("nice"));  // the others stand in train or test
  EXPECT_THAT(corpus.description, HasSubstr("4 training, 1 validation and 2 test rows, 3 classes"));
  EXPECT_THAT(corpus.description, HasSubstr("1 rows with several labels; 1 test and 2 validation"));
}

TEST_F(CorpusFiles, GroupsLabelsByPolarity) {
  write("labels.txt", "joy\nanger\nneutral\nsurprise\n");
  write("train.tsv", "good\t0\ta\nbad\t1\tb\ntable\t2\tc\noh\t3\td\n");
  const Corpus corpus = load_corpus(directory_, Granularity::kPolarity);
  EXPECT_THAT(corpus.classes, ElementsAre("positive", "neutral", "negative", "ambiguous"));
  EXPECT_THAT(only_labels(corpus.train), ElementsAre(0, 2, 1, 3));
}

TEST_F(CorpusFiles, SplitsValidationOffTrainWhereThereIsNoFileForIt) {
  remove("dev.tsv");
  std::string rows;
  for (int i = 0; i < 100; ++i) {
    rows += "text " + std::to_string(i) + "\t" + (i < 80 ? "0" : i < 95 ? "1" : "2") + "\tid\n";
  }
  write("train.tsv", rows);
  const Corpus corpus = load_corpus(directory_, Granularity::kFine);
  EXPECT_EQ(corpus.train.size(), 90U);
  EXPECT_EQ(corpus.validation.size(), 10U);
  std::map<std::int64_t, int> classes = counts_of(corpus.validation);
  EXPECT_EQ(classes[0], 8);
  EXPECT_EQ(classes[1] + classes[2], 2);
  std::set<std::string> texts(corpus.train.texts.begin(), corpus.train.texts.end());
  texts.insert(corpus.validation.texts.begin(), corpus.validation.texts.end());
  EXPECT_EQ(texts.size(), 100U);
  EXPECT_THAT(corpus.description, HasSubstr("0 validation rows whose text stands in another part"));
}

// Rows that occur twice in the file may fall into both parts: those of validation are dropped, and
// counted.
TEST_F(CorpusFiles, CountsTheRowsOfATenthThatStandInTheRestToo) {
  remove("dev.tsv");
  std::string rows;
  for (int i = 0; i < 100; ++i) {
    const int text = i % 2 == 0 ? i : i / 20;  // fifty of their own, fifty of five texts
    rows += "text " + std::to_string(text) + "\t" + std::to_string(i % 3) + "\tid\n";
  }
  write("train.tsv", rows);
  for (const Granularity granularity : {Granularity::kFine, Granularity::kMultiLabel}) {
    const Corpus corpus = load_corpus(directory_, granularity);
    const std::size_t dropped = 100 - corpus.train.size() - corpus.validation.size();
    EXPECT_GT(dropped, 0U);
    EXPECT_GT(corpus.validation.size(), 0U);
    EXPECT_THAT(
        corpus.description,
        HasSubstr(std::to_string(dropped) + " validation rows whose text stands in another part."));
    const std::set<std::string> texts(corpus.train.texts.begin(), corpus.train.texts.end());
    for (const std::string& text : corpus.validation.texts) EXPECT_EQ(texts.count(text), 0U);
  }
}

TEST_F(CorpusFiles, RefusesATenthOfWhichNothingIsLeft) {
  remove("dev.tsv");
  std::string rows;
  for (int i = 0; i < 30; ++i) rows += "text\t" + std::to_string(i % 3) + "\tid\n";
  write("train.tsv", rows);
  EXPECT_EQ(error(),
            "train.tsv:0: no row is left for validation: there is no dev.tsv, and each text of "
            "the tenth that was taken here stands in the rest too");
}

TEST_F(CorpusFiles, KeepsRowsWithSeveralLabelsWhereThatIsAskedFor) {
  write("train.tsv", "good\t0\ta\nbad\t1\tb\nboth\t2,0\tc\ntable\t2\td\nall\t1,2,0\te\n");
  const Corpus corpus = load_corpus(directory_, Granularity::kMultiLabel);
  EXPECT_TRUE(corpus.has_several_labels);
  EXPECT_THAT(corpus.classes, ElementsAre("joy", "anger", "neutral"));
  EXPECT_THAT(corpus.train.texts, ElementsAre("good", "bad", "both", "table", "all"));
  EXPECT_THAT(corpus.train.labels,
              ElementsAre(Labels{0}, Labels{1}, Labels{0, 2}, Labels{2}, Labels{0, 1, 2}));
  EXPECT_THAT(corpus.test.texts, ElementsAre("unseen", "chair"));
  EXPECT_THAT(corpus.validation.texts, ElementsAre("nice"));
  EXPECT_THAT(
      corpus.description,
      HasSubstr("5 training, 1 validation and 2 test rows, 3 labels, of which a row has any "
                "number.\nLeft out: 1 test and 2 validation rows whose text stands in "
                "another part."));
  EXPECT_THAT(corpus.description, Not(HasSubstr("several labels")));
}

TEST_F(CorpusFiles, TextsOfSeveralLabelsStandInOnePartOnly) {
  write("train.tsv", "good\t0\ta\nbad\t1\tb\nboth\t0,1\tc\ntable\t2\td\n");
  write("dev.tsv", "both\t2\tf\nmine\t0,2\tg\nyours\t1\th\n");
  write("test.tsv", "yours\t0,1\ti\nboth\t0\tj\nchair\t2\tk\n");
  // With one label, rows that have several do not count as known.
  const Corpus single = load_corpus(directory_, Granularity::kFine);
  EXPECT_THAT(single.test.texts, ElementsAre("both", "chair"));
  EXPECT_THAT(single.validation.texts, ElementsAre("yours"));
  const Corpus several = load_corpus(directory_, Granularity::kMultiLabel);
  EXPECT_THAT(several.test.texts, ElementsAre("yours", "chair"));
  EXPECT_THAT(several.validation.texts, ElementsAre("mine"));
}

TEST_F(CorpusFiles, RefusesALabelThatStandsTwiceInARow) {
  write("train.tsv", "good\t0\ta\nbad\t1\tb\nboth\t0,1,0\tc\ntable\t2\td\n");
  EXPECT_EQ(error(Granularity::kMultiLabel), "train.tsv:3: label '0,1,0' occurs twice");
  EXPECT_EQ(error(Granularity::kFine), "");  // the row is left out
}

// Every label has about a tenth of its rows in validation, and no text is lost.
TEST_F(CorpusFiles, SplitsRowsWithSeveralLabelsLabelByLabel) {
  remove("dev.tsv");
  std::string rows;
  for (int i = 0; i < 400; ++i) {
    const char* const labels = i % 10 < 5 ? "0" : i % 10 < 8 ? "0,1" : i % 10 == 8 ? "2" : "1,2";
    rows += "text " + std::to_string(i) + "\t" + labels + "\tid\n";
  }
  write("train.tsv", rows);
  const Corpus corpus = load_corpus(directory_, Granularity::kMultiLabel);
  EXPECT_EQ(corpus.train.size() + corpus.validation.size(), 400U);
  EXPECT_THAT(corpus.description, HasSubstr(" validation (a tenth of train.tsv, stratified) and"));
  std::set<std::string> texts(corpus.train.texts.begin(), corpus.train.texts.end());
  for (const std::string& text : corpus.validation.texts) EXPECT_EQ(texts.count(text), 0U);
  texts.insert(corpus.validation.texts.begin(), corpus.validation.texts.end());
  EXPECT_EQ(texts.size(), 400U);
  std::map<std::int64_t, int> held = counts_of(corpus.validation);
  EXPECT_NEAR(held[0], 32, 2);  // of 320
  EXPECT_NEAR(held[1], 16, 2);  // of 160
  EXPECT_NEAR(held[2], 8, 2);   // of 80
}

TEST_F(CorpusFiles, NamesFileAndLineOfWhatIsWrong) {
  write("dev.tsv", "nice\t0\tx\nno tab here\n");
  EXPECT_EQ(
      error(),
      "dev.tsv:2: expected three columns with tabs between (text, label numbers, id), found 1");
  write("dev.tsv", "nice\t0\tx\nno id\t0\n");
  EXPECT_EQ(
      error(),
      "dev.tsv:2: expected three columns with tabs between (text, label numbers, id), found 2");
  write("dev.tsv", "nice\t0\tx\nmore\t7\ty\n");
  EXPECT_EQ(error(), "dev.tsv:2: unknown label '7', expected a number from 0 to 2");
  write("dev.tsv", "nice\t0,joy\tx\n");
  EXPECT_EQ(error(), "dev.tsv:1: unknown label 'joy', expected a number from 0 to 2");
  write("dev.tsv", "nice\t-1\tx\n");
  EXPECT_EQ(error(), "dev.tsv:1: unknown label '-1', expected a number from 0 to 2");
  write("dev.tsv", "nice\t0\tx\nbad byte \xff here\t0\ty\n");
  EXPECT_EQ(error(), "dev.tsv:2: byte 10 of the line is not UTF-8");
  write("dev.tsv", "");
  EXPECT_EQ(error(), "dev.tsv:1: the file is empty");
  remove("dev.tsv");
  remove("test.tsv");
  EXPECT_THAT(error(), HasSubstr("test.tsv:0: cannot be read"));
}

// With a tab in its text a row would have another text and another label.
TEST_F(CorpusFiles, RefusesMoreColumnsThanThree) {
  write("dev.tsv", "nice\t0\tx\nI give it\t1\tstars\t2\tq1\n");
  EXPECT_EQ(
      error(),
      "dev.tsv:2: expected three columns with tabs between (text, label numbers, id), found 5");
  write("dev.tsv", "nice\t0\tx\nfour\t1\t\ty\n");
  EXPECT_EQ(
      error(),
      "dev.tsv:2: expected three columns with tabs between (text, label numbers, id), found 4");
}

TEST_F(CorpusFiles, ReadsRowsWhateverTheirLinesEndWith) {
  const Labels labels = {0, 1, 2};
  for (const char* const rows :
       {"one\t0\tx\ntwo\t1\ty\nthree\t2\tz", "one\t0\tx\r\ntwo\t1\ty\r\nthree\t2\tz\r\n",
        "one\t0\tx\rtwo\t1\ty\rthree\t2\tz\r", "\uFEFFone\t0\tx\ntwo\t1\ty\nthree\t2\tz\n\n \n",
        "one\t0\tx\n\ntwo\t1\ty\t\t\nthree\t2\t\n\t\t\n"}) {
    write("dev.tsv", rows);
    const Corpus corpus = load_corpus(directory_, Granularity::kFine);
    EXPECT_THAT(corpus.validation.texts, ElementsAre("one", "two", "three")) << rows;
    EXPECT_EQ(only_labels(corpus.validation), labels) << rows;
  }
  write("labels.txt", "joy\ranger\rneutral\r\r");
  EXPECT_THAT(load_corpus(directory_, Granularity::kFine).classes,
              ElementsAre("joy", "anger", "neutral"));
}

TEST_F(CorpusFiles, RefusesTextThatIsNotUtf8) {
  write("dev.tsv", std::string_view("n\0i\0c\0e\0\t\0000\0\t\0x\0\n\0", 18));
  EXPECT_EQ(error(), "dev.tsv:1: byte 2 of the line is zero, expected text in UTF-8");
}

TEST_F(CorpusFiles, RefusesClassesWithoutTrainingRowsAndPartsWithoutRows) {
  write("train.tsv", "good\t0\ta\nbad\t1\tb\n");
  EXPECT_EQ(error(), "train.tsv:0: no row for training has the label 'neutral'");
  SetUp();
  write("test.tsv", "good\t0\ta\n");
  EXPECT_EQ(error(), "test.tsv:0: no row is left for testing: its texts stand in another part too");
  SetUp();
  remove("dev.tsv");
  EXPECT_EQ(error(),
            "train.tsv:0: there is no dev.tsv, and of 4 rows with one label no tenth can be taken "
            "for validation");
  EXPECT_EQ(error(Granularity::kMultiLabel),
            "train.tsv:0: there is no dev.tsv, and of 5 rows no tenth can be taken for validation");
  SetUp();
  write("dev.tsv", "good\t0\ta\n");
  EXPECT_EQ(error(),
            "dev.tsv:0: no row is left for validation: its texts stand in another part too");
}

TEST_F(CorpusFiles, RefusesLabelFilesThatDoNotDo) {
  write("labels.txt", "joy\n\nneutral\n");
  EXPECT_EQ(error(), "labels.txt:2: expected a label, found nothing");
  write("labels.txt", "joy\n \t\nneutral\n");
  EXPECT_EQ(error(), "labels.txt:2: expected a label, found nothing");
  write("labels.txt", "joy\nanger\njoy\n");
  EXPECT_EQ(error(), "labels.txt:3: label 'joy' occurs twice");
  write("labels.txt", "joy\n");
  EXPECT_EQ(error(), "labels.txt:1: expected at least two labels");
  write("labels.txt", "joy\nspam\nneutral\n");
  EXPECT_EQ(error(Granularity::kPolarity),
            "labels.txt:2: label 'spam' has no polarity; take --labels=fine");
  std::filesystem::remove_all(directory_);
  EXPECT_EQ(error(), "labels.txt:0: there is no directory " + directory_.string());
}

TEST_F(CorpusFiles, IsFoundWhereItLiesAndBelow) {
  EXPECT_EQ(corpus_directory(directory_), directory_);
  const std::filesystem::path below = directory_ / "sentiment" / "goemotions";
  std::filesystem::create_directories(below);
  std::filesystem::rename(directory_ / "labels.txt", below / "labels.txt");
  EXPECT_EQ(corpus_directory(directory_), below);
  EXPECT_EQ(corpus_directory(directory_ / "sentiment"), below);
  EXPECT_EQ(corpus_directory(directory_ / "nowhere"), directory_ / "nowhere");
}

TEST(SyntheticCorpus, IsImbalancedAndAlwaysTheSame) {
  const Corpus corpus = synthetic_corpus(Granularity::kFine);
  std::map<std::int64_t, int> classes = counts_of(corpus.train);
  EXPECT_EQ(classes.size(), 8U);
  EXPECT_EQ(classes[0], 3000);
  EXPECT_EQ(classes[7], 30);
  EXPECT_EQ(corpus.validation.size(), corpus.test.size());
  EXPECT_NE(corpus.validation.texts, corpus.test.texts);
  EXPECT_EQ(corpus.train.texts, synthetic_corpus(Granularity::kFine).train.texts);
  EXPECT_THAT(corpus.description, testing::StartsWith("No data: a small synthetic corpus"));
}

TEST(SyntheticCorpus, HasRowsWithTwoLabelsWhereThatIsAskedFor) {
  const Corpus corpus = synthetic_corpus(Granularity::kMultiLabel);
  EXPECT_TRUE(corpus.has_several_labels);
  EXPECT_EQ(corpus.classes, synthetic_corpus(Granularity::kFine).classes);
  EXPECT_EQ(corpus.train.size(), 6090U);
  std::size_t with_two = 0;
  for (const Labels& labels : corpus.train.labels) {
    ASSERT_THAT(labels, Not(IsEmpty()));
    ASSERT_LE(labels.size(), 2U);
    if (labels.size() == 1) continue;
    ++with_two;
    EXPECT_LT(labels[0], labels[1]);
  }
  // Every fourth row draws a second one of eight, which may be its own.
  EXPECT_NEAR(static_cast<double>(with_two), 6090.0 / 4 * 7 / 8, 60);
  EXPECT_THAT(corpus.description, HasSubstr("8 labels, of which a row has one or two."));
  EXPECT_EQ(corpus.train.labels, synthetic_corpus(Granularity::kMultiLabel).train.labels);
  for (const Labels& labels : synthetic_corpus(Granularity::kFine).train.labels) {
    EXPECT_EQ(labels.size(), 1U);
  }
}

TEST(SyntheticCorpus, HasPolarities) {
  const Corpus corpus = synthetic_corpus(Granularity::kPolarity);
  EXPECT_EQ(corpus.classes, polarity_names());
  std::map<std::int64_t, int> classes = counts_of(corpus.train);
  EXPECT_EQ(classes[0], 1500 + 400 + 100);  // approval, gratitude, joy
  EXPECT_EQ(classes[1], 3000);              // neutral
  EXPECT_EQ(classes[2], 800 + 60 + 30);     // annoyance, fear, grief
  EXPECT_EQ(classes[3], 200);               // curiosity
}

TEST(Polarity, CoversTheLabelsOfGoEmotions) {
  EXPECT_EQ(polarity_of("relief"), 0);
  EXPECT_EQ(polarity_of("neutral"), 1);
  EXPECT_EQ(polarity_of("grief"), 2);
  EXPECT_EQ(polarity_of("realization"), 3);
  EXPECT_FALSE(polarity_of("spam").has_value());
}

}  // namespace
}  // namespace equipoise::demos
