#include "demos/ner/tagger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "demos/common/input_error.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;

TaggedPart part_of(const std::vector<std::vector<std::string>>& sentences) {
  TaggedPart part;
  for (const std::vector<std::string>& tokens : sentences) {
    part.sentences.push_back({tokens, std::vector<std::int64_t>(tokens.size(), 0)});
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      part.tags.push_back(static_cast<std::int64_t>(i % 3));
    }
    part.offsets.push_back(part.tags.size());
  }
  return part;
}

std::vector<std::vector<std::size_t>> places_of(const Examples& examples) {
  std::vector<std::vector<std::size_t>> places(examples.pieces.size());
  for (const PiecePlace& place : examples.places) places[place.text].push_back(place.piece);
  return places;
}

// "unaffable" has three pieces.
TEST(PieceExamples, AreReadAtTheFirstPieceOfEachToken) {
  const WordPiece tokenizer("tests/golden/encoder/vocab.txt");
  const TaggedPart part = part_of({{"the", "unaffable", "cat"}, {"on"}});
  const Examples examples = piece_examples(part, tokenizer, 20, {1, 2, 3, 4});
  EXPECT_THAT(places_of(examples),
              ElementsAre(ElementsAre(1U, 2U, 5U), ElementsAre(std::size_t{1})));
  EXPECT_EQ(examples.pieces[0].size(), 7U);  // with both marks
  EXPECT_EQ(examples.rows(), 4U);
  EXPECT_EQ(examples.targets, part.tags);
  EXPECT_EQ(examples.unit_starts, part.offsets);
  EXPECT_THAT(examples.weights, ElementsAre(1, 2, 3, 4));
}

// No token is lost where a sentence is too long, nor one that is too long itself.
TEST(PieceExamples, CutsLongSentencesBetweenTokens) {
  const WordPiece tokenizer("tests/golden/encoder/vocab.txt");
  const TaggedPart part = part_of({{"the", "cat", "the", "unaffable", "cat", "sat", "on"}});
  const Examples examples = piece_examples(part, tokenizer, 5);
  EXPECT_THAT(places_of(examples),
              ElementsAre(ElementsAre(1U, 2U, 3U), ElementsAre(1U), ElementsAre(1U, 2U, 3U)));
  for (const auto& pieces : examples.pieces) EXPECT_LE(pieces.size(), 5U);
  EXPECT_EQ(examples.rows(), part.tokens());
  EXPECT_EQ(examples.units(), 1U);
}

TEST(Tagger, LinearOnesHaveNoHeadToTrainAgain) {
  TaggingTask task;
  task.tag_names = {"O", "B-x", "I-x"};
  task.tags = metrics::EntityTags(task.tag_names);
  const auto tagger = make_tagger({}, task);
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  const TaggedPart part = part_of({{"a"}});
  const Objective objective{
      SoftmaxLoss<>(),
      Stream(sampling::ClassSampler(std::vector<std::int64_t>{0}, std::vector<double>{1}, 1))};
  EXPECT_THROW(tagger->fit_head(part, part, objective, {}, {}, progress), InputError);
}

}  // namespace
}  // namespace equipoise::demos
