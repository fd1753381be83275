#include "equipoise/view.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace equipoise {
namespace {

static_assert(ContiguousRange<std::vector<double>> && ContiguousRange<std::array<int, 3>> &&
              ContiguousRange<std::span<const float>>);
static_assert(!ContiguousRange<std::list<int>> && !ContiguousRange<int>);
static_assert(LabelRange<std::vector<std::uint8_t>> && LabelRange<std::span<const std::int64_t>>);
static_assert(!LabelRange<std::vector<double>> && !LabelRange<std::vector<std::string>>);
static_assert(std::is_convertible_v<MatrixView<int>, MatrixView<const int>> &&
              !std::is_convertible_v<MatrixView<const int>, MatrixView<int>>);

// A vector that says of itself that its elements lie apart, as Eigen's do.
struct StridedVector {
  static constexpr bool IsVectorAtCompileTime = true;
  static constexpr int InnerStrideAtCompileTime = 2;
  const double* data() const { return nullptr; }
  std::size_t size() const { return 0; }
};
static_assert(!ContiguousRange<StridedVector>);

TEST(MatrixView, IsRowMajorByDefault) {
  std::vector<int> data = {0, 1, 2, 10, 11, 12};
  const MatrixView<int> view(data.data(), 2, 3);
  EXPECT_EQ(view.rows, 2U);
  EXPECT_EQ(view.cols, 3U);
  EXPECT_EQ(view(1, 2), 12);
  view(0, 1) = 7;
  EXPECT_EQ(data[1], 7);
}

TEST(MatrixView, TakesAnyStrides) {
  std::vector<int> data = {0, 1, 2, 10, 11, 12};
  const MatrixView<const int> transposed(data.data(), 3, 2, 1, 3);
  EXPECT_EQ(transposed(2, 1), 12);
  // From the last row to the first.
  const MatrixView<const int> backwards(data.data() + 3, 2, 3, -3, 1);
  EXPECT_EQ(backwards(0, 0), 10);
  EXPECT_EQ(backwards(1, 2), 2);
  // The same row for every index.
  const MatrixView<const int> repeated(data.data(), 5, 3, 0, 1);
  EXPECT_EQ(repeated(4, 1), 1);
}

TEST(MatrixView, OfRowsKeepsTheStrides) {
  std::vector<int> data = {0, 1, 2, 10, 11, 12, 20, 21, 22};
  const MatrixView<int> rows = MatrixView<int>(data.data(), 3, 3).middle_rows(1, 2);
  EXPECT_EQ(rows.rows, 2U);
  EXPECT_EQ(rows(1, 0), 20);
  const MatrixView<int> columns = MatrixView<int>(data.data(), 3, 3, 1, 3).middle_rows(1, 1);
  EXPECT_EQ(columns(0, 2), 21);
  EXPECT_EQ(MatrixView<int>(data.data(), 3, 3).middle_rows(3, 0).rows, 0U);
}

TEST(MatrixView, OfNothingHasNoData) {
  const MatrixView<double> nothing;
  EXPECT_EQ(nothing.data, nullptr);
  EXPECT_EQ(nothing.rows, 0U);
  EXPECT_EQ(nothing.cols, 0U);
}

TEST(AsSpan, CopiesNothing) {
  const std::vector<std::int32_t> labels = {3, 1, 2};
  const std::span<const std::int32_t> span = as_span(labels);
  EXPECT_EQ(span.data(), labels.data());
  EXPECT_EQ(span.size(), 3U);
  EXPECT_TRUE(as_span(std::vector<int>{}).empty());
}

}  // namespace
}  // namespace equipoise
