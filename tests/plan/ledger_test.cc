#include "equipoise/plan/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "equipoise/logit_terms.h"
#include "equipoise/mix.h"
#include "equipoise/random.h"
#include "equipoise/weights.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

void expect_near(const Numbers& actual, const Numbers& expected, double bound = 16 * kEpsilon) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], bound) << i;
}

const Numbers kShares = {0.9, 0.05, 0.03, 0.015, 0.005};

Numbers inverse(const Numbers& values) {
  Numbers result;
  for (const double value : values) result.push_back(1 / value);
  return result;
}

Treatment treatment(const Numbers& counts) {
  Treatment result;
  result.counts = ClassCounts(counts);
  return result;
}

TEST(Ledger, WithoutTreatmentTheLogitsCarryTheNaturalPrior) {
  const Ledger result = ledger(treatment({90, 5, 5}));
  expect_near(result.natural, {0.9, 0.05, 0.05});
  expect_near(result.drawn, {0.9, 0.05, 0.05});
  expect_near(result.effective, {0.9, 0.05, 0.05});
  expect_near(result.importance, {1, 1, 1});
  EXPECT_NEAR(result.strength.total(), 0, 16 * kEpsilon);
  EXPECT_NEAR(result.effective_sample_size, 100, 1e-12);
  EXPECT_NEAR(result.variance_inflation, 1, 1e-14);
  expect_near(result.offset(), {0, 0, 0});
  EXPECT_FALSE(result.corrects_twice());
}

TEST(Ledger, SamplerWeightsAndShiftsMultiply) {
  Treatment t = treatment({80, 20});
  t.mix = {1, 1};
  t.weights = {1, 3};
  t.logit_terms.shift = {std::log(2.0), 0};
  const Ledger result = ledger(t);
  // q w exp(-shift) = .5 / 2 : 1.5
  expect_near(result.effective, {0.25 / 1.75, 1.5 / 1.75});
  expect_near(result.weights, {0.5, 1.5});
  expect_near(result.offset(Numbers{1, 1}), {std::log(1.75 / 0.25), std::log(1.75 / 1.5)}, 1e-14);
  // Row weights q w / n: .25 / 80 and .75 / 20, so 1 / (.25^2 / 80 + .75^2 / 20).
  EXPECT_NEAR(result.effective_sample_size, 1 / (0.0625 / 80 + 0.5625 / 20), 1e-12);
  EXPECT_NEAR(result.variance_inflation, 100 * (0.0625 / 80 + 0.5625 / 20), 1e-12);
}

// Inverse weights by batch size, under a mean by weight: the fewer rows, the less they do.
TEST(Ledger, MeanByWeightWeakensTheWeightsInSmallBatches) {
  Treatment t = treatment(kShares);
  t.weights = inverse(kShares);
  t.mean = MeanKind::kByWeight;
  t.batch_size = 1;
  expect_near(ledger(t).effective, kShares, 1e-12);
  t.batch_size = 8;
  expect_near(ledger(t).effective, {0.53, 0.20, 0.15, 0.09, 0.04}, 0.006);
  t.batch_size = 64;
  expect_near(ledger(t).effective, {0.24, 0.22, 0.21, 0.19, 0.13}, 0.006);
  t.batch_size = 1024;
  expect_near(ledger(t).effective, {0.20, 0.20, 0.20, 0.20, 0.20}, 0.006);
  t.mean = MeanKind::kByCount;
  expect_near(ledger(t).effective, {0.2, 0.2, 0.2, 0.2, 0.2});
}

// Whatever the weights: by batch size. A class that a batch lacks gets nothing of it.
TEST(Ledger, MeanPerClassBalancesInLargeBatches) {
  Treatment t = treatment(kShares);
  t.weights = {1, 2, 3, 4, 5};
  t.mean = MeanKind::kPerClass;
  EXPECT_EQ(error_of([&] { ledger(t); }), "ledger(): batch_size = 0, expected at least 1");
  t.batch_size = 1;
  expect_near(ledger(t).effective, kShares, 1e-12);
  t.batch_size = 8;
  expect_near(ledger(t).effective, {0.69, 0.15, 0.09, 0.05, 0.016}, 0.005);
  t.batch_size = 64;
  expect_near(ledger(t).effective, {0.28, 0.27, 0.23, 0.16, 0.06}, 0.005);
  t.batch_size = 1024;
  expect_near(ledger(t).effective, {0.20, 0.20, 0.20, 0.20, 0.20}, 0.002);
  EXPECT_NEAR(ledger(t).strength.weights, 1, 0.01);
}

// A class whose bucket has no mass does not count in a mean per class.
TEST(Ledger, MeanPerClassLeavesOutWhatWeighsNothing) {
  Treatment t = treatment({50, 30, 20});
  t.weights = {1, 0, 2};
  t.mean = MeanKind::kPerClass;
  t.batch_size = 100'000;
  expect_near(ledger(t).effective, {0.5, 0, 0.5}, 1e-12);
}

