#include "equipoise/resampling/mixup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "equipoise/mix.h"
#include "equipoise/sampling/class_sampler.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using sampling::ClassSampler;
using ::testing::ElementsAre;
using testing::error_of;

std::vector<int> some_labels() {
  std::vector<int> labels(100);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 10 == 0 ? 1 : 0;
  return labels;
}

ClassSampler sampler(const MixPolicy auto& policy, std::uint64_t seed) {
  return {some_labels(), mix(count_labels(some_labels(), 2), policy), seed};
}

using Stream = MixupStream<ClassSampler, ClassSampler>;
static_assert(sampling::DrawStream<Stream>);

// Kolmogorov & Smirnov, as RecipeStream's test, against a distribution function.
void expect_distributed(const BetaParameters& beta, const std::function<double(double)>& below) {
  std::vector<double> weights;
  const Stream stream(sampler(UniformMix{}, 1), sampler(UniformMix{}, 2), some_labels(), 2, beta,
                      3);
  for (std::uint64_t t = 0; t < 20000; ++t) weights.push_back(1 - stream[t].recipe.lambda);
  std::sort(weights.begin(), weights.end());
  double deviation = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    deviation =
        std::max(deviation, std::fabs(below(weights[i]) - (static_cast<double>(i) + 0.5) / 20000));
  }
  EXPECT_LT(deviation, 2.23 / std::sqrt(20000)) << beta.a << " " << beta.b;
}

TEST(MixupStream, WeightsAreOfTheBetaDistribution) {
  expect_distributed({1, 1}, [](double x) { return x; });
  expect_distributed({0.5, 0.5}, [](double x) { return 2 / M_PI * std::asin(std::sqrt(x)); });
  expect_distributed({2, 2}, [](double x) { return x * x * (3 - 2 * x); });
  expect_distributed({0.7, 1}, [](double x) { return std::pow(x, 0.7); });
}

// With tiny parameters nearly all weights are 0 or 1, each as often; none is NaN.
TEST(MixupStream, TakesTinyParameters) {
  const Stream stream(sampler(UniformMix{}, 1), sampler(UniformMix{}, 2), some_labels(), 2,
                      {1e-6, 1e-6}, 3);
  double sum = 0;
  for (std::uint64_t t = 0; t < 4000; ++t) sum += stream[t].recipe.lambda;
  EXPECT_NEAR(sum, 2000, 130);
}

TEST(MixupStream, MixesTheRowsOfItsStreams) {
  const ClassSampler natural = sampler(ProportionalMix{}, 1);
  const ClassSampler balanced = sampler(UniformMix{}, 2);
  const Stream stream(natural, balanced, some_labels(), 2, {1, 0.2}, 3);
  std::vector<MixedRecipe> recipes(50);
  stream.fill(7, recipes, 3);
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    EXPECT_EQ(recipes[i].recipe.base, natural[7 + 3 * i]);
    EXPECT_EQ(recipes[i].recipe.neighbour, balanced[7 + 3 * i]);
    EXPECT_EQ(recipes[i].label_weight, 1 - recipes[i].recipe.lambda);
    EXPECT_EQ(recipes[i], stream[7 + 3 * i]);
  }
  EXPECT_EQ(stream.epoch_size(), 100u);
  EXPECT_EQ(sampling::resume(stream, sampling::cursor_at(stream, 5)), 5u);
  const Stream other(natural, sampler(UniformMix{}, 4), some_labels(), 2, {1, 0.2}, 3);
  EXPECT_NE(other.fingerprint(), stream.fingerprint());
}

// The union of any number of shards is the stream.
TEST(MixupStream, ShardsTakeTheStreamApart) {
  const Stream stream(sampler(ProportionalMix{}, 1), sampler(UniformMix{}, 2), some_labels(), 2,
                      {1, 0.2}, 3);
  const std::uint64_t size = stream.epoch_size();
  for (std::uint64_t world = 1; world <= 16; ++world) {
    std::vector<MixedRecipe> all(static_cast<std::size_t>(size));
    std::vector<bool> is_taken(all.size());
    for (std::uint64_t rank = 0; rank < world; ++rank) {
      const auto positions =
          sampling::shard_positions(size, 4, {rank, world}, sampling::Tail::kUneven);
      std::vector<MixedRecipe> own(static_cast<std::size_t>(positions.size));
      stream.fill(positions.begin, own, positions.stride);
      for (std::uint64_t i = 0; i < positions.size; ++i) {
        const auto place = static_cast<std::size_t>(positions[i] - 4 * size);
        EXPECT_FALSE(is_taken[place]);
        is_taken[place] = true;
        all[place] = own[static_cast<std::size_t>(i)];
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], stream[4 * size + i]);
  }
}

// The sequence is part of the interface.
TEST(MixupStream, MixesTheSameRowsEverywhere) {
  const Stream stream(sampler(ProportionalMix{}, 1), sampler(UniformMix{}, 2), some_labels(), 2,
                      {0.4, 0.4}, 12345);
  std::vector<Recipe> recipes;
  for (std::uint64_t t = 1000; t < 1004; ++t) recipes.push_back(stream[t].recipe);
  EXPECT_EQ(recipes, (std::vector<Recipe>{{70, 60, 0x1.1fbf4p-4},
                                          {26, 70, 0x1.bd94c2p-1},
                                          {75, 90, 0x1.0dead8p-1},
                                          {72, 90, 0x1.04c74p-6}}));
  EXPECT_EQ(stream.fingerprint(), 9398735484100977254u);
}

