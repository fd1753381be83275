#include "equipoise/loss/modulator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <concepts>
#include <limits>

#include "equipoise/kernels/pack.h"

namespace equipoise {
namespace {

using kernels::Pack;

static_assert(Modulator<CrossEntropy> && Modulator<Focal> && Modulator<PolyCrossEntropy<Focal>>);
static_assert(ModulatorOn<Focal, Pack<float, 4>> && ModulatorOn<Focal, Pack<double, 8>>);
static_assert(!math::Field<float>, "1.0 - x would be a double");

// For double alone: no modulator of packs.
struct OnlyDouble {
  ValueAndSlope<double> operator()(const TargetProbability<double>& t) const { return {t.q, -t.p}; }
};
static_assert(Modulator<OnlyDouble> && !ModulatorOn<OnlyDouble, Pack<float, 4>>);
static_assert(!Modulator<double>);

TargetProbability<double> at(double log_p) { return {log_p, std::exp(log_p), -std::expm1(log_p)}; }

template <class M>
void expect_slope_of_value(const M& modulator) {
  for (double log_p = -8; log_p < -0.01; log_p += 0.0137) {
    constexpr double kStep = 1e-5;
    const double difference =
        (modulator(at(log_p + kStep)).value - modulator(at(log_p - kStep)).value) / (2 * kStep);
    EXPECT_NEAR(modulator(at(log_p)).slope, difference, 1e-8 * (1 + std::fabs(log_p))) << log_p;
  }
}

TEST(CrossEntropy, IsMinusLogP) {
  EXPECT_EQ(CrossEntropy{}(at(-2.0)).value, 2.0);
  EXPECT_EQ(CrossEntropy{}(at(-2.0)).slope, -1.0);
  expect_slope_of_value(CrossEntropy{});
}

// By hand: p = .5, gamma = 2: (.5)^2 ln 2; slope in log p: .25 (2 * .5 * ln .5 / .5 - 1).
TEST(Focal, EqualsTheHandComputedValue) {
  const double log_half = std::log(0.5);
  const ValueAndSlope<double> result = Focal{2.0}(TargetProbability<double>{log_half, 0.5, 0.5});
  EXPECT_NEAR(result.value, 0.25 * std::log(2.0), 1e-16);
  EXPECT_NEAR(result.slope, 0.25 * (2 * log_half - 1), 1e-16);
}

TEST(Focal, WithGammaZeroIsCrossEntropy) {
  for (double log_p = -5; log_p < 0; log_p += 0.1) {
    EXPECT_EQ(Focal{0}(at(log_p)).value, -log_p);
    EXPECT_EQ(Focal{0}(at(log_p)).slope, -1.0);
  }
}

TEST(Focal, SlopeIsTheDerivative) {
  for (const double gamma : {0.5, 1.0, 1.5, 2.0, 5.0}) expect_slope_of_value(Focal{gamma});
}

TEST(Focal, IsFiniteAtProbabilityOne) {
  for (const double gamma : {0.25, 1.0, 2.0}) {
    const ValueAndSlope<double> result = Focal{gamma}(TargetProbability<double>{0.0, 1.0, 0.0});
    EXPECT_EQ(result.value, 0.0);
    EXPECT_EQ(result.slope, 0.0);
  }
}

// By hand: p = .5: ln 2 + 2 * .5; slope in log p: -1 - 2 * .5.
TEST(PolyCrossEntropy, OnCrossEntropyEqualsTheHandComputedValue) {
  const ValueAndSlope<double> result =
      poly1(2.0)(TargetProbability<double>{std::log(0.5), 0.5, 0.5});
  EXPECT_NEAR(result.value, std::log(2.0) + 1, 4 * std::numeric_limits<double>::epsilon());
  EXPECT_EQ(result.slope, -2.0);
}

// By hand: p = .5, gamma = 2: .25 ln 2 + 3 * .125; slope: the focal loss's, less 3 * 3 * .5 * .25.
TEST(PolyCrossEntropy, OnTheFocalLossEqualsTheHandComputedValue) {
  const double log_half = std::log(0.5);
  const ValueAndSlope<double> result =
      poly1(Focal{2.0}, 3.0)(TargetProbability<double>{log_half, 0.5, 0.5});
  constexpr double kBound = 8 * std::numeric_limits<double>::epsilon();
  EXPECT_NEAR(result.value, 0.25 * std::log(2.0) + 0.375, kBound);
  EXPECT_NEAR(result.slope, 0.25 * (2 * log_half - 1) - 1.125, kBound);
}

TEST(PolyCrossEntropy, SlopeIsTheDerivative) {
  for (const double epsilon : {-0.5, 0.5, 2.0}) {
    expect_slope_of_value(poly1(epsilon));
    expect_slope_of_value(poly1(Focal{1.0}, epsilon));
    expect_slope_of_value(poly1(Focal{2.0}, epsilon));
  }
}

TEST(PolyCrossEntropy, WithEpsilonZeroIsItsBase) {
  for (double log_p = -5; log_p < 0; log_p += 0.1) {
    EXPECT_EQ(poly1(Focal{1.5}, 0.0)(at(log_p)).value, Focal{1.5}(at(log_p)).value);
    EXPECT_EQ(poly1(Focal{1.5}, 0.0)(at(log_p)).slope, Focal{1.5}(at(log_p)).slope);
  }
}

TEST(PolyCrossEntropy, IsFiniteAtProbabilityOne) {
  const ValueAndSlope<double> result = poly1(2.0)(TargetProbability<double>{0.0, 1.0, 0.0});
  EXPECT_EQ(result.value, 0.0);
  EXPECT_EQ(result.slope, -3.0);
}

template <class T, std::size_t kLanes, class M>
void expect_pack_equals_double(const M& modulator) {
  using P = Pack<T, kLanes>;
  for (double log_p = -6; log_p < -0.02; log_p += 0.0731) {
    const auto exact = modulator(at(static_cast<double>(static_cast<T>(log_p))));
    const P lp(static_cast<T>(log_p));
    const P p = math::exp(lp);
    const auto result = modulator(TargetProbability<P>{lp, p, 1.0 - p});
    // 1 - p cancels by at most 1 / .02 here, and a power multiplies by gamma.
    const double bound = 500 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (std::size_t i = 0; i < kLanes; ++i) {
      EXPECT_NEAR(static_cast<double>(result.value.v[i]), exact.value, bound * (1 + exact.value));
      EXPECT_NEAR(static_cast<double>(result.slope.v[i]), exact.slope, bound * 2);
    }
  }
}

TEST(Modulators, OnPacksEqualThoseOnDoubles) {
  expect_pack_equals_double<float, 4>(CrossEntropy{});
  expect_pack_equals_double<float, 4>(Focal{1.5});
  expect_pack_equals_double<float, 16>(Focal{2.0});
  expect_pack_equals_double<double, 2>(Focal{0.5});
  expect_pack_equals_double<double, 8>(Focal{3.0});
  expect_pack_equals_double<float, 8>(poly1(1.0));
  expect_pack_equals_double<double, 4>(poly1(Focal{2.0}, 0.5));
}

}  // namespace
}  // namespace equipoise
