// Training by several workers over LibTorch's c10d: Gloo on CPUs, NCCL on GPUs, or any process
// group that the caller has.
//
// Workers are started as torchrun and tools/launch.sh start them. Each takes its shard of one
// stream, divides by the denominators of all, and sums its gradients with those of the others: the
// step is the one that a single process makes of the whole batch.
//
//     const WorkerEnvironment environment = worker_environment();
//     const Communicator workers = connect(environment);
//     workers.broadcast(model->parameters());  // equal at the start
//     StreamSampler sampler(stream, shard(workers));
//     for (Batch& batch : batches(loader, sampler)) {
//       SoftmaxArguments arguments;
//       arguments.denominators =
//           sum_over_ranks(softmax_denominators(loss, batch.targets, classes), workers);
//       optimizer.zero_grad();
//       softmax_loss(model->forward(batch.inputs), batch.targets, loss, arguments).backward();
//       workers.sum_gradients(model->parameters());
//       optimizer.step();
//     }
//     workers.all_reduce(confusion);  // counts, partials and metrics of all
//
// connect() has Gloo where USE_C10D_GLOO is defined, and NCCL where USE_C10D_NCCL is: LibTorch's
// headers of the two want it, and the headers of the libraries beside them. The rest needs neither.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_H_

#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/sparse_coo_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/accumulate.h>
#include <torch/version.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#ifdef USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#ifdef USE_C10D_NCCL
#include <torch/cuda.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <algorithm>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/accumulation.h"
#include "equipoise/detail/check.h"
#include "equipoise/libtorch/detail/broken_pipes.h"
#include "equipoise/libtorch/detail/deadline.h"
#include "equipoise/sampling/stream.h"

namespace equipoise::libtorch {

/// What a worker is told by whoever started it.
struct WorkerEnvironment {
  int rank = 0;                   ///< RANK, in [0, world)
  int world = 1;                  ///< WORLD_SIZE
  int local_rank = 0;             ///< LOCAL_RANK: of the workers on this machine, in [0, world)
  std::string master_address;     ///< MASTER_ADDR: where the workers meet
  std::uint16_t master_port = 0;  ///< MASTER_PORT
  /// Whether the launcher keeps the meeting place (torchrun's agent, TORCHELASTIC_USE_AGENT_STORE)
  /// and how often it has restarted the workers (TORCHELASTIC_RESTART_COUNT). Otherwise rank 0
  /// keeps it.
  bool has_agent_store = false;
  int restarts = 0;
};

namespace detail {

using equipoise::detail::reject;
using equipoise::detail::reject_element;

// The variables of an environment that tell a worker who it is.
template <class Lookup>
class EnvironmentReader {
 public:
  EnvironmentReader(const char* where, const Lookup& lookup) : where_(where), lookup_(lookup) {}

  std::string text(const char* name, std::string_view expected) const {
    const char* const value = lookup_(name);
    if (value == nullptr) reject(where_, name, "(not set)", expected);
    if (*value == '\0') reject(where_, name, "(empty)", expected);
    return value;
  }

  int integer(const char* name, int least, int most, std::string_view of_what) const {
    const std::string expected =
        std::string(of_what) + " in [" + std::to_string(least) + ", " + std::to_string(most) + "]";
    const std::string value = text(name, expected);
    int number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || *end != '\0' || number < least || number > most) {
      reject(where_, name, "\"" + value + "\"", expected);
    }
    return number;
  }

 private:
  const char* where_;
  const Lookup& lookup_;
};

inline void require_timeout(const char* where, std::chrono::milliseconds timeout) {
  if (timeout.count() > 0) return;
  reject(where, "timeout", std::to_string(timeout.count()) + " ms", "a positive time");
}

// The first line: what LibTorch throws goes on with where in its sources that was.
inline std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

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

}  // namespace detail

