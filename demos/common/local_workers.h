// Several copies of this program as the workers of a distributed run on one machine.
#ifndef EQUIPOISE_DEMOS_COMMON_LOCAL_WORKERS_H_
#define EQUIPOISE_DEMOS_COMMON_LOCAL_WORKERS_H_

#include <span>

namespace equipoise::demos {

/// Whether a launcher has started this process as a worker: it then has a RANK.
bool is_worker();

/// Starts this program `count` times with the same arguments and the variables that torchrun sets
/// (RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) for a free port of 127.0.0.1, and waits
/// for all of them. Writes to the standard error output which worker failed, and how. Returns 0
/// where all have ended well, else the exit code of the first that failed; 1 if a signal ended it.
/// @throws std::runtime_error where a process cannot be started.
int run_local_workers(int count, std::span<char* const> arguments);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_LOCAL_WORKERS_H_
