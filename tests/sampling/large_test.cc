// More rows than a float can count, 2^24: each is drawn, and as often as is due.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/equipoise.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using testing::kImplausible;

constexpr std::size_t kRows = (std::size_t{1} << 24) + 4000;
constexpr std::size_t kParts = 16;
constexpr std::size_t kDraws = 20000;

// The p-value of draws against equal probabilities for `kParts` parts of the rows from `first` on.
template <class S>
double p_value(const S& stream, std::size_t first) {
  std::vector<std::int64_t> rows(kDraws);
  stream.fill(0, rows);
  std::vector<std::uint64_t> seen(kParts);
  for (const std::int64_t row : rows) {
    const auto offset = static_cast<std::size_t>(row) - first;
    EXPECT_LT(offset, kRows - first);
    ++seen[offset * kParts / (kRows - first)];
  }
  return chi_squared_p_value(seen, std::vector<double>(kParts, double{kDraws} / kParts));
}

TEST(MoreThanAFloatCounts, ClassSampler) {
  constexpr std::size_t kFirst = std::size_t{1} << 24;  // of the rare class
  std::vector<std::uint8_t> labels(kRows);
  for (std::size_t i = kFirst; i < kRows; ++i) labels[i] = 1;
  EXPECT_GT(p_value(ClassSampler(labels, std::vector<double>{0, 1}, 1), kFirst), kImplausible);
  const ClassCounts counts = count_labels(labels, 2);
  EXPECT_GT(p_value(ClassSampler(labels, mix(counts, ProportionalMix{}), 2), 0), kImplausible);
}

TEST(MoreThanAFloatCounts, WeightedSampler) {
  const std::vector<float> weights(kRows, 0.1f);
  EXPECT_GT(p_value(WeightedSampler(weights, 3), 0), kImplausible);
}

}  // namespace
}  // namespace equipoise::sampling
