#include "equipoise/splits/hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::splits {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

std::vector<std::uint64_t> ids(std::size_t n) {
  std::vector<std::uint64_t> keys(n);
  std::iota(keys.begin(), keys.end(), std::uint64_t{0});
  return keys;
}

std::vector<std::string> names(std::size_t n) {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < n; ++i) keys.push_back("user-" + std::to_string(i));
  return keys;
}

template <class K>
std::set<K> tested(const std::vector<K>& keys, double fraction, std::uint64_t seed) {
  std::set<K> result;
  for (const std::int64_t row : hash_split(keys, fraction, seed).test) {
    result.insert(keys[static_cast<std::size_t>(row)]);
  }
  return result;
}

// The authors' test vectors.
TEST(Fnv1a64Test, KnownHashes) {
  static_assert(fnv1a64("") == 0xcbf29ce484222325u);
  EXPECT_EQ(fnv1a64("a"), 0xaf63dc4c8601ec8cu);
  EXPECT_EQ(fnv1a64("foobar"), 0x85944171f73967e8u);
  EXPECT_NE(fnv1a64(std::string_view("\0", 1)), fnv1a64(""));
  EXPECT_EQ(fnv1a64("\xff"), (0xcbf29ce484222325u ^ 0xff) * 0x100000001b3u);
}

TEST(KeyBitsTest, DependOnTheValueAndNotOnTheType) {
  EXPECT_EQ(key_bits(std::int8_t{-1}, 3), key_bits(std::int64_t{-1}, 3));
  EXPECT_EQ(key_bits(std::uint16_t{500}, 3), key_bits(std::int64_t{500}, 3));
  EXPECT_EQ(key_bits(std::string("ab"), 3), key_bits(std::string_view("ab"), 3));
  EXPECT_EQ(key_bits(std::string("ab"), 3), key_bits(fnv1a64("ab"), 3));
  EXPECT_NE(key_bits(500, 3), key_bits(500, 4));
}

TEST(HashSplitTest, PartsAreDisjointCompleteAndAscend) {
  const std::vector<std::string> keys = names(1000);
  const Split split = hash_split(keys, 0.3, 5);
  EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
  EXPECT_TRUE(std::is_sorted(split.test.begin(), split.test.end()));
  std::vector<std::int64_t> all = split.train;
  all.insert(all.end(), split.test.begin(), split.test.end());
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(all[i], static_cast<std::int64_t>(i));
  EXPECT_EQ(all.size(), keys.size());
}

TEST(HashSplitTest, AddingReorderingAndRepeatingRowsMovesNone) {
  const std::vector<std::string> more = names(2000);
  const std::vector<std::string> some(more.begin(), more.begin() + 700);
  const std::set<std::string> before = tested(some, 0.2, 9);
  std::vector<std::string> reordered(more.rbegin(), more.rend());
  reordered.insert(reordered.end(), some.begin(), some.end());
  const std::set<std::string> after = tested(reordered, 0.2, 9);
  for (const std::string& key : some) EXPECT_EQ(before.count(key), after.count(key)) << key;
  const Split split = hash_split(reordered, 0.2, 9);
  for (const std::int64_t row : split.train) {
    EXPECT_EQ(after.count(reordered[static_cast<std::size_t>(row)]), 0u);
  }
}

TEST(HashSplitTest, ALargerFractionOnlyAdds) {
  const std::vector<std::uint64_t> keys = ids(3000);
  std::set<std::uint64_t> smaller;
  for (const double fraction : {1e-9, 0.01, 0.1, 0.5, 0.9, 0.999999}) {
    const std::set<std::uint64_t> larger = tested(keys, fraction, 4);
    EXPECT_TRUE(std::includes(larger.begin(), larger.end(), smaller.begin(), smaller.end()));
    smaller = larger;
  }
}

TEST(HashSplitTest, ExactlyTheKeysBelowTheThreshold) {
  const std::vector<std::uint64_t> keys = ids(5000);
  const std::set<std::uint64_t> quarter = tested(keys, 0.25, 11);
  for (const std::uint64_t key : keys) {
    EXPECT_EQ(quarter.count(key) == 1, key_bits(key, 11) >> 62 == 0);
  }
}

