// Synthetic rows as Eigen matrices.
#ifndef EQUIPOISE_EIGEN_RESAMPLING_H_
#define EQUIPOISE_EIGEN_RESAMPLING_H_

#include <Eigen/Core>
#include <span>

#include "equipoise/config.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

/// The rows of recipes, recipes.size() x D, in the type and order of `rows`; see
/// resampling::synthesize(). Policies and searches take view(rows).
/// @throws std::invalid_argument for a recipe of rows that there are not.
template <DirectlyAccessible D>
typename D::PlainObject synthesize(std::span<const resampling::Recipe> recipes, const D& rows) {
  typename D::PlainObject out;
  out.resize(static_cast<Eigen::Index>(recipes.size()), rows.cols());
  resampling::synthesize(recipes, view(rows), mutable_view(out));
  return out;
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_RESAMPLING_H_
