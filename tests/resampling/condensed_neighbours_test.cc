#include "equipoise/resampling/condensed_neighbours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "equipoise/resampling/cleaning.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::IsEmpty;

static_assert(CleaningPolicy<CondensedNeighbours>);
static_assert(CleaningPolicy<OneSidedSelection>);

struct Set {
  std::vector<float> values;
  std::vector<int> labels;
  MatrixView<const float> rows() const { return {values.data(), labels.size(), 2}; }
};
Set some_set(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  Set set;
  for (int i = 0; i < 150; ++i) {
    set.labels.push_back(i % 10 == 0 ? 1 : i % 3 == 0 ? 2 : 0);
    for (int c = 0; c < 2; ++c) {
      set.values.push_back(static_cast<float>(normal(random) + set.labels.back() * 1.5));
    }
  }
  return set;
}

// What Hart's rule promises: by its nearest in the store every row is classified right.
TEST(CondensedNeighbours, ClassifiesAllRowsRight) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Set set = some_set(seed);
    const auto kept = CondensedNeighbours{.seed = seed}(set.rows(), set.labels, 3);
    EXPECT_LT(kept.size(), 140u);
    const std::vector<std::size_t> store(kept.begin(), kept.end());
    for (std::size_t i = 0; i < set.labels.size(); ++i) {
      if (std::binary_search(store.begin(), store.end(), i)) continue;
      const NeighbourTable table =
          PlainNeighbours{}(set.rows(), std::vector<std::size_t>{i}, store, 1);
      EXPECT_EQ(set.labels[table.indices[0]], set.labels[i]);
    }
    for (std::size_t i = 0; i < set.labels.size(); ++i) {
      if (set.labels[i] != 1) continue;
      EXPECT_THAT(kept, Contains(static_cast<std::int64_t>(i)));
    }
  }
}

TEST(CondensedNeighbours, DependsOnTheSeedAlone) {
  const Set set = some_set(1);
  const CondensedNeighbours condensed{.seed = 3};
  EXPECT_EQ(condensed(set.rows(), set.labels, 3), condensed(set.rows(), set.labels, 3));
  EXPECT_NE(condensed(set.rows(), set.labels, 3),
            CondensedNeighbours{.seed = 4}(set.rows(), set.labels, 3));
  EXPECT_THAT(CondensedNeighbours{}(MatrixView<const float>(), std::vector<int>{}, 2), IsEmpty());
}

// From 0 and 4 as first rows and class 1 at 3: 1 is nearer to 0 and goes, 3.2 is nearer to class 1
// and remains. Then 3 and 3.2 are a link.
TEST(OneSidedSelection, KeepsTheBorderWithoutItsLinks) {
  const std::vector<double> values = {0, 1, 3, 3.2, 5, 9};
  const std::vector<int> labels = {0, 0, 1, 0, 0, 1};
  const MatrixView<const double> rows(values.data(), 6, 1);
  EXPECT_THAT(OneSidedSelection{}.from({{0}, {}}, rows, labels), ElementsAre(0, 2, 4, 5));
  EXPECT_THAT(OneSidedSelection{}.from({{0, 4}, {}}, rows, labels), ElementsAre(0, 2, 4, 5));
  EXPECT_THAT(OneSidedSelection{}.from({{3}, {}}, rows, labels), ElementsAre(0, 1, 2, 5));
}

TEST(OneSidedSelection, DrawsItsFirstRows) {
  const Set set = some_set(2);
  const OneSidedSelection selection{.seed = 3, .seed_rows = 2};
  const auto kept = selection(set.rows(), set.labels, 3);
  EXPECT_EQ(kept, selection(set.rows(), set.labels, 3));
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  bool differs = false;
  for (std::uint64_t seed = 4; seed < 10; ++seed) {
    differs = differs ||
              OneSidedSelection{.seed = seed, .seed_rows = 2}(set.rows(), set.labels, 3) != kept;
  }
  EXPECT_TRUE(differs);
}

TEST(CondensedNeighboursErrors, NameWhatIsWrong) {
  Set set = some_set(1);
  EXPECT_EQ(error_of([&] { OneSidedSelection{.seed_rows = 0}(set.rows(), set.labels, 3); }),
            "OneSidedSelection(): seed_rows = 0, expected at least 1 and at most 90, the rows of "
            "class 0");
  EXPECT_EQ(error_of([&] {
              OneSidedSelection{}.from({{1}, {}, {}}, set.rows(), set.labels);
            }),
            "OneSidedSelection::from(): first rows of class 2 = 0, expected at least 1");
  EXPECT_EQ(error_of([&] {
              OneSidedSelection{}.from({{0}, {}, {3}}, set.rows(), set.labels);
            }),
            "OneSidedSelection::from(): first[0] = 0, expected a row of the class");
  set.values[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_of([&] { CondensedNeighbours{}(set.rows(), set.labels, 3); }),
            "CondensedNeighbours(): rows(3, 1) = nan, expected a finite number");
}

}  // namespace
}  // namespace equipoise::resampling
