#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "demos/ner/task.h"

namespace equipoise::demos {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Pointwise;
constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();

// 8 O, 4 B-PER of which two have an I-PER: 2 I-PER, 1 B-LOC, and no I-LOC.
std::unique_ptr<TaggingTask> task() {
  TaggedCorpus corpus;
  corpus.tags = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  const auto sentence = [](std::vector<std::int64_t> tags) {
    return TaggedSentence{std::vector<std::string>(tags.size(), "x"), std::move(tags)};
  };
  corpus.train = {sentence({1, 2, 0, 0}), sentence({1, 2, 0, 0}), sentence({1, 0, 0}),
                  sentence({1, 3, 0, 0})};
  corpus.validation = corpus.train;
  corpus.test = corpus.train;
  return make_tagging_task(corpus, linear_features(), "linear");
}

const std::vector<double>& weights_of(const Objective& objective) {
  return std::get<SoftmaxLoss<CrossEntropy>>(objective.loss).class_weights;
}

TEST(TaggingObjective, WeighsTagsByAPowerOfTheirCounts) {
  const auto made = task();
  const TaggingTask& data = *made;
  EXPECT_TRUE(weights_of(data.objective("none", 0, 10)).empty());
  for (const auto& [name, tau] : {std::pair{"weights", 1.0}, std::pair{"weights_0.5", 0.5}}) {
    const std::vector<double> w = weights_of(data.objective(name, 0, 10));
    ASSERT_EQ(w.size(), 5U);
    EXPECT_NEAR(w[3] / w[1], std::pow(4.0, tau), 64 * kRounding);
    EXPECT_NEAR(w[1] / w[0], std::pow(2.0, tau), 64 * kRounding);
    EXPECT_EQ(w[4], w[3]) << "a tag that does not occur weighs as the rarest";
    EXPECT_NEAR((8 * w[0] + 4 * w[1] + 2 * w[2] + w[3]) / 15, 1, kRounding);
  }
}

TEST(TaggingObjective, CountsAnEntityOnce) {
  const auto made = task();
  const TaggingTask& data = *made;
  EXPECT_THAT(data.row_weights("spans_0.5"),
              ElementsAre(0.5, 0.5, 1, 1, 0.5, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1));
  EXPECT_TRUE(data.row_weights("weights_0.5").empty());
  // Four entities of PER, two of them of two tokens; one of LOC; eight tokens outside.
  const std::vector<double> w = weights_of(data.objective("spans_0.5", 0, 10));
  EXPECT_EQ(w[2], w[1]);
  EXPECT_EQ(w[4], w[3]);
  EXPECT_NEAR(w[3] / w[1], std::sqrt(4.0), 16 * kRounding);
  EXPECT_NEAR(w[1] / w[0], std::sqrt(8.0 / 4), 16 * kRounding);
}

TEST(TaggingObjective, WeighsOutsideDown) {
  EXPECT_THAT(weights_of(task()->objective("outside", 0, 10)), ElementsAre(0.25, 1, 1, 1, 1));
}

TEST(TaggingObjective, DefersWeights) {
  const Objective objective = task()->objective("drw", 0, 30);
  EXPECT_THAT(class_weights_at(objective, 19), ElementsAre(1, 1, 1, 1, 1));
  EXPECT_EQ(class_weights_at(objective, 20), weights_of(objective));
}

TEST(TaggingObjective, RepeatsSentencesWithRareTypes) {
  const auto made = task();
  const TaggingTask& data = *made;
  const auto share_of_last = [&](const std::string& name) {
    const Stream stream = data.objective(name, 1, 10).stream;
    double last = 0;
    const std::uint64_t draws = 100 * stream.epoch_size();
    for (std::uint64_t t = 0; t < draws; ++t) last += stream[t] == 3 ? 1 : 0;
    return last / static_cast<double>(draws);
  };
  EXPECT_DOUBLE_EQ(share_of_last("none"), 0.25);
  EXPECT_GT(share_of_last("scr"), 0.28);
  EXPECT_GT(share_of_last("repeat_factor"), 0.28);
  for (const std::string& name : all_tagging_strategies()) {
    EXPECT_EQ(data.objective(name, 1, 10).stream.epoch_size(), 4U) << name;
  }
  const Stream natural = data.objective("none", 1, 10).stream;
  std::set<std::size_t> epoch;
  for (std::uint64_t t = 0; t < 4; ++t) epoch.insert(natural[t]);
  EXPECT_EQ(epoch.size(), 4U) << "each sentence once an epoch";
}

TEST(TaggingObjective, HasTheLossOfItsName) {
  const auto made = task();
  const TaggingTask& data = *made;
  EXPECT_TRUE(std::holds_alternative<SoftmaxLoss<Focal>>(data.objective("focal", 0, 10).loss));
  EXPECT_TRUE(
      std::holds_alternative<SoftmaxLoss<SelfAdjustingDice>>(data.objective("dice", 0, 10).loss));
}

}  // namespace
}  // namespace equipoise::demos
