#include <absl/strings/str_cat.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "demos/common/learner.h"

namespace equipoise::demos {

namespace {

[[noreturn]] void fail(const char* what, int error) {
  throw std::runtime_error(absl::StrCat(what, ": ", std::generic_category().message(error)));
}

// A port that nobody listens on now. Somebody may before the workers do; they say so then.
int free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  if (descriptor < 0) fail("no socket for the workers to meet", errno);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const bool is_bound =
      bind(descriptor, generic, size) == 0 && getsockname(descriptor, generic, &size) == 0;
  const int error = errno;
  close(descriptor);
  if (!is_bound) fail("no port for the workers to meet", error);
  return ntohs(address.sin_port);
}

pid_t start_worker(std::span<char* const> arguments, int rank) {
  // A process has the environment of the one that starts it.
  for (const char* name : {"RANK", "LOCAL_RANK"}) setenv(name, absl::StrCat(rank).c_str(), 1);
  std::vector<char*> argv(arguments.begin(), arguments.end());
  argv.push_back(nullptr);
  pid_t process = 0;
  const int error = posix_spawn(&process, "/proc/self/exe", nullptr, nullptr, argv.data(), environ);
  if (error != 0) fail("a worker cannot be started", error);
  return process;
}

}  // namespace

bool is_worker() { return std::getenv("RANK") != nullptr; }

int run_local_workers(int count, std::span<char* const> arguments) {
  setenv("WORLD_SIZE", absl::StrCat(count).c_str(), 1);
  setenv("MASTER_ADDR", "127.0.0.1", 1);
  setenv("MASTER_PORT", absl::StrCat(free_port()).c_str(), 1);
  std::map<pid_t, int> ranks;
  for (int rank = 0; rank < count; ++rank) ranks[start_worker(arguments, rank)] = rank;
  int code = 0;
  while (!ranks.empty()) {
    int status = 0;
    const pid_t process = waitpid(-1, &status, 0);
    if (process < 0 && errno != EINTR) fail("waiting for the workers", errno);
    const auto place = ranks.find(process);
    if (place == ranks.end()) continue;
    const bool is_killed = WIFSIGNALED(status);
    const int own = is_killed ? WTERMSIG(status) : WEXITSTATUS(status);
    if (own != 0) {
      std::cerr << "worker " << place->second << " of " << count
                << (is_killed ? " was ended by signal " : " ended with exit code ") << own
                << std::endl;
      if (code == 0) code = is_killed ? 1 : own;
    }
    ranks.erase(place);
  }
  return code;
}

}  // namespace equipoise::demos
