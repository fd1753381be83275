// Softmax losses as their definition reads, in double, one row and one class at a time.
#ifndef EQUIPOISE_TESTS_SUPPORT_SOFTMAX_REFERENCE_H_
#define EQUIPOISE_TESTS_SUPPORT_SOFTMAX_REFERENCE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "equipoise/loss/softmax.h"

namespace equipoise::testing {

/// A generated batch; values are exact in float, so that both precisions see the same numbers.
struct Batch {
  std::size_t rows;
  std::size_t classes;
  std::vector<double> logits;  // row-major
  std::vector<std::int64_t> targets;
  std::vector<double> probabilities;  // row-major
  std::vector<std::uint8_t> mask;     // 0 where the target is ignored
  std::vector<double> sample_weights;
  std::vector<std::int64_t> groups;

  ProbabilityTargets<double> distributions() const {
    return {MatrixView<const double>(probabilities.data(), rows, classes), mask};
  }
  LossArguments attributes() const { return {sample_weights, groups}; }
};

inline constexpr std::size_t kGroups = 3;

inline Batch make_batch(std::size_t rows, std::size_t classes, std::mt19937_64& random,
                        double spread = 3.0) {
  Batch batch{rows, classes, {}, {}, {}, {}, {}, {}};
  std::normal_distribution<double> normal(0.0, spread);
  std::uniform_real_distribution<double> uniform(0.25, 2.0);
  for (std::size_t i = 0; i < rows * classes; ++i) {
    batch.logits.push_back(static_cast<double>(static_cast<float>(normal(random))));
    // Some classes are impossible, and sums differ from one.
    const double t = random() % 4 == 0 ? 0.0 : uniform(random) / static_cast<double>(classes);
    batch.probabilities.push_back(static_cast<double>(static_cast<float>(t)));
  }
  for (std::size_t i = 0; i < rows; ++i) {
    const bool ignored = random() % 7 == 0;
    batch.targets.push_back(ignored ? kIgnoreIndex : static_cast<std::int64_t>(random() % classes));
    batch.mask.push_back(ignored ? 0 : 1);
    batch.sample_weights.push_back(static_cast<double>(static_cast<float>(uniform(random))));
    batch.groups.push_back(static_cast<std::int64_t>(random() % kGroups));
  }
  return batch;
}

/// Which of a batch's targets a loss reads.
enum class TargetKind { kIndices, kProbabilities };

inline double element(const std::vector<double>& values, std::size_t i, double otherwise) {
  return values.empty() ? otherwise : values[i];
}

inline std::size_t group_of(const Batch& batch, std::size_t i) {
  return batch.groups.empty() ? 0 : static_cast<std::size_t>(batch.groups[i]);
}

/// What the softmax of row i is taken of.
template <class M, class R>
std::vector<double> reference_logits(const SoftmaxLoss<M, R>& loss, const Batch& batch,
                                     std::span<const double> logits, std::size_t i, std::size_t y) {
  std::vector<double> a(batch.classes);
  for (std::size_t c = 0; c < a.size(); ++c) {
    a[c] = logits[i * a.size() + c];
    const auto apply = [&](const LogitTerms& terms) {
      a[c] = element(terms.scale, c, 1) * a[c] + element(terms.shift, c, 0) -
             (c == y ? element(terms.margin, c, 0) : 0);
    };
    apply(loss.logit_terms);
    if (!loss.group_logit_terms.empty()) apply(loss.group_logit_terms[group_of(batch, i)]);
    a[c] += element(loss.pair_shift.values, y * a.size() + c, 0);
  }
  return a;
}

inline std::vector<double> softmax(const std::vector<double>& a) {
  double maximum = a[0];
  for (const double x : a) maximum = std::fmax(maximum, x);
  double sum = 0;
  for (const double x : a) sum += std::exp(x - maximum);
  std::vector<double> p;
  for (const double x : a) p.push_back(std::exp(x - maximum) / sum);
  return p;
}

/// log(M_yc K_yc) as the paper writes it, with p of the logits where the shift is a constant.
inline double reference_seesaw(const Seesaw& seesaw, const std::vector<double>& p, std::size_t y,
                               std::size_t c) {
  if (seesaw.counts.empty() || c == y) return 0;
  const double rarer = std::fmax(seesaw.counts[c], 1) / std::fmax(seesaw.counts[y], 1);
  const double surer = p[c] / std::fmax(p[y], seesaw.least_probability);
  return std::log((rarer < 1 ? std::pow(rarer, seesaw.mitigation) : 1) *
                  (surer > 1 ? std::pow(surer, seesaw.compensation) : 1));
}

/// The loss of row i before its reduction, as the documentation of SoftmaxLoss states it. Seesaw's
/// shift is that of `fixed`, the logits at which the gradient is taken.
template <class M, class R>
double reference_row_loss(const SoftmaxLoss<M, R>& loss, const Batch& batch,
                          std::span<const double> logits, std::size_t i,
                          TargetKind kind = TargetKind::kIndices,
                          std::span<const double> fixed = {}) {
  const std::size_t classes = batch.classes;
  if (batch.mask[i] == 0) return 0;
  const bool by_index = kind == TargetKind::kIndices;
  const std::size_t y = by_index ? static_cast<std::size_t>(batch.targets[i]) : classes;
  std::vector<double> a = reference_logits(loss, batch, logits, i, y);
  const std::vector<double> p =
      softmax(reference_logits(loss, batch, fixed.empty() ? logits : fixed, i, y));
  for (std::size_t c = 0; c < classes; ++c) a[c] += reference_seesaw(loss.seesaw, p, y, c);
  double maximum = a[0];
  for (const double x : a) maximum = std::fmax(maximum, x);
  // before[c] and after[c]: the sums of exp(a - maximum) over the classes before and after c, so
  // that what is left of 1 does not come from a difference.
  std::vector<double> before(classes, 0.0);
  std::vector<double> after(classes, 0.0);
  for (std::size_t c = 1; c < classes; ++c) {
    before[c] = before[c - 1] + std::exp(a[c - 1] - maximum);
    after[classes - 1 - c] = after[classes - c] + std::exp(a[classes - c] - maximum);
  }
  const double sum = after[0] + std::exp(a[0] - maximum);
  const auto value_at = [&](std::size_t c) {
    const double log_p = a[c] - maximum - std::log(sum);
    const double q = (before[c] + after[c]) / sum;
    return loss.modulator(TargetProbability<double>{log_p, std::exp(log_p), q}).value;
  };
  const double outer =
      element(batch.sample_weights, i, 1) * element(loss.group_weights, group_of(batch, i), 1);
  const double smoothing = loss.label_smoothing;
  double result = 0;
  double weight = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    const double t = by_index ? (c == y ? 1 : 0) : batch.probabilities[i * classes + c];
    if (t == 0) continue;
    const double own = outer * element(loss.class_weights, c, 1) * t;
    weight += own;
    result += (1 - smoothing) * own * value_at(c);
  }
  for (std::size_t c = 0; smoothing > 0 && c < classes; ++c) {
    const double own = loss.convention == WeightConvention::kTorch
                           ? element(loss.class_weights, c, 1) * outer
                           : weight;
    result += smoothing / static_cast<double>(classes) * own * value_at(c);
  }
  return result;
}

