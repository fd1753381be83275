#include "demos/ner/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace equipoise::demos {
namespace {

using testing::ElementsAre;

TaggedCorpus corpus() {
  TaggedCorpus corpus;
  corpus.tags = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  corpus.train = {{{"Ann", "Lee", "left"}, {1, 2, 0}},
                  {{"in", "New", "York", "City"}, {0, 3, 4, 4}}};
  corpus.validation = {{{"Bob"}, {1}}};
  corpus.test = {{{"a", "Paris"}, {0, 3}}};
  return corpus;
}

TEST(TaggingTask, HasTagsTypesAndSharesOfEntities) {
  const auto made = make_tagging_task(corpus(), linear_features(), "linear");
  const TaggingTask& task = *made;
  EXPECT_EQ(task.types(), 2U);
  EXPECT_EQ(task.facts.at("model"), "linear");
  EXPECT_EQ(task.facts.at("tags"), task.classes);
  EXPECT_THAT(task.train.targets, ElementsAre(1, 2, 0, 0, 3, 4, 4));
  EXPECT_THAT(task.types_of(task.train.targets), ElementsAre(1, 1, 0, 0, 2, 2, 2));
  EXPECT_THAT(task.train.unit_starts, ElementsAre(0, 3, 7));
  EXPECT_EQ(task.train.rows(), 7U);
  EXPECT_EQ(task.counts, (ClassCounts{2, 1, 1, 1, 2}));
  EXPECT_THAT(task.span_shares, ElementsAre(0.5, 0.5, 1, 1, 1.0 / 3, 1.0 / 3, 1.0 / 3));
  EXPECT_THAT(task.types_of(task.test.targets), ElementsAre(0, 2));
}

TEST(TaggingTask, GivesTagsThatDoNotOccurHalfAToken) {
  TaggedCorpus without = corpus();
  without.train.pop_back();
  EXPECT_THAT(make_tagging_task(without, linear_features(), "linear")->prior,
              ElementsAre(1, 1, 1, 0.5, 0.5));
}

}  // namespace
}  // namespace equipoise::demos
