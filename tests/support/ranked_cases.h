// Scored rows, and areas under curves as their definitions read.
#ifndef EQUIPOISE_TESTS_SUPPORT_RANKED_CASES_H_
#define EQUIPOISE_TESTS_SUPPORT_RANKED_CASES_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/random.h"

namespace equipoise::testing {

/// Rows, each positive or negative.
struct RankedCase {
  std::vector<double> scores{};
  std::vector<std::int64_t> targets{};
};

// Up to some thousand rows, so that both ways of sorting are met; often with ties.
inline RankedCase random_case(std::uint64_t seed) {
  const CounterRandom random{seed};
  std::uint64_t t = 0;
  const std::uint64_t rows = 1 + random.below(seed % 10 == 0 ? 4000 : 60, t++, 1);
  const std::uint64_t values = 1 + random.below(seed % 2 == 0 ? 8 : 1'000'000, t++, 1);
  const double share = random.uniform(t++, 1);
  RankedCase data;
  for (std::uint64_t i = 0; i < rows; ++i) {
    data.scores.push_back(
        static_cast<double>(random.below(values, t++, 1)) / static_cast<double>(values) - 0.5);
    data.targets.push_back(random.uniform(t++, 1) < share ? 1 : 0);
  }
  return data;
}

// Over all pairs; weights are one a row.
inline double roc_auc_by_definition(const RankedCase& data, std::span<const double> weights) {
  double won = 0;
  double pairs = 0;
  for (std::size_t i = 0; i < data.scores.size(); ++i) {
    if (data.targets[i] == 0) continue;
    for (std::size_t j = 0; j < data.scores.size(); ++j) {
      if (data.targets[j] != 0) continue;
      const double weight = weights[i] * weights[j];
      pairs += weight;
      won += weight * (data.scores[i] > data.scores[j]    ? 1.0
                       : data.scores[i] == data.scores[j] ? 0.5
                                                          : 0.0);
    }
  }
  return pairs > 0 ? won / pairs : detail::quiet_nan();
}

// The precision at each positive's own score, averaged.
inline double average_precision_by_definition(const RankedCase& data,
                                              std::span<const double> weights) {
  double sum = 0;
  double positives = 0;
  for (std::size_t i = 0; i < data.scores.size(); ++i) {
    if (data.targets[i] == 0) continue;
    double found = 0;
    double all = 0;
    for (std::size_t j = 0; j < data.scores.size(); ++j) {
      if (data.scores[j] < data.scores[i]) continue;
      all += weights[j];
      if (data.targets[j] != 0) found += weights[j];
    }
    positives += weights[i];
    if (weights[i] > 0) sum += weights[i] * found / all;
  }
  return positives > 0 ? sum / positives : 0;
}

inline void expect_near_or_nan(double actual, double expected, double bound) {
  if (detail::is_nan(expected)) {
    EXPECT_TRUE(detail::is_nan(actual));
  } else {
    EXPECT_NEAR(actual, expected, bound);
  }
}

// Ranks in one process: the first round of calls leaves what each would send, the second gives all
// of them the sum.
template <class Metric>
void gather(std::vector<Metric>& ranks) {
  const std::size_t world = ranks.size();
  std::vector<std::vector<double>> sums;
  for (std::size_t calls = 0; calls < 3; ++calls) {
    std::vector<std::vector<double>> next;
    for (std::size_t r = 0; r < world; ++r) {
      Metric copy = ranks[r];
      std::size_t call = 0;
      copy.gather(
          [&](std::span<double> buffer) {
            if (call < sums.size()) {
              ASSERT_EQ(buffer.size(), sums[call].size());
              std::copy(sums[call].begin(), sums[call].end(), buffer.begin());
            } else if (call == sums.size()) {
              if (next.empty()) next.emplace_back(buffer.size(), 0.0);
              for (std::size_t i = 0; i < buffer.size(); ++i) next[0][i] += buffer[i];
            } else {
              std::fill(buffer.begin(), buffer.end(), 0.0);
            }
            ++call;
          },
          r, world);
      if (calls == 2) ranks[r] = copy;
    }
    if (calls < 2) sums.push_back(next[0]);
  }
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_RANKED_CASES_H_
