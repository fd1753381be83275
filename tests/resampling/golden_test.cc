// Against imbalanced-learn: tests/golden/resampling.py writes what it keeps and makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/resampling/adasyn.h"
#include "equipoise/resampling/borderline_smote.h"
#include "equipoise/resampling/condensed_neighbours.h"
#include "equipoise/resampling/edited_neighbours.h"
#include "equipoise/resampling/instance_hardness.h"
#include "equipoise/resampling/kmeans_smote.h"
#include "equipoise/resampling/near_miss.h"
#include "equipoise/resampling/neighbourhood_cleaning.h"
#include "equipoise/resampling/smote.h"
#include "equipoise/resampling/smote_nc.h"
#include "equipoise/resampling/tomek_links.h"
#include "equipoise/sampling/target_counts.h"
#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using nlohmann::json;
using testing::error_of;
using Labels = std::vector<std::int64_t>;
using Indices = std::vector<std::int64_t>;

json read(const char* name) {
  return json::parse(std::ifstream(std::string("tests/golden/") + name));
}
const json& golden() {
  static const json values = read("resampling.json");
  return values;
}

// A set of the file, in double.
struct Case {
  std::vector<double> values;
  Labels labels;
  std::size_t classes = 0;
  std::size_t columns = 0;

  explicit Case(const json& set) : labels(set.at("labels").get<Labels>()) {
    for (const json& row : set.at("rows")) {
      columns = row.size();
      for (const json& value : row) values.push_back(value.get<double>());
    }
    classes = 1 + static_cast<std::size_t>(*std::max_element(labels.begin(), labels.end()));
  }
  MatrixView<const double> rows() const { return {values.data(), labels.size(), columns}; }
  ClassCounts counts() const { return count_labels(labels, classes); }
};

// The rows that remain, of a digit per row.
Indices kept_rows(const json& digits) {
  const auto text = digits.get<std::string>();
  Indices kept;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '1') kept.push_back(static_cast<std::int64_t>(i));
  }
  return kept;
}

// f(set, case) for each set that has the field.
template <class F>
void for_each_case(const char* field, std::size_t expected, const F& f) {
  std::size_t found = 0;
  for (const json& set : golden().at("cases")) {
    if (!set.contains(field)) continue;
    ++found;
    SCOPED_TRACE(set.at("name").get<std::string>());
    f(set.at(field), Case(set));
  }
  EXPECT_EQ(found, expected);
}

// Null stands for an error, of rows too few for their neighbours.
template <class Policy>
void expect_kept(const char* field, const Policy& policy, std::size_t sets = 202) {
  SCOPED_TRACE(field);
  for_each_case(field, sets, [&](const json& expected, const Case& set) {
    const auto run = [&] { return policy(set.rows(), set.labels, set.classes); };
    if (expected.is_null()) {
      EXPECT_NE(error_of(run), "nothing was thrown");
    } else {
      EXPECT_EQ(run(), kept_rows(expected));
    }
  });
}

TEST(Golden, TomekLinks) {
  expect_kept("tomek", TomekLinks{});
  expect_kept("tomek_all", TomekLinks{.cleaned = CleanedClasses::kAll});
}

TEST(Golden, EditedNeighbours) {
  expect_kept("edited_all", EditedNeighbours{}, 203);
  expect_kept("edited_mode", EditedNeighbours{.agreement = Agreement::kMode}, 203);
  expect_kept("edited_every_class", EditedNeighbours{.cleaned = CleanedClasses::kAll}, 203);
  expect_kept("edited_majority", EditedNeighbours{.cleaned = CleanedClasses::kMajority}, 203);
}

TEST(Golden, RepeatedAndAllNeighbours) {
  expect_kept("repeated_all", RepeatedEditedNeighbours{}, 203);
  expect_kept("repeated_mode", RepeatedEditedNeighbours{.agreement = Agreement::kMode}, 203);
  expect_kept("all_neighbours", AllNeighbours{}, 203);
  expect_kept("all_neighbours_minority",
              AllNeighbours{.agreement = Agreement::kMode, .allows_minority = true}, 203);
}

TEST(Golden, NeighbourhoodCleaning) {
  expect_kept("cleaning_rule", NeighbourhoodCleaning{.counts_itself = true});
}

TEST(Golden, NearMiss) {
  const auto expect = [](const char* field, NearMissVersion version) {
    for_each_case(field, 202, [&](const json& expected, const Case& set) {
      const auto targets = sampling::undersampling_targets(set.counts());
      EXPECT_EQ(NearMiss{.version = version}(set.rows(), set.labels, targets), kept_rows(expected));
    });
  };
  expect("near_miss_1", NearMissVersion::kNearest);
  expect("near_miss_2", NearMissVersion::kFarthest);
  expect("near_miss_3", NearMissVersion::kSelected);
}

TEST(Golden, OneSidedSelection) {
  for_each_case("one_sided", 202, [](const json& expected, const Case& set) {
    const auto first = expected.at("first").get<std::vector<std::vector<std::size_t>>>();
    EXPECT_EQ(OneSidedSelection{}.from(first, set.rows(), set.labels),
              kept_rows(expected.at("kept")));
  });
}

TEST(Golden, InstanceHardness) {
  for_each_case("hardness", 202, [](const json& expected, const Case& set) {
    const auto probabilities = expected.at("probabilities").get<std::vector<double>>();
    EXPECT_EQ(instance_hardness_threshold(probabilities, set.labels,
                                          sampling::undersampling_targets(set.counts())),
              kept_rows(expected.at("kept")));
  });
}

