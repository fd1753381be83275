// Sigmoid losses as their definition reads, in double, one element at a time.
#ifndef EQUIPOISE_TESTS_SUPPORT_SIGMOID_REFERENCE_H_
#define EQUIPOISE_TESTS_SUPPORT_SIGMOID_REFERENCE_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "equipoise/loss/sigmoid.h"

namespace equipoise::testing {

/// A generated batch of N x L elements, row-major; values are exact in float, so that both
/// precisions see the same numbers.
struct ElementBatch {
  std::size_t rows;
  std::size_t labels;
  std::vector<double> logits;
  std::vector<double> targets;  // soft: in [0, 1]; hard: 0 or 1
  std::vector<std::uint8_t> mask;
  std::vector<double> sample_weights;
  std::vector<std::int64_t> groups;

  MatrixView<const double> target_view() const { return {targets.data(), rows, labels}; }
  LossArguments attributes() const {
    return {sample_weights, groups, MatrixView<const std::uint8_t>(mask.data(), rows, labels)};
  }
};

inline constexpr std::size_t kElementGroups = 3;

/// Targets are 0, 1 or, if `soft`, sometimes between; one element in seven is masked, and so are
/// whole rows now and then; some rows have no positive.
inline ElementBatch make_element_batch(std::size_t rows, std::size_t labels,
                                       std::mt19937_64& random, bool soft, double spread = 3.0) {
  ElementBatch batch{rows, labels, {}, {}, {}, {}, {}};
  std::normal_distribution<double> normal(0.0, spread);
  std::uniform_real_distribution<double> uniform(0.25, 2.0);
  for (std::size_t i = 0; i < rows; ++i) {
    const bool ignored = random() % 11 == 0;
    const bool negative = random() % 4 == 0;
    for (std::size_t l = 0; l < labels; ++l) {
      batch.logits.push_back(static_cast<double>(static_cast<float>(normal(random))));
      double t = !negative && random() % 3 == 0 ? 1.0 : 0.0;
      if (soft && !negative && random() % 2 == 0) t = static_cast<double>(random() % 9) / 8;
      batch.targets.push_back(t);
      batch.mask.push_back(ignored || random() % 7 == 0 ? 0 : 1);
    }
    batch.sample_weights.push_back(static_cast<double>(static_cast<float>(uniform(random))));
    batch.groups.push_back(static_cast<std::int64_t>(random() % kElementGroups));
  }
  return batch;
}

/// -log(1 + e^-z) without overflow.
inline double log_sigmoid(double z) {
  return z < 0 ? z - std::log1p(std::exp(z)) : -std::log1p(std::exp(-z));
}

/// s_i r_il: what multiplies both sides of an element besides the label's weight.
template <class S, class R>
double reference_outer_weight(const SigmoidLoss<S, R>& loss, const ElementBatch& batch,
                              std::size_t i, std::size_t l) {
  const double weight = batch.sample_weights.empty() ? 1.0 : batch.sample_weights[i];
  const std::vector<double>& counts = loss.rebalance.counts;
  if (counts.empty()) return weight;
  double sum = 0;
  for (std::size_t k = 0; k < batch.labels; ++k) {
    const std::size_t e = i * batch.labels + k;
    if (batch.mask.empty() || batch.mask[e] != 0) sum += batch.targets[e] / counts[k];
  }
  if (sum == 0) return weight * (loss.rebalance.alpha + (loss.rebalance.beta > 0 ? 1.0 : 0.5));
  const double x = loss.rebalance.beta * (1 / counts[l] / sum - loss.rebalance.mu);
  return weight * (loss.rebalance.alpha + std::exp(log_sigmoid(x)));
}

/// What the label multiplies the positive and the negative side by.
struct SideWeights {
  double positive;
  double negative;
};
template <class S, class R>
SideWeights reference_side_weights(const SigmoidLoss<S, R>& loss, std::size_t l) {
  const double both = loss.class_weights.empty() ? 1.0 : loss.class_weights[l];
  const double pos = loss.pos_weight.empty() ? 1.0 : loss.pos_weight[l];
  return {both * pos * loss.positive_weight, both * loss.negative_weight};
}

/// loss_il, before the reduction.
template <class S, class R>
double reference_element_loss(const SigmoidLoss<S, R>& loss, const ElementBatch& batch,
                              std::span<const double> logits, std::size_t i, std::size_t l) {
  const std::size_t e = i * batch.labels + l;
  if (!batch.mask.empty() && batch.mask[e] == 0) return 0;
  const double z = logits[e] + (loss.shift.empty() ? 0.0 : loss.shift[l]);
  const double t = batch.targets[e];
  const auto probability = [](double x) {
    return TargetProbability<double>{log_sigmoid(x), std::exp(log_sigmoid(x)),
                                     std::exp(log_sigmoid(-x))};
  };
  const SideWeights sides = reference_side_weights(loss, l);
  double result = 0;
  if (t > 0) result += t * sides.positive * loss.sides.positive()(probability(z)).value;
  if (t < 1) {
    result += (1 - t) * sides.negative / loss.negative_scale *
              loss.sides.negative()(probability(-loss.negative_scale * z)).value;
  }
  return reference_outer_weight(loss, batch, i, l) * result;
}

/// The value of the whole batch.
template <class S, class R>
double reference_loss(const SigmoidLoss<S, R>& loss, const ElementBatch& batch,
                      std::span<const double> logits) {
  LossPartial partial{std::vector<LossTally>(loss.reduction.buckets())};
  for (std::size_t i = 0; i < batch.rows; ++i) {
    for (std::size_t l = 0; l < batch.labels; ++l) {
      const std::size_t e = i * batch.labels + l;
      if (!batch.mask.empty() && batch.mask[e] == 0) continue;
      const double t = batch.targets[e];
      const SideWeights sides = reference_side_weights(loss, l);
      const ReductionRow<> row{l,
                               reference_outer_weight(loss, batch, i, l) *
                                   (t * sides.positive + (1 - t) * sides.negative),
                               batch.groups.empty() ? 0 : static_cast<std::size_t>(batch.groups[i]),
                               t};
      LossTally& tally = partial.buckets[static_cast<std::size_t>(loss.reduction.bucket(row))];
      tally.numerator += reference_element_loss(loss, batch, logits, i, l);
      tally.denominator += loss.reduction.mass(row);
    }
  }
  return value(partial, coefficients(loss.reduction, partial));
}

/// Weights, shift, scale and rebalancing switched on and off by the bits of `variant`.
inline constexpr unsigned kElementVariants = 64;
template <class S, class R>
SigmoidLoss<S, R> make_sigmoid_loss(unsigned variant, std::size_t labels, std::mt19937_64& random,
                                    S sides, R reduction) {
  std::uniform_real_distribution<double> uniform(0.25, 2.0);
  const auto vector = [&] {
    std::vector<double> values(labels);
    for (double& x : values) x = static_cast<double>(static_cast<float>(uniform(random)));
    return values;
  };
  SigmoidLoss<S, R> loss;
  loss.sides = sides;
  loss.reduction = reduction;
  if ((variant & 1) != 0) loss.class_weights = vector();
  if ((variant & 2) != 0) loss.pos_weight = vector();
  if ((variant & 4) != 0) {
    loss.positive_weight = 0.25;
    loss.negative_weight = 0.75;
  }
  if ((variant & 8) != 0) {
    loss.shift = vector();
    for (double& x : loss.shift) x -= 1;
  }
  if ((variant & 16) != 0) loss.negative_scale = 2;
  if ((variant & 32) != 0) {
    loss.rebalance.counts = vector();
    loss.rebalance.mu = 0.5;
  }
  return loss;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_SIGMOID_REFERENCE_H_
