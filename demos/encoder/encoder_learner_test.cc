#include "demos/encoder/encoder_learner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "demos/encoder/word_piece.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {
namespace {

constexpr const char* kSmall = "tests/golden/encoder";

// Two classes, told by one word; texts of very different length.
Examples examples_of(std::size_t rows, std::uint64_t seed) {
  const WordPiece tokenizer(std::string(kSmall) + "/vocab.txt");
  Examples examples;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::uint64_t die = (r * 2654435761U + seed) % 97;
    std::string text = die % 2 == 0 ? "cat" : "mat";
    for (std::uint64_t i = 0; i < die % 13; ++i) text += i % 2 == 0 ? " the" : " on world";
    examples.pieces.push_back(tokenizer.encode(text, 40).ids);
    examples.targets.push_back(static_cast<std::int64_t>(die % 2));
  }
  return examples;
}

std::unique_ptr<Learner> make_learner(std::uint64_t seed = 1, double layer_decay = 1) {
  return make_encoder_learner(
      {.directory = kSmall, .classes = 2, .seed = seed, .layer_decay = layer_decay});
}

Objective objective_of(const Examples& examples) {
  const std::vector<double> mass = {1, 1};
  return {SoftmaxLoss<CrossEntropy>(), Stream(sampling::ClassSampler(examples.targets, mass, 5))};
}

struct Trained {
  Fit fit;
  std::vector<Parameter> parameters{};
  double accuracy = 0;
};

Trained train(Learner& learner, TrainingOptions options) {
  const Examples rows = examples_of(60, 1);
  const Examples validation = examples_of(30, 2);
  options.batch_size = 20;
  options.monitor = "accuracy";
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  const auto accuracy_of = [&](const Logits& logits) {
    double right = 0;
    for (std::size_t i = 0; i < validation.rows(); ++i) {
      const bool second = logits.values[2 * i + 1] > logits.values[2 * i];
      right += second == (validation.targets[i] == 1) ? 1 : 0;
    }
    return right / static_cast<double>(validation.rows());
  };
  Trained trained{learner.fit(
      rows, validation, objective_of(rows), options,
      [&](const Logits& logits) -> Metrics {
        return {{"accuracy", "", accuracy_of(logits)}};
      },
      progress)};
  trained.parameters = learner.parameters();
  trained.accuracy = accuracy_of(learner.logits(validation));
  return trained;
}

TEST(EncoderLearner, Learns) {
  const auto learner = make_learner();
  const Trained trained =
      train(*learner, {.epochs = 40, .rate = 5e-3, .warmup = 0.1, .clip_norm = 1, .patience = 40});
  EXPECT_GT(trained.accuracy, 0.9);
}

TEST(EncoderLearner, RowsDoNotDependOnEachOther) {
  const auto learner = make_learner();
  const Examples all = examples_of(37, 3);
  const Logits together = learner->logits(all);
  ASSERT_EQ(together.values.size(), 2 * all.rows());
  for (std::size_t i = 0; i < all.rows(); ++i) {
    Examples one;
    one.pieces = {all.pieces[i]};
    const Logits alone = learner->logits(one);
    for (std::size_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(alone.values[c], together.values[2 * i + c], 1e-5) << i;
    }
  }
}

// Words of sentences, two texts of which belong to the second one.
Examples words_of_sentences() {
  const WordPiece tokenizer(std::string(kSmall) + "/vocab.txt");
  Examples examples;
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"the", "cat"}, {"on", "the", "mat", "the", "world"}, {"cat"}}) {
    const Pieces pieces = tokenizer.encode_words(words, 40);
    for (const std::size_t start : pieces.starts) {
      examples.places.push_back({examples.pieces.size(), start});
    }
    examples.pieces.push_back(pieces.ids);
  }
  examples.unit_starts = {0, 2, 8};
  examples.targets = {0, 1, 0, 0, 1, 0, 0, 1};
  return examples;
}

// Each row is the head of the state at its place, whatever else is in the batch.
TEST(EncoderLearner, ReadsPlaces) {
  const auto learner =
      make_encoder_learner({.directory = kSmall, .classes = 2, .reads_places = true});
  const Examples all = words_of_sentences();
  const Logits together = learner->logits(all);
  ASSERT_EQ(together.values.size(), 2 * all.rows());
  for (std::size_t row = 0; row < all.rows(); ++row) {
    Examples one;
    one.pieces = {all.pieces[all.places[row].text]};
    one.places = {{0, all.places[row].piece}};
    const Logits alone = learner->logits(one);
    for (std::size_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(alone.values[c], together.values[2 * row + c], 1e-5) << row;
    }
  }
  EXPECT_NE(together.values[0], together.values[2]);
}

