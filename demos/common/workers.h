// The processes that train one model together.
#ifndef EQUIPOISE_DEMOS_COMMON_WORKERS_H_
#define EQUIPOISE_DEMOS_COMMON_WORKERS_H_

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "equipoise/sampling/stream.h"

namespace equipoise::demos {

/// What a training needs of its workers. This one is alone.
class Workers {
 public:
  virtual ~Workers() = default;
  virtual sampling::Shard shard() const { return {}; }
  /// Sums numbers over all workers, in place.
  virtual void sum(std::span<double>) const {}
  virtual at::Tensor sum(const at::Tensor& numbers) const { return numbers; }
  /// Gives all workers the tensors of the first, in place.
  virtual void broadcast(const std::vector<at::Tensor>&) const {}
  /// Sums the gradients of parameters over all workers.
  virtual void sum_gradients(const std::vector<at::Tensor>&) const {}
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_WORKERS_H_
