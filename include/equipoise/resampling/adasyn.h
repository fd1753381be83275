// ADASYN: more rows from where other classes are near.
#ifndef EQUIPOISE_RESAMPLING_ADASYN_H_
#define EQUIPOISE_RESAMPLING_ADASYN_H_

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
#include "equipoise/random.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/detail/missing_rows.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// part * total / sum to the nearest integer, a half to the even one.
inline std::uint64_t rounded_share(std::uint64_t part, std::uint64_t total, std::uint64_t sum) {
  const uint128 product = static_cast<uint128>(part) * total;
  const auto floor = static_cast<std::uint64_t>(product / sum);
  const auto twice = 2 * static_cast<uint128>(static_cast<std::uint64_t>(product % sum));
  if (twice == sum) return floor + floor % 2;
  return floor + (twice > sum ? 1 : 0);
}

}  // namespace equipoise::detail

namespace equipoise::resampling {

/// ADASYN of He, Bai, Garcia & Li 2008 ("ADASYN: adaptive synthetic sampling approach for
/// imbalanced learning"): with r_i the fraction of row i's k nearest over all classes that are of
/// others, g_i = round(G r_i / sum(r)) of the G missing rows have base i; then as SMOTE, among its
/// k nearest of the class. Rounded in integers, a half to the even number, so an epoch has exactly
/// these; their sum may miss G by up to half the rows of the class.
struct Adasyn {
  std::size_t k = 5;
  FewRows few_rows = FewRows::kError;

  /// One group for each class that has fewer rows than targets[c]. By default O(n_c N D).
  /// @throws std::invalid_argument as Smote, and where no row of a class has a neighbour of another
  /// one, or all counts are rounded to 0.
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
              const std::size_t own = detail::neighbours_among(kWhere, detail::rows_of_class(c),
                                                               lists.size(c), k, few_rows);
              const std::size_t near =
                  detail::neighbours_among(kWhere, "rows", lists.rows(), k, few_rows);
              RecipeGroup group{c, 0, detail::to_vector(lists.of(c))};
              const std::vector<std::size_t> all = detail::first_numbers(lists.rows());
              std::vector<std::size_t> others(group.bases.size());
              if (near > 0) {
                others = detail::others_among(search(view, group.bases, all, near), c, lists);
              }
              group.rows_of_base = shares(others, missing, c);
              for (const std::uint64_t n : group.rows_of_base) group.rows += n;
              detail::set_neighbours_within(group, view, lists.of(c), own, search);
              groups.push_back(std::move(group));
            });
    return groups;
  }

  friend bool operator==(const Adasyn&, const Adasyn&) = default;

 private:
  static constexpr std::string_view kWhere = "Adasyn";

  static std::vector<std::uint64_t> shares(std::span<const std::size_t> others,
                                           std::uint64_t missing, std::size_t c) {
    std::uint64_t sum = 0;
    for (const std::size_t n : others) sum += n;
    if (sum == 0) {
      detail::reject(kWhere, "neighbours of other classes of class " + detail::to_text(c), 0,
                     "at least 1; Smote needs none");
    }
    std::vector<std::uint64_t> result;
    std::uint64_t total = 0;
    for (const std::size_t n : others) {
      result.push_back(detail::rounded_share(n, missing, sum));
      total += result.back();
    }
    if (total == 0) {
      detail::reject(kWhere, "rows to make of class " + detail::to_text(c), missing,
                     "enough for one base to get half a row");
    }
    return result;
  }
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_ADASYN_H_
