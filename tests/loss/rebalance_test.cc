#include "equipoise/loss/rebalance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "equipoise/loss/sigmoid.h"
#include "equipoise/view.h"

namespace equipoise {
namespace {

// Two labels of 10 and 90 positives in one row with both: r = (1/10) / (1/10 + 1/90) = .9 and .1.
TEST(LabelRebalance, ByHand) {
  SigmoidLoss<> loss;
  loss.rebalance = {.alpha = 0.25, .beta = 4, .mu = 0.5, .counts = {10, 90}};
  const std::vector<double> logits = {0, 0};
  const std::vector<std::uint8_t> targets = {1, 1};
  const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
  const double weights = (0.25 + sigma(4 * (0.9 - 0.5))) + (0.25 + sigma(4 * (0.1 - 0.5)));
  EXPECT_NEAR(equipoise::value(loss, MatrixView<const double>(logits.data(), 1, 2),
                               MatrixView<const std::uint8_t>(targets.data(), 1, 2)),
              std::log(2.0) * weights / 2, 1e-15);
}

// In a row without positives the ratio is infinite and the weight alpha + 1.
TEST(LabelRebalance, OfARowWithoutPositives) {
  SigmoidLoss<> loss;
  loss.rebalance = {.alpha = 0.25, .beta = 4, .mu = 0.5, .counts = {10, 90}};
  const std::vector<double> logits = {0, 0};
  const std::vector<std::uint8_t> targets = {0, 0};
  EXPECT_NEAR(equipoise::value(loss, MatrixView<const double>(logits.data(), 1, 2),
                               MatrixView<const std::uint8_t>(targets.data(), 1, 2)),
              std::log(2.0) * 1.25, 1e-15);
}

TEST(LabelRebalance, ComparesByValue) {
  EXPECT_EQ(LabelRebalance(), (LabelRebalance{0.1, 10.0, 0.9, {}}));
  EXPECT_NE(LabelRebalance(), (LabelRebalance{0.1, 10.0, 0.9, {1}}));
}

}  // namespace
}  // namespace equipoise
