#include "equipoise/calibrate/logit_offset.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::calibrate {
namespace {

using testing::error_of;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

MatrixView<const double> view(const std::vector<double>& logits, std::size_t classes) {
  return {logits.data(), logits.size() / classes, classes};
}

// Two Gaussians of unit variance at -1 and 1: the posterior under any prior is known. The logits of
// one prior plus the offset are the logits of the other.
TEST(LogitOffset, TurnsOnePosteriorIntoTheOther) {
  const std::vector<double> training = {0.9, 0.1};
  const std::vector<double> deployment = {0.3, 0.7};
  const std::vector<double> offset = logit_offset(training, deployment);
  for (double x = -3; x < 3; x += 0.25) {
    const auto posterior = [x](const std::vector<double>& prior) {
      const double a = prior[0] * std::exp(-0.5 * (x + 1) * (x + 1));
      const double b = prior[1] * std::exp(-0.5 * (x - 1) * (x - 1));
      return b / (a + b);
    };
    const double z0 = std::log(1 - posterior(training)) + offset[0];
    const double z1 = std::log(posterior(training)) + offset[1];
    EXPECT_NEAR(1 / (1 + std::exp(z0 - z1)), posterior(deployment), 20 * kEpsilon);
  }
  for (const double x : logit_offset(training, training)) EXPECT_EQ(x, 0.0);
}

TEST(Predict, TakesTheLargestAndAmongEqualsTheFirst) {
  const std::vector<double> logits = {1, 3, 3, -1, -detail::infinity(), -1};
  EXPECT_EQ(predict(view(logits, 3)), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(predict(view(logits, 3), std::vector<double>{0, 0, 0.5}),
            (std::vector<std::int64_t>{2, 2}));
  EXPECT_TRUE(predict(MatrixView<const double>(nullptr, 0, 3)).empty());
}

// Rows of a rare class lie between: corrected by tau log 9 or more they are found.
TEST(ChooseTau, FindsTheStrengthThatTheMetricWants) {
  const std::vector<double> prior = {0.9, 0.1};
  const double needed = std::log(9.0);
  const std::vector<double> logits = {needed * 0.8, 0, needed * 0.9, 0,
                                      needed * 2,   0, needed * 2,   0};
  const std::vector<int> targets = {1, 1, 0, 0};
  const std::vector<double> taus = {0, 0.5, 1, 1.5, 2.5};
  const auto macro_f1 = [](const metrics::ConfusionMatrix& m) { return m.macro_f1(); };
  const PosthocTau best = choose_tau(view(logits, 2), targets, prior, taus, macro_f1);
  EXPECT_EQ(best.tau, 1.0);  // 1.5 does as well and comes later
  EXPECT_EQ(best.score, 1.0);
  // What it promises is what predict() does.
  const std::vector<double> offset = posthoc_offset(prior, best.tau);
  EXPECT_EQ(predict(view(logits, 2), offset), (std::vector<std::int64_t>{1, 1, 0, 0}));
}

TEST(PosthocOffset, IsMinusTauLogPrior) {
  const std::vector<double> prior = {0.9, 0.1, 1};
  const std::vector<double> half = posthoc_offset(prior, 0.5);
  // The whole of it is the offset to a uniform prior.
  const std::vector<double> whole = posthoc_offset(prior, 1);
  const std::vector<double> to_uniform = logit_offset(prior, std::vector<double>(3, 1.0));
  ASSERT_EQ(half.size(), 3U);
  ASSERT_EQ(whole.size(), 3U);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_DOUBLE_EQ(half[c], -0.5 * std::log(prior[c]));
    EXPECT_DOUBLE_EQ(whole[c], to_uniform[c]);
  }
  for (const double x : posthoc_offset(prior, 0)) EXPECT_EQ(x, 0.0);
  EXPECT_TRUE(posthoc_offset({}, 1).empty());
  // Counts shift all logits alike.
  const std::vector<double> counts = {90, 10};
  const std::vector<double> of_counts = posthoc_offset(counts, 0.5);
  EXPECT_NEAR(of_counts[1] - of_counts[0], 0.5 * std::log(9.0), 1e-15);
}

// Rows that the correction brings near a tie.
TEST(PosthocOffset, GivesThePredictionsThatChooseTauScored) {
  const std::vector<double> prior = {70, 20, 30, 0.5, 29.5};
  const std::size_t classes = prior.size();
  std::mt19937_64 random(7);
  std::normal_distribution<double> noise(0, 0.1);
  for (const double tau : {0.25, 0.5, 1.0, 1.5}) {
    std::vector<double> logits;
    std::vector<std::int64_t> targets;
    for (std::size_t i = 0; i < 200 * classes; ++i) {
      logits.push_back(tau * std::log(prior[i % classes]) + noise(random));
      if (i % classes == 0) targets.push_back(static_cast<std::int64_t>(random() % classes));
    }
    metrics::ConfusionMatrix scored(classes);
    const std::vector<double> taus = {tau};
    choose_tau(view(logits, classes), targets, prior, taus,
               [&](const metrics::ConfusionMatrix& matrix) {
                 scored = matrix;
                 return 0.0;
               });
    metrics::ConfusionMatrix predicted(classes);
    predicted.add(targets, predict(view(logits, classes), posthoc_offset(prior, tau)));
    for (std::size_t t = 0; t < classes; ++t) {
      for (std::size_t p = 0; p < classes; ++p) {
        EXPECT_EQ(predicted.count(t, p), scored.count(t, p)) << tau << ' ' << t << ' ' << p;
      }
    }
  }
}

TEST(ChooseTau, PrefersTheSmallestOfEquals) {
  const std::vector<double> logits = {5, 0, 0, 5};
  const std::vector<int> targets = {0, 1};
  const std::vector<double> prior = {3, 1};
  const auto accuracy = [](const metrics::ConfusionMatrix& m) { return m.accuracy(); };
  for (const std::vector<double>& taus :
       {std::vector<double>{1, 0.5, 0, 2}, std::vector<double>{0, 0.5, 1, 2}}) {
    EXPECT_EQ(choose_tau(view(logits, 2), targets, prior, taus, accuracy).tau, 0.0);
  }
}

// Random logits, the definition again: masses that do not sum to one, strides, floats, ignored
// rows.
TEST(ChooseTau, EqualsANaiveSearch) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  for (int repeat = 0; repeat < 100; ++repeat) {
    constexpr std::size_t kRows = 30;
    constexpr std::size_t kClasses = 4;
    std::vector<float> columns(kRows * kClasses);  // column-major
    for (float& z : columns) z = normal(random);
    MatrixView<float> logits(columns.data(), kRows, kClasses, 1, kRows);
    std::vector<std::int32_t> targets(kRows);
    for (std::int32_t& y : targets) y = static_cast<std::int32_t>(random() % 5) - 1;
    const std::vector<double> prior = {40, 20, 5, 1};
    const std::vector<double> taus = {0, 0.25, 0.5, 1, 2};
    const auto recall = [](const metrics::ConfusionMatrix& m) { return m.balanced_accuracy(); };
    const PosthocTau best = choose_tau(logits, targets, prior, taus, recall, -1);

    PosthocTau expected{0, -1};
    for (const double tau : taus) {
      metrics::ConfusionMatrix m(kClasses);
      for (std::size_t r = 0; r < kRows; ++r) {
        std::size_t predicted = 0;
        const auto score = [&](std::size_t c) {
          return static_cast<double>(columns[c * kRows + r]) - tau * std::log(prior[c]);
        };
        for (std::size_t c = 1; c < kClasses; ++c)
          predicted = score(c) > score(predicted) ? c : predicted;
        if (targets[r] >= 0) m.add(targets[r], static_cast<std::int64_t>(predicted));
      }
      if (m.balanced_accuracy() > expected.score) expected = {tau, m.balanced_accuracy()};
    }
    EXPECT_EQ(best.tau, expected.tau);
    EXPECT_EQ(best.score, expected.score);
  }
}

