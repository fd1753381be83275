#include "equipoise/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <vector>

#include "tests/support/statistics.h"

namespace equipoise {
namespace {

using testing::chi_squared_p_value;
using testing::chi_squared_upper_tail;
using ::testing::ElementsAre;
using testing::kImplausible;

// The known-answer vectors published with Random123.
TEST(PhiloxTest, KnownAnswers) {
  EXPECT_THAT(philox4x32({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_THAT(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
              ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  EXPECT_THAT(
      philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
}

TEST(CounterRandomTest, CounterWordsArePositionPurposeAttempt) {
  const CounterRandom random{0x299f31d0a4093822u};
  const auto [first, second] = random.block(0x85a308d3243f6a88u, 0x13198a2e, 0x03707344);
  EXPECT_EQ(first, 0x94fdccebd16cfe09u);
  EXPECT_EQ(second, 0x24126ea15001e420u);
  EXPECT_EQ(random.bits(0x85a308d3243f6a88u, 0x13198a2e, 0x03707344), first);
}

TEST(CounterRandomTest, BelowTakesTheHighWordOfTheProduct) {
  const CounterRandom random{3};
  for (std::uint64_t t = 0; t < 1000; ++t) {
    const std::uint64_t bits = random.bits(t, 1);
    EXPECT_EQ(random.below(1, t, 1), 0u);
    EXPECT_EQ(random.below(std::uint64_t{1} << 32, t, 1), bits >> 32);
    EXPECT_LT(random.below(7, t, 1), 7u);
  }
}

// With n just above 2^63 about every other draw is rejected: the position stays, the attempt moves.
TEST(CounterRandomTest, RejectionAdvancesTheAttempt) {
  const CounterRandom random{11};
  constexpr std::uint64_t kN = (std::uint64_t{1} << 63) + 1;
  int repeated = 0;
  for (std::uint64_t t = 0; t < 200; ++t) {
    std::uint32_t attempt = 0;
    // 2^64 mod n = 2^63 - 1.
    while (random.bits(t, 5, attempt) * kN < (std::uint64_t{1} << 63) - 1) ++attempt;
    repeated += attempt > 0 ? 1 : 0;
    const auto product = static_cast<detail::uint128>(random.bits(t, 5, attempt)) * kN;
    EXPECT_EQ(random.below(kN, t, 5), static_cast<std::uint64_t>(product >> 64)) << t;
  }
  EXPECT_GT(repeated, 60);
  EXPECT_LT(repeated, 140);
}

TEST(CounterRandomTest, BelowIsUniform) {
  for (const std::uint64_t n : {2u, 3u, 10u, 1000u}) {
    std::vector<std::uint64_t> seen(n);
    for (std::uint64_t t = 0; t < 100 * n; ++t) ++seen[CounterRandom{n}.below(n, t, 2)];
    EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(n, 100)), kImplausible) << n;
  }
}

TEST(CounterRandomTest, UniformIsAMultipleOfTwoToTheMinus53BelowOne) {
  const CounterRandom random{9};
  std::vector<std::uint64_t> seen(64);
  for (std::uint64_t t = 0; t < 64000; ++t) {
    const double u = random.uniform(t, 4);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    EXPECT_EQ(u * 0x1p53, static_cast<double>(random.bits(t, 4) >> 11));
    ++seen[static_cast<std::size_t>(u * 64)];
  }
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(64, 1000)), kImplausible);
}

TEST(CounterRandomTest, SeedsPositionsAndPurposesAreApart) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (std::uint64_t t = 0; t < 10; ++t) {
      for (std::uint32_t purpose = 0; purpose < 10; ++purpose) {
        seen.insert(CounterRandom{seed}.bits(t, purpose));
      }
    }
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(RandomPermutationTest, IsABijection) {
  for (const std::uint64_t n :
       {1u, 2u, 3u, 9u, 100u, 127u, 128u, 129u, 143u, 144u, 145u, 1000u, 4099u}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const RandomPermutation permutation(n, CounterRandom{seed});
      ASSERT_EQ(permutation.size(), n);
      std::vector<bool> hit(n);
      for (std::uint64_t i = 0; i < n; ++i) {
        const std::uint64_t j = permutation(i);
        ASSERT_LT(j, n);
        ASSERT_FALSE(hit[j]) << "n = " << n << ", index " << i;
        hit[j] = true;
      }
    }
  }
}

TEST(RandomPermutationTest, HugeDomains) {
  for (const std::uint64_t n : {std::uint64_t{1} << 62, (std::uint64_t{1} << 62) - 1,
                                ~std::uint64_t{0}, (std::uint64_t{1} << 53) + 1}) {
    const RandomPermutation permutation(n, CounterRandom{1});
    std::set<std::uint64_t> images;
    for (std::uint64_t i = 0; i < 1000; ++i) images.insert(permutation(i * (n / 1000)));
    EXPECT_EQ(images.size(), 1000u);
    EXPECT_LT(*images.rbegin(), n);
    EXPECT_GT(*images.rbegin(), n / 100 * 95);
  }
}

// Together as one by one: by one permutation, by several of any size, in numbers that do not fill
// up what is evaluated at once.
TEST(RandomPermutationTest, EvaluatesManyAtOnce) {
  for (const std::uint64_t n : {1u, 127u, 128u, 145u, 1000u, 1000003u, 4000000000u}) {
    const RandomPermutation permutation(n, CounterRandom{5});
    std::vector<std::uint64_t> indices;
    std::vector<std::uint64_t> expected;
    for (std::uint64_t i = 0; i < 150; ++i) {
      indices.push_back(i * 2654435761u % n);
      expected.push_back(permutation(indices.back()));
    }
    permutation.evaluate(indices);
    EXPECT_EQ(indices, expected) << n;
  }
  std::vector<RandomPermutation> orders;
  std::vector<std::uint64_t> indices;
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 0; i < 150; ++i) {
    orders.emplace_back(1 + i * i, CounterRandom{9}, i);
    indices.push_back(i);
    expected.push_back(orders.back()(i));
  }
  RandomPermutation::evaluate(orders, indices);
  EXPECT_EQ(indices, expected);
}

std::vector<std::uint64_t> images_of(std::uint64_t n, std::uint64_t t) {
  const RandomPermutation permutation(n, CounterRandom{2024}, t, 77);
  std::vector<std::uint64_t> images(n);
  for (std::uint64_t i = 0; i < n; ++i) images[i] = permutation(i);
  return images;
}

TEST(RandomPermutationTest, AllOrdersOfSmallSetsAreEquallyLikely) {
  for (std::uint64_t n = 2; n <= 6; ++n) {
    std::vector<std::uint64_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    std::map<std::vector<std::uint64_t>, std::size_t> number;
    do {
      number.emplace(order, number.size());
    } while (std::next_permutation(order.begin(), order.end()));
    std::vector<std::uint64_t> seen(number.size());
    for (std::uint64_t t = 0; t < 60 * number.size(); ++t) ++seen[number.at(images_of(n, t))];
    EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(seen.size(), 60)), kImplausible) << n;
  }
}

