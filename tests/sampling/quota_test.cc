#include "equipoise/sampling/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace equipoise {
namespace {

using ::testing::ElementsAre;

TEST(QuotaSequenceTest, OneClassTakesEverySlot) {
  const QuotaSequence sequence(std::vector<double>{0, 2, 0}, CounterRandom{1});
  for (std::uint64_t t = 0; t < 10; ++t) {
    EXPECT_EQ(sequence[t], (QuotaSequence::Slot{1, t}));
  }
  EXPECT_EQ(sequence[~std::uint64_t{0}].rank, ~std::uint64_t{0});
}

TEST(QuotaSequenceTest, TwoEqualClassesAlternate) {
  const QuotaSequence sequence(std::vector<double>{1, 1}, CounterRandom{4});
  for (std::uint64_t t = 0; t < 20; ++t) {
    EXPECT_NE(sequence[t].class_index, sequence[t + 1].class_index);
    EXPECT_EQ(sequence[t].rank, t / 2);
  }
}

std::vector<double> generated_proportions(std::size_t classes, int skew) {
  std::vector<double> proportions(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    const auto place = static_cast<double>(c);
    proportions[c] = skew == 0 ? 1 : skew == 1 ? std::pow(0.8, c % 40) : 1 / (place + 1);
  }
  return proportions;
}

// Ranks count a class's slots without a gap, and any stretch holds each class within two of its
// expectation.
TEST(QuotaSequenceTest, RanksAreConsecutiveAndQuotasHoldWithinTwo) {
  for (const std::size_t classes : {2u, 3u, 10u, 100u}) {
    for (const int skew : {0, 1, 2}) {
      const std::vector<double> proportions = generated_proportions(classes, skew);
      const double sum = std::accumulate(proportions.begin(), proportions.end(), 0.0);
      for (std::uint64_t seed = 0; seed < 10; ++seed) {
        const QuotaSequence sequence(proportions, CounterRandom{seed});
        std::vector<std::uint64_t> dealt(classes);
        std::vector<std::uint64_t> dealt_before_batch(classes);
        for (std::uint64_t t = 0; t < 4096; ++t) {
          const QuotaSequence::Slot slot = sequence[t];
          ASSERT_EQ(slot.rank, dealt[slot.class_index]++);
          for (std::size_t c = 0; c < classes; ++c) {
            const double share = proportions[c] / sum;
            const auto count = static_cast<double>(dealt[c]);
            ASSERT_LT(std::abs(count - static_cast<double>(t + 1) * share), 2) << "class " << c;
            if (t % 32 != 31) continue;
            ASSERT_LT(std::abs(count - static_cast<double>(dealt_before_batch[c]) - 32 * share), 2);
            dealt_before_batch[c] = dealt[c];
          }
        }
      }
    }
  }
}

// A long way on, the shares still hold: the count of a class before a slot is its rank.
TEST(QuotaSequenceTest, HoldsAtHugePositions) {
  const QuotaSequence sequence(std::vector<double>{1, 3}, CounterRandom{8});
  constexpr std::uint64_t kFar = std::uint64_t{1} << 50;
  for (std::uint64_t t = kFar; t < kFar + 100; ++t) {
    const QuotaSequence::Slot slot = sequence[t];
    const std::uint64_t due = slot.class_index == 0 ? t / 4 : t / 4 * 3 + t % 4;
    EXPECT_LE(std::max(slot.rank, due) - std::min(slot.rank, due), 2u);
  }
}

TEST(QuotaSequenceTest, Golden) {
  const QuotaSequence sequence(std::vector<double>{5, 1, 2}, CounterRandom{42});
  std::vector<std::size_t> classes;
  for (std::uint64_t t = 0; t < 16; ++t) classes.push_back(sequence[t].class_index);
  EXPECT_THAT(classes, ElementsAre(0u, 2u, 0u, 0u, 1u, 0u, 2u, 0u, 0u, 2u, 0u, 0u, 1u, 0u, 2u, 0u));
}

TEST(QuotaSequenceTest, RefusesWhatIsNoMix) {
  const auto message = [](const std::vector<double>& proportions) -> std::string {
    try {
      QuotaSequence sequence(proportions, CounterRandom{1});
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "no exception";
  };
  EXPECT_EQ(message({}), "QuotaSequence(): sum of proportions = 0, expected a number > 0");
  EXPECT_EQ(message({0, 0}), "QuotaSequence(): sum of proportions = 0, expected a number > 0");
  EXPECT_EQ(message({1, -1}),
            "QuotaSequence(): proportions[1] = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise
