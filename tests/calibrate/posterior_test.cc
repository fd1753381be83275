#include "equipoise/calibrate/posterior.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/math.h"
#include "equipoise/reduction/group_dro.h"
#include "tests/support/errors.h"

namespace equipoise::calibrate {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;

const Numbers kTruth = {0.62, 0.25, 0.1, 0.03};   // p(c | x) in the data
const Numbers kNatural = {0.7, 0.2, 0.07, 0.03};  // class proportions of the data
const Numbers kDrawn = {0.4, 0.3, 0.2, 0.1};      // and of the batches
const Numbers kWeights = {0.5, 1, 1.5, 4};

// The logits at one x for which the expected loss of rows with classes drawn in proportion to
// kTruth kDrawn / kNatural is least, by gradient descent.
template <class M>
Numbers trained_logits(SoftmaxLoss<M> loss) {
  Numbers shares;
  for (std::size_t c = 0; c < 4; ++c) shares.push_back(kTruth[c] * kDrawn[c] / kNatural[c]);
  double total = 0;
  for (const double share : shares) total += share;
  for (double& share : shares) share /= total;
  loss.logit_terms.margin.clear();
  const std::vector<int> targets = {0, 1, 2, 3};
  Numbers z(4, 0.0);
  Numbers rows(16);
  Numbers gradient(16);
  for (int step = 0; step < 60000; ++step) {
    for (std::size_t i = 0; i < 16; ++i) rows[i] = z[i % 4];
    value_and_gradient(loss, MatrixView<const double>(rows.data(), 4, 4), targets,
                       {.sample_weights = shares}, MatrixView<double>(gradient.data(), 4, 4));
    for (std::size_t i = 0; i < 16; ++i) z[i % 4] -= 4 * gradient[i];
  }
  return z;
}

template <class M>
void expect_truth(const SoftmaxLoss<M>& loss, const std::string& what) {
  const Numbers z = trained_logits(loss);
  const Numbers p = posterior(loss, MatrixView<const double>(z.data(), 1, 4), kDrawn, kNatural);
  for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(p[c], kTruth[c], 1e-6) << what << ' ' << c;
}

template <class M>
void expect_truth_under_all_options(const M& modulator, const std::string& name) {
  for (const double smoothing : {0.0, 0.1}) {
    for (const WeightConvention convention :
         {WeightConvention::kConsistent, WeightConvention::kTorch}) {
      for (const bool weighted : {false, true}) {
        for (const bool shifted : {false, true}) {
          SoftmaxLoss<M> loss;
          loss.modulator = modulator;
          loss.label_smoothing = smoothing;
          loss.convention = convention;
          if (weighted) loss.class_weights = kWeights;
          if (shifted) loss.logit_terms = {{1.2, 1, 0.9, 1.1}, {-0.2, -1, -2, -3}, {}};
          expect_truth(loss, name + (smoothing > 0 ? " smoothed" : "") +
                                 (convention == WeightConvention::kTorch ? " torch" : "") +
                                 (weighted ? " weighted" : "") + (shifted ? " shifted" : ""));
        }
      }
    }
  }
}

TEST(Posterior, InvertsCrossEntropy) { expect_truth_under_all_options(CrossEntropy{}, "ce"); }
TEST(Posterior, InvertsTheFocalLoss) {
  expect_truth_under_all_options(Focal{.gamma = 2}, "focal 2");
  expect_truth_under_all_options(Focal{.gamma = 0.5}, "focal 0.5");
}
TEST(Posterior, InvertsThePolynomialLoss) { expect_truth_under_all_options(poly1(1), "poly1"); }

// Charoenphakdee et al. 2021: p proportional to v / ((1 - v)^g - g (1 - v)^(g - 1) v ln v).
TEST(Posterior, OfTheFocalLossIsThePublishedFormula) {
  SoftmaxLoss<Focal> loss;
  loss.modulator.gamma = 3;
  const Numbers z = {1.5, -0.2, 0.3};
  double total = 0;
  for (const double value : z) total += std::exp(value);
  Numbers expected;
  double sum = 0;
  for (const double value : z) {
    const double v = std::exp(value) / total;
    const double q = 1 - v;
    expected.push_back(v / (std::pow(q, 3) - 3 * q * q * v * std::log(v)));
    sum += expected.back();
  }
  const Numbers equal(3, 1.0);
  const Numbers p = posterior(loss, MatrixView<const double>(z.data(), 1, 3), equal, equal);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(p[c], expected[c] / sum, 1e-14);
}

// Slope -p^s: convex up to s = 1, where it is the mean absolute error, whose minimum is a vertex
// whatever the probabilities are.
struct Tsallis {
  double s;
  template <class T>
  EQUIPOISE_INLINE ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    const T power = math::pow(t.p, s);
    return {(1.0 - power) * (1.0 / s), -power};
  }
};