TEST(RandomPermutationTest, ParityIsFairAtNine) {
  std::vector<std::uint64_t> seen(2);
  for (std::uint64_t t = 0; t < 20000; ++t) {
    const std::vector<std::uint64_t> images = images_of(9, t);
    std::size_t inversions = 0;
    for (std::size_t i = 0; i < 9; ++i) {
      for (std::size_t j = 0; j < i; ++j) inversions += images[j] > images[i] ? 1 : 0;
    }
    ++seen[inversions % 2];
  }
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(2, 10000)), kImplausible);
}

// Where each index goes, and how far apart (modulo n) neighbours land: both uniform. A permutation
// fills n places of the matrix of positions at once, so (n - 1)^2 degrees are free; of the
// differences no index constrains another, so far as chi-squared can tell.
TEST(RandomPermutationTest, PositionsAndSuccessiveDifferencesAreUniform) {
  for (const std::uint64_t n : {10u, 40u, 100u, 128u, 169u, 1000u}) {
    const std::uint64_t repeats = n == 1000 ? 4000 : 20 * n;
    std::vector<std::uint32_t> position(n * n);
    std::vector<std::uint32_t> difference((n - 1) * (n - 1));
    for (std::uint64_t t = 0; t < repeats; ++t) {
      const std::vector<std::uint64_t> images = images_of(n, t);
      for (std::uint64_t i = 0; i < n; ++i) {
        ++position[i * n + images[i]];
        if (i == 0) continue;
        ++difference[(i - 1) * (n - 1) + (images[i] + n - images[i - 1]) % n - 1];
      }
    }
    const auto size = static_cast<double>(n);
    const auto due = static_cast<double>(repeats);
    EXPECT_GT(chi_squared_p_value(position, std::vector<double>(n * n, due / size), 2 * size - 1),
              kImplausible)
        << n;
    EXPECT_GT(chi_squared_p_value(
                  difference, std::vector<double>((n - 1) * (n - 1), due / (size - 1)), size - 1),
              kImplausible)
        << n;
  }
}

TEST(RandomPermutationTest, Golden) {
  const auto first = [](std::uint64_t n) {
    const RandomPermutation permutation(n, CounterRandom{42});
    std::vector<std::uint64_t> images;
    for (std::uint64_t i = 0; i < 8; ++i) images.push_back(permutation(i));
    return images;
  };
  EXPECT_THAT(first(100), ElementsAre(98, 23, 5, 37, 51, 73, 8, 79));
  EXPECT_THAT(first(1000000),
              ElementsAre(56425, 60969, 408781, 682443, 341400, 645649, 83553, 973958));
}

