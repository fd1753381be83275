#include "demos/common/local_workers.h"

#include <absl/strings/match.h>
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

// This process's environment with the variables of a worker instead of its own.
std::vector<std::string> environment_of(int rank, int world, int port) {
  const std::string own = absl::StrCat(rank);
  const std::map<std::string, std::string> variables = {{"RANK", own},
                                                        {"LOCAL_RANK", own},
                                                        {"WORLD_SIZE", absl::StrCat(world)},
                                                        {"MASTER_ADDR", "127.0.0.1"},
                                                        {"MASTER_PORT", absl::StrCat(port)}};
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (variables.count(text.substr(0, text.find('='))) == 0) result.push_back(text);
  }
  for (const auto& [name, value] : variables) result.push_back(absl::StrCat(name, "=", value));
  return result;
}

pid_t start(std::span<char* const> arguments, const std::vector<std::string>& environment) {
  std::vector<char*> argv(arguments.begin(), arguments.end());
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (const std::string& entry : environment) envp.push_back(const_cast<char*>(entry.c_str()));
  envp.push_back(nullptr);
  pid_t process = 0;
  const int error =
      posix_spawn(&process, "/proc/self/exe", nullptr, nullptr, argv.data(), envp.data());
  if (error != 0) fail("a worker cannot be started", error);
  return process;
}

}  // namespace

bool is_worker() { return std::getenv("RANK") != nullptr; }

int run_local_workers(int count, std::span<char* const> arguments) {
  const int port = free_port();
  std::map<pid_t, int> ranks;
  for (int rank = 0; rank < count; ++rank) {
    ranks[start(arguments, environment_of(rank, count, port))] = rank;
  }
  int code = 0;
  while (!ranks.empty()) {
    int status = 0;
    const pid_t process = waitpid(-1, &status, 0);
    if (process < 0 && errno != EINTR) fail("waiting for the workers", errno);
    const auto place = ranks.find(process);
    if (place == ranks.end()) continue;
    if (WIFSIGNALED(status)) {
      std::cerr << "worker " << place->second << " of " << count << " was ended by signal "
                << WTERMSIG(status) << std::endl;
      if (code == 0) code = 1;
    } else if (WEXITSTATUS(status) != 0) {
      std::cerr << "worker " << place->second << " of " << count << " ended with exit code "
                << WEXITSTATUS(status) << std::endl;
      if (code == 0) code = WEXITSTATUS(status);
    }
    ranks.erase(place);
  }
  return code;
}

}  // namespace equipoise::demos
