// Deals groups of rows to parts, the largest group first.
#ifndef EQUIPOISE_SPLITS_DETAIL_GROUP_DEALER_H_
#define EQUIPOISE_SPLITS_DETAIL_GROUP_DEALER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/detail/class_index.h"
#include "equipoise/splits/detail/bounds.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/splits/split.h"

namespace equipoise::detail {

// The rows of each class in each group, of the classes that the group has; in all its classes
// together, too, which stand as class C at the end.
class GroupTable {
 public:
  struct Entry {
    std::size_t class_index;
    std::uint64_t rows;
  };

  // Labels and groups have been checked; the counts are theirs.
  template <class L, class G>
  GroupTable(std::span<const L> labels, std::vector<std::uint64_t> class_counts,
             std::span<const G> row_groups, std::span<const std::uint64_t> group_counts)
      : counts_(std::move(class_counts)), starts_(1, 0) {
    counts_.push_back(labels.size());
    const ClassRows rows(row_groups, group_counts);
    // Where the entry of a class stood when it was last seen, from 1: in the present group if that
    // is behind the group's start.
    std::vector<std::size_t> last(counts_.size(), 0);
    rows.visit([&](const auto& table) {
      for (std::size_t g = 0; g < group_counts.size(); ++g) {
        for (std::uint64_t i = rows.starts()[g]; i < rows.starts()[g + 1]; ++i) {
          const auto row = static_cast<std::size_t>(table[static_cast<std::size_t>(i)]);
          const auto c = static_cast<std::size_t>(labels[row]);
          if (last[c] <= starts_.back()) {
            entries_.push_back({c, 0});
            last[c] = entries_.size();
          }
          ++entries_[last[c] - 1].rows;
        }
        if (group_counts[g] != 0) entries_.push_back({counts_.size() - 1, group_counts[g]});
        starts_.push_back(entries_.size());
      }
    });
  }

  std::size_t groups() const { return starts_.size() - 1; }
  // The entries of group g.
  std::span<const Entry> operator[](std::size_t g) const {
    return std::span(entries_).subspan(starts_[g], starts_[g + 1] - starts_[g]);
  }
  // The rows of every class, and of all.
  const std::vector<std::uint64_t>& counts() const { return counts_; }

 private:
  std::vector<std::uint64_t> counts_;
  std::vector<std::size_t> starts_;
  std::vector<Entry> entries_;
};

// Gives groups to parts, each to one where it adds least to the distance from what is due.
//
// Let x_pc be the fraction of class c that part p has, u_c that in the group and w_p the part's
// due. The distance sum_pc (x_pc - w_p)^2 / w_p grows by sum_c u_c (u_c + 2 x_pc) / w_p and a term
// that is the same for all parts. Fractions are in units of 2^-32.
class GroupDealer {
 public:
  static constexpr std::uint64_t kOne = std::uint64_t{1} << 32;

  // One due a part, each in [1, 2^32]. As long as part 0 has fewer rows of one of its classes than
  // the options want for training, a group goes there; it goes to part 1 if that would else have
  // too few for testing.
  GroupDealer(const GroupTable& table, std::vector<std::uint64_t> dues,
              const splits::SplitOptions& options, std::uint64_t seed)
      : table_(table),
        dues_(std::move(dues)),
        options_(options),
        random_{seed},
        empty_parts_(dues_.size()),
        fractions_(dues_.size(), std::vector<std::uint64_t>(table.counts().size())),
        train_rows_(table.counts().size()),
        left_rows_(table.counts()),
        test_rows_(table.counts().size()),
        part_of_(table.groups()) {}

  // The part of every group. They are given in this order; the last ones to parts that would else
  // stay empty.
  std::vector<std::uint32_t> deal(std::span<const std::size_t> order) && {
    for (std::size_t i = 0; i < order.size(); ++i) {
      give(order[i], part_for(order[i], /*fills_empty=*/order.size() - i <= empty_parts_));
    }
    return std::move(part_of_);
  }

 private:
  bool is_empty(std::size_t part) const { return fractions_[part].back() == 0; }

  // At least one unit, so that whoever has a row has something.
  std::uint64_t fraction(const GroupTable::Entry& entry) const {
    const auto rounded = static_cast<std::uint64_t>((static_cast<uint128>(entry.rows) << 32) /
                                                    table_.counts()[entry.class_index]);
    return std::max<std::uint64_t>(rounded, 1);
  }

  bool is_for_training(std::size_t g) const {
    const std::span<const GroupTable::Entry> group = table_[g];
    return std::any_of(group.begin(), group.end(), [&](const GroupTable::Entry& entry) {
      return train_rows_[entry.class_index] < options_.min_train_rows;
    });
  }

