// SMOTE-NC and SMOTE-N: SMOTE for rows of which some columns, or all, are categories.
#ifndef EQUIPOISE_RESAMPLING_SMOTE_NC_H_
#define EQUIPOISE_RESAMPLING_SMOTE_NC_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
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
#include "equipoise/resampling/detail/nearest_lists.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/resampling/nominal_columns.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// The category numbers of some rows in some columns: equal numbers become equal codes from 0 on.
template <class T>
struct CategoryCodes {
  std::vector<std::size_t> codes;  // rows x columns
  std::vector<std::size_t> sizes;  // categories of each column

  CategoryCodes(const MatrixView<const T>& rows, std::span<const std::size_t> numbers,
                std::span<const std::size_t> columns)
      : codes(numbers.size() * columns.size()), sizes(columns.size()) {
    for (std::size_t j = 0; j < columns.size(); ++j) {
      std::map<T, std::size_t> known;
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto found = known.try_emplace(rows(numbers[i], columns[j]), known.size());
        codes[i * columns.size() + j] = found.first->second;
      }
      sizes[j] = known.size();
    }
  }
};

// The median of the standard deviations, with n, of the columns that are not nominal.
template <class T>
double median_deviation(const MatrixView<const T>& rows, std::span<const std::size_t> numbers,
                        const std::vector<bool>& is_nominal) {
  std::vector<double> deviations;
  const auto n = static_cast<double>(numbers.size());
  for (std::size_t c = 0; c < rows.cols; ++c) {
    if (is_nominal[c]) continue;
    double mean = 0;
    for (const std::size_t row : numbers) mean += static_cast<double>(rows(row, c)) / n;
    double squares = 0;
    for (const std::size_t row : numbers) {
      const double deviation = static_cast<double>(rows(row, c)) - mean;
      squares += deviation * deviation;
    }
    deviations.push_back(std::sqrt(squares / n));
  }
  std::sort(deviations.begin(), deviations.end());
  const std::size_t middle = deviations.size() / 2;
  return deviations.size() % 2 == 1 ? deviations[middle]
                                    : (deviations[middle - 1] + deviations[middle]) / 2;
}

// Rows in which a category is a column of its own, so that two unequal ones are `mismatch` apart.
template <class T>
std::vector<T> with_category_columns(const MatrixView<const T>& rows,
                                     std::span<const std::size_t> numbers,
                                     std::span<const std::size_t> nominal,
                                     const std::vector<bool>& is_nominal, double mismatch) {
  const CategoryCodes<T> categories(rows, numbers, nominal);
  std::size_t columns = rows.cols - nominal.size();
  std::vector<std::size_t> starts;
  for (const std::size_t size : categories.sizes) {
    starts.push_back(columns);
    columns += size;
  }
  std::vector<T> values(numbers.size() * columns);
  const auto apart = static_cast<T>(mismatch * std::sqrt(0.5));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    T* const out = values.data() + i * columns;
    std::size_t next = 0;
    for (std::size_t c = 0; c < rows.cols; ++c) {
      if (!is_nominal[c]) out[next++] = rows(numbers[i], c);
    }
    for (std::size_t j = 0; j < nominal.size(); ++j) {
      out[starts[j] + categories.codes[i * nominal.size() + j]] = apart;
    }
  }
  return values;
}

}  // namespace equipoise::detail

namespace equipoise::resampling {

/// SMOTE-NC of Chawla et al. 2002 (JAIR 16, 6.1), for rows of which some columns are categories.
/// The distance is Euclidean, and two unequal categories add the square of the median of the
/// standard deviations (with n) of the class's other columns. A synthetic row lies between base and
/// neighbour in those; its categories are the most frequent ones among the k nearest of its base,
/// of equally frequent ones that of the nearest. imbalanced-learn draws among these.
struct SmoteNc {
  std::size_t k = 5;
  FewRows few_rows = FewRows::kError;

