// Borderline-SMOTE: SMOTE from the rows that have many neighbours of other classes.
#ifndef EQUIPOISE_RESAMPLING_BORDERLINE_SMOTE_H_
#define EQUIPOISE_RESAMPLING_BORDERLINE_SMOTE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/detail/missing_rows.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// Where recipes of Borderline-SMOTE go to.
enum class BorderlineKind {
  kOwnClass,    ///< Borderline-SMOTE1: the k nearest rows of the class
  kBothClasses  ///< Borderline-SMOTE2: and, at most half way, the nearest row of other classes
};

/// What Borderline-SMOTE does for a class none of whose rows is in danger.
enum class NoDanger {
  kError,  ///< std::invalid_argument
  kSkip,   ///< makes no rows of the class, as imbalanced-learn does without a word
};

/// Borderline-SMOTE of Han, Wang & Mao 2005 ("Borderline-SMOTE: a new over-sampling method in
/// imbalanced data sets learning"): of a row's m nearest over all classes let m' be of others.
/// Where m / 2 <= m' < m the row is in danger, and these alone are bases; where m' = m it is taken
/// for noise.
///
/// Borderline-SMOTE1 then is SMOTE. Borderline-SMOTE2 goes from each base also to the one nearest
/// row of the other classes, with u in [0, 0.5): one of k + 1 ways, all equally likely. That is the
/// paper's; imbalanced-learn takes the k nearest over all classes and multiplies two uniform
/// numbers.
struct BorderlineSmote {
  std::size_t k = 5;
  std::size_t m = 10;
  BorderlineKind kind = BorderlineKind::kOwnClass;
  NoDanger no_danger = NoDanger::kError;
  FewRows few_rows = FewRows::kError;

  /// One group for each class that has fewer rows than targets[c]; with kBothClasses two. By
  /// default O(n_c N D).
  /// @throws std::invalid_argument as Smote, for m or fewer rows in all, and for a class without
  /// rows in danger (see NoDanger).
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<RecipeGroup> operator()(const MatrixView<T>& rows,
                                                            const R& labels,
                                                            std::span<const std::uint64_t> targets,
                                                            const S& search = {}) const {
    std::vector<RecipeGroup> groups;
    detail::for_each_missing(
        kWhere, rows, labels, targets,
        [&](std::size_t c, std::uint64_t missing, const detail::ClassLists& lists)
            EQUIPOISE_INLINE_LAMBDA {
              const auto view = detail::const_view(rows);
              const std::vector<std::size_t> bases = in_danger(view, c, lists, search);
              if (bases.empty()) return;
              const std::size_t own = detail::neighbours_among(kWhere, detail::rows_of_class(c),
                                                               lists.size(c), k, few_rows);
              RecipeGroup within{c, missing, bases};
              detail::set_neighbours_within(within, view, lists.of(c), own, search);
              if (kind == BorderlineKind::kBothClasses) {
                RecipeGroup across{c, missing / (own + 1), bases};
                across.reach = 0.5;
                within.rows = missing - across.rows;
                const std::vector<std::size_t> others = others_of(c, lists);
                detail::set_neighbours_within(across, view, others, 1, search);
                groups.push_back(std::move(within));
                groups.push_back(std::move(across));
              } else {
                groups.push_back(std::move(within));
              }
            });
    return groups;
  }

  friend bool operator==(const BorderlineSmote&, const BorderlineSmote&) = default;

 private:
  static constexpr std::string_view kWhere = "BorderlineSmote";

  template <class T, class S>
  EQUIPOISE_HOST_INLINE std::vector<std::size_t> in_danger(const MatrixView<const T>& rows,
                                                           std::size_t c,
                                                           const detail::ClassLists& lists,
                                                           const S& search) const {
    const std::size_t near = detail::neighbours_among(kWhere, "rows", lists.rows(), m, few_rows);
    std::vector<std::size_t> bases;
    if (near > 0) {
      const std::vector<std::size_t> all = detail::first_numbers(lists.rows());
      const std::vector<std::size_t> others =
          detail::others_among(search(rows, lists.of(c), all, near), c, lists);
      for (std::size_t i = 0; i < others.size(); ++i) {
        if (2 * others[i] >= near && others[i] < near) bases.push_back(lists.of(c)[i]);
      }
    }
    if (bases.empty() && no_danger == NoDanger::kError) {
      detail::reject(kWhere, "rows of class " + detail::to_text(c) + " in danger", 0,
                     "at least 1: of " + detail::to_text(near) +
                         " neighbours half or more, and not all, are of other classes");
    }
    return bases;
  }

  static std::vector<std::size_t> others_of(std::size_t c, const detail::ClassLists& lists) {
    std::vector<std::size_t> others;
    for (std::size_t i = 0; i < lists.rows(); ++i) {
      if (lists.class_of(i) != c) others.push_back(i);
    }
    return others;
  }
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_BORDERLINE_SMOTE_H_
