#include "equipoise/calibrate/temperature.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise::calibrate {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Numbers = std::vector<double>;

// Rows with logits u from a normal-like distribution, and targets drawn from softmax(u).
struct Rows {
  std::size_t classes;
  Numbers logits{};
  std::vector<std::int64_t> targets{};

  MatrixView<const double> view() const { return {logits.data(), targets.size(), classes}; }
};

Rows calibrated_rows(std::size_t rows, std::size_t classes, std::uint64_t seed, double spread = 3) {
  const CounterRandom random{seed};
  std::uint64_t t = 0;
  Rows result{classes};
  for (std::size_t r = 0; r < rows; ++r) {
    Numbers p;
    double total = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      const double u = spread * (random.uniform(t, 1) + random.uniform(t + 1, 1) +
                                 random.uniform(t + 2, 1) - 1.5);
      t += 3;
      result.logits.push_back(u);
      p.push_back(std::exp(u));
      total += p.back();
    }
    double rest = random.uniform(t++, 1) * total;
    std::int64_t y = 0;
    while (rest >= p[static_cast<std::size_t>(y)] && y + 1 < static_cast<std::int64_t>(classes)) {
      rest -= p[static_cast<std::size_t>(y++)];
    }
    result.targets.push_back(y);
  }
  return result;
}

double negative_log_likelihood(const Rows& rows, double scale, const Numbers& bias) {
  double sum = 0;
  for (std::size_t r = 0; r < rows.targets.size(); ++r) {
    double total = 0;
    double of_target = 0;
    for (std::size_t c = 0; c < rows.classes; ++c) {
      const double u = scale * rows.logits[r * rows.classes + c] + (bias.empty() ? 0 : bias[c]);
      total += std::exp(u);
      if (static_cast<std::size_t>(rows.targets[r]) == c) of_target = u;
    }
    sum += std::log(total) - of_target;
  }
  return sum / static_cast<double>(rows.targets.size());
}

// Two rows of logits (1, 0), of which k of n are of class 0: softmax gives k / n where
// a = log(k / (n - k)).
TEST(FitTemperature, ByHand) {
  const Numbers logits = {1, 0, 1, 0, 1, 0, 1, 0};
  const std::vector<int> targets = {0, 0, 0, 1};
  const LogitCalibration fitted =
      fit_temperature(MatrixView<const double>(logits.data(), 4, 2), targets);
  EXPECT_TRUE(fitted.converged);
  EXPECT_NEAR(fitted.scale, std::log(3.0), 1e-12);
  EXPECT_NEAR(fitted.temperature(), 1 / std::log(3.0), 1e-12);
  EXPECT_NEAR(fitted.nll, -0.75 * std::log(0.75) - 0.25 * std::log(0.25), 1e-14);
  EXPECT_NEAR(fitted.probabilities(MatrixView<const double>(logits.data(), 1, 2))[0], 0.75, 1e-12);
}

TEST(FitTemperature, RecoversTheScaleOfCalibratedRows) {
  Rows rows = calibrated_rows(20000, 4, 1);
  for (double& z : rows.logits) z *= 2.5;
  const LogitCalibration fitted = fit_temperature(rows.view(), rows.targets);
  EXPECT_TRUE(fitted.converged);
  // Four standard errors of the scale, 1 / sqrt(N x variance of the logits under p) at most.
  EXPECT_NEAR(fitted.scale * 2.5, 1, 0.05);
  EXPECT_LT(fitted.nll, fitted.nll_before);
  EXPECT_NEAR(fitted.nll, negative_log_likelihood(rows, fitted.scale, {}), 1e-12);
  // No other scale is better.
  for (const double factor : {0.99, 0.999, 1.001, 1.01}) {
    EXPECT_GT(negative_log_likelihood(rows, fitted.scale * factor, {}), fitted.nll);
  }
}