  /// Like Smote: the groups, and the categories for NominalColumns::apply(). `nominal` are the
  /// columns of categories, ascending; there are others too. Categories are any numbers, such as
  /// codes. Memory is a copy of the rows of one class, with a column for each category.
  /// @throws std::invalid_argument as Smote, and for columns that do not exist, are not ascending,
  /// or are all or none.
  template <FloatElement T, LabelRange R,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE NominalRecipes operator()(const MatrixView<T>& rows, const R& labels,
                                                  std::span<const std::size_t> nominal,
                                                  std::span<const std::uint64_t> targets,
                                                  const S& search = {}) const {
    constexpr std::string_view kWhere = "SmoteNc";
    const std::vector<bool> is_nominal = detail::nominal_flags(kWhere, nominal, rows.cols);
    if (nominal.empty() || nominal.size() == rows.cols) {
      detail::reject(kWhere, "nominal.size()", nominal.size(),
                     nominal.empty() ? "at least 1; Smote takes rows without categories"
                                     : "fewer than all columns; SmoteN takes categories alone");
    }
    NominalRecipes result{{}, NominalColumns(rows.rows, detail::to_vector(nominal))};
    detail::for_each_missing(
        kWhere, rows, labels, targets,
        [&](std::size_t c, std::uint64_t missing, const detail::ClassLists& lists)
            EQUIPOISE_INLINE_LAMBDA {
              using Value = std::remove_const_t<T>;
              const auto view = detail::const_view(rows);
              const auto own = lists.of(c);
              RecipeGroup group{c, missing, detail::to_vector(own)};
              group.k = detail::neighbours_among(kWhere, detail::rows_of_class(c), own.size(), k,
                                                 few_rows);
              for (const std::size_t row : own) detail::require_finite_row(kWhere, view, row);
              const std::vector<Value> values = detail::with_category_columns(
                  view, own, nominal, is_nominal, detail::median_deviation(view, own, is_nominal));
              const MatrixView<const Value> encoded(values.data(), own.size(),
                                                    values.size() / own.size());
              const std::vector<std::size_t> all = detail::first_numbers(own.size());
              if (group.k > 0) group.neighbours = search(encoded, all, all, group.k).indices;
              for (std::size_t& neighbour : group.neighbours) neighbour = own[neighbour];
              set_categories(view, group, nominal, result.categories);
              result.groups.push_back(std::move(group));
            });
    return result;
  }

  friend bool operator==(const SmoteNc&, const SmoteNc&) = default;

 private:
  template <class T>
  static void set_categories(const MatrixView<const T>& rows, const RecipeGroup& group,
                             std::span<const std::size_t> nominal, NominalColumns& categories) {
    std::vector<double> values(nominal.size());
    for (std::size_t i = 0; i < group.bases.size() && group.k > 0; ++i) {
      const auto voters = std::span(group.neighbours).subspan(i * group.k, group.k);
      for (std::size_t j = 0; j < nominal.size(); ++j) {
        values[j] = detail::most_frequent(rows, voters, nominal[j]);
      }
      categories.set(group.bases[i], values);
    }
  }
};

/// SMOTE-N of Chawla et al. 2002 (6.2), for rows of categories alone. Two categories u and v of a
/// column differ by sum over classes of |p(c | u) - p(c | v)| (Stanfill & Waltz 1986, "Toward
/// memory-based reasoning"), over all rows; the squares of that, summed over columns, are the value
/// difference metric. A synthetic row has in each column the most frequent category among its base
/// and the k nearest to that, of equally frequent ones the base's, then that of the nearest;
/// imbalanced-learn takes the first in its own order.
struct SmoteN {
  std::size_t k = 5;
  FewRows few_rows = FewRows::kError;

