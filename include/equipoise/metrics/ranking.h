// How well scores rank positives before negatives: areas under the ROC and the precision-recall
// curve, exact, with ties as they are.
#ifndef EQUIPOISE_METRICS_RANKING_H_
#define EQUIPOISE_METRICS_RANKING_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/radix_sort.h"
#include "equipoise/detail/scale.h"
#include "equipoise/metrics/absent.h"
#include "equipoise/view.h"

namespace equipoise {

/// What "positive where score >= threshold" makes of rows: a point of the ROC curve (true positives
/// over positives against false positives over negatives) and of the precision-recall curve.
struct OperatingPoint {
  double threshold = 0;
  double true_positives = 0;
  double false_positives = 0;

  friend bool operator==(const OperatingPoint&, const OperatingPoint&) = default;
};

namespace detail {

template <class T>
void require_scores(std::string_view where, std::span<const T> scores) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (is_nan(static_cast<double>(scores[i]))) {
      reject_element(where, "scores", i, scores[i], "a number");
    }
  }
}

// Sums over positives, from which both areas follow.
struct RankSums {
  std::uint64_t twice_won = 0;  // pairs in which the positive scores higher; those that tie half
  double precisions = 0;        // of each positive, at its own score as the threshold
};

// Both ascending.
template <class Key>
RankSums rank_sums(std::span<const Key> positives, std::span<const Key> negatives) {
  RankSums sums;
  std::size_t left = positives.size();   // positives not yet seen, from the top
  std::size_t below = negatives.size();  // negatives that score less than all seen
  while (left > 0) {
    const Key score = positives[left - 1];
    const std::size_t last = left;
    while (left > 0 && positives[left - 1] == score) --left;
    while (below > 0 && negatives[below - 1] > score) --below;
    const std::size_t not_above = below;
    while (below > 0 && negatives[below - 1] == score) --below;
    const auto size = static_cast<std::uint64_t>(last - left);
    sums.twice_won += size * static_cast<std::uint64_t>(below + not_above);
    const auto found = static_cast<double>(positives.size() - left);
    const auto wrong = static_cast<double>(negatives.size() - below);
    sums.precisions += static_cast<double>(size) * (found / (found + wrong));
  }
  return sums;
}

// Appends to each list what the other ranks have in theirs, by rank: each writes its part of one
// long buffer, zero elsewhere, and the sum is all of it.
template <class T, class Sum>
void gather_keys(std::string_view where, std::span<std::vector<KeyOf<T>>* const> lists,
                 const Sum& all_reduce_sum, std::size_t rank, std::size_t world) {
  require_rank(where, "rank", rank, world);
  std::vector<double> sizes(lists.size() * world, 0.0);
  for (std::size_t i = 0; i < lists.size(); ++i) {
    sizes[i * world + rank] = static_cast<double>(lists[i]->size());
  }
  all_reduce_sum(std::span<double>(sizes));
  std::vector<double> values(
      static_cast<std::size_t>(std::accumulate(sizes.begin(), sizes.end(), 0.0)), 0.0);
  auto place = values.begin();
  for (std::size_t i = 0; i < lists.size(); ++i) {
    for (std::size_t r = 0; r < world; ++r) {
      const auto size = static_cast<std::ptrdiff_t>(sizes[i * world + r]);
      if (r == rank) {
        std::transform(lists[i]->begin(), lists[i]->end(), place,
                       [](KeyOf<T> key) { return static_cast<double>(value_of_key<T>(key)); });
      }
      place += size;
    }
  }
  all_reduce_sum(std::span<double>(values));
  place = values.begin();
  for (std::size_t i = 0; i < lists.size(); ++i) {
    double size = 0;
    for (std::size_t r = 0; r < world; ++r) size += sizes[i * world + r];
    const auto end = place + static_cast<std::ptrdiff_t>(size);
    lists[i]->clear();
    for (; place != end; ++place) lists[i]->push_back(ordered_key(static_cast<T>(*place)));
  }
}

}  // namespace detail

/// A range of scores that are kept as T without loss.
template <class R, class T>
concept ScoreRange = ContiguousRange<R> && std::floating_point<ElementOf<R>> &&
                     sizeof(ElementOf<R>) <= sizeof(T);

