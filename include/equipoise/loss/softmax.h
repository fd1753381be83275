// Softmax losses: logit terms -> softmax -> modulator -> weight -> reduction, in one pass.
#ifndef EQUIPOISE_LOSS_SOFTMAX_H_
#define EQUIPOISE_LOSS_SOFTMAX_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/softmax_kernel.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/reduction.h"
#include "equipoise/view.h"

namespace equipoise {

/// Where the field's conventions part.
enum class Semantics {
  /// Label smoothing is weighted by the weight of the target: w_y [(1 - e) m(p_y) + e/C sum_c
  /// m(p_c)].
  kConsistent,
  /// As LibTorch: the smoothing term weighs each class by its own weight,
  /// (1 - e) w_y m(p_y) + e/C sum_c w_c m(p_c), which moves the optimum towards rare classes.
  kTorch,
};

/// The value of a batch whose denominators are all zero: no rows, all ignored, or no weight.
enum class EmptyBatch { kZero, kNaN };

/// A softmax loss as a value. For row i with target y_i, logits z_i and p the softmax of the logits
/// after logit_terms,
///
///     loss_i = weight_i [(1 - e) m(p_y) + e/C sum_c m(p_c)],   weight_i = class_weights[y_i] s_i
///
/// with the modulator m, the label smoothing e and the sample weight s_i; the reduction makes one
/// number of the rows. Rows whose target is ignore_index have loss and gradient zero, whatever
/// their logits. Fields left out are the plain cross-entropy, averaged.
template <Modulator M = CrossEntropy, Reduction R = MeanByCount>
struct SoftmaxLoss {
  M modulator{};
  R reduction{};
  std::vector<double> class_weights{};  ///< C finite numbers >= 0; empty: all 1
  LogitTerms logit_terms{};             ///< of training; pass evaluation() of them when evaluating
  double label_smoothing = 0.0;         ///< in [0, 1]
  std::int64_t ignore_index = kIgnoreIndex;
  Semantics semantics = Semantics::kConsistent;
  EmptyBatch empty_batch = EmptyBatch::kZero;
};

/// What rows have besides logits and targets. An empty span stands for none.
struct RowAttributes {
  std::span<const double> sample_weights{};  ///< N finite numbers >= 0; default 1
  std::span<const std::int64_t> groups{};  ///< N group indices, for reductions by group; default 0
};

/// What a loss call writes. A view or span without data is not written.
template <class T>
struct LossOutputs {
  MatrixView<T> gradient{};   ///< N x C: the derivative of the value with respect to the logits
  std::span<T> row_losses{};  ///< N: weight_i times loss_i, before the reduction; 0 where ignored
};

/// How loss calls spread over threads: parallel_for(blocks, f) calls f(block) once for each block
/// in [0, blocks), in any order and on any thread. This one stays on the caller's.
struct SerialFor {
  template <class F>
  EQUIPOISE_INLINE void operator()(std::size_t blocks, const F& f) const {
    for (std::size_t block = 0; block < blocks; ++block) f(block);
  }
};

namespace detail {

template <class M, class R>
void require_softmax_loss(std::string_view where, const SoftmaxLoss<M, R>& loss,
                          std::size_t classes) {
  if (!loss.class_weights.empty()) {
    require_size(where, "class_weights", loss.class_weights.size(), classes, "classes");
    require_masses(where, "class_weights", loss.class_weights);
  }
  require_terms(where, loss.logit_terms, classes);
  if (!(loss.label_smoothing >= 0 && loss.label_smoothing <= 1)) {
    reject(where, "label_smoothing", loss.label_smoothing, "a number in [0, 1]");
  }
}

// A row as its reduction sees it; the target is known to be a class.
template <class M, class R, class L>
EQUIPOISE_INLINE ReductionRow<> reduction_row(const SoftmaxLoss<M, R>& loss, L target,
                                              const RowAttributes& rows, std::size_t i) {
  const auto y = static_cast<std::size_t>(target);
  double weight = loss.class_weights.empty() ? 1.0 : loss.class_weights[y];
  if (!rows.sample_weights.empty()) weight *= rows.sample_weights[i];
  return {y, weight, rows.groups.empty() ? 0 : static_cast<std::size_t>(rows.groups[i]), 1.0};
}

// Calls add(i, tallies) for each row i; add() adds to tallies[bucket]. The tally of the only bucket
// is kept in registers: through memory each row would wait for the one before.
template <class F>
void for_each_tally(std::size_t rows, Partial& partial, const F& add) {
  if (partial.buckets.size() == 1) {
    Tally only = partial.buckets[0];
    for (std::size_t i = 0; i < rows; ++i) add(i, [&](std::size_t) -> Tally& { return only; });
    partial.buckets[0] = only;
  } else {
    for (std::size_t i = 0; i < rows; ++i) {
      add(i, [&](std::size_t bucket) -> Tally& { return partial.buckets[bucket]; });
    }
  }
}

// Checks everything about the rows but their logits, and adds up their masses.
template <class M, class R, class L>
Partial checked_denominators(std::string_view where, const SoftmaxLoss<M, R>& loss,
                             std::span<const L> targets, std::size_t classes,
                             const RowAttributes& rows) {
  require_softmax_loss(where, loss, classes);
  if (!rows.sample_weights.empty()) {
    require_size(where, "sample_weights", rows.sample_weights.size(), targets.size(), "targets");
    require_masses(where, "sample_weights", rows.sample_weights);
  }
  if (!rows.groups.empty()) {
    require_size(where, "groups", rows.groups.size(), targets.size(), "targets");
  }
  const std::size_t buckets = loss.reduction.buckets();
  const std::optional<std::int64_t> ignore_index = loss.ignore_index;
  Partial partial{std::vector<Tally>(buckets)};
  for_each_tally(
      targets.size(), partial, [&](std::size_t i, const auto& tally_of) EQUIPOISE_INLINE_LAMBDA {
        if (is_ignored(targets[i], ignore_index)) return;
        if (!is_class(targets[i], classes)) {
          reject_element(where, "targets", i, targets[i], class_range(classes, loss.ignore_index));
        }
        const ReductionRow<> row = reduction_row(loss, targets[i], rows, i);
        const auto bucket = static_cast<std::size_t>(loss.reduction.bucket(row));
        if (bucket >= buckets) {
          reject_element(where, "bucket of row", i, bucket, "less than " + to_text(buckets));
        }
        Tally& tally = tally_of(bucket);
        tally.denominator += loss.reduction.mass(row);
        tally.valid += 1;
      });
  return partial;
}

// The hyper-parameters of a loss in the type of its logits.
template <class T>
struct SoftmaxConstants {
  std::vector<T> soft_weights;
  T soft_total = 0;
  std::vector<T> scale;
  std::vector<T> shift;
  std::vector<T> margin;