TEST(FitBiasCorrectedTemperature, FindsAStationaryPointAndCentresTheBias) {
  Rows rows = calibrated_rows(5000, 5, 2);
  const Numbers shift = {1, -1, 0.5, 2, -2.5};
  for (std::size_t i = 0; i < rows.logits.size(); ++i) {
    rows.logits[i] = 3 * (rows.logits[i] - shift[i % 5]);
  }
  const LogitCalibration fitted = fit_bias_corrected_temperature(rows.view(), rows.targets);
  ASSERT_TRUE(fitted.converged);
  EXPECT_NEAR(fitted.scale * 3, 1, 0.1);
  double sum = 0;
  for (std::size_t c = 0; c < 5; ++c) {
    EXPECT_NEAR(fitted.bias[c], shift[c], 0.25);
    sum += fitted.bias[c];
  }
  EXPECT_NEAR(sum, 0, 1e-12);
  EXPECT_NEAR(fitted.nll, negative_log_likelihood(rows, fitted.scale, fitted.bias), 1e-12);
  // At the optimum the mean probability of each class is its share (the gradient in its bias).
  const Numbers p = fitted.probabilities(rows.view());
  for (std::size_t c = 0; c < 5; ++c) {
    double difference = 0;
    for (std::size_t r = 0; r < rows.targets.size(); ++r) {
      difference += p[r * 5 + c] - (static_cast<std::size_t>(rows.targets[r]) == c ? 1 : 0);
    }
    EXPECT_NEAR(difference / 5000, 0, 1e-8);
  }
}

TEST(FitTemperature, LeavesIgnoredRowsOut) {
  Rows rows = calibrated_rows(500, 3, 3);
  const LogitCalibration whole = fit_temperature(rows.view(), rows.targets);
  for (int i = 0; i < 30; ++i) {
    rows.logits.push_back(50 * i);
    if (i % 3 == 0) rows.targets.push_back(-100);
  }
  const LogitCalibration with_ignored = fit_temperature(rows.view(), rows.targets, -100);
  EXPECT_EQ(with_ignored.scale, whole.scale);
  EXPECT_EQ(with_ignored.nll, whole.nll);
}

TEST(FitTemperature, SaysThatSeparableRowsHaveNoOptimum) {
  const Numbers logits = {1, 0, 0, 1, 2, 0};
  const std::vector<int> targets = {0, 1, 0};
  const MatrixView<const double> view(logits.data(), 3, 2);
  EXPECT_FALSE(fit_temperature(view, targets).converged);
  const FittedOffset fitted = fit_offset(view, targets, Numbers{1, -1});
  EXPECT_FALSE(fitted.converged);
  EXPECT_THAT(fitted.warnings[0], HasSubstr("no maximum within reach"));
  EXPECT_EQ(fitted.share.upper, std::numeric_limits<double>::infinity());
}

// Rows that are mostly of the class with the lower logit: the likeliest scale would turn every
// decision round.
TEST(FitTemperature, StaysPositive) {
  const Numbers logits = {5, 0, 0, 5, 4, 1, 1, 4, 0, 5};
  const MatrixView<const double> view(logits.data(), 5, 2);
  const LogitCalibration fitted = fit_temperature(view, std::vector<int>{1, 0, 1, 0, 1});
  EXPECT_FALSE(fitted.converged);
  EXPECT_GT(fitted.scale, 0);
  EXPECT_NEAR(fitted.nll, std::log(2.0), 1e-4);
  EXPECT_LT(fitted.nll, fitted.nll_before);
  const LogitCalibration biased =
      fit_bias_corrected_temperature(view, std::vector<int>{1, 0, 1, 0, 1});
  EXPECT_FALSE(biased.converged);
  EXPECT_GT(biased.scale, 0);
  const FittedOffset offset = fit_offset(view, std::vector<int>{1, 0, 1, 0, 1}, Numbers{1, -1});
  EXPECT_FALSE(offset.converged);
  EXPECT_GT(offset.temperature, 0);
  EXPECT_THAT(offset.warnings[0], HasSubstr("rank the classes the wrong way round"));
}

