#include "equipoise/libtorch/distributed/connect.h"

#include <ATen/ATen.h>
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <vector>

#include "equipoise/libtorch/distributed/communicator.h"
#include "equipoise/libtorch/distributed/worker_environment.h"
#include "tests/support/errors.h"
#include "tests/support/workers.h"

namespace equipoise::libtorch {
namespace {

using std::chrono::milliseconds;
using testing::error_of;

TEST(ConnectTest, RefusesWhatCannotBe) {
  WorkerEnvironment environment;
  environment.master_address = "127.0.0.1";
  environment.master_port = 1;
  EXPECT_EQ(error_of([&] { connect(environment, {milliseconds(0)}); }),
            "connect(): timeout = 0 ms, expected a positive time");
#ifndef USE_C10D_NCCL
  EXPECT_EQ(error_of([&] {
              connect(environment, {kDefaultTimeout, CommunicationBackend::kNccl});
            }),
            "connect(): options.backend = kNccl, expected another: compiled without "
            "USE_C10D_NCCL");
#endif
  environment.rank = 1;
  EXPECT_EQ(error_of([&] { connect(environment); }),
            "connect(): environment.rank = 1, expected a rank in [0, 1)");
  environment.world = 0;
  EXPECT_EQ(error_of([&] { connect(environment); }),
            "connect(): environment.world = 0, expected at least 1");
}

#ifdef USE_C10D_GLOO

using testing::expect_loss_is_reported;
using testing::expect_starts_with;
using testing::runtime_error_of;

// --- Workers that are processes ---

// A port that was free a moment ago.
std::uint16_t free_port() {
  const int socket_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(socket_, any, size), 0);
  EXPECT_EQ(getsockname(socket_, any, &size), 0);
  close(socket_);
  return ntohs(address.sin_port);
}

// This program again, as a worker that runs the same test. A fork alone would not do: the threads
// of LibTorch do not survive it.
pid_t start_worker(const WorkerEnvironment& environment) {
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  const std::string filter =
      std::string("--gtest_filter=") + test.test_suite_name() + "." + test.name();
  const std::map<std::string, std::string> variables = {
      {"RANK", std::to_string(environment.rank)},
      {"LOCAL_RANK", std::to_string(environment.rank)},
      {"WORLD_SIZE", std::to_string(environment.world)},
      {"MASTER_ADDR", environment.master_address},
      {"MASTER_PORT", std::to_string(environment.master_port)}};
  const pid_t child = fork();
  if (child != 0) return child;
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  // What the test reports to Bazel is the first process's to report.
  for (const char* name : {"TEST_PREMATURE_EXIT_FILE", "XML_OUTPUT_FILE", "TEST_SHARD_INDEX",
                           "TEST_TOTAL_SHARDS", "GTEST_OUTPUT"}) {
    unsetenv(name);
  }
  execl("/proc/self/exe", "worker", filter.c_str(), nullptr);
  _exit(127);
}

bool is_worker() { return std::getenv("RANK") != nullptr; }

WorkerEnvironment two_on_this_machine(int rank) {
  WorkerEnvironment environment;
  environment.rank = rank;
  environment.local_rank = rank;
  environment.world = 2;
  environment.master_address = "127.0.0.1";
  environment.master_port = free_port();
  return environment;
}

constexpr ConnectOptions kPatience = {milliseconds(20000), CommunicationBackend::kGloo};

void expect_sum(const Communicator& workers) {
  std::array<double, 1> number = {1.0 + workers.rank()};
  workers(number);
  EXPECT_EQ(number[0], workers.size() * (workers.size() + 1) / 2.0);
}

TEST(ProcessesTest, MeetAndSum) {
  if (is_worker()) return expect_sum(connect(worker_environment(), kPatience));
  WorkerEnvironment environment = two_on_this_machine(1);
  const pid_t other = start_worker(environment);
  environment.rank = 0;
  expect_sum(connect(environment, kPatience));
  int status = -1;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

// One of two is killed in the midst of the work: the other says so within its timeout.
TEST(ProcessesTest, ReportAWorkerThatWasKilled) {
  if (is_worker()) {
    const Communicator workers = connect(worker_environment(), kPatience);
    expect_sum(workers);
    if (workers.rank() == 1) std::raise(SIGKILL);
    return expect_loss_is_reported(workers);
  }
  WorkerEnvironment environment = two_on_this_machine(1);
  const pid_t other = start_worker(environment);
  environment.rank = 0;
  const Communicator workers = connect(environment, kPatience);
  expect_sum(workers);
  int status = -1;
  ASSERT_EQ(waitpid(other, &status, 0), other);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  expect_loss_is_reported(workers);
}

TEST(ProcessesTest, SayWhereTheyDidNotMeet) {
  if (is_worker()) return;
  for (const int rank : {0, 1}) {
    const WorkerEnvironment environment = two_on_this_machine(rank);
    expect_starts_with(runtime_error_of([&] {
                         connect(environment, {milliseconds(500), CommunicationBackend::kGloo});
                       }),
                       "connect(): rank " + std::to_string(rank) +
                           " of 2: the workers did not meet at 127.0.0.1:" +
                           std::to_string(environment.master_port) + " within 500 ms: ");
  }
}

// --- Stores that do not do ---

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// A socket to which others can connect. Nobody answers them.
class Listener {
 public:
  Listener() {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(socket_, any, size), 0);
    EXPECT_EQ(getsockname(socket_, any, &size), 0);
    EXPECT_EQ(listen(socket_, 16), 0);
    port_ = ntohs(address.sin_port);
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener() { close(socket_); }

  std::uint16_t port() const { return port_; }
  // A connection; negative after stop().
  int next() const { return accept(socket_, nullptr, nullptr); }
  void stop() const { shutdown(socket_, SHUT_RDWR); }

 private:
  int socket_ = socket(AF_INET, SOCK_STREAM, 0);
  std::uint16_t port_ = 0;
};

// Stands before a store: what clients send reaches it, but of what it answers they get only so many
// bytes.
class StallingProxy {
 public:
  StallingProxy(std::uint16_t store, std::size_t answers) : store_(store), left_(answers) {
    acceptor_ = std::thread([this] {
      for (int client; (client = listener_.next()) >= 0;) add(client);
    });
  }
  ~StallingProxy() {
    listener_.stop();
    acceptor_.join();
    for (const int end : ends_) shutdown(end, SHUT_RDWR);
    for (std::thread& copier : copiers_) copier.join();
    for (const int end : ends_) close(end);
  }

  std::uint16_t port() const { return listener_.port(); }

 private:
  void add(int client) {
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(store_);
    EXPECT_EQ(::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ends_.insert(ends_.end(), {client, server});
    copiers_.emplace_back([client, server] {
      std::array<char, 4096> bytes;
      for (ssize_t n; (n = recv(client, bytes.data(), bytes.size(), 0)) > 0;) {
        send(server, bytes.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL);
      }
    });
    copiers_.emplace_back([this, client, server] {
      std::array<char, 4096> bytes;
      for (ssize_t n; (n = recv(server, bytes.data(), bytes.size(), 0)) > 0;) {
        const std::lock_guard lock(mutex_);
        const std::size_t size = std::min(left_, static_cast<std::size_t>(n));
        left_ -= size;
        if (size > 0) send(client, bytes.data(), size, MSG_NOSIGNAL);
      }
    });
  }

  Listener listener_;
  std::uint16_t store_;
  std::mutex mutex_;
  std::size_t left_;
  std::vector<int> ends_;  // of connections
  std::vector<std::thread> copiers_;
  std::thread acceptor_;
};

// Of two workers whose launcher keeps a store.
WorkerEnvironment with_store_at(std::uint16_t port, int rank) {
  WorkerEnvironment environment = two_on_this_machine(rank);
  environment.master_port = port;
  environment.has_agent_store = true;
  return environment;
}

constexpr std::size_t kAllAnswers = std::numeric_limits<std::size_t>::max();
constexpr ConnectOptions kHaste = {milliseconds(1000), CommunicationBackend::kGloo};

std::string error_of_connect(const WorkerEnvironment& environment) {
  return runtime_error_of([&] { connect(environment, kHaste); });
}

std::string beginning_of_error(const WorkerEnvironment& environment) {
  return "connect(): rank " + std::to_string(environment.rank) +
         " of 2: the workers did not meet at " + environment.master_address + ":" +
         std::to_string(environment.master_port) + " within 1000 ms: ";
}

// As the store of torchrun's agent does that is of another version.
TEST(ConnectTest, GivesUpOnAStoreThatDoesNotAnswer) {
  const Listener listener;
  const std::string end = " keeps, does not answer; its version of LibTorch must fit this one, ";
  const WorkerEnvironment environment = with_store_at(listener.port(), 0);
  std::thread launched([&] {
    EXPECT_EQ(error_of_connect(environment), beginning_of_error(environment) +
                                                 "the store there, which the launcher" + end +
                                                 TORCH_VERSION);
  });
  WorkerEnvironment other = with_store_at(listener.port(), 1);
  other.has_agent_store = false;
  EXPECT_EQ(error_of_connect(other),
            beginning_of_error(other) + "the store there, which rank 0" + end + TORCH_VERSION);
  launched.join();
}

// The thread that waits for the store for ever does not keep the process from ending.
TEST(ConnectDeathTest, TheProcessEndsAllTheSame) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto give_up = [] {
    const Listener listener;
    const std::string error = error_of_connect(with_store_at(listener.port(), 0));
    std::fprintf(stderr, "%s\n", error.c_str());
    std::exit(3);
  };
  EXPECT_EXIT(give_up(), ::testing::ExitedWithCode(3), "does not answer");
}

TEST(ConnectTest, ReportsAStoreThatClosesAtOnce) {
  const Listener listener;
  std::thread closer([&] {
    for (int client; (client = listener.next()) >= 0;) close(client);
  });
  const WorkerEnvironment environment = with_store_at(listener.port(), 1);
  expect_starts_with(error_of_connect(environment), beginning_of_error(environment));
  listener.stop();
  closer.join();
}

TEST(ConnectTest, ReportsAHostThatIsNotThere) {
  WorkerEnvironment environment = with_store_at(1, 0);
  environment.master_address = "no-such-host.invalid";  // RFC 2606
  expect_starts_with(error_of_connect(environment), beginning_of_error(environment));
}

// Two workers meet, one of them through a store that stops after some answers.
void expect_given_up_after(std::size_t answers) {
  c10d::TCPStoreOptions options;
  detail::avoid_libuv(options);
  options.port = 0;  // a free one
  options.isServer = true;
  options.waitWorkers = false;
  const auto store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  const StallingProxy proxy(store->getPort(), answers);
  std::vector<std::thread> threads;
  for (const int rank : {0, 1}) {
    threads.emplace_back([&, rank] {
      const WorkerEnvironment environment =
          with_store_at(rank == 0 ? store->getPort() : proxy.port(), rank);
      if (answers == kAllAnswers) return expect_sum(connect(environment, kPatience));
      expect_starts_with(error_of_connect(environment), beginning_of_error(environment));
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Wherever the store stops: before its first answer, within one, and when workers exchange their
// addresses. All at once, for each takes its time.
TEST(ConnectTest, GivesUpOnAStoreThatStopsAnswering) {
  std::vector<std::thread> threads;
  for (const std::size_t answers : {std::size_t{0}, std::size_t{4}, std::size_t{64}, kAllAnswers}) {
    threads.emplace_back([answers] { expect_given_up_after(answers); });
  }
  for (std::thread& thread : threads) thread.join();
}

#endif  // USE_C10D_GLOO

}  // namespace
}  // namespace equipoise::libtorch
