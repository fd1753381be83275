// Softmax losses as their definition reads, in double, one row and one class at a time.
#ifndef EQUIPOISE_TESTS_SUPPORT_SOFTMAX_REFERENCE_H_
#define EQUIPOISE_TESTS_SUPPORT_SOFTMAX_REFERENCE_H_

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
  std::vector<double> sample_weights;
  std::vector<std::int64_t> groups;

  RowAttributes attributes() const { return {sample_weights, groups}; }
};

inline constexpr std::size_t kGroups = 3;

inline Batch make_batch(std::size_t rows, std::size_t classes, std::mt19937_64& random,
                        double spread = 3.0) {
  Batch batch{rows, classes, {}, {}, {}, {}};
  std::normal_distribution<double> normal(0.0, spread);
  std::uniform_real_distribution<double> uniform(0.25, 2.0);
  for (std::size_t i = 0; i < rows * classes; ++i) {
    batch.logits.push_back(static_cast<double>(static_cast<float>(normal(random))));
  }
  for (std::size_t i = 0; i < rows; ++i) {
    const bool ignored = random() % 7 == 0;
    batch.targets.push_back(ignored ? kIgnoreIndex : static_cast<std::int64_t>(random() % classes));
    batch.sample_weights.push_back(static_cast<double>(static_cast<float>(uniform(random))));
    batch.groups.push_back(static_cast<std::int64_t>(random() % kGroups));
  }
  return batch;
}

/// The loss of row i before its reduction, as the documentation of SoftmaxLoss states it.
template <class M, class R>
double reference_row_loss(const SoftmaxLoss<M, R>& loss, const Batch& batch,
                          std::span<const double> logits, std::size_t i) {
  const std::size_t classes = batch.classes;
  if (batch.targets[i] == loss.ignore_index) return 0;
  const auto y = static_cast<std::size_t>(batch.targets[i]);
  const auto at = [](const std::vector<double>& values, std::size_t c, double otherwise) {
    return values.empty() ? otherwise : values[c];
  };
  std::vector<double> a(classes);
  double maximum = -equipoise::detail::infinity();
  for (std::size_t c = 0; c < classes; ++c) {
    a[c] = at(loss.logit_terms.scale, c, 1) * logits[i * classes + c] +
           at(loss.logit_terms.shift, c, 0) - (c == y ? at(loss.logit_terms.margin, c, 0) : 0);
    maximum = std::fmax(maximum, a[c]);
  }
  double sum = 0;
  for (const double x : a) sum += std::exp(x - maximum);
  const auto value_at = [&](std::size_t c) {
    const double log_p = a[c] - maximum - std::log(sum);
    double others = 0;
    for (std::size_t k = 0; k < classes; ++k) others += k == c ? 0 : std::exp(a[k] - maximum);
    return loss.modulator(TargetProbability<double>{log_p, std::exp(log_p), others / sum}).value;
  };
  const double sample = batch.sample_weights.empty() ? 1 : batch.sample_weights[i];
  const double weight = at(loss.class_weights, y, 1) * sample;
  const double smoothing = loss.label_smoothing;
  double result = (1 - smoothing) * weight * value_at(y);
  for (std::size_t c = 0; smoothing > 0 && c < classes; ++c) {
    const double own =
        loss.semantics == Semantics::kTorch ? at(loss.class_weights, c, 1) * sample : weight;
    result += smoothing / static_cast<double>(classes) * own * value_at(c);
  }
  return result;
}

/// The value of the whole batch.
template <class M, class R>
double reference_loss(const SoftmaxLoss<M, R>& loss, const Batch& batch,
                      std::span<const double> logits) {
  Partial partial{std::vector<Tally>(loss.reduction.buckets())};
  for (std::size_t i = 0; i < batch.rows; ++i) {
    if (batch.targets[i] == loss.ignore_index) continue;
    const auto y = static_cast<std::size_t>(batch.targets[i]);
    const double weight = (loss.class_weights.empty() ? 1 : loss.class_weights[y]) *
                          (batch.sample_weights.empty() ? 1 : batch.sample_weights[i]);
    const ReductionRow<> row{
        y, weight, batch.groups.empty() ? 0 : static_cast<std::size_t>(batch.groups[i]), 1.0};
    Tally& tally = partial.buckets[static_cast<std::size_t>(loss.reduction.bucket(row))];
    tally.numerator += reference_row_loss(loss, batch, logits, i);
    tally.denominator += loss.reduction.mass(row);
  }
  return value(partial, coefficients(loss.reduction, partial));
}

/// Weights, terms and smoothing switched on and off by the bits of `variant`.
inline constexpr unsigned kVariants = 64;
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
  if ((variant & 32) != 0) loss.semantics = Semantics::kTorch;
  return loss;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_SOFTMAX_REFERENCE_H_
