#include "equipoise/resampling/neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "tests/support/cpus.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using Numbers = std::vector<std::size_t>;

static_assert(NeighbourSearch<PlainNeighbours, float>);
static_assert(NeighbourSearch<ExactNeighbours, double>);

// Has the processor take denormal numbers for zero, where the test knows how.
class FlushToZero {
 public:
#if defined(__SSE2__)
  explicit FlushToZero(bool is_on) : before_(_mm_getcsr()) {
    if (is_on) _mm_setcsr(before_ | 0x8040);  // results and operands
  }
  ~FlushToZero() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#else
  explicit FlushToZero(bool) {}
#endif
};

template <class T>
std::vector<T> normal_values(std::size_t n, std::uint64_t seed, double offset = 0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(n);
  for (T& value : values) value = static_cast<T>(normal(random) + offset);
  return values;
}

// Sorts all references of each query by distance, which is exact for small integers.
template <class T>
NeighbourTable sorted_neighbours(const MatrixView<const T>& rows, const Numbers& queries,
                                 const Numbers& references, std::size_t k) {
  NeighbourTable table{k, {}, {}};
  for (const std::size_t query : queries) {
    std::vector<std::pair<double, std::size_t>> found;
    for (const std::size_t r : references) {
      double sum = 0;
      for (std::size_t c = 0; c < rows.cols; ++c) {
        const double difference =
            static_cast<double>(rows(query, c)) - static_cast<double>(rows(r, c));
        sum += difference * difference;
      }
      if (r != query) found.emplace_back(sum, r);
    }
    std::sort(found.begin(), found.end());
    for (std::size_t j = 0; j < k; ++j) {
      table.indices.push_back(found[j].second);
      table.squared_distances.push_back(found[j].first);
    }
  }
  return table;
}

// Small integers: distances are exact, and many are equal.
TEST(Neighbours, AreTheNearestAndOfEquallyNearOnesTheFirst) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 60; ++repeat) {
    const std::size_t n = 8 + random() % 150;
    const std::size_t columns = 1 + random() % 9;
    std::vector<float> values(n * columns);
    for (float& value : values) value = static_cast<float>(random() % 5);
    const MatrixView<const float> rows(values.data(), n, columns);
    Numbers queries;
    Numbers references;
    for (std::size_t i = 0; i < n; ++i) {
      if (random() % 2 == 0) queries.push_back(i);
      if (random() % 4 != 0) references.push_back(i);
    }
    const std::size_t k = 1 + random() % 5;
    if (references.size() <= k) continue;
    const NeighbourTable expected = sorted_neighbours(rows, queries, references, k);
    EXPECT_EQ(PlainNeighbours{}(rows, queries, references, k), expected);
    EXPECT_EQ(ExactNeighbours{}(rows, queries, references, k), expected);
    EXPECT_EQ(ExactNeighbours{}(rows, references, references, k),
              sorted_neighbours(rows, references, references, k));
  }
}

// Blocks, their tails, rows that are one block and more; far from the origin, where the formula for
// bounds in float says nothing, and in double little.
template <class T>
void expect_exact(std::size_t n, std::size_t columns, double offset) {
  const std::vector<T> values = normal_values<T>(n * columns, n + columns, offset);
  const MatrixView<const T> rows(values.data(), n, columns);
  const Numbers all = detail::first_numbers(n);
  const Numbers some = detail::first_numbers(n / 3);
  for (const std::size_t k : {1u, 6u}) {
    EXPECT_EQ(ExactNeighbours{}(rows, all, all, k), PlainNeighbours{}(rows, all, all, k));
    EXPECT_EQ(ExactNeighbours{}(rows, some, all, k), PlainNeighbours{}(rows, some, all, k));
  }
}
TEST(ExactNeighbours, EqualsThePlainSearch) {
  for (const std::size_t n : {8u, 256u, 300u, 530u}) {
    expect_exact<float>(n, 16, 0);
    expect_exact<double>(n, 3, 0);
  }
  expect_exact<float>(300, 4, 1e4);
  expect_exact<double>(300, 4, 1e13);
  expect_exact<float>(120, 700, 3);
}

