#include "equipoise/detail/fits.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/errors.h"

namespace equipoise::detail {
namespace {

using testing::error_of;

constexpr double kLeast = 0x1p-126;       // the smallest normal float
constexpr double kMost = 0x1.fffffep127;  // the largest one
constexpr double kLeastDouble = 0x1p-1022;
static_assert(fits<float>(0) && fits<float>(kLeast) && fits<float>(-kMost) && fits<float>(1));
static_assert(!fits<float>(kLeast / 2) && !fits<float>(-kLeast / 2) && !fits<float>(kMost * 2));
static_assert(fits<double>(kLeastDouble) && !fits<double>(kLeastDouble / 2) && fits<double>(1e300));
static_assert(is_term<float>(kLeast / 2) && is_term<float>(-kMost) && !is_term<float>(-2 * kMost));

// Infinities as they come about, which the compiler knows nothing of.
TEST(Fits, NoTypeHoldsAnInfiniteProduct) {
  const volatile double large = 1e200;
  EXPECT_FALSE(fits<double>(large * large));
  EXPECT_FALSE(fits<double>(-large * large));
  EXPECT_FALSE(is_term<double>(large * large));
  EXPECT_FALSE(fits<float>(large * large));
}

TEST(Fits, NameTheNumber) {
  EXPECT_EQ(error_of([] {
              require_factors_fit<float>("f", "weights", std::vector<double>{1, 1e39});
            }),
            "f(): weights[1] = 1e+39, expected 0 or a number in [1.1754944e-38, 3.4028235e+38], as "
            "the type of the logits has it");
  EXPECT_EQ(error_of([] { require_factor_fits<float>("f", "alpha", 1e-46); }),
            "f(): alpha = 1e-46, expected 0 or a number in [1.1754944e-38, 3.4028235e+38], as the "
            "type of the logits has it");
  EXPECT_EQ(error_of([] {
              require_terms_fit<float>("f", "terms", ".shift", std::vector<double>{1e-46, -1e39});
            }),
            "f(): terms.shift[1] = -1e+39, expected at most 3.4028235e+38, the most that the type "
            "of the logits has");
}

TEST(FactorRange, LeavesZerosOut) {
  const FactorRange range = FactorRange::of(std::vector<double>{0.5, 0, 4});
  EXPECT_EQ(range.least, 0.5);
  EXPECT_EQ(range.most, 4);
  for (const FactorRange& none :
       {FactorRange::of(std::vector<double>{}), FactorRange::of(std::vector<double>{0, 0})}) {
    EXPECT_EQ(none.least, 1);
    EXPECT_EQ(none.most, 1);
  }
}

TEST(FactorRange, SaysWhetherProductsFit) {
  const FactorRange a = FactorRange::of(std::vector<double>{1e-20, 1e20});
  EXPECT_TRUE(a.fits<float>());
  EXPECT_FALSE((a * a).fits<float>());
  EXPECT_TRUE((a * a).fits<double>());
  const FactorRange b = FactorRange::of(std::vector<double>{1e-200, 1});
  EXPECT_FALSE((b * b).fits<double>()) << "1e-400 is nothing";
  const FactorRange c = FactorRange::of(std::vector<double>{1, 1e200});
  EXPECT_FALSE((c * c).fits<double>()) << "1e400 is infinite, under -ffast-math too";
}

}  // namespace
}  // namespace equipoise::detail
