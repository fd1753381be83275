#include "equipoise/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

static_assert(WeightPolicy<UniformWeights> && WeightPolicy<InverseFrequencyWeights> &&
              WeightPolicy<BalancedWeights> && WeightPolicy<PowerWeights> &&
              WeightPolicy<EffectiveNumberWeights> && WeightPolicy<MedianFrequencyWeights> &&
              WeightPolicy<LogarithmicWeights> && WeightPolicy<ExplicitWeights> &&
              WeightPolicy<CostWeights>);

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr WeightOptions kRaw{.normalize = WeightNormalization::kNone};

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t c = 0; c < expected.size(); ++c) {
    EXPECT_NEAR(actual[c], expected[c], 8 * kEpsilon * std::fabs(expected[c])) << "class " << c;
  }
}

// Counts 4, 1, 16: by hand.
TEST(Policies, EqualTheHandComputedWeights) {
  const ClassCounts counts{4, 1, 16};
  expect_near(class_weights(counts, UniformWeights{}, kRaw), {1, 1, 1});
  expect_near(class_weights(counts, InverseFrequencyWeights{}, kRaw), {0.25, 1, 0.0625});
  expect_near(class_weights(counts, BalancedWeights{}, kRaw), {1.75, 7, 0.4375});
  expect_near(class_weights(counts, PowerWeights{}, kRaw), {0.5, 1, 0.25});
  expect_near(class_weights(counts, PowerWeights{2}, kRaw), {1.0 / 16, 1, 1.0 / 256});
  expect_near(class_weights(counts, EffectiveNumberWeights{0.5}, kRaw),
              {0.5 / (1 - 1.0 / 16), 1, 0.5 / (1 - 1.0 / 65536)});
  expect_near(class_weights(counts, MedianFrequencyWeights{}, kRaw), {1, 4, 0.25});
  expect_near(
      class_weights(counts, LogarithmicWeights{1.5}, kRaw),
      {1 / std::log(1.5 + 4.0 / 21), 1 / std::log(1.5 + 1.0 / 21), 1 / std::log(1.5 + 16.0 / 21)});
  expect_near(class_weights(counts, ExplicitWeights{{3, 0, 5}}, kRaw), {3, 0, 5});
  expect_near(class_weights(counts, CostWeights{{10, 1, 2}}, kRaw), {10, 1, 2});
}

// Drawn 1/2, 1/3, 1/6: the mean of the weights is 1/2 + 2/3 + 4/6 = 11/6.
TEST(MeanOneOverDraws, ByHand) {
  using Numbers = std::vector<double>;
  expect_near(mean_one_over_draws(Numbers{1, 2, 4}, Numbers{3, 2, 1}),
              {6.0 / 11, 12.0 / 11, 24.0 / 11});
  // The scale of neither matters.
  expect_near(mean_one_over_draws(Numbers{10, 20, 40}, Numbers{0.5, 1.0 / 3, 1.0 / 6}),
              {6.0 / 11, 12.0 / 11, 24.0 / 11});
  // Drawn alike: the mean over the classes.
  expect_near(mean_one_over_draws(Numbers{1, 3}, Numbers{7, 7}), {0.5, 1.5});
  // A class that is not drawn has no part in the mean, and a weight of 0 stays 0.
  expect_near(mean_one_over_draws(Numbers{1, 3, 8}, Numbers{1, 1, 0}), {0.5, 1.5, 4});
  expect_near(mean_one_over_draws(Numbers{0, 5}, Numbers{1, 1}), {0, 2});
}

TEST(MeanOneOverDraws, IsTheNormalisationOverSamplesWhereRowsAreDrawnAsCounted) {
  const ClassCounts counts{900, 80, 20};
  for (const double exponent : {0.0, 0.5, 1.0}) {
    expect_near(
        mean_one_over_draws(class_weights(counts, PowerWeights{exponent}, kRaw), counts.values()),
        class_weights(counts, PowerWeights{exponent}));
  }
}

