#include "equipoise/splits/stratified.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

TEST(TrainFirstTest, QuotasByHand) {
  // Shares of 10 of 20: 8, 1.5, .5. With two rows for training the classes of 3 and 1 give 1 and 0,
  // less than their shares, and the large one gives the other 9.
  const std::vector<std::uint64_t> counts{16, 3, 1};
  EXPECT_THAT(detail::test_quotas(counts, 10, 0), ElementsAre(8u, 2u, 0u));
  EXPECT_THAT(detail::test_quotas(counts, 10, 2), ElementsAre(9u, 1u, 0u));
  EXPECT_THAT(detail::test_quotas(counts, 10, 5), ElementsAre(10u, 0u, 0u));
  // Everything that may be tested is.
  EXPECT_THAT(detail::test_quotas(counts, 17, 1), ElementsAre(15u, 2u, 0u));
  // Classes without rows give none.
  EXPECT_THAT(detail::test_quotas(std::vector<std::uint64_t>{0, 4, 0, 4}, 4, 1),
              ElementsAre(0u, 2u, 0u, 2u));
}

// Which share of its rows each class is due: all are due the same, but those that may not give as
// much, found one after the other, give what they may.
std::vector<double> shares_of(const std::vector<std::uint64_t>& counts, std::uint64_t total,
                              std::uint64_t min_train) {
  std::vector<double> shares(counts.size(), -1);
  auto left = static_cast<double>(total);
  double rows = std::accumulate(counts.begin(), counts.end(), 0.0);
  for (bool is_done = false; !is_done;) {
    is_done = true;
    const double rate = left / rows;
    for (std::size_t c = 0; c < counts.size() && is_done; ++c) {
      const auto most = static_cast<double>(detail::testable_rows(counts[c], min_train));
      const auto count = static_cast<double>(counts[c]);
      if (shares[c] >= 0 || count * rate <= most + 1e-9) continue;
      shares[c] = most;
      left -= most;
      rows -= count;
      is_done = false;
    }
  }
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (shares[c] < 0) shares[c] = rows > 0 ? static_cast<double>(counts[c]) * left / rows : 0;
  }
  return shares;
}

TEST(TrainFirstTest, QuotasAreTheRoundedSharesOfClassesThatMayGiveThem) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const CounterRandom random{seed};
    std::vector<std::uint64_t> counts(1 + random.below(8, 0, 1));
    for (std::size_t c = 0; c < counts.size(); ++c) {
      counts[c] = random.below(2 + random.below(60, c, 2), c, 3);
    }
    const std::uint64_t min_train = random.below(6, 1, 1);
    std::uint64_t testable = 0;
    for (const std::uint64_t count : counts) testable += detail::testable_rows(count, min_train);
    if (testable == 0) continue;
    const std::uint64_t total = 1 + random.below(testable, 2, 1);
    const std::vector<std::uint64_t> quotas = detail::test_quotas(counts, total, min_train);
    const std::vector<double> shares = shares_of(counts, total, min_train);
    EXPECT_EQ(std::accumulate(quotas.begin(), quotas.end(), std::uint64_t{0}), total);
    for (std::size_t c = 0; c < counts.size(); ++c) {
      EXPECT_LE(quotas[c], detail::testable_rows(counts[c], min_train));
      // Whole shares are given as they are: 1e-9 is far above their error, far below 1 / rows.
      EXPECT_LT(std::abs(static_cast<double>(quotas[c]) - shares[c]), 1 - 1e-9)
          << "seed " << seed << ", class " << c;
    }
  }
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
}  // namespace equipoise
