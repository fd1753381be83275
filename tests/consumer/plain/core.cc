// The core with -I include alone.
#include <equipoise/equipoise.h>

#include <vector>

int main() {
  const std::vector<int> labels = {0, 1, 1, 1};
  const std::vector<float> logits(8, 0.0F);
  std::vector<float> gradient(8);
  const equipoise::ClassCounts counts = equipoise::count_labels(labels, 2);
  equipoise::SoftmaxLoss<> loss;
  loss.logit_terms = equipoise::logit_terms(counts, equipoise::LogitAdjustment{});
  const double value =
      equipoise::softmax_loss(loss, equipoise::MatrixView<const float>(logits.data(), 4, 2), labels,
                              equipoise::MatrixView<float>(gradient.data(), 4, 2));
  return counts[1] == 3 && value > 0 && gradient[0] < 0 ? 0 : 1;
}
