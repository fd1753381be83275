// Entity F1 from tag sequences, in conlleval's reading and in the strict one.
#ifndef EQUIPOISE_METRICS_ENTITIES_H_
#define EQUIPOISE_METRICS_ENTITIES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/offsets.h"
#include "equipoise/detail/text.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/binary.h"
#include "equipoise/metrics/class_averages.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/metrics/entity_sequences.h"
#include "equipoise/metrics/entity_tags.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// Precision, recall and F1 of entities in one reading: a copy of the counts of an EntityScores.
///
/// Metrics are doubles; an undefined one (0 / 0) is 0 unless the caller gives another Absent rule.
/// Those of a single type are O(1), those of all types O(types).
class EntityMetrics {
 public:
  /// The names of the types, in the order of their numbers.
  std::span<const std::string> types() const { return types_; }

  /// Entities of type k, unchecked: predicted with the right type and limits; predicted; in the
  /// targets.
  double correct(std::size_t k) const { return counts_[3 * k]; }
  double predicted(std::size_t k) const { return counts_[3 * k + 1]; }
  double support(std::size_t k) const { return counts_[3 * k + 2]; }
  /// The same over all types.
  double correct() const { return sum(0); }
  double predicted() const { return sum(1); }
  double support() const { return sum(2); }

  /// correct / predicted.
  double precision(std::size_t k, Absent absent = Absent::kZero) const {
    return detail::ratio(correct(k), predicted(k), absent);
  }
  /// correct / support.
  double recall(std::size_t k, Absent absent = Absent::kZero) const {
    return detail::ratio(correct(k), support(k), absent);
  }
  /// 2 correct / (predicted + support), the harmonic mean of the two.
  double f1(std::size_t k, Absent absent = Absent::kZero) const {
    return detail::ratio(2 * correct(k), predicted(k) + support(k), absent);
  }

  /// The same of all entities together; micro_f1() is what papers call entity F1.
  double micro_precision(Absent absent = Absent::kZero) const {
    return detail::ratio(correct(), predicted(), absent);
  }
  double micro_recall(Absent absent = Absent::kZero) const {
    return detail::ratio(correct(), support(), absent);
  }
  double micro_f1(Absent absent = Absent::kZero) const {
    return detail::ratio(2 * correct(), predicted() + support(), absent);
  }

  /// Means over types. By default a type that does not occur counts as 0; Absent::kSkip leaves it
  /// out of the mean of F1s, as seqeval does.
  double macro_precision(Absent absent = Absent::kZero) const {
    return mean(absent, [&](std::size_t k) { return precision(k, Absent::kNaN); });
  }
  double macro_recall(Absent absent = Absent::kZero) const {
    return mean(absent, [&](std::size_t k) { return recall(k, Absent::kNaN); });
  }
  double macro_f1(Absent absent = Absent::kZero) const {
    return mean(absent, [&](std::size_t k) { return f1(k, Absent::kNaN); });
  }

  /// Means over types weighted by support; undefined without entities.
  double weighted_precision(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t k) { return precision(k); });
  }
  double weighted_recall(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t k) { return recall(k); });
  }
  double weighted_f1(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t k) { return f1(k); });
  }

  /// Averages over chosen types, or over all but one, such as the background; entities have no true
  /// negatives. O(types).
  /// @throws std::invalid_argument for a type that is out of range or named twice.
  template <LabelRange R>
  ClassAverages over(const R& types) const {
    return detail::averages_over("EntityMetrics::over", types, types_.size(),
                                 [&](std::size_t k) { return counts(k); });
  }
  ClassAverages without(std::size_t left_out) const {
    return detail::averages_without("EntityMetrics::without", left_out, types_.size(),
                                    [&](std::size_t k) { return counts(k); });
  }

 private:
  friend class EntityScores;
  EntityMetrics(std::span<const std::string> types, std::span<const double> counts)
      : types_(types.begin(), types.end()), counts_(counts.begin(), counts.end()) {}

  BinaryCounts counts(std::size_t k) const {
    return {correct(k), predicted(k) - correct(k), support(k) - correct(k), 0};
  }
  double sum(std::size_t which) const {
    double sum = 0;
    for (std::size_t k = 0; k < types_.size(); ++k) sum += counts_[3 * k + which];
    return sum;
  }
  template <class F>
  double mean(Absent absent, const F& figure) const {
    return detail::mean_figure(types_.size(), absent, figure,
                               [&](std::size_t k) { return support(k) > 0; });
  }
  template <class F>
  double weighted(Absent absent, const F& figure) const {
    double sum = 0;
    for (std::size_t k = 0; k < types_.size(); ++k) sum += support(k) * figure(k);
    return detail::ratio(sum, support(), absent);
  }

  std::vector<std::string> types_;
  std::vector<double> counts_;  // correct, predicted, support of each type
};