  /// Like SmoteNc, with all columns nominal. O(n_c^2 D + N D) time for each class, compared one by
  /// one: the metric is none that a NeighbourSearch knows. For each column and class O(S^2 C) more,
  /// and O(S^2) memory a column, S being the number of its categories: not for columns whose values
  /// are nearly all different.
  /// @throws std::invalid_argument as Smote.
  template <FloatElement T, LabelRange R>
  EQUIPOISE_HOST_INLINE NominalRecipes operator()(const MatrixView<T>& rows, const R& labels,
                                                  std::span<const std::uint64_t> targets) const {
    const std::vector<std::size_t> columns = detail::first_numbers(rows.cols);
    NominalRecipes result{{}, NominalColumns(rows.rows, columns)};
    const auto view = detail::const_view(rows);
    for (std::size_t i = 0; i < rows.rows; ++i) detail::require_finite_row(kWhere, view, i);
    const detail::CategoryCodes<std::remove_const_t<T>> categories(
        view, detail::first_numbers(rows.rows), columns);
    detail::for_each_missing(
        kWhere, rows, labels, targets,
        [&](std::size_t c, std::uint64_t missing, const detail::ClassLists& lists)
            EQUIPOISE_INLINE_LAMBDA {
              RecipeGroup group{c, missing, detail::to_vector(lists.of(c))};
              group.k = detail::neighbours_among(kWhere, detail::rows_of_class(c), lists.size(c), k,
                                                 few_rows);
              if (group.k > 0) {
                group.neighbours =
                    nearest(categories.codes, tables(categories, lists), lists.of(c), group.k);
                set_categories(view, group, result.categories);
              }
              result.groups.push_back(std::move(group));
            });
    return result;
  }

  friend bool operator==(const SmoteN&, const SmoteN&) = default;

 private:
  static constexpr std::string_view kWhere = "SmoteN";

  // Of one column: what two categories are apart.
  struct Table {
    std::size_t size;
    std::vector<double> apart;  // size x size
  };

  template <class T>
  static std::vector<Table> tables(const detail::CategoryCodes<T>& categories,
                                   const detail::ClassLists& lists) {
    const std::size_t columns = categories.sizes.size();
    std::vector<Table> result;
    for (std::size_t d = 0; d < columns; ++d) {
      const std::size_t size = categories.sizes[d];
      std::vector<double> counts(size * lists.classes());
      std::vector<double> totals(size);
      for (std::size_t i = 0; i < lists.rows(); ++i) {
        const std::size_t code = categories.codes[i * columns + d];
        counts[code * lists.classes() + lists.class_of(i)] += 1;
        totals[code] += 1;
      }
      Table table{size, std::vector<double>(size * size)};
      for (std::size_t u = 0; u < size; ++u) {
        for (std::size_t v = 0; v < size; ++v) {
          double apart = 0;
          for (std::size_t c = 0; c < lists.classes(); ++c) {
            apart += std::fabs(counts[u * lists.classes() + c] / totals[u] -
                               counts[v * lists.classes() + c] / totals[v]);
          }
          table.apart[u * size + v] = apart * apart;
        }
      }
      result.push_back(std::move(table));
    }
    return result;
  }

  static std::vector<std::size_t> nearest(std::span<const std::size_t> codes,
                                          const std::vector<Table>& tables,
                                          std::span<const std::size_t> own, std::size_t k) {
    const std::size_t columns = tables.size();
    std::vector<std::size_t> result;
    for (const std::size_t i : own) {
      detail::NearestLists<double> nearest(1, k);
      for (const std::size_t j : own) {
        if (i == j) continue;
        double distance = 0;
        for (std::size_t d = 0; d < columns; ++d) {
          distance +=
              tables[d].apart[codes[i * columns + d] * tables[d].size + codes[j * columns + d]];
        }
        nearest.offer(0, distance, j);
      }
      for (const auto& entry : nearest[0]) result.push_back(entry.index);
    }
    return result;
  }

  template <class T>
  static void set_categories(const MatrixView<const T>& rows, const RecipeGroup& group,
                             NominalColumns& categories) {
    std::vector<double> values(rows.cols);
    for (std::size_t i = 0; i < group.bases.size(); ++i) {
      std::vector<std::size_t> voters = {group.bases[i]};
      const auto neighbours = std::span(group.neighbours).subspan(i * group.k, group.k);
      voters.insert(voters.end(), neighbours.begin(), neighbours.end());
      for (std::size_t d = 0; d < rows.cols; ++d) {
        values[d] = detail::most_frequent(rows, voters, d);
      }
      categories.set(group.bases[i], values);
    }
  }
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_SMOTE_NC_H_
