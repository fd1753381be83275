// An overlap loss of any policy on tensors.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_OF_TENSORS_H_
#define EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_OF_TENSORS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#include <memory>
#include <type_traits>

#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/overlap_driver.h"
#include "equipoise/libtorch/tensor_math.h"
#include "equipoise/loss/overlap.h"

namespace equipoise::libtorch::detail {

inline namespace EQUIPOISE_ISA_NAMESPACE {

// An overlap loss of any policy, so that what calls it is compiled once.
struct OverlapOfTensors {
  const char* where;                 // the function that errors name
  std::shared_ptr<const void> loss;  // the OverlapLoss, to which the others refer
  kernels::OverlapSettings settings;
  kernels::OverlapKernel<float> in_float;
  kernels::OverlapKernel<double> in_double;
  ElementTerms<at::Tensor> (*element)(const void* policy, const OverlapElement<at::Tensor>&);
  OverlapValue<at::Tensor> (*value)(const void* policy, const OverlapTerms<at::Tensor>& sums);
  at::Tensor (*share)(const void* policy, const at::Tensor& target_mass);  // or nullptr
  bool is_plain = false;  // TP = p t, FP = p (1 - t), FN = (1 - p) t

  template <class T>
  const kernels::OverlapKernel<T>& kernel() const {
    if constexpr (std::is_same_v<T, float>) {
      return in_float;
    } else {
      return in_double;
    }
  }
};

template <class P>
ElementTerms<at::Tensor> element_of_tensors(const void* policy,
                                            const OverlapElement<at::Tensor>& element) {
  return kernels::element_terms(*static_cast<const P*>(policy), element);
}
template <class P>
OverlapValue<at::Tensor> value_of_tensors(const void* policy,
                                          const OverlapTerms<at::Tensor>& sums) {
  return (*static_cast<const P*>(policy))(sums);
}
template <class P>
at::Tensor share_of_tensors(const void* policy, const at::Tensor& target_mass) {
  return static_cast<const P*>(policy)->share(target_mass);
}

// Whether rows add the plain terms.
template <class P>
bool has_plain_terms(const P& policy) {
  if constexpr (std::is_same_v<P, Dice>) {
    return !policy.squared;
  } else {
    return std::is_same_v<std::remove_cvref_t<decltype(kernels::elements_of(policy))>,
                          kernels::PlainElements>;
  }
}

template <class P>
OverlapOfTensors overlap_of_tensors(const char* where, const OverlapLoss<P>& given) {
  const auto loss = std::make_shared<const OverlapLoss<P>>(given);
  const kernels::Cpu cpu = kernels::cpu();
  OverlapOfTensors result{where,
                          loss,
                          equipoise::detail::settings_of(*loss),
                          kernels::overlap_kernel_of<float>(loss->policy, cpu),
                          kernels::overlap_kernel_of<double>(loss->policy, cpu),
                          &element_of_tensors<P>,
                          &value_of_tensors<P>,
                          nullptr,
                          has_plain_terms(loss->policy)};
  if constexpr (kernels::kPoolsClasses<P>) result.share = &share_of_tensors<P>;
  return result;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_OVERLAP_OF_TENSORS_H_
