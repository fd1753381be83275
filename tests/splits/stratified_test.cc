#include "equipoise/splits/stratified.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::splits {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

TEST(TrainFirstTest, QuotasByHand) {
  // Shares of 10 of 20: 8, 1.5, .5. With two rows for training the classes of 3 and 1 give 1 and 0,
  // less than their shares, and the large one gives the other 9.
  const std::vector<std::uint64_t> counts{16, 3, 1};
  EXPECT_THAT(detail::test_quotas(counts, 10, 1, {.min_train_rows = 0}), ElementsAre(8u, 2u, 0u));
  EXPECT_THAT(detail::test_quotas(counts, 10, 1, {.min_train_rows = 2}), ElementsAre(9u, 1u, 0u));
  EXPECT_THAT(detail::test_quotas(counts, 10, 1, {.min_train_rows = 5}), ElementsAre(10u, 0u, 0u));
  // Everything that may be tested is.
  EXPECT_THAT(detail::test_quotas(counts, 17, 1, {.min_train_rows = 1}), ElementsAre(15u, 2u, 0u));
  // Classes without rows give none.
  EXPECT_THAT(
      detail::test_quotas(std::vector<std::uint64_t>{0, 4, 0, 4}, 4, 1, {.min_train_rows = 1}),
      ElementsAre(0u, 2u, 0u, 2u));
}

TEST(TestRowsTest, QuotasByHand) {
  // Shares of 4 of 20: 3, .6, .4. With a row of each class for testing the largest gives the other
  // two; with two the class of 2 gives one, for its other row stays for training.
  const std::vector<std::uint64_t> counts{15, 3, 2};
  EXPECT_THAT(detail::test_quotas(counts, 4, 1), ElementsAre(3u, 1u, 0u));
  EXPECT_THAT(detail::test_quotas(counts, 4, 1, {.min_test_rows = 1}), ElementsAre(2u, 1u, 1u));
  EXPECT_THAT(detail::test_quotas(counts, 5, 1, {.min_test_rows = 2}), ElementsAre(2u, 2u, 1u));
  // The only row of a class stays for training.
  EXPECT_THAT(detail::test_quotas(std::vector<std::uint64_t>{1, 9}, 2, 1, {.min_test_rows = 1}),
              ElementsAre(0u, 2u));
  // Rows for training come first: of 3 the last, of 2 none.
  EXPECT_THAT(detail::test_quotas(counts, 4, 1, {.min_train_rows = 2, .min_test_rows = 2}),
              ElementsAre(3u, 1u, 0u));
  // Bounds on both sides: 12 of 24 from {2, 3, 19} with a row each and at most n - 2 of each.
  EXPECT_THAT(detail::test_quotas(std::vector<std::uint64_t>{2, 3, 19}, 12, 1,
                                  {.min_train_rows = 2, .min_test_rows = 1}),
              ElementsAre(0u, 1u, 11u));
}

// The rate at which shares of n_c, cut off at the bounds, add up to `total`, by bisection.
std::vector<double> shares_of(const std::vector<std::uint64_t>& counts, std::uint64_t total,
                              const SplitOptions& options) {
  std::vector<double> shares(counts.size());
  double low = 0;
  double high = 1e6;
  for (int step = 0; step < 200; ++step) {
    const double rate = (low + high) / 2;
    double sum = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      const auto count = static_cast<double>(counts[c]);
      const auto train = static_cast<double>(options.min_train_rows);
      const double most = std::max(count - train, 0.0);
      const double least = std::min(static_cast<double>(options.min_test_rows),
                                    std::max(count - std::max(train, 1.0), 0.0));
      shares[c] = std::clamp(rate * count, least, most);
      sum += shares[c];
    }
    (sum < static_cast<double>(total) ? low : high) = rate;
  }
  return shares;
}

