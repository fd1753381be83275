#include "demos/common/reliability.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace equipoise::demos {
namespace {

constexpr double kRounding = 8 * std::numeric_limits<double>::epsilon();

// Four rows of three classes; the top labels are 0, 0, 2, 1, right, wrong, right, right.
const std::vector<double> kRows = {0.7,  0.2, 0.1,   //
                                   0.7,  0.1, 0.2,   //
                                   0.05, 0,   0.95,  //
                                   0.2,  0.5, 0.3};
const std::vector<std::int64_t> kTargets = {0, 1, 2, 1};

double value_of(const Metrics& measured, const std::string& metric, const std::string& label = "") {
  for (const MetricValue& each : measured) {
    if (each.metric == metric && each.label == label) return each.value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

TEST(Reliability, BinsTheTopLabel) {
  Metrics measured;
  add_reliability("raw", kRows, 3, kTargets, measured);
  // Bins: .7 (two rows, half of them right), .95 (right), .5 (right).
  EXPECT_NEAR(value_of(measured, "ece_raw"), (2 * 0.2 + 0.05 + 0.5) / 4, kRounding);
  EXPECT_NEAR(value_of(measured, "confidence_raw", "11"), 0.7, kRounding);
  EXPECT_DOUBLE_EQ(value_of(measured, "frequency_raw", "11"), 0.5);
  EXPECT_DOUBLE_EQ(value_of(measured, "frequency_raw", "15"), 1);
  EXPECT_EQ(value_of(measured, "predictions_raw", "11"), 2);
  EXPECT_EQ(value_of(measured, "predictions_raw", "15"), 1);
  demos::Run run;
  run.test = measured;
  EXPECT_TRUE(has_metric(run, "frequency_raw", "8"));
  EXPECT_FALSE(has_metric(run, "frequency_raw", "1")) << "a bin without rows";
}

TEST(Reliability, BinsAClass) {
  Metrics measured;
  add_reliability("fitted", kRows, 3, kTargets, measured, 1);
  // Of class 1: .2 (not), .1 (it is), 0 (not), .5 (it is).
  EXPECT_NEAR(value_of(measured, "ece_fitted"), (0.2 + 0.9 + 0 + 0.5) / 4, kRounding);
  EXPECT_DOUBLE_EQ(value_of(measured, "frequency_fitted", "2"), 1);
}

}  // namespace
}  // namespace equipoise::demos
