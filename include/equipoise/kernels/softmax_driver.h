// What runs a softmax loss on the CPU: checks, sums of masses, and the kernel on blocks of rows.
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
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/kernels/any_reduction.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/row_blocks.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/kernels/softmax_kernel.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/pair_shift.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The fields of a SoftmaxLoss, to which it refers.
struct SoftmaxSettings {
  const void* loss;
  void (*require_parts)(const void* loss, std::string_view where);  // of modulator and reduction
  AnyReduction reduction;
  const std::vector<double>& class_weights;
  const LogitTerms& logit_terms;
  double label_smoothing;
  std::int64_t ignore_index;
  Semantics semantics;
  EmptyBatch empty_batch;
  const std::vector<double>& group_weights;
  const std::vector<LogitTerms>& group_logit_terms;
  const PairShift& pair_shift;
  const Seesaw* seesaw;

  // How many groups the loss says there are, or 0.
  std::size_t groups() const {
    if (reduction.needs_groups()) return reduction.groups();
    return std::max(group_weights.size(), group_logit_terms.size());
  }
  bool needs_groups() const { return reduction.needs_groups() || groups() > 0; }
};

// The kernel of a modulator.
template <class T>
struct SoftmaxKernel {
  const void* modulator;
  void (*run)(const SoftmaxRows<T>&, const void* modulator, Cpu instructions);
  Cpu instructions;

  void operator()(const SoftmaxRows<T>& rows) const { run(rows, modulator, instructions); }
};

template <class M, class T>
void run_softmax_kernel(const SoftmaxRows<T>& rows, const void* modulator, Cpu instructions) {
  softmax_kernel(rows, *static_cast<const M*>(modulator), instructions);
}

inline void require_softmax_loss(std::string_view where, const SoftmaxSettings& loss,
                                 std::size_t classes) {
  loss.require_parts(loss.loss, where);
  if (!loss.class_weights.empty()) {
    require_size(where, "class_weights", loss.class_weights.size(), classes, "classes");
    require_masses(where, "class_weights", loss.class_weights);
  }
  require_terms(where, loss.logit_terms, classes);
  for (const LogitTerms& terms : loss.group_logit_terms) require_terms(where, terms, classes);
  require_masses(where, "group_weights", loss.group_weights);
  const auto require_groups = [&](std::string_view name, std::size_t groups) {
    if (groups > 0) require_size(where, name, groups, loss.groups(), "groups of the loss");
  };
  require_groups("group_weights", loss.group_weights.size());
  require_groups("group_logit_terms", loss.group_logit_terms.size());
  require_pair_shift(where, loss.pair_shift, classes);
  require_seesaw(where, *loss.seesaw, classes);
  require_between(where, "label_smoothing", loss.label_smoothing, 0, 1);
}

template <LabelRange Targets>
IndexTargets<ElementOf<Targets>> read_targets(std::string_view, const SoftmaxSettings& loss,
                                              const Targets& targets, std::size_t) {
  return {as_span(targets), loss.ignore_index};
}

template <class T>
DistributionTargets<T> read_targets(std::string_view where, const SoftmaxSettings& loss,
                                    const ProbabilityTargets<T>& targets, std::size_t classes) {
  const auto refuse = [&](std::string_view name, std::size_t size) {
    if (size > 0) reject(where, name, size, "0: it needs index targets");
  };
  refuse("logit_terms.margin.size()", loss.logit_terms.margin.size());
  for (const LogitTerms& terms : loss.group_logit_terms) {
    refuse("group_logit_terms[].margin.size()", terms.margin.size());
  }
  refuse("pair_shift.values.size()", loss.pair_shift.values.size());
  refuse("seesaw.counts.size()", loss.seesaw->counts.size());
  require_size(where, "targets.probabilities.cols", targets.probabilities.cols, classes, "classes");
  if (!targets.mask.empty()) {
    require_size(where, "targets.mask", targets.mask.size(), targets.probabilities.rows,
                 "rows of targets.probabilities");
  }
  return {targets.probabilities, targets.mask};
}

// A softmax loss on rows but for the logits.
struct SoftmaxTargetRows {
  const SoftmaxSettings& loss;
  AnyTargets targets;
  std::size_t classes;
  LossArguments arguments;

