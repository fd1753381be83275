// The store of LibTorch at which workers meet.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_MEETING_PLACE_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_MEETING_PLACE_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>

#include "equipoise/libtorch/detail/deadline.h"
#include "equipoise/libtorch/distributed/worker_environment.h"

namespace equipoise::libtorch::detail {

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

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_MEETING_PLACE_H_
