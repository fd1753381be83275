#include "demos/common/examples.h"

#include <algorithm>
#include <stdexcept>

namespace equipoise::demos {

void require_same_shapes(const std::vector<Parameter>& given, const std::vector<Parameter>& own) {
  const auto same = [](const Parameter& a, const Parameter& b) {
    return a.name == b.name && a.shape == b.shape && a.values.size() == b.values.size();
  };
  if (!std::equal(given.begin(), given.end(), own.begin(), own.end(), same)) {
    throw std::invalid_argument("set_parameters(): names or shapes are not those of this model");
  }
}

}  // namespace equipoise::demos