TEST(SplitBoundsTest, QuotasAreTheRoundedSharesWithinTheBounds) {
  int bounded = 0;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const CounterRandom random{seed};
    std::vector<std::uint64_t> counts(1 + random.below(8, 0, 1));
    for (std::size_t c = 0; c < counts.size(); ++c) {
      counts[c] = random.below(2 + random.below(60, c, 2), c, 3);
    }
    const SplitOptions options{.min_train_rows = random.below(6, 1, 1),
                               .min_test_rows = random.below(6, 3, 1)};
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    for (const std::uint64_t count : counts) {
      least += detail::tested_rows(count, options);
      most += detail::testable_rows(count, options);
    }
    const std::uint64_t total = least + random.below(most - least + 1, 2, 1);
    if (total == 0) continue;
    const std::vector<std::uint64_t> quotas = detail::test_quotas(counts, total, seed, options);
    const std::vector<double> shares = shares_of(counts, total, options);
    EXPECT_EQ(std::accumulate(quotas.begin(), quotas.end(), std::uint64_t{0}), total);
    for (std::size_t c = 0; c < counts.size(); ++c) {
      EXPECT_LE(quotas[c], detail::testable_rows(counts[c], options));
      EXPECT_GE(quotas[c], detail::tested_rows(counts[c], options));
      bounded += quotas[c] != 0 && quotas[c] == detail::tested_rows(counts[c], options) ? 1 : 0;
      // Whole shares are given as they are: 1e-9 is far above their error, far below 1 / rows.
      EXPECT_LT(std::abs(static_cast<double>(quotas[c]) - shares[c]), 1 - 1e-9)
          << "seed " << seed << ", class " << c;
    }
  }
  EXPECT_GT(bounded, 1000);
}

TEST(TestRowsTest, EveryClassThatCanIsTested) {
  std::vector<std::int64_t> labels(200, 0);
  for (std::size_t i = 0; i < 9; ++i) labels[20 * i] = i < 1 ? 3 : i < 3 ? 2 : 1;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Split split = stratified_split(labels, 4, 0.1, seed, {.min_test_rows = 2});
    EXPECT_EQ(split.test.size(), 20u);
    std::vector<int> tested(4);
    for (const std::int64_t row : split.test) {
      ++tested[static_cast<std::size_t>(labels[static_cast<std::size_t>(row)])];
    }
    EXPECT_THAT(tested, ElementsAre(17, 2, 1, 0));
  }
}

TEST(TestRowsTest, RefuseWhereTheyAreTooMany) {
  const std::vector<std::int64_t> labels{0, 0, 0, 1, 1, 1, 2, 2, 2};
  EXPECT_EQ(error_of([&] { stratified_split(labels, 3, 0.5, 1, {.min_test_rows = 2}); }),
            "stratified_split(): options.min_test_rows = 2, expected a number for which 5 rows are "
            "enough; it takes 6");
}

TEST(TrainFirstTest, RareClassesKeepTheirRows) {
  std::vector<std::int64_t> labels(200, 0);
  for (std::size_t i = 0; i < 9; ++i) labels[20 * i] = i < 3 ? 2 : 1;
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Split split = stratified_split(labels, 3, 0.5, seed, {.min_train_rows = 5});
    EXPECT_EQ(split.test.size(), 100u);
    std::vector<int> tested(3);
    for (const std::int64_t row : split.test) {
      ++tested[static_cast<std::size_t>(labels[static_cast<std::size_t>(row)])];
    }
    EXPECT_THAT(tested, ElementsAre(99, 1, 0));
  }
}

TEST(TrainFirstTest, RefuseWhereTooFewRowsAreLeft) {
  const std::vector<std::int64_t> labels{0, 0, 0, 1, 1, 1};
  EXPECT_EQ(error_of([&] { stratified_split(labels, 2, 0.5, 1, {.min_train_rows = 2}); }),
            "stratified_split(): options.min_train_rows = 2, expected a number that leaves 3 rows "
            "for testing, not 2");
}

}  // namespace
}  // namespace equipoise::splits
