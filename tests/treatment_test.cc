#include "equipoise/treatment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "equipoise/group_dro.h"
#include "equipoise/weights.h"
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

// The gradient of the expected loss vanishes where the sigmoid of logit + offset is the
// probability of the label.
TEST(LogitOffset, OfASigmoidLossGivesTheProbabilities) {
  SigmoidLoss<> loss;
  loss.pos_weight = {4, 1, 0.25};
  loss.positive_weight = 0.75;
  loss.negative_weight = 0.5;
  loss.shift = {0.5, -1, 0};
  const Numbers offset = logit_offset(loss, 3);
  const Numbers p = {0.1, 0.3, 0.9};
  Numbers logits;
  for (std::size_t l = 0; l < 3; ++l) {
    logits.push_back(std::log(p[l] / (1 - p[l])) - offset[l]);
  }
  Numbers gradient(3);
  // Targets between 0 and 1 count as that much of a positive: they make the loss its expectation.
  sigmoid_loss(loss, MatrixView<const double>(logits.data(), 1, 3),
               MatrixView<const double>(p.data(), 1, 3), MatrixView<double>(gradient.data(), 1, 3));
  for (const double slope : gradient) EXPECT_NEAR(slope, 0, 1e-15);
  EXPECT_EQ(logit_offset(SigmoidLoss<>(), 2), (Numbers{0, 0}));
}

TEST(LogitOffset, RefusesSigmoidLossesWithoutOne) {
  const auto error = [](const SigmoidLoss<>& loss) {
    return error_of([&] { logit_offset(loss, 2); });
  };
  SigmoidLoss<> loss;
  loss.negative_scale = 2;
  EXPECT_THAT(error(loss), HasSubstr("loss.negative_scale = 2, expected 1: otherwise it has no"));
  loss = {};
  loss.rebalance.counts = {1, 2};
  EXPECT_THAT(error(loss), HasSubstr("loss.rebalance.counts.size() = 2, expected 0"));
  loss = {};
  loss.pos_weight = {1};
  EXPECT_THAT(error(loss), HasSubstr("loss.pos_weight.size() = 1, expected 2 (labels)"));
  loss.pos_weight = {1, 0};
  EXPECT_THAT(error(loss), HasSubstr("loss.pos_weight[1] = 0, expected a finite number > 0"));
  loss = {};
  loss.positive_weight = -1;
  EXPECT_THAT(error(loss), HasSubstr("loss.positive_weight = -1, expected a finite number > 0"));
  loss = {};
  loss.shift = {0, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_THAT(error(loss), HasSubstr("loss.shift[1] = nan, expected a finite number"));
}

}  // namespace
}  // namespace equipoise
