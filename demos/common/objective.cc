#include "demos/common/objective.h"

namespace equipoise::demos {

std::vector<double> class_weights_at(const Objective& objective, std::uint64_t step) {
  return std::visit(
      [&](const auto& loss) { return blend({}, loss.class_weights, objective.weights_ramp(step)); },
      objective.loss);
}

Loss loss_at(const Objective& objective, std::uint64_t step) {
  Loss loss = objective.loss;
  std::visit([&](auto& each) { each.class_weights = class_weights_at(objective, step); }, loss);
  return loss;
}

}  // namespace equipoise::demos
