// Collective operations among workers: sums, broadcasts, gradients and metrics of all.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_COMMUNICATOR_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_COMMUNICATOR_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <vector>

#include "equipoise/libtorch/distributed/detail/collectives.h"
#include "equipoise/libtorch/distributed/detail/errors.h"
#include "equipoise/libtorch/distributed/detail/gradients.h"
#include "equipoise/reduction/accumulated_step.h"
#include "equipoise/sampling/stream.h"

namespace equipoise::libtorch {

/// A class with c10d's collective operations: c10d::ProcessGroup and, in LibTorch 2.x,
/// c10d::Backend, and classes derived from them.
template <class G>
concept ProcessGroup = requires(G& group, std::vector<at::Tensor>& tensors) {
  { group.getRank() } -> std::convertible_to<int>;
  { group.getSize() } -> std::convertible_to<int>;
  {
    group.allreduce(tensors, c10d::AllreduceOptions())
    } -> std::convertible_to<c10::intrusive_ptr<c10d::Work>>;
  {
    group.broadcast(tensors, c10d::BroadcastOptions())
    } -> std::convertible_to<c10::intrusive_ptr<c10d::Work>>;
};

/// How long an operation waits for the other workers unless told otherwise.
inline constexpr std::chrono::milliseconds kDefaultTimeout = std::chrono::seconds(30);

/// Collective operations among workers. A handle: copies share one process group.
///
/// Every worker calls the same operations in the same order with tensors of the same types and
/// shapes. Each operation first compares these in one small message: if workers differ, all of them
/// throw std::invalid_argument, and nothing is changed.
///
/// If a worker ends or does not take part, the operation throws std::runtime_error on all others:
/// at once if its connection breaks, else when one of the operation's messages has waited for the
/// timeout. Operations work on copies and write only when everything is done, so the tensors passed
/// are then unchanged. The group can no longer be used: start the workers again and continue from
/// the last checkpoint.
///
/// An operation allocates memory of the size of its argument, and returns when its result is
/// available: on a GPU it synchronises. Results are the same to the bit on all ranks. Not safe for
/// use by several threads at once.
class Communicator {
 public:
  /// Uses a process group, which may also be used directly. `device` is the device of tensors in
  /// the group: the CPU for Gloo and MPI, this worker's GPU for NCCL; other tensors are moved there
  /// and back. The timeout is how long this class waits, whatever the group's own timeout.
  /// @throws std::invalid_argument for a null group, and for a timeout that is not positive.
  template <ProcessGroup G>
  explicit Communicator(c10::intrusive_ptr<G> group, const at::Device& device = at::kCPU,
                        std::chrono::milliseconds timeout = kDefaultTimeout)
      : collectives_(group, device, timeout) {}

  /// The number of this worker, in [0, size()).
  int rank() const { return collectives_.rank(); }
  /// The number of workers.
  int size() const { return collectives_.size(); }
  /// How long an operation waits for the other workers.
  std::chrono::milliseconds timeout() const { return collectives_.timeout(); }

  /// Sums each of the numbers over all workers, in place. This makes a communicator an
  /// equipoise::AllReduceSum, for AccumulatedStep and sum_over_ranks().
  void operator()(std::span<double> numbers) const {
    const at::Tensor host =
        at::from_blob(numbers.data(), {static_cast<std::int64_t>(numbers.size())}, at::kDouble);
    collectives_.sum("all_reduce", {numbers.empty() ? at::empty({0}, at::kDouble) : host});
  }

  /// Sums a tensor over all workers, in place, element by element; strides and devices may differ
  /// between them.
  /// @throws std::invalid_argument for a tensor that is undefined or sparse.
  void all_reduce(const at::Tensor& tensor) const {
    require_dense("all_reduce", {tensor});
    collectives_.sum("all_reduce", {tensor});
  }

  /// Sums ClassCounts, LossPartial, ConfusionMatrix and other types with an all_reduce_buffer()
  /// over all workers, in place: afterwards the object covers all the data.
  template <class Mergeable>
  requires requires(Mergeable& x) {
    { x.all_reduce_buffer() } -> std::convertible_to<std::span<double>>;
  }
  void all_reduce(Mergeable& x) const { (*this)(x.all_reduce_buffer()); }

  /// The same for types that cannot be summed in place, such as LabelScores and Grouped: every
  /// worker gathers the rows of all.
  template <class Gathered>
  requires requires(Gathered& x, const Communicator& workers) {
    x.gather(workers, std::size_t{}, std::size_t{});
  }
  void all_reduce(Gathered& x) const {
    x.gather(*this, static_cast<std::size_t>(rank()), static_cast<std::size_t>(size()));
  }

  /// Copies the tensors of rank `root` to all workers, in place: for parameters and buffers that
  /// have to be equal at the start. Any element type; bits are preserved.
  /// @throws std::invalid_argument for a root outside [0, size()), and for a tensor that is
  /// undefined or sparse.
  void broadcast(const std::vector<at::Tensor>& tensors, int root = 0) const {
    constexpr const char* kOperation = "broadcast";
    if (root < 0 || root >= size()) {
      detail::reject(detail::name_of(kOperation), "root", root,
                     "a rank in [0, " + std::to_string(size()) + ")");
    }
    require_dense(kOperation, tensors);
    collectives_.broadcast(kOperation, tensors, root);
  }

  /// Returns when all workers have called it.
  void barrier() const { collectives_.require_agreement("barrier", {}); }

  /// Sums the gradients of the parameters over all workers, in place. If losses were divided by the
  /// denominators of all workers, the sum is the gradient of the whole batch.
  ///
  /// A missing gradient on a worker counts as zero. A parameter that has no gradient on any worker
  /// stays without one, as in a single process; a parameter that occurs twice is summed once.
  /// Gradients that are sparse in their rows, such as those of embeddings, stay sparse, coalesced,
  /// unless a worker has a dense one; other sparse gradients become dense. Dense gradients are sent
  /// in buckets of about 25 MiB per element type, sparse ones as the rows of all workers. O(size of
  /// everything sent).
  /// @throws std::invalid_argument for a parameter that is undefined.
  void sum_gradients(const std::vector<at::Tensor>& parameters) const {
    detail::GradientReduction(collectives_, "sum_gradients").run(parameters, /*averages=*/false);
  }

  /// The same divided by the number of workers: the mean of the workers' gradients, for losses that
  /// each worker has divided by its own denominators. It is the gradient of the whole batch only if
  /// those are equal.
  void average_gradients(const std::vector<at::Tensor>& parameters) const {
    detail::GradientReduction(collectives_, "average_gradients").run(parameters, /*averages=*/true);
  }

 private:
  static void require_dense(const char* operation, const std::vector<at::Tensor>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const at::Tensor& tensor = tensors[i];
      if (tensor.defined() && tensor.layout() == at::kStrided) continue;
      detail::reject_element(detail::name_of(operation), "tensors", i,
                             tensor.defined() ? "sparse" : "undefined", "a dense tensor");
    }
  }

  detail::Collectives collectives_;
};

static_assert(AllReduceSum<Communicator>);

/// The part of a stream that this worker takes: StreamSampler(stream, shard(workers)).
inline sampling::Shard shard(const Communicator& workers) {
  return {static_cast<std::uint64_t>(workers.rank()), static_cast<std::uint64_t>(workers.size())};
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_COMMUNICATOR_H_