TEST(EncoderLearner, LearnsWordsWithWeights) {
  const auto learner =
      make_encoder_learner({.directory = kSmall, .classes = 2, .reads_places = true});
  Examples rows = words_of_sentences();
  rows.weights = {1, 1, 1, 1, 1, 1, 1, 0};  // the last row is as if it were not there
  rows.targets.back() = 0;
  Objective objective{
      SoftmaxLoss<CrossEntropy>(),
      Stream(sampling::ClassSampler(std::vector<std::int64_t>{0, 0}, std::vector<double>{1}, 5))};
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  learner->fit(rows, rows, objective,
               {.epochs = 200, .batch_size = 2, .rate = 5e-3, .clip_norm = 1, .patience = 200}, {},
               progress);
  const Logits logits = learner->logits(rows);
  for (const std::size_t row : {0, 1, 2, 3, 4, 5, 6}) {
    const bool is_second = logits.values[2 * row + 1] > logits.values[2 * row];
    EXPECT_EQ(is_second, row == 1 || row == 4) << row;
  }
}

// The type of a piece tells which of two texts it is of.
TEST(EncoderLearner, ReadsPairs) {
  const WordPiece tokenizer(std::string(kSmall) + "/vocab.txt");
  const auto learner = make_learner();
  const Pieces pair = tokenizer.encode_pair("the cat", "on the mat", 40);
  Examples examples;
  examples.pieces = {pair.ids, tokenizer.encode("cat", 40).ids};
  const Logits as_one = learner->logits(examples);
  examples.seconds = {static_cast<std::size_t>(std::find(pair.types.begin(), pair.types.end(), 1) -
                                               pair.types.begin()),
                      examples.pieces[1].size()};
  const Logits as_two = learner->logits(examples);
  EXPECT_NE(as_one.values[0], as_two.values[0]);
  EXPECT_EQ(as_one.values[2], as_two.values[2]);
}

// A frozen encoder keeps its parameters, and its head learns from states that are kept.
TEST(EncoderLearner, TrainsTheHeadAlone) {
  const std::shared_ptr<FrozenStates> frozen = make_frozen_states();
  const auto learner =
      make_encoder_learner({.directory = kSmall, .classes = 2, .seed = 1, .frozen = frozen});
  const std::vector<Parameter> before = learner->parameters();
  const Trained trained = train(*learner, {.epochs = 60, .rate = 2e-3, .patience = 60});
  ASSERT_EQ(before.size(), trained.parameters.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i] == trained.parameters[i], !before[i].name.starts_with("head."))
        << before[i].name;
  }
  EXPECT_GT(trained.accuracy, 0.6);
  // The same model without the cache.
  const auto other = make_learner(7);
  other->set_parameters(trained.parameters);
  const Examples rows = examples_of(10, 4);
  const Logits kept = learner->logits(rows);
  const Logits fresh = other->logits(rows);
  for (std::size_t i = 0; i < kept.values.size(); ++i) {
    EXPECT_NEAR(kept.values[i], fresh.values[i], 1e-5) << i;
  }
}

// What a head makes of three texts that stand for 48, 6 and 6 rows, once trained on as many of each
// with those of SMOTE, drawn in proportion to `mass`.
std::vector<std::size_t> learnt_with_smote(const std::vector<double>& mass) {
  const WordPiece tokenizer(std::string(kSmall) + "/vocab.txt");
  const auto learner = make_encoder_learner(
      {.directory = kSmall, .classes = 3, .seed = 1, .frozen = make_frozen_states()});
  Examples rows;
  for (std::size_t r = 0; r < 60; ++r) {
    const std::size_t c = r % 10 == 1 ? 1 : r % 10 == 2 ? 2 : 0;
    rows.pieces.push_back(tokenizer.encode(std::vector{"cat", "world", "!"}[c], 40).ids);
    rows.targets.push_back(static_cast<std::int64_t>(c));
  }
  std::vector<std::int64_t> all = rows.targets;
  all.insert(all.end(), 42, 1);
  all.insert(all.end(), 42, 2);
  Objective objective{SoftmaxLoss<CrossEntropy>(),
                      Stream(sampling::ClassSampler(all, mass, 5, {.epoch_size = 60}))};
  objective.smote_targets = {48, 48, 48};
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  learner->fit(rows, rows, objective,
               {.epochs = 60, .batch_size = 20, .rate = 5e-3, .patience = 60}, {}, progress);
  const Logits logits = learner->logits(rows);
  std::vector<std::size_t> found;
  for (std::size_t r = 0; r < 3; ++r) {
    const auto own = logits.values.begin() + static_cast<std::ptrdiff_t>(3 * r);
    found.push_back(static_cast<std::size_t>(std::max_element(own, own + 3) - own));
  }
  return found;
}

