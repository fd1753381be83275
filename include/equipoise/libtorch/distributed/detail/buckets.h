// Tensors of any shapes as a few vectors, for as few messages.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_BUCKETS_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_BUCKETS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/cat.h>
#include <c10/util/accumulate.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace equipoise::libtorch::detail {

// Tensors of any shapes as a few vectors on one device, one element type each, in new memory.
class Buckets {
 public:
  // As large as keeps both the number of messages and the wait for the first one low.
  static constexpr std::size_t kBytes = std::size_t{25} << 20;

  Buckets(const std::vector<at::Tensor>& tensors, const at::Device& device) {
    std::map<at::ScalarType, std::size_t> open;
    std::vector<std::vector<at::Tensor>> members;
    std::vector<std::size_t> bytes;
    for (const at::Tensor& tensor : tensors) {
      const auto [place, is_new] = open.try_emplace(tensor.scalar_type(), members.size());
      if (is_new || bytes[place->second] >= kBytes) {
        place->second = members.size();
        members.emplace_back();
        bytes.push_back(0);
      }
      members[place->second].push_back(tensor.detach().to(device).reshape({-1}));
      bytes[place->second] += tensor.nbytes();
      places_.push_back(place->second);
      sizes_.push_back(tensor.sizes().vec());
    }
    for (const std::vector<at::Tensor>& flat : members) vectors_.push_back(at::cat(flat));
  }

  std::vector<at::Tensor>& vectors() { return vectors_; }

  // The tensors in their order and shapes. They share the memory of the vectors.
  std::vector<at::Tensor> tensors() const {
    std::vector<at::Tensor> result;
    std::vector<std::int64_t> begin(vectors_.size());
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const std::size_t k = places_[i];
      const std::int64_t size = c10::multiply_integers(sizes_[i]);
      result.push_back(vectors_[k].narrow(0, begin[k], size).view(sizes_[i]));
      begin[k] += size;
    }
    return result;
  }

 private:
  std::vector<at::Tensor> vectors_;
  std::vector<std::size_t> places_;               // tensor to vector
  std::vector<std::vector<std::int64_t>> sizes_;  // of each tensor
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_BUCKETS_H_