template <class K>
void expect_uniform(const std::vector<K>& keys) {
  for (const std::uint64_t seed : {0u, 1u, 2u}) {
    std::vector<std::uint64_t> seen(100);
    for (const std::uint32_t fold : hash_k_fold(keys, 100, seed)) ++seen[fold];
    const std::vector<double> due(100, static_cast<double>(keys.size()) / 100);
    EXPECT_GT(chi_squared_p_value(seen, due), kImplausible) << "seed " << seed;
    const double fraction = 0.15;
    const auto in_test = static_cast<double>(hash_split(keys, fraction, seed).test.size());
    const auto all = static_cast<double>(keys.size());
    EXPECT_GT(chi_squared_p_value(std::vector<double>{in_test, all - in_test},
                                  std::vector<double>{fraction * all, (1 - fraction) * all}),
              kImplausible);
  }
}

TEST(HashSplitTest, PartsAreUniform) {
  expect_uniform(ids(100000));
  expect_uniform(names(100000));
  std::vector<std::int64_t> strided(50000);
  for (std::size_t i = 0; i < strided.size(); ++i) {
    strided[i] = static_cast<std::int64_t>(i << 32) - 7;
  }
  expect_uniform(strided);
}

template <class K>
void expect_independent_seeds(const std::vector<K>& keys) {
  for (const std::uint64_t other : {1u, 2u, 1u << 31}) {
    const std::vector<std::uint32_t> a = hash_k_fold(keys, 10, 0);
    const std::vector<std::uint32_t> b = hash_k_fold(keys, 10, other);
    std::vector<std::uint64_t> seen(100);
    for (std::size_t i = 0; i < keys.size(); ++i) ++seen[a[i] * 10 + b[i]];
    const std::vector<double> due(100, static_cast<double>(keys.size()) / 100);
    EXPECT_GT(chi_squared_p_value(seen, due), kImplausible) << "seed " << other;
  }
}

TEST(HashSplitTest, SeedsAreIndependent) {
  expect_independent_seeds(ids(100000));
  expect_independent_seeds(names(100000));
}

TEST(HashSplitTest, NeighbouringKeysAreIndependent) {
  const std::vector<std::uint32_t> folds = hash_k_fold(ids(100001), 10, 6);
  std::vector<std::uint64_t> seen(100);
  for (std::size_t i = 0; i + 1 < folds.size(); ++i) ++seen[folds[i] * 10 + folds[i + 1]];
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(100, 1000)), kImplausible);
}

TEST(HashSplitTest, Golden) {
  EXPECT_THAT(hash_split(ids(20), 0.25, 42).test, ElementsAre(10, 11, 14));
  EXPECT_THAT(hash_split(names(20), 0.25, 42).test, ElementsAre(1, 6));
  EXPECT_THAT(hash_k_fold(names(10), 4, 42), ElementsAre(2u, 0u, 1u, 2u, 3u, 2u, 0u, 1u, 1u, 3u));
  EXPECT_EQ(key_bits(1, 42), 4623003633317413691u);
}

TEST(HashSplitTest, NoRowsAndWhatIsRefused) {
  EXPECT_EQ(hash_split(ids(0), 0.5, 1), Split{});
  EXPECT_TRUE(hash_k_fold(ids(0), 2, 1).empty());
  EXPECT_EQ(error_of([] { hash_split(ids(3), 0, 1); }),
            "hash_split(): test_fraction = 0, expected a number between 0 and 1");
  EXPECT_EQ(error_of([] { hash_split(ids(3), detail::quiet_nan(), 1); }),
            "hash_split(): test_fraction = nan, expected a number between 0 and 1");
  EXPECT_EQ(error_of([] { hash_k_fold(ids(3), 1, 1); }),
            "hash_k_fold(): k = 1, expected at least 2");
}

}  // namespace
}  // namespace equipoise::splits
