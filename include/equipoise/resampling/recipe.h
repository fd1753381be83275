// Synthetic rows as recipes: which rows they are made of, without the rows themselves.
#ifndef EQUIPOISE_RESAMPLING_RECIPE_H_
#define EQUIPOISE_RESAMPLING_RECIPE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/vector.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// A row between two others: x = x_base + lambda (x_neighbour - x_base). Its class is that of its
/// base. Where its neighbour is its base it is that row itself, infinite or missing elements
/// included; between two rows, elements and their differences must be finite, for lambda = 0 too.
struct Recipe {
  std::size_t base = 0;
  std::size_t neighbour = 0;
  double lambda = 0;

  friend constexpr bool operator==(const Recipe&, const Recipe&) = default;
};

/// How some rows of one class are made: what oversampling policies make and RecipeStream draws
/// from. A base is taken in turn, one of its k neighbours with equal probability, and lambda
/// uniformly from [0, reach).
struct RecipeGroup {
  std::size_t class_index = 0;
  std::uint64_t rows = 0;                 ///< that an epoch makes of this group
  std::vector<std::size_t> bases{};       ///< numbers of rows
  std::size_t k = 0;                      ///< neighbours a base; with 0 the base itself is the row
  std::vector<std::size_t> neighbours{};  ///< k a base, in the order of the bases
  /// How many of an epoch's rows have each base; if empty, bases take turns.
  std::vector<std::uint64_t> rows_of_base{};
  double reach = 1;  ///< in (0, 1]

  friend bool operator==(const RecipeGroup&, const RecipeGroup&) = default;
};

}  // namespace equipoise::resampling

namespace equipoise::detail {

template <class T>
void require_recipes(std::string_view where, std::span<const resampling::Recipe> recipes,
                     const MatrixView<T>& rows) {
  const auto require_row = [&](std::string_view field, std::size_t i, std::size_t row) {
    if (row < rows.rows) return;
    reject(where, std::string("recipes[").append(to_text(i)).append("].").append(field), row,
           "a row below rows.rows = " + to_text(rows.rows));
  };
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    require_row("base", i, recipes[i].base);
    require_row("neighbour", i, recipes[i].neighbour);
  }
}

template <class T>
void interpolate(const T* a, const T* b, std::ptrdiff_t stride, T lambda, T* out,
                 std::ptrdiff_t out_stride, std::size_t n) {
  for (std::size_t c = 0; c < n; ++c, a += stride, b += stride, out += out_stride) {
    *out = *a + lambda * (*b - *a);
  }
}

// The same of elements that lie one after the other, 16 bytes at a time.
template <class T>
void interpolate(const T* a, const T* b, T lambda, T* out, std::size_t n) {
  using InMemory = typename kernels::Vector<T, 16>::InMemory;
  constexpr std::size_t kLanes = 16 / sizeof(T);
  std::size_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    const InMemory from = *reinterpret_cast<const InMemory*>(a + c);
    const InMemory to = *reinterpret_cast<const InMemory*>(b + c);
    *reinterpret_cast<InMemory*>(out + c) = from + lambda * (to - from);
  }
  interpolate(a + c, b + c, 1, lambda, out + c, 1, n - c);
}

}  // namespace equipoise::detail

namespace equipoise::resampling {

/// Makes the rows of recipes: out(i, c) = x + lambda (y - x), where x and y are elements c of the
/// recipe's base and neighbour, in the type of the rows; where these are one row, it is copied.
/// Elements are not looked at: what is infinite or NaN in x, y or y - x makes NaN or an infinity.
/// `out` must not overlap the rows. The last bit is the compiler's, which may fuse the product with
/// the addition.
///
/// O(recipes.size() D), no memory. Nothing is written on failure.
/// @throws std::invalid_argument where `out` is not recipes.size() x rows.cols, and for a recipe of
/// rows that there are not.
template <FloatElement T>
void synthesize(std::span<const Recipe> recipes, const MatrixView<T>& rows,
                const MatrixView<std::remove_const_t<T>>& out) {
  using Value = std::remove_const_t<T>;
  constexpr std::string_view kWhere = "synthesize";
  detail::require_count(kWhere, "out.rows", out.rows, recipes.size(), "recipes");
  detail::require_count(kWhere, "out.cols", out.cols, rows.cols, "columns of rows");
  detail::require_recipes(kWhere, recipes, rows);
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    const Recipe& recipe = recipes[i];
    const Value* const a = rows.data + static_cast<std::ptrdiff_t>(recipe.base) * rows.row_stride;
    const Value* const b =
        rows.data + static_cast<std::ptrdiff_t>(recipe.neighbour) * rows.row_stride;
    Value* const to = out.data + static_cast<std::ptrdiff_t>(i) * out.row_stride;
    const auto lambda = static_cast<Value>(recipe.lambda);
    if (recipe.base == recipe.neighbour) {
      for (std::size_t c = 0; c < rows.cols; ++c) out(i, c) = rows(recipe.base, c);
    } else if (rows.col_stride == 1 && out.col_stride == 1) {
      detail::interpolate(a, b, lambda, to, rows.cols);
    } else {
      detail::interpolate(a, b, rows.col_stride, lambda, to, out.col_stride, rows.cols);
    }
  }
}

/// The classes of recipes: those of their bases. O(recipes.size()).
/// @throws std::invalid_argument for a base without a label.
template <LabelRange R>
std::vector<std::int64_t> labels_of(std::span<const Recipe> recipes, const R& labels) {
  const auto values = as_span(labels);
  std::vector<std::int64_t> result;
  result.reserve(recipes.size());
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    if (recipes[i].base >= values.size()) {
      detail::reject_element("labels_of", "recipes", i, recipes[i].base,
                             "a base below labels.size() = " + detail::to_text(values.size()));
    }
    result.push_back(static_cast<std::int64_t>(values[recipes[i].base]));
  }
  return result;
}

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_RECIPE_H_