/// For each type the numbers of entities in the targets, in the predictions and in both, in both
/// readings.
///
/// Scores of parts merge by += into those of the whole.
class EntityScores {
 public:
  EntityScores() = default;

  /// All zero.
  explicit EntityScores(EntityTags tags)
      : tags_(std::move(tags)), buffer_(kTotals + 2 * part(tags_.types().size()), 0.0) {}

  /// The tags by which entities are found.
  const EntityTags& tags() const { return tags_; }

  /// Adds sequences: sequence s holds the tokens [offsets[s], offsets[s + 1]). An entity counts as
  /// correct if its type, begin and end are predicted. A token whose target is the ignore index (a
  /// word piece, padding) is left out as if it were not there, whatever was predicted: a padded
  /// batch of B x L labels has the offsets 0, L, 2L, ..., BL.
  ///
  /// O(tokens + types); memory of only 6 numbers per type.
  /// @throws std::invalid_argument for sizes that differ, for a label that is not a tag, naming the
  /// first one, for an ignore index that is a tag, and for offsets that do not start at 0, that
  /// decrease, or that do not end at targets.size(); nothing is added then.
  template <LabelRange Targets, LabelRange Predictions, LabelRange O>
  void add(const Targets& targets, const Predictions& predictions, const O& offsets,
           std::optional<std::int64_t> ignore_index = std::nullopt) {
    const auto truth = as_span(targets);
    const auto predicted = as_span(predictions);
    const auto bounds = as_span(offsets);
    detail::require_size(kAdd, "predictions", predicted.size(), truth.size(), "targets");
    detail::require_offsets(kAdd, bounds, truth.size());
    detail::require_ignore_index_is_no_class(kAdd, tags_.size(), ignore_index);
    std::vector<double> sums = buffer_;
    for (std::size_t s = 1; s < bounds.size(); ++s) {
      const auto begin = static_cast<std::size_t>(bounds[s - 1]);
      const auto end = static_cast<std::size_t>(bounds[s]);
      add_sequence(truth, predicted, begin, end, ignore_index, sums.data());
    }
    buffer_ = std::move(sums);
  }

  /// Adds the scores of another part of the data; scores without tags adopt the other's tags.
  /// @throws std::invalid_argument if schemes or types differ.
  EntityScores& operator+=(const EntityScores& other) {
    constexpr std::string_view kWhere = "EntityScores::operator+=";
    if (tags_.size() == 0) return *this = other;
    if (other.tags_.size() == 0) return *this;
    detail::require_size(kWhere, "types of other", other.tags_.types().size(), tags_.types().size(),
                         "types on the left");
    for (std::size_t k = 0; k < tags_.types().size(); ++k) {
      if (other.tags_.types()[k] == tags_.types()[k]) continue;
      detail::reject_element(kWhere, "types of other", k, other.tags_.types()[k],
                             tags_.types()[k] + " as on the left");
    }
    if (other.tags_.scheme() != tags_.scheme()) {
      detail::reject(kWhere, "scheme of other", name_of(other.tags_.scheme()),
                     std::string(name_of(tags_.scheme())) + " as on the left");
    }
    for (std::size_t i = 0; i < buffer_.size(); ++i) buffer_[i] += other.buffer_[i];
    return *this;
  }
  friend bool operator==(const EntityScores&, const EntityScores&) = default;

