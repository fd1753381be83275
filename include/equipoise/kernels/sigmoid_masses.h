// What is known of a sigmoid loss before its logits are: settings, checks, weights, and the masses
// that the reduction divides by.
#ifndef EQUIPOISE_KERNELS_SIGMOID_MASSES_H_
#define EQUIPOISE_KERNELS_SIGMOID_MASSES_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/elements.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/rebalance.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

// A rebalancing ratio that stands for infinity: large, yet finite in float.
inline constexpr double kHugeRatio = 1e30;

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The fields of a SigmoidLoss, to which it refers.
struct SigmoidSettings {
  const void* loss;
  void (*require_parts)(const void* loss,
                        std::string_view where);  // of sides and reduction
  AnyReduction reduction;
  const std::vector<double>& class_weights;
  const std::vector<double>& pos_weight;
  double positive_weight;
  double negative_weight;
  const std::vector<double>& shift;
  double negative_scale;
  const LabelRebalance& rebalance;
  EmptyBatch empty_batch;
};

inline void require_sigmoid_loss(std::string_view where, const SigmoidSettings& loss,
                                 std::size_t labels) {
  const auto require_vector = [&](std::string_view name, const std::vector<double>& values) {
    if (values.empty()) return false;
    detail::require_size(where, name, values.size(), labels, "labels");
    return true;
  };
  loss.require_parts(loss.loss, where);
  if (require_vector("class_weights", loss.class_weights)) {
    detail::require_masses(where, "class_weights", loss.class_weights);
  }
  if (require_vector("pos_weight", loss.pos_weight)) {
    detail::require_masses(where, "pos_weight", loss.pos_weight);
  }
  detail::require_not_negative(where, "positive_weight", loss.positive_weight);
  detail::require_not_negative(where, "negative_weight", loss.negative_weight);
  require_vector("shift", loss.shift);
  detail::require_all_finite(where, "shift", loss.shift);
  detail::require_positive(where, "negative_scale", loss.negative_scale);
  detail::require_not_negative(where, "rebalance.alpha", loss.rebalance.alpha);
  detail::require_not_negative(where, "rebalance.beta", loss.rebalance.beta);
  detail::require_finite(where, "rebalance.mu", loss.rebalance.mu);
  const std::vector<double>& counts = loss.rebalance.counts;
  require_vector("rebalance.counts", counts);
  detail::require_all_positive(where, "rebalance.counts", counts);
}

// Refuses constants of a loss that T, the type of its logits, does not hold.
template <class T>
void require_constants_fit(std::string_view where, const SigmoidSettings& loss) {
  detail::require_factors_fit<T>(where, "class_weights", loss.class_weights);
  detail::require_factors_fit<T>(where, "pos_weight", loss.pos_weight);
  detail::require_factor_fits<T>(where, "positive_weight", loss.positive_weight);
  detail::require_factor_fits<T>(where, "negative_weight", loss.negative_weight);
  detail::require_terms_fit<T>(where, "shift", "", loss.shift);
  detail::require_factor_fits<T>(where, "negative_scale", loss.negative_scale);
  detail::require_factor_fits<T>(where, "1 / negative_scale", 1 / loss.negative_scale);
  detail::require_factor_fits<T>(where, "rebalance.alpha", loss.rebalance.alpha);
  detail::require_factor_fits<T>(where, "rebalance.beta", loss.rebalance.beta);
  detail::require_factor_fits<T>(where, "rebalance.mu", loss.rebalance.mu);
}

// The hyper-parameters of a loss by label, as the reduction sees them.
struct LabelWeights {
  std::vector<double> positive;
  std::vector<double> negative;
  std::vector<double> inverse_counts;  // empty: no rebalancing

  LabelWeights(const SigmoidSettings& loss, std::size_t labels)
      : positive(labels, loss.positive_weight), negative(labels, loss.negative_weight) {
    for (std::size_t l = 0; l < labels; ++l) {
      const double both = loss.class_weights.empty() ? 1.0 : loss.class_weights[l];
      positive[l] *= both * (loss.pos_weight.empty() ? 1.0 : loss.pos_weight[l]);
      negative[l] *= both;
    }
    for (const double count : loss.rebalance.counts) inverse_counts.push_back(1 / count);
  }
};

