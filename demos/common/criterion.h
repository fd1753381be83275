// A loss on tensors as one type, whichever it is.
#ifndef EQUIPOISE_DEMOS_COMMON_CRITERION_H_
#define EQUIPOISE_DEMOS_COMMON_CRITERION_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "demos/common/objective.h"
#include "demos/common/trainer.h"

namespace equipoise::demos {

class Criterion {
 public:
  virtual ~Criterion() = default;
  /// Takes the class weights of an optimiser step.
  virtual void start_step(std::uint64_t step) = 0;
  /// What the loss divides by: [K] of double. Parts of a step are summed.
  virtual at::Tensor denominators(const Batch& batch) const = 0;
  /// What no rows add to the denominators, for a worker that has none.
  virtual at::Tensor no_denominators() const = 0;
  /// The loss of a part of a step, [], divided by the denominators of all of it.
  virtual at::Tensor operator()(const at::Tensor& logits, const Batch& batch,
                                const at::Tensor& denominators) = 0;
};

std::unique_ptr<Criterion> make_criterion(const Objective& objective, std::size_t classes,
                                          const at::Device& device);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_CRITERION_H_
