#include "equipoise/loss/overlap_terms.h"

#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

struct WithoutACall {};
static_assert(!OverlapPolicy<WithoutACall>);

TEST(OverlapSums, MergeAndTravelAsNumbers) {
  OverlapSums a{{{1, 2, 3}, {4, 5, 6}}};
  const OverlapSums b{{{10, 20, 30}, {40, 50, 60}}};
  EXPECT_EQ(a + b, (OverlapSums{{{11, 22, 33}, {44, 55, 66}}}));
  EXPECT_EQ(OverlapSums{} + b, b);
  EXPECT_EQ(b + OverlapSums{}, b);
  const std::span<double> buffer = a.all_reduce_buffer();
  EXPECT_EQ(std::vector<double>(buffer.begin(), buffer.end()),
            (std::vector<double>{1, 2, 3, 4, 5, 6}));
  buffer[5] = 7;
  EXPECT_EQ(a.classes[1].fn, 7);
  EXPECT_TRUE(OverlapSums{}.all_reduce_buffer().empty());
  EXPECT_EQ(
      error_of([&] {
        a += OverlapSums{{{1, 1, 1}}};
      }),
      "OverlapSums::operator+=(): other.classes.size() = 1, expected 2 (classes on the left)");
}

}  // namespace
}  // namespace equipoise