TEST(ExactNeighbours, AreTheSameByEveryInstructionSet) {
  const std::vector<float> values = normal_values<float>(301 * 19, 4);
  const MatrixView<const float> rows(values.data(), 301, 19);
  const Numbers all = detail::first_numbers(301);
  const NeighbourTable expected = PlainNeighbours{}(rows, all, all, 3);
  for (const kernels::Cpu cpu : testing::cpus()) {
    EXPECT_EQ(detail::blocked_search<NeighbourTable>(rows, all, all, 3, detail::TiledProduct{cpu}),
              expected);
  }
}

// Two clouds far from each other: within one, bounds in float rule nothing out.
TEST(ExactNeighbours, EqualsThePlainSearchWhereDistancesDiffer) {
  for (const double apart : {1e4, 1e7}) {
    std::vector<float> values = normal_values<float>(400 * 3, 3);
    for (std::size_t i = 0; i < 600; ++i) values[i] = values[i] * 1e-3f + static_cast<float>(apart);
    const MatrixView<const float> rows(values.data(), 400, 3);
    const Numbers all = detail::first_numbers(400);
    EXPECT_EQ(ExactNeighbours{}(rows, all, all, 5), PlainNeighbours{}(rows, all, all, 5));
  }
}

TEST(ExactNeighbours, TakesTinyAndHugeNumbers) {
  for (const double scale : {1e-300, 1e-160, 1e-30, 1e30, 1e140}) {
    std::vector<double> values = normal_values<double>(200 * 2, 5);
    for (double& value : values) value *= scale;
    const MatrixView<const double> rows(values.data(), 200, 2);
    const Numbers all = detail::first_numbers(200);
    EXPECT_EQ(ExactNeighbours{}(rows, all, all, 3), PlainNeighbours{}(rows, all, all, 3)) << scale;
  }
}

// Beside a number so large, the others' products are below the smallest normal number once they are
// scaled: bounds say nothing about them, with denormal numbers or without.
template <class T>
void expect_exact_beside_large(std::size_t n, std::size_t columns, double scale,
                               const std::vector<double>& large) {
  std::vector<T> values = normal_values<T>(n * columns, 7);
  for (T& value : values) value = static_cast<T>(static_cast<double>(value) * scale);
  for (std::size_t i = 0; i < large.size(); ++i) values[i * columns] = static_cast<T>(large[i]);
  const MatrixView<const T> rows(values.data(), n, columns);
  const Numbers all = detail::first_numbers(n);
  const Numbers few(all.begin(), all.begin() + 100);
  const Numbers others(all.begin() + 100, all.end());
  for (const bool flushes : {false, true}) {
    const FlushToZero guard(flushes);
    EXPECT_EQ(ExactNeighbours{}(rows, all, all, 3), PlainNeighbours{}(rows, all, all, 3))
        << scale << " " << flushes;
    EXPECT_EQ(ExactNeighbours{}(rows, few, others, 5), PlainNeighbours{}(rows, few, others, 5))
        << scale << " " << flushes;
  }
}
TEST(ExactNeighbours, EqualsThePlainSearchBesideLargeNumbers) {
  for (const double large : {3e18, 1e19, 5e21, 1e22}) {
    expect_exact_beside_large<float>(600, 8, 1, {large});
  }
  for (const double scale : {0x1p-64, 0x1p-68, 0x1p-70, 0x1p-73}) {
    expect_exact_beside_large<float>(300, 1, scale, {1, -1});
    expect_exact_beside_large<float>(300, 4, scale, {1, -1});
  }
  for (const double scale : {1e-53, 1e-54, 1e-60, 1e-61}) {
    expect_exact_beside_large<double>(300, 1, scale, {1e100, -1e100});
  }
}