TEST(MeanOneOverDraws, RefusesBadInput) {
  const auto error = [](const std::vector<double>& weights, const std::vector<double>& drawn) {
    return error_of([&] { mean_one_over_draws(weights, drawn); });
  };
  EXPECT_EQ(error({1, 2}, {1}), "mean_one_over_draws(): drawn.size() = 1, expected 2 (classes)");
  EXPECT_EQ(error({1, -2}, {1, 1}),
            "mean_one_over_draws(): class_weights[1] = -2, expected a finite number >= 0");
  EXPECT_EQ(error({1, 2}, {detail::infinity(), 1}),
            "mean_one_over_draws(): drawn[0] = inf, expected a finite number >= 0");
  const std::string mean =
      "mean_one_over_draws(): mean of class_weights over the rows drawn = 0, expected a positive "
      "number to divide by";
  EXPECT_EQ(error({0, 2}, {1, 0}), mean);
  EXPECT_EQ(error({1, 2}, {0, 0}), mean);
  EXPECT_EQ(error({}, {}), mean);
  EXPECT_EQ(error({1e-200, 1e200}, {1, 0}),
            "mean_one_over_draws(): class_weights[1] = 1e+200, expected a number that is neither "
            "infinite nor 0 once normalised");
}

TEST(BalancedWeights, DividesByTheClassesThatAreThere) {
  expect_near(class_weights(ClassCounts{6, 0, 2}, BalancedWeights{},
                            {.normalize = WeightNormalization::kNone, .empty = EmptyClass::kZero}),
              {8.0 / 12, 0, 2});
}

TEST(EffectiveNumberWeights, HasItsLimits) {
  const ClassCounts counts{1, 50, 7000};
  expect_near(class_weights(counts, EffectiveNumberWeights{0}, kRaw), {1, 1, 1});
  expect_near(class_weights(counts, EffectiveNumberWeights{1}, kRaw), {1, 1.0 / 50, 1.0 / 7000});
  // Just below 1 the formula must not cancel: 1 - beta^n = n (1 - beta) (1 - (n - 1)(1 - beta) / 2
  // ...).
  const double rest = std::ldexp(1.0, -40);
  for (const double n : {1.0, 50.0, 7000.0}) {
    const double weight = class_weights(ClassCounts{n}, EffectiveNumberWeights{1 - rest}, kRaw)[0];
    EXPECT_NEAR(weight * n, 1 + (n - 1) * rest / 2, 4 * kEpsilon);
  }
  EXPECT_EQ(EffectiveNumberWeights::from_volume(1000).beta, 1 - 1.0 / 1000);
  EXPECT_EQ(EffectiveNumberWeights::from_volume(1).beta, 0.0);
  EXPECT_EQ(EffectiveNumberWeights::from_volume(std::numeric_limits<double>::infinity()).beta, 1.0);
}

TEST(MedianFrequencyWeights, UsesTheSequencesThatContainTheClass) {
  // Sequences 0 0 1 and 0 2: f = 3/5, 1/3, 1/2; their median is 1/2.
  const ClassCounts counts =
      count_sequences(std::vector<int>{0, 0, 1, 0, 2}, std::vector<int>{0, 3, 5}, 3);
  expect_near(class_weights(counts, MedianFrequencyWeights{}, kRaw), {0.5 / 0.6, 1.5, 1});
}

std::vector<double> random_counts(std::mt19937_64& random) {
  std::vector<double> counts(2 + random() % 10);
  for (double& n : counts) n = static_cast<double>(1 + random() % 10000);
  return counts;
}

TEST(WeightNormalization, GivesWhatItSays) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 500; ++repeat) {
    const std::vector<double> values = random_counts(random);
    const ClassCounts counts{std::span<const double>(values)};
    const auto classes = static_cast<double>(values.size());
    const auto weights = [&](WeightNormalization normalize) {
      return class_weights(counts, PowerWeights{0.7}, {.normalize = normalize});
    };
    const auto sum = [](const std::vector<double>& w) {
      return std::accumulate(w.begin(), w.end(), 0.0);
    };
    const double bound = 20 * kEpsilon;
    EXPECT_NEAR(sum(weights(WeightNormalization::kMeanOne)) / classes, 1, bound);
    EXPECT_NEAR(sum(weights(WeightNormalization::kSumToClasses)) / classes, 1, bound);
    const std::vector<double> w = weights(WeightNormalization::kMeanOneOverSamples);
    EXPECT_NEAR(std::inner_product(w.begin(), w.end(), values.begin(), 0.0) / counts.total(), 1,
                bound);
    const std::vector<double> least = weights(WeightNormalization::kMinOne);
    EXPECT_NEAR(*std::min_element(least.begin(), least.end()), 1, bound);
  }
}

