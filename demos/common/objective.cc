#include "demos/common/objective.h"

namespace equipoise::demos {

bool has_set_in(const Objective& objective, std::uint64_t steps) {
  return steps > objective.weights_ramp.end;
}

std::vector<double> class_weights_at(const Objective& objective, std::uint64_t step) {
  return std::visit(
      [&](const auto& loss) { return blend({}, loss.class_weights, objective.weights_ramp(step)); },
      objective.loss);
}

}  // namespace equipoise::demos
