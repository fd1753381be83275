// Synthetic rows as Eigen matrices.
#ifndef EQUIPOISE_EIGEN_RESAMPLING_H_
#define EQUIPOISE_EIGEN_RESAMPLING_H_

#include <Eigen/Core>
#include <span>
#include <type_traits>

#include "equipoise/config.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

namespace detail {

// The type in which rows of D are returned: an array if D is one, of dynamic size even if D's is
// fixed.
template <class D>
struct RowsLike {
  using Plain = typename D::PlainObject;
  static constexpr bool kIsArray = std::is_base_of_v<Eigen::ArrayBase<Plain>, Plain>;
  static constexpr int kOrder = D::IsRowMajor ? Eigen::RowMajor : Eigen::ColMajor;
  template <template <class, int, int, int, int, int> class Kind>
  using Of = Kind<typename D::Scalar, Eigen::Dynamic, Eigen::Dynamic, kOrder, Eigen::Dynamic,
                  Eigen::Dynamic>;
  using Type = std::conditional_t<kIsArray, Of<Eigen::Array>, Of<Eigen::Matrix>>;
};

}  // namespace detail

/// The rows of recipes, recipes.size() x D, in the type and order of `rows`: a matrix of dynamic
/// size, or an array if `rows` is one. See resampling::synthesize(). Pass view(rows) to policies
/// and searches.
/// @throws std::invalid_argument for a recipe of a row that does not exist.
template <DirectlyAccessible D>
typename detail::RowsLike<D>::Type synthesize(std::span<const resampling::Recipe> recipes,
                                              const D& rows) {
  typename detail::RowsLike<D>::Type out(static_cast<Eigen::Index>(recipes.size()), rows.cols());
  resampling::synthesize(recipes, view(rows), mutable_view(out));
  return out;
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_RESAMPLING_H_