// Groups have the neighbours, which are numbers within their bases, and rows that are expected.
void expect_groups(const std::vector<RecipeGroup>& groups, const json& expected) {
  ASSERT_EQ(groups.size(), expected.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EXPECT_EQ(groups[g].rows, expected[g].at("rows").get<std::uint64_t>());
    std::vector<std::size_t> neighbours;
    for (const json& of_row : expected[g].at("neighbours")) {
      for (const json& place : of_row) {
        neighbours.push_back(groups[g].bases[place.get<std::size_t>()]);
      }
    }
    EXPECT_EQ(groups[g].neighbours, neighbours);
  }
}

TEST(Golden, SmoteDrawsFromTheSameNeighbours) {
  for_each_case("smote", 52, [](const json& expected, const Case& set) {
    expect_groups(Smote{}(set.rows(), set.labels, sampling::oversampling_targets(set.counts())),
                  expected);
  });
}

TEST(Golden, KMeansSmoteHasTheSameClusters) {
  for_each_case("clustered", 202, [](const json& expected, const Case& set) {
    const auto clusters = expected.at("clusters").get<std::vector<int>>();
    const auto run = [&] {
      return KMeansSmote{}(set.rows(), set.labels, clusters,
                           sampling::oversampling_targets(set.counts()));
    };
    if (expected.at("groups").is_null()) {
      EXPECT_NE(error_of(run), "nothing was thrown");
    } else {
      expect_groups(run(), expected.at("groups"));
    }
  });
}

TEST(Golden, SmoteNcDrawsFromTheSameNeighbours) {
  for_each_case("nominal", 52, [](const json& expected, const Case& set) {
    std::vector<double> values;
    for (std::size_t i = 0; i < set.labels.size(); ++i) {
      const double* const row = set.values.data() + i * set.columns;
      values.insert(values.end(), row, row + set.columns);
      for (const json& category : expected.at("categories")[i]) values.push_back(category);
    }
    const MatrixView<const double> rows(values.data(), set.labels.size(), set.columns + 2);
    const std::vector<std::size_t> nominal = {set.columns, set.columns + 1};
    const NominalRecipes recipes =
        SmoteNc{}(rows, set.labels, nominal, sampling::oversampling_targets(set.counts()));
    expect_groups(recipes.groups, expected.at("groups"));
  });
}

// Neighbours by the value difference metric, and the categories that are more frequent than others.
TEST(Golden, SmoteNHasTheSameNeighboursAndCategories) {
  const json sets = read("resampling_nominal.json");
  EXPECT_EQ(sets.at("cases").size(), 61u);
  for (const json& expected : sets.at("cases")) {
    SCOPED_TRACE(expected.at("name").get<std::string>());
    const Case set(expected);
    const NominalRecipes recipes =
        SmoteN{}(set.rows(), set.labels, sampling::oversampling_targets(set.counts()));
    ASSERT_EQ(recipes.groups.size(), expected.at("classes").size());
    for (const RecipeGroup& group : recipes.groups) {
      const json& of_class = expected.at("classes").at(std::to_string(group.class_index));
      expect_groups({group}, json::array({of_class}));
      for (std::size_t i = 0; i < group.bases.size(); ++i) {
        const auto made = recipes.categories.of(group.bases[i]);
        ASSERT_EQ(made.size(), set.columns);
        for (std::size_t d = 0; d < set.columns; ++d) {
          const json& category = of_class.at("categories")[i][d];
          if (category.is_null()) continue;
          EXPECT_EQ(made[d], category.get<double>());
        }
      }
    }
  }
}

TEST(Golden, BorderlineSmoteHasTheSameBases) {
  for_each_case("danger", 202, [](const json& expected, const Case& set) {
    const auto groups = BorderlineSmote{.no_danger = NoDanger::kSkip}(
        set.rows(), set.labels, sampling::oversampling_targets(set.counts()));
    ASSERT_EQ(groups.size(), expected.size());
    for (const RecipeGroup& group : groups) {
      EXPECT_EQ(group.bases,
                expected.at(std::to_string(group.class_index)).get<std::vector<std::size_t>>());
    }
  });
}

// Counts are G r / sum(r), rounded. Where that is half an integer we take the even one; there
// rounding errors decide, and in eight of these sets they decide otherwise.
TEST(Golden, AdasynMakesAsManyRowsOfEachBase) {
  std::size_t unequal = 0;
  for_each_case("adasyn", 202, [&](const json& expected, const Case& set) {
    const auto run = [&] {
      return Adasyn{}(set.rows(), set.labels, sampling::oversampling_targets(set.counts()));
    };
    if (expected.is_null()) {
      EXPECT_NE(error_of(run), "nothing was thrown");
      return;
    }
    const auto groups = run();
    ASSERT_EQ(groups.size(), expected.size());
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto theirs = expected[g].get<std::vector<std::uint64_t>>();
      const std::vector<std::uint64_t>& ours = groups[g].rows_of_base;
      ASSERT_EQ(ours.size(), theirs.size());
      unequal += ours == theirs ? 0 : 1;
      for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_TRUE(ours[i] == theirs[i] || ours[i] % 2 == 0);
        EXPECT_LE(std::max(ours[i], theirs[i]) - std::min(ours[i], theirs[i]), 1u);
      }
    }
  });
  EXPECT_EQ(unequal, 8u);
}

}  // namespace
}  // namespace equipoise::resampling
