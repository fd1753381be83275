#include "equipoise/plan/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "equipoise/plan/dry_run.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Numbers = std::vector<double>;

std::vector<PlanWarningKind> kinds(const Treatment& treatment, const DryRunOptions& options) {
  std::vector<PlanWarningKind> result;
  for (const PlanWarning& warning : dry_run(treatment, options).warnings) {
    result.push_back(warning.kind);
  }
  return result;
}

TEST(Forecast, TheScaleOfTheWeightsDoesNotMatter) {
  Treatment treatment;
  treatment.counts = ClassCounts{400, 80, 20};
  treatment.weights = {1, 2, 8};
  const DryRun run = dry_run(treatment, {.batch_size = 10});
  ASSERT_GT(run.effective_sample_size, 100);
  for (const double scale : {0x1p-565, 0x1p531}) {
    for (std::size_t c = 0; c < 3; ++c) treatment.weights[c] = Numbers{1, 2, 8}[c] * scale;
    EXPECT_EQ(dry_run(treatment, {.batch_size = 10}).effective_sample_size,
              run.effective_sample_size);
  }
}

TEST(Forecast, WarnsOfWhatGoesWrong) {
  const DryRunOptions options{.batch_size = 16};
  Treatment treatment;
  treatment.counts = ClassCounts{900, 100};
  EXPECT_THAT(kinds(treatment, options), IsEmpty());
  treatment.weights = {1, 200};
  EXPECT_THAT(kinds(treatment, options), ElementsAre(PlanWarningKind::kWeightRatio));
  treatment.weights = {1, 0};
  EXPECT_THAT(kinds(treatment, options), ElementsAre(PlanWarningKind::kNeverSeen));
  treatment.weights = {};
  treatment.counts = ClassCounts{9990, 10, 0};
  treatment.mix = {1, 1, 0};
  EXPECT_THAT(kinds(treatment, options),
              ElementsAre(PlanWarningKind::kRepeats, PlanWarningKind::kNoRows,
                          PlanWarningKind::kEffectiveRows));
  treatment.counts = ClassCounts{900, 100};
  treatment.mix = {1, 1};
  treatment.weights = {1, 9};
  EXPECT_THAT(kinds(treatment, options), ElementsAre(PlanWarningKind::kCorrectedTwice));
}

}  // namespace
}  // namespace equipoise
