// What runs a softmax loss on the CPU, once its rows are checked: the kernel on blocks of rows.
//
// Modulator, reduction and targets are behind pointers to functions that take many rows at a time.
// So all this is compiled once for each type of logits, and a further loss adds its kernel alone.
#ifndef EQUIPOISE_KERNELS_SOFTMAX_DRIVER_H_
#define EQUIPOISE_KERNELS_SOFTMAX_DRIVER_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/elements.h"
#include "equipoise/kernels/row_blocks.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/kernels/softmax_kernel.h"
#include "equipoise/kernels/softmax_masses.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The kernel of a modulator.
template <class T>
struct SoftmaxKernel {
  const void* modulator;
  // softmax_kernel<M>() of softmax_kernel.h, M the type of the modulator.
  void (*run)(const SoftmaxRows<T>&, const void* modulator, Cpu instructions);
  Cpu instructions;
};

// The hyper-parameters of a loss in the type of its logits.
template <class T>
struct SoftmaxConstants {
  std::vector<T> class_weights;
  std::vector<T> smoothing_class_weights;
  T smoothing_total = 0;
  // Of a row that its class alone weighs: row_weight and smoothing of SoftmaxRows by class, or,
  // where that is empty, for all classes.
  std::vector<T> own_weights;
  T own_weight;
  std::vector<T> smoothed_weights;
  T smoothed_weight;
  std::vector<T> scale;
  std::vector<T> shift;
  std::vector<T> margin;
  std::vector<T> pair_shift;
  std::vector<T> seesaw_log_counts;

  SoftmaxConstants(const SoftmaxSettings& loss, std::size_t classes)
      : class_weights(loss.class_weights.begin(), loss.class_weights.end()),
        pair_shift(loss.pair_shift.values.begin(), loss.pair_shift.values.end()) {
    const double share = loss.label_smoothing;
    const double per_class = share / static_cast<double>(classes);
    const bool smooths_alike = share == 0 || loss.convention == WeightConvention::kTorch;
    own_weight = static_cast<T>(1 - share);
    smoothed_weight = static_cast<T>(per_class);
    own_weights.resize(loss.class_weights.size());
    smoothed_weights.resize(smooths_alike ? 0 : loss.class_weights.size());
    for (std::size_t c = 0; c < loss.class_weights.size(); ++c) {
      own_weights[c] = static_cast<T>((1 - share) * loss.class_weights[c]);
      if (!smooths_alike) smoothed_weights[c] = static_cast<T>(per_class * loss.class_weights[c]);
    }
    const auto copy = [&](const auto& field, double identity) {
      const std::vector<double>& shared = field(loss.logit_terms);
      return loss.group_logit_terms.empty()
                 ? std::vector<T>(shared.begin(), shared.end())
                 : terms_of_groups<T>(composed_terms(loss), classes, identity, field);
    };
    scale = copy(
        [](const LogitTerms& t) -> auto& { return t.scale; }, 1.0);
    shift = copy(
        [](const LogitTerms& t) -> auto& { return t.shift; }, 0.0);
    margin = copy(
        [](const LogitTerms& t) -> auto& { return t.margin; }, 0.0);
    for (const double count : loss.seesaw->counts) {
      seesaw_log_counts.push_back(static_cast<T>(std::log(std::max(count, 1.0))));
    }
    if (loss.label_smoothing == 0) return;
    smoothing_class_weights.assign(classes, T(1));
    if (loss.convention == WeightConvention::kTorch && !class_weights.empty()) {
      smoothing_class_weights = class_weights;
    }
    double total = 0;
    for (const T weight : smoothing_class_weights) total += weight;
    smoothing_total = static_cast<T>(total);
  }
};

