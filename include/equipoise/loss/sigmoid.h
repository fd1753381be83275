// Sigmoid losses, multi-label and binary: shift -> sigmoid -> a modulator a side -> weight ->
// reduction, in one pass.
#ifndef EQUIPOISE_LOSS_SIGMOID_H_
#define EQUIPOISE_LOSS_SIGMOID_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/detail/sigmoid_kernel.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/reduction.h"
#include "equipoise/view.h"

namespace equipoise {

/// The re-balanced weights of Wu et al. 2020 (arXiv:2007.09654), for rows that were sampled, or are
/// counted, by several labels at once. An element of label l in a row whose positives are k has the
/// weight
///
///     alpha + sigma(beta (r - mu)),   r = (1 / n_l) / sum_k (1 / n_k)
///
/// where n are the labels' counts. In a row without positives r is infinite and the weight
/// alpha + 1. Targets between 0 and 1 count as that much of a positive.
struct Rebalance {
  double alpha = 0.1;  ///< >= 0
  double beta = 10.0;  ///< >= 0
  double mu = 0.9;     ///< finite
  std::vector<double>
      counts{};  ///< positives of each label: L finite numbers > 0; empty: no weight

  friend bool operator==(const Rebalance&, const Rebalance&) = default;
};

/// A sigmoid loss as a value. For row i and label l with target t in [0, 1] and the logit z,
///
///     loss_il = s_i w_l r_il [t pos_l a+ m+(sigma(z')) + (1 - t) a- m-(sigma(-lambda z')) /
///     lambda] z' = z + shift_l
///
/// with the modulators m+ and m- of the sides, the weights s of the row, w of the label, pos of the
/// label's positives, a+ and a- of the sides, r of `rebalance`, and lambda = negative_scale. The
/// reduction makes one number of the elements; it sees each as a row whose class is the label,
/// whose `positive` is t, and whose weight is s_i w_l r_il [t pos_l a+ + (1 - t) a-]. A masked
/// element has loss and gradient zero, whatever its logit and target. Fields left out are the plain
/// binary cross-entropy, averaged over all elements. Weights, their products and the other factors
/// are taken in the type of the logits: what that does not hold, such as 1e39 or 1e-46 with float,
/// is refused.
template <SigmoidModulators S = BinaryCrossEntropy, Reduction R = MeanByCount>
struct SigmoidLoss {
  S sides{};
  R reduction{};
  std::vector<double> class_weights{};  ///< L finite numbers >= 0, of both sides; empty: all 1
  std::vector<double> pos_weight{};     ///< L finite numbers >= 0, of positives; empty: all 1
  double positive_weight = 1.0;         ///< finite, >= 0: the alpha of the focal loss
  double negative_weight = 1.0;         ///< finite, >= 0: its 1 - alpha
  std::vector<double> shift{};          ///< L finite numbers, of training; empty: all 0
  double negative_scale = 1.0;          ///< lambda: finite, > 0; of training
  Rebalance rebalance{};
  EmptyBatch empty_batch = EmptyBatch::kZero;
};

/// The loss for evaluation: without what bends the logits in training, shift and negative_scale.
template <SigmoidModulators S, Reduction R>
SigmoidLoss<S, R> evaluation(SigmoidLoss<S, R> loss) {
  loss.shift.clear();
  loss.negative_scale = 1;
  return loss;
}

/// What elements have besides logits and targets. A span or view without data stands for none.
struct ElementAttributes {
  std::span<const double> sample_weights{};  ///< N finite numbers >= 0; default 1
  std::span<const std::int64_t> groups{};    ///< N group indices, for reductions by group
  MatrixView<const std::uint8_t> mask{};     ///< N x L; elements with a 0 are ignored
};

/// What a loss call writes. A view without data is not written.
template <class T>
struct ElementOutputs {
  MatrixView<T> gradient{};  ///< N x L: the derivative of the value with respect to the logits
  MatrixView<T> losses{};    ///< N x L: loss_il, before the reduction; 0 where ignored
};

namespace detail {

template <class S, class R>
void require_sigmoid_loss(std::string_view where, const SigmoidLoss<S, R>& loss,
                          std::size_t labels) {
  const auto require_vector = [&](std::string_view name, const std::vector<double>& values) {
    if (values.empty()) return false;
    require_size(where, name, values.size(), labels, "labels");
    return true;
  };
  if constexpr (requires { loss.sides.require(where); }) loss.sides.require(where);
  if constexpr (requires { loss.reduction.require(where); }) loss.reduction.require(where);
  if (require_vector("class_weights", loss.class_weights)) {
    require_masses(where, "class_weights", loss.class_weights);
  }
  if (require_vector("pos_weight", loss.pos_weight)) {
    require_masses(where, "pos_weight", loss.pos_weight);
  }
  require_not_negative(where, "positive_weight", loss.positive_weight);
  require_not_negative(where, "negative_weight", loss.negative_weight);
  require_vector("shift", loss.shift);
  require_all_finite(where, "shift", loss.shift);
  require_positive(where, "negative_scale", loss.negative_scale);
  require_not_negative(where, "rebalance.alpha", loss.rebalance.alpha);
  require_not_negative(where, "rebalance.beta", loss.rebalance.beta);
  require_finite(where, "rebalance.mu", loss.rebalance.mu);
  const std::vector<double>& counts = loss.rebalance.counts;
  require_vector("rebalance.counts", counts);
  require_all_positive(where, "rebalance.counts", counts);
}

// Refuses constants of a loss that T, the type of its logits, does not hold.
template <class T, class S, class R>
void require_constants_fit(std::string_view where, const SigmoidLoss<S, R>& loss) {
  require_factors_fit<T>(where, "class_weights", loss.class_weights);
  require_factors_fit<T>(where, "pos_weight", loss.pos_weight);
  require_factor_fits<T>(where, "positive_weight", loss.positive_weight);
  require_factor_fits<T>(where, "negative_weight", loss.negative_weight);
  require_terms_fit<T>(where, "shift", "", loss.shift);
  require_factor_fits<T>(where, "negative_scale", loss.negative_scale);
  require_factor_fits<T>(where, "1 / negative_scale", 1 / loss.negative_scale);
  require_factor_fits<T>(where, "rebalance.alpha", loss.rebalance.alpha);
  require_factor_fits<T>(where, "rebalance.beta", loss.rebalance.beta);
  require_factor_fits<T>(where, "rebalance.mu", loss.rebalance.mu);
}

// Whether t is a target: 0 or 1, or for floating-point types anything between. Read off the bits,
// because -ffast-math lets NaN pass comparisons.
template <class Y>
EQUIPOISE_INLINE bool is_sigmoid_target(Y t) {
  if constexpr (std::integral<Y>) {
    return t == Y(0) || t == Y(1);
  } else if constexpr (std::same_as<Y, float>) {
    const auto bits = std::bit_cast<std::uint32_t>(t);
    return bits <= std::bit_cast<std::uint32_t>(1.0F) || bits << 1 == 0;  // or minus zero
  } else {
    const auto bits = std::bit_cast<std::uint64_t>(static_cast<double>(t));
    return bits <= std::bit_cast<std::uint64_t>(1.0) || bits << 1 == 0;
  }
}

// A number whose highest bit is clear if t is a target; where that bit is set t is none, or minus
// zero. Numbers of this kind can be joined by |, and that can be done with vectors.
template <class Y>
EQUIPOISE_INLINE auto target_defects(Y t) {
  if constexpr (std::integral<Y>) {
    const auto bits = static_cast<
        std::make_unsigned_t<std::conditional_t<std::same_as<Y, bool>, std::uint8_t, Y>>>(t);
    return static_cast<decltype(bits)>(bits | (1 - bits));
  } else {
    using Bits = std::conditional_t<std::same_as<Y, float>, std::uint32_t, std::uint64_t>;
    using Real = std::conditional_t<std::same_as<Y, float>, float, double>;
    const auto bits = std::bit_cast<Bits>(static_cast<Real>(t));
    return bits | (std::bit_cast<Bits>(Real(1)) - bits);
  }
}

// Whether these are targets, without minus zeros; loops of a known length are what compilers make
// vectors of.
template <class Y>
EQUIPOISE_INLINE bool plainly_targets(const Y* targets, std::size_t count) {
  using Bits = std::remove_const_t<decltype(target_defects(Y{}))>;
  constexpr std::size_t kStep = 64;
  Bits defects = 0;
  std::size_t j = 0;
  for (; j + kStep <= count; j += kStep) {
    for (std::size_t k = 0; k < kStep; ++k) {
      defects = static_cast<Bits>(defects | target_defects(targets[j + k]));
    }
  }
  for (; j < count; ++j) defects = static_cast<Bits>(defects | target_defects(targets[j]));
  return defects >> (8 * sizeof(Bits) - 1) == 0;
}

// Elements are numbered row by row. Calls f(j, row, label) for element begin + j, j in [0, count).
template <class F>
EQUIPOISE_INLINE void for_each_element(std::size_t begin, std::size_t count, std::size_t labels,
                                       const F& f) {
  std::size_t row = begin / labels;
  std::size_t label = begin % labels;
  for (std::size_t j = 0; j < count; ++j) {
    f(j, row, label);
    if (++label == labels) {
      label = 0;
      ++row;
    }
  }
}

// The distance from one element of a matrix to the next where it is the same for all of them,
// else 0.
template <class T>
constexpr std::ptrdiff_t flat_step(const MatrixView<T>& view) {
  if (view.cols == 1) return view.row_stride;
  const auto cols = static_cast<std::ptrdiff_t>(view.cols);
  return view.rows == 1 || view.row_stride == cols * view.col_stride ? view.col_stride : 0;
}

// Where element e of a matrix with this step lies.
template <class T>
constexpr T* flat_element(const MatrixView<T>& view, std::ptrdiff_t step, std::size_t e) {
  return view.data + static_cast<std::ptrdiff_t>(e) * step;
}

// Copies elements of a matrix, one after the other; step is its flat_step().
template <class T, class Y>
EQUIPOISE_INLINE void read_elements(const MatrixView<const Y>& view, std::ptrdiff_t step,
                                    std::size_t begin, std::size_t count, T* out) {
  if (step == 1) {
    const Y* const in = flat_element(view, 1, begin);
    for (std::size_t j = 0; j < count; ++j) out[j] = static_cast<T>(in[j]);
  } else if (step != 0) {
    const Y* const in = flat_element(view, step, begin);
    for (std::size_t j = 0; j < count; ++j) {
      out[j] = static_cast<T>(in[static_cast<std::ptrdiff_t>(j) * step]);
    }
  } else {
    for_each_element(begin, count, view.cols,
                     [&](std::size_t j, std::size_t row, std::size_t label)
                         EQUIPOISE_INLINE_LAMBDA { out[j] = static_cast<T>(view(row, label)); });
  }
}

template <class T>
EQUIPOISE_INLINE void write_elements(const T* in, std::size_t begin, std::size_t count,
                                     const MatrixView<T>& view) {
  for_each_element(begin, count, view.cols,
                   [&](std::size_t j, std::size_t row, std::size_t label)
                       EQUIPOISE_INLINE_LAMBDA { view(row, label) = in[j]; });
}

// The sum in double, in an order of its own: four sums that do not wait for each other.
template <class T>
EQUIPOISE_INLINE double sum_in_double(const T* values, std::size_t count) {
  double sums[4] = {0, 0, 0, 0};
  const std::size_t whole = count / 4 * 4;
  for (std::size_t j = 0; j < whole; j += 4) {
    sums[0] += static_cast<double>(values[j]);
    sums[1] += static_cast<double>(values[j + 1]);
    sums[2] += static_cast<double>(values[j + 2]);
    sums[3] += static_cast<double>(values[j + 3]);
  }
  for (std::size_t j = whole; j < count; ++j) sums[0] += static_cast<double>(values[j]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Elements are taken in runs that fit in the first-level cache, runs in blocks that are worth a
// task; sums have the same order however many threads there are.
inline constexpr std::size_t kRunElements = 512;
inline constexpr std::size_t kBlockElements = 32 * kRunElements;

// A rebalancing ratio that stands for infinity: large, yet finite in float.
inline constexpr double kHugeRatio = 1e30;

// The hyper-parameters of a loss by label, as the reduction sees them.
struct LabelWeights {
  std::vector<double> positive;
  std::vector<double> negative;
  std::vector<double> inverse_counts;  // empty: no rebalancing

  template <class S, class R>
  LabelWeights(const SigmoidLoss<S, R>& loss, std::size_t labels)
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
template <class Y>
struct SigmoidInputs {
  MatrixView<const Y> targets;
  ElementAttributes attributes;
  LabelWeights weights;
  std::vector<double> row_scales;  // 1 / sum_k t_k / n_k, for rebalancing; else empty
  double alpha = 0;
  double beta = 0;
  double mu = 0;

  template <class S, class R>
  SigmoidInputs(const SigmoidLoss<S, R>& loss, const MatrixView<const Y>& targets_,
                const ElementAttributes& attributes_)
      : targets(targets_),
        attributes(attributes_),
        weights(loss, targets_.cols),
        alpha(loss.rebalance.alpha),
        beta(loss.rebalance.beta),
        mu(loss.rebalance.mu) {
    if (weights.inverse_counts.empty()) return;
    row_scales.resize(targets.rows);
    for (std::size_t i = 0; i < targets.rows; ++i) {
      double sum = 0;
      for (std::size_t l = 0; l < targets.cols; ++l) {
        if (!is_ignored(i, l))
          sum += static_cast<double>(targets(i, l)) * weights.inverse_counts[l];
      }
      row_scales[i] = sum > 1 / kHugeRatio ? 1 / sum : kHugeRatio;
    }
  }

  std::size_t elements() const { return targets.rows * targets.cols; }
  std::size_t blocks() const { return (elements() + kBlockElements - 1) / kBlockElements; }

  EQUIPOISE_INLINE bool is_ignored(std::size_t row, std::size_t label) const {
    return attributes.mask.data != nullptr && attributes.mask(row, label) == 0;
  }

  // An element as the reduction sees it; it is not ignored and its target is valid.
  EQUIPOISE_INLINE ReductionRow<> reduction_row(std::size_t row, std::size_t label) const {
    const auto t = static_cast<double>(targets(row, label));
    double weight = t * weights.positive[label] + (1 - t) * weights.negative[label];
    if (!attributes.sample_weights.empty()) weight *= attributes.sample_weights[row];
    if (!row_scales.empty()) {
      const double ratio = std::min(weights.inverse_counts[label] * row_scales[row], kHugeRatio);
      weight *= alpha + 1 / (1 + std::exp(-beta * (ratio - mu)));
    }
    return {label, weight,
            attributes.groups.empty() ? 0 : static_cast<std::size_t>(attributes.groups[row]), t};
  }
};

// Refuses weights of elements that T, the type of the logits, does not hold. Each label occurs in
// each row, so the extremes of both do meet.
template <class T, class Y>
void require_weights_fit(std::string_view where, const SigmoidInputs<Y>& in) {
  require_factors_fit<T>(where, "sample_weights", in.attributes.sample_weights);
  require_factors_fit<T>(where, "weight of the positives of label", in.weights.positive);
  require_factors_fit<T>(where, "weight of the negatives of label", in.weights.negative);
  const FactorRange of_rows = FactorRange::of(in.attributes.sample_weights);
  const double rebalanced = in.row_scales.empty() ? 1 : 1 + in.alpha;
  for (const std::vector<double>* labels : {&in.weights.positive, &in.weights.negative}) {
    const FactorRange range = FactorRange::of(*labels) * of_rows;
    if (range.least == 0 || !fits<T>(range.least)) {
      reject(where, "least label weight x sample weight", range.least, range_of_type<T>());
    }
    require_factor_fits<T>(where, "largest label weight x sample weight", range.most * rebalanced);
  }
}

// Refuses a call whose numbers T, the type of the logits, does not hold.
template <class T, class S, class R, class Y>
void require_fit(std::string_view where, const SigmoidLoss<S, R>& loss, const SigmoidInputs<Y>& in,
                 std::span<const double> coefficients) {
  require_constants_fit<T>(where, loss);
  require_weights_fit<T>(where, in);
  require_coefficients<T>(where, loss.reduction, coefficients);
}

// Refuses a matrix whose shape is not that of `like`.
template <class T, class U>
void require_shape(std::string_view where, std::string_view name, const MatrixView<T>& view,
                   const MatrixView<U>& like, std::string_view like_name) {
  const auto require = [&](const char* extent, std::size_t size, std::size_t expected) {
    if (size == expected) return;
    reject(where, std::string(name) + "." + extent, size,
           to_text(expected) + " (" + extent + " of " + std::string(like_name) + ")");
  };
  require("rows", view.rows, like.rows);
  require("cols", view.cols, like.cols);
}

// Refuses groups that the reduction does not take, but for rows of which nothing counts.
template <class R, class Y>
void require_groups(std::string_view where, const R& reduction, const MatrixView<const Y>& targets,
                    const ElementAttributes& attributes) {
  const std::size_t groups = reduction.group_count();
  const auto counts = [&](std::size_t row) {
    for (std::size_t l = 0; l < targets.cols; ++l) {
      if (attributes.mask.data == nullptr || attributes.mask(row, l) != 0) return true;
    }
    return false;
  };
  for (std::size_t i = 0; i < targets.rows; ++i) {
    if (is_class(attributes.groups[i], groups) || !counts(i)) continue;
    reject_element(where, "groups", i, attributes.groups[i],
                   "a group in [0, " + to_text(groups) + ")");
  }
}

template <class R, class Y>
void require_elements(std::string_view where, const R& reduction,
                      const MatrixView<const Y>& targets, const ElementAttributes& attributes) {
  if (!attributes.sample_weights.empty()) {
    require_size(where, "sample_weights", attributes.sample_weights.size(), targets.rows,
                 "rows of targets");
    require_masses(where, "sample_weights", attributes.sample_weights);
  }
  if (!attributes.groups.empty() || kNeedsGroups<R>) {
    require_size(where, "groups", attributes.groups.size(), targets.rows, "rows of targets");
  }
  if (attributes.mask.data != nullptr) {
    require_shape(where, "mask", attributes.mask, targets, "targets");
  }
  if constexpr (kNeedsGroups<R>) require_groups(where, reduction, targets, attributes);
}

// The masses of a block of elements, and the first one that is wrong.
struct BlockMasses {
  Partial partial;
  std::size_t first_bad_target = static_cast<std::size_t>(-1);
  std::size_t first_bad_bucket = static_cast<std::size_t>(-1);
};

// The first of some elements whose target is none; begin + count where there is none.
template <class Y>
EQUIPOISE_INLINE std::size_t first_bad_target(const SigmoidInputs<Y>& in, std::size_t begin,
                                              std::size_t count) {
  const std::ptrdiff_t step = flat_step(in.targets);
  if (step == 1 && in.attributes.mask.data == nullptr) {
    if (plainly_targets(flat_element(in.targets, 1, begin), count)) return begin + count;
  }
  std::size_t first = begin + count;
  for_each_element(begin, count, in.targets.cols,
                   [&](std::size_t j, std::size_t row, std::size_t label) EQUIPOISE_INLINE_LAMBDA {
                     if (in.is_ignored(row, label) || is_sigmoid_target(in.targets(row, label)))
                       return;
                     first = std::min(first, begin + j);
                   });
  return first;
}

// The masses of a run of elements whose targets are valid. With one bucket they are first written
// down and then added: in one loop each element would wait for the sum before it.
template <class R, class Y>
EQUIPOISE_INLINE void add_masses(const R& reduction, const SigmoidInputs<Y>& in, std::size_t begin,
                                 std::size_t count, BlockMasses& result) {
  Tally* const buckets = result.partial.buckets.data();
  const std::size_t size = result.partial.buckets.size();
  double masses[kRunElements];
  std::size_t valid = 0;
  std::size_t bad = result.first_bad_bucket;
  for_each_element(begin, count, in.targets.cols,
                   [&](std::size_t j, std::size_t row, std::size_t label) EQUIPOISE_INLINE_LAMBDA {
                     masses[j] = 0;
                     if (in.is_ignored(row, label)) return;
                     const auto element = row_for<R>(in.reduction_row(row, label));
                     const auto bucket = static_cast<std::size_t>(reduction.bucket(element));
                     if (bucket >= size) {
                       bad = std::min(bad, begin + j);
                     } else if (size == 1) {
                       masses[j] = static_cast<double>(reduction.mass(element));
                       ++valid;
                     } else {
                       buckets[bucket].denominator += static_cast<double>(reduction.mass(element));
                       buckets[bucket].valid += 1;
                     }
                   });
  result.first_bad_bucket = bad;
  if (size != 1) return;
  buckets[0].denominator += sum_in_double(masses, count);
  buckets[0].valid += static_cast<double>(valid);
}

// The same where the mass is the target and nothing is ignored.
template <class Y>
EQUIPOISE_INLINE void add_positives(const SigmoidInputs<Y>& in, std::size_t begin,
                                    std::size_t count, Tally& tally) {
  tally.valid += static_cast<double>(count);
  const std::ptrdiff_t step = flat_step(in.targets);
  if (step == 1) {
    tally.denominator += sum_in_double(flat_element(in.targets, step, begin), count);
    return;
  }
  double targets[kRunElements];
  read_elements(in.targets, step, begin, count, targets);
  tally.denominator += sum_in_double(targets, count);
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

template <class R, class Y>
BlockMasses block_masses(const R& reduction, const SigmoidInputs<Y>& in, std::size_t block) {
  BlockMasses result{Partial{std::vector<Tally>(reduction.buckets())}};
  const std::size_t begin = block * kBlockElements;
  const std::size_t count = std::min(kBlockElements, in.elements() - begin);
  const std::size_t bad = first_bad_target(in, begin, count);
  if (bad < begin + count) {
    result.first_bad_target = bad;
    return result;
  }
  const bool masked = in.attributes.mask.data != nullptr;
  if (!masked && (std::same_as<R, MeanByCount> || std::same_as<R, Sum>)) {
    const auto mass = static_cast<double>(count);
    result.partial.buckets[0] = {0, mass, mass};
    return result;
  }
  for (std::size_t done = 0; done < count; done += kRunElements) {
    const std::size_t size = std::min(kRunElements, count - done);
    if (!masked && std::same_as<R, MeanByPositives>) {
      add_positives(in, begin + done, size, result.partial.buckets[0]);
    } else {
      add_masses(reduction, in, begin + done, size, result);
    }
  }
  return result;
}

// Adds up the masses of all elements, and refuses what is wrong with them.
template <class R, class Y, class ParallelFor>
Partial checked_masses(std::string_view where, const R& reduction, const SigmoidInputs<Y>& in,
                       const ParallelFor& parallel_for) {
  Partial total{std::vector<Tally>(reduction.buckets())};
  if (in.elements() == 0) return total;
  std::vector<BlockMasses> blocks(in.blocks());
  parallel_for(blocks.size(), [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    blocks[block] = block_masses(reduction, in, block);
  });
  const auto name = [&](std::string_view what, std::size_t element) {
    return std::string(what) + "[" + to_text(element / in.targets.cols) + "]";
  };
  for (const BlockMasses& each : blocks) {
    if (const std::size_t e = each.first_bad_target; e < in.elements()) {
      const std::size_t label = e % in.targets.cols;
      reject_element(where, name("targets", e), label, in.targets(e / in.targets.cols, label),
                     std::integral<Y> ? "0 or 1" : "a number in [0, 1]");
    }
    if (const std::size_t e = each.first_bad_bucket; e < in.elements()) {
      const std::size_t label = e % in.targets.cols;
      const auto element = row_for<R>(in.reduction_row(e / in.targets.cols, label));
      reject_element(where, name("bucket of element", e), label,
                     static_cast<std::size_t>(reduction.bucket(element)),
                     "less than " + to_text(total.buckets.size()));
    }
    total += each.partial;
  }
  return total;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// The labels' constants in the type of the logits, repeated so that a run that starts at any label
// finds those of its elements one after the other.
template <class T>
struct SigmoidConstants {
  std::vector<T> positive;
  std::vector<T> negative;
  std::vector<T> shift;

  SigmoidConstants(const LabelWeights& weights, const std::vector<double>& shift_)
      : positive(repeated(weights.positive)),
        negative(repeated(weights.negative)),
        shift(repeated(shift_)) {}

  static std::vector<T> repeated(const std::vector<double>& values) {
    std::vector<T> result;
    if (values.empty()) return result;
    result.resize(values.size() + kRunElements + kMostLanes);
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = i < values.size() ? static_cast<T>(values[i]) : result[i - values.size()];
    }
    return result;
  }
};

// The work space of a run.
template <class T>
struct SigmoidRun {
  static constexpr std::size_t kRoom = kRunElements + kMostLanes;
  alignas(64) T logits[kRoom];
  alignas(64) T gradient[kRoom];
  alignas(64) T targets[kRoom];
  alignas(64) T outer[kRoom];
  alignas(64) T ratios[kRoom];
  alignas(64) T coefficients[kRoom];
  alignas(64) T losses[kRoom];
  std::uint32_t bucket[kRunElements];
};

// Targets and weights of the rows, and which elements do not count.
template <class T, class Y>
EQUIPOISE_INLINE void read_targets(const SigmoidInputs<Y>& in, std::size_t begin, std::size_t count,
                                   SigmoidRun<T>& run, SigmoidElements<T>& elements) {
  elements.targets = run.targets;
  const bool masked = in.attributes.mask.data != nullptr;
  const bool weighted = masked || !in.attributes.sample_weights.empty() || !in.row_scales.empty();
  if (!masked) read_elements(in.targets, flat_step(in.targets), begin, count, run.targets);
  for (std::size_t j = count; j < count + kMostLanes; ++j) {
    run.targets[j] = run.outer[j] = run.ratios[j] = run.coefficients[j] = 0;
  }
  if (!weighted) return;
  elements.outer = run.outer;
  elements.ratios = in.row_scales.empty() ? nullptr : run.ratios;
  for_each_element(begin, count, in.targets.cols,
                   [&](std::size_t j, std::size_t row, std::size_t label) EQUIPOISE_INLINE_LAMBDA {
                     const bool ignored = in.is_ignored(row, label);
                     if (masked)
                       run.targets[j] = ignored ? T(0) : static_cast<T>(in.targets(row, label));
                     const double weight = in.attributes.sample_weights.empty()
                                               ? 1.0
                                               : in.attributes.sample_weights[row];
                     run.outer[j] = ignored ? T(0) : static_cast<T>(weight);
                     if (in.row_scales.empty()) return;
                     run.ratios[j] = static_cast<T>(std::min(
                         in.weights.inverse_counts[label] * in.row_scales[row], kHugeRatio));
                   });
}

// Which bucket each element is in, and with what coefficient it goes into the gradient.
template <class R, class T, class Y>
EQUIPOISE_INLINE void read_coefficients(const R& reduction, const SigmoidInputs<Y>& in,
                                        std::span<const double> coefficients, std::size_t begin,
                                        std::size_t count, SigmoidRun<T>& run,
                                        SigmoidElements<T>& elements) {
  if (coefficients.size() == 1) {
    elements.coefficient = static_cast<T>(coefficients[0]);
    return;
  }
  elements.coefficients = run.coefficients;
  for_each_element(begin, count, in.targets.cols,
                   [&](std::size_t j, std::size_t row, std::size_t label) EQUIPOISE_INLINE_LAMBDA {
                     const std::size_t bucket =
                         in.is_ignored(row, label) ? 0
                                                   : static_cast<std::size_t>(reduction.bucket(
                                                         row_for<R>(in.reduction_row(row, label))));
                     run.bucket[j] = static_cast<std::uint32_t>(bucket);
                     run.coefficients[j] = static_cast<T>(coefficients[bucket]);
                   });
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// At most kRunElements elements; everything is checked.
template <class S, class R, class T, class Y>
void sigmoid_run_of(const SigmoidLoss<S, R>& loss, const SigmoidConstants<T>& constants,
                    const SigmoidInputs<Y>& in, const MatrixView<const T>& logits,
                    std::span<const double> coefficients, const ElementOutputs<T>& outputs,
                    std::size_t begin, std::size_t count, Partial& partial, SigmoidRun<T>& run,
                    Cpu instructions) {
  const std::size_t label = begin % logits.cols;
  SigmoidElements<T> elements{};
  elements.count = count;
  read_targets(in, begin, count, run, elements);
  read_coefficients(loss.reduction, in, coefficients, begin, count, run, elements);
  elements.positive = constants.positive.data() + label;
  elements.negative = constants.negative.data() + label;
  elements.shift = constants.shift.empty() ? nullptr : constants.shift.data() + label;
  elements.negative_scale = static_cast<T>(loss.negative_scale);
  elements.alpha = static_cast<T>(in.alpha);
  elements.beta = static_cast<T>(in.beta);
  elements.mu = static_cast<T>(in.mu);
  elements.losses = run.losses;
  const bool wants_gradient = outputs.gradient.data != nullptr;
  const bool in_place = wants_gradient && flat_step(outputs.gradient) == 1;
  if (const std::ptrdiff_t step = flat_step(logits); step == 1) {
    elements.logits = flat_element(logits, step, begin);
  } else {
    read_elements(logits, step, begin, count, run.logits);
    elements.logits = run.logits;
  }
  if (wants_gradient) {
    elements.gradient = in_place ? flat_element(outputs.gradient, 1, begin) : run.gradient;
  }
  sigmoid_kernel(elements, loss.sides.positive(), loss.sides.negative(), instructions);
  if (wants_gradient && !in_place) write_elements(run.gradient, begin, count, outputs.gradient);
  if (outputs.losses.data != nullptr) write_elements(run.losses, begin, count, outputs.losses);
  if (partial.buckets.size() == 1) {
    partial.buckets[0].numerator += sum_in_double(run.losses, count);
    return;
  }
  for (std::size_t j = 0; j < count; ++j) {
    partial.buckets[run.bucket[j]].numerator += static_cast<double>(run.losses[j]);
  }
}

// evaluate() on elements whose masses, and so whose validity, are known.
template <class S, class R, class T, class Y, class ParallelFor>
Partial evaluate_checked(const SigmoidLoss<S, R>& loss, const SigmoidInputs<Y>& in,
                         const MatrixView<const T>& logits, Partial total,
                         std::span<const double> coefficients, const ElementOutputs<T>& outputs,
                         const ParallelFor& parallel_for, Cpu instructions) {
  if (in.elements() == 0 || coefficients.empty()) return total;
  const SigmoidConstants<T> constants(in.weights, loss.shift);
  std::vector<Partial> partials(in.blocks());
  parallel_for(partials.size(), [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    Partial partial{std::vector<Tally>(coefficients.size())};
    SigmoidRun<T> run;
    const std::size_t end = std::min((block + 1) * kBlockElements, in.elements());
    for (std::size_t begin = block * kBlockElements; begin < end; begin += kRunElements) {
      sigmoid_run_of(loss, constants, in, logits, coefficients, outputs, begin,
                     std::min(kRunElements, end - begin), partial, run, instructions);
    }
    partials[block] = std::move(partial);
  });
  for (const Partial& partial : partials) total += partial;
  return total;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

template <class S, class R, class Y>
SigmoidInputs<Y> checked_inputs(std::string_view where, const SigmoidLoss<S, R>& loss,
                                const MatrixView<const Y>& targets,
                                const ElementAttributes& attributes) {
  require_sigmoid_loss(where, loss, targets.cols);
  require_elements(where, loss.reduction, targets, attributes);
  return {loss, targets, attributes};
}

template <class S, class R, class T, class Y>
void require_outputs(std::string_view where, const SigmoidLoss<S, R>& loss,
                     const MatrixView<const T>& logits, const SigmoidInputs<Y>& in,
                     std::span<const double> coefficients, const ElementOutputs<T>& outputs) {
  require_shape(where, "targets", in.targets, logits, "logits");
  require_fit<T>(where, loss, in, coefficients);
  if (outputs.gradient.data != nullptr) {
    require_shape(where, "gradient", outputs.gradient, logits, "logits");
  }
  if (outputs.losses.data != nullptr) {
    require_shape(where, "losses", outputs.losses, logits, "logits");
  }
}

}  // namespace detail

/// What the reduction divides by, from targets and weights alone, so it is known before the forward
/// pass: take it over everything one optimiser step sees (merge micro-batches with +=, sum
/// all_reduce_buffer() over ranks) and pass coefficients() of it to each loss call. targets is
/// N x L of any arithmetic type. O(N L).
///
/// @throws std::invalid_argument for a target that is NaN or outside [0, 1] (0 or 1 for integer
/// types), for hyper-parameters and sample weights out of range, and for sizes that differ.
template <SigmoidModulators S, Reduction R, class Y, class ParallelFor = SerialFor>
EQUIPOISE_INLINE Partial denominators(const SigmoidLoss<S, R>& loss, MatrixView<Y> targets,
                                      const ElementAttributes& attributes = {},
                                      const ParallelFor& parallel_for = {}) {
  const MatrixView<const std::remove_const_t<Y>> view = targets;
  return detail::checked_masses("denominators", loss.reduction,
                                detail::checked_inputs("denominators", loss, view, attributes),
                                parallel_for);
}

/// The partial of some rows: their numerators, with the masses and counts of their elements; writes
/// the gradient and the losses of elements if asked to. The gradient is that of
/// value(partial, coefficients), so gradients of parts, each computed with the coefficients of the
/// whole, add up to the gradient of the whole.
///
/// logits is N x L of float or double and targets N x L of any arithmetic type, both with any
/// strides; nothing of their size is allocated. Sums over elements are taken in double, in an order
/// that does not depend on the number of threads. A NaN logit makes its element's loss and gradient
/// NaN. An infinite one is a probability of 0 or 1: the loss of the side that is right is 0, that
/// of the other infinite, unless its modulator is bounded, with a gradient that is finite or, under
/// a modulator that multiplies the logarithm by something that is 0 there, NaN. Under -ffast-math
/// such logits have no defined result.
///
/// @throws std::invalid_argument as denominators(), for shapes that do not match, for coefficients
/// that do not fit the reduction, and for weights, terms and coefficients that T does not hold.
/// Nothing is written then.
template <SigmoidModulators S, Reduction R, std::floating_point T, class Y,
          class ParallelFor = SerialFor>
EQUIPOISE_INLINE Partial evaluate(const SigmoidLoss<S, R>& loss, MatrixView<const T> logits,
                                  MatrixView<Y> targets, std::span<const double> coefficients,
                                  const ElementOutputs<T>& outputs = {},
                                  const ElementAttributes& attributes = {},
                                  const ParallelFor& parallel_for = {},
                                  detail::Cpu instructions = detail::cpu()) {
  const MatrixView<const std::remove_const_t<Y>> view = targets;
  const auto in = detail::checked_inputs("evaluate", loss, view, attributes);
  detail::require_outputs("evaluate", loss, logits, in, coefficients, outputs);
  return detail::evaluate_checked(
      loss, in, logits, detail::checked_masses("evaluate", loss.reduction, in, parallel_for),
      coefficients, outputs, parallel_for, instructions);
}

/// The value of a whole batch from its partial: sum_k coefficient_k numerator_k, or what
/// loss.empty_batch says where nothing was averaged.
template <SigmoidModulators S, Reduction R>
double finish(const SigmoidLoss<S, R>& loss, const Partial& partial,
              std::span<const double> coefficients) {
  const bool nothing = std::all_of(coefficients.begin(), coefficients.end(),
                                   [](double coefficient) { return coefficient == 0; });
  if (nothing && loss.empty_batch == EmptyBatch::kNaN) return detail::quiet_nan();
  return value(partial, coefficients);
}

/// The loss of a whole batch, and its gradient if `gradient` has data. For parts of a batch use
/// denominators(), coefficients() and evaluate().
/// @throws std::invalid_argument as evaluate().
template <SigmoidModulators S, Reduction R, std::floating_point T, class Y>
EQUIPOISE_INLINE double sigmoid_loss(const SigmoidLoss<S, R>& loss, MatrixView<const T> logits,
                                     MatrixView<Y> targets, MatrixView<T> gradient = {},
                                     const ElementAttributes& attributes = {}) {
  const MatrixView<const std::remove_const_t<Y>> view = targets;
  const auto in = detail::checked_inputs("sigmoid_loss", loss, view, attributes);
  const Partial whole = detail::checked_masses("sigmoid_loss", loss.reduction, in, SerialFor{});
  const std::vector<double> scales = coefficients(loss.reduction, whole);
  const ElementOutputs<T> outputs{gradient, {}};
  detail::require_outputs("sigmoid_loss", loss, logits, in, std::span<const double>(scales),
                          outputs);
  return finish(loss,
                detail::evaluate_checked(loss, in, logits, whole, std::span<const double>(scales),
                                         outputs, SerialFor{}, detail::cpu()),
                scales);
}

/// The focal loss as Lin et al. 2017 (arXiv:1708.02002) use it: weight alpha for positives and
/// 1 - alpha for negatives, divided by the number of positives or as the reduction says.
/// @throws std::invalid_argument for an alpha outside [0, 1]; loss calls refuse a gamma below 0.
template <Reduction R = MeanByPositives>
SigmoidLoss<SigmoidFocal, R> sigmoid_focal(double alpha = 0.25, double gamma = 2.0,
                                           R reduction = {}) {
  detail::require_between("sigmoid_focal", "alpha", alpha, 0, 1);
  SigmoidLoss<SigmoidFocal, R> loss;
  loss.sides.gamma = gamma;
  loss.reduction = reduction;
  loss.positive_weight = alpha;
  loss.negative_weight = 1 - alpha;
  return loss;
}

/// log(pi_l / (1 - pi_l)): the biases with which an untrained sigmoid head predicts the prior, so
/// that the many negatives do not dominate the first steps (Lin et al. 2017, arXiv:1708.02002).
/// O(L).
/// @throws std::invalid_argument for a prior that is not inside (0, 1), where the bias would be
/// infinite.
inline std::vector<double> initial_bias(std::span<const double> prior) {
  std::vector<double> result;
  for (std::size_t l = 0; l < prior.size(); ++l) {
    if (!detail::is_finite(prior[l]) || prior[l] <= 0 || prior[l] >= 1) {
      detail::reject_element("initial_bias", "prior", l, prior[l], "a number inside (0, 1)");
    }
    result.push_back(std::log(prior[l]) - std::log1p(-prior[l]));
  }
  return result;
}

/// Options of distribution_balanced(), with the values of Huang et al. 2021 for text (Reuters).
/// Wu et al. 2020 choose other values, for images.
struct DistributionBalancedOptions {
  double alpha = 0.1;
  double beta = 10.0;
  double mu = 0.9;
  double bias = 0.05;           ///< kappa, >= 0; 0: no shift
  double negative_scale = 2.0;  ///< lambda, > 0; 1: negatives are as tolerated as positives
};

/// The distribution-balanced loss of Wu et al. 2020 (arXiv:2007.09654), for text in Huang et al.
/// 2021: re-balanced weights (see Rebalance) with negative-tolerant regularisation, which adds
/// kappa log(pi_l / (1 - pi_l)) to the logits in training, pi_l = n_l / rows, and scales the
/// negative side, m-(sigma(-lambda z')) / lambda. With SigmoidFocal as its sides it is their
/// DB-focal; with bias = 0 and negative_scale = 1 the weights alone, R-BCE or R-focal.
///
/// positives[l] is the number of rows whose label l is positive, rows that of all rows. O(L).
/// @throws std::invalid_argument for a count that is not inside (0, rows), which has no finite
/// weight or shift, and for options out of range.
template <SigmoidModulators S = BinaryCrossEntropy>
SigmoidLoss<S> distribution_balanced(std::span<const double> positives, double rows,
                                     const DistributionBalancedOptions& options = {},
                                     S sides = {}) {
  constexpr std::string_view kWhere = "distribution_balanced";
  detail::require_not_negative(kWhere, "options.bias", options.bias);
  SigmoidLoss<S> loss;
  loss.sides = sides;
  loss.rebalance = {options.alpha, options.beta, options.mu, {positives.begin(), positives.end()}};
  loss.negative_scale = options.negative_scale;
  std::vector<double> prior;
  for (std::size_t l = 0; l < positives.size(); ++l) {
    if (!detail::is_finite(positives[l]) || positives[l] <= 0 || !(positives[l] < rows)) {
      detail::reject_element(kWhere, "positives", l, positives[l],
                             "a number inside (0, " + detail::to_text(rows) + ")");
    }
    prior.push_back(positives[l] / rows);
  }
  if (options.bias > 0) {
    loss.shift = initial_bias(prior);
    for (double& each : loss.shift) each *= options.bias;
  }
  detail::require_sigmoid_loss(kWhere, loss, positives.size());
  return loss;
}

/// The same from counted labels: one count a row and label, as count_labels() counts the labels of
/// all rows together.
/// @throws std::invalid_argument as above.
template <SigmoidModulators S = BinaryCrossEntropy>
SigmoidLoss<S> distribution_balanced(const ClassCounts& positives, double rows,
                                     const DistributionBalancedOptions& options = {},
                                     S sides = {}) {
  return distribution_balanced<S>(positives.values(), rows, options, sides);
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_SIGMOID_H_