TEST(ShuffledIndicesTest, IsAPermutationAndAllOrdersAreEquallyLikely) {
  EXPECT_TRUE(shuffled_indices<int>(0, CounterRandom{1}).empty());
  EXPECT_THAT(shuffled_indices<int>(1, CounterRandom{1}), ElementsAre(0));
  std::map<std::vector<int>, std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 12000; ++seed)
    ++seen[shuffled_indices<int>(5, CounterRandom{seed})];
  ASSERT_EQ(seen.size(), 120u);
  std::vector<std::uint64_t> counts;
  counts.reserve(seen.size());
  for (const auto& [order, count] : seen) counts.push_back(count);
  EXPECT_GT(chi_squared_p_value(counts, std::vector<double>(120, 100)), kImplausible);
}

// Position i swaps with a draw below i + 1 from half i % 2 of block i / 2, from the last one down:
// sizes about those at which another batch of blocks begins.
TEST(ShuffledIndicesTest, IsFisherYatesOnTheBlocksOfCounterRandom) {
  for (const std::size_t n : {2u, 3u, 4u, 127u, 128u, 129u, 130u, 255u, 256u, 257u, 1001u}) {
    const CounterRandom random = detail::of_size({77}, n);
    std::vector<int> expected(n);
    std::iota(expected.begin(), expected.end(), 0);
    for (std::size_t i = n - 1; i > 0; --i) {
      std::uint32_t attempt = 0;
      const auto draw = [&] {
        return detail::scale(random.block(i / 2, 9, attempt)[i % 2], i + 1);
      };
      while (!detail::is_unbiased(draw(), i + 1)) ++attempt;
      std::swap(expected[i], expected[draw().integer]);
    }
    EXPECT_EQ(shuffled_indices<int>(n, CounterRandom{77}, 9), expected) << n;
  }
}

TEST(ShuffledIndicesTest, Golden) {
  EXPECT_THAT(shuffled_indices<std::int64_t>(8, CounterRandom{42}),
              ElementsAre(0, 3, 2, 5, 6, 1, 4, 7));
}

// The correlation of the places that two orders give to the indices that both have.
double correlation(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  const std::size_t n = std::min(a.size(), b.size());
  double mean_a = 0;
  double mean_b = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean_a += static_cast<double>(a[i]) / static_cast<double>(n);
    mean_b += static_cast<double>(b[i]) / static_cast<double>(n);
  }
  double both = 0;
  double only_a = 0;
  double only_b = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(a[i]) - mean_a;
    const double y = static_cast<double>(b[i]) - mean_b;
    both += x * y;
    only_a += x * x;
    only_b += y * y;
  }
  return both / std::sqrt(only_a * only_b);
}

// Rank correlations of independent orders of n have mean 0 and variance 1 / (n - 1). Each is to be
// within five deviations, and so is their mean over all sizes and seeds.
template <class Order>
void expect_unlike_orders_of_neighbouring_sizes(const Order& order) {
  double sum = 0;
  double variance = 0;
  for (const std::uint64_t n : {40u, 100u, 127u, 128u, 129u, 144u, 145u, 1000u, 5000u}) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      for (const std::uint64_t step : {1u, 2u}) {
        const double own = correlation(order(n, seed), order(n - step, seed));
        const double deviation = 1 / std::sqrt(static_cast<double>(n - step) - 1);
        EXPECT_LT(std::abs(own), 5 * deviation) << n << " and " << n - step << ", seed " << seed;
        sum += own;
        variance += deviation * deviation;
      }
    }
  }
  EXPECT_LT(std::abs(sum), 5 * std::sqrt(variance));
}

TEST(RandomPermutationTest, NeighbouringSizesHaveUnlikeOrders) {
  expect_unlike_orders_of_neighbouring_sizes([](std::uint64_t n, std::uint64_t seed) {
    const RandomPermutation permutation(n, CounterRandom{seed});
    std::vector<std::uint64_t> images(n);
    for (std::uint64_t i = 0; i < n; ++i) images[i] = permutation(i);
    return images;
  });
}

TEST(ShuffledIndicesTest, NeighbouringSizesHaveUnlikeOrders) {
  expect_unlike_orders_of_neighbouring_sizes([](std::uint64_t n, std::uint64_t seed) {
    return shuffled_indices<std::uint64_t>(n, CounterRandom{seed});
  });
}

TEST(ShuffledIndicesTest, RefusesATypeTooNarrow) {
  EXPECT_EQ(shuffled_indices<std::uint8_t>(256, CounterRandom{1}).size(), 256u);
  try {
    shuffled_indices<std::uint8_t>(257, CounterRandom{1});
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(),
                 "shuffled_indices(): n = 257, expected a number of indices that the type holds");
  }
}

// Quantiles from tables of the distribution.
TEST(ChiSquaredTest, UpperTail) {
  EXPECT_NEAR(chi_squared_upper_tail(3.841458820694124, 1), 0.05, 1e-12);
  EXPECT_NEAR(chi_squared_upper_tail(18.307038053275146, 10), 0.05, 1e-12);
  EXPECT_NEAR(chi_squared_upper_tail(2 * 1.5, 2), std::exp(-1.5), 1e-14);
  EXPECT_NEAR(chi_squared_upper_tail(2 * 0.01, 2), std::exp(-0.01), 1e-14);
}

}  // namespace
}  // namespace equipoise