// Targets with all that is known of elements before their logits are.
struct SigmoidInputs {
  const SigmoidSettings& loss;
  AnyElements targets;
  LossArguments arguments;
  LabelWeights weights;
  std::vector<double> row_scales{};  // 1 / sum_k t_k / n_k, for rebalancing; else empty

  SigmoidInputs(const SigmoidSettings& loss_, const AnyElements& targets_,
                const LossArguments& arguments_)
      : loss(loss_), targets(targets_), arguments(arguments_), weights(loss_, targets_.cols()) {
    if (weights.inverse_counts.empty()) return;
    row_scales.resize(targets.rows());
    std::vector<double> row(labels());
    for (std::size_t i = 0; i < targets.rows(); ++i) {
      targets.read(arguments.mask, i * labels(), labels(), row.data());
      double sum = 0;
      for (std::size_t l = 0; l < labels(); ++l) {
        if (!is_ignored(i, l)) sum += row[l] * weights.inverse_counts[l];
      }
      row_scales[i] = sum > 1 / kHugeRatio ? 1 / sum : kHugeRatio;
    }
  }

  std::size_t labels() const { return targets.cols(); }
  std::size_t elements() const { return targets.size(); }
  std::size_t blocks() const { return (elements() + kBlockElements - 1) / kBlockElements; }
  bool masked() const { return arguments.mask.data != nullptr; }
  bool is_ignored(std::size_t row, std::size_t label) const {
    return masked() && arguments.mask(row, label) == 0;
  }
  double ratio(std::size_t row, std::size_t label) const {
    return std::min(weights.inverse_counts[label] * row_scales[row], kHugeRatio);
  }

  // An element with the valid target t as the reduction sees it.
  ReductionRow<> reduction_row(std::size_t row, std::size_t label, double t) const {
    double weight = t * weights.positive[label] + (1 - t) * weights.negative[label];
    if (!arguments.sample_weights.empty()) weight *= arguments.sample_weights[row];
    if (!row_scales.empty()) {
      const LabelRebalance& rebalance = loss.rebalance;
      weight *= rebalance.alpha +
                1 / (1 + std::exp(-rebalance.beta * (ratio(row, label) - rebalance.mu)));
    }
    return {label, weight,
            arguments.groups.empty() ? 0 : static_cast<std::size_t>(arguments.groups[row]), t};
  }
};

// A few elements as the reduction sees them.
struct ElementChunk {
  static constexpr std::size_t kElements = 128;
  std::size_t size = 0;          // elements that are not ignored
  std::size_t index[kElements];  // of such an element
  ReductionRow<> row[kElements];
  std::size_t bucket[kElements];
  double mass[kElements];

  void read(const SigmoidInputs& in, std::size_t begin, std::size_t count) {
    double targets[kElements];
    in.targets.read(in.arguments.mask, begin, count, targets);
    size = 0;
    for_each_element(begin, count, in.labels(),
                     [&](std::size_t j, std::size_t r, std::size_t label) {
                       if (in.is_ignored(r, label)) return;
                       index[size] = begin + j;
                       row[size++] = in.reduction_row(r, label, targets[j]);
                     });
    in.loss.reduction.place({row, size}, bucket, mass);
  }
};

// Calls f(chunk) for elements [begin, begin + count), a few at a time.
template <class F>
void for_each_chunk(const SigmoidInputs& in, std::size_t begin, std::size_t count, const F& f) {
  ElementChunk chunk;
  for (std::size_t done = 0; done < count; done += ElementChunk::kElements) {
    chunk.read(in, begin + done, std::min(ElementChunk::kElements, count - done));
    f(chunk);
  }
}

