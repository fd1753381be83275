// The core and the backend on Eigen.
#include <equipoise/eigen.h>

#include <cmath>
#include <vector>

int main() {
  const std::vector<int> labels = {0, 1, 1, 1};
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights =
      equipoise::class_weights(equipoise::count_labels(labels, 2), equipoise::BalancedWeights{});

  const Eigen::MatrixXd logits = Eigen::MatrixXd::Zero(4, 2);
  const auto result = equipoise::eigen::value_and_gradient(loss, logits, labels);
  return std::abs(result.value - std::log(2.0)) < 1e-12 && result.gradient(0, 0) < 0 &&
                 result.gradient.colwise().sum().isZero(1e-12)
             ? 0
             : 1;
}