// Calls the kernel on rows whose classes are strided or whose gradient nobody wants, through work
// space for a few rows at a time.
template <class T>
void softmax_strided(SoftmaxRows<T> in, const MatrixView<const T>& logits,
                     const MatrixView<T>& gradient, const SoftmaxKernel<T>& kernel) {
  const std::size_t total = in.rows;
  const bool logits_fit = logits.col_stride == 1;
  constexpr std::size_t kCached = 8192;
  const std::size_t chunk =
      std::clamp<std::size_t>(kCached / in.classes, 1, std::max<std::size_t>(total, 1));
  std::vector<T> space(chunk * in.classes);
  SoftmaxRows<T> part = in;
  for (std::size_t begin = 0; begin < total; begin += chunk) {
    part.rows = std::min(chunk, total - begin);
    part.targets = in.targets + begin;
    part.row_weight = in.row_weight + begin;
    part.smoothing = in.smoothing == nullptr ? nullptr : in.smoothing + begin;
    part.coefficient = in.coefficient + begin;
    if (in.group != nullptr) part.group = in.group + begin;
    if (in.probabilities != nullptr) {
      part.probabilities =
          in.probabilities + static_cast<std::ptrdiff_t>(begin) * in.probability_stride;
    }
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
    kernel.run(part, kernel.modulator, kernel.instructions);
    if (gradient.data == nullptr) continue;
    for (std::size_t c = 0; c < in.classes; ++c) {
      for (std::size_t r = 0; r < part.rows; ++r) gradient(begin + r, c) = work(r, c);
    }
  }
}

// A loss call. evaluate_checked() takes one of which everything is checked.
template <class T>
struct SoftmaxCall {
  SoftmaxTargetRows rows;
  SoftmaxKernel<T> kernel;
  MatrixView<const T> logits;
  LossOutputs<T> outputs;

  std::span<const double> coefficients() const { return rows.arguments.coefficients; }
};

// What the kernel reads of a block of rows.
template <class T>
class SoftmaxBlock {
 public:
  static constexpr std::size_t kRoom = kBlockRows + kMostLanes;
  std::int64_t target[kBlockRows];
  T row_weight[kRoom];
  T smoothing[kRoom];
  T coefficient[kRoom];
  T losses[kRoom];
  std::size_t bucket[kBlockRows];  // if there are several
  std::uint32_t group[kBlockRows];

  void read(const SoftmaxCall<T>& call, const SoftmaxConstants<T>& constants, std::size_t begin,
            std::size_t count) {
    const bool grouped = !call.rows.loss.group_logit_terms.empty();
    const bool one_bucket = call.coefficients().size() == 1;
    for (T* const each : {row_weight, smoothing, coefficient}) {
      std::fill_n(each + count, kMostLanes, T(0));
    }
    if (one_bucket) std::fill_n(coefficient, count, static_cast<T>(call.coefficients()[0]));
    const bool by_class = call.rows.weighs_by_class();
    for_each_chunk(call.rows, begin, count, {}, [&](RowChunk& chunk) {
      const std::size_t first = chunk.begin - begin;
      if (by_class) {
        weigh_by_class(constants, chunk, first);
      } else {
        chunk.read_weights(call.rows);
        weigh(call, chunk, first);
      }
      if (!one_bucket) {
        if (by_class) chunk.read_weights(call.rows);
        chunk.place(call.rows);
        for (std::size_t k = 0; k < chunk.size; ++k) {
          const bool counts = target[first + k] >= 0;
          bucket[first + k] = counts ? chunk.bucket[k] : 0;
          coefficient[first + k] =
              counts ? static_cast<T>(call.coefficients()[chunk.bucket[k]]) : T(0);
        }
      }
      for (std::size_t k = 0; grouped && k < chunk.size; ++k) {
        const bool counts = target[first + k] >= 0;
        group[first + k] =
            counts ? static_cast<std::uint32_t>(call.rows.group(chunk.begin + k)) : 0;
      }
    });
  }

 private:
  // Targets and weights of a chunk, the block's rows from `first` on.
  void weigh(const SoftmaxCall<T>& call, const RowChunk& chunk, std::size_t first) {
    const SoftmaxSettings& loss = call.rows.loss;
    const double share = loss.label_smoothing;
    const double per_class = share / static_cast<double>(call.logits.cols);
    // The kernel multiplies distributions by the class weights itself.
    const double* const own = call.rows.targets.by_index() ? chunk.weight : chunk.outer;
    const double* const smoothed =
        loss.convention == WeightConvention::kTorch ? chunk.outer : chunk.weight;
    for (std::size_t k = 0; k < chunk.size; ++k) {
      take(first + k, chunk.target[k], static_cast<T>((1 - share) * own[k]),
           share > 0 ? static_cast<T>(per_class * smoothed[k]) : T(0));
    }
  }
  // The same where the class of a row alone says what it weighs.
  void weigh_by_class(const SoftmaxConstants<T>& constants, const RowChunk& chunk,
                      std::size_t first) {
    const T* const own = constants.own_weights.empty() ? nullptr : constants.own_weights.data();
    const T* const smoothed =
        constants.smoothed_weights.empty() ? nullptr : constants.smoothed_weights.data();
    for (std::size_t k = 0; k < chunk.size; ++k) {
      const std::int64_t y = chunk.target[k];
      const std::int64_t c = std::max<std::int64_t>(y, 0);
      take(first + k, y, own == nullptr ? constants.own_weight : own[c],
           smoothed == nullptr ? constants.smoothed_weight : smoothed[c]);
    }
  }