  // Whether without the group a class would be tested on too few rows. Not if there would be none
  // to train on.
  bool is_for_testing(std::size_t g) const {
    if (options_.min_test_rows == 0) return false;
    const std::span<const GroupTable::Entry> group = table_[g];
    return std::any_of(group.begin(), group.end(), [&](const GroupTable::Entry& entry) {
      const std::size_t c = entry.class_index;
      const std::uint64_t others = left_rows_[c] - entry.rows;
      return test_rows_[c] + others < tested_rows(table_.counts()[c], options_) &&
             train_rows_[c] + others > 0;
    });
  }

  // What the distance grows by, times the part's due.
  uint128 growth(std::size_t g, std::size_t part) const {
    uint128 sum = 0;
    for (const GroupTable::Entry& entry : table_[g]) {
      const std::uint64_t own = fraction(entry);
      sum += static_cast<uint128>(own) * (own + 2 * fractions_[part][entry.class_index]);
    }
    return sum;
  }

  std::size_t part_for(std::size_t g, bool fills_empty) {
    if (is_for_training(g)) return kTrainPart;
    if (is_for_testing(g)) return kTestPart;
    best_.clear();
    uint128 least = 0;  // that of best_[0]
    for (std::size_t part = 0; part < dues_.size(); ++part) {
      if (fills_empty && !is_empty(part)) continue;
      const uint128 own = growth(g, part);
      if (!best_.empty() && own * dues_[best_[0]] > least * dues_[part]) continue;
      if (best_.empty() || own * dues_[best_[0]] < least * dues_[part]) {
        best_.clear();
        least = own;
      }
      best_.push_back(part);
    }
    if (best_.size() == 1) return best_[0];
    return best_[static_cast<std::size_t>(random_.below(best_.size(), g, Purpose::kGroupPart))];
  }

  void give(std::size_t g, std::size_t part) {
    part_of_[g] = static_cast<std::uint32_t>(part);
    if (is_empty(part)) --empty_parts_;
    for (const GroupTable::Entry& entry : table_[g]) {
      fractions_[part][entry.class_index] += fraction(entry);
      if (part == kTrainPart) train_rows_[entry.class_index] += entry.rows;
      if (part == kTestPart) test_rows_[entry.class_index] += entry.rows;
      left_rows_[entry.class_index] -= entry.rows;
    }
  }

  const GroupTable& table_;
  std::vector<std::uint64_t> dues_;
  splits::SplitOptions options_;
  CounterRandom random_;
  std::size_t empty_parts_;
  std::vector<std::vector<std::uint64_t>> fractions_;  // of each class, by part
  std::vector<std::uint64_t> train_rows_;
  std::vector<std::uint64_t> left_rows_;  // of groups that have no part yet
  std::vector<std::uint64_t> test_rows_;
  std::vector<std::uint32_t> part_of_;
  std::vector<std::size_t> best_;  // parts that a group may go to
};

// Checked labels and groups, as what GroupDealer takes.
struct GroupedRows {
  std::vector<std::uint64_t> group_counts;
  GroupTable table;

  template <class L, class G>
  EQUIPOISE_HOST_INLINE GroupedRows(std::string_view where, std::span<const L> labels,
                                    std::span<const G> row_groups, std::size_t groups,
                                    std::size_t classes)
      : group_counts(rows_per_group(where, row_groups, groups, labels.size())),
        table(labels, rows_per_class(where, labels, classes), row_groups, group_counts) {}

  // The groups that have rows.
  std::size_t present() const {
    return group_counts.size() -
           static_cast<std::size_t>(std::count(group_counts.begin(), group_counts.end(), 0u));
  }

  // These, the largest first, in a random order where they are equally large.
  EQUIPOISE_HOST_INLINE std::vector<std::size_t> largest_first(std::uint64_t seed) const {
    std::vector<std::size_t> order = shuffled_indices<std::size_t>(
        group_counts.size(), CounterRandom{seed}, Purpose::kGroupOrder);
    std::erase_if(order, [&](std::size_t g) { return group_counts[g] == 0; });
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return group_counts[a] > group_counts[b];
    });
    return order;
  }

 private:
  template <class G>
  static std::vector<std::uint64_t> rows_per_group(std::string_view where,
                                                   std::span<const G> row_groups,
                                                   std::size_t groups, std::size_t rows) {
    require_size(where, "row_groups", row_groups.size(), rows, "labels");
    std::vector<std::uint64_t> counts(groups);
    for (std::size_t i = 0; i < rows; ++i) {
      if (!is_class(row_groups[i], groups)) {
        reject_element(where, "row_groups", i, row_groups[i],
                       "a group in [0, " + to_text(groups) + ")");
      }
      ++counts[static_cast<std::size_t>(row_groups[i])];
    }
    return counts;
  }
};

// The part of every row, from that of its group.
template <class G>
std::vector<std::uint32_t> parts_of_rows(std::span<const G> row_groups,
                                         std::span<const std::uint32_t> part_of_group) {
  std::vector<std::uint32_t> parts(row_groups.size());
  for (std::size_t row = 0; row < parts.size(); ++row) {
    parts[row] = part_of_group[static_cast<std::size_t>(row_groups[row])];
  }
  return parts;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_GROUP_DEALER_H_
