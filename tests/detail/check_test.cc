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
  EXPECT_TRUE(is_minus_infinity(-opaque(infinity())));
  EXPECT_FALSE(is_minus_infinity(opaque(infinity())));
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

TEST(Reject, NamesACellByRowAndColumn) {
  EXPECT_EQ(message_of([] { reject_cell("f", "logits", 2, 1, 0.5, "a number"); }),
            "f(): logits(2, 1) = 0.5, expected a number");
}

TEST(RequireNumbers, RefuseWhatIsOutsideAndNaN) {
  require_finite("f", "x", -1e300);
  require_not_negative("f", "x", opaque(-0.0));
  require_positive("f", "x", 1e-300);
  for (const double bad : {opaque(quiet_nan()), opaque(infinity()), -opaque(infinity())}) {
    EXPECT_EQ(message_of([&] { require_finite("f", "x", bad); }),
              "f(): x = " + to_text(bad) + ", expected a finite number");
  }
  for (const double bad : {opaque(quiet_nan()), opaque(infinity()), -1e-300}) {
    EXPECT_EQ(message_of([&] { require_not_negative("f", "x", bad); }),
              "f(): x = " + to_text(bad) + ", expected a finite number >= 0");
  }
  for (const double bad : {opaque(quiet_nan()), opaque(infinity()), 0.0}) {
    EXPECT_EQ(message_of([&] { require_positive("f", "x", bad); }),
              "f(): x = " + to_text(bad) + ", expected a finite number > 0");
  }
}

TEST(RequireBetween, KnowsWhichEndsBelongToIt) {
  const auto error = [](double x, Ends ends) {
    return message_of([&] { require_between("f", "x", x, 0, 1, ends); });
  };
  const std::string nothing = "nothing was thrown";
  for (const Ends ends : {Ends::kBoth, Ends::kLeast, Ends::kMost, Ends::kNeither}) {
    EXPECT_EQ(error(0.5, ends), nothing);
    EXPECT_NE(error(-1e-300, ends), nothing);
    EXPECT_NE(error(1.5, ends), nothing);
    EXPECT_NE(error(opaque(quiet_nan()), ends), nothing);
    EXPECT_NE(error(opaque(infinity()), ends), nothing);
    EXPECT_EQ(error(0, ends) == nothing, ends == Ends::kBoth || ends == Ends::kLeast);
    EXPECT_EQ(error(1, ends) == nothing, ends == Ends::kBoth || ends == Ends::kMost);
  }
  EXPECT_EQ(error(2, Ends::kBoth), "f(): x = 2, expected a number in [0, 1]");
  EXPECT_EQ(error(2, Ends::kLeast), "f(): x = 2, expected a number in [0, 1)");
  EXPECT_EQ(error(2, Ends::kMost), "f(): x = 2, expected a number in (0, 1]");
  EXPECT_EQ(error(2, Ends::kNeither), "f(): x = 2, expected a number in (0, 1)");
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

TEST(RequireAll, FindsTheFirstThatIsNot) {
  const std::vector<double> numbers = {1.0, -2.0, opaque(quiet_nan())};
  EXPECT_EQ(message_of([&] { require_all_finite("f", "x", numbers); }),
            "f(): x[2] = nan, expected a finite number");
  EXPECT_EQ(message_of([&] { require_all_positive("f", "x", numbers); }),
            "f(): x[1] = -2, expected a finite number > 0");
}

TEST(RequireBinary, FindsTheFirstThatIsNeither) {
  require_binary("f", "x", std::vector<int>{0, 1, 1});
  EXPECT_EQ(message_of([] {
              require_binary("f", "x", std::vector<int>{0, 2});
            }),
            "f(): x[1] = 2, expected 0 or 1");
  EXPECT_EQ(message_of([] { require_binary("f", "x", 3, 4, -1); }),
            "f(): x(3, 4) = -1, expected 0 or 1");
}

TEST(RequireRank, IsLessThanTheWorld) {
  require_rank("f", "rank", 1, 2);
  EXPECT_EQ(message_of([] { require_rank("f", "rank", 5, 2); }),
            "f(): rank = 5, expected a rank in [0, 2)");
}

}  // namespace
}  // namespace equipoise::detail
