// The core: nothing but the standard library.
#include <equipoise/equipoise.h>

#include <cmath>
#include <vector>

// Balanced weights make both classes count alike: at equal logits the mean loss is log 2, as
// without weights, and the only sample of class 0 pulls as hard as the three of class 1.
int main() {
  const std::vector<int> labels = {0, 1, 1, 1};
  const equipoise::ClassCounts counts = equipoise::count_labels(labels, 2);

  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = equipoise::class_weights(counts, equipoise::BalancedWeights{});

  const std::vector<double> logits(labels.size() * 2, 0.0);
  std::vector<double> gradient(logits.size());
  const double value = equipoise::value_and_gradient(
      loss, equipoise::MatrixView<const double>(logits.data(), labels.size(), 2), labels, {},
      equipoise::MatrixView<double>(gradient.data(), labels.size(), 2));

  const double pull = gradient[0] + gradient[2] + gradient[4] + gradient[6];
  return std::abs(value - std::log(2.0)) < 1e-12 && gradient[0] < 0 && std::abs(pull) < 1e-12 ? 0
                                                                                              : 1;
}
