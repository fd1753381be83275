#include "equipoise/sampling/repeat_factors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "equipoise/sampling/epoch_stream.h"
#include "equipoise/sampling/resampling.h"
#include "tests/support/errors.h"

namespace equipoise::sampling {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::error_of;

using Labels = std::vector<std::int64_t>;

// Four sequences of 4 + 2 + 0 + 10 = 16 tokens. Class 1 has 4 tokens (a quarter of all) in 2
// sequences (half), class 2 has 1 token (1/16) in 1 sequence (a quarter).
const Labels kLabels = {0, 1, 1, 2, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};
const std::vector<std::size_t> kOffsets = {0, 4, 6, 6, 16};
constexpr RepeatOptions kOutside = {.background = 0};

TEST(RepeatFactors, Lvis) {
  // sqrt(0.9 / 0.5) and sqrt(0.9 / 0.25): the rarest class of the sequence decides.
  EXPECT_THAT(repeat_factors(kLabels, kOffsets, 3, LvisRepeats{.threshold = 0.9}, kOutside),
              ElementsAre(DoubleEq(std::sqrt(3.6)), 1, 1, DoubleEq(std::sqrt(1.8))));
  EXPECT_THAT(repeat_factors(kLabels, kOffsets, 3, LvisRepeats{.threshold = 0.25}, kOutside),
              ElementsAre(1, 1, 1, 1));
}

TEST(RepeatFactors, CountRareness) {
  // sqrt(1 + 2 * 2 + 1 * 4) = 3 and sqrt(1 + 2 * 2) = 2.2.
  EXPECT_THAT(repeat_factors(kLabels, kOffsets, 3, CountRarenessRepeats{}, kOutside),
              ElementsAre(3, 1, 1, 3));
}

TEST(RepeatFactors, CountRarenessDensity) {
  // (1 + 2 sqrt 2 + 4) / sqrt 4 = 3.9 and (1 + 2 sqrt 2) / sqrt 10 = 1.2.
  EXPECT_THAT(repeat_factors(kLabels, kOffsets, 3, CountRarenessDensityRepeats{}, kOutside),
              ElementsAre(4, 1, 1, 2));
}

// The definitions, straight from labels in maps.
TEST(RepeatFactors, EqualANaiveReference) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    const std::size_t classes = 2 + random() % 5;
    std::vector<std::vector<int>> sequences(1 + random() % 20);
    Labels labels;
    std::vector<std::size_t> offsets = {0};
    std::map<int, double> tokens;
    std::map<int, double> containing;
    double all = 0;
    for (std::vector<int>& sequence : sequences) {
      std::map<int, int> own;
      for (std::size_t length = random() % 12; length > 0; --length) {
        const bool is_ignored = random() % 8 == 0;
        const int c = random() % 2 == 0 ? 0 : static_cast<int>(random() % classes);
        labels.push_back(is_ignored ? -100 : c);
        if (is_ignored) continue;
        sequence.push_back(c);
        ++own[c];
        ++tokens[c];
        ++all;
      }
      for (const auto& [c, n] : own) ++containing[c];
      offsets.push_back(labels.size());
    }
    const RepeatOptions options{.background = 0, .ignore_index = -100};
    const auto lvis =
        repeat_factors(labels, offsets, classes, LvisRepeats{.threshold = 0.5}, options);
    const auto rareness = repeat_factors(labels, offsets, classes, CountRarenessRepeats{}, options);
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      double factor = 1;
      double sum = 1;
      for (const int c : sequences[s]) {
        if (c == 0) continue;
        const double share = containing[c] / static_cast<double>(sequences.size());
        factor = std::max(factor, std::sqrt(0.5 / share));
        sum += -std::log2(tokens[c] / all);
      }
      EXPECT_DOUBLE_EQ(lvis[s], factor);
      // The sum runs over tokens here and over classes there.
      EXPECT_GE(rareness[s], std::sqrt(sum) * (1 - 1e-14));
      EXPECT_LT(rareness[s], std::sqrt(sum) * (1 + 1e-14) + 1);
    }
  }
}