// Differences that no double holds are infinite, and so alike.
TEST(ExactNeighbours, TakesTheLargestNumbers) {
  constexpr double kMost = std::numeric_limits<double>::max();
  std::vector<double> ends = {-kMost, kMost, kMost, kMost};
  for (int i = 0; i < 20; ++i) ends.push_back(i);
  const MatrixView<const double> with_ends(ends.data(), ends.size(), 1);
  const Numbers numbers = detail::first_numbers(ends.size());
  EXPECT_EQ(ExactNeighbours{}(with_ends, numbers, numbers, 1),
            PlainNeighbours{}(with_ends, numbers, numbers, 1));
  const std::vector<double> values = {1.7e308, -1.7e308, 1.7e308, 0, -1.7e308, 1.6e308, 1.5e308};
  const MatrixView<const double> rows(values.data(), 7, 1);
  const Numbers all = detail::first_numbers(7);
  EXPECT_EQ(ExactNeighbours{}(rows, all, all, 2), PlainNeighbours{}(rows, all, all, 2));
}

TEST(Neighbours, OfEqualRowsAreTheOthers) {
  const std::vector<float> values(7 * 2, 3.0f);
  const MatrixView<const float> rows(values.data(), 7, 2);
  const Numbers all = detail::first_numbers(7);
  const NeighbourTable table = ExactNeighbours{}(rows, all, all, 2);
  EXPECT_EQ(table, PlainNeighbours{}(rows, all, all, 2));
  EXPECT_THAT(table.of(0), ElementsAre(1, 2));
  EXPECT_THAT(table.of(1), ElementsAre(0, 2));
  EXPECT_THAT(table.of(6), ElementsAre(0, 1));
  EXPECT_THAT(table.distances_of(6), ElementsAre(0, 0));
}

TEST(Neighbours, TakeRowsByAnyStrides) {
  const std::vector<float> values = normal_values<float>(90 * 5, 9);
  std::vector<float> columns(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) columns[i % 5 * 90 + i / 5] = values[i];
  const MatrixView<const float> by_row(values.data(), 90, 5);
  const MatrixView<const float> by_column(columns.data(), 90, 5, 1, 90);
  const Numbers all = detail::first_numbers(90);
  const NeighbourTable expected = PlainNeighbours{}(by_row, all, all, 4);
  EXPECT_EQ(PlainNeighbours{}(by_column, all, all, 4), expected);
  EXPECT_EQ(ExactNeighbours{}(by_column, all, all, 4), expected);
}

TEST(Neighbours, OfNoRowsAreNone) {
  const std::vector<float> values(4);
  const MatrixView<const float> rows(values.data(), 4, 1);
  EXPECT_EQ(ExactNeighbours{}(rows, Numbers{}, Numbers{}, 3).rows(), 0u);
  EXPECT_EQ(PlainNeighbours{}(rows, Numbers{}, Numbers{0}, 3).rows(), 0u);
}

TEST(NeighboursErrors, NameWhatIsWrong) {
  std::vector<float> values = {0, 1, 2, 3};
  const MatrixView<const float> rows(values.data(), 4, 1);
  const auto message = [&](const Numbers& queries, const Numbers& references, std::size_t k) {
    return error_of([&] { ExactNeighbours{}(rows, queries, references, k); });
  };
  EXPECT_EQ(message({0}, {0, 1, 4}, 1),
            "ExactNeighbours(): references[2] = 4, expected a row below rows.rows = 4");
  EXPECT_EQ(message({5}, {0, 1}, 1),
            "ExactNeighbours(): queries[0] = 5, expected a row below rows.rows = 4");
  EXPECT_EQ(message({0}, {1, 0}, 1),
            "ExactNeighbours(): references[1] = 0, expected a number above the one before, 1");
  EXPECT_EQ(message({0}, {1, 2}, 0), "ExactNeighbours(): k = 0, expected at least 1");
  EXPECT_EQ(message({0}, {1, 2}, 3),
            "ExactNeighbours(): references.size() = 2, expected at least k = 3");
  EXPECT_EQ(message({0}, {1, 2}, 2), "nothing was thrown");
  EXPECT_EQ(message({0, 2}, {1, 2}, 2),
            "ExactNeighbours(): references.size() = 2, expected more than k = 2, for a row is no "
            "neighbour of its own");
  values[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message({0}, {1, 3}, 1), "nothing was thrown");
  EXPECT_EQ(error_of([&] {
              PlainNeighbours{}(rows, Numbers{0}, Numbers{1, 2}, 1);
            }),
            "PlainNeighbours(): rows(2, 0) = nan, expected a finite number");
}

}  // namespace
}  // namespace equipoise::resampling
