// The core and the backend on LibTorch.
#include <ATen/ATen.h>
#include <equipoise/libtorch.h>

#include <cmath>
#include <vector>

int main() {
  const std::vector<int> labels = {0, 1, 1, 1};
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights =
      equipoise::class_weights(equipoise::count_labels(labels, 2), equipoise::BalancedWeights{});

  const at::Tensor logits = at::zeros({4, 2}, at::kDouble).set_requires_grad(true);
  const at::Tensor targets = at::tensor(labels, at::kLong);
  const at::Tensor value = equipoise::libtorch::value(loss, logits, targets);
  value.backward();
  const at::Tensor pull = logits.grad().sum(0).abs().max();
  return std::abs(value.item<double>() - std::log(2.0)) < 1e-12 &&
                 logits.grad()[0][0].item<double>() < 0 && pull.item<double>() < 1e-12
             ? 0
             : 1;
}
