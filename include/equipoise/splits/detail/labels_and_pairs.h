// Labels and the pairs of labels that rows have, numbered as labels.
#ifndef EQUIPOISE_SPLITS_DETAIL_LABELS_AND_PAIRS_H_
#define EQUIPOISE_SPLITS_DETAIL_LABELS_AND_PAIRS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/splits/detail/iterative_dealer.h"

namespace equipoise::detail {

// The labels of every row and, from `classes` on, the pairs of labels that it has, numbered in the
// order of (lower label, higher label) among those that occur.
struct LabelsAndPairs {
  std::vector<std::uint64_t> labels{};
  std::vector<std::uint64_t> offsets{0};
  std::size_t count = 0;  // of labels and pairs

  template <class L, class O>
  LabelsAndPairs(const LabelledRows<L, O>& rows, std::size_t classes) {
    std::vector<std::uint64_t> own;
    const auto for_each_pair = [&](std::size_t row, const auto& f) {
      own.clear();
      rows.for_each_label(row, [&](std::size_t c) { own.push_back(c); });
      std::sort(own.begin(), own.end());
      for (std::size_t i = 0; i < own.size(); ++i) {
        for (std::size_t j = i + 1; j < own.size(); ++j) f(own[i] * classes + own[j]);
      }
    };
    std::vector<std::uint64_t> pairs;
    for (std::size_t row = 0; row < rows.size(); ++row) {
      for_each_pair(row, [&](std::uint64_t pair) { pairs.push_back(pair); });
    }
    std::sort(pairs.begin(), pairs.end());
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    for (std::size_t row = 0; row < rows.size(); ++row) {
      rows.for_each_label(row, [&](std::size_t c) { labels.push_back(c); });
      for_each_pair(row, [&](std::uint64_t pair) {
        const auto place = std::lower_bound(pairs.begin(), pairs.end(), pair) - pairs.begin();
        labels.push_back(classes + static_cast<std::uint64_t>(place));
      });
      offsets.push_back(labels.size());
    }
    count = classes + pairs.size();
  }
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_LABELS_AND_PAIRS_H_
