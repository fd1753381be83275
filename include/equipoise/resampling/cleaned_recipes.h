// Oversampling and cleaning in one: SMOTE with edited neighbours or without Tomek links, and any
// other two.
#ifndef EQUIPOISE_RESAMPLING_CLEANED_RECIPES_H_
#define EQUIPOISE_RESAMPLING_CLEANED_RECIPES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/resampling/cleaning.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// Those recipes whose rows remain when a cleaning policy has seen them all: with the recipes of
/// original rows and of Smote, and EditedNeighbours{.cleaned = CleanedClasses::kAll} or TomekLinks
/// of all classes, SMOTE + ENN and SMOTE + Tomek of Batista, Prati & Monard 2004 ("A study of the
/// behavior of several methods for balancing machine learning training data").
///
/// The rows of all recipes are made for the policy, recipes.size() x D, and freed; what remains are
/// recipes.
/// @throws std::invalid_argument as synthesize(), labels_of() and the policy.
template <FloatElement T, LabelRange R, CleaningPolicy<std::remove_const_t<T>> P>
EQUIPOISE_HOST_INLINE std::vector<Recipe> cleaned_recipes(std::span<const Recipe> recipes,
                                                          const P& cleaning,
                                                          const MatrixView<T>& rows,
                                                          const R& labels, std::size_t classes) {
  using Value = std::remove_const_t<T>;
  std::vector<Value> values(recipes.size() * rows.cols);
  const MatrixView<Value> made(values.data(), recipes.size(), rows.cols);
  synthesize(recipes, rows, made);
  const MatrixView<const Value> seen = made;
  std::vector<Recipe> result;
  for (const std::int64_t i : cleaning(seen, labels_of(recipes, labels), classes)) {
    result.push_back(recipes[static_cast<std::size_t>(i)]);
  }
  return result;
}

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_CLEANED_RECIPES_H_
