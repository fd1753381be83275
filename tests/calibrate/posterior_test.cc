#include "equipoise/calibrate/posterior.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "equipoise/loss/modulator.h"
#include "tests/support/errors.h"

namespace equipoise {
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
    softmax_loss(loss, MatrixView<const double>(rows.data(), 4, 4), targets,
                 MatrixView<double>(gradient.data(), 4, 4), {.sample_weights = shares});
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
    for (const Semantics semantics : {Semantics::kConsistent, Semantics::kTorch}) {
      for (const bool weighted : {false, true}) {
        for (const bool shifted : {false, true}) {
          SoftmaxLoss<M> loss;
          loss.modulator = modulator;
          loss.label_smoothing = smoothing;
          loss.semantics = semantics;
          if (weighted) loss.class_weights = kWeights;
          if (shifted) loss.logit_terms = {{1.2, 1, 0.9, 1.1}, {-0.2, -1, -2, -3}, {}};
          expect_truth(loss, name + (smoothing > 0 ? " smoothed" : "") +
                                 (semantics == Semantics::kTorch ? " torch" : "") +
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

TEST(Posterior, RefusesWhatHasNoInverse) {
  const Numbers z = {1, 2};
  const MatrixView<const double> view(z.data(), 1, 2);
  const Numbers equal = {1, 1};
  SoftmaxLoss<CrossEntropy> loss;
  loss.logit_terms.margin = {0.5, 0.1};
  EXPECT_EQ(error_of([&] { posterior(loss, view, equal, equal); }),
            "posterior(): loss.logit_terms.margin.size() = 2, expected 0: it has no inverse");
  loss.logit_terms = {};
  loss.class_weights = {1, 0};
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, equal); }),
              HasSubstr("loss.class_weights[1] = 0, expected a finite number > 0"));
  loss.class_weights = {};
  loss.label_smoothing = 1;
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, equal); }),
              HasSubstr("loss.label_smoothing = 1, expected a number in [0, 1)"));
  loss.label_smoothing = 0;
  EXPECT_THAT(error_of([&] {
                posterior(loss, view, Numbers{1, 0}, equal);
              }),
              HasSubstr("drawn[1] = 0, expected a finite number > 0"));
  EXPECT_THAT(error_of([&] { posterior(loss, view, equal, Numbers{1}); }),
              HasSubstr("deployment_prior.size() = 1, expected 2 (columns of logits)"));
}

}  // namespace
}  // namespace equipoise