// Refuses weights of elements that T, the type of the logits, does not hold. Each label occurs in
// each row, so the extremes of both do meet.
template <class T>
void require_weights_fit(std::string_view where, const SigmoidInputs& in) {
  detail::require_factors_fit<T>(where, "sample_weights", in.arguments.sample_weights);
  detail::require_factors_fit<T>(where, "weight of the positives of label", in.weights.positive);
  detail::require_factors_fit<T>(where, "weight of the negatives of label", in.weights.negative);
  const detail::FactorRange of_rows = detail::FactorRange::of(in.arguments.sample_weights);
  const double rebalanced = in.row_scales.empty() ? 1 : 1 + in.loss.rebalance.alpha;
  for (const std::vector<double>* labels : {&in.weights.positive, &in.weights.negative}) {
    const detail::FactorRange range = detail::FactorRange::of(*labels) * of_rows;
    if (range.least == 0 || !detail::fits<T>(range.least)) {
      detail::reject(where, "least label weight x sample weight", range.least,
                     detail::range_of_type<T>());
    }
    detail::require_factor_fits<T>(where, "largest label weight x sample weight",
                                   range.most * rebalanced);
  }
}

// Refuses a call whose numbers T, the type of the logits, does not hold.
template <class T>
void require_fit(std::string_view where, const SigmoidInputs& in,
                 std::span<const double> coefficients) {
  require_constants_fit<T>(where, in.loss);
  require_weights_fit<T>(where, in);
  require_coefficients<T>(where, coefficients, in.loss.reduction.buckets());
}

// Refuses groups that the reduction does not take, but for rows of which nothing counts.
inline void require_groups(std::string_view where, std::size_t groups, const AnyElements& targets,
                           const LossArguments& arguments) {
  const auto counts = [&](std::size_t row) {
    for (std::size_t l = 0; l < targets.cols(); ++l) {
      if (arguments.mask.data == nullptr || arguments.mask(row, l) != 0) return true;
    }
    return false;
  };
  for (std::size_t i = 0; i < targets.rows(); ++i) {
    if (detail::is_class(arguments.groups[i], groups) || !counts(i)) continue;
    detail::reject_element(where, "groups", i, arguments.groups[i],
                           "a group in [0, " + detail::to_text(groups) + ")");
  }
}

inline void require_elements(std::string_view where, const AnyReduction& reduction,
                             const AnyElements& targets, const LossArguments& arguments) {
  if (!arguments.sample_weights.empty()) {
    detail::require_size(where, "sample_weights", arguments.sample_weights.size(), targets.rows(),
                         "rows of targets");
    detail::require_masses(where, "sample_weights", arguments.sample_weights);
  }
  if (!arguments.groups.empty() || reduction.needs_groups()) {
    detail::require_size(where, "groups", arguments.groups.size(), targets.rows(),
                         "rows of targets");
  }
  if (arguments.mask.data != nullptr) {
    require_shape(where, "mask", arguments.mask, targets.shape(), "targets");
  }
  if (reduction.needs_groups()) require_groups(where, reduction.groups(), targets, arguments);
}

inline SigmoidInputs checked_inputs(std::string_view where, const SigmoidSettings& loss,
                                    const AnyElements& targets, const LossArguments& arguments) {
  require_sigmoid_loss(where, loss, targets.cols());
  require_elements(where, loss.reduction, targets, arguments);
  return {loss, targets, arguments};
}

// The masses of a block of elements, and the first one that is wrong.
struct BlockMasses {
  LossPartial partial;
  std::size_t first_bad_target = static_cast<std::size_t>(-1);
  std::size_t first_bad_bucket = static_cast<std::size_t>(-1);
};

// What an element with the valid target t adds to the denominator; only where that is known.
inline double known_mass(const SigmoidInputs& in, RowMass mass, std::size_t row, std::size_t label,
                         double t) {
  if (mass == RowMass::kWeight) return in.reduction_row(row, label, t).weight;
  return mass == RowMass::kOne ? 1.0 : t;
}

