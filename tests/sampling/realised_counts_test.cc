#include "equipoise/sampling/realised_counts.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::sampling {
namespace {

using testing::error_of;

// Position t is row t mod rows.
struct InTurn {
  std::uint64_t rows;
  std::size_t operator[](std::uint64_t t) const { return static_cast<std::size_t>(t % rows); }
  std::uint64_t seed() const { return 0; }
  std::uint64_t epoch_size() const { return rows; }
  std::uint64_t fingerprint() const { return 0; }
};
static_assert(IndexStream<InTurn>);

// The same, drawn many at a time.
struct Filling : InTurn {
  void fill(std::uint64_t t, std::span<std::int64_t> out, std::uint64_t stride = 1) const {
    for (std::int64_t& row : out) {
      row = static_cast<std::int64_t>((*this)[t]);
      t += stride;
    }
  }
};

std::vector<double> counts_of(const ClassCounts& counts) {
  return {counts.values().begin(), counts.values().end()};
}

// Rows 0 … 4 have the classes 0 0 0 1 2.
TEST(RealisedCounts, CountsAStretch) {
  const std::vector<int> labels = {0, 0, 0, 1, 2};
  const auto count = [&](std::uint64_t begin, std::uint64_t size) {
    std::vector<double> counts = counts_of(realised_counts(InTurn{5}, labels, 4, begin, size));
    EXPECT_EQ(counts_of(realised_counts(Filling{{5}}, labels, 4, begin, size)), counts);
    return counts;
  };
  EXPECT_EQ(count(0, 5), (std::vector<double>{3, 1, 1, 0}));
  EXPECT_EQ(count(2, 3), (std::vector<double>{1, 1, 1, 0}));
  EXPECT_EQ(count(7, 0), (std::vector<double>{0, 0, 0, 0}));
  // Over several blocks of 1024 draws.
  EXPECT_EQ(count(0, 5000), (std::vector<double>{3000, 1000, 1000, 0}));
  EXPECT_EQ(count(3, 5001), (std::vector<double>{3000, 1001, 1000, 0}));
}

TEST(RealisedCountsErrors, NameTheRow) {
  EXPECT_EQ(error_of([] {
              realised_counts(InTurn{5}, std::vector<int>{0, 0, 0}, 2, 10, 5);
            }),
            "realised_counts(): stream[13] = 3, expected a row below labels.size() = 3");
  EXPECT_EQ(error_of([] {
              realised_counts(InTurn{3}, std::vector<int>{0, 2, 0}, 2, 0, 3);
            }),
            "realised_counts(): labels[1] = 2, expected a class in [0, 2)");
}

}  // namespace
}  // namespace equipoise::sampling