  // Rows [begin, begin + count) alone.
  SoftmaxTargetRows part(std::size_t begin, std::size_t count) const {
    SoftmaxTargetRows result{loss, targets.part(begin, count), classes, arguments};
    auto& [sample_weights, groups, mask, coefficients] = result.arguments;
    if (!sample_weights.empty()) sample_weights = sample_weights.subspan(begin, count);
    if (!groups.empty()) groups = groups.subspan(begin, count);
    return result;
  }
  std::size_t size() const { return targets.size(); }
  std::size_t group(std::size_t i) const {
    return arguments.groups.empty() ? 0 : static_cast<std::size_t>(arguments.groups[i]);
  }
};

// A few rows as the reduction sees them.
struct RowChunk {
  static constexpr std::size_t kRows = 128;
  std::size_t begin = 0;
  std::size_t size = 0;
  bool weighted = false;       // otherwise all weights are 1, and only place() needs them
  std::int64_t target[kRows];  // the class, or kIgnoredRow
  double outer[kRows];         // the part of the row's weight besides that of its target
  double weight[kRows];
  std::size_t bucket[kRows];
  double mass[kRows];  // what the row adds to the denominator

  // Reads the targets of rows [begin, begin + count); `where`, if not empty, refuses invalid ones.
  void read_targets(const SoftmaxTargetRows& in, std::size_t begin_, std::size_t count,
                    std::string_view where) {
    begin = begin_;
    size = count;
    const bool wanted = in.loss.reduction.mass() == RowMass::kUnknown;
    if (where.empty()) {
      in.targets.read_classes(begin, count, wanted, target);
    } else {
      const std::size_t invalid =
          in.targets.read_checked_classes(begin, count, in.classes, wanted, target);
      if (invalid < count) in.targets.require(where, begin + invalid, in.classes);
    }
  }

  // Then their weights.
  void read_weights(const SoftmaxTargetRows& in) {
    const auto& sample_weights = in.arguments.sample_weights;
    const double* const class_weights =
        in.loss.class_weights.empty() ? nullptr : in.loss.class_weights.data();
    weighted = class_weights != nullptr || !sample_weights.empty() ||
               !in.loss.group_weights.empty() || !in.targets.by_index();
    if (!weighted && in.loss.reduction.mass() != RowMass::kUnknown) return;
    if (sample_weights.empty()) {
      std::fill_n(outer, size, 1.0);
    } else {
      std::copy_n(sample_weights.data() + begin, size, outer);
    }
    if (!in.loss.group_weights.empty()) {
      for (std::size_t i = 0; i < size; ++i) {
        if (target[i] >= 0) outer[i] *= in.loss.group_weights[in.group(begin + i)];
      }
    }
    if (!in.targets.by_index()) {
      in.targets.read_class_weights(class_weights, in.loss.semantics, begin, size, weight);
      for (std::size_t i = 0; i < size; ++i) weight[i] *= outer[i];
    } else if (class_weights == nullptr) {
      std::copy_n(outer, size, weight);
    } else {
      for (std::size_t i = 0; i < size; ++i) {
        weight[i] = target[i] < 0 ? 0.0 : class_weights[target[i]] * outer[i];
      }
    }
  }

  // And then buckets and masses, of the rows that are not ignored.
  void place(const SoftmaxTargetRows& in) {
    ReductionRow<> rows[kRows];
    std::size_t index[kRows];
    std::size_t buckets[kRows];
    double masses[kRows];
    std::size_t count = 0;
    for (std::size_t i = 0; i < size; ++i) {
      bucket[i] = 0;
      if (target[i] < 0) continue;
      index[count] = i;
      rows[count++] = {static_cast<std::size_t>(target[i]), weight[i], in.group(begin + i), 1.0};
    }
    in.loss.reduction.place({rows, count}, buckets, masses);
    for (std::size_t k = 0; k < count; ++k) {
      bucket[index[k]] = buckets[k];
      mass[index[k]] = masses[k];
    }
  }
};

// Calls f(chunk) for rows [begin, begin + count), a few at a time, with their targets.
template <class F>
void for_each_chunk(const SoftmaxTargetRows& in, std::size_t begin, std::size_t count,
                    std::string_view where, const F& f) {
  RowChunk chunk;
  for (std::size_t done = 0; done < count; done += RowChunk::kRows) {
    chunk.read_targets(in, begin + done, std::min(RowChunk::kRows, count - done), where);
    f(chunk);
  }
}

// Only sigmoid losses have a mask of elements.
inline void require_no_mask(std::string_view where, const MatrixView<const std::uint8_t>& mask) {
  if (mask.data == nullptr) return;
  reject(where, "mask.rows", mask.rows,
         "no mask: rows are ignored by the ignore index, or by the mask of ProbabilityTargets");
}

