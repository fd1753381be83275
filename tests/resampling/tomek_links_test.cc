#include "equipoise/resampling/tomek_links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "equipoise/resampling/cleaning.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::IsEmpty;
using ::testing::Pair;

static_assert(CleaningPolicy<TomekLinks>);

// 1 and 2 are each other's nearest, and 6 and 7; 4's nearest is 2, and not the other way.
const std::vector<float> kValues = {1, 2, 4, 6, 7, 10};
const std::vector<int> kLabels = {0, 1, 0, 1, 0, 0};
const MatrixView<const float> kRows(kValues.data(), 6, 1);

TEST(TomekLinks, ArePairsOfMutualNearestRows) {
  EXPECT_THAT(tomek_links(kRows, kLabels, 2), ElementsAre(Pair(0, 1), Pair(3, 4)));
}

TEST(TomekLinks, LosesRowsOfTheCleanedClasses) {
  EXPECT_THAT(TomekLinks{}(kRows, kLabels, 2), ElementsAre(1, 2, 3, 5));
  EXPECT_THAT(TomekLinks{CleanedClasses::kNotMajority}(kRows, kLabels, 2), ElementsAre(0, 2, 4, 5));
  EXPECT_THAT(TomekLinks{CleanedClasses::kAll}(kRows, kLabels, 2), ElementsAre(2, 5));
}

// By the definition, for sets in which one class has most rows and sets in which none has.
TEST(TomekLinks, AreThoseOfTheDefinition) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 100; ++repeat) {
    const std::size_t n = 2 + random() % 60;
    const std::size_t classes = 1 + random() % 4;
    const std::uint64_t rare = 1 + random() % 8;
    std::vector<double> values(n * 2);
    for (double& value : values) value = static_cast<double>(random() % 30);
    std::vector<std::int64_t> labels(n);
    for (std::int64_t& label : labels) {
      label = random() % rare == 0 ? static_cast<std::int64_t>(random() % classes) : 0;
    }
    const MatrixView<const double> rows(values.data(), n, 2);
    const std::vector<std::size_t> all = detail::first_numbers(n);
    const NeighbourTable nearest = PlainNeighbours{}(rows, all, all, 1);
    std::vector<std::pair<std::size_t, std::size_t>> expected;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t j = nearest.indices[i];
      if (i < j && nearest.indices[j] == i && labels[i] != labels[j]) expected.push_back({i, j});
    }
    EXPECT_EQ(tomek_links(rows, labels, classes), expected);
  }
}

TEST(TomekLinks, LeavesOneClassAndNoRowsAsTheyAre) {
  const std::vector<int> one(6, 0);
  EXPECT_THAT(TomekLinks{}(kRows, one, 2), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(TomekLinks{}(MatrixView<const float>(), std::vector<int>{}, 2), IsEmpty());
  const MatrixView<const float> single(kValues.data(), 1, 1);
  EXPECT_THAT(TomekLinks{}(single, std::vector<int>{1}, 2), ElementsAre(0));
}

TEST(TomekLinksErrors, NameWhatIsWrong) {
  EXPECT_EQ(error_of([] { TomekLinks{}(kRows, kLabels, 1); }),
            "TomekLinks(): labels[1] = 1, expected a class in [0, 1)");
  EXPECT_EQ(error_of([] { tomek_links(kRows, std::vector<int>{0}, 1); }),
            "tomek_links(): labels.size() = 1, expected 6 (rows)");
}

}  // namespace
}  // namespace equipoise::resampling