  template <class M, class R>
  SoftmaxConstants(const SoftmaxLoss<M, R>& loss, std::size_t classes)
      : scale(loss.logit_terms.scale.begin(), loss.logit_terms.scale.end()),
        shift(loss.logit_terms.shift.begin(), loss.logit_terms.shift.end()),
        margin(loss.logit_terms.margin.begin(), loss.logit_terms.margin.end()) {
    if (loss.label_smoothing == 0) return;
    soft_weights.assign(classes, T(1));
    if (loss.semantics == Semantics::kTorch && !loss.class_weights.empty()) {
      soft_weights.assign(loss.class_weights.begin(), loss.class_weights.end());
    }
    double total = 0;
    for (const T weight : soft_weights) total += weight;
    soft_total = static_cast<T>(total);
  }
};

// Rows are taken in blocks whose size depends on the number of classes alone, so that sums over
// rows have the same order however many threads there are.
inline constexpr std::size_t kBlockRows = 1024;
constexpr std::size_t block_rows(std::size_t classes) {
  return std::clamp<std::size_t>((std::size_t{1} << 17) / classes, 16, kBlockRows);
}

// Calls the kernel on rows whose classes may be strided or whose gradient nobody wants, through
// work space for a few rows at a time.
template <class M, class T>
EQUIPOISE_INLINE void softmax_strided(SoftmaxRows<T> in, const MatrixView<const T>& logits,
                                      const MatrixView<T>& gradient, const M& modulator,
                                      Cpu instructions) {
  const std::size_t total = in.rows;
  const bool gradient_fits = gradient.data != nullptr && gradient.col_stride == 1;
  const bool logits_fit = logits.col_stride == 1;
  if (gradient_fits && logits_fit) {
    in.logits = logits.data;
    in.logit_stride = logits.row_stride;
    in.gradient = gradient.data;
    in.gradient_stride = gradient.row_stride;
    return softmax_kernel(in, modulator, instructions);
  }
  constexpr std::size_t kCached = 8192;
  const std::size_t chunk =
      std::clamp<std::size_t>(kCached / in.classes, 1, std::max<std::size_t>(total, 1));
  std::vector<T> space(chunk * in.classes);
  SoftmaxRows<T> part = in;
  for (std::size_t begin = 0; begin < total; begin += chunk) {
    part.rows = std::min(chunk, total - begin);
    part.targets = in.targets + begin;
    part.hard = in.hard + begin;
    part.soft = in.soft == nullptr ? nullptr : in.soft + begin;
    part.coefficient = in.coefficient + begin;
    part.losses = in.losses + begin;
    part.gradient = space.data();
    part.gradient_stride = static_cast<std::ptrdiff_t>(in.classes);
    const MatrixView<T> work(space.data(), part.rows, in.classes);
    if (logits_fit) {
      part.logits = &logits(begin, 0);
      part.logit_stride = logits.row_stride;
    } else {
      for (std::size_t c = 0; c < in.classes; ++c) {
        for (std::size_t r = 0; r < part.rows; ++r) work(r, c) = logits(begin + r, c);
      }
      part.logits = space.data();
      part.logit_stride = part.gradient_stride;
    }
    softmax_kernel(part, modulator, instructions);
    if (gradient.data == nullptr) continue;
    for (std::size_t c = 0; c < in.classes; ++c) {
      for (std::size_t r = 0; r < part.rows; ++r) gradient(begin + r, c) = work(r, c);
    }
  }
}

// One block of at most kBlockRows rows; everything is checked.
template <class M, class R, class T, class L>
EQUIPOISE_INLINE Partial softmax_block(const SoftmaxLoss<M, R>& loss,
                                       const SoftmaxConstants<T>& constants,
                                       const MatrixView<const T>& logits,
                                       std::span<const L> targets, const RowAttributes& rows,
                                       std::span<const double> coefficients,
                                       const LossOutputs<T>& outputs, std::size_t begin,
                                       Cpu instructions) {
  const std::size_t classes = logits.cols;
  const std::size_t count = std::min(block_rows(classes), logits.rows - begin);
  const bool smooth = loss.label_smoothing > 0;
  const double per_class = loss.label_smoothing / static_cast<double>(classes);
  std::int64_t target[kBlockRows];
  T hard[kBlockRows + kMostLanes];
  T soft[kBlockRows + kMostLanes];
  T coefficient[kBlockRows + kMostLanes];
  T losses[kBlockRows + kMostLanes];
  std::uint32_t bucket[kBlockRows];
  for (std::size_t i = 0; i < count; ++i) {
    const L y = targets[begin + i];
    if (is_ignored(y, loss.ignore_index)) {
      target[i] = -1;
      hard[i] = soft[i] = coefficient[i] = 0;
      continue;
    }
    const ReductionRow<> row = reduction_row(loss, y, rows, begin + i);
    target[i] = static_cast<std::int64_t>(y);
    bucket[i] = static_cast<std::uint32_t>(loss.reduction.bucket(row));
    hard[i] = static_cast<T>((1 - loss.label_smoothing) * row.weight);
    if (smooth) {
      const double sample = rows.sample_weights.empty() ? 1.0 : rows.sample_weights[begin + i];
      soft[i] =
          static_cast<T>(per_class * (loss.semantics == Semantics::kTorch ? sample : row.weight));
    }
    coefficient[i] = static_cast<T>(coefficients[bucket[i]]);
  }
  for (std::size_t i = count; i < count + kMostLanes; ++i) hard[i] = soft[i] = coefficient[i] = 0;
  SoftmaxRows<T> in{};
  in.wants_gradient = outputs.gradient.data != nullptr;
  in.rows = count;
  in.classes = classes;
  in.targets = target;
  in.hard = hard;
  in.soft = smooth ? soft : nullptr;
  in.soft_weights = constants.soft_weights.data();
  in.soft_total = constants.soft_total;
  in.coefficient = coefficient;
  in.scale = constants.scale.empty() ? nullptr : constants.scale.data();
  in.shift = constants.shift.empty() ? nullptr : constants.shift.data();
  in.margin = constants.margin.empty() ? nullptr : constants.margin.data();
  in.losses = losses;
  softmax_strided(in, logits.middle_rows(begin, count),
                  in.wants_gradient ? outputs.gradient.middle_rows(begin, count) : MatrixView<T>{},
                  loss.modulator, instructions);

  Partial partial{std::vector<Tally>(loss.reduction.buckets())};
  for_each_tally(count, partial, [&](std::size_t i, const auto& tally_of) EQUIPOISE_INLINE_LAMBDA {
    if (target[i] >= 0) tally_of(bucket[i]).numerator += static_cast<double>(losses[i]);
  });
  if (!outputs.row_losses.empty()) {
    std::copy_n(losses, count, outputs.row_losses.begin() + static_cast<std::ptrdiff_t>(begin));
  }
  return partial;
}

template <class M, class R, class T, class L>
void require_outputs(std::string_view where, const SoftmaxLoss<M, R>& loss,
                     const MatrixView<const T>& logits, std::span<const L> targets,
                     std::span<const double> coefficients, const LossOutputs<T>& outputs) {
  require_size(where, "targets", targets.size(), logits.rows, "rows of logits");
  require_size(where, "coefficients", coefficients.size(), loss.reduction.buckets(),
               "buckets of the reduction");
  if (outputs.gradient.data != nullptr) {
    require_size(where, "gradient.rows", outputs.gradient.rows, logits.rows, "rows of logits");
    require_size(where, "gradient.cols", outputs.gradient.cols, logits.cols, "columns of logits");
  }
  if (!outputs.row_losses.empty()) {
    require_size(where, "row_losses", outputs.row_losses.size(), logits.rows, "rows of logits");
  }
}

// evaluate() on rows whose denominators, and so whose validity, are known.
template <class M, class R, class T, class L, class ParallelFor>
EQUIPOISE_INLINE Partial evaluate_checked(const SoftmaxLoss<M, R>& loss,
                                          const MatrixView<const T>& logits,
                                          std::span<const L> targets, Partial total,
                                          std::span<const double> coefficients,
                                          const LossOutputs<T>& outputs, const RowAttributes& rows,
                                          const ParallelFor& parallel_for, Cpu instructions) {
  if (logits.rows == 0 || logits.cols == 0) return total;
  const SoftmaxConstants<T> constants(loss, logits.cols);
  const std::size_t size = block_rows(logits.cols);
  const std::size_t blocks = (logits.rows + size - 1) / size;
  std::vector<Partial> partials(blocks);
  parallel_for(blocks, [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    partials[block] = softmax_block(loss, constants, logits, targets, rows, coefficients, outputs,
                                    block * size, instructions);
  });
  for (const Partial& partial : partials) total += partial;
  return total;
}

}  // namespace detail

/// What the reduction divides by, from targets and weights alone, so it is known before the forward
/// pass: take it over everything one optimiser step sees (merge micro-batches with +=, sum
/// all_reduce_buffer() over ranks) and pass coefficients() of it to each loss call. O(N).
///
/// @throws std::invalid_argument for a target that is neither a class nor the ignore index, for
/// weights that are negative, NaN or infinite, and for sizes that differ.
template <Modulator M, Reduction R, LabelRange Targets>
Partial denominators(const SoftmaxLoss<M, R>& loss, const Targets& targets, std::size_t classes,
                     const RowAttributes& rows = {}) {
  return detail::checked_denominators("denominators", loss, as_span(targets), classes, rows);
}

/// The partial of some rows: their numerators, with the masses and counts of these rows; writes the
/// gradient and the row losses if asked to. The gradient is that of
/// value(partial, coefficients), so gradients of parts, each computed with the coefficients of the
/// whole, add up to the gradient of the whole.
///
/// logits is N x C of float or double, with any strides; nothing of its size is allocated. Sums
/// over rows are taken in double, in an order that does not depend on the number of threads. A NaN
/// or +infinity among the logits of a row that is not ignored makes the row's loss and gradient
/// NaN; -infinity is a probability of zero. Under -ffast-math such rows have no defined result, and
/// of a loss that is below the rounding error of one, some or all digits may be lost.
///
/// @throws std::invalid_argument as denominators(), for shapes that do not match, and for
/// coefficients that do not fit the reduction. Nothing is written then.
template <Modulator M, Reduction R, std::floating_point T, LabelRange Targets,
          class ParallelFor = SerialFor>
EQUIPOISE_INLINE Partial evaluate(const SoftmaxLoss<M, R>& loss, MatrixView<const T> logits,
                                  const Targets& targets, std::span<const double> coefficients,
                                  const LossOutputs<T>& outputs = {},
                                  const RowAttributes& rows = {},
                                  const ParallelFor& parallel_for = {},
                                  detail::Cpu instructions = detail::cpu()) {
  const auto labels = as_span(targets);
  detail::require_outputs("evaluate", loss, logits, labels, coefficients, outputs);
  return detail::evaluate_checked(
      loss, logits, labels,
      detail::checked_denominators("evaluate", loss, labels, logits.cols, rows), coefficients,
      outputs, rows, parallel_for, instructions);
}

/// The value of a whole batch from its partial: sum_k coefficient_k numerator_k, or what
/// loss.empty_batch says where nothing was averaged.
template <Modulator M, Reduction R>
double finish(const SoftmaxLoss<M, R>& loss, const Partial& partial,
              std::span<const double> coefficients) {
  const bool nothing = std::all_of(coefficients.begin(), coefficients.end(),
                                   [](double coefficient) { return coefficient == 0; });
  if (nothing && loss.empty_batch == EmptyBatch::kNaN) return detail::quiet_nan();
  return value(partial, coefficients);
}

/// The loss of a whole batch, and its gradient if `gradient` has data. For parts of a batch use
/// denominators(), coefficients() and evaluate().
/// @throws std::invalid_argument as evaluate().
template <Modulator M, Reduction R, std::floating_point T, LabelRange Targets>
EQUIPOISE_INLINE double softmax_loss(const SoftmaxLoss<M, R>& loss, MatrixView<const T> logits,
                                     const Targets& targets, MatrixView<T> gradient = {},
                                     const RowAttributes& rows = {}) {
  const auto labels = as_span(targets);
  const Partial whole =
      detail::checked_denominators("softmax_loss", loss, labels, logits.cols, rows);
  const std::vector<double> scales = coefficients(loss.reduction, whole);
  const LossOutputs<T> outputs{gradient, {}};
  detail::require_outputs<M, R, T>("softmax_loss", loss, logits, labels, scales, outputs);
  return finish(
      loss,
      detail::evaluate_checked(loss, logits, labels, whole, std::span<const double>(scales),
                               outputs, rows, SerialFor{}, detail::cpu()),
      scales);
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_SOFTMAX_H_
