// Deals rows that have several labels each to parts, the rarest label first.
#ifndef EQUIPOISE_SPLITS_DETAIL_ITERATIVE_DEALER_H_
#define EQUIPOISE_SPLITS_DETAIL_ITERATIVE_DEALER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/offsets.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/splits/detail/bounds.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"

namespace equipoise::detail {

__extension__ typedef __int128 int128;

// Labels sorted by a count that falls by one at a time: the least in O(1), a fall in O(1). A label
// that falls is swapped to the front of those that count as much as it did.
class LabelQueue {
 public:
  // Labels of equal counts stand in the given order at first.
  LabelQueue(std::vector<std::uint64_t> counts, std::span<const std::size_t> order)
      : counts_(std::move(counts)), sorted_(order.size()), place_(order.size()) {
    const std::uint64_t most =
        counts_.empty() ? 0 : *std::max_element(counts_.begin(), counts_.end());
    first_.resize(static_cast<std::size_t>(most) + 2);
    for (const std::uint64_t count : counts_) ++first_[static_cast<std::size_t>(count) + 1];
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
    std::vector<std::size_t> next = first_;
    for (const std::size_t label : order) {
      place_[label] = next[static_cast<std::size_t>(counts_[label])]++;
      sorted_[place_[label]] = label;
    }
  }

  // Whether no label counts at all.
  bool empty() const { return first_[1] == sorted_.size(); }
  // A label that counts least, of those that count at all.
  std::size_t least() const { return sorted_[first_[1]]; }

  void decrement(std::size_t label) {
    const std::size_t front = first_[static_cast<std::size_t>(counts_[label]--)]++;
    const std::size_t other = sorted_[front];
    std::swap(sorted_[front], sorted_[place_[label]]);
    std::swap(place_[other], place_[label]);
  }

 private:
  std::vector<std::uint64_t> counts_;
  std::vector<std::size_t> sorted_;
  std::vector<std::size_t> place_;  // of a label in sorted_
  std::vector<std::size_t> first_;  // place of the first label that counts n or more
};

// What is due to each part: weights[p] / total of everything. Part p takes rows[p] rows, and
// `extra` parts take one more.
struct PartDues {
  std::vector<std::uint64_t> weights;
  std::uint64_t total;
  std::vector<std::uint64_t> rows;
  std::uint64_t extra;
};

// What the parts have got of `count` rows.
class PartShares {
 public:
  PartShares(std::size_t parts, std::uint64_t count) : count_(count), given_(parts) {}

  std::uint64_t given(std::size_t part) const { return given_[part]; }
  void give(std::size_t part) { ++given_[part]; }

  // How many rows the part still wants, times dues.total.
  int128 wanted(const PartDues& dues, std::size_t part) const {
    return static_cast<int128>(dues.weights[part]) * count_ -
           static_cast<int128>(dues.total) * given_[part];
  }

 private:
  std::uint64_t count_;
  std::vector<std::uint64_t> given_;
};

// Checked rows of several labels each.
template <class L, class O>
class LabelledRows {
 public:
  EQUIPOISE_HOST_INLINE LabelledRows(std::string_view where, std::span<const L> labels,
                                     std::span<const O> offsets, std::size_t classes)
      : labels_(labels), offsets_(offsets), counts_(rows_per_class(where, labels, classes)) {
    require_offsets(where, offsets, labels.size());
    std::vector<std::size_t> last(classes, 0);  // the last row, from 1, that has the label
    for (std::size_t row = 0; row < size(); ++row) {
      for (std::size_t i = begin(row); i < begin(row + 1); ++i) {
        std::size_t& seen = last[static_cast<std::size_t>(labels[i])];
        if (seen == row + 1) {
          reject_element(where, "labels", i, labels[i], "a label that its row has once");
        }
        seen = row + 1;
      }
    }
  }

  std::size_t size() const { return offsets_.size() - 1; }
  // The rows of each label.
  const std::vector<std::uint64_t>& counts() const { return counts_; }

  template <class F>
  void for_each_label(std::size_t row, const F& f) const {
    for (std::size_t i = begin(row); i < begin(row + 1); ++i) {
      f(static_cast<std::size_t>(labels_[i]));
    }
  }

  // The rows of each label, those of label c from starts[c] on, in the given order of all rows.
  template <class Row>
  std::vector<Row> by_label(std::span<const std::uint64_t> starts,
                            std::span<const Row> order) const {
    std::vector<std::uint64_t> next(starts.begin(), starts.end() - 1);
    std::vector<Row> rows(labels_.size());
    for (const Row row : order) {
      for_each_label(row, [&](std::size_t c) { rows[static_cast<std::size_t>(next[c]++)] = row; });
    }
    return rows;
  }