template <class M>
std::string refusal_of_modulator(const M& modulator) {
  SoftmaxLoss<M> loss;
  loss.modulator = modulator;
  const Numbers z = {3, 0};
  const Numbers equal = {1, 1};
  return error_of([&] { posterior(loss, MatrixView<const double>(z.data(), 1, 2), equal, equal); });
}

TEST(Posterior, RefusesModulatorsWithoutInverse) {
  // At p = .953 the slopes of these are positive, which once came out as certainty.
  EXPECT_THAT(refusal_of_modulator(SelfAdjustingDice{}),
              HasSubstr("posterior(): -slope of loss.modulator at p = 0.5 = 0, expected a positive "
                        "number: the modulator has no inverse"));
  EXPECT_THAT(refusal_of_modulator(poly1(-2)), HasSubstr("posterior(): -slope of loss.modulator"));
  EXPECT_THAT(refusal_of_modulator(poly1(-1.0001)), HasSubstr("-slope of loss.modulator"));
  EXPECT_THAT(refusal_of_modulator(Tsallis{1}), HasSubstr("posterior(): p / -slope of"));
  EXPECT_THAT(refusal_of_modulator(Tsallis{1.5}), HasSubstr("expected more than at a smaller p"));
  for (const double gamma : {0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 20.0, 100.0}) {
    EXPECT_EQ(refusal_of_modulator(Focal{gamma}), "nothing was thrown") << gamma;
    EXPECT_EQ(refusal_of_modulator(poly1(Focal{gamma})), "nothing was thrown") << gamma;
  }
  for (const double epsilon : {-1.0, -0.5, 0.0, 3.0, 100.0}) {
    EXPECT_EQ(refusal_of_modulator(poly1(epsilon)), "nothing was thrown") << epsilon;
  }
  for (const double s : {0.01, 0.5, 0.9, 0.99}) {
    EXPECT_EQ(refusal_of_modulator(Tsallis{s}), "nothing was thrown") << s;
  }
}
TEST(Posterior, InvertsAModulatorOfAUser) {
  expect_truth_under_all_options(Tsallis{0.5}, "Tsallis");
}

TEST(Posterior, StaysFiniteAtTheEdges) {
  SoftmaxLoss<Focal> loss;
  loss.label_smoothing = 0.1;
  const std::vector<float> z = {200, 0, -200, 0, 0, 0, -1e30F, 1e30F, 0};
  const Numbers equal(3, 1.0);
  const Numbers p = posterior(loss, MatrixView<const float>(z.data(), 3, 3), equal, equal);
  EXPECT_NEAR(p[0], 1, 1e-12);
  EXPECT_NEAR(p[3], 1.0 / 3, 1e-15);
  EXPECT_NEAR(p[7], 1, 1e-12);
  for (const double value : p) EXPECT_TRUE(value >= 0 && value <= 1 + 1e-15);
}

// A table p(x | c) with two values x, of which the model has a row of logits each.
constexpr double kTable[3][2] = {{0.8, 0.2}, {0.5, 0.5}, {0.1, 0.9}};
const Numbers kPrior = {0.6, 0.3, 0.1};
const Numbers kShares = {0.4, 0.35, 0.25};

void expect_truth_of_table(const Numbers& p) {
  for (std::size_t x = 0; x < 2; ++x) {
    double sum = 0;
    for (std::size_t c = 0; c < 3; ++c) sum += kPrior[c] * kTable[c][x];
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_NEAR(p[3 * x + c], kPrior[c] * kTable[c][x] / sum, 1e-6) << x << ' ' << c;
    }
  }
}

