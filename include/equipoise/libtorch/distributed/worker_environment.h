// The environment of a worker, as torchrun, tools/launch.sh and other launchers set it.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_WORKER_ENVIRONMENT_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_WORKER_ENVIRONMENT_H_

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include "equipoise/libtorch/distributed/detail/environment_reader.h"

namespace equipoise::libtorch {

/// The settings that a worker gets from its launcher.
struct WorkerEnvironment {
  int rank = 0;                   ///< RANK, in [0, world)
  int world = 1;                  ///< WORLD_SIZE
  int local_rank = 0;             ///< LOCAL_RANK: of the workers on this machine, in [0, world)
  std::string master_address;     ///< MASTER_ADDR: where the workers meet
  std::uint16_t master_port = 0;  ///< MASTER_PORT
  /// Whether the launcher hosts the store at which workers meet (torchrun's agent,
  /// TORCHELASTIC_USE_AGENT_STORE; otherwise rank 0 does), and how often it has restarted the
  /// workers (TORCHELASTIC_RESTART_COUNT).
  bool has_agent_store = false;
  int restarts = 0;
};

/// Reads RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, which torchrun, tools/launch.sh
/// and other launchers set; and torchrun's TORCHELASTIC_USE_AGENT_STORE and
/// TORCHELASTIC_RESTART_COUNT if they are set. `lookup(name)` is the value of a variable, null if
/// it is not set.
/// @throws std::invalid_argument for a variable that is not set, empty, not an integer or out of
/// range: `worker_environment(): RANK = "2", expected a rank in [0, 1]`.
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

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_WORKER_ENVIRONMENT_H_
