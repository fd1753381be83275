// Connecting workers: they meet at one place and get a communicator.
//
// connect() supports Gloo if USE_C10D_GLOO is defined, and NCCL if USE_C10D_NCCL is. LibTorch's
// headers for the two need these macros, and the headers of the two libraries. Gloo runs on CPUs,
// NCCL on GPUs.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_CONNECT_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_CONNECT_H_

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "equipoise/libtorch/detail/broken_pipes.h"
#include "equipoise/libtorch/detail/deadline.h"
#include "equipoise/libtorch/distributed/communicator.h"
#include "equipoise/libtorch/distributed/detail/backends.h"
#include "equipoise/libtorch/distributed/detail/errors.h"
#include "equipoise/libtorch/distributed/detail/meeting_place.h"
#include "equipoise/libtorch/distributed/worker_environment.h"

namespace equipoise::libtorch {

/// The library that carries the messages.
enum class CommunicationBackend {
  /// Between CPUs, over the network. Tensors on a GPU are moved to the CPU and back.
  kGloo,
  /// Between GPUs, one per worker: that of LOCAL_RANK. Tensors on the CPU are moved there and back.
  kNccl,
};

/// Options of connect().
struct ConnectOptions {
  /// How long to wait for the other workers, when meeting (in whole seconds, rounded up) and in
  /// each operation.
  std::chrono::milliseconds timeout = kDefaultTimeout;
  CommunicationBackend backend = CommunicationBackend::kGloo;
};

namespace detail {

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

/// Meets the other workers at master_address:master_port, and returns when all have arrived. Rank 0
/// hosts the store at which they meet, unless the launcher does; then the launcher's LibTorch must
/// match this program's, since the stores of some versions do not understand each other.
///
/// Gloo uses the network interface named by the environment variable GLOO_SOCKET_IFNAME; without
/// it, the loopback if master_address is this machine (127.*, ::1, localhost), else the interface
/// of the machine's name.
/// @throws std::invalid_argument for an invalid environment, a timeout that is not positive, a
/// backend that the program was compiled without, and a local rank without a GPU.
/// @throws std::runtime_error if the store does not answer within the timeout, or the workers then
/// do not meet within another timeout. A thread that still waits for LibTorch may be left running.
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

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_CONNECT_H_