 private:
  std::size_t begin(std::size_t row) const { return static_cast<std::size_t>(offsets_[row]); }

  std::span<const L> labels_;
  std::span<const O> offsets_;
  std::vector<std::uint64_t> counts_;
};

// Gives rows to parts, each to the one that wants a label most.
template <class L, class O>
class IterativeDealer {
 public:
  // A row goes to part 0 as long as that has fewer rows of one of its labels than the options want
  // for training, to part 1 as long as that has fewer than they want for testing; if both, to that
  // for which the label has no others left, else to part 0. This holds for labels below
  // `bound_labels`.
  IterativeDealer(const LabelledRows<L, O>& rows, PartDues dues,
                  const splits::SplitOptions& options, std::size_t bound_labels, std::uint64_t seed)
      : rows_(rows),
        dues_(std::move(dues)),
        options_(options),
        bound_labels_(bound_labels),
        random_{seed},
        all_(dues_.rows.size(), rows.size()),
        part_of_(rows.size(), kNone) {
    for (const std::uint64_t count : rows.counts()) {
      of_label_.emplace_back(dues_.rows.size(), count);
    }
  }

  // Labels that count equally come in label_order, the rows of a label in row_order.
  template <class Row>
  void deal(std::span<const std::size_t> label_order, std::span<const Row> row_order) {
    const std::vector<std::uint64_t> starts = class_starts(rows_.counts());
    const std::vector<Row> by_label = rows_.by_label(starts, row_order);
    LabelQueue queue(rows_.counts(), label_order);
    while (!queue.empty()) {
      const std::size_t label = queue.least();
      for (std::uint64_t i = starts[label]; i < starts[label + 1]; ++i) {
        const auto row = static_cast<std::size_t>(by_label[static_cast<std::size_t>(i)]);
        if (part_of_[row] != kNone) continue;
        give(row, part_for(row, of_label_[label]));
        rows_.for_each_label(row, [&](std::size_t c) { queue.decrement(c); });
      }
    }
    for (const Row row : row_order) {
      if (part_of_[row] == kNone) give(row, part_for(row, all_));
    }
  }

  const std::vector<std::uint32_t>& parts() const { return part_of_; }
  // How many rows of a label a part has.
  std::uint64_t given(std::size_t label, std::size_t part) const {
    return of_label_[label].given(part);
  }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  bool takes(std::size_t part) const {
    const std::uint64_t rows = all_.given(part);
    return rows < dues_.rows[part] || (rows == dues_.rows[part] && dues_.extra > 0);
  }

  // How many rows of label c the options want in a part.
  std::uint64_t bound(std::size_t c, std::size_t part) const {
    const std::uint64_t count = rows_.counts()[c];
    return part == kTrainPart ? std::min(count, options_.min_train_rows)
                              : tested_rows(count, options_);
  }

  // Whether a part, training or testing, has too few rows of one of the labels of a row: 1 if so, 2
  // if the label has no other rows left to make up for it.
  int need(std::size_t row, std::size_t part) const {
    if (bound_labels_ == 0 || !takes(part)) return 0;
    int result = 0;
    rows_.for_each_label(row, [&](std::size_t c) {
      const PartShares& shares = of_label_[c];
      if (c >= bound_labels_ || shares.given(part) >= bound(c, part)) return;
      const std::uint64_t left =
          rows_.counts()[c] - shares.given(kTrainPart) - shares.given(kTestPart);
      const bool is_last = left <= bound(c, part) - shares.given(part);
      result = std::max(result, is_last ? 2 : 1);
    });
    return result;
  }

  // Of the parts that take rows the one that wants most of `label`; of several, the one that wants
  // most rows; of several, any.
  std::size_t part_for(std::size_t row, const PartShares& label) {
    const int for_testing = need(row, kTestPart);
    if (need(row, kTrainPart) > 0 && need(row, kTrainPart) >= for_testing) return kTrainPart;
    if (for_testing > 0) return kTestPart;
    best_.clear();
    std::pair<int128, int128> most;
    for (std::size_t part = 0; part < dues_.rows.size(); ++part) {
      if (!takes(part)) continue;
      const std::pair<int128, int128> own(label.wanted(dues_, part), all_.wanted(dues_, part));
      if (!best_.empty() && own < most) continue;
      if (best_.empty() || own > most) best_.clear();
      most = own;
      best_.push_back(part);
    }
    if (best_.size() == 1) return best_[0];
    return best_[static_cast<std::size_t>(random_.below(best_.size(), row, Purpose::kRowPart))];
  }

