// SMOTE: rows between a row and its neighbours of the same class.
#ifndef EQUIPOISE_RESAMPLING_SMOTE_H_
#define EQUIPOISE_RESAMPLING_SMOTE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/detail/missing_rows.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// An oversampling policy turns rows, their labels and the number of rows that each class is to
/// have into the groups of recipes that make the missing ones.
template <class P, class T = float>
concept OversamplingPolicy = requires(const P& policy, MatrixView<const T> rows,
                                      std::span<const std::int64_t> labels,
                                      std::span<const std::uint64_t> targets) {
  { policy(rows, labels, targets) } -> std::same_as<std::vector<RecipeGroup>>;
};

/// SMOTE of Chawla et al. 2002 (JAIR 16, pages 321-357): x_i + u (x_j - x_i), where row i is of the
/// class, j is one of its k nearest rows of the same class, and u is uniform in [0, 1). One u a
/// row, so rows lie on segments; the paper's pseudocode draws one per column, its text and
/// imbalanced-learn one per row. Every row of the class is a base equally often (RecipeStream), as
/// in the paper; imbalanced-learn draws bases with replacement.
struct Smote {
  std::size_t k = 5;
  FewRows few_rows = FewRows::kError;

  /// One group for each class that has fewer rows than targets[c], such as those of
  /// sampling::oversampling_targets(). The search is among the rows of one class at a time: O(n_c^2
  /// D) by default. Where k is clipped to 0, since a class has one row, recipes repeat that row.
  /// @throws std::invalid_argument for sizes that differ, a label that is no class, a target below
  /// the rows of its class, fewer than k + 1 rows in a class (see FewRows), and as the search: for
  /// elements that are NaN or infinite.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<RecipeGroup> operator()(const MatrixView<T>& rows,
                                                            const R& labels,
                                                            std::span<const std::uint64_t> targets,
                                                            const S& search = {}) const {
    constexpr std::string_view kWhere = "Smote";
    std::vector<RecipeGroup> groups;
    detail::for_each_missing(kWhere, rows, labels, targets,
                             [&](std::size_t c, std::uint64_t missing,
                                 const detail::ClassLists& lists) EQUIPOISE_INLINE_LAMBDA {
                               RecipeGroup group{c, missing, detail::to_vector(lists.of(c))};
                               const std::size_t clipped = detail::neighbours_among(
                                   kWhere, detail::rows_of_class(c), lists.size(c), k, few_rows);
                               detail::set_neighbours_within(group, detail::const_view(rows),
                                                             lists.of(c), clipped, search);
                               groups.push_back(std::move(group));
                             });
    return groups;
  }

  friend bool operator==(const Smote&, const Smote&) = default;
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_SMOTE_H_