TEST(Ledger, StrengthsAreTheExponentsOfPowerPolicies) {
  const ClassCounts counts{5000, 700, 90, 10};
  for (const double tau : {0.0, 0.5, 1.0}) {
    for (const double exponent : {0.0, 0.3, 1.0}) {
      Treatment t;
      t.counts = counts;
      t.weights = class_weights(counts, PowerWeights{.exponent = tau});
      t.mix = mix(counts, TemperatureMix{.exponent = exponent});
      t.logit_terms = logit_terms(counts, LogitAdjustment{.tau = 0.25});
      const Ledger result = ledger(t);
      EXPECT_NEAR(result.strength.weights, tau, 1e-12);
      EXPECT_NEAR(result.strength.sampler, 1 - exponent, 1e-12);
      // Training with + tau log pi makes the raw logits those of a more balanced prior.
      EXPECT_NEAR(result.strength.logit_terms, 0.25, 1e-12);
      EXPECT_EQ(result.corrects_twice(), tau + (1 - exponent) + 0.25 > 1.05) << tau << exponent;
    }
  }
}

TEST(Ledger, ScaleInvariantInMixAndWeights) {
  Treatment t = treatment({70, 20, 10});
  t.mix = {3, 1, 2};
  t.weights = {1, 2, 5};
  const Ledger once = ledger(t);
  for (double& value : t.mix) value *= 1e200;
  for (double& value : t.weights) value *= 1e-200;
  const Ledger scaled = ledger(t);
  expect_near(scaled.effective, once.effective);
  EXPECT_NEAR(scaled.effective_sample_size, once.effective_sample_size, 1e-12);
}

TEST(Ledger, EffectiveSampleSizeNeverExceedsTheRows) {
  const CounterRandom random{11};
  std::uint64_t t = 0;
  for (int round = 0; round < 500; ++round) {
    Numbers counts;
    Treatment treated;
    double rows = 0;
    for (int c = 0; c < 4; ++c) {
      counts.push_back(static_cast<double>(1 + random.below(1000, t++, 2)));
      treated.mix.push_back(random.uniform(t++, 2) + 1e-3);
      treated.weights.push_back(random.uniform(t++, 2) + 1e-3);
      rows += counts.back();
    }
    treated.counts = ClassCounts(counts);
    const Ledger result = ledger(treated);
    EXPECT_LE(result.effective_sample_size, rows * (1 + 1e-12));
    EXPECT_NEAR(result.effective_sample_size * result.variance_inflation, rows, 1e-9);
  }
}

TEST(Ledger, RefusesOffsetsForMarginsAndUnequalScales) {
  Treatment t = treatment({90, 10});
  t.logit_terms = logit_terms(t.counts, LdamMargin{});
  EXPECT_THAT(error_of([&] { return ledger(t).offset(); }),
              HasSubstr("a margin (LDAM) has no logit offset"));
  t.logit_terms = logit_terms(t.counts, VectorScaling{});
  EXPECT_THAT(error_of([&] { return ledger(t).offset(); }),
              HasSubstr("fit_bias_corrected_temperature()"));
  t.logit_terms = logit_terms(t.counts, LogitScale{30});
  EXPECT_NO_THROW(ledger(t).offset());
}

TEST(Ledger, RefusesOffsetsForLabelSmoothing) {
  Treatment t = treatment({90, 10});
  t.label_smoothing = 0.1;
  const std::string reason =
      "label smoothing keeps a floor under every class, which an offset would shift as if it were "
      "evidence: posterior() takes it off first";
  EXPECT_EQ(error_of([&] { ledger(t).offset(); }), "Ledger::offset(): " + reason);
  EXPECT_THAT(report(ledger(t)), HasSubstr("warning: " + reason + "\n"));
  t.label_smoothing = 1.5;
  EXPECT_EQ(error_of([&] { ledger(t); }),
            "ledger(): label_smoothing = 1.5, expected a number in [0, 1]");
}

TEST(Ledger, RefusesToCorrectTwice) {
  Treatment t = treatment({900, 100});
  t.mix = {1, 1};
  EXPECT_NO_THROW(require_single_correction(ledger(t)));
  t.weights = {1, 9};
  EXPECT_EQ(error_of([&] { require_single_correction(ledger(t)); }),
            "require_single_correction(): sampler 1.00 + weights 1.00 + logit terms 0.00 = 2.00 of "
            "the correction that balances the classes, expected at most 1; see split_correction()");
}

