// The result of splitting a data set: two lists of rows, or a fold for every row.
#ifndef EQUIPOISE_SPLITS_SPLIT_H_
#define EQUIPOISE_SPLITS_SPLIT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/splits/detail/parts.h"
#include "equipoise/view.h"

namespace equipoise::splits {

/// Two disjoint lists of rows.
struct Split {
  std::vector<std::int64_t> train;
  std::vector<std::int64_t> test;

  friend bool operator==(const Split&, const Split&) = default;
};

/// Options of the functions that split.
struct SplitOptions {
  /// Whether the lists are in random order; otherwise they ascend. Which rows they hold is random
  /// either way, and the same.
  bool shuffle = true;
  /// The least number of rows of each class that stay for training; a class with no more rows is
  /// not tested. Other classes make up for the test rows that a rare class cannot give.
  std::uint64_t min_train_rows = 0;
  /// The least number of rows of each class that are tested, as far as the class has them beyond
  /// the rows that stay for training: options.min_train_rows, and one in any case. If a rare class
  /// gives more than its proportion, the others give less.
  std::uint64_t min_test_rows = 0;
};

/// The group of each row, in [0, count). It refers to the ids without a copy.
template <class L>
struct RowGroups {
  std::span<const L> ids;
  std::size_t count;

  template <LabelRange G>
  RowGroups(const G& row_groups, std::size_t groups) : ids(as_span(row_groups)), count(groups) {}
};
template <LabelRange G>
RowGroups(const G&, std::size_t) -> RowGroups<ElementOf<G>>;

/// The rows of fold f for testing, those of all other folds for training, both ascending. O(N).
/// @throws std::invalid_argument if no row is in fold f.
inline Split fold(std::span<const std::uint32_t> folds, std::uint32_t f) {
  Split split;
  for (std::size_t row = 0; row < folds.size(); ++row) {
    (folds[row] == f ? split.test : split.train).push_back(static_cast<std::int64_t>(row));
  }
  if (split.test.empty()) detail::reject("fold", "f", f, "a fold that has rows");
  return split;
}

}  // namespace equipoise::splits

namespace equipoise::detail {

// The rows of part kTestPart are for testing.
EQUIPOISE_HOST_INLINE splits::Split split_of_parts(std::span<const std::uint32_t> parts,
                                                   std::uint64_t seed,
                                                   const splits::SplitOptions& options) {
  if (!options.shuffle) return splits::fold(parts, kTestPart);
  splits::Split split;
  for_each_shuffled(parts.size(), seed, [&](std::size_t row) {
    (parts[row] == kTestPart ? split.test : split.train).push_back(static_cast<std::int64_t>(row));
  });
  return split;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_SPLIT_H_
