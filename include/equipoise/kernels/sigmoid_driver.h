// What runs a sigmoid loss on the CPU: checks, sums of masses, and the kernel on runs of elements.
//
// Modulators, reduction and targets are behind pointers to functions that take many elements at a
// time. So all this is compiled once for each type of logits, and a further loss adds its kernel
// alone.
#ifndef EQUIPOISE_KERNELS_SIGMOID_DRIVER_H_
#define EQUIPOISE_KERNELS_SIGMOID_DRIVER_H_

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
#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/sigmoid_kernel.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/rebalance.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/view.h"

namespace equipoise::detail {

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

inline namespace EQUIPOISE_ISA_NAMESPACE {

// Targets of elements, of any arithmetic type, behind pointers to functions.
class AnyElements {
 public:
  using Mask = MatrixView<const std::uint8_t>;

  template <class Y>
  static AnyElements of(const MatrixView<const Y>& targets) {
    AnyElements result;
    result.data_ = targets.data;
    result.shape_ = {nullptr, targets.rows, targets.cols, targets.row_stride, targets.col_stride};
    result.read_float_ = &read_as<float, Y>;
    result.read_double_ = &read_as<double, Y>;
    result.first_invalid_ = &first_invalid_of<Y>;
    result.reject_ = &reject_of<Y>;
    return result;
  }

  std::size_t rows() const { return shape_.rows; }
  std::size_t cols() const { return shape_.cols; }
  std::size_t size() const { return rows() * cols(); }
  // A view without data, for comparing shapes.
  const MatrixView<const float>& shape() const { return shape_; }

  // Elements are numbered row by row. Writes `count` of them; 0 for those that the mask, if it has
  // data, leaves out.
  void read(const Mask& mask, std::size_t begin, std::size_t count, float* out) const {
    read_float_(*this, mask, begin, count, out);
  }
  void read(const Mask& mask, std::size_t begin, std::size_t count, double* out) const {
    read_double_(*this, mask, begin, count, out);
  }
  // The first of `count` elements whose target is invalid; begin + count where all are valid.
  std::size_t first_invalid(const Mask& mask, std::size_t begin, std::size_t count) const {
    return first_invalid_(*this, mask, begin, count);
  }
  // Throws for an element whose target is invalid.
  void reject(std::string_view where, std::size_t element) const { reject_(*this, where, element); }

 private:
  AnyElements() = default;

  template <class Y>
  MatrixView<const Y> view() const {
    return {static_cast<const Y*>(data_), shape_.rows, shape_.cols, shape_.row_stride,
            shape_.col_stride};
  }
  template <class T, class Y>
  static void read_as(const AnyElements& self, const Mask& mask, std::size_t begin,
                      std::size_t count, T* out) {
    const auto targets = self.view<Y>();
    if (mask.data == nullptr) {
      read_elements(targets, flat_step(targets), begin, count, out);
      return;
    }
    for_each_element(begin, count, targets.cols,
                     [&](std::size_t j, std::size_t row, std::size_t label) {
                       out[j] = mask(row, label) == 0 ? T(0) : static_cast<T>(targets(row, label));
                     });
  }
  template <class Y>
  static std::size_t first_invalid_of(const AnyElements& self, const Mask& mask, std::size_t begin,
                                      std::size_t count) {
    const auto targets = self.view<Y>();
    if (mask.data == nullptr && flat_step(targets) == 1) {
      if (plainly_targets(flat_element(targets, 1, begin), count)) return begin + count;
    }
    std::size_t first = begin + count;
    for_each_element(begin, count, targets.cols,
                     [&](std::size_t j, std::size_t row, std::size_t label) {
                       const bool ignored = mask.data != nullptr && mask(row, label) == 0;
                       if (ignored || is_sigmoid_target(targets(row, label))) return;
                       first = std::min(first, begin + j);
                     });
    return first;
  }
  template <class Y>
  static void reject_of(const AnyElements& self, std::string_view where, std::size_t element) {
    const std::size_t row = element / self.cols();
    const std::size_t label = element % self.cols();
    reject_element(where, "targets[" + to_text(row) + "]", label, self.view<Y>()(row, label),
                   std::integral<Y> ? "0 or 1" : "a number in [0, 1]");
  }

  const void* data_ = nullptr;
  MatrixView<const float> shape_{};
  void (*read_float_)(const AnyElements&, const Mask&, std::size_t, std::size_t, float*) = nullptr;
  void (*read_double_)(const AnyElements&, const Mask&, std::size_t, std::size_t,
                       double*) = nullptr;
  std::size_t (*first_invalid_)(const AnyElements&, const Mask&, std::size_t,
                                std::size_t) = nullptr;
  void (*reject_)(const AnyElements&, std::string_view, std::size_t) = nullptr;
};

// The fields of a SigmoidLoss, to which it refers.
struct SigmoidSettings {
  const void* loss;
  void (*require_parts)(const void* loss, std::string_view where);  // of sides and reduction
  AnyReduction reduction;
  const std::vector<double>& class_weights;
  const std::vector<double>& pos_weight;
  double positive_weight;
  double negative_weight;
  const std::vector<double>& shift;
  double negative_scale;
  const Rebalance& rebalance;
  EmptyBatch empty_batch;
};

// The kernel of a loss's modulators.
template <class T>
struct SigmoidKernel {
  const void* sides;
  void (*run)(const SigmoidElements<T>&, const void* sides, Cpu instructions);
  Cpu instructions;

  void operator()(const SigmoidElements<T>& elements) const { run(elements, sides, instructions); }
};

template <class S, class T>
void run_sigmoid_kernel(const SigmoidElements<T>& elements, const void* self, Cpu instructions) {
  const S& sides = *static_cast<const S*>(self);
  sigmoid_kernel(elements, sides.positive(), sides.negative(), instructions);
}

inline void require_sigmoid_loss(std::string_view where, const SigmoidSettings& loss,
                                 std::size_t labels) {
  const auto require_vector = [&](std::string_view name, const std::vector<double>& values) {
    if (values.empty()) return false;
    require_size(where, name, values.size(), labels, "labels");
    return true;
  };
  loss.require_parts(loss.loss, where);
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
template <class T>
void require_constants_fit(std::string_view where, const SigmoidSettings& loss) {
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
      const Rebalance& rebalance = loss.rebalance;
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
  require_factors_fit<T>(where, "sample_weights", in.arguments.sample_weights);
  require_factors_fit<T>(where, "weight of the positives of label", in.weights.positive);
  require_factors_fit<T>(where, "weight of the negatives of label", in.weights.negative);
  const FactorRange of_rows = FactorRange::of(in.arguments.sample_weights);
  const double rebalanced = in.row_scales.empty() ? 1 : 1 + in.loss.rebalance.alpha;
  for (const std::vector<double>* labels : {&in.weights.positive, &in.weights.negative}) {
    const FactorRange range = FactorRange::of(*labels) * of_rows;
    if (range.least == 0 || !fits<T>(range.least)) {
      reject(where, "least label weight x sample weight", range.least, range_of_type<T>());
    }
    require_factor_fits<T>(where, "largest label weight x sample weight", range.most * rebalanced);
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
    if (is_class(arguments.groups[i], groups) || !counts(i)) continue;
    reject_element(where, "groups", i, arguments.groups[i],
                   "a group in [0, " + to_text(groups) + ")");
  }
}

inline void require_elements(std::string_view where, const AnyReduction& reduction,
                             const AnyElements& targets, const LossArguments& arguments) {
  if (!arguments.sample_weights.empty()) {
    require_size(where, "sample_weights", arguments.sample_weights.size(), targets.rows(),
                 "rows of targets");
    require_masses(where, "sample_weights", arguments.sample_weights);
  }
  if (!arguments.groups.empty() || reduction.needs_groups()) {
    require_size(where, "groups", arguments.groups.size(), targets.rows(), "rows of targets");
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
  Partial partial;
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
  std::vector<Tally>& buckets = result.partial.buckets;
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
                          Tally& tally) {
  double targets[kRunElements];
  in.targets.read({}, begin, count, targets);
  tally.valid += static_cast<double>(count);
  tally.denominator += sum_in_double(targets, count);
}

inline BlockMasses block_masses(const SigmoidInputs& in, std::size_t block) {
  const AnyReduction& reduction = in.loss.reduction;
  BlockMasses result{Partial{std::vector<Tally>(reduction.buckets())}};
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
  reject_element(where, "bucket of element[" + to_text(element / in.labels()) + "]",
                 element % in.labels(), chunk.bucket[0],
                 "less than " + to_text(in.loss.reduction.buckets()));
}

// Adds up the masses of all elements, and refuses what is wrong with them.
template <class ParallelFor>
Partial checked_masses(std::string_view where, const SigmoidInputs& in,
                       const ParallelFor& parallel_for) {
  Partial total{std::vector<Tally>(in.loss.reduction.buckets())};
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
  std::size_t bucket[kRunElements];
};

// A loss call. evaluate_checked() takes one of which everything is checked.
template <class T>
struct SigmoidCall {
  const SigmoidInputs& in;
  SigmoidKernel<T> kernel;
  MatrixView<const T> logits;
  std::span<const double> coefficients;
  LossOutputs<T> outputs;
};

// Targets and weights of the rows, and which elements do not count.
template <class T>
void read_run(const SigmoidInputs& in, std::size_t begin, std::size_t count, SigmoidRun<T>& run,
              SigmoidElements<T>& elements) {
  elements.targets = run.targets;
  const auto& sample_weights = in.arguments.sample_weights;
  in.targets.read(in.arguments.mask, begin, count, run.targets);
  for (std::size_t j = count; j < count + kMostLanes; ++j) {
    run.targets[j] = run.outer[j] = run.ratios[j] = run.coefficients[j] = 0;
  }
  if (!in.masked() && sample_weights.empty() && in.row_scales.empty()) return;
  elements.outer = run.outer;
  elements.ratios = in.row_scales.empty() ? nullptr : run.ratios;
  for_each_element(begin, count, in.labels(),
                   [&](std::size_t j, std::size_t row, std::size_t label) {
                     const double weight = sample_weights.empty() ? 1.0 : sample_weights[row];
                     run.outer[j] = in.is_ignored(row, label) ? T(0) : static_cast<T>(weight);
                     if (elements.ratios != nullptr) {
                       run.ratios[j] = static_cast<T>(in.ratio(row, label));
                     }
                   });
}

// Which bucket each element is in, and with what coefficient it goes into the gradient.
template <class T>
void read_coefficients(const SigmoidCall<T>& call, std::size_t begin, std::size_t count,
                       SigmoidRun<T>& run, SigmoidElements<T>& elements) {
  if (call.coefficients.size() == 1) {
    elements.coefficient = static_cast<T>(call.coefficients[0]);
    return;
  }
  elements.coefficients = run.coefficients;
  std::fill_n(run.bucket, count, std::size_t{0});
  std::fill_n(run.coefficients, count, static_cast<T>(call.coefficients[0]));
  for_each_chunk(call.in, begin, count, [&](const ElementChunk& chunk) {
    for (std::size_t k = 0; k < chunk.size; ++k) {
      const std::size_t j = chunk.index[k] - begin;
      run.bucket[j] = chunk.bucket[k];
      run.coefficients[j] = static_cast<T>(call.coefficients[chunk.bucket[k]]);
    }
  });
}

// At most kRunElements elements.
template <class T>
void evaluate_run(const SigmoidCall<T>& call, const SigmoidConstants<T>& constants,
                  std::size_t begin, std::size_t count, Partial& partial, SigmoidRun<T>& run) {
  const SigmoidSettings& loss = call.in.loss;
  const MatrixView<T>& gradient = call.outputs.gradient;
  const std::size_t label = begin % call.logits.cols;
  SigmoidElements<T> elements{};
  elements.count = count;
  read_run(call.in, begin, count, run, elements);
  read_coefficients(call, begin, count, run, elements);
  elements.positive = constants.positive.data() + label;
  elements.negative = constants.negative.data() + label;
  elements.shift = constants.shift.empty() ? nullptr : constants.shift.data() + label;
  elements.negative_scale = static_cast<T>(loss.negative_scale);
  elements.alpha = static_cast<T>(loss.rebalance.alpha);
  elements.beta = static_cast<T>(loss.rebalance.beta);
  elements.mu = static_cast<T>(loss.rebalance.mu);
  elements.losses = run.losses;
  const bool wants_gradient = gradient.data != nullptr;
  const bool in_place = wants_gradient && flat_step(gradient) == 1;
  if (const std::ptrdiff_t step = flat_step(call.logits); step == 1) {
    elements.logits = flat_element(call.logits, step, begin);
  } else {
    read_elements(call.logits, step, begin, count, run.logits);
    elements.logits = run.logits;
  }
  if (wants_gradient) {
    elements.gradient = in_place ? flat_element(gradient, 1, begin) : run.gradient;
  }
  call.kernel(elements);
  if (wants_gradient && !in_place) write_elements(run.gradient, begin, count, gradient);
  if (call.outputs.losses.data != nullptr) {
    write_elements(run.losses, begin, count, call.outputs.losses);
  }
  if (partial.buckets.size() == 1) {
    partial.buckets[0].numerator += sum_in_double(run.losses, count);
    return;
  }
  for (std::size_t j = 0; j < count; ++j) {
    partial.buckets[run.bucket[j]].numerator += static_cast<double>(run.losses[j]);
  }
}

template <class T>
void require_outputs(std::string_view where, const SigmoidCall<T>& call) {
  const auto& [gradient, losses] = call.outputs;
  const AnyElements& targets = call.in.targets;
  require_shape(where, "targets", targets.shape(), call.logits, "logits");
  require_fit<T>(where, call.in, call.coefficients);
  if (gradient.data != nullptr) {
    require_shape(where, "gradient", gradient, call.logits, "logits");
  }
  if (losses.data != nullptr) require_shape(where, "losses", losses, call.logits, "logits");
}

// The partial of a call whose masses, and so whose validity, are known.
template <class T, class ParallelFor>
Partial evaluate_checked(const SigmoidCall<T>& call, Partial total,
                         const ParallelFor& parallel_for) {
  const SigmoidInputs& in = call.in;
  if (in.elements() == 0 || call.coefficients.empty()) return total;
  const SigmoidConstants<T> constants(in.weights, in.loss.shift);
  std::vector<Partial> partials(in.blocks());
  parallel_for(partials.size(), [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    Partial partial{std::vector<Tally>(call.coefficients.size())};
    SigmoidRun<T> run;
    const std::size_t end = std::min((block + 1) * kBlockElements, in.elements());
    for (std::size_t begin = block * kBlockElements; begin < end; begin += kRunElements) {
      evaluate_run(call, constants, begin, std::min(kRunElements, end - begin), partial, run);
    }
    partials[block] = std::move(partial);
  });
  for (const Partial& partial : partials) total += partial;
  return total;
}

// Checks a call, and gives it the coefficients of its own elements, kept in `own`, where it has
// none. Returns the masses.
template <class T, class ParallelFor>
Partial prepare(std::string_view where, SigmoidCall<T>& call, std::vector<double>& own,
                const ParallelFor& parallel_for) {
  Partial masses = checked_masses(where, call.in, parallel_for);
  call.coefficients = call.in.arguments.coefficients;
  if (call.coefficients.empty()) {
    own = call.in.loss.reduction.coefficients(masses);
    call.coefficients = own;
  }
  require_outputs(where, call);
  return masses;
}

template <class T, class ParallelFor>
Partial partial_of_call(std::string_view where, SigmoidCall<T> call,
                        const ParallelFor& parallel_for) {
  std::vector<double> own;
  Partial masses = prepare(where, call, own, parallel_for);
  return evaluate_checked(call, std::move(masses), parallel_for);
}

// The losses of elements, whatever the coefficients.
template <class T>
void write_losses(std::string_view where, SigmoidCall<T> call) {
  Partial masses = checked_masses(where, call.in, SerialFor{});
  const std::vector<double> ones(masses.buckets.size(), 1.0);
  call.coefficients = ones;
  require_outputs(where, call);
  evaluate_checked(call, std::move(masses), SerialFor{});
}

template <class T>
double value_of_call(std::string_view where, SigmoidCall<T> call) {
  std::vector<double> own;
  Partial masses = prepare(where, call, own, SerialFor{});
  return value_of_whole(call.in.loss.empty_batch,
                        evaluate_checked(call, std::move(masses), SerialFor{}), call.coefficients);
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Declares the kernels of a modulator, or defines them: `declaration` is `extern template` or
// `template`.
#define EQUIPOISE_SIGMOID_KERNELS_OF(declaration, ...)                                     \
  declaration void run_sigmoid_kernel<__VA_ARGS__, float>(const SigmoidElements<float>&,   \
                                                          const void*, Cpu);               \
  declaration void run_sigmoid_kernel<__VA_ARGS__, double>(const SigmoidElements<double>&, \
                                                           const void*, Cpu)

// The same for what calls the kernels.
#define EQUIPOISE_SIGMOID_DRIVERS_OF(declaration, T)                                 \
  declaration double value_of_call<T>(std::string_view, SigmoidCall<T>);             \
  declaration Partial evaluate_checked<T, SerialFor>(const SigmoidCall<T>&, Partial, \
                                                     const SerialFor&)

// The same for all that the usual losses need.
#define EQUIPOISE_SIGMOID_KERNELS(declaration)                   \
  EQUIPOISE_SIGMOID_DRIVERS_OF(declaration, float);              \
  EQUIPOISE_SIGMOID_DRIVERS_OF(declaration, double);             \
  EQUIPOISE_SIGMOID_KERNELS_OF(declaration, BinaryCrossEntropy); \
  EQUIPOISE_SIGMOID_KERNELS_OF(declaration, SigmoidFocal);       \
  EQUIPOISE_SIGMOID_KERNELS_OF(declaration, Asymmetric)

#if EQUIPOISE_USES_COMPILED_KERNELS
EQUIPOISE_SIGMOID_KERNELS(extern template);
#endif

}  // namespace equipoise::detail

#endif  // EQUIPOISE_KERNELS_SIGMOID_DRIVER_H_
