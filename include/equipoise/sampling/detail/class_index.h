// Rows sorted by class: class c's rows are rows[starts[c], starts[c + 1]), in ascending order.
#ifndef EQUIPOISE_SAMPLING_DETAIL_CLASS_INDEX_H_
#define EQUIPOISE_SAMPLING_DETAIL_CLASS_INDEX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"

namespace equipoise::detail {

// Rows of each class, every label checked.
template <class L>
EQUIPOISE_HOST_INLINE std::vector<std::uint64_t> rows_per_class(
    std::string_view where, std::span<const L> labels, std::size_t classes,
    std::optional<std::int64_t> ignore_index = std::nullopt) {
  std::vector<std::uint64_t> counts(classes);
  count_or_reject(where, labels, classes, ignore_index, counts.data());
  return counts;
}

inline std::vector<std::uint64_t> class_starts(std::span<const std::uint64_t> counts) {
  std::vector<std::uint64_t> starts(counts.size() + 1, 0);
  for (std::size_t c = 0; c < counts.size(); ++c) starts[c + 1] = starts[c] + counts[c];
  return starts;
}

// The rows in class order, by counting sort. Labels have been checked, so what is no class is
// ignored. Row is an unsigned type that holds every row.
template <class Row, class L>
std::vector<Row> rows_by_class(std::span<const L> labels, std::span<const std::uint64_t> starts) {
  const std::size_t classes = starts.size() - 1;
  std::vector<std::uint64_t> next(starts.begin(), starts.end() - 1);
  std::vector<Row> rows(static_cast<std::size_t>(starts.back()));
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (!is_class(labels[row], classes)) continue;
    rows[static_cast<std::size_t>(next[static_cast<std::size_t>(labels[row])]++)] =
        static_cast<Row>(row);
  }
  return rows;
}

// The rows of all classes, 4 bytes a row where that holds them.
class ClassRows {
 public:
  // Labels have been checked; counts are theirs.
  template <class L>
  ClassRows(std::span<const L> labels, std::span<const std::uint64_t> counts)
      : starts_(class_starts(counts)) {
    if (labels.size() <= std::numeric_limits<std::uint32_t>::max()) {
      rows_ = rows_by_class<std::uint32_t>(labels, starts_);
    } else {
      rows_ = rows_by_class<std::uint64_t>(labels, starts_);
    }
  }

  std::size_t classes() const { return starts_.size() - 1; }
  // Where in the table class c begins; that of class C is its end.
  const std::vector<std::uint64_t>& starts() const { return starts_; }
  std::uint64_t size(std::size_t c) const { return starts_[c + 1] - starts_[c]; }

  // f(table), with the table as a vector of whichever type.
  template <class F>
  decltype(auto) visit(const F& f) const {
    return std::visit(f, rows_);
  }

  // out[i] = the row at place(i), for at most kMost rows: while places are found, the memory of the
  // rows is on its way.
  template <std::size_t kMost, class Place>
  void take(std::span<std::int64_t> out, const Place& place) const {
    visit([&](const auto& rows) {
      std::array<std::uint64_t, kMost> places;
      for (std::size_t i = 0; i < out.size(); ++i) {
        places[i] = place(i);
        __builtin_prefetch(rows.data() + places[i]);
      }
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::int64_t>(rows[static_cast<std::size_t>(places[i])]);
      }
    });
  }

  std::size_t operator[](std::uint64_t place) const {
    return visit([&](const auto& rows) {
      return static_cast<std::size_t>(rows[static_cast<std::size_t>(place)]);
    });
  }

  template <class Digest>
  void add_to(Digest& digest) const {
    digest.add_all(starts_);
    visit([&](const auto& rows) { digest.add_all(rows); });
  }

 private:
  std::vector<std::uint64_t> starts_;
  std::variant<std::vector<std::uint32_t>, std::vector<std::uint64_t>> rows_;
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SAMPLING_DETAIL_CLASS_INDEX_H_