inline void require_rows(std::string_view where, const SoftmaxTargetRows& in) {
  const auto& [sample_weights, groups, mask, coefficients] = in.arguments;
  require_no_mask(where, mask);
  if (!sample_weights.empty()) {
    require_size(where, "sample_weights", sample_weights.size(), in.size(), "targets");
    require_masses(where, "sample_weights", sample_weights);
  }
  const bool needed = in.loss.needs_groups();
  if (groups.empty() && !needed) return;
  require_size(where, "groups", groups.size(), in.size(), "targets");
  if (!needed) return;
  std::int64_t classes[RowChunk::kRows];
  for (std::size_t begin = 0; begin < in.size(); begin += RowChunk::kRows) {
    const std::size_t count = std::min(RowChunk::kRows, in.size() - begin);
    in.targets.read_classes(begin, count, /*wanted=*/false, classes);
    for (std::size_t i = 0; i < count; ++i) {
      if (classes[i] == kIgnoredRow || is_class(groups[begin + i], in.loss.groups())) continue;
      reject_element(where, "groups", begin + i, groups[begin + i],
                     "a group in [0, " + to_text(in.loss.groups()) + ")");
    }
  }
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

// Adds the masses of some rows where the reduction has to be asked for them.
inline void add_placed(std::string_view where, const SoftmaxTargetRows& in, RowChunk& chunk,
                       Partial& partial) {
  const std::size_t buckets = partial.buckets.size();
  chunk.read_weights(in);
  chunk.place(in);
  for (std::size_t i = 0; i < chunk.size; ++i) {
    if (chunk.target[i] < 0) continue;
    if (chunk.bucket[i] >= buckets) {
      reject_element(where, "bucket of row", chunk.begin + i, chunk.bucket[i],
                     "less than " + to_text(buckets));
    }
    Tally& tally = partial.buckets[chunk.bucket[i]];
    tally.denominator += chunk.mass[i];
    tally.valid += 1;
  }
}

// Checks everything about the rows but their logits, and adds up their masses.
inline Partial checked_denominators(std::string_view where, const SoftmaxTargetRows& in) {
  require_softmax_loss(where, in.loss, in.classes);
  require_rows(where, in);
  Partial partial{std::vector<Tally>(in.loss.reduction.buckets())};
  const RowMass mass = in.loss.reduction.mass();
  for_each_chunk(in, 0, in.size(), where, [&](RowChunk& chunk) {
    if (mass == RowMass::kUnknown) return add_placed(where, in, chunk, partial);
    const bool by_weight = mass == RowMass::kWeight;
    if (by_weight) chunk.read_weights(in);
    Tally tally = partial.buckets[0];
    for (std::size_t i = 0; i < chunk.size; ++i) {
      if (chunk.target[i] < 0) continue;
      tally.denominator += by_weight && chunk.weighted ? chunk.weight[i] : 1.0;
      tally.valid += 1;
    }
    partial.buckets[0] = tally;
  });
  return partial;
}

// The terms of each group, those of all groups included; one element where there are no groups.
inline std::vector<LogitTerms> composed_terms(const SoftmaxSettings& loss) {
  if (loss.group_logit_terms.empty()) return {loss.logit_terms};
  std::vector<LogitTerms> result;
  for (const LogitTerms& terms : loss.group_logit_terms) {
    result.push_back(loss.logit_terms.then(terms));
  }
  return result;
}

// One field of the terms of all groups, [G, C]; empty where no group has it.
template <class T, class Field>
std::vector<T> terms_of_groups(const std::vector<LogitTerms>& groups, std::size_t classes,
                               double identity, const Field& field) {
  std::vector<T> result;
  const bool any = std::any_of(groups.begin(), groups.end(),
                               [&](const LogitTerms& terms) { return !field(terms).empty(); });
  if (!any) return result;
  for (const LogitTerms& terms : groups) {
    const std::vector<double>& values = field(terms);
    for (std::size_t c = 0; c < classes; ++c) {
      result.push_back(static_cast<T>(values.empty() ? identity : values[c]));
    }
  }
  return result;
}

// Refuses constants of a loss that T, the type of its logits, does not hold.
template <class T>
void require_constants_fit(std::string_view where, const SoftmaxSettings& loss) {
  require_factors_fit<T>(where, "class_weights", loss.class_weights);
  require_factors_fit<T>(where, "group_weights", loss.group_weights);
  const auto require_terms = [&](std::string_view owner, const LogitTerms& terms) {
    require_terms_fit<T>(where, owner, ".scale", terms.scale);
    require_terms_fit<T>(where, owner, ".shift", terms.shift);
    require_terms_fit<T>(where, owner, ".margin", terms.margin);
  };
  require_terms("logit_terms", loss.logit_terms);
  if (!loss.group_logit_terms.empty()) {
    const std::vector<LogitTerms> composed = composed_terms(loss);
    for (std::size_t g = 0; g < composed.size(); ++g) {
      require_terms("logit_terms and group_logit_terms[" + to_text(g) + "]", composed[g]);
    }
  }
  require_terms_fit<T>(where, "pair_shift", ".values", loss.pair_shift.values);
  require_factor_fits<T>(where, "seesaw.mitigation", loss.seesaw->mitigation);
  require_factor_fits<T>(where, "seesaw.compensation", loss.seesaw->compensation);
}

// The same for the rows' weights and what the product of all weights comes to.
template <class T>
void require_weights_fit(std::string_view where, const SoftmaxTargetRows& in) {
  require_factors_fit<T>(where, "sample_weights", in.arguments.sample_weights);
  const FactorRange of_classes = FactorRange::of(in.loss.class_weights);
  const FactorRange of_rows =
      FactorRange::of(in.loss.group_weights) * FactorRange::of(in.arguments.sample_weights);
  if ((of_classes * of_rows).template fits<T>()) return;
  // Perhaps the extremes do not meet in a row.
  for_each_chunk(in, 0, in.size(), {}, [&](RowChunk& chunk) {
    chunk.read_weights(in);
    for (std::size_t i = 0; i < chunk.size; ++i) {
      if (chunk.target[i] < 0) continue;
      const double outer = chunk.outer[i];
      double own = of_classes.most;  // of distributions, which may have any class in them
      if (in.targets.by_index()) {
        own = in.loss.class_weights.empty()
                  ? 1.0
                  : in.loss.class_weights[static_cast<std::size_t>(chunk.target[i])];
      }
      if (outer == 0 || own == 0) continue;
      if (fits<T>(outer) && outer * own > 0 && fits<T>(outer * own)) continue;
      reject_element(where, "weight of row", chunk.begin + i, outer * own, range_of_type<T>());
    }
  });
}

// Refuses a call whose numbers T, the type of the logits, does not hold. Targets are checked.
template <class T>
void require_fit(std::string_view where, const SoftmaxTargetRows& in,
                 std::span<const double> coefficients) {
  require_constants_fit<T>(where, in.loss);
  require_weights_fit<T>(where, in);
  require_coefficients<T>(where, coefficients, in.loss.reduction.buckets());
}

// The hyper-parameters of a loss in the type of its logits.
template <class T>
struct SoftmaxConstants {
  std::vector<T> class_weights;
  std::vector<T> soft_weights;
  T soft_total = 0;
  std::vector<T> scale;
  std::vector<T> shift;
  std::vector<T> margin;
  std::vector<T> pair_shift;
  std::vector<T> seesaw_log_counts;

  SoftmaxConstants(const SoftmaxSettings& loss, std::size_t classes)
      : class_weights(loss.class_weights.begin(), loss.class_weights.end()),
        pair_shift(loss.pair_shift.values.begin(), loss.pair_shift.values.end()) {
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
    soft_weights.assign(classes, T(1));
    if (loss.semantics == Semantics::kTorch && !class_weights.empty()) soft_weights = class_weights;
    double total = 0;
    for (const T weight : soft_weights) total += weight;
    soft_total = static_cast<T>(total);
  }
};

// Calls the kernel on rows whose classes may be strided or whose gradient nobody wants, through
// work space for a few rows at a time.
template <class T>
void softmax_strided(SoftmaxRows<T> in, const MatrixView<const T>& logits,
                     const MatrixView<T>& gradient, const SoftmaxKernel<T>& kernel) {
  const std::size_t total = in.rows;
  const bool gradient_fits = gradient.data != nullptr && gradient.col_stride == 1;
  const bool logits_fit = logits.col_stride == 1;
  if (gradient_fits && logits_fit) {
    in.logits = logits.data;
    in.logit_stride = logits.row_stride;
    in.gradient = gradient.data;
    in.gradient_stride = gradient.row_stride;
    return kernel(in);
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
    kernel(part);
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
struct SoftmaxBlock {
  static constexpr std::size_t kRoom = kBlockRows + kMostLanes;
  std::int64_t target[kBlockRows];
  T hard[kRoom];
  T soft[kRoom];
  T coefficient[kRoom];
  T losses[kRoom];
  std::size_t bucket[kBlockRows];
  std::uint32_t group[kBlockRows];

  void read(const SoftmaxCall<T>& call, std::size_t begin, std::size_t count) {
    const SoftmaxSettings& loss = call.rows.loss;
    const double smoothing = loss.label_smoothing;
    const double per_class = smoothing / static_cast<double>(call.logits.cols);
    const bool smooth = smoothing > 0;
    const bool by_index = call.rows.targets.by_index();
    const bool grouped = !loss.group_logit_terms.empty();
    for (T* const each : {hard, soft, coefficient}) std::fill_n(each + count, kMostLanes, T(0));
    const bool one_bucket = call.coefficients().size() == 1;
    if (one_bucket) std::fill_n(bucket, count, std::size_t{0});
    for_each_chunk(call.rows, begin, count, {}, [&](RowChunk& chunk) {
      chunk.read_weights(call.rows);
      if (!one_bucket) chunk.place(call.rows);
      const double* const smoothed =
          loss.semantics == Semantics::kTorch ? chunk.outer : chunk.weight;
      // The kernel multiplies distributions by the class weights itself.
      const double* const own = by_index ? chunk.weight : chunk.outer;
      const std::size_t first = chunk.begin - begin;
      for (std::size_t k = 0; k < chunk.size; ++k) {
        const std::size_t i = first + k;
        hard[i] = static_cast<T>((1 - smoothing) * (chunk.weighted ? own[k] : 1.0));
        soft[i] = smooth ? static_cast<T>(per_class * (chunk.weighted ? smoothed[k] : 1.0)) : T(0);
        // Nothing times whatever the logits are, infinity included, is nothing.
        const bool counts = chunk.target[k] >= 0 && (hard[i] != 0 || soft[i] != 0);
        target[i] = counts ? chunk.target[k] : kIgnoredRow;
        if (!counts) hard[i] = soft[i] = 0;
        if (!one_bucket) bucket[i] = counts ? chunk.bucket[k] : 0;
        coefficient[i] = counts ? static_cast<T>(call.coefficients()[bucket[i]]) : T(0);
        if (grouped) {
          group[i] = counts ? static_cast<std::uint32_t>(call.rows.group(chunk.begin + k)) : 0;
        }
      }
    });
  }
};

// One block of at most kBlockRows rows.
template <class T>
Partial softmax_block(const SoftmaxCall<T>& call, const SoftmaxConstants<T>& constants,
                      std::size_t begin) {
  const SoftmaxSettings& loss = call.rows.loss;
  const std::size_t classes = call.logits.cols;
  const std::size_t count = std::min(block_rows(classes), call.logits.rows - begin);
  SoftmaxBlock<T> block;
  block.read(call, begin, count);
  const auto data = [](const std::vector<T>& values) {
    return values.empty() ? nullptr : values.data();
  };
  SoftmaxRows<T> in{};
  in.wants_gradient = call.outputs.gradient.data != nullptr;
  in.rows = count;
  in.classes = classes;
  in.targets = block.target;
  in.hard = block.hard;
  in.soft = loss.label_smoothing > 0 ? block.soft : nullptr;
  in.soft_weights = constants.soft_weights.data();
  in.soft_total = constants.soft_total;
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
  const MatrixView<T>& gradient = call.outputs.gradient;
  softmax_strided(in, call.logits.middle_rows(begin, count),
                  in.wants_gradient ? gradient.middle_rows(begin, count) : MatrixView<T>{},
                  call.kernel);

  Partial partial{std::vector<Tally>(loss.reduction.buckets())};
  for_each_tally(count, partial, [&](std::size_t i, const auto& tally_of) {
    if (block.target[i] < 0) return;
    tally_of(block.bucket[i]).numerator += static_cast<double>(block.losses[i]);
  });
  if (call.outputs.losses.data != nullptr) {
    for (std::size_t i = 0; i < count; ++i) call.outputs.losses(begin + i, 0) = block.losses[i];
  }
  return partial;
}

template <class T>
void require_outputs(std::string_view where, const SoftmaxCall<T>& call) {
  const MatrixView<const T>& logits = call.logits;
  const auto& [gradient, losses] = call.outputs;
  require_size(where, "targets", call.rows.size(), logits.rows, "rows of logits");
  require_fit<T>(where, call.rows, call.coefficients());
  if (gradient.data != nullptr) {
    require_count(where, "gradient.rows", gradient.rows, logits.rows, "rows of logits");
    require_count(where, "gradient.cols", gradient.cols, logits.cols, "columns of logits");
  }
  if (losses.data != nullptr) {
    require_count(where, "losses.rows", losses.rows, logits.rows, "rows of logits");
    require_count(where, "losses.cols", losses.cols, 1, "one loss per row");
  }
}

// The partial of a call whose denominators, and so whose validity, are known.
template <class T, class ParallelFor>
Partial evaluate_checked(const SoftmaxCall<T>& call, Partial total,
                         const ParallelFor& parallel_for) {
  const MatrixView<const T>& logits = call.logits;
  if (logits.rows == 0 || logits.cols == 0) {
    const MatrixView<T>& losses = call.outputs.losses;
    for (std::size_t i = 0; losses.data != nullptr && i < losses.rows; ++i) losses(i, 0) = T(0);
    return total;
  }
  const SoftmaxConstants<T> constants(call.rows.loss, logits.cols);
  const std::size_t size = block_rows(logits.cols);
  std::vector<Partial> partials((logits.rows + size - 1) / size);
  parallel_for(partials.size(), [&](std::size_t block) EQUIPOISE_INLINE_LAMBDA {
    partials[block] = softmax_block(call, constants, block * size);
  });
  for (const Partial& partial : partials) total += partial;
  return total;
}

// Checks a call whose targets are not checked, and gives it the coefficients of its own rows, kept
// in `own`, where it has none. Returns the masses.
template <class T>
Partial prepare(std::string_view where, SoftmaxCall<T>& call, std::vector<double>& own) {
  Partial masses = checked_denominators(where, call.rows);
  if (call.coefficients().empty()) {
    own = call.rows.loss.reduction.coefficients(masses);
    call.rows.arguments.coefficients = own;
  }
  require_outputs(where, call);
  return masses;
}

template <class T, class ParallelFor>
Partial partial_of_call(std::string_view where, SoftmaxCall<T> call,
                        const ParallelFor& parallel_for) {
  std::vector<double> own;
  Partial masses = prepare(where, call, own);
  return evaluate_checked(call, std::move(masses), parallel_for);
}

// The losses of rows, whatever the coefficients.
template <class T>
void write_losses(std::string_view where, SoftmaxCall<T> call) {
  Partial masses = checked_denominators(where, call.rows);
  const std::vector<double> ones(masses.buckets.size(), 1.0);
  call.rows.arguments.coefficients = ones;
  require_outputs(where, call);
  evaluate_checked(call, std::move(masses), SerialFor{});
}

template <class T>
double value_of_call(std::string_view where, SoftmaxCall<T> call) {
  std::vector<double> own;
  Partial masses = prepare(where, call, own);
  return value_of_whole(call.rows.loss.empty_batch,
                        evaluate_checked(call, std::move(masses), SerialFor{}),
                        call.coefficients());
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

// Declares the kernels of a modulator, or defines them: `declaration` is `extern template` or
// `template`.
#define EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, ...)                                            \
  declaration void run_softmax_kernel<__VA_ARGS__, float>(const SoftmaxRows<float>&, const void*, \
                                                          Cpu);                                   \
  declaration void run_softmax_kernel<__VA_ARGS__, double>(const SoftmaxRows<double>&,            \
                                                           const void*, Cpu)

// The same for what calls the kernels.
#define EQUIPOISE_SOFTMAX_DRIVERS_OF(declaration, T)                                 \
  declaration double value_of_call<T>(std::string_view, SoftmaxCall<T>);             \
  declaration Partial evaluate_checked<T, SerialFor>(const SoftmaxCall<T>&, Partial, \
                                                     const SerialFor&)

// The same for all that the usual losses need.
#define EQUIPOISE_SOFTMAX_KERNELS(declaration)                         \
  EQUIPOISE_SOFTMAX_DRIVERS_OF(declaration, float);                    \
  EQUIPOISE_SOFTMAX_DRIVERS_OF(declaration, double);                   \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, CrossEntropy);             \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, Focal);                    \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, Polynomial<CrossEntropy>); \
  EQUIPOISE_SOFTMAX_KERNELS_OF(declaration, Polynomial<Focal>)

#if EQUIPOISE_USES_COMPILED_KERNELS
EQUIPOISE_SOFTMAX_KERNELS(extern template);
#endif

}  // namespace equipoise::detail

#endif  // EQUIPOISE_KERNELS_SOFTMAX_DRIVER_H_
