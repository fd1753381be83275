// How often to repeat a sequence, by the classes of its tokens.
#ifndef EQUIPOISE_SAMPLING_REPEAT_FACTORS_H_
#define EQUIPOISE_SAMPLING_REPEAT_FACTORS_H_

#include <algorithm>
#include <cmath>
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
#include "equipoise/detail/offsets.h"
#include "equipoise/view.h"

namespace equipoise::sampling {

/// A class in a sequence, as a repeat policy sees it.
struct ClassInSequence {
  double tokens = 0;          ///< number of tokens of this class in this sequence, >= 1
  double token_share = 0;     ///< fraction of all tokens that are of this class
  double sequence_share = 0;  ///< fraction of all sequences that contain this class
};

/// A repeat policy returns how often to show a sequence, given its classes and its length in
/// tokens. There is at least one class, and the background, if any, is not among them.
template <class P>
concept RepeatPolicy = requires(const P& policy, std::span<const ClassInSequence> classes,
                                double length) {
  { policy(classes, length) } -> std::convertible_to<double>;
};

/// r = max_c max(1, sqrt(threshold / f_c)), f_c the fraction of sequences that contain class c: the
/// repeat factors of Gupta et al. 2019 (LVIS, arXiv:1908.03195) on sequences.
struct LvisRepeats {
  double threshold = 0.001;  ///< in (0, 1]

  double operator()(std::span<const ClassInSequence> classes, double) const {
    double result = 1;
    for (const ClassInSequence& own : classes) {
      result = std::max(result, std::sqrt(threshold / own.sequence_share));
    }
    return result;
  }
  void require(std::string_view where) const {
    detail::require_between(where, "threshold", threshold, 0, 1, detail::Ends::kMost);
  }
  friend bool operator==(const LvisRepeats&, const LvisRepeats&) = default;
};

/// ceil(sqrt(1 + sum_c n_c (-log2 f_c))), n_c the number of tokens of class c in the sequence and
/// f_c the fraction of all tokens that are of class c: "sCR", smoothed resampling by count and
/// rareness (Wang & Wang 2022, "Sentence-level resampling for named entity recognition", as in
/// their program).
struct CountRarenessRepeats {
  double operator()(std::span<const ClassInSequence> classes, double) const {
    double sum = 1;
    for (const ClassInSequence& own : classes) sum -= own.tokens * std::log2(own.token_share);
    return std::ceil(std::sqrt(sum));
  }
  friend bool operator==(const CountRarenessRepeats&, const CountRarenessRepeats&) = default;
};

/// ceil((1 + sum_c sqrt(n_c) (-log2 f_c)) / sqrt(length)): "nsCRD", the same, normalised, and by
/// the density of entities in the sequence as well (Wang & Wang 2022, as in their program).
struct CountRarenessDensityRepeats {
  double operator()(std::span<const ClassInSequence> classes, double length) const {
    double sum = 1;
    for (const ClassInSequence& own : classes) {
      sum -= std::sqrt(own.tokens) * std::log2(own.token_share);
    }
    return std::ceil(sum / std::sqrt(length));
  }
  friend bool operator==(const CountRarenessDensityRepeats&,
                         const CountRarenessDensityRepeats&) = default;
};

/// Options of repeat factors.
struct RepeatOptions {
  /// The background class, such as the `O` of named entities, which does not affect how often a
  /// sequence is repeated; without it all classes count.
  std::optional<std::int64_t> background = std::nullopt;
  /// Tokens with this label are left out, also from lengths; without it every label must be a
  /// class.
  std::optional<std::int64_t> ignore_index = std::nullopt;
};

/// How often to show each sequence, >= 0: the policy's result for its classes, or 1 if it contains
/// nothing but options.background. Sequence s has the tokens labels[offsets[s], offsets[s + 1]).
/// For named entities, labels are types, without B- and I-, and the background is the label of `O`;
/// for multi-label data a sequence is a row, and there is no background.
///
/// EpochStream(SystematicResampling(repeat_factors(...), 0, seed)) is the sampler: factors that are
/// not integers are rounded at random, independently in each epoch, and epochs are equally long.
/// O(tokens + sequences + C).
/// @throws std::invalid_argument for offsets that do not start at 0, decrease, or do not end at the
/// number of labels; for a label that is neither a class in [0, classes) nor the ignore index; for
/// a background that is not a class; and for a parameter or result of the policy that is out of
/// range.
template <LabelRange R, LabelRange O, RepeatPolicy P>
std::vector<double> repeat_factors(const R& labels, const O& offsets, std::size_t classes,
                                   const P& policy, const RepeatOptions& options = {}) {
  constexpr std::string_view kWhere = "repeat_factors";
  const auto values = as_span(labels);
  const auto bounds = as_span(offsets);
  detail::require_offsets(kWhere, bounds, values.size());
  detail::require_ignore_index_is_no_class(kWhere, classes, options.ignore_index);
  if (options.background && !detail::is_class(*options.background, classes)) {
    detail::reject(kWhere, "options.background", *options.background,
                   "a class in [0, " + detail::to_text(classes) + ")");
  }
  if constexpr (requires { policy.require(kWhere); }) policy.require(kWhere);
  const std::size_t sequences = bounds.size() - 1;

  // Calls f(class, tokens) for each class of a sequence, in the order of their first tokens;
  // returns the length of the sequence.
  std::vector<double> tokens(classes, 0.0);
  std::vector<std::size_t> present;
  const auto visit = [&](std::size_t s, const auto& f) {
    present.clear();
    double length = 0;
    for (auto i = static_cast<std::size_t>(bounds[s]); i < static_cast<std::size_t>(bounds[s + 1]);
         ++i) {
      if (detail::is_ignored(values[i], options.ignore_index)) continue;
      const auto c = static_cast<std::size_t>(values[i]);
      length += 1;
      if (tokens[c]++ == 0) present.push_back(c);
    }
    for (const std::size_t c : present) {
      f(c, tokens[c]);
      tokens[c] = 0;
    }
    return length;
  };

  for (std::size_t i = 0; i < values.size(); ++i) {
    if (detail::is_class(values[i], classes)) continue;
    if (detail::is_ignored(values[i], options.ignore_index)) continue;
    detail::reject_first_invalid(kWhere, "labels", values, classes, options.ignore_index);
  }
  std::vector<double> tokens_of(classes, 0.0);
  std::vector<double> sequences_with(classes, 0.0);
  double all_tokens = 0;
  for (std::size_t s = 0; s < sequences; ++s) {
    all_tokens += visit(s, [&](std::size_t c, double n) {
      tokens_of[c] += n;
      sequences_with[c] += 1;
    });
  }

  std::vector<double> result(sequences, 1.0);
  std::vector<ClassInSequence> own;
  for (std::size_t s = 0; s < sequences; ++s) {
    own.clear();
    const double length = visit(s, [&](std::size_t c, double n) {
      if (options.background && static_cast<std::int64_t>(c) == *options.background) return;
      own.push_back(
          {n, tokens_of[c] / all_tokens, sequences_with[c] / static_cast<double>(sequences)});
    });
    if (own.empty()) continue;
    result[s] = policy(std::span<const ClassInSequence>(own), length);
    if (!detail::is_finite(result[s]) || result[s] < 0) {
      detail::reject_element(kWhere, "policy(sequence)", s, result[s], "a finite number >= 0");
    }
  }
  return result;
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_REPEAT_FACTORS_H_