  // Nothing times whatever the logits are, infinity included, is nothing.
  void take(std::size_t i, std::int64_t y, T own, T smoothed) {
    static_assert(kIgnoredRow == -1);  // all bits set: no branch
    target[i] = y | -static_cast<std::int64_t>(own + smoothed <= 0);
    row_weight[i] = own;
    smoothing[i] = smoothed;
  }
};

// One block of at most kBlockRows rows.
template <class T>
LossPartial softmax_block(const SoftmaxCall<T>& call, const SoftmaxConstants<T>& constants,
                          std::size_t begin) {
  const SoftmaxSettings& loss = call.rows.loss;
  const std::size_t classes = call.logits.cols;
  const std::size_t count = std::min(block_rows(classes), call.logits.rows - begin);
  SoftmaxBlock<T> block;
  block.read(call, constants, begin, count);
  const auto data = [](const std::vector<T>& values) {
    return values.empty() ? nullptr : values.data();
  };
  SoftmaxRows<T> in{};
  in.wants_gradient = call.outputs.gradient.data != nullptr;
  in.rows = count;
  in.classes = classes;
  in.targets = block.target;
  in.row_weight = block.row_weight;
  in.smoothing = loss.label_smoothing > 0 ? block.smoothing : nullptr;
  in.smoothing_class_weights = constants.smoothing_class_weights.data();
  in.smoothing_total = constants.smoothing_total;
  in.coefficient = block.coefficient;
  in.scale = data(constants.scale);
  in.shift = data(constants.shift);
  in.margin = data(constants.margin);
  in.group = loss.group_logit_terms.empty() ? nullptr : block.group;
  in.pair_shift = data(constants.pair_shift);
  in.seesaw_log_counts = data(constants.seesaw_log_counts);
  in.seesaw_mitigation = static_cast<T>(loss.seesaw->mitigation);
  in.seesaw_compensation = static_cast<T>(loss.seesaw->compensation);
  in.seesaw_log_least = static_cast<T>(std::log(loss.seesaw->least_probability));
  if (!call.rows.targets.by_index()) {
    const auto probabilities = call.rows.targets.template probabilities<T>(begin, count, classes);
    in.probabilities = probabilities.data;
    in.probability_stride = probabilities.row_stride;
    in.probability_step = probabilities.col_stride;
    in.class_weights = data(constants.class_weights);
  }
  in.losses = block.losses;
  const MatrixView<const T> logits = call.logits.middle_rows(begin, count);
  const MatrixView<T> gradient =
      in.wants_gradient ? call.outputs.gradient.middle_rows(begin, count) : MatrixView<T>{};
  if (in.wants_gradient && gradient.col_stride == 1 && logits.col_stride == 1) {
    in.logits = logits.data;
    in.logit_stride = logits.row_stride;
    in.gradient = gradient.data;
    in.gradient_stride = gradient.row_stride;
    call.kernel.run(in, call.kernel.modulator, call.kernel.instructions);
  } else {
    softmax_strided(in, logits, gradient, call.kernel);
  }

  LossPartial partial{std::vector<LossTally>(loss.reduction.buckets())};
  if (partial.buckets.size() == 1) {
    partial.buckets[0].numerator = sum_in_double(block.losses, count);
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      partial.buckets[block.bucket[i]].numerator += static_cast<double>(block.losses[i]);
    }
  }
  if (call.outputs.losses.data != nullptr) {
    for (std::size_t i = 0; i < count; ++i) call.outputs.losses(begin + i, 0) = block.losses[i];
  }
  return partial;
}