TEST(ClassWeights, AreEquivariantAndScaleFree) {
  std::mt19937_64 random(2);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<double> values = random_counts(random);
    std::vector<double> scaled = values;
    for (double& n : scaled) n *= 8;
    const auto all = [](const std::vector<double>& v) {
      const ClassCounts counts{std::span<const double>(v)};
      std::vector<std::vector<double>> weights = {class_weights(counts, InverseFrequencyWeights{}),
                                                  class_weights(counts, BalancedWeights{}),
                                                  class_weights(counts, PowerWeights{0.3}),
                                                  class_weights(counts, MedianFrequencyWeights{}),
                                                  class_weights(counts, LogarithmicWeights{})};
      return weights;
    };
    const auto original = all(values);
    const auto rescaled = all(scaled);
    std::vector<double> reversed(values.rbegin(), values.rend());
    const auto mirrored = all(reversed);
    for (std::size_t policy = 0; policy < original.size(); ++policy) {
      for (std::size_t c = 0; c < values.size(); ++c) {
        const double w = original[policy][c];
        EXPECT_NEAR(rescaled[policy][c], w, 50 * kEpsilon * w);
        EXPECT_NEAR(mirrored[policy][values.size() - 1 - c], w, 50 * kEpsilon * w);
      }
    }
  }
}

// Weights 2, 1, 1/2 at most 1.2: with the scale 1.2 they are 1.2, 1.2, 0.6, of mean 1.
TEST(ClassWeights, AreScaledSoThatClippedOnesAreNormalised) {
  expect_near(class_weights(ClassCounts{1, 2, 4}, InverseFrequencyWeights{},
                            {.normalize = WeightNormalization::kMeanOne, .max = 1.2}),
              {1.2, 1.2, 0.6});
  // Balanced: 1011 / 3 = 337 over counts.
  expect_near(class_weights(ClassCounts{1000, 10, 1}, BalancedWeights{},
                            {.normalize = WeightNormalization::kNone, .min = 0.5, .max = 50}),
              {0.5, 33.7, 50});
  // Bounds of one leave a single answer.
  expect_near(class_weights(ClassCounts{7, 2, 91}, BalancedWeights{}, {.min = 1, .max = 1}),
              {1, 1, 1});
  expect_near(class_weights(ClassCounts{3, 3}, ExplicitWeights{{1e308, 1e308}}), {1, 1});
  // A weight of zero is meant: no bound lifts it.
  expect_near(class_weights(ClassCounts{1, 1, 1}, ExplicitWeights{{0, 1, 8}},
                            {.normalize = WeightNormalization::kMinOne, .min = 0.5, .max = 2}),
              {0, 1, 2});
}

TEST(ClassWeights, MeetBoundsAndNormalisationBoth) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int repeat = 0; repeat < 1000; ++repeat) {
    const std::vector<double> values = random_counts(random);
    const ClassCounts counts{std::span<const double>(values)};
    const bool below = random() % 4 != 0;
    const bool above = random() % 4 != 0;
    WeightOptions options{.normalize = WeightNormalization::kMeanOneOverSamples};
    if (below) options.min = uniform(random);
    if (above) options.max = 1 + 4 * uniform(random);
    const std::vector<double> raw = class_weights(counts, BalancedWeights{}, kRaw);
    for (const WeightNormalization normalize :
         {WeightNormalization::kMeanOne, WeightNormalization::kSumToClasses,
          WeightNormalization::kMeanOneOverSamples}) {
      options.normalize = normalize;
      const std::vector<double> weights = class_weights(counts, BalancedWeights{}, options);
      double mean = 0;
      std::vector<double> scales;  // of the weights at no bound
      for (std::size_t c = 0; c < weights.size(); ++c) {
        EXPECT_GE(weights[c], options.min);
        EXPECT_LE(weights[c], options.max);
        mean += normalize == WeightNormalization::kMeanOneOverSamples
                    ? weights[c] * values[c] / counts.total()
                    : weights[c] / static_cast<double>(values.size());
        if (weights[c] > options.min && weights[c] < options.max) {
          scales.push_back(weights[c] / raw[c]);
        }
      }
      EXPECT_NEAR(mean, 1, 30 * kEpsilon);
      for (const double scale : scales) EXPECT_NEAR(scale, scales[0], 4 * kEpsilon * scale);
    }
  }
}

TEST(EmptyClass, HasItsRule) {
  const ClassCounts counts{4, 0, 1};
  const auto weights = [&](EmptyClass empty) {
    return class_weights(counts, InverseFrequencyWeights{},
                         {.normalize = WeightNormalization::kNone, .empty = empty});
  };
  expect_near(weights(EmptyClass::kZero), {0.25, 0, 1});
  expect_near(weights(EmptyClass::kOne), {0.25, 1, 1});
  expect_near(weights(EmptyClass::kLargest), {0.25, 1, 1});
  EXPECT_EQ(
      error_of([&] { weights(EmptyClass::kError); }),
      "class_weights(): counts[1] = 0, expected > 0, or options.empty or options.smoothing to "
      "say what it weighs");
  expect_near(class_weights(counts, InverseFrequencyWeights{},
                            {.normalize = WeightNormalization::kNone, .smoothing = 1}),
              {0.2, 1, 0.5});
  expect_near(class_weights(counts, ExplicitWeights{{1, 2, 3}}, kRaw), {1, 2, 3});
}

TEST(EmptyClass, KeepsTheNormalisation) {
  const ClassCounts counts{4, 0, 1};
  const auto weights = [&](WeightNormalization normalize, EmptyClass empty) {
    return class_weights(counts, InverseFrequencyWeights{},
                         {.normalize = normalize, .empty = empty});
  };
  // The mean is over the two classes with samples: 1/4 and 1 become 0.4 and 1.6.
  expect_near(weights(WeightNormalization::kMeanOne, EmptyClass::kLargest), {0.4, 1.6, 1.6});
  expect_near(weights(WeightNormalization::kMeanOne, EmptyClass::kZero), {0.4, 0, 1.6});
  expect_near(class_weights(counts, ExplicitWeights{{1, 7, 3}},
                            {.normalize = WeightNormalization::kMeanOne}),
              {0.5, 3.5, 1.5});
  // The sum is over all three.
  expect_near(weights(WeightNormalization::kSumToClasses, EmptyClass::kZero), {0.6, 0, 2.4});
  expect_near(weights(WeightNormalization::kSumToClasses, EmptyClass::kOne), {0.4, 1, 1.6});
  expect_near(weights(WeightNormalization::kSumToClasses, EmptyClass::kLargest),
              {3 * 0.25 / 2.25, 3 / 2.25, 3 / 2.25});
  expect_near(weights(WeightNormalization::kMinOne, EmptyClass::kZero), {1, 0, 4});
}

TEST(Smoothing, LeavesTheScaleToTheSamplesThatAreThere) {
  // 1/5, 1, 1/2 from the smoothed counts; 4/5 + 1/2 over 5 samples shall be 1.
  expect_near(class_weights(ClassCounts{4, 0, 1}, InverseFrequencyWeights{}, {.smoothing = 1}),
              {0.2 / 0.26, 1 / 0.26, 0.5 / 0.26});
}

TEST(EmptyClass, AllOfThemGiveNoNaN) {
  for (const EmptyClass empty : {EmptyClass::kZero, EmptyClass::kOne, EmptyClass::kLargest}) {
    const double expected = empty == EmptyClass::kOne ? 1 : 0;
    for (const WeightNormalization normalize :
         {WeightNormalization::kNone, WeightNormalization::kMeanOne,
          WeightNormalization::kSumToClasses, WeightNormalization::kMeanOneOverSamples,
          WeightNormalization::kMinOne}) {
      expect_near(class_weights(ClassCounts{0, 0}, BalancedWeights{},
                                {.normalize = normalize, .empty = empty}),
                  {expected, expected});
    }
  }
}

TEST(SampleWeights, AreThoseOfTheClass) {
  const std::vector<double> weights = {0.5, 2.0};
  EXPECT_EQ(sample_weights(std::vector<int>{1, 0, -100, 1}, weights, -100),
            (std::vector<double>{2, 0.5, 0, 2}));
  EXPECT_EQ(error_of([&] {
              sample_weights(std::vector<int>{0, 2}, weights);
            }),
            "sample_weights(): labels[1] = 2, expected a class in [0, 2)");
}

