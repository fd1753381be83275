// Softmax losses: logit terms -> softmax -> modulator -> weight -> reduction, in one pass.
#ifndef EQUIPOISE_LOSS_SOFTMAX_H_
#define EQUIPOISE_LOSS_SOFTMAX_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/detail/softmax_kernel.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/pair_shift.h"
#include "equipoise/reduction.h"
#include "equipoise/view.h"

namespace equipoise {

/// Where the field's conventions part.
enum class Semantics {
  /// Label smoothing is weighted by the weight of the target: w_y [(1 - e) m(p_y) + e/C sum_c
  /// m(p_c)].
  kConsistent,
  /// As LibTorch, where that takes what this library takes (it has negative weights as well, and
  /// logits without a batch dimension): the smoothing term weighs each class by its own weight,
  /// (1 - e) w_y m(p_y) + e/C sum_c w_c m(p_c), which moves the optimum towards rare classes; and
  /// the weight of a row whose target is a distribution has no class weight in it, so that its mean
  /// by weight is one by count.
  kTorch,
};

/// The value of a batch whose denominators are all zero: no rows, all ignored, or no weight.
enum class EmptyBatch { kZero, kNaN };

/// A softmax loss as a value. For row i with target y, logits z_i and p the softmax of the logits
/// after logit_terms, group_logit_terms, pair_shift and seesaw, in this order,
///
///     loss_i = weight_i [(1 - e) m(p_y) + e/C sum_c m(p_c)]
///
/// with the modulator m, the label smoothing e, and weight_i the product of the weight of y, of the
/// row's group and of the row itself; the reduction makes one number of the rows. Rows whose target
/// is ignore_index have loss and gradient zero, whatever their logits, and so have rows of weight
/// zero, which count as rows nevertheless. Fields left out are the plain cross-entropy, averaged.
///
/// Where a target is a distribution t over the classes, sum_c w_c t_c m(p_c) stands for
/// w_y m(p_y), w being the class weights. As the reduction and the smoothing see it, the row's
/// weight is sum_c w_c t_c, so that a distribution with one 1 in it equals that index, and its
/// class is the most probable one. (LibTorch's conventions for distributions: see
/// Semantics::kTorch.) The ignore index is one of class indices: distributions have a mask.
///
/// Weights, their products and logit terms are taken in the type of the logits: what that does not
/// hold, such as 1e39 or 1e-46 with float, is refused.
template <Modulator M = CrossEntropy, Reduction R = MeanByCount>
struct SoftmaxLoss {
  M modulator{};
  R reduction{};
  std::vector<double> class_weights{};  ///< C finite numbers >= 0; empty: all 1
  LogitTerms logit_terms{};             ///< of training; see evaluation()
  double label_smoothing = 0.0;         ///< in [0, 1]
  std::int64_t ignore_index = kIgnoreIndex;
  Semantics semantics = Semantics::kConsistent;
  EmptyBatch empty_batch = EmptyBatch::kZero;
  std::vector<double> group_weights{};          ///< G finite numbers >= 0; empty: all 1
  std::vector<LogitTerms> group_logit_terms{};  ///< of the row's group; G, or empty for none
  PairShift pair_shift{};                       ///< needs index targets
  Seesaw seesaw{};                              ///< needs index targets
};

/// The loss for evaluation: without whatever bends the logits in training. See
/// LogitTerms::evaluation() for what stays.
template <Modulator M, Reduction R>
SoftmaxLoss<M, R> evaluation(SoftmaxLoss<M, R> loss) {
  loss.logit_terms = loss.logit_terms.evaluation();
  for (LogitTerms& terms : loss.group_logit_terms) terms = terms.evaluation();
  loss.pair_shift = {};
  loss.seesaw.counts.clear();
  return loss;
}

/// Targets that are distributions over the classes, in the type of the logits.
template <class T>
struct ProbabilityTargets {
  /// N x C, finite and >= 0; sums are not checked. With C = 0 all rows are ignored.
  MatrixView<const T> probabilities;
  std::span<const std::uint8_t> mask{};  ///< N; rows with a 0 are ignored; empty: none is
};

/// What rows have besides logits and targets. An empty span stands for none.
struct RowAttributes {
  std::span<const double> sample_weights{};  ///< N finite numbers >= 0; default 1
  std::span<const std::int64_t> groups{};    ///< N indices in [0, G), of rows not ignored
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

/// Targets as class indices, or as distributions over the classes.
template <class Targets>
concept SoftmaxTargets = LabelRange<Targets> || requires(const Targets& targets) {
  targets.probabilities(0, 0);
  targets.mask.size();
};

namespace detail {

// What the loss asks of groups: how many there are, or 0 where it does not say.
template <class M, class R>
std::size_t declared_groups(const SoftmaxLoss<M, R>& loss) {
  if constexpr (kNeedsGroups<R>) {
    return loss.reduction.group_count();
  } else {
    return std::max(loss.group_weights.size(), loss.group_logit_terms.size());
  }
}

template <class M, class R>
void require_softmax_loss(std::string_view where, const SoftmaxLoss<M, R>& loss,
                          std::size_t classes) {
  if constexpr (requires { loss.modulator.require(where); }) loss.modulator.require(where);
  if constexpr (requires { loss.reduction.require(where); }) loss.reduction.require(where);
  if (!loss.class_weights.empty()) {
    require_size(where, "class_weights", loss.class_weights.size(), classes, "classes");
    require_masses(where, "class_weights", loss.class_weights);
  }
  require_terms(where, loss.logit_terms, classes);
  for (const LogitTerms& terms : loss.group_logit_terms) require_terms(where, terms, classes);
  require_masses(where, "group_weights", loss.group_weights);
  const auto require_groups = [&](std::string_view name, std::size_t groups) {
    if (groups > 0) require_size(where, name, groups, declared_groups(loss), "groups of the loss");
  };
  require_groups("group_weights", loss.group_weights.size());
  require_groups("group_logit_terms", loss.group_logit_terms.size());
  require_pair_shift(where, loss.pair_shift, classes);
  require_seesaw(where, loss.seesaw, classes);
  require_between(where, "label_smoothing", loss.label_smoothing, 0, 1);
}

inline double weight_of_class(const double* class_weights, std::size_t c) {
  return class_weights == nullptr ? 1.0 : class_weights[c];
}

// Targets as the loss reads them: size(), is_ignored(i), require(where, i, classes), the class of a
// row that is not ignored, and what its class weights come to.
template <class L>
struct IndexTargets {
  std::span<const L> labels;
  std::int64_t ignore_index;