/// Row i as the reduction sees it.
template <class M, class R>
ReductionRow<> reference_row(const SoftmaxLoss<M, R>& loss, const Batch& batch, std::size_t i,
                             TargetKind kind) {
  const std::size_t group = group_of(batch, i);
  const double outer = element(batch.sample_weights, i, 1) * element(loss.group_weights, group, 1);
  if (kind == TargetKind::kIndices) {
    const auto y = static_cast<std::size_t>(batch.targets[i]);
    return {y, element(loss.class_weights, y, 1) * outer, group, 1.0};
  }
  const double* const t = batch.probabilities.data() + i * batch.classes;
  const auto y = static_cast<std::size_t>(std::max_element(t, t + batch.classes) - t);
  if (loss.convention == WeightConvention::kTorch) return {y, outer, group, 1.0};
  double weight = 0;
  for (std::size_t c = 0; c < batch.classes; ++c)
    weight += element(loss.class_weights, c, 1) * t[c];
  return {y, weight * outer, group, 1.0};
}

/// The value of the whole batch.
template <class M, class R>
double reference_loss(const SoftmaxLoss<M, R>& loss, const Batch& batch,
                      std::span<const double> logits, TargetKind kind = TargetKind::kIndices,
                      std::span<const double> fixed = {}) {
  LossPartial partial{std::vector<LossTally>(loss.reduction.buckets())};
  for (std::size_t i = 0; i < batch.rows; ++i) {
    if (batch.mask[i] == 0) continue;
    const ReductionRow<> row = reference_row(loss, batch, i, kind);
    LossTally& tally = partial.buckets[static_cast<std::size_t>(loss.reduction.bucket(row))];
    tally.numerator += reference_row_loss(loss, batch, logits, i, kind, fixed);
    tally.denominator += loss.reduction.mass(row);
  }
  return value(partial, coefficients(loss.reduction, partial));
}

/// Weights, terms and smoothing switched on and off by the bits of `variant`.
inline constexpr unsigned kVariants = 1024;
inline constexpr unsigned kNeedIndices = 8 | 256 | 512;  // margin, pair shift and Seesaw
template <class M, class R>
SoftmaxLoss<M, R> make_loss(unsigned variant, std::size_t classes, std::mt19937_64& random,
                            M modulator, R reduction) {
  std::uniform_real_distribution<double> uniform(0.25, 2.0);
  const auto vector = [&] {
    std::vector<double> values(classes);
    for (double& x : values) x = static_cast<double>(static_cast<float>(uniform(random)));
    return values;
  };
  SoftmaxLoss<M, R> loss;
  loss.modulator = modulator;
  loss.reduction = reduction;
  if ((variant & 1) != 0) loss.class_weights = vector();
  if ((variant & 2) != 0) loss.logit_terms.scale = vector();
  if ((variant & 4) != 0) loss.logit_terms.shift = vector();
  if ((variant & 8) != 0) loss.logit_terms.margin = vector();
  if ((variant & 16) != 0) loss.label_smoothing = 0.125;
  if ((variant & 32) != 0) loss.convention = WeightConvention::kTorch;
  if ((variant & 64) != 0) {
    // Groups differ in which fields they have.
    loss.group_logit_terms = {{vector(), {}, {}}, {{}, vector(), {}}, {vector(), vector(), {}}};
    if ((variant & 8) != 0) loss.group_logit_terms[1].margin = vector();
  }
  if ((variant & 128) != 0) loss.group_weights = {0.5, 1.0, 1.75};
  if ((variant & 256) != 0) {
    loss.pair_shift.values.resize(classes * classes);
    for (double& x : loss.pair_shift.values) {
      x = static_cast<double>(static_cast<float>(uniform(random)));
    }
  }
  if ((variant & 512) != 0) {
    loss.seesaw.counts = vector();
    for (double& count : loss.seesaw.counts) count = std::floor(100 * (count - 0.25));
  }
  return loss;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_SOFTMAX_REFERENCE_H_