// The masses of a run of elements whose targets are valid. With one bucket they are first written
// down and then added: in one loop each element would wait for the sum before it.
inline void add_masses(const SigmoidInputs& in, std::size_t begin, std::size_t count,
                       BlockMasses& result) {
  std::vector<LossTally>& buckets = result.partial.buckets;
  const RowMass known = in.loss.reduction.mass();
  double masses[kRunElements] = {};
  std::size_t valid = 0;
  if (known != RowMass::kUnknown) {
    double targets[kRunElements];
    in.targets.read(in.arguments.mask, begin, count, targets);
    for_each_element(begin, count, in.labels(),
                     [&](std::size_t j, std::size_t row, std::size_t label) {
                       if (in.is_ignored(row, label)) return;
                       masses[j] = known_mass(in, known, row, label, targets[j]);
                       ++valid;
                     });
  } else {
    for_each_chunk(in, begin, count, [&](const ElementChunk& chunk) {
      for (std::size_t k = 0; k < chunk.size; ++k) {
        if (chunk.bucket[k] >= buckets.size()) {
          result.first_bad_bucket = std::min(result.first_bad_bucket, chunk.index[k]);
        } else if (buckets.size() == 1) {
          masses[chunk.index[k] - begin] = chunk.mass[k];
          ++valid;
        } else {
          buckets[chunk.bucket[k]].denominator += chunk.mass[k];
          buckets[chunk.bucket[k]].valid += 1;
        }
      }
    });
  }
  if (buckets.size() != 1) return;
  buckets[0].denominator += sum_in_double(masses, count);
  buckets[0].valid += static_cast<double>(valid);
}

// The same where the mass is the target and nothing is ignored.
inline void add_positives(const SigmoidInputs& in, std::size_t begin, std::size_t count,
                          LossTally& tally) {
  double targets[kRunElements];
  in.targets.read({}, begin, count, targets);
  tally.valid += static_cast<double>(count);
  tally.denominator += sum_in_double(targets, count);
}

inline BlockMasses block_masses(const SigmoidInputs& in, std::size_t block) {
  const AnyReduction& reduction = in.loss.reduction;
  BlockMasses result{LossPartial{std::vector<LossTally>(reduction.buckets())}};
  const std::size_t begin = block * kBlockElements;
  const std::size_t count = std::min(kBlockElements, in.elements() - begin);
  const std::size_t bad = in.targets.first_invalid(in.arguments.mask, begin, count);
  if (bad < begin + count) {
    result.first_bad_target = bad;
    return result;
  }
  if (!in.masked() && reduction.mass() == RowMass::kOne) {
    const auto mass = static_cast<double>(count);
    result.partial.buckets[0] = {0, mass, mass};
    return result;
  }
  for (std::size_t done = 0; done < count; done += kRunElements) {
    const std::size_t size = std::min(kRunElements, count - done);
    if (!in.masked() && reduction.mass() == RowMass::kPositive) {
      add_positives(in, begin + done, size, result.partial.buckets[0]);
    } else {
      add_masses(in, begin + done, size, result);
    }
  }
  return result;
}

// Throws for an element that is in none of the reduction's buckets.
inline void reject_bucket(std::string_view where, const SigmoidInputs& in, std::size_t element) {
  ElementChunk chunk;
  chunk.read(in, element, 1);
  detail::reject_element(where, "bucket of element[" + detail::to_text(element / in.labels()) + "]",
                         element % in.labels(), chunk.bucket[0],
                         "less than " + detail::to_text(in.loss.reduction.buckets()));
}

// Adds up the masses of all elements, and refuses what is wrong with them.
template <class ParallelFor>
LossPartial checked_masses(std::string_view where, const SigmoidInputs& in,
                           const ParallelFor& parallel_for) {
  LossPartial total{std::vector<LossTally>(in.loss.reduction.buckets())};
  if (in.elements() == 0) return total;
  std::vector<BlockMasses> blocks(in.blocks());
  parallel_for(blocks.size(), [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    blocks[block] = block_masses(in, block);
  });
  for (const BlockMasses& each : blocks) {
    if (each.first_bad_target < in.elements()) in.targets.reject(where, each.first_bad_target);
    if (each.first_bad_bucket < in.elements()) reject_bucket(where, in, each.first_bad_bucket);
    total += each.partial;
  }
  return total;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_SIGMOID_MASSES_H_
