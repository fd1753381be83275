// Workers that are threads of a test, connected over Gloo.
#ifndef EQUIPOISE_TESTS_SUPPORT_WORKERS_H_
#define EQUIPOISE_TESTS_SUPPORT_WORKERS_H_

#ifdef USE_C10D_GLOO

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <vector>

#include "equipoise/libtorch/detail/broken_pipes.h"
#include "equipoise/libtorch/distributed/communicator.h"
#include "tests/support/errors.h"

namespace equipoise::testing {

/// The process group of one of `world` workers that share a store.
inline c10::intrusive_ptr<c10d::ProcessGroupGloo> make_gloo(
    const c10::intrusive_ptr<c10d::Store>& store, int rank, int world,
    std::chrono::milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
  auto options = Gloo::Options::create();
  options->timeout = timeout;
  options->threads = 2;
  options->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
  return c10::make_intrusive<Gloo>(store, rank, world, options);
}

/// Runs work(communicator) in as many threads as there are workers.
inline void run_workers(int world, const std::function<void(const libtorch::Communicator&)>& work,
                        std::chrono::milliseconds timeout = libtorch::kDefaultTimeout) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world; ++rank) {
    threads.emplace_back([&, rank] {
      libtorch::detail::refuse_broken_pipe_signals();  // as connect() does
      try {
        work(libtorch::Communicator(make_gloo(store, rank, world, timeout), at::kCPU, timeout));
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << rank << " of " << world << ": " << error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// Numbers of workers to test with.
inline constexpr std::array kWorlds = {1, 2, 3, 5};

inline void expect_starts_with(const std::string& text, const std::string& beginning) {
  EXPECT_EQ(text.substr(0, beginning.size()), beginning) << text;
}

/// An operation that no other worker takes part in: it throws, and what it was given is unchanged.
inline void expect_loss_is_reported(const libtorch::Communicator& workers) {
  const std::string who = "(): rank " + std::to_string(workers.rank()) + " of " +
                          std::to_string(workers.size()) +
                          ": a worker was lost or did not take part within " +
                          std::to_string(workers.timeout().count()) + " ms: ";
  at::Tensor tensor = at::full({3}, 2.0);
  expect_starts_with(runtime_error_of([&] { workers.all_reduce(tensor); }),
                     "Communicator::all_reduce" + who);
  EXPECT_TRUE(tensor.equal(at::full({3}, 2.0)));

  at::Tensor parameter = at::ones({3}).requires_grad_();
  parameter.mutable_grad() = at::full({3}, 5.0);
  EXPECT_NE(runtime_error_of([&] { workers.sum_gradients({parameter}); }), "nothing was thrown");
  EXPECT_TRUE(parameter.grad().equal(at::full({3}, 5.0)));
  EXPECT_NE(runtime_error_of([&] { workers.broadcast({parameter}); }), "nothing was thrown");
  EXPECT_TRUE(parameter.equal(at::ones({3})));
  std::vector<double> numbers = {1, 2};
  EXPECT_NE(runtime_error_of([&] { workers(numbers); }), "nothing was thrown");
  EXPECT_EQ(numbers, (std::vector<double>{1, 2}));
}

}  // namespace equipoise::testing

#endif  // USE_C10D_GLOO

#endif  // EQUIPOISE_TESTS_SUPPORT_WORKERS_H_