TEST(LogitCalibration, GivesProbabilitiesOfLogitsThatRuleClassesOut) {
  const Numbers logits = {1, -detail::infinity(), 1, detail::infinity(), 0, 0};
  LogitCalibration calibration;
  calibration.scale = 2;
  calibration.bias = {0.5, 0, -0.5};
  const Numbers p = calibration.probabilities(MatrixView<const double>(logits.data(), 1, 3));
  EXPECT_THAT(p, ElementsAre(::testing::DoubleEq(1 / (1 + std::exp(-1.0))), 0,
                             ::testing::DoubleEq(1 / (1 + std::exp(1.0)))));
  EXPECT_EQ(
      error_of([&] { calibration.probabilities(MatrixView<const double>(&logits[3], 1, 3)); }),
      "LogitCalibration::probabilities(): logits(0, 0) = inf, expected a number below infinity");
  calibration.scale = detail::quiet_nan();
  EXPECT_EQ(
      error_of([&] { calibration.probabilities(MatrixView<const double>(&logits[2], 1, 1)); }),
      "LogitCalibration::probabilities(): bias.size() = 3, expected 1 (columns of logits)");
  calibration.bias = {};
  EXPECT_EQ(
      error_of([&] { calibration.probabilities(MatrixView<const double>(&logits[2], 1, 1)); }),
      "LogitCalibration::probabilities(): scale = nan, expected a finite number > 0");
}

// Logits that carry a share of a nominal correction.
Rows treated_rows(std::size_t rows, const Numbers& offset, double share, double temperature,
                  std::uint64_t seed) {
  Rows result = calibrated_rows(rows, offset.size(), seed);
  for (std::size_t i = 0; i < result.logits.size(); ++i) {
    result.logits[i] = temperature * (result.logits[i] - share * offset[i % offset.size()]);
  }
  return result;
}

// However many rows there are, and so however their sums round.
TEST(FitOffset, ConvergesOnAnyNumberOfRows) {
  const Numbers offset = {0, 0.3, -0.7, 1};
  for (const std::size_t size : {200U, 1000U, 5000U, 20000U}) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const Rows rows = calibrated_rows(size, 4, 100 + seed);
      const FittedOffset fitted = fit_offset(rows.view(), rows.targets, offset);
      EXPECT_TRUE(fitted.converged) << size << " rows, seed " << seed;
      EXPECT_LT(fitted.share.upper - fitted.share.lower, 1.5);
      EXPECT_TRUE(fit_bias_corrected_temperature(rows.view(), rows.targets).converged)
          << size << " rows, seed " << seed;
    }
  }
}

TEST(FitOffset, FindsTheRealisedShare) {
  const Numbers offset = {2, 0, -1};
  const Rows rows = treated_rows(20000, offset, 0.74, 1.3, 4);
  const FittedOffset fitted = fit_offset(rows.view(), rows.targets, offset, {}, 0.995);
  ASSERT_TRUE(fitted.converged);
  // The width of the interval is 3.9 standard errors.
  EXPECT_NEAR(fitted.share.estimate, 0.74, fitted.share.upper - fitted.share.lower);
  EXPECT_LT(fitted.share.upper - fitted.share.lower, 0.1);
  EXPECT_NEAR(fitted.temperature, 1.3, 0.05);
  EXPECT_LT(fitted.nll, fitted.nll_nominal);
  // z + offset, over T, is z / T + share offset.
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(fitted.offset[c], fitted.temperature * fitted.share.estimate * offset[c], 1e-12);
  }
  EXPECT_THAT(fitted.warnings, ElementsAre(HasSubstr("train accuracy 0.995 > 0.99"),
                                           HasSubstr("is outside [0.8, 1.2]")));
}

