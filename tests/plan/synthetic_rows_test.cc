#include "equipoise/plan/synthetic_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include "equipoise/plan/ledger.h"
#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smote.h"
#include "equipoise/view.h"

namespace equipoise {
namespace {

using resampling::RecipeGroup;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kRounding = 16 * std::numeric_limits<double>::epsilon();

// Eight rows of class 0 and four of class 1 on a line.
const std::vector<float> kValues = {0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13};
const std::vector<std::int64_t> kLabels = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};

std::vector<RecipeGroup> with_smote() {
  const MatrixView<const float> rows(kValues.data(), kLabels.size(), 1);
  const std::vector<std::uint64_t> targets = {8, 8};
  std::vector<RecipeGroup> groups = resampling::original_rows(kLabels, 2);
  groups.push_back(resampling::Smote{.k = 2}(rows, kLabels, targets).front());
  return groups;
}

Treatment natural() {
  Treatment treatment;
  treatment.counts = {8, 4};
  return treatment;
}

TEST(SyntheticRows, MoveThePriorAsASamplerDoes) {
  const Treatment treatment = with_synthetic_rows(natural(), with_smote());
  EXPECT_THAT(treatment.mix, ElementsAre(8, 8));
  const Ledger entries = ledger(treatment);
  EXPECT_NEAR(entries.effective[0], 0.5, kRounding);
  EXPECT_NEAR(entries.strength.sampler, 1, kRounding);
  Treatment sampled = natural();
  sampled.mix = {8, 8};
  EXPECT_EQ(ledger(sampled).effective, entries.effective);
}

TEST(SyntheticRows, LeaveNoExactOffset) {
  const Ledger entries = ledger(with_synthetic_rows(natural(), with_smote()));
  EXPECT_THAT(entries.no_offset, HasSubstr("synthetic ones change"));
  EXPECT_THROW(entries.offset(), std::invalid_argument);
}

TEST(SyntheticRows, WithoutNeighboursAreRowsThatComeAgain) {
  std::vector<RecipeGroup> groups = resampling::original_rows(kLabels, 2);
  groups.push_back({1, 4, {8, 9, 10, 11}});
  const Ledger entries = ledger(with_synthetic_rows(natural(), groups));
  EXPECT_TRUE(entries.no_offset.empty());
  EXPECT_NEAR(entries.offset()[0] - entries.offset()[1], std::log(2.0), kRounding);
}

TEST(SyntheticRows, KeepTheReasonThatWasThere) {
  Treatment treatment = natural();
  treatment.no_offset = "another";
  EXPECT_EQ(with_synthetic_rows(treatment, with_smote()).no_offset, "another");
}

TEST(SyntheticRows, AreOfClassesThatAreCounted) {
  const std::vector<RecipeGroup> unknown = {{2, 1, {0}}};
  EXPECT_THROW(with_synthetic_rows(natural(), unknown), std::invalid_argument);
  EXPECT_THROW(with_synthetic_rows(natural(), {}), std::invalid_argument);
}

}  // namespace
}  // namespace equipoise
