// The exact search for neighbours on tensors, on their device.
#ifndef EQUIPOISE_LIBTORCH_NEIGHBOURS_H_
#define EQUIPOISE_LIBTORCH_NEIGHBOURS_H_

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/device_types.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/resampling/detail/blocked_search.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/view.h"

namespace equipoise::libtorch::detail {

using RowNumbers = equipoise::detail::RowNumbers;

// |a - b|^2 over the last dimension, of doubles that broadcast, rounded as the core's
// squared_distance() rounds: its four sums in its order, an operation a rounding. Four divides the
// number of columns, which is not 0.
inline at::Tensor squared_distances(const at::Tensor& a, const at::Tensor& b) {
  at::Tensor sums;
  for (std::int64_t d = 0; d < a.size(-1); d += 4) {
    const at::Tensor difference = a.narrow(-1, d, 4) - b.narrow(-1, d, 4);
    const at::Tensor squares = difference * difference;
    sums = d == 0 ? squares : sums + squares;
  }
  return (sums.select(-1, 0) + sums.select(-1, 1)) + (sums.select(-1, 2) + sums.select(-1, 3));
}

// Whether products of floats are rounded as floats are, and not as numbers of fewer digits.
inline bool has_whole_products(const at::Device& device) {
  try {
    const at::Context& context = at::globalContext();
    return context.float32MatmulPrecision() == at::Float32MatmulPrecision::HIGHEST &&
           !(device.is_cuda() && context.allowTF32CuBLAS());
  } catch (const std::exception&) {  // settings of two kinds that contradict each other
    return false;
  }
}

// Numbers of rows on a device.
inline at::Tensor to_tensor(RowNumbers numbers, const at::Device& device) {
  const at::Tensor result = at::empty({static_cast<std::int64_t>(numbers.size())}, at::kLong);
  auto* const out = result.data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < numbers.size(); ++i) out[i] = static_cast<std::int64_t>(numbers[i]);
  return result.to(device);
}

// Rows as they are multiplied, in the type of the products, and as PlacedRows in the core their
// squared lengths, in double, less the most by which rounding can make a distance too large. What
// is moved is rounded twice here, and the length of the query is added last, so of the core's
// (D + 16) epsilon it is (D + 32).
struct PlacedTensor {
  at::Tensor values;
  at::Tensor norms;

  PlacedTensor(const at::Tensor& centred, const at::Tensor& scale, at::ScalarType type)
      : values((centred * scale).to(type)) {
    const bool is_float = type == at::kFloat;
    const double epsilon =
        is_float ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
    const double least =
        is_float ? std::numeric_limits<float>::min() : std::numeric_limits<double>::min();
    const double steps = static_cast<double>(centred.size(1)) + 32;
    const at::Tensor doubles = values.to(at::kDouble);
    norms = (doubles * doubles).sum(1) * (1 - steps * epsilon) - steps * least;
  }
};

}  // namespace equipoise::libtorch::detail

namespace equipoise::libtorch {

/// The neighbours and distances of resampling::ExactNeighbours, exactly, of rows that lie on a
/// device: bounds from matrix products of tensors, and distances in double, rounded as the core
/// rounds them, of the few that the bounds leave open. A search for the policies that ask of rows
/// nothing but their neighbours: Smote, BorderlineSmote, Adasyn, TomekLinks, the three of edited
/// neighbours and NeighbourhoodCleaning. They take it with sizes(), for whoever has rows on a
/// device has no other view of them:
///
///     const TensorNeighbours search(rows);
///     Smote{}(search.sizes(), labels, targets, search);
///
/// A search uploads the numbers of rows, and waits for the device once, for the table that it
/// gives; where bounds of products in float leave some open, again for bounds in double, and where
/// these do, for comparing those with all references. Where products of floats may be rounded to
/// fewer digits (TF32), as LibTorch's settings say, it starts in double.
///
/// O(Q R D) time, twice the core's where queries and references are the same. Memory is a copy of
/// the queries and of the references in double and one in the type of the products, on the device,
/// and blocks of 128 MiB at most, or what R or (k + 5) 1024 D doubles take.
class TensorNeighbours {
 public:
  /// Of rows [N, D] of floating point. Where their device has no doubles (MPS), a copy of them on
  /// the CPU is searched.
  /// @throws std::invalid_argument for other tensors.
  explicit TensorNeighbours(const at::Tensor& rows) {
    detail::require_floating_point(kWhere, "rows", rows);
    if (rows.dim() != 2) detail::reject(kWhere, "rows.dim()", rows.dim(), "2");
    const at::Tensor own = rows.detach();
    rows_ = detail::has_doubles(own.device()) ? own : own.to(at::kCPU);
  }

  /// Rows and columns, as a view of no memory that must not be read.
  MatrixView<const float> sizes() const {
    return {nullptr, static_cast<std::size_t>(rows_.size(0)),
            static_cast<std::size_t>(rows_.size(1))};
  }

