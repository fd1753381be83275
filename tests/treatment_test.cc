#include "equipoise/treatment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "equipoise/group_dro.h"
#include "equipoise/ledger.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using Numbers = std::vector<double>;

// Halves all weights: nothing that the ledger knows.
struct HalfMean : MeanByCount {};

template <class Loss>
std::string refusal(const Loss& loss) {
  const Ledger entries = ledger(treatment(loss, ClassCounts{90, 10}));
  return error_of([&] { entries.offset(); });
}

TEST(Treatment, OfASoftmaxLossIsWhatTheLedgerAsksFor) {
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = {0.5, 2};
  loss.logit_terms.shift = {0.25, -0.25};
  const Treatment result = treatment(loss, ClassCounts{90, 10}, {3, 1}, 64);
  EXPECT_EQ(result.counts, (ClassCounts{90, 10}));
  EXPECT_EQ(result.mix, (Numbers{3, 1}));
  EXPECT_EQ(result.weights, loss.class_weights);
  EXPECT_EQ(result.logit_terms, loss.logit_terms);
  EXPECT_EQ(result.mean, Mean::kByWeight);
  EXPECT_EQ(result.batch_size, 64);
  EXPECT_EQ(result.no_offset, "");
  EXPECT_EQ(treatment(SoftmaxLoss<>(), ClassCounts{1, 1}).mean, Mean::kByCount);
  EXPECT_EQ(treatment(SoftmaxLoss<CrossEntropy, Sum>(), ClassCounts{1, 1}).mean, Mean::kByCount);
  EXPECT_EQ(treatment(SoftmaxLoss<CrossEntropy, MeanPerClass>(), ClassCounts{1, 1}).mean,
            Mean::kPerClass);
}

TEST(Treatment, WithoutAnOffsetIsRefusedWithAPointerToWhatThereIs) {
  const auto expect = [](const std::string& error, const std::string& what) {
    EXPECT_THAT(error, HasSubstr("Ledger::offset(): " + what));
    EXPECT_THAT(error, HasSubstr("fit_bias_corrected_temperature(), or choose thresholds"));
  };
  SoftmaxLoss<> seesaw;
  seesaw.seesaw.counts = {90, 10};
  expect(refusal(seesaw), "Seesaw");
  SoftmaxLoss<> costs;
  costs.pair_shift.values = {0, 1, 2, 0};
  expect(refusal(costs), "a shift by pair of classes");
  SoftmaxLoss<> groups;
  groups.group_logit_terms.resize(2);
  expect(refusal(groups), "a treatment by group");
  expect(refusal(SoftmaxLoss<CrossEntropy, MeanPerGroup>{{}, {2}}), "a treatment by group");
  expect(refusal(SoftmaxLoss<CrossEntropy, GroupDro>{{}, {2}}), "a treatment by group");
  expect(refusal(SoftmaxLoss<CrossEntropy, HalfMean>()), "a reduction that the ledger does not");
  SoftmaxLoss<> margin;
  margin.logit_terms.margin = {0.1, 0.5};
  expect(refusal(margin), "a margin (LDAM)");
  SoftmaxLoss<> smoothed;
  smoothed.label_smoothing = 0.1;
  EXPECT_THAT(refusal(smoothed), HasSubstr("posterior() takes it off first"));
  SoftmaxLoss<> scale;
  scale.logit_terms.scale = {1, 0.5};
  expect(refusal(scale), "a scale that differs between classes");
  expect(refusal(OverlapLoss<>()), "a loss of sets");
}

TEST(Treatment, OfAnOverlapLossHasTheSamplerAlone) {
  OverlapLoss<> loss;
  loss.class_weights = {0, 1};
  const Ledger entries = ledger(treatment(loss, ClassCounts{90, 10}, {1, 1}));
  EXPECT_EQ(entries.drawn, (Numbers{0.5, 0.5}));
  EXPECT_EQ(entries.weights, (Numbers{1, 1}));
}

}  // namespace
}  // namespace equipoise
