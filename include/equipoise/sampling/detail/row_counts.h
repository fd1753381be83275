// Counts as whole numbers of rows, and numbers of rows that classes are to have.
#ifndef EQUIPOISE_SAMPLING_DETAIL_ROW_COUNTS_H_
#define EQUIPOISE_SAMPLING_DETAIL_ROW_COUNTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"

namespace equipoise::detail {

// Counts as whole numbers of rows, with the first of the smallest present classes and the first of
// the largest.
struct RowCounts {
  std::vector<std::uint64_t> rows{};
  std::size_t minority = 0;
  std::size_t majority = 0;
  std::size_t present = 0;

  RowCounts(std::string_view where, const ClassCounts& counts) {
    constexpr double kMost = 9007199254740992.0;  // 2^53
    for (std::size_t c = 0; c < counts.classes(); ++c) {
      const auto whole = static_cast<std::uint64_t>(std::min(counts[c], kMost));
      if (static_cast<double>(whole) != counts[c]) {
        reject_element(where, "counts", c, counts[c], "a whole number of rows");
      }
      rows.push_back(whole);
      if (whole == 0) continue;
      if (present == 0 || whole < rows[minority]) minority = c;
      if (present == 0 || whole > rows[majority]) majority = c;
      ++present;
    }
    if (present == 0) reject(where, "counts.total()", 0, "a class with rows");
  }

  void require_binary(std::string_view where) const {
    if (present == 2) return;
    reject(where, "classes with rows", present, "2: a ratio is one of two classes");
  }
};

// Takes named targets {class_index, rows}, which may not lie on the wrong side of the counts.
template <class Target>
std::vector<std::uint64_t> named_targets(std::string_view where, const ClassCounts& counts,
                                         std::span<const Target> targets, bool is_up) {
  RowCounts own(where, counts);
  std::vector<std::uint64_t> result = own.rows;
  std::vector<bool> is_named(result.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto [c, rows] = targets[i];
    if (c >= result.size() || is_named[c]) {
      reject_element(where, "targets[].class_index", i, c,
                     c >= result.size() ? class_range(result.size(), std::nullopt)
                                        : "a class that is named once");
    }
    is_named[c] = true;
    if (own.rows[c] == 0 ? rows != 0 : is_up ? rows < own.rows[c] : rows > own.rows[c]) {
      reject_element(where, "targets[].rows", i, rows,
                     own.rows[c] == 0 ? "0, for the class has no rows"
                                      : (is_up ? "at least " : "at most ") + to_text(own.rows[c]) +
                                            ", the rows of the class");
    }
    result[c] = rows;
  }
  return result;
}

inline void require_ratio(std::string_view where, double ratio) {
  require_between(where, "ratio", ratio, 0, 1, Ends::kMost);
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SAMPLING_DETAIL_ROW_COUNTS_H_