// The calibration that was fitted, and the offset with the temperature, are the same posteriors.
TEST(FitOffset, GivesACalibration) {
  const Numbers offset = {2, 0, -1};
  const Rows rows = treated_rows(5000, offset, 0.74, 1.3, 4);
  const FittedOffset fitted = fit_offset(rows.view(), rows.targets, offset);
  const LogitCalibration calibration = fitted.calibration();
  EXPECT_EQ(calibration.temperature(), 1 / (1 / fitted.temperature));
  EXPECT_NEAR(calibration.bias[0] + calibration.bias[1] + calibration.bias[2], 0, 1e-15);
  EXPECT_NEAR(calibration.bias[0] - calibration.bias[2], 3 * fitted.share.estimate, 1e-12);
  EXPECT_EQ(calibration.nll, fitted.nll);
  EXPECT_EQ(calibration.nll_before, fitted.nll_nominal);
  EXPECT_TRUE(calibration.converged);
  const Numbers p = calibration.probabilities(rows.view());
  double sum = 0;
  for (std::size_t r = 0; r < rows.targets.size(); ++r) {
    double total = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      total += std::exp((rows.logits[3 * r + c] + fitted.offset[c]) / fitted.temperature);
    }
    for (std::size_t c = 0; c < 3; ++c) {
      const double u = (rows.logits[3 * r + c] + fitted.offset[c]) / fitted.temperature;
      EXPECT_NEAR(p[3 * r + c], std::exp(u) / total, 1e-12);
    }
    sum -= std::log(p[3 * r + static_cast<std::size_t>(rows.targets[r])]);
  }
  EXPECT_NEAR(sum / 5000, fitted.nll, 1e-12);
}

TEST(FitOffset, ReportsALineAndWarnings) {
  FittedOffset fitted;
  fitted.share = {0.744, 0.71, 0.77};
  fitted.temperature = 1.3;
  EXPECT_EQ(report(fitted), "nominal 1.00, realised 0.74 [0.71, 0.77], temperature 1.30\n");
  fitted.warnings = {"a", "b"};
  EXPECT_EQ(report(fitted),
            "nominal 1.00, realised 0.74 [0.71, 0.77], temperature 1.30\nwarning: a\nwarning: b\n");
}

TEST(FitOffset, IntervalsHoldTheShareAsOftenAsTheySay) {
  const Numbers offset = {2, 0, -1};
  int held = 0;
  constexpr int kRounds = 400;
  for (int round = 0; round < kRounds; ++round) {
    const Rows rows = treated_rows(600, offset, 1, 1, 1000 + static_cast<std::uint64_t>(round));
    const FittedOffset fitted = fit_offset(rows.view(), rows.targets, offset);
    held += fitted.share.lower <= 1 && 1 <= fitted.share.upper ? 1 : 0;
  }
  // 95 %, within four standard deviations of a binomial variable.
  EXPECT_NEAR(held / static_cast<double>(kRounds), 0.95, 4 * std::sqrt(0.95 * 0.05 / kRounds));
}

TEST(FitOffset, IsQuietWhenAllWasRealised) {
  const Numbers offset = {2, 0, -1};
  const Rows rows = treated_rows(20000, offset, 1, 1, 5);
  EXPECT_THAT(fit_offset(rows.view(), rows.targets, offset).warnings, IsEmpty());
}

TEST(Calibration, RefusesBadInput) {
  const Numbers logits = {1, 0, std::nan(""), 0};
  const MatrixView<const double> good(logits.data(), 1, 2);
  const MatrixView<const double> bad(logits.data(), 2, 2);
  using Targets = std::vector<int>;
  EXPECT_EQ(error_of([&] {
              fit_temperature(bad, Targets{0, 1});
            }),
            "fit_temperature(): logits(1, 0) = nan, expected a finite number");
  EXPECT_EQ(error_of([&] { fit_temperature(good, Targets{2}); }),
            "fit_temperature(): labels[0] = 2, expected a class in [0, 2)");
  EXPECT_EQ(error_of([&] {
              fit_temperature(good, Targets{0, 1});
            }),
            "fit_temperature(): targets.size() = 2, expected 1 (rows of logits)");
  EXPECT_EQ(error_of([&] { fit_temperature(good, Targets{-1}, -1); }),
            "fit_temperature(): rows with a class = 0, expected at least 1");
  EXPECT_THAT(error_of([&] { fit_bias_corrected_temperature(good, Targets{0}); }),
              HasSubstr("targets of class[1] = 0, expected at least 1"));
  EXPECT_EQ(error_of([&] {
              fit_offset(good, Targets{0}, Numbers{1, 1});
            }),
            "fit_offset(): largest - smallest offset = 0, expected more: all classes have the "
            "same");
  EXPECT_EQ(error_of([&] { fit_offset(good, Targets{0}, Numbers{1}); }),
            "fit_offset(): offset.size() = 1, expected 2 (columns of logits)");
}

}  // namespace
}  // namespace equipoise::calibrate
