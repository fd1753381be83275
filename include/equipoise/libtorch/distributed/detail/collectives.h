// Collective operations of a process group on copies of tensors, once all workers agree on them.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_COLLECTIVES_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_COLLECTIVES_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/tensor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <vector>

#include "equipoise/libtorch/distributed/detail/buckets.h"
#include "equipoise/libtorch/distributed/detail/errors.h"
#include "equipoise/sampling/stream.h"

namespace equipoise::libtorch::detail {

// What a Communicator is made of: see there. `operation` is its function, for the errors.
class Collectives {
 public:
  template <class G>
  Collectives(const c10::intrusive_ptr<G>& group, const at::Device& device,
              std::chrono::milliseconds timeout)
      : device_(device), timeout_(timeout) {
    if (!group) reject("Communicator", "group", "null", "a process group");
    require_timeout("Communicator", timeout);
    rank_ = group->getRank();
    size_ = group->getSize();
    start_all_reduce_ = [group](std::vector<at::Tensor>& one, c10d::ReduceOp::RedOpType kind) {
      c10d::AllreduceOptions options;
      options.reduceOp = kind;
      return group->allreduce(one, options);
    };
    start_broadcast_ = [group](std::vector<at::Tensor>& one, int root) {
      c10d::BroadcastOptions options;
      options.rootRank = root;
      return group->broadcast(one, options);
    };
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  std::chrono::milliseconds timeout() const { return timeout_; }
  // Where the group takes its tensors.
  const at::Device& device() const { return device_; }

  // All workers do the same, for they have the same digest of it: its greatest and its least are
  // equal. `more` is what else must be the same.
  void require_agreement(const char* operation, const std::vector<at::Tensor>& tensors,
                         std::uint64_t more = 0) const {
    equipoise::detail::Fingerprint fingerprint;
    fingerprint.add_all(std::string_view(operation)).add(more).add(tensors.size());
    for (const at::Tensor& tensor : tensors) {
      fingerprint.add(static_cast<std::uint64_t>(tensor.scalar_type())).add_all(tensor.sizes());
    }
    const auto digest = static_cast<std::int64_t>(fingerprint.value() >> 1);
    std::vector<at::Tensor> extremes = {
        at::tensor({digest, -digest}, at::TensorOptions().dtype(at::kLong)).to(device_)};
    all_reduce(operation, extremes, c10d::ReduceOp::MAX);
    const at::Tensor result = extremes[0].cpu();
    const std::int64_t* const values = result.data_ptr<std::int64_t>();
    if (values[0] == -values[1]) return;
    std::string mine;
    for (const at::Tensor& tensor : tensors) {
      if (!mine.empty()) mine += ", ";
      if (mine.size() > 200) {
        mine += "...";
        break;
      }
      mine += c10::str(tensor.scalar_type(), tensor.sizes());
    }
    reject(name_of(operation), "rank " + std::to_string(rank_), "{" + mine + "}",
           "the same operation, types and shapes on all " + std::to_string(size_) + " ranks");
  }

  // Sums the tensors over all workers, in place, when it is done.
  void sum(const char* operation, const std::vector<at::Tensor>& tensors) const {
    require_agreement(operation, tensors);
    Buckets buckets(tensors, device_);
    all_reduce(operation, buckets.vectors());
    write(buckets.tensors(), tensors);
  }

  // Gives all workers the tensors of one, in place, when it is done.
  void broadcast(const char* operation, const std::vector<at::Tensor>& tensors, int root) const {
    require_agreement(operation, tensors, static_cast<std::uint64_t>(root));
    Buckets buckets(tensors, device_);
    run(operation, buckets.vectors(), [&](at::Tensor& vector) {
      std::vector<at::Tensor> bytes = {vector.view(at::kByte)};
      return start_broadcast_(bytes, root);
    });
    write(buckets.tensors(), tensors);
  }

  // Reduces tensors on device() that are not the caller's, in place and without asking whether the
  // workers agree.
  void all_reduce(const char* operation, std::vector<at::Tensor>& tensors,
                  c10d::ReduceOp::RedOpType kind = c10d::ReduceOp::SUM) const {
    run(operation, tensors, [&](at::Tensor& tensor) {
      std::vector<at::Tensor> one = {tensor};
      return start_all_reduce_(one, kind);
    });
  }

  // The numbers of all workers, summed: all know them then.
  std::vector<double> sum_of(const char* operation, const std::vector<double>& numbers) const {
    std::vector<at::Tensor> one = {at::tensor(numbers, at::kDouble).to(device_)};
    all_reduce(operation, one);
    const at::Tensor result = one[0].cpu();
    return {result.data_ptr<double>(), result.data_ptr<double>() + result.numel()};
  }

 private:
  using Work = c10::intrusive_ptr<c10d::Work>;

  [[noreturn]] void fail(const char* operation, const std::string& what,
                         const std::exception& reason) const {
    throw std::runtime_error(name_of(operation) + "(): rank " + std::to_string(rank_) + " of " +
                             std::to_string(size_) + ": " + what + ": " +
                             first_line(reason.what()));
  }

  // Starts an operation on each tensor and waits for all of them. What is still under way when
  // one fails holds on to its tensor, so the tensors must not be the caller's.
  template <class Start>
  void run(const char* operation, std::vector<at::Tensor>& tensors, const Start& start) const {
    std::vector<Work> works;
    try {
      for (at::Tensor& tensor : tensors) {
        if (tensor.numel() != 0) works.push_back(start(tensor));
      }
    } catch (const std::exception& reason) {
      fail(operation, "the operation could not be started", reason);
    }
    try {
      for (const Work& work : works) {
        if (!work->wait(timeout_)) throw std::runtime_error("aborted");
      }
    } catch (const std::exception& reason) {
      fail(operation,
           "a worker was lost or did not take part within " + std::to_string(timeout_.count()) +
               " ms",
           reason);
    }
  }

  static void write(const std::vector<at::Tensor>& from, const std::vector<at::Tensor>& to) {
    const at::NoGradGuard no_graph;
    for (std::size_t i = 0; i < to.size(); ++i) at::Tensor(to[i]).copy_(from[i]);
  }

  at::Device device_;
  std::chrono::milliseconds timeout_;
  int rank_ = 0;
  int size_ = 1;
  std::function<Work(std::vector<at::Tensor>&, c10d::ReduceOp::RedOpType)> start_all_reduce_;
  std::function<Work(std::vector<at::Tensor>&, int)> start_broadcast_;
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_COLLECTIVES_H_