  std::size_t size() const { return labels.size(); }
  bool is_ignored(std::size_t i) const { return detail::is_ignored(labels[i], ignore_index); }
  void require(std::string_view where, std::size_t i, std::size_t classes) const {
    if (is_class(labels[i], classes)) return;
    reject_element(where, "targets", i, labels[i], class_range(classes, ignore_index));
  }
  std::size_t class_of(std::size_t i) const { return static_cast<std::size_t>(labels[i]); }
  double class_weight(const double* class_weights, Semantics, std::size_t i) const {
    return weight_of_class(class_weights, class_of(i));
  }
};

template <class T>
struct DistributionTargets {
  MatrixView<const T> probabilities;
  std::span<const std::uint8_t> mask;

  std::size_t size() const { return probabilities.rows; }
  // A distribution over no classes is no target.
  bool is_ignored(std::size_t i) const {
    return probabilities.cols == 0 || (!mask.empty() && mask[i] == 0);
  }
  void require(std::string_view where, std::size_t i, std::size_t classes) const {
    for (std::size_t c = 0; c < classes; ++c) {
      const T t = probabilities(i, c);
      if (is_finite(t) && t >= 0) continue;
      reject_element(where, "targets.probabilities[" + to_text(i) + "]", c, t,
                     "a finite number >= 0");
    }
  }
  // The first of the most probable ones.
  std::size_t class_of(std::size_t i) const {
    std::size_t best = 0;
    for (std::size_t c = 1; c < probabilities.cols; ++c) {
      if (probabilities(i, c) > probabilities(i, best)) best = c;
    }
    return best;
  }
  double class_weight(const double* class_weights, Semantics semantics, std::size_t i) const {
    if (semantics == Semantics::kTorch) return 1.0;
    double sum = 0;
    for (std::size_t c = 0; c < probabilities.cols; ++c) {
      sum += weight_of_class(class_weights, c) * static_cast<double>(probabilities(i, c));
    }
    return sum;
  }
};

template <class M, class R, LabelRange Targets>
IndexTargets<ElementOf<Targets>> read_targets(std::string_view, const SoftmaxLoss<M, R>& loss,
                                              const Targets& targets, std::size_t) {
  return {as_span(targets), loss.ignore_index};
}

template <class M, class R, class T>
DistributionTargets<T> read_targets(std::string_view where, const SoftmaxLoss<M, R>& loss,
                                    const ProbabilityTargets<T>& targets, std::size_t classes) {
  const auto refuse = [&](std::string_view name, std::size_t size) {
    if (size > 0) reject(where, name, size, "0: it needs index targets");
  };
  refuse("logit_terms.margin.size()", loss.logit_terms.margin.size());
  for (const LogitTerms& terms : loss.group_logit_terms) {
    refuse("group_logit_terms[].margin.size()", terms.margin.size());
  }
  refuse("pair_shift.values.size()", loss.pair_shift.values.size());
  refuse("seesaw.counts.size()", loss.seesaw.counts.size());
  require_size(where, "targets.probabilities.cols", targets.probabilities.cols, classes, "classes");
  if (!targets.mask.empty()) {
    require_size(where, "targets.mask", targets.mask.size(), targets.probabilities.rows,
                 "rows of targets.probabilities");
  }
  return {targets.probabilities, targets.mask};
}

// Rows as their reduction sees them. It holds pointers, which stay in registers, where vectors
// would be looked up anew for each row.
template <class Y>
class RowReader {
 public:
  template <class M, class R>
  RowReader(const SoftmaxLoss<M, R>& loss, const Y& targets, const RowAttributes& rows)
      : targets_(targets),
        semantics_(loss.semantics),
        class_weights_(pointer(loss.class_weights)),
        group_weights_(pointer(loss.group_weights)),
        sample_weights_(pointer(rows.sample_weights)),
        groups_(pointer(rows.groups)) {}