  void give(std::size_t row, std::size_t part) {
    part_of_[row] = static_cast<std::uint32_t>(part);
    if (all_.given(part) == dues_.rows[part]) --dues_.extra;
    all_.give(part);
    rows_.for_each_label(row, [&](std::size_t c) { of_label_[c].give(part); });
  }

  const LabelledRows<L, O>& rows_;
  PartDues dues_;
  splits::SplitOptions options_;
  std::size_t bound_labels_;
  CounterRandom random_;
  PartShares all_;
  std::vector<PartShares> of_label_;
  std::vector<std::uint32_t> part_of_;
  std::vector<std::size_t> best_;  // parts that a row may go to
};

template <class L, class O>
EQUIPOISE_HOST_INLINE void deal_iteratively(IterativeDealer<L, O>& dealer, std::size_t rows,
                                            std::size_t classes, std::uint64_t seed) {
  const CounterRandom random{seed};
  const std::vector<std::size_t> label_order =
      shuffled_indices<std::size_t>(classes, random, Purpose::kLabelOrder);
  if (rows <= std::numeric_limits<std::uint32_t>::max()) {
    const std::vector<std::uint32_t> order = shuffled_indices<std::uint32_t>(rows, random);
    dealer.deal(std::span<const std::size_t>(label_order), std::span<const std::uint32_t>(order));
  } else {
    const std::vector<std::uint64_t> order = shuffled_indices<std::uint64_t>(rows, random);
    dealer.deal(std::span<const std::size_t>(label_order), std::span<const std::uint64_t>(order));
  }
}

// Whether options were kept, of which the last rows of a label may find their part full.
template <class L, class O>
void require_bounds_kept(std::string_view where, const IterativeDealer<L, O>& dealer,
                         std::span<const std::uint64_t> counts, std::uint64_t test_rows,
                         const splits::SplitOptions& options) {
  for (std::size_t c = 0; c < counts.size(); ++c) {
    if (dealer.given(c, kTrainPart) < std::min(counts[c], options.min_train_rows)) {
      reject(where, "options.min_train_rows", options.min_train_rows,
             "a number that leaves " + to_text(test_rows) +
                 " rows for testing without taking those of label " + to_text(c));
    }
    if (dealer.given(c, kTestPart) < tested_rows(counts[c], options)) {
      reject(where, "options.min_test_rows", options.min_test_rows,
             "a number of rows that label " + to_text(c) + " finds among " + to_text(test_rows) +
                 " for testing");
    }
  }
}

// Bounds of the options hold for labels below `bound_labels`.
template <class L, class O>
EQUIPOISE_HOST_INLINE splits::Split split_iteratively(std::string_view where,
                                                      const LabelledRows<L, O>& rows,
                                                      std::size_t bound_labels,
                                                      double test_fraction, std::uint64_t seed,
                                                      const splits::SplitOptions& options) {
  const std::uint64_t test_rows = test_rows_of(where, rows.size(), test_fraction);
  const std::vector<std::uint64_t> sizes{rows.size() - test_rows, test_rows};
  IterativeDealer dealer(rows, {sizes, rows.size(), sizes, 0}, options, bound_labels, seed);
  deal_iteratively(dealer, rows.size(), rows.counts().size(), seed);
  require_bounds_kept(where, dealer, std::span(rows.counts()).first(bound_labels), test_rows,
                      options);
  return split_of_parts(dealer.parts(), seed, options);
}

template <class L, class O>
EQUIPOISE_HOST_INLINE std::vector<std::uint32_t> folds_iteratively(std::string_view where,
                                                                   const LabelledRows<L, O>& rows,
                                                                   std::uint32_t k,
                                                                   std::uint64_t seed) {
  require_folds(where, k, rows.size(), "rows");
  const std::vector<std::uint64_t> sizes(k, rows.size() / k);
  IterativeDealer dealer(rows, {std::vector<std::uint64_t>(k, 1), k, sizes, rows.size() % k}, {}, 0,
                         seed);
  deal_iteratively(dealer, rows.size(), rows.counts().size(), seed);
  return dealer.parts();
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_ITERATIVE_DEALER_H_
