#include "equipoise/loss/sigmoid_modulators.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

static_assert(SigmoidModulators<BinaryCrossEntropy> && SigmoidModulators<SigmoidFocal> &&
              SigmoidModulators<AsymmetricFocal> && SigmoidModulators<BothSides<Focal>>);
static_assert(!SigmoidModulators<CrossEntropy>);

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

template <class M>
ValueAndSlope<double> at(const M& modulator, double p) {
  return modulator(TargetProbability<double>{std::log(p), p, 1 - p});
}

TEST(BothSides, IsTheSameModulatorTwice) {
  const BothSides<Focal> sides{{2.0}};
  EXPECT_EQ(sides.positive(), Focal{2.0});
  EXPECT_EQ(sides.negative(), Focal{2.0});
  // (1 - 1/2)^2 ln 2
  EXPECT_NEAR(at(sides.positive(), 0.5).value, 0.25 * std::log(2.0), 2 * kEpsilon);
}

// By hand at gamma- = 2, clip = 1/4, p = sigma(z) = 1/2: p_m = 1/4, loss (1/4)^2 (-log 3/4).
TEST(AsymmetricFocal, CutsEasyNegativesOff) {
  const AsymmetricFocal sides{.gamma_positive = 1, .gamma_negative = 2, .clip = 0.25};
  EXPECT_NEAR(at(sides.positive(), 0.25).value, 0.75 * std::log(4.0), 4 * kEpsilon);
  EXPECT_NEAR(at(sides.negative(), 0.5).value, std::log(4.0 / 3) / 16, 4 * kEpsilon);
  // The probability of a negative is 3/4 or more, that of a positive no more than clip.
  for (const double p : {0.75, 0.9, 1.0}) {
    EXPECT_EQ(at(sides.negative(), p).value, 0) << p;
    EXPECT_EQ(at(sides.negative(), p).slope, 0) << p;
  }
}

TEST(ProbabilityShift, OfNothingIsTheBase) {
  const ProbabilityShift<Focal> shift{{2.0}, 0.0};
  for (const double p : {0.1, 0.5, 0.9}) {
    EXPECT_EQ(at(shift, p).value, at(Focal{2.0}, p).value);
    EXPECT_EQ(at(shift, p).slope, at(Focal{2.0}, p).slope);
  }
}

// d value / d log p = p d value / d p, by central differences: their error is h^2 / 6 of the third
// derivative, below 1e3 here, and epsilon / h of rounding.
TEST(ProbabilityShift, SlopeEqualsFiniteDifferences) {
  constexpr double kStep = 1e-5;
  for (const double gamma : {0.5, 1.0, 2.0, 4.0}) {
    const ProbabilityShift<Focal> shift{{gamma}, 0.1};
    for (double p = 0.1; p < 0.85; p += 0.05) {
      const double slope =
          p * (at(shift, p + kStep).value - at(shift, p - kStep).value) / 2 / kStep;
      EXPECT_NEAR(at(shift, p).slope, slope, 2e-8) << gamma << " " << p;
    }
  }
}

TEST(SigmoidModulatorErrors, NameTheHyperParameter) {
  EXPECT_EQ(error_of([] { SigmoidFocal{-1}.require("f"); }),
            "f(): sides.gamma = -1, expected a finite number >= 0");
  EXPECT_EQ(error_of([] { AsymmetricFocal{.gamma_negative = -2}.require("f"); }),
            "f(): sides.gamma_negative = -2, expected a finite number >= 0");
  EXPECT_EQ(error_of([] { AsymmetricFocal{.clip = 1}.require("f"); }),
            "f(): sides.clip = 1, expected a number in [0, 1)");
}

}  // namespace
}  // namespace equipoise