  bool is_ignored(std::size_t i) const { return targets_.is_ignored(i); }

  // What multiplies row i besides its target's class weight.
  EQUIPOISE_INLINE double outer_weight(std::size_t i) const {
    const double weight = sample_weights_ == nullptr ? 1.0 : sample_weights_[i];
    return group_weights_ == nullptr ? weight : weight * group_weights_[group(i)];
  }

  // Row i, which is not ignored and whose target is valid.
  EQUIPOISE_INLINE ReductionRow<> operator[](std::size_t i) const {
    return {targets_.class_of(i),
            targets_.class_weight(class_weights_, semantics_, i) * outer_weight(i), group(i), 1.0};
  }

 private:
  template <class Values>
  static auto pointer(const Values& values) {
    return values.empty() ? nullptr : values.data();
  }
  EQUIPOISE_INLINE std::size_t group(std::size_t i) const {
    return groups_ == nullptr ? 0 : static_cast<std::size_t>(groups_[i]);
  }

  Y targets_;
  Semantics semantics_;
  const double* class_weights_;
  const double* group_weights_;
  const double* sample_weights_;
  const std::int64_t* groups_;
};

template <class M, class R, class Y>
void require_rows(std::string_view where, const SoftmaxLoss<M, R>& loss, const Y& targets,
                  const RowAttributes& rows) {
  if (!rows.sample_weights.empty()) {
    require_size(where, "sample_weights", rows.sample_weights.size(), targets.size(), "targets");
    require_masses(where, "sample_weights", rows.sample_weights);
  }
  const std::size_t groups = declared_groups(loss);
  const bool needed = kNeedsGroups<R> || groups > 0;
  if (rows.groups.empty() && !needed) return;
  require_size(where, "groups", rows.groups.size(), targets.size(), "targets");
  for (std::size_t i = 0; needed && i < targets.size(); ++i) {
    if (targets.is_ignored(i) || is_class(rows.groups[i], groups)) continue;
    reject_element(where, "groups", i, rows.groups[i], "a group in [0, " + to_text(groups) + ")");
  }
}

// The terms of each group, those of all groups included; one element where there are no groups.
template <class M, class R>
std::vector<LogitTerms> composed_terms(const SoftmaxLoss<M, R>& loss) {
  if (loss.group_logit_terms.empty()) return {loss.logit_terms};
  std::vector<LogitTerms> result;
  for (const LogitTerms& terms : loss.group_logit_terms) {
    result.push_back(loss.logit_terms.then(terms));
  }
  return result;
}

// Refuses constants of a loss that T, the type of its logits, does not hold.
template <class T, class M, class R>
void require_constants_fit(std::string_view where, const SoftmaxLoss<M, R>& loss) {
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
  require_factor_fits<T>(where, "seesaw.mitigation", loss.seesaw.mitigation);
  require_factor_fits<T>(where, "seesaw.compensation", loss.seesaw.compensation);
}

// The same for the rows' weights and what the product of all weights comes to.
template <class T, class M, class R, class Y>
void require_weights_fit(std::string_view where, const SoftmaxLoss<M, R>& loss, const Y& targets,
                         const RowAttributes& rows) {
  require_factors_fit<T>(where, "sample_weights", rows.sample_weights);
  const FactorRange of_classes = FactorRange::of(loss.class_weights);
  const FactorRange of_rows =
      FactorRange::of(loss.group_weights) * FactorRange::of(rows.sample_weights);
  if ((of_classes * of_rows).template fits<T>()) return;
  // Perhaps the extremes do not meet in a row.
  const RowReader<Y> reader(loss, targets, rows);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (reader.is_ignored(i)) continue;
    const double outer = reader.outer_weight(i);
    double own = of_classes.most;  // of distributions, which may have any class in them
    if constexpr (requires { targets.labels; }) {
      own = loss.class_weights.empty() ? 1.0 : loss.class_weights[targets.class_of(i)];
    }
    if (outer == 0 || own == 0) continue;
    if (fits<T>(outer) && outer * own > 0 && fits<T>(outer * own)) continue;
    reject_element(where, "weight of row", i, outer * own, range_of_type<T>());
  }
}

// Refuses a call whose numbers T, the type of the logits, does not hold. Targets are checked.
template <class T, class M, class R, class Y>
void require_fit(std::string_view where, const SoftmaxLoss<M, R>& loss, const Y& targets,
                 const RowAttributes& rows, std::span<const double> coefficients) {
  require_constants_fit<T>(where, loss);
  require_weights_fit<T>(where, loss, targets, rows);
  require_coefficients<T>(where, loss.reduction, coefficients);
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
template <class M, class R, class Y>
Partial checked_denominators(std::string_view where, const SoftmaxLoss<M, R>& loss,
                             const Y& targets, std::size_t classes, const RowAttributes& rows) {
  require_softmax_loss(where, loss, classes);
  require_rows(where, loss, targets, rows);
  const std::size_t buckets = loss.reduction.buckets();
  const RowReader<Y> reader(loss, targets, rows);
  Partial partial{std::vector<Tally>(buckets)};
  for_each_tally(
      targets.size(), partial, [&](std::size_t i, const auto& tally_of) EQUIPOISE_INLINE_LAMBDA {
        if (targets.is_ignored(i)) return;
        targets.require(where, i, classes);
        const auto row = row_for<R>(reader[i]);
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

  template <class M, class R>
  SoftmaxConstants(const SoftmaxLoss<M, R>& loss, std::size_t classes)
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
    for (const double count : loss.seesaw.counts) {
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

// Rows are taken in blocks whose size depends on the number of classes alone, so that sums over
// rows have the same order however many threads there are.
inline constexpr std::size_t kBlockRows = 1024;
constexpr std::size_t block_rows(std::size_t classes) {
  return std::clamp<std::size_t>((std::size_t{1} << 17) / classes, 16, kBlockRows);
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// Calls the kernel on rows whose classes may be strided or whose gradient nobody wants, through
// work space for a few rows at a time.
template <class M, class T>
void softmax_strided(SoftmaxRows<T> in, const MatrixView<const T>& logits,
                     const MatrixView<T>& gradient, const M& modulator, Cpu instructions) {
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
    softmax_kernel(part, modulator, instructions);
    if (gradient.data == nullptr) continue;
    for (std::size_t c = 0; c < in.classes; ++c) {
      for (std::size_t r = 0; r < part.rows; ++r) gradient(begin + r, c) = work(r, c);
    }
  }
}

// The rows' probabilities for the kernel, where targets are distributions.
template <class T, class L>
void set_probabilities(SoftmaxRows<T>&, const IndexTargets<L>&, const SoftmaxConstants<T>&,
                       std::size_t) {}
template <class T>
void set_probabilities(SoftmaxRows<T>& in, const DistributionTargets<T>& targets,
                       const SoftmaxConstants<T>& constants, std::size_t begin) {
  in.probabilities = &targets.probabilities(begin, 0);
  in.probability_stride = targets.probabilities.row_stride;
  in.probability_step = targets.probabilities.col_stride;
  in.class_weights = constants.class_weights.empty() ? nullptr : constants.class_weights.data();
}

// One block of at most kBlockRows rows; everything is checked.
template <class M, class R, class T, class Y>
Partial softmax_block(const SoftmaxLoss<M, R>& loss, const SoftmaxConstants<T>& constants,
                      const MatrixView<const T>& logits, const Y& targets,
                      const RowAttributes& rows, std::span<const double> coefficients,
                      const LossOutputs<T>& outputs, std::size_t begin, Cpu instructions) {
  constexpr bool kByIndex = requires { targets.labels; };
  const std::size_t classes = logits.cols;
  const std::size_t count = std::min(block_rows(classes), logits.rows - begin);
  const bool smooth = loss.label_smoothing > 0;
  const bool grouped = !loss.group_logit_terms.empty();
  const double per_class = loss.label_smoothing / static_cast<double>(classes);
  std::int64_t target[kBlockRows];
  T hard[kBlockRows + kMostLanes];
  T soft[kBlockRows + kMostLanes];
  T coefficient[kBlockRows + kMostLanes];
  T losses[kBlockRows + kMostLanes];
  std::uint32_t bucket[kBlockRows];
  std::uint32_t group[kBlockRows];
  const RowReader<Y> reader(loss, targets, rows);
  const auto leave_out = [&](std::size_t i) EQUIPOISE_INLINE_LAMBDA {
    target[i] = -1;
    if (grouped) group[i] = 0;
    hard[i] = soft[i] = coefficient[i] = 0;
  };
  for (std::size_t i = 0; i < count; ++i) {
    if (reader.is_ignored(begin + i)) {
      leave_out(i);
      continue;
    }
    const ReductionRow<> row = reader[begin + i];
    target[i] = static_cast<std::int64_t>(row.target);
    bucket[i] = static_cast<std::uint32_t>(loss.reduction.bucket(row_for<R>(row)));
    if (grouped) group[i] = static_cast<std::uint32_t>(row.group);
    // The kernel multiplies distributions by the class weights itself.
    const double own = kByIndex ? row.weight : reader.outer_weight(begin + i);
    hard[i] = static_cast<T>((1 - loss.label_smoothing) * own);
    if (smooth) {
      soft[i] = static_cast<T>(per_class * (loss.semantics == Semantics::kTorch
                                                ? reader.outer_weight(begin + i)
                                                : row.weight));
    }
    coefficient[i] = static_cast<T>(coefficients[bucket[i]]);
    // Nothing times whatever the logits are, infinity included, is nothing.
    if (hard[i] == 0 && !(smooth && soft[i] != 0)) leave_out(i);
  }
  for (std::size_t i = count; i < count + kMostLanes; ++i) hard[i] = soft[i] = coefficient[i] = 0;
  const auto data = [](const std::vector<T>& values) {
    return values.empty() ? nullptr : values.data();
  };
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
  in.scale = data(constants.scale);
  in.shift = data(constants.shift);
  in.margin = data(constants.margin);
  in.group = grouped ? group : nullptr;
  in.pair_shift = data(constants.pair_shift);
  in.seesaw_log_counts = data(constants.seesaw_log_counts);
  in.seesaw_mitigation = static_cast<T>(loss.seesaw.mitigation);
  in.seesaw_compensation = static_cast<T>(loss.seesaw.compensation);
  in.seesaw_log_least = static_cast<T>(std::log(loss.seesaw.least_probability));
  set_probabilities(in, targets, constants, begin);
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

}  // namespace EQUIPOISE_ISA_NAMESPACE

template <class M, class R, class T, class Y>
void require_outputs(std::string_view where, const SoftmaxLoss<M, R>& loss,
                     const MatrixView<const T>& logits, const Y& targets, const RowAttributes& rows,
                     std::span<const double> coefficients, const LossOutputs<T>& outputs) {
  require_size(where, "targets", targets.size(), logits.rows, "rows of logits");
  require_fit<T>(where, loss, targets, rows, coefficients);
  if (outputs.gradient.data != nullptr) {
    require_count(where, "gradient.rows", outputs.gradient.rows, logits.rows, "rows of logits");
    require_count(where, "gradient.cols", outputs.gradient.cols, logits.cols, "columns of logits");
  }
  if (!outputs.row_losses.empty()) {
    require_size(where, "row_losses", outputs.row_losses.size(), logits.rows, "rows of logits");
  }
}

// Ordinary functions, whose code is that of the instruction set they are compiled for, like the
// kernels'.
inline namespace EQUIPOISE_ISA_NAMESPACE {

// evaluate() on rows whose denominators, and so whose validity, are known.
template <class M, class R, class T, class Y, class ParallelFor>
Partial evaluate_checked(const SoftmaxLoss<M, R>& loss, const MatrixView<const T>& logits,
                         const Y& targets, Partial total, std::span<const double> coefficients,
                         const LossOutputs<T>& outputs, const RowAttributes& rows,
                         const ParallelFor& parallel_for, Cpu instructions) {
  if (logits.rows == 0 || logits.cols == 0) {
    std::fill(outputs.row_losses.begin(), outputs.row_losses.end(), T(0));
    return total;
  }
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

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace detail

/// What the reduction divides by, from targets and weights alone, so it is known before the forward
/// pass: take it over everything one optimiser step sees (merge micro-batches with +=, sum
/// all_reduce_buffer() over ranks) and pass coefficients() of it to each loss call. O(N).
///
/// @throws std::invalid_argument for a target that is neither a class nor the ignore index, for
/// weights that are negative, NaN or infinite, and for sizes that differ.
template <Modulator M, Reduction R, SoftmaxTargets Targets>
Partial denominators(const SoftmaxLoss<M, R>& loss, const Targets& targets, std::size_t classes,
                     const RowAttributes& rows = {}) {
  return detail::checked_denominators("denominators", loss,
                                      detail::read_targets("denominators", loss, targets, classes),
                                      classes, rows);
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
/// @throws std::invalid_argument as denominators(), for shapes that do not match, for coefficients
/// that do not fit the reduction, and for weights, terms and coefficients that T does not hold.
/// Nothing is written then.
template <Modulator M, Reduction R, std::floating_point T, SoftmaxTargets Targets,
          class ParallelFor = SerialFor>
EQUIPOISE_INLINE Partial evaluate(const SoftmaxLoss<M, R>& loss, MatrixView<const T> logits,
                                  const Targets& targets, std::span<const double> coefficients,
                                  const LossOutputs<T>& outputs = {},
                                  const RowAttributes& rows = {},
                                  const ParallelFor& parallel_for = {},
                                  detail::Cpu instructions = detail::cpu()) {
  const auto labels = detail::read_targets("evaluate", loss, targets, logits.cols);
  Partial masses = detail::checked_denominators("evaluate", loss, labels, logits.cols, rows);
  detail::require_outputs("evaluate", loss, logits, labels, rows, coefficients, outputs);
  return detail::evaluate_checked(loss, logits, labels, std::move(masses), coefficients, outputs,
                                  rows, parallel_for, instructions);
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
template <Modulator M, Reduction R, std::floating_point T, SoftmaxTargets Targets>
EQUIPOISE_INLINE double softmax_loss(const SoftmaxLoss<M, R>& loss, MatrixView<const T> logits,
                                     const Targets& targets, MatrixView<T> gradient = {},
                                     const RowAttributes& rows = {}) {
  const auto labels = detail::read_targets("softmax_loss", loss, targets, logits.cols);
  const Partial whole =
      detail::checked_denominators("softmax_loss", loss, labels, logits.cols, rows);
  const std::vector<double> scales = coefficients(loss.reduction, whole);
  const LossOutputs<T> outputs{gradient, {}};
  detail::require_outputs<M, R, T>("softmax_loss", loss, logits, labels, rows, scales, outputs);
  return finish(
      loss,
      detail::evaluate_checked(loss, logits, labels, whole, std::span<const double>(scales),
                               outputs, rows, SerialFor{}, detail::cpu()),
      scales);
}

}  // namespace equipoise

#endif  // EQUIPOISE_LOSS_SOFTMAX_H_