  /// `rows` says how many there are, and its memory is not read.
  /// @throws std::invalid_argument for another size than that of the tensor, and as
  /// resampling::PlainNeighbours; rows that are not finite are found by the device.
  template <FloatElement T>
  resampling::NeighbourTable operator()(const MatrixView<const T>& rows,
                                        std::span<const std::size_t> queries,
                                        std::span<const std::size_t> references,
                                        std::size_t k) const {
    equipoise::detail::require_count(kWhere, "rows.rows", rows.rows, sizes().rows, "of the tensor");
    equipoise::detail::require_count(kWhere, "rows.cols", rows.cols, sizes().cols, "of the tensor");
    equipoise::detail::require_search(kWhere, rows.rows, queries, references, k);
    return neighbours(queries, references, k);
  }

 private:
  static constexpr const char* kWhere = "TensorNeighbours";
  static constexpr std::int64_t kBlockQueries = 1024;
  static constexpr std::int64_t kBlockReferences = 8192;

  // The nearest of some queries: [Q, 2 k + 1] doubles, their distances, numbers, and whether they
  // are known to be the nearest.
  using Found = at::Tensor;

  resampling::NeighbourTable neighbours(detail::RowNumbers queries, detail::RowNumbers references,
                                        std::size_t k) const {
    const at::NoGradGuard no_graph;
    auto table = equipoise::detail::empty_table<resampling::NeighbourTable>(queries.size(), k);
    if (queries.empty()) return table;
    const at::Device device = rows_.device();
    const at::Tensor all = detail::to_tensor(references, device);
    const bool is_symmetric = equipoise::detail::are_same(queries, references);
    at::Tensor asked = is_symmetric ? all : detail::to_tensor(queries, device);
    std::vector<std::size_t> rest = equipoise::detail::first_numbers(queries.size());
    const auto look = [&](const Found& found) {
      rest = take(found.to(at::kCPU), rest, table);
      if (!rest.empty()) asked = detail::to_tensor(of(queries, rest), device);
      return rest.empty();
    };
    if (rows_.scalar_type() != at::kDouble && detail::has_whole_products(device)) {
      if (look(by_bounds(asked, all, table.k, at::kFloat))) return table;
      require_finite(queries, references);
    }
    if (look(by_bounds(asked, all, table.k, at::kDouble))) return table;
    require_finite(queries, references);
    look(by_distances(asked, all, table.k));
    return table;
  }

  static std::vector<std::size_t> of(detail::RowNumbers numbers, detail::RowNumbers places) {
    std::vector<std::size_t> result;
    result.reserve(places.size());
    for (const std::size_t place : places) result.push_back(numbers[place]);
    return result;
  }

  // Sets the neighbours of the queries at `places` that are known, and returns the places of the
  // others.
  static std::vector<std::size_t> take(const at::Tensor& found, detail::RowNumbers places,
                                       resampling::NeighbourTable& table) {
    const at::Tensor dense = found.contiguous();
    const double* values = dense.data_ptr<double>();
    std::vector<std::size_t> rest;
    for (const std::size_t place : places) {
      if (values[2 * table.k] == 0) {
        rest.push_back(place);
      } else {
        for (std::size_t j = 0; j < table.k; ++j) {
          table.squared_distances[place * table.k + j] = values[j];
          table.indices[place * table.k + j] = static_cast<std::size_t>(values[table.k + j]);
        }
      }
      values += 2 * table.k + 1;
    }
    return rest;
  }

  // Reads the rows: called only where something was not a number, or not decided.
  void require_finite(detail::RowNumbers queries, detail::RowNumbers references) const {
    for (const detail::RowNumbers numbers : {references, queries}) {
      const at::Tensor rows = rows_of(detail::to_tensor(numbers, rows_.device()));
      if (at::isfinite(rows).all().item<bool>()) continue;
      const at::Tensor read = rows.to(at::kCPU).contiguous();
      const auto view = detail::matrix_view<const double>(read);
      for (std::size_t i = 0; i < view.rows; ++i) {
        for (std::size_t c = 0; c < view.cols; ++c) {
          if (equipoise::detail::is_finite(view(i, c))) continue;
          equipoise::detail::reject_cell(kWhere, "rows", numbers[i], c, view(i, c),
                                         "a finite number");
        }
      }
    }
  }

  // In double, with columns of zeros up to a multiple of four.
  at::Tensor rows_of(const at::Tensor& numbers) const {
    const std::int64_t columns = rows_.size(1);
    const std::int64_t padded = std::max<std::int64_t>((columns + 3) / 4 * 4, 4);
    return at::constant_pad_nd(rows_.index_select(0, numbers).to(at::kDouble),
                               {0, padded - columns});
  }

