// Synthetic rows as batches of tensors, on the device of the rows from which they are made.
#ifndef EQUIPOISE_LIBTORCH_RESAMPLING_H_
#define EQUIPOISE_LIBTORCH_RESAMPLING_H_

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/resampling/recipe.h"

namespace equipoise::libtorch {

/// Recipes as tensors, [n] each: bases and neighbours of int64, lambdas of double.
struct RecipeTensors {
  at::Tensor bases;
  at::Tensor neighbours;
  at::Tensor lambdas;

  /// The same on a device, with lambdas in the type of the rows: the only upload of a batch. With
  /// non_blocking and pinned memory the host does not wait for it.
  RecipeTensors to(at::Device device, at::ScalarType type, bool non_blocking = false) const {
    return {bases.to(device, at::kLong, non_blocking),
            neighbours.to(device, at::kLong, non_blocking), lambdas.to(device, type, non_blocking)};
  }
};

/// Recipes as tensors on the CPU. O(n).
inline RecipeTensors recipe_tensors(std::span<const resampling::Recipe> recipes) {
  const auto n = static_cast<std::int64_t>(recipes.size());
  RecipeTensors tensors{at::empty({n}, at::kLong), at::empty({n}, at::kLong),
                        at::empty({n}, at::kDouble)};
  auto* const bases = tensors.bases.data_ptr<std::int64_t>();
  auto* const neighbours = tensors.neighbours.data_ptr<std::int64_t>();
  auto* const lambdas = tensors.lambdas.data_ptr<double>();
  for (std::size_t i = 0; i < recipes.size(); ++i) {
    bases[i] = static_cast<std::int64_t>(recipes[i].base);
    neighbours[i] = static_cast<std::int64_t>(recipes[i].neighbour);
    lambdas[i] = recipes[i].lambda;
  }
  return tensors;
}

/// The rows of recipes, [n, ...], in the type and on the device of `rows`, [N, ...] of floating
/// point: two gathers and rows + lambda (neighbours - rows), which autograd can differentiate.
/// Elements and their differences must be finite: unlike resampling::synthesize(), this also
/// computes a row between a row and itself, which turns an infinite element into NaN. Nothing is
/// uploaded and nothing waits if the tensors are on the device already (RecipeTensors::to). A row
/// that does not exist is a LibTorch error on the CPU; on other devices it does what LibTorch's
/// gathers do.
/// @throws std::invalid_argument for rows without a dimension or not of floating point, and for
/// recipes that are not three vectors of one size on the device of the rows.
inline at::Tensor synthesize(const RecipeTensors& recipes, const at::Tensor& rows) {
  constexpr const char* kWhere = "synthesize";
  detail::require_floating_point(kWhere, "rows", rows);
  if (rows.dim() == 0) detail::reject(kWhere, "rows.dim()", 0, "at least 1");
  const std::int64_t n = recipes.bases.numel();
  for (const auto& [name, tensor] :
       {std::pair<const char*, const at::Tensor&>{"recipes.bases", recipes.bases},
        {"recipes.neighbours", recipes.neighbours},
        {"recipes.lambdas", recipes.lambdas}}) {
    detail::require_sizes(kWhere, name, tensor, {n});
    detail::require_matches(kWhere, name, tensor, {rows, "rows"}, -1, "");
  }
  std::vector<std::int64_t> shape(static_cast<std::size_t>(rows.dim()), 1);
  shape[0] = n;
  const at::Tensor from = rows.index_select(0, recipes.bases);
  const at::Tensor to = rows.index_select(0, recipes.neighbours);
  return from + recipes.lambdas.to(rows.scalar_type()).view(shape) * (to - from);
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_RESAMPLING_H_
