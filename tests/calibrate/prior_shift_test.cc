#include "equipoise/calibrate/prior_shift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/calibrate/temperature.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise::calibrate {
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

// Weighted training, calibration on validation rows, other rows to find the prior of: what the
// calibrated probabilities carry is the prior of the validation rows, not that of the training.
TEST(EstimatePrior, AfterCalibrationStartsFromThePriorOfTheValidationRows) {
  const Numbers effective = {1.0 / 3, 1.0 / 3, 1.0 / 3};  // of the training, by its weights
  const Numbers validation = {0.8, 0.15, 0.05};
  const Numbers deployment = {0.3, 0.3, 0.4};
  // A row of each kind as the network sees it: overconfident log posteriors under `effective`.
  const auto logits_of = [&](const Numbers& prior, std::vector<std::int64_t>& targets) {
    Numbers logits;
    for (std::size_t x = 0; x < 3; ++x) {
      for (std::size_t y = 0; y < 3; ++y) {
        const double share = prior[y] * kLikelihood[y][x];
        for (std::int64_t i = 0; i < std::lround(1000 * share); ++i) {
          for (const double p : posterior_of_kind(x, effective))
            logits.push_back(1.7 * std::log(p));
          targets.push_back(static_cast<std::int64_t>(y));
        }
      }
    }
    return logits;
  };
  std::vector<std::int64_t> targets;
  std::vector<std::int64_t> unknown;
  const Numbers on_validation = logits_of(validation, targets);
  const Numbers on_test = logits_of(deployment, unknown);
  const auto view = [](const Numbers& numbers) {
    return MatrixView<const double>(numbers.data(), numbers.size() / 3, 3);
  };
  const LogitCalibration calibration = fit_bias_corrected_temperature(view(on_validation), targets);
  ASSERT_TRUE(calibration.converged);
  EXPECT_NEAR(calibration.scale, 1 / 1.7, 1e-6);
  const Numbers probabilities = calibration.probabilities(view(on_test));
  const EstimatePriorOptions options{.tolerance = 1e-12, .max_iterations = 100000};
  const EstimatedPrior found = estimate_prior(view(probabilities), validation, options);
  const EstimatedPrior wrong = estimate_prior(view(probabilities), effective, options);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(found.prior[c], deployment[c], 1e-6);
  EXPECT_GT(std::fabs(wrong.prior[0] - deployment[0]), 0.1);
}

TEST(EstimatePrior, OneIterationIsTheMeanPosterior) {
  const Numbers rows = {0.9, 0.1, 0.2, 0.8, 0.4, 0.6};
  const EstimatedPrior found = estimate_prior(MatrixView<const double>(rows.data(), 3, 2),
                                              Numbers{1, 1}, {.max_iterations = 1});
  EXPECT_THAT(found.prior, ElementsAre(DoubleEq(0.5), DoubleEq(0.5)));
  EXPECT_EQ(found.iterations, 1u);
}

// The likelihood is that of the prior beside it, not of the one before.
TEST(EstimatePrior, SaysTheLikelihoodOfWhatItReturns) {
  const Numbers rows = {0.9, 0.1, 0.3, 0.7, 0.4, 0.6};
  const Numbers training = {0.8, 0.2};
  const MatrixView<const double> view(rows.data(), 3, 2);
  for (const std::size_t iterations : {1u, 2u, 50u}) {
    const EstimatedPrior found = estimate_prior(view, training, {.max_iterations = iterations});
    double expected = 0;
    for (std::size_t r = 0; r < 3; ++r) {
      expected +=
          std::log(rows[2 * r] * found.prior[0] / 0.8 + rows[2 * r + 1] * found.prior[1] / 0.2) / 3;
    }
    EXPECT_NEAR(found.log_likelihood, expected, 1e-14) << iterations;
  }
  EXPECT_NEAR(estimate_prior(view, training, {.max_iterations = 0}).log_likelihood, 0, 1e-15);
}

TEST(EstimatePrior, NeverLowersTheLikelihood) {
  const CounterRandom random{3};
  Numbers rows;
  for (std::uint64_t i = 0; i < 900; ++i) rows.push_back(random.uniform(i, 1));
  const MatrixView<const double> view(rows.data(), 300, 3);
  const Numbers training = {0.5, 0.3, 0.2};
  double last = 0;
  for (std::size_t iterations = 1; iterations < 40; ++iterations) {
    const EstimatedPrior found = estimate_prior(view, training, {.max_iterations = iterations});
    EXPECT_GE(found.log_likelihood, last - 1e-14);
    last = found.log_likelihood;
  }
}