  // The k nearest of some references by distances from queries, both by number, as Found. A row's
  // distance to itself is not a number, which is sorted last.
  static Found nearest(const at::Tensor& distances, const at::Tensor& queries,
                       const at::Tensor& references, std::size_t k) {
    const at::Tensor others = distances.masked_fill(references == queries.unsqueeze(1),
                                                    std::numeric_limits<double>::quiet_NaN());
    const auto [sorted, order] = at::sort(others, /*stable=*/true, 1, /*descending=*/false);
    const auto most = static_cast<std::int64_t>(k);
    const at::Tensor numbers = references.expand_as(order).gather(1, order.narrow(1, 0, most));
    return at::cat({sorted.narrow(1, 0, most), numbers.to(at::kDouble)}, 1);
  }

  // Some candidates by the least bounds, compared exactly. They are the nearest where the largest
  // of their bounds, below which no other reference is, is above the k-th distance.
  Found by_bounds(const at::Tensor& queries, const at::Tensor& references, std::size_t k,
                  at::ScalarType type) const {
    const at::Tensor of_references = rows_of(references);
    const at::Tensor of_queries = rows_of(queries);
    const at::Tensor mean = of_references.mean(0, /*keepdim=*/true);
    const at::Tensor largest =
        at::maximum((of_references - mean).abs().max(), (of_queries - mean).abs().max());
    const at::Tensor scale = largest.clamp_min(1e-300).reciprocal();
    const detail::PlacedTensor placed_references(of_references - mean, scale, type);
    const detail::PlacedTensor placed_queries(of_queries - mean, scale, type);
    // Rounding of distances in double, and what underflows.
    const double most = 1 + 4 * static_cast<double>(of_queries.size(1) + 4) *
                                std::numeric_limits<double>::epsilon();
    const bool are_all = references.size(0) <= static_cast<std::int64_t>(k) + 5;
    std::vector<at::Tensor> blocks;
    for (std::int64_t q = 0; q < queries.size(0); q += kBlockQueries) {
      const std::int64_t size = std::min(kBlockQueries, queries.size(0) - q);
      const auto [bounds, places] =
          candidates(placed_queries.values.narrow(0, q, size), placed_references,
                     std::min(references.size(0), static_cast<std::int64_t>(k) + 5));
      const at::Tensor numbers = references.index_select(0, places.flatten()).view_as(places);
      const at::Tensor distances = detail::squared_distances(
          of_queries.narrow(0, q, size).unsqueeze(1),
          of_references.index_select(0, places.flatten()).view({size, -1, of_queries.size(1)}));
      const Found found = nearest(distances, queries.narrow(0, q, size), numbers, k);
      const at::Tensor farthest = found.select(1, static_cast<std::int64_t>(k) - 1);
      const at::Tensor others =
          (std::get<0>(bounds.max(1)) + placed_queries.norms.narrow(0, q, size)) / scale / scale;
      at::Tensor are_known = at::isfinite(largest).expand({size});
      if (!are_all) are_known = are_known.logical_and(others > farthest * most + 1e-300);
      blocks.push_back(at::cat({found, are_known.to(at::kDouble).unsqueeze(1)}, 1));
    }
    return at::cat(blocks);
  }

  // For each query the references of the least bounds, by place and ascending, and those bounds
  // less the query's squared length, in double.
  static std::pair<at::Tensor, at::Tensor> candidates(const at::Tensor& queries,
                                                      const detail::PlacedTensor& references,
                                                      std::int64_t most) {
    const at::Tensor norms = references.norms.to(queries.scalar_type());
    std::vector<at::Tensor> bounds;
    std::vector<at::Tensor> places;
    for (std::int64_t r = 0; r < norms.size(0); r += kBlockReferences) {
      const std::int64_t size = std::min(kBlockReferences, norms.size(0) - r);
      const at::Tensor block = at::addmm(norms.narrow(0, r, size), queries,
                                         references.values.narrow(0, r, size).t(), 1, -2);
      const auto [least, at] = at::topk(block, std::min(most, size), 1, /*largest=*/false);
      bounds.push_back(least);
      places.push_back(at + r);
    }
    const auto [least, at] = at::topk(at::cat(bounds, 1), most, 1, /*largest=*/false);
    const at::Tensor chosen = at::cat(places, 1).gather(1, at);
    return {least.to(at::kDouble), std::get<0>(chosen.sort(1))};
  }

  // By comparing queries with all references.
  Found by_distances(const at::Tensor& queries, const at::Tensor& references, std::size_t k) const {
    const at::Tensor of_references = rows_of(references).unsqueeze(0);
    const at::Tensor numbers = references.unsqueeze(0);
    const std::int64_t block =
        std::max<std::int64_t>((std::int64_t{1} << 22) / references.size(0), 1);
    std::vector<at::Tensor> blocks;
    for (std::int64_t q = 0; q < queries.size(0); q += block) {
      const at::Tensor asked = queries.narrow(0, q, std::min(block, queries.size(0) - q));
      const at::Tensor distances =
          detail::squared_distances(rows_of(asked).unsqueeze(1), of_references);
      const Found found = nearest(distances, asked, numbers, k);
      blocks.push_back(at::cat({found, at::ones({asked.size(0), 1}, found.options())}, 1));
    }
    return at::cat(blocks);
  }

  at::Tensor rows_;
};

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_NEIGHBOURS_H_
