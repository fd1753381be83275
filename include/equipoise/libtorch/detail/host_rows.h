// Targets and arguments of a loss call on the CPU as the core reads them.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_HOST_ROWS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_HOST_ROWS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "equipoise/kernels/dispatch.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/detail/tensors.h"
#include "equipoise/loss/arguments.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// Index targets [N] or probabilities [..., C], and arguments [N], with the memory that they lie in;
// T is the type for probabilities. Inputs have fields of these names.
template <class T>
class HostRows {
 public:
  template <class Inputs>
  explicit HostRows(const Inputs& in)
      : by_index_(in.targets.dim() == 1),
        targets_(by_index_ ? flat(in.targets, at::kLong)
                           : in.targets.to(c10::CppTypeToScalarType<T>::value).flatten(0, -2)),
        mask_(by_index_ || !in.arguments.mask.defined() ? at::Tensor()
                                                        : flat(in.arguments.mask.ne(0), at::kByte)),
        weights_(flat(in.arguments.sample_weights, at::kDouble)),
        groups_(flat(in.arguments.groups, at::kLong)) {}

  // Calls f with the targets, of one of two types.
  template <class F>
  auto read(const F& f) const {
    if (by_index_) return f(span_of<std::int64_t>(targets_));
    return f(ProbabilityTargets<T>{matrix_view<const T>(targets_), span_of<std::uint8_t>(mask_)});
  }
  equipoise::LossArguments arguments() const {
    return {span_of<double>(weights_), span_of<std::int64_t>(groups_), {}, {}};
  }

 private:
  bool by_index_;
  at::Tensor targets_;
  at::Tensor mask_;
  at::Tensor weights_;
  at::Tensor groups_;
};

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_HOST_ROWS_H_
