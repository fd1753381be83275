#include "equipoise/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "equipoise/kernels/pack.h"

namespace equipoise {
namespace {

using Floats = kernels::Pack<float, 4>;

static_assert(math::Field<double> && math::Field<Floats> && math::Field<kernels::Pack<double, 1>>);
static_assert(!math::Field<float>);

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

TEST(Math, IsThatOfTheStandardLibrary) {
  for (const double x : {0.01, 0.5, 1.0, 1.5, 20.0}) {
    EXPECT_EQ(math::exp(x), std::exp(x));
    EXPECT_EQ(math::log(x), std::log(x));
    for (const double exponent : {0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 4.5, -1.0}) {
      // The small whole exponents are products: two roundings more at most.
      EXPECT_NEAR(math::pow(x, exponent), std::pow(x, exponent),
                  3 * kEpsilon * std::pow(x, exponent));
    }
  }
  EXPECT_EQ(math::pow(0.0, 0.0), 1.0);
  EXPECT_EQ(math::pow(0.0, 0.5), 0.0);
}

TEST(Math, ComparesWithConstants) {
  EXPECT_EQ(math::max(-2.0, 0.5), 0.5);
  EXPECT_EQ(math::max(2.0, 0.5), 2.0);
  EXPECT_EQ(math::step(1e-300), 1.0);
  EXPECT_EQ(math::step(0.0), 0.0);
  EXPECT_EQ(math::step(-1.0), 0.0);
  EXPECT_EQ(math::like(7.0, 0.25), 0.25);
}

// What a user's modulator gives for a number it gives for each element of a pack.
TEST(Math, OfAPackIsThatOfItsElements) {
  const float values[] = {0.25F, 1.0F, 2.5F, 9.0F};
  const Floats x = Floats::load(values);
  const auto expect = [&](const Floats& actual, const auto& expected) {
    float out[4];
    actual.store(out);
    for (int i = 0; i < 4; ++i) {
      const double exact = expected(static_cast<double>(values[i]));
      EXPECT_NEAR(out[i], exact, 4 * std::numeric_limits<float>::epsilon() * (1 + std::fabs(exact)))
          << values[i];
    }
  };
  expect(math::exp(x), [](double v) { return std::exp(v); });
  expect(math::log(x), [](double v) { return std::log(v); });
  expect(math::pow(x, 1.5), [](double v) { return std::pow(v, 1.5); });
  expect(math::max(x, 2.0), [](double v) { return v > 2 ? v : 2.0; });
  expect(math::step(x - 1.0), [](double v) { return v > 1 ? 1.0 : 0.0; });
  expect(math::like(x, 0.5), [](double) { return 0.5; });
}

}  // namespace
}  // namespace equipoise
