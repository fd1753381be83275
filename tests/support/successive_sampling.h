// What draws without replacement must be, by enumeration.
#ifndef EQUIPOISE_TESTS_SUPPORT_SUCCESSIVE_SAMPLING_H_
#define EQUIPOISE_TESTS_SUPPORT_SUCCESSIVE_SAMPLING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace equipoise::testing {

// The probability of every ordered sample of k rows, by the definition of successive sampling: each
// row is drawn in proportion to its weight among those that are left.
inline std::map<std::vector<std::int64_t>, double> ordered_sample_probabilities(
    const std::vector<double>& weights, std::size_t k) {
  std::map<std::vector<std::int64_t>, double> samples = {{{}, 1.0}};
  for (std::size_t draw = 0; draw < k; ++draw) {
    std::map<std::vector<std::int64_t>, double> longer;
    for (const auto& [drawn, probability] : samples) {
      const auto is_drawn = [&so_far = drawn](std::size_t i) {
        return std::count(so_far.begin(), so_far.end(), static_cast<std::int64_t>(i)) > 0;
      };
      double left = 0;
      for (std::size_t i = 0; i < weights.size(); ++i) left += is_drawn(i) ? 0 : weights[i];
      for (std::size_t i = 0; i < weights.size(); ++i) {
        if (weights[i] == 0 || is_drawn(i)) continue;
        std::vector<std::int64_t> next = drawn;
        next.push_back(static_cast<std::int64_t>(i));
        longer[next] = probability * weights[i] / left;
      }
    }
    samples = longer;
  }
  return samples;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_SUCCESSIVE_SAMPLING_H_