/// Reads RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, which torchrun, tools/launch.sh
/// and other launchers set; and torchrun's TORCHELASTIC_USE_AGENT_STORE and
/// TORCHELASTIC_RESTART_COUNT where they are set. `lookup(name)` is the value of a variable, null
/// where it is not set.
/// @throws std::invalid_argument for a variable that is not set, empty, no integer or out of range:
/// `worker_environment(): RANK = "2", expected a rank in [0, 1]`.
template <class Lookup>
requires std::is_invocable_r_v<const char*, const Lookup&, const char*> WorkerEnvironment
worker_environment(const Lookup& lookup) {
  const detail::EnvironmentReader<Lookup> read("worker_environment", lookup);
  constexpr int kMost = std::numeric_limits<int>::max();
  WorkerEnvironment result;
  result.world = read.integer("WORLD_SIZE", 1, kMost, "a number of workers");
  result.rank = read.integer("RANK", 0, result.world - 1, "a rank");
  result.local_rank = read.integer("LOCAL_RANK", 0, result.world - 1, "a rank on this machine");
  result.master_address = read.text("MASTER_ADDR", "a host's name or address");
  result.master_port = static_cast<std::uint16_t>(read.integer("MASTER_PORT", 1, 65535, "a port"));
  const char* const agent = lookup("TORCHELASTIC_USE_AGENT_STORE");
  result.has_agent_store = agent != nullptr && std::string_view(agent) == "True";
  if (result.has_agent_store && lookup("TORCHELASTIC_RESTART_COUNT") != nullptr) {
    result.restarts = read.integer("TORCHELASTIC_RESTART_COUNT", 0, kMost, "a number");
  }
  return result;
}

/// The same from the environment of this process.
inline WorkerEnvironment worker_environment() {
  return worker_environment([](const char* name) -> const char* { return std::getenv(name); });
}

