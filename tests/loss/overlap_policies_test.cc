#include "equipoise/loss/overlap_policies.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "equipoise/detail/check.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap_terms.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(OverlapPolicies, AreTheirPapersFormulas) {
  const OverlapTerms<double> sums{3, 2, 1};
  EXPECT_DOUBLE_EQ(Dice{1.0}(sums).value, 1 - 7.0 / 10);
  EXPECT_DOUBLE_EQ((Tversky{0.25, 0.75, 1.0}(sums).value), 1 - 4 / 5.25);
  EXPECT_DOUBLE_EQ((FocalTversky{0.25, 0.75, 0.5, 1.0}(sums).value), std::sqrt(1 - 4 / 5.25));
  EXPECT_DOUBLE_EQ((GeneralisedDice{2.0, 0.5}(sums).value), 1 - 6.5 / 9.5);
  EXPECT_DOUBLE_EQ(GeneralisedDice{2.0}.share(4.0), 1.0 / 16);
  EXPECT_DOUBLE_EQ(GeneralisedDice{2.0}.share(0.0), 1.0) << "least_mass";
  EXPECT_DOUBLE_EQ((SelfAdjustingDice{1.0, 1.0}(sums).value), 1 - 7.0 / 10);
}

TEST(OverlapPolicies, NothingOfNothingIsZero) {
  const OverlapTerms<double> none{0, 0, 0};
  EXPECT_EQ(Dice{0.0}(none).value, 0.0);
  EXPECT_EQ((Tversky{0.3, 0.7, 0.0}(none).value), 0.0);
  EXPECT_EQ((FocalTversky{0.3, 0.7, 0.75, 0.0}(none).value), 0.0);
}

// Slopes against central differences with the relative step h = eps^(1/3), whose error is of the
// order h^2 of values and derivatives, which are of the order of one here.
TEST(OverlapPolicies, SlopesOfSumsAreDerivatives) {
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  const auto expect = [h](const auto& policy) {
    for (const OverlapTerms<double>& sums :
         {OverlapTerms<double>{3, 2, 1}, {0.5, 4, 0.25}, {7, 0.125, 2}}) {
      const OverlapTerms<double> slope = policy(sums).slope;
      const auto difference = [&](double OverlapTerms<double>::*field) {
        OverlapTerms<double> above = sums;
        OverlapTerms<double> below = sums;
        above.*field += h;
        below.*field -= h;
        return (policy(above).value - policy(below).value) / (2 * h);
      };
      EXPECT_NEAR(slope.tp, difference(&OverlapTerms<double>::tp), 100 * h * h);
      EXPECT_NEAR(slope.fp, difference(&OverlapTerms<double>::fp), 100 * h * h);
      EXPECT_NEAR(slope.fn, difference(&OverlapTerms<double>::fn), 100 * h * h);
    }
  };
  expect(Dice{});
  expect(Dice{0.0, true});
  expect(Tversky{});
  expect(FocalTversky{});
  expect(FocalTversky{0.4, 0.6, 2.0, 0.0});
  expect(GeneralisedDice{});
  expect(SelfAdjustingDice{});
}

TEST(OverlapPolicies, RefuseNegativeHyperParameters) {
  EXPECT_EQ(error_of([] { Tversky{-0.5}.require("f"); }),
            "f(): tversky.fp = -0.5, expected a finite number >= 0");
  EXPECT_NE(error_of([] {
              GeneralisedDice{2, 0, 0}.require("f");
            }).find("least_mass"),
            std::string::npos);
}

TEST(SelfAdjustingDice, SlopesOfExamplesAreDerivatives) {
  const auto expect = [](const auto& modulator) {
    for (const double p : {1e-6, 0.1, 0.5, 0.9, 0.999}) {
      const auto value_at = [&](double log_p) {
        return modulator(TargetProbability<double>{log_p, std::exp(log_p), -std::expm1(log_p)})
            .value;
      };
      // Derivatives grow by 1 / (1 - p) each: error of the central difference 1e-8 of the slope.
      const double step = 1e-4 * (1 - p);
      const double log_p = std::log(p);
      const double slope = modulator(TargetProbability<double>{log_p, p, -std::expm1(log_p)}).slope;
      EXPECT_NEAR(slope, (value_at(log_p + step) - value_at(log_p - step)) / (2 * step),
                  1e-7 * (1 + std::fabs(slope)))
          << p;
    }
    const ValueAndSlope<double> sure = modulator(TargetProbability<double>{0, 1, 0});
    EXPECT_TRUE(detail::is_finite(sure.value) && detail::is_finite(sure.slope));
    const ValueAndSlope<double> never = modulator(TargetProbability<double>{-kInfinity, 0, 1});
    EXPECT_TRUE(detail::is_finite(never.value) && detail::is_finite(never.slope));
  };
  for (const double alpha : {0.0, 0.01, 0.5, 1.0, 2.0}) {
    expect(SelfAdjustingDice{alpha, 1.0});
    expect(SelfAdjustingDice{alpha, 0.25});
    expect(SelfAdjustingDice{alpha, 0.25}.negative());
  }
}

}  // namespace
}  // namespace equipoise
