// The LibTorch backend.
#include <equipoise/libtorch.h>

#include <ATen/ops/arange.h>

int main() {
  const at::Tensor logits = at::zeros({2, 2}).set_requires_grad(true);
  const at::Tensor loss =
      equipoise::libtorch::softmax_loss(logits, at::arange(2, at::kLong), equipoise::SoftmaxLoss<>{});
  loss.backward();
  return logits.grad()[0][0].item<float>() == -0.25F ? 0 : 1;
}
