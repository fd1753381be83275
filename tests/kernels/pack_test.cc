#include "equipoise/kernels/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace equipoise::kernels {
namespace {

template <class P>
class PackTest : public ::testing::Test {};

using Packs = ::testing::Types<Pack<float, 4>, Pack<float, 8>, Pack<float, 16>, Pack<double, 2>,
                               Pack<double, 4>, Pack<double, 8>>;
TYPED_TEST_SUITE(PackTest, Packs);

template <class P>
using ElementOf = std::remove_cvref_t<decltype(P().v[0])>;

template <class P>
constexpr std::size_t lanes() {
  return sizeof(P) / sizeof(ElementOf<P>);
}

TYPED_TEST(PackTest, LoadsAndStoresAtAnyAddress) {
  using T = ElementOf<TypeParam>;
  std::vector<T> from(2 * lanes<TypeParam>() + 1);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<T>(i);
  for (std::size_t offset = 0; offset <= lanes<TypeParam>(); ++offset) {
    std::vector<T> to(from.size(), T(-1));
    TypeParam::load(from.data() + offset).store(to.data() + offset);
    for (std::size_t i = 0; i < to.size(); ++i) {
      const bool inside = i >= offset && i < offset + lanes<TypeParam>();
      EXPECT_EQ(to[i], inside ? from[i] : T(-1));
    }
  }
}

TYPED_TEST(PackTest, ReducesEveryLane) {
  using T = ElementOf<TypeParam>;
  for (std::size_t peak = 0; peak < lanes<TypeParam>(); ++peak) {
    TypeParam x(T(-2));
    x.v[peak] = T(5);
    EXPECT_EQ(largest(x), T(5));
    EXPECT_EQ(sum(x), T(5) - T(2) * static_cast<T>(lanes<TypeParam>() - 1));
    EXPECT_EQ(largest(-x), T(2));
  }
}

TYPED_TEST(PackTest, ClearsTheFirstLanes) {
  using T = ElementOf<TypeParam>;
  for (std::size_t n = 0; n <= lanes<TypeParam>(); ++n) {
    const TypeParam x = clear_first(TypeParam(T(3)), n);
    for (std::size_t i = 0; i < lanes<TypeParam>(); ++i) EXPECT_EQ(x.v[i], i < n ? T(0) : T(3));
  }
}

TYPED_TEST(PackTest, TransposesSquares) {
  using T = ElementOf<TypeParam>;
  constexpr std::size_t kLanes = lanes<TypeParam>();
  TypeParam rows[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    for (std::size_t c = 0; c < kLanes; ++c) rows[i].v[c] = static_cast<T>(100 * i + c);
  }
  transpose(rows);
  for (std::size_t i = 0; i < kLanes; ++i) {
    for (std::size_t c = 0; c < kLanes; ++c) EXPECT_EQ(rows[c].v[i], static_cast<T>(100 * i + c));
  }
}

TYPED_TEST(PackTest, JoinsTheLanesOfEachRowByHalves) {
  using T = ElementOf<TypeParam>;
  constexpr std::size_t kLanes = lanes<TypeParam>();
  TypeParam rows[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    for (std::size_t c = 0; c < kLanes; ++c) {
      rows[i].v[c] = T(1) / static_cast<T>(1 + (i * kLanes + c) * 7 % 61);
    }
  }
  TypeParam again[kLanes];
  std::copy_n(rows, kLanes, again);
  const TypeParam sums =
      join_rows(rows, [](const TypeParam& a, const TypeParam& b) { return a + b; });
  for (std::size_t i = 0; i < kLanes; ++i) EXPECT_EQ(sums.v[i], sum(again[i]));
  std::copy_n(again, kLanes, rows);
  const TypeParam tops =
      join_rows(rows, [](const TypeParam& a, const TypeParam& b) { return larger(a, b); });
  for (std::size_t i = 0; i < kLanes; ++i) EXPECT_EQ(tops.v[i], largest(again[i]));
}

TYPED_TEST(PackTest, ExpIsWithinTwoUnitsOfTheLibrary) {
  using T = ElementOf<TypeParam>;
  constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
  const double least = FloatFormat<T>::kLeastExp;
  for (double x = least + 0.01; x < -least - 1; x += -least / 50000) {
    const T argument = static_cast<T>(x);
    const double expected = std::exp(static_cast<double>(argument));
    EXPECT_NEAR(static_cast<double>(exp(TypeParam(argument)).v[0]) / expected, 1, 2 * kEpsilon);
    if (argument <= 0) {
      EXPECT_NEAR(static_cast<double>(exp_nonpositive(TypeParam(argument)).v[1]) / expected, 1,
                  2 * kEpsilon);
    }
  }
}

TYPED_TEST(PackTest, ExpAtTheEdges) {
  using T = ElementOf<TypeParam>;
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  EXPECT_EQ(exp(TypeParam(T(0))).v[0], T(1));
  EXPECT_EQ(exp_nonpositive(TypeParam(T(0))).v[0], T(1));
  EXPECT_EQ(exp(TypeParam(-kInfinity)).v[0], T(0));
  EXPECT_EQ(exp_nonpositive(TypeParam(-kInfinity)).v[0], T(0));
  EXPECT_EQ(exp_nonpositive(TypeParam(T(-1e4))).v[0], T(0));
  EXPECT_GT(exp(TypeParam(kInfinity)).v[0], T(1e38));
  const T nan = std::numeric_limits<T>::quiet_NaN();
  EXPECT_TRUE(std::isnan(exp(TypeParam(nan)).v[0]));
  EXPECT_TRUE(std::isnan(exp_nonpositive(TypeParam(nan)).v[0]));
}

TYPED_TEST(PackTest, LogIsWithinTwoUnitsOfTheLibrary) {
  using T = ElementOf<TypeParam>;
  constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
  for (double power = -37; power < 37; power += 0.001) {
    const T argument = static_cast<T>(std::pow(10.0, power));
    const double expected = std::log(static_cast<double>(argument));
    EXPECT_NEAR(static_cast<double>(log(TypeParam(argument)).v[0]), expected,
                2 * kEpsilon * std::fmax(std::fabs(expected), 0.5));
  }
  EXPECT_EQ(log(TypeParam(T(1))).v[0], T(0));
  EXPECT_LT(log(TypeParam(T(0))).v[0], T(-150));
  EXPECT_TRUE(std::isnan(log(TypeParam(std::numeric_limits<T>::quiet_NaN())).v[0]));
}

TYPED_TEST(PackTest, MathOfModulators) {
  using T = ElementOf<TypeParam>;
  const TypeParam quarter(T(0.25));
  const TypeParam zero(T(0));
  constexpr T kEpsilon = std::numeric_limits<T>::epsilon();
  EXPECT_NEAR(math::pow(quarter, 1.5).v[0], T(0.125), 4 * kEpsilon * T(0.125));
  EXPECT_EQ(math::pow(quarter, 2.0).v[0], T(0.0625));
  EXPECT_EQ(math::pow(quarter, 1.0).v[0], T(0.25));
  EXPECT_EQ(math::pow(zero, 0.5).v[0], T(0));
  EXPECT_EQ(math::pow(zero, 0.0).v[0], T(1));
  EXPECT_EQ(math::max(quarter, 0.5).v[0], T(0.5));
  EXPECT_EQ(math::max(quarter, 0.0).v[0], T(0.25));
  EXPECT_EQ(math::step(quarter).v[0], T(1));
  EXPECT_EQ(math::step(zero).v[0], T(0));
  EXPECT_EQ(math::step(-quarter).v[0], T(0));
  EXPECT_EQ(math::like(quarter, -3.0).v[0], T(-3));
}

}  // namespace
}  // namespace equipoise::kernels
