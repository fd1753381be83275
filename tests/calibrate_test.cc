#include "equipoise/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
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
  const std::vector<double> logits = {1, 3, 3, -1, -INFINITY, -1};
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
  const auto macro_f1 = [](const ConfusionMatrix& m) { return m.macro_f1(); };
  const PosthocTau best = choose_tau(view(logits, 2), targets, prior, taus, macro_f1);
  EXPECT_EQ(best.tau, 1.0);  // 1.5 does as well and comes later
  EXPECT_EQ(best.score, 1.0);
  // What it promises is what predict() does.
  const std::vector<double> offset = {-best.tau * std::log(0.9), -best.tau * std::log(0.1)};
  EXPECT_EQ(predict(view(logits, 2), offset), (std::vector<std::int64_t>{1, 1, 0, 0}));
}

TEST(CalibrateErrors, NameWhatIsWrong) {
  const std::vector<double> logits = {0, 1, 2, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<double> prior = {1, 0};
  const std::vector<double> uniform = {1, 1};
  const auto metric = [](const ConfusionMatrix& m) { return m.accuracy(); };
  EXPECT_EQ(error_of([&] { predict(view(logits, 2)); }),
            "predict(): logits(1, 1) = nan, expected a number");
  EXPECT_EQ(error_of([&] {
              predict(view({1, 2}, 2), std::vector<double>{1});
            }),
            "predict(): offset.size() = 1, expected 2 (columns of logits)");
  EXPECT_EQ(error_of([&] { logit_offset(uniform, prior); }),
            "logit_offset(): deployment_prior[1] = 0, expected a finite number > 0");
  EXPECT_EQ(error_of([&] {
              choose_tau(view({1, 2}, 2), std::vector<int>{0}, uniform, {}, metric);
            }),
            "choose_tau(): taus.size() = 0, expected at least 1");
  EXPECT_EQ(error_of([&] {
              choose_tau(view(logits, 2), std::vector<int>{0, 1}, uniform, uniform, metric);
            }),
            "choose_tau(): logits(1, 1) = nan, expected a number");
}

}  // namespace
}  // namespace equipoise
