#include "demos/sentiment/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "demos/common/model_file.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Corpus corpus(bool has_several_labels) {
  Corpus corpus;
  corpus.classes = {"a", "b", "c"};
  corpus.has_several_labels = has_several_labels;
  corpus.train.add("x y", {0});
  corpus.train.add(
      "x", has_several_labels ? std::vector<std::int64_t>{0, 2} : std::vector<std::int64_t>{2});
  corpus.train.add("w", {1});
  corpus.validation.add("z", {0});
  corpus.test.add("z z", {1});
  corpus.test.add("x y", has_several_labels ? std::vector<std::int64_t>{0, 1, 2}
                                            : std::vector<std::int64_t>{2});
  return corpus;
}

TEST(MakeTask, HasAClassARow) {
  const auto made = make_task(corpus(false));
  const TextTask& task = *made;
  EXPECT_THAT(task.classes, ElementsAre("a", "b", "c"));
  EXPECT_EQ(task.counts, (ClassCounts{1, 1, 1}));
  EXPECT_EQ(task.train.labels, 0U);
  EXPECT_THAT(task.train.targets, ElementsAre(0, 2, 1));
  EXPECT_THAT(task.validation.targets, ElementsAre(0));
  EXPECT_THAT(task.test.targets, ElementsAre(1, 2));
  EXPECT_EQ(task.train.rows(), 3U);
  EXPECT_EQ(task.validation.rows(), 1U);
  EXPECT_EQ(task.test.rows(), 2U);
}

TEST(MakeTask, HasANumberALabelWhereRowsHaveSeveral) {
  const auto made = make_task(corpus(true));
  const TextTask& task = *made;
  EXPECT_EQ(task.counts, (ClassCounts{2, 1, 1}));
  EXPECT_EQ(task.train.labels, 3U);
  EXPECT_EQ(task.test.labels, 3U);
  EXPECT_THAT(task.train.targets, ElementsAre(1, 0, 0, 1, 0, 1, 0, 1, 0));
  EXPECT_THAT(task.validation.targets, ElementsAre(1, 0, 0));
  EXPECT_THAT(task.test.targets, ElementsAre(0, 1, 0, 1, 1, 1));
}

TEST(MakeTask, LearnsIdfFromTrainAlone) {
  const Corpus texts = corpus(false);
  const auto made = make_task(texts);
  const TextTask& task = *made;
  const TfIdf tf_idf(ngram_counts(texts.train.texts));
  EXPECT_EQ(from_block(task.facts.at("idf")), tf_idf.idf());
  EXPECT_EQ(task.facts.at("classes"), (std::vector<std::string>{"a", "b", "c"}));
  const auto expect_features = [&](const Examples& part, const LabelledTexts& rows) {
    const SparseRows expected = tf_idf(ngram_counts(rows.texts));
    EXPECT_EQ(part.features.starts, expected.starts);
    EXPECT_EQ(part.features.columns, expected.columns);
    EXPECT_EQ(part.features.values, expected.values);
  };
  expect_features(task.train, texts.train);
  expect_features(task.validation, texts.validation);
  expect_features(task.test, texts.test);
}

TEST(MakeExamples, AreTheFeaturesThatTheModelWasTrainedOn) {
  const auto made = make_task(corpus(false));
  const TextTask& task = *made;
  const Examples again = make_examples(TfIdf(from_block(task.facts.at("idf"))), {"z z", "x y", ""});
  EXPECT_EQ(again.rows(), 3U);
  EXPECT_THAT(again.targets, IsEmpty());
  for (std::size_t r = 0; r < 2; ++r) {
    EXPECT_TRUE(std::ranges::equal(again.features.columns_of(r), task.test.features.columns_of(r)));
    EXPECT_TRUE(std::ranges::equal(again.features.values_of(r), task.test.features.values_of(r)));
  }
}

TEST(RareClasses, AreTheSmallestThatHoldATenthTogether) {
  EXPECT_THAT(rare_classes({900, 40, 30, 30}), ElementsAre(1, 2, 3));
  EXPECT_THAT(rare_classes({30, 880, 50, 40}), ElementsAre(0, 3));
  EXPECT_THAT(rare_classes({50, 50}), ElementsAre(0));  // at least one; the first among equals
  EXPECT_THAT(rare_classes({60, 20, 20}), ElementsAre(1));
}

}  // namespace
}  // namespace equipoise::demos