  /// The whole state, as 6 numbers per type plus 2, to be summed over ranks in place.
  std::span<double> all_reduce_buffer() { return buffer_; }

  /// The metrics in one reading, for the sequences added so far. O(types).
  EntityMetrics figures(EntityReading reading) const {
    const std::size_t size = part(tags_.types().size());
    const std::size_t begin = kTotals + (reading == EntityReading::kStrict ? size : 0);
    return {tags_.types(), std::span(buffer_).subspan(begin, size)};
  }
  EntityMetrics conlleval() const { return figures(EntityReading::kConlleval); }
  EntityMetrics strict() const { return figures(EntityReading::kStrict); }

  /// Tokens, without ignored ones.
  double tokens() const { return buffer_[0]; }
  /// The number of them whose tag was predicted, O included.
  double correct_tokens() const { return buffer_[1]; }
  /// correct_tokens() / tokens(); 0 without tokens.
  double token_accuracy() const { return detail::ratio(buffer_[1], buffer_[0], Absent::kZero); }

 private:
  static constexpr std::string_view kAdd = "EntityScores::add";
  static constexpr std::size_t kTotals = 2;  // tokens, those that were predicted

  // The size of one reading's part of the buffer.
  static std::size_t part(std::size_t types) { return 3 * types; }

  static std::string_view name_of(TagScheme scheme) {
    constexpr std::array<std::string_view, 3> kNames = {"IOB1", "IOB2", "BIOES"};
    return kNames[static_cast<std::size_t>(scheme)];
  }

  template <class T, class P>
  void add_sequence(std::span<const T> targets, std::span<const P> predictions, std::size_t begin,
                    std::size_t end, std::optional<std::int64_t> ignore_index, double* sums) const {
    const std::size_t size = tags_.size();
    const detail::TagCode* const codes = tags_.codes().data();
    detail::TagReader truth(tags_.scheme());
    detail::TagReader predicted(tags_.scheme());
    std::size_t tokens = 0;
    std::size_t equal = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (detail::is_ignored(targets[i], ignore_index)) continue;
      const std::size_t t = detail::tag_index(kAdd, "targets", targets, i, size, ignore_index);
      const std::size_t p =
          detail::tag_index(kAdd, "predictions", predictions, i, size, std::nullopt);
      ++tokens;
      equal += t == p ? 1 : 0;
      if (truth.goes_on(codes[t]) && predicted.goes_on(codes[p])) {
        truth.move_to(codes[t]);
        predicted.move_to(codes[p]);
      } else {
        take(truth, codes[t], predicted, codes[p], i, sums);
      }
    }
    take(truth, 0, predicted, 0, end, sums);
    sums[0] += static_cast<double>(tokens);
    sums[1] += static_cast<double>(equal);
  }

  // Counts the entities that end before token i, and reads the token.
  void take(detail::TagReader& truth, detail::TagCode t, detail::TagReader& predicted,
            detail::TagCode p, std::size_t i, double* sums) const {
    double* const loose = sums + kTotals;
    double* const strict = loose + part(tags_.types().size());
    const bool is_true = truth.ends_before(t);
    const bool is_predicted = predicted.ends_before(p);
    const bool is_strictly_true = is_true && truth.is_strict_before(t);
    const bool is_strictly_predicted = is_predicted && predicted.is_strict_before(p);
    if (is_true) {
      const std::size_t k = 3 * detail::type_of(truth.last());
      loose[k + 2] += 1;
      strict[k + 2] += is_strictly_true ? 1 : 0;
    }
    if (is_predicted) {
      const std::size_t k = 3 * detail::type_of(predicted.last());
      loose[k + 1] += 1;
      strict[k + 1] += is_strictly_predicted ? 1 : 0;
    }
    if (is_true && is_predicted && detail::is_same_type(truth.last(), predicted.last())) {
      const std::size_t k = 3 * detail::type_of(truth.last());
      loose[k] += truth.begin() == predicted.begin() ? 1 : 0;
      strict[k] += is_strictly_true && is_strictly_predicted &&
                           truth.strict_begin() == predicted.strict_begin()
                       ? 1
                       : 0;
    }
    truth.take(t, i);
    predicted.take(p, i);
  }

  EntityTags tags_;
  std::vector<double> buffer_ = std::vector<double>(kTotals, 0.0);
};

/// A table of precision, recall, F1 and support, one line per type, then the averages: the layout
/// of seqeval's classification_report. Undefined metrics are 0, in the averages too.
/// @throws std::invalid_argument for digits outside [0, 7].
inline std::string report(const EntityMetrics& figures, int digits = 2) {
  if (digits < 0 || digits > 7) detail::reject("report", "digits", digits, "a number in [0, 7]");
  constexpr std::string_view kWeighted = "weighted avg";
  detail::Table table(figures.types(), kWeighted.size(), /*column_width=*/9, /*gap=*/" ");
  table.line("", {"precision", "recall", "f1-score", "support"});
  table.blank_line();
  const auto line = [&](const auto& name, double precision, double recall, double f1,
                        double support) {
    table.line(name, {detail::with_digits(precision, digits), detail::with_digits(recall, digits),
                      detail::with_digits(f1, digits), detail::with_digits(support, 0)});
  };
  for (std::size_t k = 0; k < figures.types().size(); ++k) {
    line(k, figures.precision(k), figures.recall(k), figures.f1(k), figures.support(k));
  }
  table.blank_line();
  const double support = figures.support();
  line("micro avg", figures.micro_precision(), figures.micro_recall(), figures.micro_f1(), support);
  line("macro avg", figures.macro_precision(), figures.macro_recall(), figures.macro_f1(), support);
  line(kWeighted, figures.weighted_precision(), figures.weighted_recall(), figures.weighted_f1(),
       support);
  return table.text();
}

/// The output of conlleval for the same data: the metrics over all types, then a line for each type
/// that occurs or is predicted, in the order of their names; the last column is the number
/// predicted. With tags O, B-X and I-X and ASCII names it is equal to the byte. With other tags it
/// differs: the script reads E-X B-X, and S-X S-X, as a single phrase, and prints entities without
/// a type twice, without a name.
inline std::string conlleval_report(const EntityScores& scores) {
  const EntityMetrics figures = scores.conlleval();
  const auto percent = [](double value) {
    return detail::right_aligned(detail::with_digits(value, 2), 6);
  };
  const auto line = [&](double correct, double predicted, double support) {
    // Rounded where conlleval rounds.
    const double precision = predicted > 0 ? 100 * correct / predicted : 0;
    const double recall = support > 0 ? 100 * correct / support : 0;
    const double sum = precision + recall;
    return "precision: " + percent(precision) + "%; recall: " + percent(recall) +
           "%; FB1: " + percent(sum > 0 ? 2 * precision * recall / sum : 0);
  };
  const auto number = [](double value) { return detail::with_digits(value, 0); };

  std::string text = "processed " + number(scores.tokens()) + " tokens with " +
                     number(figures.support()) + " phrases; found: " + number(figures.predicted()) +
                     " phrases; correct: " + number(figures.correct()) + ".\n";
  if (scores.tokens() > 0) {
    text += "accuracy: " + percent(100 * scores.correct_tokens() / scores.tokens()) + "%; " +
            line(figures.correct(), figures.predicted(), figures.support()) + '\n';
  }
  std::vector<std::pair<std::string_view, std::size_t>> order;
  for (std::size_t k = 0; k < figures.types().size(); ++k) {
    if (figures.predicted(k) + figures.support(k) > 0) order.emplace_back(figures.types()[k], k);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [name, k] : order) {
    text += detail::right_aligned(name, 17) + ": " +
            line(figures.correct(k), figures.predicted(k), figures.support(k)) + "  " +
            number(figures.predicted(k)) + '\n';
  }
  return text;
}

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_ENTITIES_H_
