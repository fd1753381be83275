#include "equipoise/sampling/quota.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace equipoise::sampling {
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

// The sum of the first C - 1 reciprocal Fibonacci numbers: what no class of C deviates by.
double bound_of(std::size_t classes) {
  double bound = 0;
  double fibonacci = 1;
  double next = 1;
  for (std::size_t i = 1; i < classes; ++i) {
    bound += 1 / fibonacci;
    fibonacci = std::exchange(next, fibonacci + next);
  }
  return bound;
}

TEST(QuotaSequenceTest, TheBoundIsThatOfTheComment) {
  EXPECT_EQ(bound_of(2), 1);
  EXPECT_EQ(bound_of(3), 2);
  EXPECT_EQ(bound_of(4), 2.5);
  EXPECT_NEAR(bound_of(80), 3.359885666243178, 1e-14);  // OEIS A079586
}

// How far the counts of each class are off over the first slots: `low` and `high` of count less
// expectation in all prefixes, so that `high - low` is that of the worst stretch.
struct Deviation {
  double low = 0;
  double high = 0;
};

// Also that ranks count the slots of a class without a gap.
std::vector<Deviation> deviations(const std::vector<double>& proportions, std::uint64_t seed,
                                  std::uint64_t slots) {
  const QuotaSequence sequence(proportions, CounterRandom{seed});
  const double sum = std::accumulate(proportions.begin(), proportions.end(), 0.0);
  std::vector<std::uint64_t> dealt(proportions.size());
  std::vector<Deviation> result(proportions.size());
  for (std::uint64_t t = 0; t < slots; ++t) {
    const QuotaSequence::Slot slot = sequence[t];
    EXPECT_EQ(slot.rank, dealt[slot.class_index]++);
    for (std::size_t c = 0; c < proportions.size(); ++c) {
      const double due = static_cast<double>(t + 1) * proportions[c] / sum;
      const double off = static_cast<double>(dealt[c]) - due;
      result[c] = {std::min(result[c].low, off), std::max(result[c].high, off)};
    }
  }
  return result;
}

TEST(QuotaSequenceTest, EveryStretchHoldsItsQuotaWithinTheBound) {
  for (const std::size_t classes : {2u, 3u, 4u, 10u, 100u}) {
    for (const int skew : {0, 1, 2}) {
      for (std::uint64_t seed = 0; seed < 10; ++seed) {
        for (const Deviation& own : deviations(generated_proportions(classes, skew), seed, 4096)) {
          EXPECT_LT(own.high - own.low, bound_of(classes));
        }
      }
    }
  }
}

// Masses u^5, of which Huffman trees are deep. 2 is exceeded by some.
TEST(QuotaSequenceTest, SkewedMassesStayWithinTheBound) {
  double worst = 0;
  for (const std::size_t classes : {2u, 3u, 4u, 5u, 6u, 12u}) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      std::vector<double> proportions(classes);
      for (std::size_t c = 0; c < classes; ++c) {
        proportions[c] = std::pow(CounterRandom{seed}.uniform(c, 1), 5) + 1e-9;
      }
      for (const Deviation& own : deviations(proportions, seed, 5000)) {
        EXPECT_LT(own.high - own.low, bound_of(classes)) << classes << " classes, seed " << seed;
        worst = std::max(worst, own.high - own.low);
      }
    }
  }
  EXPECT_GT(worst, 2);
}

// Masses near (tiny, 1, 1, 1, 2, 3, 5), at which the bound is 1 + 1 + 1/2 + 1/3 + 1/5 + 1/8.
TEST(QuotaSequenceTest, SomeMassesComeNearTheBound) {
  const std::vector<double> proportions = {0.012708837523528652, 1,
                                           1.0180984211425022,   1.0422591690556631,
                                           2.2273453208210841,   3.4957092784716677,
                                           5.6680007555753162};
  const Deviation worst = deviations(proportions, 348, 35000)[1];
  EXPECT_GT(worst.high - worst.low, 2.84);
  EXPECT_LT(worst.high - worst.low, bound_of(7));
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
}  // namespace equipoise::sampling