TEST(RepeatFactors, WithoutABackgroundAllClassesCount) {
  // Class 0 has 11 of 16 tokens, in 3 of 4 sequences.
  EXPECT_THAT(repeat_factors(kLabels, kOffsets, 3, LvisRepeats{.threshold = 1}),
              ElementsAre(DoubleEq(2), DoubleEq(std::sqrt(1 / 0.75)), 1, DoubleEq(std::sqrt(2.0))));
}

// Rows of several labels: one in a hundred has label 0, which is as good a class as any.
TEST(RepeatFactors, OfSeveralLabelsARowCountTheFirstClassToo) {
  Labels labels = {0, 1};
  std::vector<std::size_t> offsets = {0, 2};
  for (int row = 1; row < 100; ++row) {
    labels.push_back(1);
    offsets.push_back(labels.size());
  }
  const auto factors = repeat_factors(labels, offsets, 2, LvisRepeats{.threshold = 0.5});
  EXPECT_DOUBLE_EQ(factors[0], std::sqrt(50));  // sqrt(.5 / .01) = 7.071
  EXPECT_EQ(factors[1], 1);
}

struct Length {
  double operator()(std::span<const ClassInSequence>, double length) const { return length; }
};

TEST(RepeatFactors, TakesAUsersPolicy) {
  EXPECT_THAT(repeat_factors(kLabels, kOffsets, 3, Length{}, kOutside), ElementsAre(4, 1, 1, 10));
  EXPECT_THAT(repeat_factors(Labels{}, std::vector<int>{0}, 3, Length{}), ElementsAre());
}

// Over epochs each sequence comes as often as its factor says.
TEST(RepeatFactors, ASystematicStreamRepeatsByThem) {
  const auto factors =
      repeat_factors(kLabels, kOffsets, 3, LvisRepeats{.threshold = 0.9}, kOutside);
  const EpochStream stream(SystematicResampling(factors, 0, 11));
  EXPECT_EQ(stream.epoch_size(), 5u);  // 1.897 + 1 + 1 + 1.342 = 5.24
  constexpr std::uint64_t kEpochs = 20000;
  std::vector<double> counts(4);
  for (std::uint64_t t = 0; t < kEpochs * 5; ++t) counts[stream[t]] += 1;
  double sum = 0;
  for (const double factor : factors) sum += factor;
  for (std::size_t s = 0; s < 4; ++s) {
    // A count of an epoch is floor or ceil, so its deviation is at most a half: five of its means'.
    EXPECT_NEAR(counts[s] / kEpochs, factors[s] * 5 / sum, 5 * 0.5 / std::sqrt(kEpochs));
  }
}

struct Bad {
  double operator()(std::span<const ClassInSequence>, double) const { return std::nan(""); }
};

TEST(RepeatFactors, RejectsBadInput) {
  const CountRarenessRepeats policy;
  EXPECT_EQ(error_of([&] {
              repeat_factors(Labels{0, 3}, std::vector<int>{0, 2}, 3, policy);
            }),
            "repeat_factors(): labels[1] = 3, expected a class in [0, 3)");
  EXPECT_EQ(error_of([&] {
              repeat_factors(kLabels, std::vector<int>{0, 5, 3, 16}, 3, policy);
            }),
            "repeat_factors(): offsets[2] = 3, expected at least its predecessor 5");
  EXPECT_EQ(error_of([&] { repeat_factors(kLabels, kOffsets, 3, policy, {.background = 3}); }),
            "repeat_factors(): options.background = 3, expected a class in [0, 3)");
  EXPECT_EQ(error_of([&] { repeat_factors(kLabels, kOffsets, 3, LvisRepeats{.threshold = 0}); }),
            "repeat_factors(): threshold = 0, expected a number in (0, 1]");
  EXPECT_EQ(error_of([&] { repeat_factors(kLabels, kOffsets, 3, Bad{}); }),
            "repeat_factors(): policy(sequence)[0] = nan, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise::sampling
