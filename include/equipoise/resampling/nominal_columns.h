// Columns of categories in synthetic rows: what a majority of neighbours has.
#ifndef EQUIPOISE_RESAMPLING_NOMINAL_COLUMNS_H_
#define EQUIPOISE_RESAMPLING_NOMINAL_COLUMNS_H_

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// The categories that synthetic rows of each base have. A category is a number, such as a code,
/// that is equal or not to others.
class NominalColumns {
 public:
  /// For rows of `rows` in all, in these columns.
  NominalColumns(std::size_t rows, std::vector<std::size_t> columns)
      : columns_(std::move(columns)), places_(rows, kNone) {}

  /// Gives a base its categories, one for each of the columns.
  void set(std::size_t base, std::span<const double> categories) {
    EQUIPOISE_DCHECK(base < places_.size() && categories.size() == columns_.size());
    places_[base] = values_.size();
    values_.insert(values_.end(), categories.begin(), categories.end());
  }

  /// The columns, in the order in which they were given.
  const std::vector<std::size_t>& columns() const { return columns_; }
  /// The categories of rows that are made of a base, one a column; none for a row that is no base.
  std::span<const double> of(std::size_t base) const {
    if (base >= places_.size() || places_[base] == kNone) return {};
    return {values_.data() + places_[base], columns_.size()};
  }

  /// Writes them into rows that synthesize() has made: all but those of recipes whose neighbour is
  /// their base, which are rows as they are. O(n columns().size()).
  /// @throws std::invalid_argument where `out` has not as many rows as there are recipes or too few
  /// columns, and for a recipe whose base has no categories.
  template <FloatElement T>
  void apply(std::span<const Recipe> recipes, const MatrixView<T>& out) const {
    constexpr std::string_view kWhere = "NominalColumns::apply";
    detail::require_count(kWhere, "out.rows", out.rows, recipes.size(), "recipes");
    for (const std::size_t column : columns_) {
      if (column >= out.cols) {
        detail::reject(kWhere, "out.cols", out.cols, "more than column " + detail::to_text(column));
      }
    }
    for (std::size_t i = 0; i < recipes.size(); ++i) {
      if (recipes[i].neighbour != recipes[i].base && of(recipes[i].base).empty()) {
        detail::reject_element(kWhere, "recipes", i, recipes[i].base, "a base with categories");
      }
    }
    for (std::size_t i = 0; i < recipes.size(); ++i) {
      if (recipes[i].neighbour == recipes[i].base) continue;
      const std::span<const double> categories = of(recipes[i].base);
      for (std::size_t j = 0; j < columns_.size(); ++j) {
        out(i, columns_[j]) = static_cast<T>(categories[j]);
      }
    }
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  std::vector<std::size_t> columns_;
  std::vector<std::size_t> places_;  // of each row's categories in values_
  std::vector<double> values_;
};

/// Groups of recipes, and the categories that go with them.
struct NominalRecipes {
  std::vector<RecipeGroup> groups;
  NominalColumns categories;
};

}  // namespace equipoise::resampling

namespace equipoise::detail {

// The most frequent number in a column among some rows; of equally frequent ones the first.
template <class T>
double most_frequent(const MatrixView<const T>& rows, std::span<const std::size_t> voters,
                     std::size_t column) {
  std::size_t most = 0;
  double winner = 0;
  for (const std::size_t voter : voters) {
    const auto votes = static_cast<std::size_t>(std::count_if(
        voters.begin(), voters.end(),
        [&](std::size_t other) { return rows(other, column) == rows(voter, column); }));
    if (votes <= most) continue;
    most = votes;
    winner = static_cast<double>(rows(voter, column));
  }
  return winner;
}

// Which columns are nominal; they are ascending.
inline std::vector<bool> nominal_flags(std::string_view where, std::span<const std::size_t> nominal,
                                       std::size_t columns) {
  std::vector<bool> is_nominal(columns);
  for (std::size_t j = 0; j < nominal.size(); ++j) {
    if (nominal[j] >= columns || (j > 0 && nominal[j] <= nominal[j - 1])) {
      reject_element(where, "nominal", j, nominal[j],
                     "a column below " + to_text(columns) + ", in ascending order");
    }
    is_nominal[nominal[j]] = true;
  }
  return is_nominal;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_NOMINAL_COLUMNS_H_