TEST(PosWeight, IsTheOddsAgainstTheLabel) {
  const ClassCounts positives{25, 50, 100, 1};
  expect_near(pos_weight(positives, 100), {3, 1, 0, 99});
  expect_near(pos_weight(positives, 100, {.exponent = 0.5, .max = 5}), {std::sqrt(3.0), 1, 0, 5});
  expect_near(pos_weight(ClassCounts{0, 20}, 100, {.empty = EmptyClass::kLargest}), {4, 4});
  expect_near(pos_weight(ClassCounts{0, 20}, 100, {.empty = EmptyClass::kZero}), {0, 4});
  EXPECT_EQ(error_of([&] {
              pos_weight(ClassCounts{3, 0}, 10);
            }),
            "pos_weight(): positives[1] = 0, expected > 0, or options.empty to say what the label "
            "weighs");
  EXPECT_EQ(error_of([&] {
              pos_weight(ClassCounts{3, 11}, 10);
            }),
            "pos_weight(): positives[1] = 11, expected at most rows = 10");
  EXPECT_EQ(error_of([&] { pos_weight(ClassCounts{1e-310}, 10); }),
            "pos_weight(): positives[0] = 1e-310, expected enough positives for finite odds, or "
            "options.max");
  EXPECT_EQ(error_of([&] { pos_weight(positives, 100, {.max = 0}); }),
            "pos_weight(): options.max = 0, expected a number > 0");
  EXPECT_EQ(error_of([&] { pos_weight(positives, 100, {.exponent = -1}); }),
            "pos_weight(): options.exponent = -1, expected a finite number >= 0");
  expect_near(pos_weight(positives, 100, {.exponent = 0}), {1, 1, 1, 1});
}

TEST(WeightErrors, NameWhatIsWrong) {
  const ClassCounts counts{4, 1};
  EXPECT_EQ(error_of([&] { class_weights(ClassCounts{}, UniformWeights{}); }),
            "CountSummary(): counts.classes() = 0, expected at least 1");
  EXPECT_EQ(error_of([&] {
              class_weights(counts, ExplicitWeights{{1, 2, 3}});
            }),
            "ExplicitWeights(): weights.size() = 3, expected 2 (classes)");
  EXPECT_EQ(error_of([&] {
              class_weights(counts, ExplicitWeights{{1, -2}});
            }),
            "class_weights(): policy[1] = -2, expected a finite number >= 0");
  EXPECT_EQ(error_of([&] { class_weights(counts, EffectiveNumberWeights{1.5}); }),
            "EffectiveNumberWeights(): beta = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(error_of([&] { class_weights(counts, UniformWeights{}, {.min = 2, .max = 1}); }),
            "class_weights(): options.max = 1, expected at least options.min = 2");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(error_of([&] { class_weights(counts, UniformWeights{}, {.max = nan}); }),
            "class_weights(): options.max = nan, expected at least options.min = 0");
  EXPECT_EQ(error_of([&] { class_weights(counts, UniformWeights{}, {.max = 0.5}); }),
            "class_weights(): options.max = 0.5, expected at least 1 to normalise");
  EXPECT_EQ(error_of([&] { class_weights(counts, UniformWeights{}, {.min = 2}); }),
            "class_weights(): options.min = 2, expected at most 1 to normalise");
  EXPECT_EQ(error_of([&] {
              class_weights(counts, UniformWeights{},
                            {.normalize = WeightNormalization::kMinOne, .min = 2});
            }),
            "class_weights(): options.min = 2, expected at most 1 to normalise");
  EXPECT_EQ(error_of([&] {
              class_weights(ClassCounts{1e-320, 1}, InverseFrequencyWeights{});
            }),
            "class_weights(): policy[0] = inf, expected a finite number >= 0");
  EXPECT_EQ(error_of([&] {
              class_weights(counts, ExplicitWeights{{1e-310, 1e-310}});
            }),
            "class_weights(): mean of the weights = 1e-310, expected a number to divide by");
  EXPECT_EQ(error_of([&] {
              class_weights(counts, ExplicitWeights{{1e308, 1e-20}});
            }),
            "class_weights(): weights[1] = 0, expected a number > 0 once normalised");
  EXPECT_EQ(error_of([&] { class_weights(counts, EffectiveNumberWeights{nan}); }),
            "EffectiveNumberWeights(): beta = nan, expected a number in [0, 1]");
  EXPECT_EQ(error_of([&] { EffectiveNumberWeights::from_volume(0.5); }),
            "EffectiveNumberWeights(): volume = 0.5, expected a number >= 1");
  EXPECT_EQ(error_of([&] { class_weights(counts, PowerWeights{nan}); }),
            "PowerWeights(): exponent = nan, expected a finite number");
  EXPECT_EQ(error_of([&] { class_weights(counts, LogarithmicWeights{1}); }),
            "LogarithmicWeights(): k = 1, expected a finite number > 1");
  EXPECT_EQ(error_of([&] { class_weights(counts, CostWeights{{1}}); }),
            "CostWeights(): costs.size() = 1, expected 2 (classes)");
  EXPECT_EQ(error_of([&] { class_weights(counts, UniformWeights{}, {.smoothing = -1}); }),
            "CountSummary(): smoothing = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise
