// Areas under curves of several labels or classes, and their means.
#ifndef EQUIPOISE_METRICS_LABEL_SCORES_H_
#define EQUIPOISE_METRICS_LABEL_SCORES_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/metrics/detail/absent_figures.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// The scores of rows for each of several labels: one T per row and label. For classes, each
/// against all others (one-vs-rest); for multi-label rows, each label against its absence.
template <std::floating_point T = double>
class LabelScores {
 public:
  explicit LabelScores(std::size_t labels = 0) : labels_(labels) {}

  /// The number L of labels.
  std::size_t labels() const { return labels_.size(); }
  /// The scores of one label, unchecked.
  const BinaryScores<T>& label(std::size_t l) const { return labels_[l]; }

  /// Adds N x C scores of rows with one class each; rows whose target is the ignore index are left
  /// out, whatever their scores. O(N C).
  /// @throws std::invalid_argument for sizes that differ, a target that is neither a class nor the
  /// ignore index, and a NaN score; nothing is added then.
  template <class U, LabelRange Targets>
  requires std::floating_point<std::remove_const_t<U>> &&
      (sizeof(U) <= sizeof(T)) void add(const MatrixView<U>& scores, const Targets& targets,
                                        std::optional<std::int64_t> ignore_index = std::nullopt) {
    const auto truth = as_span(targets);
    require_columns(scores.cols);
    detail::require_size(kWhere, "targets", truth.size(), scores.rows, "rows of scores");
    detail::require_ignore_index_is_no_class(kWhere, labels(), ignore_index);
    for (std::size_t r = 0; r < truth.size(); ++r) {
      if (detail::is_ignored(truth[r], ignore_index)) continue;
      if (!detail::is_class(truth[r], labels())) {
        detail::reject_element(kWhere, "targets", r, truth[r],
                               detail::class_range(labels(), ignore_index));
      }
      for (std::size_t l = 0; l < labels(); ++l) require_number(scores, r, l);
    }
    for (std::size_t r = 0; r < truth.size(); ++r) {
      if (detail::is_ignored(truth[r], ignore_index)) continue;
      const auto y = static_cast<std::size_t>(truth[r]);
      for (std::size_t l = 0; l < labels(); ++l) labels_[l].add_row(scores(r, l), l == y);
    }
  }

  /// Adds N x L scores against N x L targets, 0 or 1; where a target is the ignore index, that
  /// label of that row is left out. O(N L).
  /// @throws std::invalid_argument for shapes that differ, a target that is neither 0, 1 nor the
  /// ignore index, and a NaN score; nothing is added then.
  template <class U, class Y>
  requires std::floating_point<std::remove_const_t<U>> &&(sizeof(U) <= sizeof(T)) &&
      std::integral<Y> void add(const MatrixView<U>& scores, const MatrixView<Y>& targets,
                                std::optional<std::int64_t> ignore_index = std::nullopt) {
    require_columns(scores.cols);
    detail::require_count(kWhere, "targets.cols", targets.cols, scores.cols, "columns of scores");
    detail::require_count(kWhere, "targets.rows", targets.rows, scores.rows, "rows of scores");
    detail::require_ignore_index_is_no_class(kWhere, 2, ignore_index);
    for (std::size_t r = 0; r < scores.rows; ++r) {
      for (std::size_t l = 0; l < labels(); ++l) {
        if (detail::is_ignored(targets(r, l), ignore_index)) continue;
        detail::require_binary(kWhere, "targets", r, l, targets(r, l));
        require_number(scores, r, l);
      }
    }
    for (std::size_t r = 0; r < scores.rows; ++r) {
      for (std::size_t l = 0; l < labels(); ++l) {
        if (detail::is_ignored(targets(r, l), ignore_index)) continue;
        labels_[l].add_row(scores(r, l), targets(r, l) != 0);
      }
    }
  }

  /// Adds the scores of other rows; an object without labels adopts the other's number of labels.
  /// @throws std::invalid_argument if the numbers of labels differ.
  LabelScores& operator+=(const LabelScores& other) {
    if (labels_.empty()) return *this = other;
    if (other.labels_.empty()) return *this;
    detail::require_size("LabelScores::operator+=", "other", other.labels(), labels(),
                         "labels on the left");
    for (std::size_t l = 0; l < labels(); ++l) labels_[l] += other.labels_[l];
    return *this;
  }

  /// Gathers the scores of all ranks; see BinaryScores::gather().
  template <class Sum>
  void gather(const Sum& all_reduce_sum, std::size_t rank, std::size_t world) {
    std::vector<std::vector<detail::KeyOf<T>>*> lists;
    for (BinaryScores<T>& label : labels_) {
      lists.push_back(&label.positives_);
      lists.push_back(&label.negatives_);
    }
    detail::gather_keys<T>("LabelScores::gather", lists, all_reduce_sum, rank, world);
  }

  friend bool operator==(const LabelScores&, const LabelScores&) = default;

  /// One label's areas; see BinaryScores.
  double roc_auc(std::size_t l, Absent absent = Absent::kNaN) const {
    return labels_[l].roc_auc(absent);
  }
  double average_precision(std::size_t l, Absent absent = Absent::kZero) const {
    return labels_[l].average_precision(absent);
  }

  /// Their means over labels; a label without positives or without negatives has no ROC area, one
  /// without positives no average precision. O(N L).
  double macro_roc_auc(Absent absent = Absent::kSkip) const {
    return mean(absent, [&](std::size_t l) { return roc_auc(l); });
  }
  double macro_average_precision(Absent absent = Absent::kZero) const {
    return mean(absent, [&](std::size_t l) { return average_precision(l, Absent::kNaN); });
  }

  /// Their means weighted by the number of positives; labels without an area do not count, and if
  /// no label has one the mean is undefined.
  double weighted_roc_auc(Absent absent = Absent::kNaN) const {
    return weighted(absent, [&](std::size_t l) { return roc_auc(l); });
  }
  double weighted_average_precision(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t l) { return average_precision(l); });
  }

  /// The scores of all labels as if they were those of one: its areas are the micro-averaged ones.
  /// Scores of different labels must then be comparable, as probabilities are. O(N L).
  BinaryScores<T> pooled() const {
    BinaryScores<T> all;
    for (const BinaryScores<T>& label : labels_) all += label;
    return all;
  }

 private:
  static constexpr std::string_view kWhere = "LabelScores::add";

  void require_columns(std::size_t cols) const {
    detail::require_count(kWhere, "scores.cols", cols, labels(), "labels");
  }
  template <class U>
  static void require_number(const MatrixView<U>& scores, std::size_t r, std::size_t l) {
    if (!detail::is_nan(static_cast<double>(scores(r, l)))) return;
    detail::reject_cell(kWhere, "scores", r, l, scores(r, l), "a number");
  }

  template <class F>
  double mean(Absent absent, const F& figure) const {
    return detail::mean_figure(labels(), absent, figure,
                               [&](std::size_t l) { return labels_[l].positives() > 0; });
  }
  template <class F>
  double weighted(Absent absent, const F& figure) const {
    double sum = 0;
    double weights = 0;
    for (std::size_t l = 0; l < labels(); ++l) {
      const double value = figure(l);
      if (labels_[l].positives() == 0 || detail::is_nan(value)) continue;
      const auto weight = static_cast<double>(labels_[l].positives());
      sum += weight * value;
      weights += weight;
    }
    return detail::ratio(sum, weights, absent);
  }

  std::vector<BinaryScores<T>> labels_;
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_LABEL_SCORES_H_