/// What takes part in collective operations as c10d has them: c10d::ProcessGroup and, in LibTorch
/// 2.x, c10d::Backend, and what is derived from them.
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
/// shapes. Each operation first compares that in one small message: where workers differ, all of
/// them throw std::invalid_argument, and nothing is changed.
///
/// A worker that ends, or that does not take part, makes the operation throw std::runtime_error on
/// all others: at once where its connection breaks, else when one of the operation's messages has
/// waited for the timeout. Operations work on copies and write when all is done, so what was passed
/// is as it was then. The group is of no use any more: start the workers anew and go on from the
/// last checkpoint.
///
/// An operation takes new memory of the size of what it is given, and returns when its result is
/// there: on a GPU it synchronises. Results are the same to the bit on all ranks. Not safe for use
/// by several threads at once.
class Communicator {
 public:
  /// Of a process group that stays usable beside it. `device` is where the group takes its tensors:
  /// the CPU for Gloo and MPI, this worker's GPU for NCCL; tensors elsewhere are moved there and
  /// back. The timeout is how long this class waits, whatever the group's own is.
  /// @throws std::invalid_argument for no group, and for a timeout that is not positive.
  template <ProcessGroup G>
  explicit Communicator(c10::intrusive_ptr<G> group, const at::Device& device = at::kCPU,
                        std::chrono::milliseconds timeout = kDefaultTimeout)
      : device_(device), timeout_(timeout) {
    if (!group) detail::reject("Communicator", "group", "null", "a process group");
    detail::require_timeout("Communicator", timeout);
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
  /// The number of workers.
  int size() const { return size_; }
  std::chrono::milliseconds timeout() const { return timeout_; }

  /// Sums each of the numbers over all workers, in place. This makes a communicator an
  /// equipoise::AllReduceSum, for Accumulation and sum_over_ranks().
  void operator()(std::span<double> numbers) const {
    const at::Tensor host =
        at::from_blob(numbers.data(), {static_cast<std::int64_t>(numbers.size())}, at::kDouble);
    sum("all_reduce", {numbers.empty() ? at::empty({0}, at::kDouble) : host});
  }

  /// Sums a tensor over all workers, in place, element by element; strides and devices may differ
  /// between them.
  /// @throws std::invalid_argument for a tensor that is undefined or sparse.
  void all_reduce(const at::Tensor& tensor) const {
    require_dense("all_reduce", {tensor});
    sum("all_reduce", {tensor});
  }

  /// Sums ClassCounts, Partial, ConfusionMatrix and whatever else merges so over all workers, in
  /// place: it is that of all the data then.
  template <class Mergeable>
  requires requires(Mergeable& x) {
    { x.all_reduce_buffer() } -> std::convertible_to<std::span<double>>;
  }
  void all_reduce(Mergeable& x) const { (*this)(x.all_reduce_buffer()); }

  /// The same for what does not sum up in place, such as LabelScores and Grouped: all workers take
  /// over the rows of all.
  template <class Gathered>
  requires requires(Gathered& x, const Communicator& workers) {
    x.gather(workers, std::size_t{}, std::size_t{});
  }
  void all_reduce(Gathered& x) const {
    x.gather(*this, static_cast<std::size_t>(rank_), static_cast<std::size_t>(size_));
  }

  /// Gives all workers the tensors of rank `root`, in place: parameters and buffers that have to be
  /// equal at the start. Any element type; bits are kept.
  /// @throws std::invalid_argument for a root outside [0, size()), and for a tensor that is
  /// undefined or sparse.
  void broadcast(const std::vector<at::Tensor>& tensors, int root = 0) const {
    constexpr const char* kOperation = "broadcast";
    if (root < 0 || root >= size_) {
      detail::reject(name_of(kOperation), "root", root,
                     "a rank in [0, " + std::to_string(size_) + ")");
    }
    require_dense(kOperation, tensors);
    require_agreement(kOperation, tensors, static_cast<std::uint64_t>(root));
    detail::Buckets buckets(tensors, device_);
    run(kOperation, buckets.vectors(), [&](at::Tensor& vector) {
      std::vector<at::Tensor> bytes = {vector.view(at::kByte)};
      return start_broadcast_(bytes, root);
    });
    write(buckets.tensors(), tensors);
  }

  /// Returns when all workers have called it.
  void barrier() const { require_agreement("barrier", {}); }

  /// Sums the gradients of the parameters over all workers, in place. With losses that were divided
  /// by the denominators of all it gives the gradient of the whole batch.
  ///
  /// A worker without a gradient counts as zero. A parameter without one on any worker stays
  /// without, as it would in one process; one that occurs twice is summed once. Gradients that are
  /// sparse in their rows, such as those of embeddings, stay so, coalesced, unless a worker has a
  /// dense one; other sparse ones become dense. Sent are buckets of about 25 MiB an element type;
  /// of sparse gradients the rows of all workers. O(size of all that is sent).
  /// @throws std::invalid_argument for a parameter that is undefined.
  void sum_gradients(const std::vector<at::Tensor>& parameters) const {
    reduce_gradients("sum_gradients", parameters, /*averages=*/false);
  }

  /// The same divided by the number of workers: the mean of the workers' gradients, for losses that
  /// each worker has divided by its own denominators. It is the gradient of the whole batch only
  /// where those are equal.
  void average_gradients(const std::vector<at::Tensor>& parameters) const {
    reduce_gradients("average_gradients", parameters, /*averages=*/true);
  }

 private:
  using Work = c10::intrusive_ptr<c10d::Work>;

  static std::string name_of(const char* operation) {
    return std::string("Communicator::") + operation;
  }

  static void require_dense(const char* operation, const std::vector<at::Tensor>& tensors) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const at::Tensor& tensor = tensors[i];
      if (tensor.defined() && tensor.layout() == at::kStrided) continue;
      detail::reject_element(name_of(operation), "tensors", i,
                             tensor.defined() ? "sparse" : "undefined", "a dense tensor");
    }
  }

  [[noreturn]] void fail(const char* operation, const std::string& what,
                         const std::exception& reason) const {
    throw std::runtime_error(name_of(operation) + "(): rank " + std::to_string(rank_) + " of " +
                             std::to_string(size_) + ": " + what + ": " +
                             detail::first_line(reason.what()));
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

  void run_all_reduce(const char* operation, std::vector<at::Tensor>& tensors,
                      c10d::ReduceOp::RedOpType kind = c10d::ReduceOp::SUM) const {
    run(operation, tensors, [&](at::Tensor& tensor) {
      std::vector<at::Tensor> one = {tensor};
      return start_all_reduce_(one, kind);
    });
  }

  // All workers do the same, for they have the same digest of it: its greatest and its least are
  // equal.
  void require_agreement(const char* operation, const std::vector<at::Tensor>& tensors,
                         std::uint64_t detail = 0) const {
    equipoise::detail::Fingerprint fingerprint;
    fingerprint.add_all(std::string_view(operation)).add(detail).add(tensors.size());
    for (const at::Tensor& tensor : tensors) {
      fingerprint.add(static_cast<std::uint64_t>(tensor.scalar_type())).add_all(tensor.sizes());
    }
    const auto digest = static_cast<std::int64_t>(fingerprint.value() >> 1);
    std::vector<at::Tensor> extremes = {
        at::tensor({digest, -digest}, at::TensorOptions().dtype(at::kLong)).to(device_)};
    run_all_reduce(operation, extremes, c10d::ReduceOp::MAX);
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
    detail::reject(
        name_of(operation), "rank " + std::to_string(rank_), "{" + mine + "}",
        "the same operation, types and shapes on all " + std::to_string(size_) + " ranks");
  }

  static void write(const std::vector<at::Tensor>& from, const std::vector<at::Tensor>& to) {
    const at::NoGradGuard no_graph;
    for (std::size_t i = 0; i < to.size(); ++i) at::Tensor(to[i]).copy_(from[i]);
  }

  void sum(const char* operation, const std::vector<at::Tensor>& tensors) const {
    require_agreement(operation, tensors);
    detail::Buckets buckets(tensors, device_);
    run_all_reduce(operation, buckets.vectors());
    write(buckets.tensors(), tensors);
  }

  // The parameters, each once.
  static std::vector<at::Tensor> distinct(const char* operation,
                                          const std::vector<at::Tensor>& parameters) {
    std::vector<at::Tensor> result;
    std::set<const c10::TensorImpl*> seen;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!parameters[i].defined()) {
        detail::reject_element(name_of(operation), "parameters", i, "undefined", "a tensor");
      }
      if (seen.insert(parameters[i].unsafeGetTensorImpl()).second) result.push_back(parameters[i]);
    }
    return result;
  }

  // Whether a gradient is sparse in its rows, as those of embeddings are.
  static bool is_row_sparse(const at::Tensor& gradient) {
    return gradient.layout() == at::kSparse && gradient.sparse_dim() == 1;
  }

  // The numbers of all workers, summed: all know them then.
  std::vector<double> sum_of(const char* operation, const std::vector<double>& numbers) const {
    std::vector<at::Tensor> one = {at::tensor(numbers, at::kDouble).to(device_)};
    run_all_reduce(operation, one);
    const at::Tensor result = one[0].cpu();
    return {result.data_ptr<double>(), result.data_ptr<double>() + result.numel()};
  }

  // The parameters whose gradients are summed as they are, and as lists of rows.
  struct Kinds {
    std::vector<at::Tensor> dense;
    std::vector<at::Tensor> by_row;
  };
  Kinds kinds_of_gradients(const char* operation, const std::vector<at::Tensor>& parameters) const {
    std::vector<double> counts(2 * parameters.size());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& gradient = parameters[i].grad();
      if (gradient.defined()) counts[2 * i + (is_row_sparse(gradient) ? 1 : 0)] = 1;
    }
    counts = sum_of(operation, counts);
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
  void append_rows(const char* operation, const std::vector<at::Tensor>& parameters,
                   std::vector<at::Tensor>& tensors) const {
    if (parameters.empty()) return;
    const auto workers = static_cast<std::size_t>(size_);
    const auto own = static_cast<std::size_t>(rank_);
    std::vector<at::Tensor> gradients;
    std::vector<double> rows(parameters.size() * workers);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const at::Tensor& gradient = parameters[i].grad();
      gradients.push_back(gradient.defined() ? gradient.coalesce() : gradient);
      if (gradient.defined()) {
        rows[i * workers + own] = static_cast<double>(gradients[i].indices().size(1));
      }
    }
    rows = sum_of(operation, rows);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(i * workers);
      const auto sum = [&](std::ptrdiff_t ranks) {
        return static_cast<std::int64_t>(std::accumulate(begin, begin + ranks, 0.0));
      };
      std::vector<std::int64_t> sizes = parameters[i].sizes().vec();
      sizes[0] = sum(size_);
      const at::Tensor indices = at::zeros({sizes[0]}, parameters[i].options().dtype(at::kLong));
      const at::Tensor values = at::zeros(sizes, parameters[i].options());
      if (gradients[i].defined()) {
        const std::int64_t count = gradients[i].indices().size(1);
        indices.narrow(0, sum(rank_), count).copy_(gradients[i].indices().select(0, 0));
        values.narrow(0, sum(rank_), count).copy_(gradients[i].values());
      }
      tensors.push_back(indices);
      tensors.push_back(values);
    }
  }

  void reduce_gradients(const char* operation, const std::vector<at::Tensor>& parameters,
                        bool averages) const {
    const at::NoGradGuard no_graph;
    const std::vector<at::Tensor> all = distinct(operation, parameters);
    require_agreement(operation, all);
    if (all.empty()) return;
    const Kinds kinds = kinds_of_gradients(operation, all);
    std::vector<at::Tensor> tensors;
    for (const at::Tensor& parameter : kinds.dense) tensors.push_back(dense_gradient(parameter));
    append_rows(operation, kinds.by_row, tensors);

    detail::Buckets buckets(tensors, device_);
    tensors.clear();
    run_all_reduce(operation, buckets.vectors());
    if (averages) {
      for (at::Tensor& vector : buckets.vectors()) {
        if (vector.scalar_type() != at::kLong) vector.div_(size_);  // not the lists of rows
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

  static void set_gradient(at::Tensor parameter, const at::Tensor& sum) {
    at::Tensor& gradient = parameter.mutable_grad();
    if (gradient.defined() && gradient.layout() == at::kStrided) {
      gradient.copy_(sum);
    } else {
      gradient = at::zeros_like(parameter).copy_(sum);
    }
  }

  at::Device device_;
  std::chrono::milliseconds timeout_;
  int rank_ = 0;
  int size_ = 1;
  std::function<Work(std::vector<at::Tensor>&, c10d::ReduceOp::RedOpType)> start_all_reduce_;
  std::function<Work(std::vector<at::Tensor>&, int)> start_broadcast_;
};

static_assert(AllReduceSum<Communicator>);

/// The part of a stream that this worker takes: StreamSampler(stream, shard(workers)).
inline Shard shard(const Communicator& workers) {
  return {static_cast<std::uint64_t>(workers.rank()), static_cast<std::uint64_t>(workers.size())};
}

/// What carries the messages.
enum class CommunicationBackend {
  /// Between CPUs, over the network. Tensors on a GPU are moved to the CPU and back.
  kGloo,
  /// Between GPUs, one a worker: that of LOCAL_RANK. Tensors on the CPU are moved there and back.
  kNccl,
};

struct ConnectOptions {
  /// How long to wait for the other workers, when meeting (in whole seconds, rounded up) and in
  /// each operation.
  std::chrono::milliseconds timeout = kDefaultTimeout;
  CommunicationBackend backend = CommunicationBackend::kGloo;
};

namespace detail {

// A timeout as LibTorch takes it: some versions count whole seconds, and would not wait for less
// than one. Deadlines are this much later, in nanoseconds, which a year does not overflow.
inline std::chrono::seconds meeting_timeout(std::chrono::milliseconds timeout) {
  constexpr std::chrono::seconds kMost = std::chrono::hours(24 * 365);
  return std::min(std::chrono::ceil<std::chrono::seconds>(timeout), kMost);
}
// How long to wait for LibTorch to end by itself, for then it says why.
inline std::chrono::seconds meeting_limit(std::chrono::milliseconds timeout) {
  return meeting_timeout(timeout) + std::chrono::seconds(1);
}

// Takes the store that every LibTorch has: later ones prefer libuv's, with which Debian's LibTorch
// is not built.
template <class Options>
void avoid_libuv(Options& options) {
  if constexpr (requires { options.useLibUV; }) options.useLibUV = false;
}

inline c10::intrusive_ptr<c10d::Store> meeting_place(const WorkerEnvironment& environment,
                                                     std::chrono::milliseconds timeout) {
  c10d::TCPStoreOptions options;
  options.port = environment.master_port;
  options.isServer = environment.rank == 0 && !environment.has_agent_store;
  options.numWorkers = static_cast<std::size_t>(environment.world);
  options.timeout = meeting_timeout(timeout);
  avoid_libuv(options);
  // In some versions the timeout is that of the connection, not of the first messages: a store that
  // does not understand them, such as another version's, would hold this up for ever.
  auto store = result_within(meeting_limit(timeout), [host = environment.master_address, options] {
    return c10::make_intrusive<c10d::TCPStore>(host, options);
  });
  if (!store) {
    const std::string keeper = environment.has_agent_store ? "the launcher" : "rank 0";
    throw std::runtime_error(
        "the store there, which " + keeper +
        " keeps, does not answer; its version of LibTorch must fit this one, " + TORCH_VERSION);
  }
  (*store)->setTimeout(options.timeout);
  // Keys of the workers that a restart has replaced are still in the agent's.
  return c10::make_intrusive<c10d::PrefixStore>("equipoise/" + std::to_string(environment.restarts),
                                                *std::move(store));
}

#ifdef USE_C10D_GLOO
inline bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

inline Communicator connect_gloo(const WorkerEnvironment& environment,
                                 std::chrono::milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
  auto options = Gloo::Options::create();
  options->timeout = timeout;
  // A machine's own name need not lead to a network that the others can reach.
  const char* const interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface != nullptr && *interface != '\0') {
    options->devices.push_back(Gloo::createDeviceForInterface(interface));
  } else if (is_this_machine(environment.master_address)) {
    options->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
  } else {
    options->devices.push_back(Gloo::createDefaultDevice());
  }
  return Communicator(c10::make_intrusive<Gloo>(meeting_place(environment, timeout),
                                                environment.rank, environment.world, options),
                      at::kCPU, timeout);
}
#endif

#ifdef USE_C10D_NCCL
inline Communicator connect_nccl(const WorkerEnvironment& environment,
                                 std::chrono::milliseconds timeout) {
  const auto devices = static_cast<int>(torch::cuda::device_count());
  if (environment.local_rank >= devices) {
    reject("connect", "environment.local_rank", environment.local_rank,
           "a GPU of this machine, in [0, " + std::to_string(devices) + ")");
  }
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return Communicator(
      c10::make_intrusive<c10d::ProcessGroupNCCL>(meeting_place(environment, timeout),
                                                  environment.rank, environment.world, options),
      at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(environment.local_rank)), timeout);
}
#endif

inline Communicator connect_by([[maybe_unused]] const WorkerEnvironment& environment,
                               const ConnectOptions& options) {
  switch (options.backend) {
    case CommunicationBackend::kGloo:
#ifdef USE_C10D_GLOO
      return connect_gloo(environment, options.timeout);
#else
      reject("connect", "options.backend", "kGloo", "another: compiled without USE_C10D_GLOO");
#endif
    case CommunicationBackend::kNccl:
#ifdef USE_C10D_NCCL
      return connect_nccl(environment, options.timeout);
#else
      reject("connect", "options.backend", "kNccl", "another: compiled without USE_C10D_NCCL");
#endif
  }
  reject("connect", "options.backend", static_cast<int>(options.backend), "kGloo or kNccl");
}

}  // namespace detail

/// Meets the other workers at master_address:master_port, and returns when all are there. Rank 0
/// keeps the meeting place unless the launcher does; then its LibTorch must fit this program's: the
/// stores of different versions do not all understand each other.
///
/// Gloo talks over the interface that the environment variable GLOO_SOCKET_IFNAME names; without it
/// over the loopback where master_address is this machine (127.*, ::1, localhost), else over that
/// of the machine's name.
/// @throws std::invalid_argument for an environment that is impossible, a timeout that is not
/// positive, a backend that the program was compiled without, and a local rank without a GPU.
/// @throws std::runtime_error where the store does not answer within the timeout, or the workers do
/// not meet within it from then on. A thread that still waits for LibTorch may stay behind.
inline Communicator connect(const WorkerEnvironment& environment,
                            const ConnectOptions& options = {}) {
  constexpr const char* kWhere = "connect";
  if (environment.world < 1) {
    detail::reject(kWhere, "environment.world", environment.world, "at least 1");
  }
  if (environment.rank < 0 || environment.rank >= environment.world) {
    detail::reject(kWhere, "environment.rank", environment.rank,
                   "a rank in [0, " + std::to_string(environment.world) + ")");
  }
  detail::require_timeout(kWhere, options.timeout);
  try {
    // First the store has to answer, then the workers.
    auto workers =
        detail::result_within(2 * detail::meeting_limit(options.timeout), [environment, options] {
          detail::refuse_broken_pipe_signals();  // for the threads that will communicate
          Communicator connected = detail::connect_by(environment, options);
          connected.barrier();
          return connected;
        });
    if (!workers) throw std::runtime_error("a worker or the store stopped answering");
    return *std::move(workers);
  } catch (const std::invalid_argument&) {
    throw;
  } catch (const std::exception& reason) {
    throw std::runtime_error(
        "connect(): rank " + std::to_string(environment.rank) + " of " +
        std::to_string(environment.world) + ": the workers did not meet at " +
        environment.master_address + ":" + std::to_string(environment.master_port) + " within " +
        std::to_string(options.timeout.count()) + " ms: " + detail::first_line(reason.what()));
  }
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_H_
