#include "equipoise/detail/check.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace equipoise::detail {
namespace {

// Read through volatile, so that no optimisation knows the value.
template <class T>
T opaque(T x) {
  volatile T y = x;
  return y;
}

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Finiteness, IsReadOffTheBits) {
  EXPECT_TRUE(is_finite(opaque(0.0)));
  EXPECT_TRUE(is_finite(opaque(std::numeric_limits<double>::denorm_min())));
  EXPECT_TRUE(is_finite(opaque(-std::numeric_limits<double>::max())));
  EXPECT_TRUE(is_finite(opaque(std::numeric_limits<float>::max())));
  EXPECT_FALSE(is_finite(opaque(infinity())));
  EXPECT_FALSE(is_finite(opaque(-infinity())));
  EXPECT_FALSE(is_finite(opaque(quiet_nan())));
  EXPECT_FALSE(is_finite(static_cast<float>(opaque(infinity()))));
  EXPECT_TRUE(is_nan(opaque(quiet_nan())));
  EXPECT_TRUE(is_nan(-opaque(quiet_nan())));
  EXPECT_FALSE(is_nan(opaque(infinity())));
  EXPECT_FALSE(is_nan(opaque(1.0)));
}

TEST(ToText, WritesNumbersAsShortAsTheyReadBack) {
  EXPECT_EQ(to_text(-1), "-1");
  EXPECT_EQ(to_text(std::size_t{7}), "7");
  EXPECT_EQ(to_text(0.1), "0.1");
  EXPECT_EQ(to_text(-2.5F), "-2.5");
  EXPECT_EQ(to_text(opaque(quiet_nan())), "nan");
  EXPECT_EQ(to_text(opaque(infinity())), "inf");
  EXPECT_EQ(to_text(opaque(-infinity())), "-inf");
  EXPECT_EQ(to_text("text"), "text");
}

TEST(Reject, NamesFunctionArgumentIndexAndValue) {
  EXPECT_EQ(message_of([] { reject_element("class_weights", "counts", 3, -1, "a number >= 0"); }),
            "class_weights(): counts[3] = -1, expected a number >= 0");
  EXPECT_EQ(message_of([] { reject("f", "x", 2.5, "an integer"); }),
            "f(): x = 2.5, expected an integer");
}

TEST(RequireSize, AcceptsTheExpectedSizeAlone) {
  require_size("f", "x", 3, 3, "classes");
  EXPECT_EQ(message_of([] { require_size("f", "x", 2, 3, "classes"); }),
            "f(): x.size() = 2, expected 3 (classes)");
}

TEST(RequireMasses, FindsTheFirstThatIsNoMass) {
  require_masses("f", "x", std::vector<double>{0.0, 1.0, 1e300});
  for (const double bad : {-1e-300, opaque(quiet_nan()), opaque(infinity())}) {
    const std::vector<double> masses = {1.0, 0.0, bad, -5.0};
    EXPECT_EQ(message_of([&] { require_masses("f", "x", masses); }),
              "f(): x[2] = " + to_text(bad) + ", expected a finite number >= 0");
  }
}

}  // namespace
}  // namespace equipoise::detail
