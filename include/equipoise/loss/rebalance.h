// Element weights for rows that were sampled by several labels at once.
#ifndef EQUIPOISE_LOSS_REBALANCE_H_
#define EQUIPOISE_LOSS_REBALANCE_H_

#include <vector>

namespace equipoise {

/// The re-balanced weights of Wu et al. 2020 (arXiv:2007.09654), for rows that were sampled, or are
/// counted, by several labels at once. An element of label l has the weight
///
///     alpha + sigma(beta (r - mu)),   r = (1 / n_l) / sum_k (1 / n_k)
///
/// where n are the labels' counts and k runs over the positive labels of the row. In a row without
/// positives r is infinite and the weight is alpha + 1. A target between 0 and 1 counts as that
/// fraction of a positive.
struct LabelRebalance {
  double alpha = 0.1;  ///< >= 0
  double beta = 10.0;  ///< >= 0
  double mu = 0.9;     ///< finite
  std::vector<double>
      counts{};  ///< positives of each label: L finite numbers > 0; empty: no weight

  friend bool operator==(const LabelRebalance&, const LabelRebalance&) = default;
};

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_REBALANCE_H_