// Balanced-MixUp with alpha = 0.2: natural rows first, whose weight is 1 / (1 + alpha) in the mean.
TEST(MixupStream, MixesALittleOfBalancedRowsIn) {
  const Stream stream(sampler(ProportionalMix{}, 1), sampler(UniformMix{}, 2), some_labels(), 2,
                      {.a = 1, .b = 0.2}, 3);
  double natural = 0;
  double rare = 0;
  for (std::uint64_t t = 0; t < 20000; ++t) {
    const MixedRecipe mixed = stream[t];
    natural += mixed.label_weight;
    rare += some_labels()[mixed.recipe.base] == 1 ? mixed.label_weight : 0;
    rare += some_labels()[mixed.recipe.neighbour] == 1 ? 1 - mixed.label_weight : 0;
  }
  EXPECT_NEAR(natural / 20000, 1 / 1.2, 0.008);
  EXPECT_NEAR(rare / 20000, 0.1 / 1.2 + 0.5 * 0.2 / 1.2, 0.012);
}

TEST(RemixLabels, GiveTheSmallClassTheLabel) {
  const RemixLabels remix;
  EXPECT_EQ(remix({0.4, 90, 10}), 0);
  EXPECT_EQ(remix({0.5, 90, 10}), 0.5);
  EXPECT_EQ(remix({0.6, 10, 90}), 1);
  EXPECT_EQ(remix({0.4, 10, 90}), 0.4);
  EXPECT_EQ(remix({0.4, 29, 10}), 0.4);
  EXPECT_EQ(remix({0.4, 30, 10}), 0);
}

TEST(RemixLabels, AreInTheFingerprint) {
  const auto digest = [](const RemixLabels& policy) {
    return MixupStream<ClassSampler, ClassSampler, RemixLabels>(sampler(UniformMix{}, 1),
                                                                sampler(UniformMix{}, 2),
                                                                some_labels(), 2, {1, 1}, 3, policy)
        .fingerprint();
  };
  EXPECT_EQ(digest({}), digest({}));
  EXPECT_NE(digest({}), digest({.kappa = 4}));
  EXPECT_NE(digest({}), digest({.tau = 0.4}));
}

TEST(MixedTargets, AreProbabilities) {
  const std::vector<int> labels = {0, 2, 2};
  const std::vector<MixedRecipe> mixed = {{{0, 1, 0.25}, 0.75}, {{1, 2, 0.5}, 0.5}};
  std::vector<float> out(6, 9);
  mixed_targets(mixed, labels, MatrixView<float>(out.data(), 2, 3));
  EXPECT_THAT(out, ElementsAre(0.75f, 0, 0.25f, 0, 0, 1));
  EXPECT_THAT(recipes_of(mixed), ElementsAre(mixed[0].recipe, mixed[1].recipe));
  EXPECT_EQ(error_of([&] { mixed_targets(mixed, labels, MatrixView<float>(out.data(), 2, 2)); }),
            "mixed_targets(): labels[1] = 2, expected a class in [0, 2)");
  EXPECT_EQ(error_of([&] { mixed_targets(mixed, labels, MatrixView<float>(out.data(), 1, 3)); }),
            "mixed_targets(): out.rows = 1, expected 2 (recipes)");
}

TEST(MixupStreamErrors, NameWhatIsWrong) {
  const auto message = [](const BetaParameters& beta, std::uint64_t seed) {
    return error_of([&] {
      Stream(sampler(UniformMix{}, 1), sampler(UniformMix{}, seed), some_labels(), 2, beta, 3);
    });
  };
  EXPECT_EQ(message({0, 1}, 2), "MixupStream(): beta.a = 0, expected a number in [1e-06, 4]");
  EXPECT_EQ(message({1e-308, 1}, 2),
            "MixupStream(): beta.a = 1e-308, expected a number in [1e-06, 4]");
  EXPECT_EQ(message({1, 5}, 2), "MixupStream(): beta.b = 5, expected a number in [1e-06, 4]");
  const std::string same_seed =
      "MixupStream(): second.seed() = 1, expected another than the first stream's, or both draw "
      "many rows alike";
  EXPECT_EQ(message({1, 1}, 1), same_seed);
  EXPECT_EQ(error_of([] {
              Stream(sampler(ProportionalMix{}, 1), sampler(UniformMix{}, 1), some_labels(), 2,
                     {1, 1}, 3);
            }),
            same_seed);
  const auto remix = [](const RemixLabels& policy) {
    return error_of([&] {
      MixupStream<ClassSampler, ClassSampler, RemixLabels>(
          sampler(UniformMix{}, 1), sampler(UniformMix{}, 2), some_labels(), 2, {1, 1}, 3, policy);
    });
  };
  EXPECT_EQ(remix({.kappa = 0.5}), "MixupStream(): kappa = 0.5, expected at least 1");
  EXPECT_EQ(remix({.tau = 1.5}), "MixupStream(): tau = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(remix({}), "nothing was thrown");
}

}  // namespace
}  // namespace equipoise::resampling