TEST(LogitOffset, DoesNotDependOnTheScaleOfAPrior) {
  const std::vector<double> counts = {90, 9, 1};
  const std::vector<double> shares = {0.9, 0.09, 0.01};
  const std::vector<double> offset = logit_offset(counts, shares);
  for (const double x : offset) EXPECT_NEAR(x, offset[0], 8 * kEpsilon);
}

TEST(CalibrateErrors, NameWhatIsWrong) {
  const std::vector<double> logits = {0, 1, 2, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<double> prior = {1, 0};
  const std::vector<double> uniform = {1, 1};
  const auto metric = [](const metrics::ConfusionMatrix& m) { return m.accuracy(); };
  EXPECT_EQ(error_of([&] { predict(view(logits, 2)); }),
            "predict(): logits(1, 1) = nan, expected a number");
  EXPECT_EQ(error_of([&] {
              predict(view({1, 2}, 2), std::vector<double>{1});
            }),
            "predict(): offset.size() = 1, expected 2 (columns of logits)");
  EXPECT_EQ(error_of([&] { logit_offset(uniform, prior); }),
            "logit_offset(): deployment_prior[1] = 0, expected a finite number > 0");
  EXPECT_EQ(error_of([&] { posthoc_offset(prior, 1); }),
            "posthoc_offset(): prior[1] = 0, expected a finite number > 0");
  EXPECT_EQ(error_of([&] { posthoc_offset(uniform, std::numeric_limits<double>::infinity()); }),
            "posthoc_offset(): tau = inf, expected a finite number");
  EXPECT_EQ(error_of([&] {
              choose_tau(view({1, 2}, 2), std::vector<int>{0}, uniform, {}, metric);
            }),
            "choose_tau(): taus.size() = 0, expected at least 1");
  EXPECT_EQ(error_of([&] {
              choose_tau(view(logits, 2), std::vector<int>{0, 1}, uniform, uniform, metric);
            }),
            "choose_tau(): logits(1, 1) = nan, expected a number");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto choose = [&](const std::vector<int>& targets, const std::vector<double>& of,
                          const std::vector<double>& taus, const auto& score) {
    const std::vector<double> numbers = {0, 1, 2, 3};
    return error_of([&] { choose_tau(view(numbers, 2), targets, of, taus, score); });
  };
  EXPECT_EQ(choose({0}, uniform, {0}, metric),
            "choose_tau(): targets.size() = 1, expected 2 (rows of logits)");
  EXPECT_EQ(choose({0, 1}, {1}, {0}, metric),
            "choose_tau(): prior.size() = 1, expected 2 (columns of logits)");
  EXPECT_EQ(choose({0, 1}, prior, {0}, metric),
            "choose_tau(): prior[1] = 0, expected a finite number > 0");
  EXPECT_EQ(choose({0, 1}, uniform, {0, nan}, metric),
            "choose_tau(): taus[1] = nan, expected a finite number");
  EXPECT_EQ(choose({0, 2}, uniform, {0}, metric),
            "ConfusionMatrix::add(): targets[1] = 2, expected a class in [0, 2)");
  EXPECT_EQ(choose({0, 1}, uniform, {0.5}, [nan](const metrics::ConfusionMatrix&) { return nan; }),
            "choose_tau(): score of tau 0.5 = nan, expected a number");
  EXPECT_EQ(error_of([&] { logit_offset(uniform, {}); }),
            "logit_offset(): deployment_prior.size() = 0, expected 2 (classes of training_prior)");
  EXPECT_EQ(error_of([&] { predict(MatrixView<const double>(logits.data(), 4, 0)); }),
            "predict(): logits.cols = 0, expected at least 1");
}

}  // namespace
}  // namespace equipoise::calibrate
