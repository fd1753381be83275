// Communicators over Gloo and NCCL, each where the program is compiled with it.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_BACKENDS_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_BACKENDS_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise

#ifdef USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#endif
#ifdef USE_C10D_NCCL
#include <torch/cuda.h>

#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

#include <chrono>
#include <cstdlib>
#include <string>

#include "equipoise/libtorch/distributed/communicator.h"
#include "equipoise/libtorch/distributed/detail/errors.h"
#include "equipoise/libtorch/distributed/detail/meeting_place.h"
#include "equipoise/libtorch/distributed/worker_environment.h"

namespace equipoise::libtorch::detail {

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

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_BACKENDS_H_
