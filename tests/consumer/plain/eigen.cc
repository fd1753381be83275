// The Eigen backend with Eigen's include path.
#include <equipoise/eigen.h>

#include <vector>

int main() {
  const Eigen::MatrixXd logits = Eigen::MatrixXd::Zero(2, 2);
  const auto result = equipoise::eigen::value_and_gradient(equipoise::SoftmaxLoss<>{}, logits,
                                                           std::vector<int>{0, 1});
  return result.gradient(0, 0) == -0.25 ? 0 : 1;
}