// Adds counts[y][x] rows of class y that were taken for x.
void add_counts(metrics::ConfusionMatrix& matrix, const std::vector<std::vector<int>>& counts) {
  for (std::size_t y = 0; y < counts.size(); ++y) {
    for (std::size_t x = 0; x < counts.size(); ++x) {
      for (int i = 0; i < counts[y][x]; ++i) {
        matrix.add(static_cast<std::int64_t>(y), static_cast<std::int64_t>(x));
      }
    }
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
  metrics::ConfusionMatrix matrix(3);
  matrix.add(targets, predictions);
  const BlackBoxShift shift = estimate_black_box_shift(matrix, unlabelled);
  EXPECT_THAT(shift.prior,
              ElementsAre(DoubleNear(0.1, 1e-12), DoubleNear(0.3, 1e-12), DoubleNear(0.6, 1e-12)));
  EXPECT_THAT(shift.ratio,
              ElementsAre(DoubleNear(0.2, 1e-12), DoubleNear(1, 1e-12), DoubleNear(3, 1e-12)));
  EXPECT_GT(shift.condition, 1);
  EXPECT_GT(shift.signal, 5);
}

// A classifier that nearly guesses: its solution, a prior of (0, 1), is noise.
TEST(BlackBoxShift, RefusesWhatIsNotMoreThanChance) {
  metrics::ConfusionMatrix matrix(2);
  add_counts(matrix, {{500, 500}, {510, 490}});
  const Numbers predictions = {600, 400};
  EXPECT_THAT(
      error_of([&] { estimate_black_box_shift(matrix, predictions); }),
      ::testing::MatchesRegex(
          "estimate_black_box_shift\\(\\): a singular value of held_out = 0\\.00[45][0-9]*, "
          "expected at least 2 times its standard error, 0\\.0112 from 2000 rows: the "
          "classifier hardly tells some classes apart"));
  const BlackBoxShift noise = estimate_black_box_shift(matrix, predictions, 1e6, 0);
  EXPECT_THAT(noise.prior, ElementsAre(0, 1));
  EXPECT_NEAR(noise.signal, 0.45, 0.01);
  // With a hundred times the rows the same shares are evidence.
  metrics::ConfusionMatrix large(2);
  for (int i = 0; i < 100; ++i) large += matrix;
  EXPECT_NEAR(estimate_black_box_shift(large, predictions).signal, 4.5, 0.1);
  EXPECT_EQ(error_of([&] { estimate_black_box_shift(matrix, predictions, 1e6, -1); }),
            "estimate_black_box_shift(): least_signal = -1, expected a finite number >= 0");
}

// The ratio is that of a frequency: m right rows of the rarest class have a standard error of root
// m.
TEST(BlackBoxShift, OfAPerfectClassifierTheSignalIsThatOfTheRarestClass) {
  metrics::ConfusionMatrix matrix(3);
  add_counts(matrix, {{1800, 0, 0}, {0, 180, 0}, {0, 0, 9}});
  const BlackBoxShift shift = estimate_black_box_shift(matrix, Numbers{5, 3, 2});
  EXPECT_NEAR(shift.signal, 3, 0.01);
  EXPECT_THAT(shift.prior,
              ElementsAre(DoubleNear(0.5, 1e-12), DoubleNear(0.3, 1e-12), DoubleNear(0.2, 1e-12)));
  metrics::ConfusionMatrix fewer(3);
  add_counts(fewer, {{1800, 0, 0}, {0, 180, 0}, {0, 0, 3}});
  EXPECT_THAT(error_of([&] {
                estimate_black_box_shift(fewer, Numbers{5, 3, 2});
              }),
              HasSubstr("from 1983 rows"));
  metrics::ConfusionMatrix one(1);
  add_counts(one, {{5}});
  // By its bits: under -ffast-math no number equals infinity.
  EXPECT_EQ(std::bit_cast<std::uint64_t>(estimate_black_box_shift(one, Numbers{2}).signal),
            std::bit_cast<std::uint64_t>(detail::infinity()));
}

TEST(BlackBoxShift, RefusesGuessesAndTakesClassifiers) {
  constexpr int kRounds = 400;
  const CounterRandom random{9};
  std::uint64_t t = 0;
  // Of 2000 rows, a tenth of class 1; `right` of the rows are right, the others guessed.
  const auto refused = [&](double right) {
    int count = 0;
    for (int round = 0; round < kRounds; ++round) {
      metrics::ConfusionMatrix matrix(2);
      for (int i = 0; i < 2000; ++i) {
        const std::int64_t target = random.uniform(t++, 1) < 0.1 ? 1 : 0;
        const std::int64_t guess = random.uniform(t++, 1) < 0.3 ? 1 : 0;
        matrix.add(target, random.uniform(t++, 1) < right ? target : guess);
      }
      count += error_of([&] {
                 estimate_black_box_shift(matrix, Numbers{7, 3});
               }) != "nothing was thrown"
                   ? 1
                   : 0;
    }
    return count / static_cast<double>(kRounds);
  };
  // Guesses have a signal that is normal, at most two in 95 % of the cases; within four standard
  // deviations of such a count.
  EXPECT_NEAR(refused(0), 0.954, 4 * std::sqrt(0.954 * 0.046 / kRounds));
  EXPECT_EQ(refused(0.3), 0);
}

// A ratio that noise makes negative becomes 0, and those that are left make a prior again.
TEST(BlackBoxShift, RatiosAreThoseOfAPrior) {
  metrics::ConfusionMatrix matrix(2);
  add_counts(matrix, {{30, 10}, {10, 20}});
  const BlackBoxShift shift = estimate_black_box_shift(matrix, Numbers{0, 3});
  EXPECT_THAT(shift.prior, ElementsAre(0, 1));
  EXPECT_THAT(shift.ratio, ElementsAre(0, DoubleEq(7.0 / 3)));
}

TEST(BlackBoxShift, RefusesAClassifierThatConfusesClassesCompletely) {
  metrics::ConfusionMatrix matrix(2);
  matrix.add(std::vector<int>{0, 0, 1, 1}, std::vector<int>{0, 1, 0, 1});
  EXPECT_THAT(error_of([&] {
                estimate_black_box_shift(matrix, Numbers{1, 1});
              }),
              HasSubstr("condition of held_out ="));
  metrics::ConfusionMatrix absent(2);
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
}  // namespace equipoise::calibrate