/// The scores of rows of which each is positive or negative: what is exact needs all of them, one T
/// a row. Samples of parts merge by += into that of the whole, in any order; over ranks by
/// gather(). Scores may be of any scale, infinite too: only their order counts.
template <std::floating_point T = double>
class BinaryScores {
 public:
  std::size_t positives() const { return positives_.size(); }
  std::size_t negatives() const { return negatives_.size(); }

  /// Adds rows: scores, and 0 or 1 for each. O(N).
  /// @throws std::invalid_argument for sizes that differ, a NaN score, and a target that is neither
  /// 0 nor 1; nothing is added then.
  template <ScoreRange<T> Scores, LabelRange Targets>
  void add(const Scores& scores, const Targets& targets) {
    constexpr std::string_view kWhere = "BinaryScores::add";
    const auto values = as_span(scores);
    const auto truth = as_span(targets);
    detail::require_size(kWhere, "targets", truth.size(), values.size(), "scores");
    detail::require_scores(kWhere, values);
    detail::require_binary(kWhere, "targets", truth);
    for (std::size_t i = 0; i < values.size(); ++i) add_row(values[i], truth[i] != 0);
  }

  BinaryScores& operator+=(const BinaryScores& other) {
    const auto append = [](std::vector<Key>& to, const std::vector<Key>& from) {
      to.reserve(to.size() + from.size());  // from may be to itself
      for (std::size_t i = 0, size = from.size(); i < size; ++i) to.push_back(from[i]);
    };
    append(positives_, other.positives_);
    append(negatives_, other.negatives_);
    return *this;
  }

  /// Takes over the scores of all ranks, each of which calls this: `all_reduce_sum` sums a
  /// std::span<double> over ranks in place. O(rows of all ranks) memory on each.
  /// @throws std::invalid_argument for a rank outside [0, world).
  template <class Sum>
  void gather(const Sum& all_reduce_sum, std::size_t rank, std::size_t world) {
    std::vector<Key>* const lists[] = {&positives_, &negatives_};
    detail::gather_keys<T>("BinaryScores::gather", lists, all_reduce_sum, rank, world);
  }

  /// Whether the same rows were added in the same order.
  friend bool operator==(const BinaryScores&, const BinaryScores&) = default;

  /// The area under the ROC curve: the share of pairs of a positive and a negative in which the
  /// positive scores higher, pairs that tie counted half (Hanley & McNeil 1982, "The meaning and
  /// use of the area under a receiver operating characteristic curve"). Undefined without positives
  /// or without negatives. O(N) for a sort by digits.
  double roc_auc(Absent absent = Absent::kNaN) const {
    const double pairs = static_cast<double>(positives()) * static_cast<double>(negatives());
    if (pairs == 0) return detail::undefined_figure(absent);
    return static_cast<double>(sums().twice_won) / 2 / pairs;
  }

  /// Average precision: the mean over positives of the precision at their score as the threshold,
  /// which is the area under the precision-recall curve as a step function (sum over thresholds of
  /// precision times the gain in recall; no trapezoid, which is too optimistic: Davis & Goadrich
  /// 2006, "The relationship between precision-recall and ROC curves"). Undefined without
  /// positives. A random ranking has the share of positives. O(N).
  double average_precision(Absent absent = Absent::kZero) const {
    if (positives_.empty()) return detail::undefined_figure(absent);
    return sums().precisions / static_cast<double>(positives());
  }

  /// Both curves: a point for each distinct score, from the highest down, after one at an infinite
  /// threshold that takes no row for positive. O(N).
  std::vector<OperatingPoint> operating_points() const {
    const std::vector<Key> up = sorted(positives_);
    const std::vector<Key> down = sorted(negatives_);
    std::size_t p = up.size();
    std::size_t n = down.size();
    std::vector<OperatingPoint> points = {{detail::infinity(), 0, 0}};
    while (p > 0 || n > 0) {
      const Key score = p == 0   ? down[n - 1]
                        : n == 0 ? up[p - 1]
                                 : std::max(up[p - 1], down[n - 1]);
      while (p > 0 && up[p - 1] == score) --p;
      while (n > 0 && down[n - 1] == score) --n;
      points.push_back({static_cast<double>(detail::value_of_key<T>(score)),
                        static_cast<double>(up.size() - p), static_cast<double>(down.size() - n)});
    }
    return points;
  }