// The logits for which the sum over batches, each with its probability, of the loss is least.
struct Batch {
  double probability;
  std::vector<std::size_t> values;  // x of each row
  std::vector<int> targets;
  Numbers sample_weights{};
};
template <class R>
Numbers trained_logits(const SoftmaxLoss<CrossEntropy, R>& loss, const std::vector<Batch>& batches,
                       int steps) {
  Numbers z(6, 0.0);
  for (int step = 0; step < steps; ++step) {
    Numbers slope(6, 0.0);
    for (const Batch& batch : batches) {
      const std::size_t size = batch.targets.size();
      Numbers rows;
      for (const std::size_t x : batch.values) rows.insert(rows.end(), &z[3 * x], &z[3 * x] + 3);
      Numbers gradient(rows.size());
      value_and_gradient(loss, MatrixView<const double>(rows.data(), size, 3), batch.targets,
                         {.sample_weights = batch.sample_weights},
                         MatrixView<double>(gradient.data(), size, 3));
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        slope[3 * batch.values[i / 3] + i % 3] += batch.probability * gradient[i];
      }
    }
    for (std::size_t i = 0; i < 6; ++i) z[i] -= 2 * slope[i];
  }
  return z;
}

TEST(Posterior, InvertsAMeanPerClass) {
  for (const double smoothing : {0.0, 0.1}) {
    for (const WeightConvention convention :
         {WeightConvention::kConsistent, WeightConvention::kTorch}) {
      SoftmaxLoss<CrossEntropy, MeanPerClass> loss;
      loss.reduction.classes = 3;
      loss.class_weights = {0.5, 1, 2};
      loss.label_smoothing = smoothing;
      loss.convention = convention;
      // All rows in one batch.
      Batch all{1, {}, {}};
      for (std::size_t x = 0; x < 2; ++x) {
        for (std::size_t c = 0; c < 3; ++c) {
          all.values.push_back(x);
          all.targets.push_back(static_cast<int>(c));
          all.sample_weights.push_back(kShares[c] * kTable[c][x]);
        }
      }
      const Numbers z = trained_logits(loss, {all}, 20000);
      expect_truth_of_table(
          posterior(loss, MatrixView<const double>(z.data(), 2, 3), kShares, kPrior, 1'000'000));
    }
  }
}

// In small batches a rare class is mostly missing, and gets nothing then.
TEST(Posterior, InvertsAMeanPerClassAtItsBatchSize) {
  SoftmaxLoss<CrossEntropy, MeanPerClass> loss;
  loss.reduction.classes = 3;
  std::vector<Batch> batches;
  for (std::size_t three = 0; three < 216; ++three) {
    Batch batch{1, {}, {}};
    for (const std::size_t row : {three % 6, three / 6 % 6, three / 36}) {
      batch.probability *= kShares[row % 3] * kTable[row % 3][row / 3];
      batch.values.push_back(row / 3);
      batch.targets.push_back(static_cast<int>(row % 3));
    }
    batches.push_back(batch);
  }
  const Numbers z = trained_logits(loss, batches, 1000);
  const MatrixView<const double> view(z.data(), 2, 3);
  expect_truth_of_table(posterior(loss, view, kShares, kPrior, 3));
  EXPECT_EQ(error_of([&] { posterior(loss, view, kShares, kPrior); }),
            "posterior(): batch_size = 0, expected at least 1");
}

// In batches of two rows weights do less than they say.
TEST(Posterior, InvertsAMeanByWeightAtItsBatchSize) {
  for (const double smoothing : {0.0, 0.1}) {
    for (const WeightConvention convention :
         {WeightConvention::kConsistent, WeightConvention::kTorch}) {
      SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
      loss.class_weights = {0.5, 1, 20};
      loss.label_smoothing = smoothing;
      loss.convention = convention;
      std::vector<Batch> batches;
      for (std::size_t pair = 0; pair < 36; ++pair) {
        Batch batch{1, {}, {}};
        for (const std::size_t row : {pair % 6, pair / 6}) {
          batch.probability *= kShares[row % 3] * kTable[row % 3][row / 3];
          batch.values.push_back(row / 3);
          batch.targets.push_back(static_cast<int>(row % 3));
        }
        batches.push_back(batch);
      }
      const Numbers z = trained_logits(loss, batches, 4000);
      const MatrixView<const double> view(z.data(), 2, 3);
      expect_truth_of_table(posterior(loss, view, kShares, kPrior, 2));
      EXPECT_EQ(error_of([&] { posterior(loss, view, kShares, kPrior); }),
                "posterior(): batch_size = 0, expected at least 1");
    }
  }
}

template <class Loss>
std::string refusal(const Loss& loss) {
  const Numbers z = {1, 2};
  const Numbers equal = {1, 1};
  return error_of([&] { posterior(loss, MatrixView<const double>(z.data(), 1, 2), equal, equal); });
}

