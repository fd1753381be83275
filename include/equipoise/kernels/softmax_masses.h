// What is known of a softmax loss before its logits are: settings, checks, weights, and the masses
// that the reduction divides by.
#ifndef EQUIPOISE_KERNELS_SOFTMAX_MASSES_H_
#define EQUIPOISE_KERNELS_SOFTMAX_MASSES_H_

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
#include "equipoise/kernels/elements.h"
#include "equipoise/kernels/row_targets.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/pair_shift.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The fields of a SoftmaxLoss, to which it refers.
struct SoftmaxSettings {
  const void* loss;
  void (*require_parts)(const void* loss,
                        std::string_view where);  // of modulator and reduction
  AnyReduction reduction;
  const std::vector<double>& class_weights;
  const LogitTerms& logit_terms;
  double label_smoothing;
  std::int64_t ignore_index;
  WeightConvention convention;
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

inline void require_softmax_loss(std::string_view where, const SoftmaxSettings& loss,
                                 std::size_t classes) {
  loss.require_parts(loss.loss, where);
  if (!loss.class_weights.empty()) {
    detail::require_size(where, "class_weights", loss.class_weights.size(), classes, "classes");
    detail::require_masses(where, "class_weights", loss.class_weights);
  }
  detail::require_terms(where, loss.logit_terms, classes);
  for (const LogitTerms& terms : loss.group_logit_terms) {
    detail::require_terms(where, terms, classes);
  }
  detail::require_masses(where, "group_weights", loss.group_weights);
  const auto require_groups = [&](std::string_view name, std::size_t groups) {
    if (groups > 0) detail::require_size(where, name, groups, loss.groups(), "groups of the loss");
  };
  require_groups("group_weights", loss.group_weights.size());
  require_groups("group_logit_terms", loss.group_logit_terms.size());
  detail::require_pair_shift(where, loss.pair_shift, classes);
  detail::require_seesaw(where, *loss.seesaw, classes);
  detail::require_between(where, "label_smoothing", loss.label_smoothing, 0, 1);
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
    if (size > 0) detail::reject(where, name, size, "0: it needs index targets");
  };
  refuse("logit_terms.margin.size()", loss.logit_terms.margin.size());
  for (const LogitTerms& terms : loss.group_logit_terms) {
    refuse("group_logit_terms[].margin.size()", terms.margin.size());
  }
  refuse("pair_shift.values.size()", loss.pair_shift.values.size());
  refuse("seesaw.counts.size()", loss.seesaw->counts.size());
  detail::require_size(where, "targets.probabilities.cols", targets.probabilities.cols, classes,
                       "classes");
  if (!targets.mask.empty()) {
    detail::require_size(where, "targets.mask", targets.mask.size(), targets.probabilities.rows,
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
  // Whether all rows weigh 1.
  bool is_unweighted() const { return weighs_by_class() && loss.class_weights.empty(); }
  // Whether nothing but a row's class says what it weighs.
  bool weighs_by_class() const {
    return targets.by_index() && arguments.sample_weights.empty() && loss.group_weights.empty();
  }
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
    weighted = !in.is_unweighted();
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
      in.targets.read_class_weights(class_weights, in.loss.convention, begin, size, weight);
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
  detail::reject(
      where, "mask.rows", mask.rows,
      "no mask: rows are ignored by the ignore index, or by the mask of ProbabilityTargets");
}

inline void require_rows(std::string_view where, const SoftmaxTargetRows& in) {
  const auto& [sample_weights, groups, mask, coefficients] = in.arguments;
  require_no_mask(where, mask);
  if (!sample_weights.empty()) {
    detail::require_size(where, "sample_weights", sample_weights.size(), in.size(), "targets");
    detail::require_masses(where, "sample_weights", sample_weights);
  }
  const bool needed = in.loss.needs_groups();
  if (groups.empty() && !needed) return;
  detail::require_size(where, "groups", groups.size(), in.size(), "targets");
  if (!needed) return;
  std::int64_t classes[RowChunk::kRows];
  for (std::size_t begin = 0; begin < in.size(); begin += RowChunk::kRows) {
    const std::size_t count = std::min(RowChunk::kRows, in.size() - begin);
    in.targets.read_classes(begin, count, /*wanted=*/false, classes);
    for (std::size_t i = 0; i < count; ++i) {
      if (classes[i] == kIgnoredRow || detail::is_class(groups[begin + i], in.loss.groups())) {
        continue;
      }
      detail::reject_element(where, "groups", begin + i, groups[begin + i],
                             "a group in [0, " + detail::to_text(in.loss.groups()) + ")");
    }
  }
}

// Adds the masses of some rows where the reduction has to be asked for them.
inline void add_placed(std::string_view where, const SoftmaxTargetRows& in, RowChunk& chunk,
                       LossPartial& partial) {
  const std::size_t buckets = partial.buckets.size();
  chunk.read_weights(in);
  chunk.place(in);
  for (std::size_t i = 0; i < chunk.size; ++i) {
    if (chunk.target[i] < 0) continue;
    if (chunk.bucket[i] >= buckets) {
      detail::reject_element(where, "bucket of row", chunk.begin + i, chunk.bucket[i],
                             "less than " + detail::to_text(buckets));
    }
    LossTally& tally = partial.buckets[chunk.bucket[i]];
    tally.denominator += chunk.mass[i];
    tally.valid += 1;
  }
}

// The weights of some rows, added up.
inline double weight_of_rows(const SoftmaxTargetRows& in, RowChunk& chunk) {
  const bool by_class = in.weighs_by_class();
  if (!by_class) chunk.read_weights(in);
  double weights[RowChunk::kRows];
  for (std::size_t i = 0; i < chunk.size; ++i) {
    const std::int64_t y = chunk.target[i];
    const double own =
        by_class ? in.loss.class_weights[static_cast<std::size_t>(y < 0 ? 0 : y)] : chunk.weight[i];
    weights[i] = y < 0 ? 0.0 : own;
  }
  return sum_in_double(weights, chunk.size);
}

// Checks everything about the rows but their logits, and adds up their masses.
inline LossPartial checked_denominators(std::string_view where, const SoftmaxTargetRows& in) {
  require_softmax_loss(where, in.loss, in.classes);
  require_rows(where, in);
  LossPartial partial{std::vector<LossTally>(in.loss.reduction.buckets())};
  const RowMass mass = in.loss.reduction.mass();
  for_each_chunk(in, 0, in.size(), where, [&](RowChunk& chunk) {
    if (mass == RowMass::kUnknown) return add_placed(where, in, chunk, partial);
    LossTally& tally = partial.buckets[0];
    std::size_t valid = 0;
    for (std::size_t i = 0; i < chunk.size; ++i) valid += chunk.target[i] >= 0;
    tally.valid += static_cast<double>(valid);
    tally.denominator += mass == RowMass::kWeight && !in.is_unweighted()
                             ? weight_of_rows(in, chunk)
                             : static_cast<double>(valid);
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
  detail::require_factors_fit<T>(where, "class_weights", loss.class_weights);
  detail::require_factors_fit<T>(where, "group_weights", loss.group_weights);
  const auto require_terms = [&](std::string_view owner, const LogitTerms& terms) {
    detail::require_terms_fit<T>(where, owner, ".scale", terms.scale);
    detail::require_terms_fit<T>(where, owner, ".shift", terms.shift);
    detail::require_terms_fit<T>(where, owner, ".margin", terms.margin);
  };
  require_terms("logit_terms", loss.logit_terms);
  if (!loss.group_logit_terms.empty()) {
    const std::vector<LogitTerms> composed = composed_terms(loss);
    for (std::size_t g = 0; g < composed.size(); ++g) {
      require_terms("logit_terms and group_logit_terms[" + detail::to_text(g) + "]", composed[g]);
    }
  }
  detail::require_terms_fit<T>(where, "pair_shift", ".values", loss.pair_shift.values);
  detail::require_factor_fits<T>(where, "seesaw.mitigation", loss.seesaw->mitigation);
  detail::require_factor_fits<T>(where, "seesaw.compensation", loss.seesaw->compensation);
}

// The same for the rows' weights and what the product of all weights comes to.
template <class T>
void require_weights_fit(std::string_view where, const SoftmaxTargetRows& in) {
  detail::require_factors_fit<T>(where, "sample_weights", in.arguments.sample_weights);
  const detail::FactorRange of_classes = detail::FactorRange::of(in.loss.class_weights);
  const detail::FactorRange of_rows = detail::FactorRange::of(in.loss.group_weights) *
                                      detail::FactorRange::of(in.arguments.sample_weights);
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
      if (detail::fits<T>(outer) && outer * own > 0 && detail::fits<T>(outer * own)) continue;
      detail::reject_element(where, "weight of row", chunk.begin + i, outer * own,
                             detail::range_of_type<T>());
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

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_SOFTMAX_MASSES_H_
