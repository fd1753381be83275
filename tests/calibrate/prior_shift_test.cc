#include "equipoise/calibrate/prior_shift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using ::testing::DoubleEq;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;

TEST(ShiftPrior, ByHand) {
  // Odds 1 : 1 under .5 : .5 become 9 : 1 under .9 : .1, and 1 : 3 become 3 : 1.
  const Numbers p = {0.5, 0.5, 0.25, 0.75};
  const Numbers shifted =
      shift_prior(MatrixView<const double>(p.data(), 2, 2), Numbers{0.5, 0.5}, Numbers{0.9, 0.1});
  EXPECT_THAT(shifted, ElementsAre(DoubleEq(0.9), DoubleEq(0.1), DoubleEq(0.75), DoubleEq(0.25)));
}

TEST(UndoUndersampling, IsTheShiftOfThePrior) {
  EXPECT_DOUBLE_EQ(undo_undersampling(0.5, 0.1), 0.1 / 1.1);
  EXPECT_DOUBLE_EQ(undo_undersampling(1, 0.1), 1);
  EXPECT_EQ(undo_undersampling(0, 0.1), 0);
  EXPECT_DOUBLE_EQ(undo_undersampling(0.3, 1), 0.3);
  // 2 % positives, of whose negatives a fifth was kept.
  const double beta = 0.2;
  const Numbers natural = {0.98, 0.02};
  const Numbers sampled = {0.98 * beta, 0.02};
  for (const double p : {0.01, 0.4, 0.99}) {
    const Numbers row = {1 - p, p};
    EXPECT_NEAR(undo_undersampling(p, beta),
                shift_prior(MatrixView<const double>(row.data(), 1, 2), sampled, natural)[1],
                1e-15);
  }
  EXPECT_EQ(error_of([] { undo_undersampling(0.5, 0); }),
            "undo_undersampling(): beta = 0, expected a number in (0, 1]");
  EXPECT_EQ(error_of([] { undo_undersampling(detail::quiet_nan(), 1); }),
            "undo_undersampling(): sampled_posterior = nan, expected a number in [0, 1]");
}

// Three kinds of rows with known p(x | y): their exact frequencies under a prior, and the
// posteriors under another.
constexpr double kLikelihood[3][3] = {{0.7, 0.2, 0.1}, {0.2, 0.6, 0.2}, {0.1, 0.3, 0.6}};

Numbers posterior_of_kind(std::size_t x, const Numbers& prior) {
  Numbers p;
  double sum = 0;
  for (std::size_t y = 0; y < 3; ++y) {
    p.push_back(prior[y] * kLikelihood[y][x]);
    sum += p.back();
  }
  for (double& value : p) value /= sum;
  return p;
}

TEST(EstimatePrior, FindsTheOneThatMadeTheRows) {
  const Numbers training = {0.8, 0.15, 0.05};
  const Numbers deployment = {0.3, 0.3, 0.4};
  Numbers rows;
  std::size_t size = 0;
  for (std::size_t x = 0; x < 3; ++x) {
    double share = 0;
    for (std::size_t y = 0; y < 3; ++y) share += deployment[y] * kLikelihood[y][x];
    const auto copies = static_cast<std::size_t>(std::lround(share * 1000));
    const Numbers p = posterior_of_kind(x, training);
    for (std::size_t i = 0; i < copies; ++i) rows.insert(rows.end(), p.begin(), p.end());
    size += copies;
  }
  ASSERT_EQ(size, 1000u);
  const EstimatedPrior found =
      estimate_prior(MatrixView<const double>(rows.data(), size, 3), training,
                     {.tolerance = 1e-13, .max_iterations = 100000});
  EXPECT_TRUE(found.converged);
  for (std::size_t y = 0; y < 3; ++y) EXPECT_NEAR(found.prior[y], deployment[y], 1e-9);
  // The likelihood there is higher than at the training prior, where it is zero.
  EXPECT_GT(found.log_likelihood, 0);
}

TEST(EstimatePrior, OneIterationIsTheMeanPosterior) {
  const Numbers rows = {0.9, 0.1, 0.2, 0.8, 0.4, 0.6};
  const EstimatedPrior found = estimate_prior(MatrixView<const double>(rows.data(), 3, 2),
                                              Numbers{1, 1}, {.max_iterations = 1});
  EXPECT_THAT(found.prior, ElementsAre(DoubleEq(0.5), DoubleEq(0.5)));
  EXPECT_EQ(found.iterations, 1u);
}

