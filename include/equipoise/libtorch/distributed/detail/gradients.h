// The gradients of parameters summed over workers, dense ones and those that are sparse in rows.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_GRADIENTS_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_GRADIENTS_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/sparse_coo_tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include "equipoise/libtorch/distributed/detail/buckets.h"
#include "equipoise/libtorch/distributed/detail/collectives.h"
#include "equipoise/libtorch/distributed/detail/errors.h"

namespace equipoise::libtorch::detail {

// Communicator::sum_gradients() and average_gradients(); `operation` is which of them, for the
// errors.
class GradientReduction {
 public:
  GradientReduction(const Collectives& workers, const char* operation)
      : workers_(workers), operation_(operation) {}

  void run(const std::vector<at::Tensor>& parameters, bool averages) const {
    const at::NoGradGuard no_graph;
    const std::vector<at::Tensor> all = distinct(parameters);
    workers_.require_agreement(operation_, all);
    if (all.empty()) return;
    const Kinds kinds = kinds_of(all);
    std::vector<at::Tensor> tensors;
    for (const at::Tensor& parameter : kinds.dense) tensors.push_back(dense_gradient(parameter));
    append_rows(kinds.by_row, tensors);

    Buckets buckets(tensors, workers_.device());
    tensors.clear();
    workers_.all_reduce(operation_, buckets.vectors());
    if (averages) {
      for (at::Tensor& vector : buckets.vectors()) {
        if (vector.scalar_type() == at::kLong) continue;  // the lists of rows
        vector.div_(workers_.size());
      }
    }
    const std::vector<at::Tensor> sums = buckets.tensors();
    std::size_t next = 0;
    for (const at::Tensor& parameter : kinds.dense) set_gradient(parameter, sums[next++]);
    for (const at::Tensor& parameter : kinds.by_row) {
      const at::Tensor& indices = sums[next++];
      const at::Tensor& values = sums[next++];
      at::Tensor(parameter).mutable_grad() =
          at::sparse_coo_tensor(indices.unsqueeze(0), values, parameter.sizes())
              .to(parameter.device())
              .coalesce();
    }
  }

 private:
  // The parameters whose gradients are summed as they are, and as lists of rows.
  struct Kinds {
    std::vector<at::Tensor> dense;
    std::vector<at::Tensor> by_row;
  };

  // The parameters, each once.
  std::vector<at::Tensor> distinct(const std::vector<at::Tensor>& parameters) const {
    std::vector<at::Tensor> result;
    std::set<const c10::TensorImpl*> seen;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!parameters[i].defined()) {
        reject_element(name_of(operation_), "parameters", i, "undefined", "a tensor");
      }
      if (seen.insert(parameters[i].unsafeGetTensorImpl()).second) result.push_back(parameters[i]);
    }
    return result;
  }

  // Whether a gradient is sparse in its rows, as those of embeddings are.
  static bool is_row_sparse(const at::Tensor& gradient) {
    return gradient.layout() == at::kSparse && gradient.sparse_dim() == 1;
  }

  // By the gradients of all workers.
  Kinds kinds_of(const std::vector<at::Tensor>& parameters) const {
    std::vector<double> counts(2 * parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& gradient = parameters[i].grad();
      if (gradient.defined()) counts[2 * i + (is_row_sparse(gradient) ? 1 : 0)] = 1;
    }
    counts = workers_.sum_of(operation_, counts);
    Kinds kinds;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (counts[2 * i] > 0) {
        kinds.dense.push_back(parameters[i]);
      } else if (counts[2 * i + 1] > 0) {
        kinds.by_row.push_back(parameters[i]);
      }
    }
    return kinds;
  }

  static at::Tensor dense_gradient(const at::Tensor& parameter) {
    const at::Tensor& gradient = parameter.grad();
    if (!gradient.defined()) return at::zeros_like(parameter);
    return gradient.layout() == at::kStrided ? gradient : gradient.to_dense();
  }

  // Appends for each parameter the rows and the values of its sparse gradient, at this worker's
  // place among those of all workers; zero elsewhere. The sum is the list of all rows.
  void append_rows(const std::vector<at::Tensor>& parameters,
                   std::vector<at::Tensor>& tensors) const {
    if (parameters.empty()) return;
    const auto workers = static_cast<std::size_t>(workers_.size());
    const auto own = static_cast<std::size_t>(workers_.rank());
    std::vector<at::Tensor> gradients;
    std::vector<double> rows(parameters.size() * workers);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& gradient = parameters[i].grad();
      gradients.push_back(gradient.defined() ? gradient.coalesce() : gradient);
      if (gradient.defined()) {
        rows[i * workers + own] = static_cast<double>(gradients[i].indices().size(1));
      }
    }
    rows = workers_.sum_of(operation_, rows);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(i * workers);
      const auto sum = [&](std::ptrdiff_t ranks) {
        return static_cast<std::int64_t>(std::accumulate(begin, begin + ranks, 0.0));
      };
      std::vector<std::int64_t> sizes = parameters[i].sizes().vec();
      sizes[0] = sum(workers_.size());
      const at::Tensor indices = at::zeros({sizes[0]}, parameters[i].options().dtype(at::kLong));
      const at::Tensor values = at::zeros(sizes, parameters[i].options());
      if (gradients[i].defined()) {
        const std::int64_t count = gradients[i].indices().size(1);
        const std::int64_t first = sum(workers_.rank());
        indices.narrow(0, first, count).copy_(gradients[i].indices().select(0, 0));
        values.narrow(0, first, count).copy_(gradients[i].values());
      }
      tensors.push_back(indices);
      tensors.push_back(values);
    }
  }

  static void set_gradient(at::Tensor parameter, const at::Tensor& sum) {
    at::Tensor& gradient = parameter.mutable_grad();
    if (gradient.defined() && gradient.layout() == at::kStrided) {
      gradient.copy_(sum);
    } else {
      gradient = at::zeros_like(parameter).copy_(sum);
    }
  }

  const Collectives& workers_;
  const char* operation_;
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_GRADIENTS_H_