 private:
  using Key = detail::KeyOf<T>;
  template <std::floating_point>
  friend class LabelScores;

  void add_row(T score, bool positive) {
    (positive ? positives_ : negatives_).push_back(detail::ordered_key(score));
  }

  static std::vector<Key> sorted(std::vector<Key> keys) {
    detail::radix_sort(keys);
    return keys;
  }
  detail::RankSums sums() const {
    const std::vector<Key> up = sorted(positives_);
    const std::vector<Key> down = sorted(negatives_);
    return detail::rank_sums(std::span<const Key>(up), std::span<const Key>(down));
  }

  std::vector<Key> positives_;
  std::vector<Key> negatives_;
};

/// BinaryScores::roc_auc() of scores and 0 / 1 targets. O(N).
/// @throws std::invalid_argument as BinaryScores::add().
template <ContiguousRange Scores, LabelRange Targets>
requires std::floating_point<ElementOf<Scores>>
double roc_auc(const Scores& scores, const Targets& targets, Absent absent = Absent::kNaN) {
  BinaryScores<ElementOf<Scores>> sample;
  sample.add(scores, targets);
  return sample.roc_auc(absent);
}

/// BinaryScores::average_precision() of scores and 0 / 1 targets. O(N).
/// @throws std::invalid_argument as BinaryScores::add().
template <ContiguousRange Scores, LabelRange Targets>
requires std::floating_point<ElementOf<Scores>>
double average_precision(const Scores& scores, const Targets& targets,
                         Absent absent = Absent::kZero) {
  BinaryScores<ElementOf<Scores>> sample;
  sample.add(scores, targets);
  return sample.average_precision(absent);
}

/// The scores of rows for each of several labels: one T a row and label. Of classes, each against
/// all others (one-vs-rest); of labels of which a row has any number, each against its absence.
template <std::floating_point T = double>
class LabelScores {
 public:
  explicit LabelScores(std::size_t labels = 0) : labels_(labels) {}

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

  /// Adds the scores of other rows; one without labels takes the other's number.
  /// @throws std::invalid_argument where the numbers of labels differ.
  LabelScores& operator+=(const LabelScores& other) {
    if (labels_.empty()) return *this = other;
    if (other.labels_.empty()) return *this;
    detail::require_size("LabelScores::operator+=", "other", other.labels(), labels(),
                         "labels on the left");
    for (std::size_t l = 0; l < labels(); ++l) labels_[l] += other.labels_[l];
    return *this;
  }

  /// Takes over the scores of all ranks; see BinaryScores::gather().
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

  /// Their means weighted by positives; labels without an area do not count, and where none has one
  /// the mean is undefined.
  double weighted_roc_auc(Absent absent = Absent::kNaN) const {
    return weighted(absent, [&](std::size_t l) { return roc_auc(l); });
  }
  double weighted_average_precision(Absent absent = Absent::kZero) const {
    return weighted(absent, [&](std::size_t l) { return average_precision(l); });
  }