TEST(EstimatePrior, NeverLowersTheLikelihood) {
  const CounterRandom random{3};
  Numbers rows;
  for (std::uint64_t i = 0; i < 900; ++i) rows.push_back(random.uniform(i, 1));
  const MatrixView<const double> view(rows.data(), 300, 3);
  const Numbers training = {0.5, 0.3, 0.2};
  double last = 0;
  for (std::size_t iterations = 2; iterations < 40; ++iterations) {
    const EstimatedPrior found = estimate_prior(view, training, {.max_iterations = iterations});
    EXPECT_GE(found.log_likelihood, last - 1e-14);
    last = found.log_likelihood;
  }
}

TEST(BlackBoxShift, FindsThePriorFromExactConfusions) {
  // 1000 held-out rows of classes .5 .3 .2, predicted by kind; deployment has .1 .3 .6.
  const double held_out[3] = {500, 300, 200};
  const double deployed[3] = {1000, 3000, 6000};
  std::vector<std::int64_t> targets;
  std::vector<std::int64_t> predictions;
  Numbers unlabelled(3, 0.0);
  for (std::int64_t y = 0; y < 3; ++y) {
    for (std::int64_t x = 0; x < 3; ++x) {
      const double share = kLikelihood[y][x];
      for (long i = 0; i < std::lround(share * held_out[y]); ++i) {
        targets.push_back(y);
        predictions.push_back(x);
      }
      unlabelled[static_cast<std::size_t>(x)] += share * deployed[y];
    }
  }
  ConfusionMatrix matrix(3);
  matrix.add(targets, predictions);
  const BlackBoxShift shift = estimate_black_box_shift(matrix, unlabelled);
  EXPECT_THAT(shift.prior,
              ElementsAre(DoubleNear(0.1, 1e-12), DoubleNear(0.3, 1e-12), DoubleNear(0.6, 1e-12)));
  EXPECT_THAT(shift.ratio,
              ElementsAre(DoubleNear(0.2, 1e-12), DoubleNear(1, 1e-12), DoubleNear(3, 1e-12)));
  EXPECT_GT(shift.condition, 1);
}

// A ratio that noise makes negative becomes 0, and those that are left make a prior again.
TEST(BlackBoxShift, RatiosAreThoseOfAPrior) {
  ConfusionMatrix matrix(2);
  matrix.add(std::vector<int>{0, 0, 0, 0, 1, 1, 1}, std::vector<int>{0, 0, 0, 1, 1, 1, 0});
  const BlackBoxShift shift = estimate_black_box_shift(matrix, Numbers{0, 3});
  EXPECT_THAT(shift.prior, ElementsAre(0, 1));
  EXPECT_THAT(shift.ratio, ElementsAre(0, DoubleEq(7.0 / 3)));
}

TEST(BlackBoxShift, RefusesAClassifierThatConfusesClassesCompletely) {
  ConfusionMatrix matrix(2);
  matrix.add(std::vector<int>{0, 0, 1, 1}, std::vector<int>{0, 1, 0, 1});
  EXPECT_THAT(error_of([&] {
                estimate_black_box_shift(matrix, Numbers{1, 1});
              }),
              HasSubstr("condition of held_out ="));
  ConfusionMatrix absent(2);
  absent.add(std::vector<int>{0, 0}, std::vector<int>{0, 1});
  EXPECT_EQ(error_of([&] {
              estimate_black_box_shift(absent, Numbers{1, 1});
            }),
            "estimate_black_box_shift(): held_out.support[1] = 0, expected > 0");
  EXPECT_EQ(error_of([&] {
              estimate_black_box_shift(matrix, Numbers{1, 1}, detail::quiet_nan());
            }),
            "estimate_black_box_shift(): max_condition = nan, expected a finite number > 0");
}

TEST(PriorShift, RefusesBadProbabilities) {
  const Numbers negative = {0.5, -0.5};
  const Numbers zero = {0, 0};
  const Numbers equal = {1, 1};
  EXPECT_EQ(
      error_of([&] { shift_prior(MatrixView<const double>(negative.data(), 1, 2), equal, equal); }),
      "shift_prior(): probabilities(0, 1) = -0.5, expected a finite number >= 0");
  EXPECT_EQ(error_of([&] { estimate_prior(MatrixView<const double>(zero.data(), 1, 2), equal); }),
            "estimate_prior(): sum of row 0 of probabilities = 0, expected a positive one");
  EXPECT_EQ(error_of([&] { estimate_prior(MatrixView<const double>(zero.data(), 0, 2), equal); }),
            "estimate_prior(): probabilities.rows = 0, expected at least 1");
  EXPECT_EQ(error_of([&] {
              estimate_prior(MatrixView<const double>(equal.data(), 1, 2), equal,
                             {.tolerance = detail::quiet_nan()});
            }),
            "estimate_prior(): options.tolerance = nan, expected a finite number > 0");
}

}  // namespace
}  // namespace equipoise
