#include "equipoise/plan/treatment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "equipoise/plan/ledger.h"
#include "equipoise/reduction/group_dro.h"
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
  EXPECT_EQ(result.mean, MeanKind::kByWeight);
  EXPECT_EQ(result.batch_size, 64);
  EXPECT_EQ(treatment(SoftmaxLoss<>(), ClassCounts{90, 10}).no_offset, "");
  EXPECT_EQ(treatment(SoftmaxLoss<>(), ClassCounts{1, 1}).mean, MeanKind::kByCount);
  EXPECT_EQ(treatment(SoftmaxLoss<CrossEntropy, SumOverRows>(), ClassCounts{1, 1}).mean,
            MeanKind::kByCount);
  EXPECT_EQ(treatment(SoftmaxLoss<CrossEntropy, MeanPerClass>(), ClassCounts{1, 1}).mean,
            MeanKind::kPerClass);
}

// All fields, not only those that a plan has too.
TEST(Treatment, ComparesByValue) {
  Treatment treated = treatment(SoftmaxLoss<>(), ClassCounts{90, 10});
  const Treatment copy = treated;
  EXPECT_EQ(treated, copy);
  treated.counts = ClassCounts{90, 11};
  EXPECT_NE(treated, copy);
  treated = copy;
  treated.no_offset = "a reason";
  EXPECT_NE(treated, copy);
  treated = copy;
  treated.mean = MeanKind::kPerClass;
  EXPECT_NE(treated, copy);
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

// A modulator of a user.
struct Tsallis {
  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    const T root = math::pow(t.p, 0.5);
    return {(1.0 - root) * 2.0, -root};
  }
};

// The logits of such a loss are no log posterior, whatever is added to them.
TEST(Treatment, OfAModulatorIsLeftToPosterior) {
  const auto expect = [](const std::string& error) {
    EXPECT_THAT(error, HasSubstr("Ledger::offset(): a modulator"));
    EXPECT_THAT(error, HasSubstr("posterior() inverts it"));
  };
  expect(refusal(SoftmaxLoss<Focal>()));
  expect(refusal(SoftmaxLoss<PolyCrossEntropy<>>()));
  expect(refusal(SoftmaxLoss<SelfAdjustingDice>()));
  expect(refusal(SoftmaxLoss<Tsallis>()));
  // The prior is that of the treatment all the same.
  SoftmaxLoss<Focal> loss;
  loss.class_weights = {1, 9};
  const Ledger entries = ledger(treatment(loss, ClassCounts{90, 10}));
  EXPECT_NEAR(entries.effective[0], 0.5, 1e-15);
  EXPECT_THAT(report(entries), HasSubstr("warning: a modulator"));
  // What posterior() cannot invert either is named first.
  loss.logit_terms.margin = {0.1, 0.5};
  EXPECT_THAT(refusal(loss), HasSubstr("a margin (LDAM)"));
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
