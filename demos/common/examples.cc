#include "demos/common/examples.h"

#include <algorithm>
#include <stdexcept>

namespace equipoise::demos {

UnitRows::UnitRows(const Examples& examples, std::span<const std::size_t> units) {
  const std::size_t width =
      examples.targets.empty() ? 0 : std::max<std::size_t>(examples.labels, 1);
  for (const std::size_t unit : units) {
    for (std::size_t r = examples.unit_begin(unit); r < examples.unit_begin(unit + 1); ++r) {
      rows.push_back(r);
      const auto begin = examples.targets.begin() + static_cast<std::ptrdiff_t>(r * width);
      targets.insert(targets.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
      if (!examples.groups.empty()) groups.push_back(examples.groups[r]);
      if (!examples.weights.empty()) weights.push_back(examples.weights[r]);
    }
  }
}

void require_same_shapes(const std::vector<Parameter>& given, const std::vector<Parameter>& own) {
  const auto same = [](const Parameter& a, const Parameter& b) {
    return a.name == b.name && a.shape == b.shape && a.values.size() == b.values.size();
  };
  if (!std::equal(given.begin(), given.end(), own.begin(), own.end(), same)) {
    throw std::invalid_argument("set_parameters(): names or shapes are not those of this model");
  }
}

}  // namespace equipoise::demos