  /// The scores of all labels as those of one: the areas of that are the micro-averaged ones.
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

/// One weight a row: numbers, or how often each row was drawn.
template <class R>
concept RowWeights = ContiguousRange<R> &&
    (std::floating_point<ElementOf<R>> || std::unsigned_integral<ElementOf<R>>);

/// Rows in the order of their scores, for areas over the same rows at several weights: sample
/// weights, or the multiplicities of bootstrap(). A resample may lack positives, where both areas
/// are then taken for 0:
///
///   const RankedRows a(scores_a, targets), b(scores_b, targets);
///   bootstrap(targets.size(), [&](auto m) {
///     return a.roc_auc(m, Absent::kZero) - b.roc_auc(m, Absent::kZero);
///   });
class RankedRows {
 public:
  /// O(N log N).
  /// @throws std::invalid_argument as BinaryScores::add().
  template <ContiguousRange Scores, LabelRange Targets>
  requires std::floating_point<ElementOf<Scores>> RankedRows(const Scores& scores,
                                                             const Targets& targets) {
    constexpr std::string_view kWhere = "RankedRows";
    const auto values = as_span(scores);
    const auto truth = as_span(targets);
    detail::require_size(kWhere, "targets", truth.size(), values.size(), "scores");
    detail::require_scores(kWhere, values);
    detail::require_binary(kWhere, "targets", truth);
    order_.resize(values.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::stable_sort(order_.begin(), order_.end(),
                     [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
    for (std::size_t i = 0; i < order_.size(); ++i) {
      is_positive_.push_back(truth[order_[i]] != 0 ? 1 : 0);
      const bool ends = i + 1 == order_.size() || values[order_[i + 1]] != values[order_[i]];
      ends_tie_.push_back(ends ? 1 : 0);
    }
  }

  std::size_t rows() const { return order_.size(); }

  /// The area under the ROC curve of rows with weights: that of the rows, each repeated so often.
  /// The scale of the weights does not matter. O(N).
  /// @throws std::invalid_argument for weights that are not one a row, negative or not finite.
  template <RowWeights Weights>
  double roc_auc(const Weights& weights, Absent absent = Absent::kNaN) const {
    constexpr std::string_view kWhere = "RankedRows::roc_auc";
    const auto masses = as_span(weights);
    double area = 0;
    const Mass total =
        for_each_tie(masses, units(kWhere, masses), [&](const Mass& before, const Mass& tie) {
          area += tie.negatives * (before.positives + tie.positives / 2);
        });
    const double pairs = total.positives * total.negatives;
    return pairs > 0 ? area / pairs : detail::undefined_figure(absent);
  }

  /// The average precision of rows with weights. O(N).
  /// @throws std::invalid_argument as roc_auc().
  template <RowWeights Weights>
  double average_precision(const Weights& weights, Absent absent = Absent::kZero) const {
    constexpr std::string_view kWhere = "RankedRows::average_precision";
    const auto masses = as_span(weights);
    const Mass unit = units(kWhere, masses);
    // A negative of mass 1 in its unit as a multiple of that of positives.
    const double negative = std::min(unit.positives / unit.negatives, kMost);
    double precisions = 0;
    const Mass total = for_each_tie(masses, unit, [&](const Mass& before, const Mass& tie) {
      if (tie.positives == 0) return;
      const double found = before.positives + tie.positives;
      const double wrong = negative * (before.negatives + tie.negatives);
      precisions += tie.positives * (found / (found + wrong));
    });
    return total.positives > 0 ? precisions / total.positives : detail::undefined_figure(absent);
  }

 private:
  struct Mass {
    double positives = 0;
    double negatives = 0;
  };

  // Times 2^53 rows it is finite.
  static constexpr double kMost = 0x1p+960;

  // What the weights of positives and of negatives are multiplied by, so that neither sums nor
  // products of sums leave the range of doubles: powers of two, which round nothing.
  template <class W>
  Mass units(std::string_view where, std::span<const W> weights) const {
    detail::require_size(where, "weights", weights.size(), rows(), "rows");
    if constexpr (std::floating_point<W>) detail::require_masses(where, "weights", weights);
    Mass most;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      double& of_kind = is_positive_[i] != 0 ? most.positives : most.negatives;
      of_kind = std::max(of_kind, static_cast<double>(weights[order_[i]]));
    }
    return {detail::unit_of(most.positives), detail::unit_of(most.negatives)};
  }

  // Calls f(mass above, mass of the tie) for each distinct score, from the highest down.
  template <class W, class F>
  Mass for_each_tie(std::span<const W> weights, const Mass& unit, const F& f) const {
    Mass above;
    Mass tie;
    for (std::size_t i = 0; i < order_.size(); ++i) {
      const auto weight = static_cast<double>(weights[order_[i]]);
      if (is_positive_[i] != 0) {
        tie.positives += weight * unit.positives;
      } else {
        tie.negatives += weight * unit.negatives;
      }
      if (ends_tie_[i] == 0) continue;
      f(static_cast<const Mass&>(above), static_cast<const Mass&>(tie));
      above.positives += tie.positives;
      above.negatives += tie.negatives;
      tie = {};
    }
    return above;
  }

  std::vector<std::size_t> order_;  // rows by falling score
  std::vector<std::uint8_t> is_positive_;
  std::vector<std::uint8_t> ends_tie_;
};

}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_RANKING_H_