TEST(SplitCorrection, MakesTheTargetWhateverTheShare) {
  const ClassCounts counts{800, 150, 50};
  const Numbers target = {0.5, 0.2, 0.3};
  for (const double share : {0.0, 0.3, 0.5, 1.0}) {
    const SplitCorrection split = split_correction(counts, target, share);
    Treatment t;
    t.counts = counts;
    t.mix = split.mix;
    t.weights = split.weights;
    const Ledger result = ledger(t);
    expect_near(result.effective, target);
    double mean = 0;
    for (std::size_t c = 0; c < 3; ++c) mean += split.mix[c] * split.weights[c];
    EXPECT_NEAR(mean, 1, 16 * kEpsilon);
  }
  expect_near(split_correction(counts, target, 0).mix, {0.8, 0.15, 0.05});
  expect_near(split_correction(counts, target, 1).weights, {1, 1, 1});
}

TEST(ResidualWeights, MakeTheTargetOfWhatSamplerAndShiftsDo) {
  const ClassCounts counts{800, 150, 50};
  const Numbers target = {0.5, 0.2, 0.3};
  Treatment t;
  t.counts = counts;
  t.mix = {5, 3, 2};
  t.logit_terms.shift = {-0.3, -1.9, -700};
  t.weights = residual_weights(t.mix, target, t.logit_terms);
  expect_near(ledger(t).effective, target, 1e-12);
}

TEST(ResidualWeights, RefuseTermsThatNoWeightsComplete) {
  const Numbers equal = {1, 1};
  const auto error = [&](const LogitTerms& terms) {
    return error_of([&] { residual_weights(equal, equal, terms); });
  };
  EXPECT_THAT(error({{}, {}, {0.5, 0.1}}), HasSubstr("residual_weights(): a margin (LDAM)"));
  EXPECT_THAT(error({{1, 2}, {}, {}}), HasSubstr("a scale that differs between classes"));
  EXPECT_EQ(error({{30, 30}, {0, 1}, {0, 0}}), "nothing was thrown");
}

TEST(Ledger, ClassesWithoutRowsHaveNoShare) {
  Treatment t = treatment({90, 0, 10});
  const Ledger result = ledger(t);
  expect_near(result.effective, {0.9, 0, 0.1});
  EXPECT_EQ(result.importance[1], 0);
  t.mix = {1, 1, 1};
  EXPECT_EQ(error_of([&] { ledger(t); }),
            "ledger(): mix[1] = 1, expected 0, for no row has this class");
}

TEST(Ledger, RefusesBadInput) {
  EXPECT_EQ(error_of([] { ledger({}); }), "ledger(): sum of counts = 0, expected a positive one");
  Treatment t = treatment({90, 10});
  t.weights = {1, -1};
  EXPECT_EQ(error_of([&] { ledger(t); }),
            "ledger(): weights[1] = -1, expected a finite number >= 0");
  t.weights = {1, 2, 3};
  EXPECT_EQ(error_of([&] { ledger(t); }), "ledger(): weights.size() = 3, expected 2 (classes)");
  t.weights = {1, 2};
  t.mean = MeanKind::kByWeight;
  EXPECT_EQ(error_of([&] { ledger(t); }), "ledger(): batch_size = 0, expected at least 1");
  t.mean = MeanKind::kByCount;
  t.logit_terms.shift = {0, std::nan("")};
  EXPECT_EQ(error_of([&] { ledger(t); }),
            "ledger(): logit_terms.shift[1] = nan, expected a finite number");
  EXPECT_EQ(error_of([] {
              split_correction(ClassCounts{1, 1}, Numbers{1, 1}, 2);
            }),
            "split_correction(): share = 2, expected a number in [0, 1]");
  EXPECT_EQ(error_of([] {
              residual_weights(Numbers{1, 0}, Numbers{1, 1});
            }),
            "residual_weights(): mix[1] = 0, expected a positive mass, for the target has one");
}

TEST(Ledger, ReportsATable) {
  Treatment t = treatment({900, 100});
  t.mix = {1, 1};
  t.weights = {1, 9};
  const std::vector<std::string> names = {"common", "r\u00e4re"};
  EXPECT_EQ(report(ledger(t), names),
            " class     natural       drawn      weight   effective  importance\n"
            "common     0.90000     0.50000       0.200     0.10000       0.111\n"
            "  r\u00e4re     0.10000     0.50000       1.800     0.90000       9.000\n"
            "\n"
            "correction (1 balances the classes): sampler 1.00 + weights 1.00 + logit terms 0.00 = "
            "2.00\n"
            "effective sample size 123, variance x 8.11\n"
            "warning: the imbalance is corrected twice\n"
            "All numbers are nominal: they hold at the minimum of the expected loss.\n");
  EXPECT_THAT(error_of([&] { return report(ledger(t), std::vector<std::string>(3)); }),
              HasSubstr("report(): names.size() = 3, expected 2 (classes)"));
}

}  // namespace
}  // namespace equipoise
