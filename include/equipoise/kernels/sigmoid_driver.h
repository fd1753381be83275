// What runs a sigmoid loss on the CPU, once its elements are checked: the kernel on runs of
// elements.
//
// Modulators, reduction and targets are behind pointers to functions that take many elements at a
// time. So all this is compiled once for each type of logits, and a further loss adds its kernel
// alone.
#ifndef EQUIPOISE_KERNELS_SIGMOID_DRIVER_H_
#define EQUIPOISE_KERNELS_SIGMOID_DRIVER_H_

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/elements.h"
#include "equipoise/kernels/sigmoid_kernel.h"
#include "equipoise/kernels/sigmoid_masses.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The kernel of a loss's modulators.
template <class T>
struct SigmoidKernel {
  const void* sides;
  // sigmoid_kernel<S>() of sigmoid_kernel.h, S the type of the modulators.
  void (*run)(const SigmoidElements<T>&, const void* sides, Cpu instructions);
  Cpu instructions;
};

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
                  std::size_t begin, std::size_t count, LossPartial& partial, SigmoidRun<T>& run) {
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
  call.kernel.run(elements, call.kernel.sides, call.kernel.instructions);
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
LossPartial evaluate_checked(const SigmoidCall<T>& call, LossPartial total,
                             const ParallelFor& parallel_for) {
  const SigmoidInputs& in = call.in;
  if (in.elements() == 0 || call.coefficients.empty()) return total;
  const SigmoidConstants<T> constants(in.weights, in.loss.shift);
  std::vector<LossPartial> partials(in.blocks());
  parallel_for(partials.size(), [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    LossPartial partial{std::vector<LossTally>(call.coefficients.size())};
    SigmoidRun<T> run;
    const std::size_t end = std::min((block + 1) * kBlockElements, in.elements());
    for (std::size_t begin = block * kBlockElements; begin < end; begin += kRunElements) {
      evaluate_run(call, constants, begin, std::min(kRunElements, end - begin), partial, run);
    }
    partials[block] = std::move(partial);
  });
  for (const LossPartial& partial : partials) total += partial;
  return total;
}

// Checks a call, and gives it the coefficients of its own elements, kept in `own`, where it has
// none. Returns the masses.
template <class T, class ParallelFor>
LossPartial prepare(std::string_view where, SigmoidCall<T>& call, std::vector<double>& own,
                    const ParallelFor& parallel_for) {
  LossPartial masses = checked_masses(where, call.in, parallel_for);
  call.coefficients = call.in.arguments.coefficients;
  if (call.coefficients.empty()) {
    own = call.in.loss.reduction.coefficients(masses);
    call.coefficients = own;
  }
  require_outputs(where, call);
  return masses;
}

template <class T, class ParallelFor>
LossPartial partial_of_call(std::string_view where, SigmoidCall<T> call,
                            const ParallelFor& parallel_for) {
  std::vector<double> own;
  LossPartial masses = prepare(where, call, own, parallel_for);
  return evaluate_checked(call, std::move(masses), parallel_for);
}

// The losses of elements, whatever the coefficients.
template <class T>
void write_losses(std::string_view where, SigmoidCall<T> call) {
  LossPartial masses = checked_masses(where, call.in, SerialFor{});
  const std::vector<double> ones(masses.buckets.size(), 1.0);
  call.coefficients = ones;
  require_outputs(where, call);
  evaluate_checked(call, std::move(masses), SerialFor{});
}

template <class T>
double value_of_call(std::string_view where, SigmoidCall<T> call) {
  std::vector<double> own;
  LossPartial masses = prepare(where, call, own, SerialFor{});
  return value_of_whole(call.in.loss.empty_batch,
                        evaluate_checked(call, std::move(masses), SerialFor{}), call.coefficients);
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Declares the kernels of a modulator, or defines them: `declaration` is `extern template` or
// `template`.
#define EQUIPOISE_SIGMOID_KERNELS_OF(declaration, ...)                                            \
  declaration void sigmoid_kernel<__VA_ARGS__, float>(const SigmoidElements<float>&, const void*, \
                                                      Cpu);                                       \
  declaration void sigmoid_kernel<__VA_ARGS__, double>(const SigmoidElements<double>&,            \
                                                       const void*, Cpu)

// The same for what calls the kernels.
#define EQUIPOISE_SIGMOID_DRIVERS_OF(declaration, T)                                         \
  declaration double value_of_call<T>(std::string_view, SigmoidCall<T>);                     \
  declaration LossPartial evaluate_checked<T, SerialFor>(const SigmoidCall<T>&, LossPartial, \
                                                         const SerialFor&)

// The same for all that the usual losses need.
#define EQUIPOISE_SIGMOID_KERNELS(declaration)                   \
  EQUIPOISE_SIGMOID_DRIVERS_OF(declaration, float);              \
  EQUIPOISE_SIGMOID_DRIVERS_OF(declaration, double);             \
  EQUIPOISE_SIGMOID_KERNELS_OF(declaration, BinaryCrossEntropy); \
  EQUIPOISE_SIGMOID_KERNELS_OF(declaration, SigmoidFocal);       \
  EQUIPOISE_SIGMOID_KERNELS_OF(declaration, AsymmetricFocal)

#if EQUIPOISE_USES_COMPILED_KERNELS
EQUIPOISE_SIGMOID_KERNELS(extern template);
#endif

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_SIGMOID_DRIVER_H_
