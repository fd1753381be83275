#include "equipoise/metrics/detail/radix_sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "equipoise/random.h"

namespace equipoise::detail {
namespace {

template <class T>
class RadixSort : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RadixSort, Types);

TYPED_TEST(RadixSort, KeysCompareAsNumbersAndGiveThemBack) {
  using Limits = std::numeric_limits<TypeParam>;
  const std::vector<TypeParam> ascending = {
      -Limits::infinity(),   Limits::lowest(), TypeParam(-1),        -Limits::min(),
      -Limits::denorm_min(), TypeParam(0),     Limits::denorm_min(), Limits::min(),
      TypeParam(1),          Limits::max(),    Limits::infinity()};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    EXPECT_EQ(value_of_key<TypeParam>(ordered_key(ascending[i])), ascending[i]);
    if (i > 0) {
      EXPECT_LT(ordered_key(ascending[i - 1]), ordered_key(ascending[i]));
    }
  }
  EXPECT_EQ(ordered_key(TypeParam(-0.0)), ordered_key(TypeParam(0.0)));
}

// Few and many keys; all bits random, the lower ones alone, the upper ones alone, few values.
TYPED_TEST(RadixSort, SortsAsComparisonsDo) {
  using Key = KeyOf<TypeParam>;
  constexpr unsigned kHalf = 4 * sizeof(Key);
  const CounterRandom random{3};
  std::uint64_t t = 0;
  for (const std::size_t size : std::vector<std::size_t>{0, 1, 2, 1023, 1024, 5000, 70000}) {
    for (int kind = 0; kind < 5; ++kind) {
      std::vector<Key> keys;
      for (std::size_t i = 0; i < size; ++i) {
        const auto bits = static_cast<Key>(random.bits(t++, 1));
        keys.push_back(kind == 0   ? bits
                       : kind == 1 ? bits >> kHalf
                       : kind == 2 ? bits << kHalf
                       : kind == 3 ? bits % 3
                                   : Key{7});
      }
      std::vector<Key> expected = keys;
      std::sort(expected.begin(), expected.end());
      radix_sort(keys);
      EXPECT_EQ(keys, expected) << size << " keys of kind " << kind;
    }
  }
}

}  // namespace
}  // namespace equipoise::detail