struct HalfMean : MeanByCount {};

TEST(Posterior, RefusesWhatTheLedgerRefuses) {
  SoftmaxLoss<> groups;
  groups.group_weights = {1, 100};
  EXPECT_THAT(refusal(groups), HasSubstr("posterior(): a treatment by group"));
  SoftmaxLoss<> costs;
  costs.pair_shift.values = {0, 1, 2, 0};
  EXPECT_THAT(refusal(costs), HasSubstr("posterior(): a shift by pair of classes"));
  EXPECT_THAT(refusal(SoftmaxLoss<CrossEntropy, MeanPerGroup>{{}, {2}}),
              HasSubstr("posterior(): a treatment by group"));
  EXPECT_THAT(refusal(SoftmaxLoss<CrossEntropy, GroupDro>{{}, {2}}),
              HasSubstr("posterior(): a treatment by group"));
  EXPECT_THAT(refusal(SoftmaxLoss<CrossEntropy, HalfMean>()),
              HasSubstr("posterior(): a reduction that the ledger does not know"));
  EXPECT_EQ(refusal(SoftmaxLoss<CrossEntropy, MeanByWeight>()), "nothing was thrown");
}

TEST(Posterior, OfALogitOfMinusInfinityIsZero) {
  const double infinity = detail::infinity();
  const Numbers equal(3, 1.0);
  SoftmaxLoss<Focal> loss;
  loss.logit_terms.scale = {2, 2, 2};
  Numbers z = {1, -infinity, 0.5, -infinity, -infinity, 4};
  const MatrixView<const double> view(z.data(), 2, 3);
  const Numbers p = posterior(loss, view, equal, equal);
  loss.logit_terms.scale = {2, 2};
  const Numbers two =
      posterior(loss, MatrixView<const double>(z.data(), 1, 2, 3, 2), Numbers{1, 1}, Numbers{1, 1});
  loss.logit_terms.scale = {2, 2, 2};
  EXPECT_EQ(p[1], 0);
  EXPECT_NEAR(p[0], two[0], 1e-15);
  EXPECT_NEAR(p[2], two[1], 1e-15);
  EXPECT_EQ(p[5], 1);
  z[0] = infinity;
  EXPECT_EQ(error_of([&] { posterior(loss, view, equal, equal); }),
            "posterior(): logits(0, 0) = inf, expected a number below infinity");
  z[0] = detail::quiet_nan();
  EXPECT_EQ(error_of([&] { posterior(loss, view, equal, equal); }),
            "posterior(): logits(0, 0) = nan, expected a number below infinity");
  z[0] = 1;
  z[5] = -infinity;
  EXPECT_EQ(error_of([&] { posterior(loss, view, equal, equal); }),
            "posterior(): largest of row 1 of logits = -inf, expected a finite number");
}

TEST(Posterior, RefusesWhatHasNoInverse) {
  const Numbers z = {1, 2};
  const MatrixView<const double> view(z.data(), 1, 2);
  const Numbers equal = {1, 1};
  SoftmaxLoss<CrossEntropy> loss;
  loss.logit_terms.margin = {0.5, 0.1};
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, equal); }),
              HasSubstr("posterior(): a margin (LDAM) has no logit offset"));
  loss.logit_terms = {{1, 0}, {}, {}};
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, equal); }),
              HasSubstr("loss.logit_terms.scale[1] = 0, expected a finite number > 0"));
  loss.logit_terms = {};
  loss.class_weights = {1, 0};
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, equal); }),
              HasSubstr("loss.class_weights[1] = 0, expected a finite number > 0"));
  loss.class_weights = {};
  loss.label_smoothing = 1;
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, equal); }),
              HasSubstr("loss.label_smoothing = 1, expected a number in [0, 1)"));
  loss.label_smoothing = detail::quiet_nan();
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, equal); }),
              HasSubstr("loss.label_smoothing = nan, expected a number in [0, 1)"));
  loss.label_smoothing = 0;
  EXPECT_THAT(error_of([&] {
                posterior(loss, view, Numbers{1, 0}, equal);
              }),
              HasSubstr("drawn[1] = 0, expected a finite number > 0"));
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, Numbers{1}); }),
              HasSubstr("deployment_prior.size() = 1, expected 2 (columns of logits)"));
}

}  // namespace
}  // namespace equipoise::calibrate