template <class T>
void require_outputs(std::string_view where, const SoftmaxCall<T>& call) {
  const MatrixView<const T>& logits = call.logits;
  const auto& [gradient, losses] = call.outputs;
  detail::require_size(where, "targets", call.rows.size(), logits.rows, "rows of logits");
  require_fit<T>(where, call.rows, call.coefficients());
  if (gradient.data != nullptr) {
    detail::require_count(where, "gradient.rows", gradient.rows, logits.rows, "rows of logits");
    detail::require_count(where, "gradient.cols", gradient.cols, logits.cols, "columns of logits");
  }
  if (losses.data != nullptr) {
    detail::require_count(where, "losses.rows", losses.rows, logits.rows, "rows of logits");
    detail::require_count(where, "losses.cols", losses.cols, 1, "one loss per row");
  }
}

// The partial of a call whose denominators, and so whose validity, are known.
template <class T, class ParallelFor>
LossPartial evaluate_checked(const SoftmaxCall<T>& call, LossPartial total,
                             const ParallelFor& parallel_for) {
  const MatrixView<const T>& logits = call.logits;
  if (logits.rows == 0 || logits.cols == 0) {
    const MatrixView<T>& losses = call.outputs.losses;
    for (std::size_t i = 0; losses.data != nullptr && i < losses.rows; ++i) losses(i, 0) = T(0);
    return total;
  }
  const SoftmaxConstants<T> constants(call.rows.loss, logits.cols);
  const std::size_t size = block_rows(logits.cols);
  std::vector<LossPartial> partials((logits.rows + size - 1) / size);
  parallel_for(partials.size(), [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    partials[block] = softmax_block(call, constants, block * size);
  });
  for (const LossPartial& partial : partials) total += partial;
  return total;
}

// Checks a call whose targets are not checked, and gives it the coefficients of its own rows, kept
// in `own`, where it has none. Returns the masses.
template <class T>
LossPartial prepare(std::string_view where, SoftmaxCall<T>& call, std::vector<double>& own) {
  LossPartial masses = checked_denominators(where, call.rows);
  if (call.coefficients().empty()) {
    own = call.rows.loss.reduction.coefficients(masses);
    call.rows.arguments.coefficients = own;
  }
  require_outputs(where, call);
  return masses;
}

template <class T, class ParallelFor>
LossPartial partial_of_call(std::string_view where, SoftmaxCall<T> call,
                            const ParallelFor& parallel_for) {
  std::vector<double> own;
  LossPartial masses = prepare(where, call, own);
  return evaluate_checked(call, std::move(masses), parallel_for);
}

// The losses of rows, whatever the coefficients.
template <class T>
void write_losses(std::string_view where, SoftmaxCall<T> call) {
  LossPartial masses = checked_denominators(where, call.rows);
  const std::vector<double> ones(masses.buckets.size(), 1.0);
  call.rows.arguments.coefficients = ones;
  require_outputs(where, call);
  evaluate_checked(call, std::move(masses), SerialFor{});
}

template <class T>
double value_of_call(std::string_view where, SoftmaxCall<T> call) {
  std::vector<double> own;
  LossPartial masses = prepare(where, call, own);
  return value_of_whole(call.rows.loss.empty_batch,
                        evaluate_checked(call, std::move(masses), SerialFor{}),
                        call.coefficients());
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Declares the kernels of a modulator, or defines them: `declaration` is `extern template` or
// `template`.
#define EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, ...)                                        \
  declaration void softmax_kernel<__VA_ARGS__, float>(const SoftmaxRows<float>&, const void*, \
                                                      Cpu);                                   \
  declaration void softmax_kernel<__VA_ARGS__, double>(const SoftmaxRows<double>&, const void*, Cpu)

// The same for what calls the kernels.
#define EQUIPOISE_SOFTMAX_DRIVERS_OF(declaration, T)                                         \
  declaration double value_of_call<T>(std::string_view, SoftmaxCall<T>);                     \
  declaration LossPartial evaluate_checked<T, SerialFor>(const SoftmaxCall<T>&, LossPartial, \
                                                         const SerialFor&)

// The same for all that the usual losses need.
#define EQUIPOISE_SOFTMAX_KERNELS(declaration)                               \
  EQUIPOISE_SOFTMAX_DRIVERS_OF(declaration, float);                          \
  EQUIPOISE_SOFTMAX_DRIVERS_OF(declaration, double);                         \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, CrossEntropy);                   \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, Focal);                          \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, PolyCrossEntropy<CrossEntropy>); \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, PolyCrossEntropy<Focal>)

#if EQUIPOISE_USES_COMPILED_KERNELS
EQUIPOISE_SOFTMAX_KERNELS(extern template);
#endif

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_SOFTMAX_DRIVER_H_
