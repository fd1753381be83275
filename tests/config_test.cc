// Redirected as users may: before the first include.
#define EQUIPOISE_DCHECK(condition) ((condition) ? void() : void(broken = #condition))
#include "equipoise/config.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace {
std::string broken;  // the last condition that did not hold
}  // namespace

#include "equipoise/view.h"

namespace equipoise {
namespace {

TEST(Config, ErrorsAreStandardExceptionsWithTheirText) {
  EXPECT_THROW(
      try {
        detail::invalid_argument("f(): x = 1, expected 0");
      } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "f(): x = 1, expected 0");
        throw;
      },
      std::invalid_argument);
  EXPECT_THROW(detail::out_of_range("f(): i = 3"), std::out_of_range);
}

// A header that is included later uses the macro that the user has defined.
TEST(Config, InternalChecksMayBeRedirected) {
  broken.clear();
  std::vector<double> values(4, 1.0);
  const MatrixView<double> view(values.data(), 2, 2);
  view.middle_rows(0, 2);
  EXPECT_EQ(broken, "");
  view.middle_rows(1, 2);
  EXPECT_EQ(broken, "begin + count <= rows");
}

}  // namespace
}  // namespace equipoise
