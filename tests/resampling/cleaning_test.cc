#include "equipoise/resampling/cleaning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;

// A policy of one's own is a struct with a call operator.
struct KeepEvenRows {
  template <class T, class R>
  std::vector<std::int64_t> operator()(const MatrixView<T>& rows, const R&, std::size_t) const {
    std::vector<std::int64_t> kept;
    for (std::size_t i = 0; i < rows.rows; i += 2) kept.push_back(static_cast<std::int64_t>(i));
    return kept;
  }
};
static_assert(CleaningPolicy<KeepEvenRows>);
static_assert(!CleaningPolicy<int>);

TEST(Cleaning, ResultsAreIndices) {
  const std::vector<std::size_t> rows = {3, 5, 8};
  EXPECT_THAT(detail::to_indices(rows), ElementsAre(3, 5, 8));
  EXPECT_THAT(detail::remaining(rows, {false, true, false}), ElementsAre(3, 8));
}

}  // namespace
}  // namespace equipoise::resampling