// Rows are made of those of their class and stand behind the given ones, class by class: whoever
// draws none of the third class has learnt nothing of it.
TEST(EncoderLearner, MakesRowsOfFrozenStates) {
  EXPECT_THAT(learnt_with_smote({1, 1, 1}), testing::ElementsAre(0U, 1U, 2U));
  const std::vector<std::size_t> without = learnt_with_smote({1, 1, 0});
  EXPECT_EQ(without[1], 1U);
  EXPECT_NE(without[2], 2U);
}

TEST(EncoderLearner, RetrainsTheHeadOfATrainedEncoder) {
  const auto learner = make_learner();
  train(*learner, {.epochs = 1, .rate = 1e-3});
  const std::vector<Parameter> before = learner->parameters();
  const Examples rows = examples_of(60, 1);
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  learner->fit_head(rows, rows, objective_of(rows), {.epochs = 1, .batch_size = 20, .rate = 1e-3},
                    {}, progress);
  const std::vector<Parameter> after = learner->parameters();
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i] == after[i], !before[i].name.starts_with("head.")) << before[i].name;
  }
}

TEST(EncoderLearner, TheSameSeedTrainsTheSame) {
  const TrainingOptions options{.epochs = 1, .rate = 1e-3};
  const Trained first = train(*make_learner(), options);
  EXPECT_EQ(first.parameters, train(*make_learner(), options).parameters);
  EXPECT_NE(first.parameters, train(*make_learner(2), options).parameters);
}

// How far a parameter has gone in one step, whose size AdamW makes the rate's.
double moved(const std::vector<Parameter>& before, const std::vector<Parameter>& after,
             const std::string& name) {
  const auto find = [&](const std::vector<Parameter>& all) {
    return *std::find_if(all.begin(), all.end(),
                         [&](const Parameter& each) { return each.name == name; });
  };
  const Parameter a = find(before);
  const Parameter b = find(after);
  double most = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a.values[i]) - b.values[i]));
  }
  return most;
}

TEST(EncoderLearner, LayersHaveTheirOwnRates) {
  const auto learner = make_learner(1, 0.5);
  const std::vector<Parameter> before = learner->parameters();
  const Trained trained = train(*learner, {.epochs = 1, .rate = 1e-3, .max_steps = 1});
  const auto distance = [&](const std::string& name) {
    return moved(before, trained.parameters, name);
  };
  EXPECT_NEAR(distance("head.weight"), 20e-3, 2e-3);
  EXPECT_NEAR(distance("encoder.encoder.layer.1.output.dense.bias"), 1e-3, 1e-5);
  EXPECT_NEAR(distance("encoder.encoder.layer.0.output.dense.bias"), 0.5e-3, 1e-5);
  EXPECT_NEAR(distance("encoder.embeddings.LayerNorm.bias"), 0.25e-3, 1e-5);
}

TEST(EncoderLearner, IsRestored) {
  const auto learner = make_learner();
  const Trained trained = train(*learner, {.epochs = 1, .rate = 1e-3});
  const auto other = make_learner(7);
  other->set_parameters(trained.parameters);
  const Examples rows = examples_of(10, 4);
  EXPECT_EQ(other->logits(rows).values, learner->logits(rows).values);
  EXPECT_THROW(make_encoder_learner({.directory = "nowhere", .classes = 2}), InputError);
}

TEST(EncoderLearner, TextsAndTokenizersMustFit) {
  EXPECT_THROW(make_encoder_learner({.directory = kSmall, .classes = 2, .most_pieces = 41}),
               InputError);
  EXPECT_THROW(make_encoder_learner({.directory = kSmall, .classes = 2, .pieces = 10000}),
               InputError);
  Examples examples = examples_of(1, 1);
  examples.places = {{0, 1}};  // a learner that reads means
  EXPECT_THROW(make_learner()->logits(examples), std::invalid_argument);
}

}  // namespace
}  // namespace equipoise::demos
