#include "equipoise/libtorch/distributed.h"

#include <ATen/ATen.h>
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <limits>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <torch/csrc/distributed/c10d/HashStore.hpp>
#include <vector>

#include "equipoise/accumulation.h"
#include "equipoise/counts.h"
#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/random.h"
#include "equipoise/sampling/stream.h"
#include "tests/support/errors.h"
#include "tests/support/libtorch_losses.h"
#include "tests/support/tensors.h"

namespace equipoise::libtorch {
namespace {

using std::chrono::milliseconds;
using testing::error_of;
using testing::expect_close;

constexpr std::uint32_t kPurpose = 0x7e57;

// --- WorkerEnvironment ---

using Variables = std::map<std::string, std::string>;

WorkerEnvironment read(const Variables& variables) {
  return worker_environment([&](const char* name) -> const char* {
    const auto place = variables.find(name);
    return place == variables.end() ? nullptr : place->second.c_str();
  });
}

Variables launched() {
  return {{"RANK", "2"},
          {"WORLD_SIZE", "3"},
          {"LOCAL_RANK", "1"},
          {"MASTER_ADDR", "node0"},
          {"MASTER_PORT", "29500"}};
}

TEST(WorkerEnvironmentTest, IsWhatTheLauncherSays) {
  Variables variables = launched();
  variables["TORCHELASTIC_RESTART_COUNT"] = "4";
  const WorkerEnvironment alone = read(variables);
  EXPECT_EQ(alone.rank, 2);
  EXPECT_EQ(alone.world, 3);
  EXPECT_EQ(alone.local_rank, 1);
  EXPECT_EQ(alone.master_address, "node0");
  EXPECT_EQ(alone.master_port, 29500);
  EXPECT_FALSE(alone.has_agent_store);
  EXPECT_EQ(alone.restarts, 0);

  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  EXPECT_TRUE(read(variables).has_agent_store);
  EXPECT_EQ(read(variables).restarts, 4);
}

TEST(WorkerEnvironmentTest, NamesWhatIsMissingOrMalformed) {
  const auto error_with = [](const std::string& name, const std::string& value) {
    Variables variables = launched();
    variables[name] = value;
    return error_of([&] { read(variables); });
  };
  const auto error_without = [](const std::string& name) {
    Variables variables = launched();
    variables.erase(name);
    return error_of([&] { read(variables); });
  };
  EXPECT_EQ(error_without("RANK"),
            "worker_environment(): RANK = (not set), expected a rank in [0, 2]");
  EXPECT_EQ(error_without("WORLD_SIZE"),
            "worker_environment(): WORLD_SIZE = (not set), expected a number of workers in "
            "[1, 2147483647]");
  EXPECT_EQ(error_without("LOCAL_RANK"),
            "worker_environment(): LOCAL_RANK = (not set), expected a rank on this machine in "
            "[0, 2]");
  EXPECT_EQ(error_without("MASTER_ADDR"),
            "worker_environment(): MASTER_ADDR = (not set), expected a host's name or address");
  EXPECT_EQ(error_without("MASTER_PORT"),
            "worker_environment(): MASTER_PORT = (not set), expected a port in [1, 65535]");
  EXPECT_EQ(error_with("RANK", "3"),
            "worker_environment(): RANK = \"3\", expected a rank in [0, 2]");
  EXPECT_EQ(error_with("RANK", "-1"),
            "worker_environment(): RANK = \"-1\", expected a rank in [0, 2]");
  EXPECT_EQ(error_with("RANK", "1x"),
            "worker_environment(): RANK = \"1x\", expected a rank in [0, 2]");
  EXPECT_EQ(error_with("RANK", ""),
            "worker_environment(): RANK = (empty), expected a rank in [0, 2]");
  EXPECT_EQ(error_with("WORLD_SIZE", "0"),
            "worker_environment(): WORLD_SIZE = \"0\", expected a number of workers in "
            "[1, 2147483647]");
  EXPECT_EQ(error_with("MASTER_ADDR", ""),
            "worker_environment(): MASTER_ADDR = (empty), expected a host's name or address");
  EXPECT_EQ(error_with("MASTER_PORT", "65536"),
            "worker_environment(): MASTER_PORT = \"65536\", expected a port in [1, 65535]");
  EXPECT_EQ(error_with("MASTER_PORT", "99999999999999999999"),
            "worker_environment(): MASTER_PORT = \"99999999999999999999\", expected a port in "
            "[1, 65535]");
}

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

// --- Workers that are threads of this process ---

using Gloo = c10d::ProcessGroupGloo;

c10::intrusive_ptr<Gloo> make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                   int world, milliseconds timeout) {
  auto options = Gloo::Options::create();
  options->timeout = timeout;
  options->threads = 2;
  options->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
  return c10::make_intrusive<Gloo>(store, rank, world, options);
}

void run_workers(int world, const std::function<void(const Communicator&)>& work,
                 milliseconds timeout = kDefaultTimeout) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < world; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        work(Communicator(make_gloo(store, rank, world, timeout), at::kCPU, timeout));
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << rank << " of " << world << ": " << error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

constexpr std::array kWorlds = {1, 2, 3, 5};

TEST(CommunicatorTest, SumsNumbersOfAllWorkers) {
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      EXPECT_EQ(workers.size(), world);
      const double rank = workers.rank();
      std::vector<double> numbers = {rank, 1, -0.5};
      workers(numbers);
      EXPECT_EQ(numbers,
                (std::vector<double>{world * (world - 1) / 2.0, world * 1.0, world * -0.5}));
      workers(std::span<double>());
      workers.barrier();

      const Shard own = shard(workers);
      EXPECT_EQ(own.rank, static_cast<std::uint64_t>(workers.rank()));
      EXPECT_EQ(own.world, static_cast<std::uint64_t>(world));
    });
  }
}

TEST(CommunicatorTest, SumsTensorsInPlaceWhateverTheirStrides) {
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      const at::Tensor mine = at::arange(6, at::kFloat).view({2, 3}) + workers.rank();
      at::Tensor tensor = workers.rank() == 0 ? mine.t().contiguous().t() : mine.clone();
      workers.all_reduce(tensor);
      const double ranks = world * (world - 1) / 2.0;
      EXPECT_TRUE(tensor.equal(at::arange(6, at::kFloat).view({2, 3}) * world + ranks));

      const at::Tensor integer = at::full({}, std::int64_t{1} << 40, at::kLong);
      workers.all_reduce(integer);
      EXPECT_EQ(integer.item<std::int64_t>(), (std::int64_t{1} << 40) * world);
      const at::Tensor none = at::empty({0, 3});
      workers.all_reduce(none);

      at::Tensor leaf = at::ones({2}).requires_grad_();
      workers.all_reduce(leaf);
      EXPECT_EQ(leaf.sum().item<float>(), 2 * world);
    });
  }
}

// Counts, metrics and partials of shares are, all-reduced, those of all rows.
TEST(CommunicatorTest, MergesCountsAndMetrics) {
  constexpr std::size_t kRows = 101;
  constexpr std::size_t kClasses = 4;
  const CounterRandom random{7};
  std::vector<std::int64_t> labels(kRows);
  std::vector<std::int64_t> predictions(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    labels[i] = static_cast<std::int64_t>(random.below(kClasses, 2 * i, kPurpose));
    predictions[i] = static_cast<std::int64_t>(random.below(kClasses, 2 * i + 1, kPurpose));
  }
  ConfusionMatrix whole(kClasses);
  whole.add(labels, predictions);
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      std::vector<std::int64_t> own_labels;
      std::vector<std::int64_t> own_predictions;
      const Positions own = shard_positions(kRows, 0, shard(workers), Tail::kUneven);
      for (std::uint64_t i = 0; i < own.size; ++i) {
        own_labels.push_back(labels[own[i]]);
        own_predictions.push_back(predictions[own[i]]);
      }
      ClassCounts counts = count_labels(own_labels, kClasses);
      workers.all_reduce(counts);
      EXPECT_EQ(counts, count_labels(labels, kClasses));

      ConfusionMatrix matrix(kClasses);
      matrix.add(own_labels, own_predictions);
      workers.all_reduce(matrix);
      EXPECT_EQ(matrix, whole);
      EXPECT_EQ(matrix.macro_f1(), whole.macro_f1());

      Partial partial{{{1.0 * workers.rank(), 2, 3}, {0, 1, 1}}};
      workers.all_reduce(partial);
      EXPECT_EQ(partial, (Partial{{{world * (world - 1) / 2.0, 2.0 * world, 3.0 * world},
                                   {0, 1.0 * world, 1.0 * world}}}));
    });
  }
}

TEST(CommunicatorTest, GathersScoresAndSumsMetricsByGroup) {
  for (const int world : kWorlds) {
    run_workers(world, [world](const Communicator& workers) {
      LabelScores<float> scores(2);
      LabelScores<float> all(2);
      Grouped<ConfusionMatrix> grouped(2, ConfusionMatrix(2));
      for (int rank = 0; rank < world; ++rank) {
        for (int row = 0; row < rank + 2; ++row) {
          const std::array<float, 2> values = {static_cast<float>(row % 3),
                                               -static_cast<float>(rank)};
          const std::array<int, 1> target = {(row + rank) % 2};
          all.add(MatrixView<const float>(values.data(), 1, 2), target);
          if (rank != workers.rank()) continue;
          scores.add(MatrixView<const float>(values.data(), 1, 2), target);
          grouped.group(static_cast<std::size_t>(row % 2)).add(target[0], 0);
        }
      }
      workers.all_reduce(scores);
      EXPECT_EQ(scores, all);
      workers.all_reduce(grouped);
      EXPECT_EQ(grouped.total().total(), world * (world + 3) / 2);
    });
  }
}

TEST(CommunicatorTest, BroadcastsTensorsOfAnyType) {
  const auto tensors_of = [](double value) {
    std::vector<at::Tensor> tensors;
    for (const at::ScalarType type : {at::kDouble, at::kBool, at::kBFloat16, at::kComplexFloat,
                                      at::kLong, at::kFloat, at::kDouble}) {
      tensors.push_back(at::full({2, 3}, value, at::kDouble).to(type));
    }
    tensors.push_back(at::full({3, 2}, value, at::kDouble).t());
    tensors.push_back(at::full({}, value, at::kFloat));
    tensors.push_back(at::empty({0}));
    return tensors;
  };
  for (const int world : kWorlds) {
    const int root = world - 1;
    run_workers(world, [&](const Communicator& workers) {
      std::vector<at::Tensor> tensors = tensors_of(workers.rank() == root ? 1 : 0);
      tensors[0].requires_grad_();
      workers.broadcast(tensors, root);
      const std::vector<at::Tensor> expected = tensors_of(1);
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        EXPECT_TRUE(tensors[i].equal(expected[i])) << "tensor " << i;
      }
      EXPECT_TRUE(tensors[0].is_leaf());
      workers.broadcast({});
    });
  }
}

// --- Gradients ---

TEST(CommunicatorTest, SumsAndAveragesGradients) {
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      const double ranks = world * (world - 1) / 2.0;
      const auto parameter = [](at::IntArrayRef sizes, at::ScalarType type) {
        return at::zeros(sizes, type).requires_grad_();
      };
      const at::Tensor everywhere = parameter({2, 2}, at::kFloat);
      const at::Tensor at_one = parameter({3}, at::kDouble);  // has one on the last rank alone
      const at::Tensor nowhere = parameter({3}, at::kFloat);
      const at::Tensor twice = parameter({2}, at::kDouble);
      const auto set = [&](at::Tensor tensor, double value) {
        tensor.mutable_grad() = at::full_like(tensor, value);
      };
      const std::vector<at::Tensor> parameters = {everywhere, twice, at_one, nowhere, twice};
      const auto set_all = [&] {
        set(everywhere, workers.rank());
        set(twice, 1);
        at::Tensor(at_one).mutable_grad() = at::Tensor();
        if (workers.rank() == world - 1) set(at_one, 4);
      };

      set_all();
      const at::Tensor alias = everywhere.grad();
      workers.sum_gradients(parameters);
      EXPECT_TRUE(everywhere.grad().equal(at::full({2, 2}, ranks)));
      EXPECT_TRUE(everywhere.grad().is_same(alias)) << "in place";
      EXPECT_TRUE(twice.grad().equal(at::full({2}, world, at::kDouble)));
      EXPECT_TRUE(at_one.grad().equal(at::full({3}, 4, at::kDouble)));
      EXPECT_FALSE(nowhere.grad().defined());

      set_all();
      workers.average_gradients(parameters);
      EXPECT_TRUE(everywhere.grad().equal(at::full({2, 2}, ranks / world)));
      EXPECT_TRUE(twice.grad().equal(at::ones({2}, at::kDouble)));
      expect_close(at_one.grad(), at::full({3}, 4.0 / world, at::kDouble), 1e-15);
      EXPECT_FALSE(nowhere.grad().defined());
      workers.sum_gradients({});
    });
  }
}

TEST(CommunicatorTest, KeepsSparseGradientsSparse) {
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      // Rank r has rows r and 1, the last rank none; `mixed` is dense on rank 0.
      const auto sparse = [](std::vector<std::int64_t> rows) {
        const auto size = static_cast<std::int64_t>(rows.size());
        return at::sparse_coo_tensor(at::tensor(rows, at::kLong).unsqueeze(0),
                                     at::ones({size, 2}, at::kDouble), {6, 2});
      };
      at::Tensor parameter = at::zeros({6, 2}, at::kDouble).requires_grad_();
      at::Tensor mixed = at::zeros({6, 2}, at::kDouble).requires_grad_();
      at::Tensor expected = at::zeros({6, 2}, at::kDouble);
      for (int rank = 0; rank + 1 < world; ++rank) {
        expected += sparse({rank, 1}).to_dense();
      }
      if (workers.rank() + 1 < world) {
        parameter.mutable_grad() = sparse({workers.rank(), 1});
        mixed.mutable_grad() = parameter.grad().clone();
      }
      if (workers.rank() == 0) mixed.mutable_grad() = expected * 0;
      workers.sum_gradients({parameter, mixed});
      if (world == 1) {
        EXPECT_FALSE(parameter.grad().defined());
        return;
      }
      EXPECT_TRUE(parameter.grad().is_sparse());
      EXPECT_TRUE(parameter.grad().to_dense().equal(expected));
      EXPECT_FALSE(mixed.grad().is_sparse());
      EXPECT_TRUE(mixed.grad().equal(expected - sparse({0, 1}).to_dense()));
    });
  }
}

TEST(BucketsTest, HoldTensorsOfOneTypeUpToTheirSize) {
  const std::int64_t half = static_cast<std::int64_t>(detail::Buckets::kBytes / sizeof(float) / 2);
  const std::vector<at::Tensor> tensors = {at::rand({half}), at::rand({half - 1}), at::rand({4, 2}),
                                           at::rand({3}, at::kDouble), at::rand({half})};
  detail::Buckets buckets(tensors, at::kCPU);
  std::vector<std::int64_t> sizes;
  for (const at::Tensor& vector : buckets.vectors()) sizes.push_back(vector.numel());
  // The third tensor fills the first bucket, and the last opens another.
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{2 * half - 1 + 8, 3, half}));
  const std::vector<at::Tensor> copies = buckets.tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) EXPECT_TRUE(copies[i].equal(tensors[i])) << i;
}

TEST(CommunicatorTest, SumsGradientsOfSeveralBuckets) {
  const std::int64_t size = static_cast<std::int64_t>(detail::Buckets::kBytes / sizeof(float)) + 3;
  run_workers(2, [&](const Communicator& workers) {
    std::vector<at::Tensor> parameters;
    for (int i = 0; i < 3; ++i) {
      parameters.push_back(at::zeros({size}).requires_grad_());
      parameters.back().mutable_grad() = at::full({size}, i + 10.0 * workers.rank());
    }
    workers.sum_gradients(parameters);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(parameters[static_cast<std::size_t>(i)].grad().eq(10 + 2 * i).all().item<bool>());
    }
  });
}

// --- Training ---

// Two layers, so that gradients depend on the weights.
struct Net {
  std::vector<at::Tensor> parameters;

  explicit Net(std::uint64_t seed) {
    const CounterRandom random{seed};
    const auto leaf = [&](at::IntArrayRef sizes) {
      const at::Tensor tensor = at::empty(sizes, at::kDouble);
      for (std::int64_t i = 0; i < tensor.numel(); ++i) {
        tensor.view({-1})[i] = random.uniform(static_cast<std::uint64_t>(i), kPurpose) - 0.5;
      }
      return tensor.requires_grad_();
    };
    parameters = {leaf({3, 5}), leaf({5}), leaf({5, 4})};
  }
  at::Tensor forward(const at::Tensor& inputs) const {
    return at::matmul(at::tanh(at::matmul(inputs, parameters[0]) + parameters[1]), parameters[2]);
  }
};

struct Data {
  static constexpr std::size_t kRows = 60;
  static constexpr std::size_t kClasses = 4;
  std::vector<std::int64_t> labels;
  at::Tensor inputs = at::empty({static_cast<std::int64_t>(kRows), 3}, at::kDouble);
  at::Tensor weights = at::empty({static_cast<std::int64_t>(kRows)}, at::kDouble);

  Data() {
    for (std::size_t i = 0; i < kRows; ++i) {
      labels.push_back(i % 7 == 0 ? -100 : static_cast<std::int64_t>(i * i % kClasses));
      const auto row = static_cast<std::int64_t>(i);
      const double x = static_cast<double>(i);
      inputs[row] = at::tensor({std::sin(x), std::cos(1.3 * x), 1.0}, at::kDouble);
      weights[row] = 0.5 + static_cast<double>(i % 3);
    }
  }
  at::Tensor rows(const at::Tensor& tensor, const std::vector<std::int64_t>& which) const {
    return tensor.index_select(0, at::tensor(which, at::kLong));
  }
};

// Losses and weights after some steps. Rows of a step: the same for any number of workers.
struct Trained {
  std::vector<double> losses;
  std::vector<at::Tensor> parameters;
};

template <Reduction R>
Trained train(const Data& data, const R& reduction, const Communicator* workers) {
  constexpr std::uint64_t kBatch = 13;
  constexpr std::uint64_t kSteps = 6;
  const Shard own = workers == nullptr ? Shard{} : shard(*workers);
  SoftmaxLoss<Focal, R> loss;
  loss.reduction = reduction;
  loss.class_weights = {0.5, 1, 2, 3};
  Net net(workers == nullptr ? 1 : static_cast<std::uint64_t>(1 + workers->rank()));
  if (workers != nullptr) workers->broadcast(net.parameters);
  const Permutation order(Data::kRows, CounterRandom{3});
  const at::Tensor labels = at::tensor(data.labels, at::kLong);

  Trained result;
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    const Positions positions = shard_positions(kBatch, step, own, Tail::kUneven);
    std::vector<std::int64_t> which;
    for (std::uint64_t i = 0; i < positions.size; ++i) {
      which.push_back(static_cast<std::int64_t>(order(positions[i] % Data::kRows)));
    }
    const at::Tensor targets = data.rows(labels, which);
    SoftmaxArguments arguments;
    arguments.sample_weights = data.rows(data.weights, which);
    if (workers != nullptr) {
      arguments.denominators =
          sum_over_ranks(softmax_denominators(loss, targets, Data::kClasses, arguments), *workers);
    }
    for (at::Tensor& parameter : net.parameters) parameter.mutable_grad() = at::Tensor();
    const at::Tensor value =
        softmax_loss(net.forward(data.rows(data.inputs, which)), targets, loss, arguments);
    value.backward();
    at::Tensor total = value.detach().clone();
    if (workers != nullptr) {
      workers->sum_gradients(net.parameters);
      workers->all_reduce(total);
    }
    result.losses.push_back(total.item<double>());
    const at::NoGradGuard no_graph;
    for (at::Tensor& parameter : net.parameters) parameter.sub_(parameter.grad(), 0.5);
  }
  result.parameters = net.parameters;
  return result;
}

template <Reduction R>
void expect_same_training(const R& reduction) {
  const Data data;
  const Trained alone = train(data, reduction, nullptr);
  EXPECT_NE(alone.losses.front(), alone.losses.back());
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      const Trained together = train(data, reduction, &workers);
      for (std::size_t step = 0; step < alone.losses.size(); ++step) {
        EXPECT_NEAR(together.losses[step], alone.losses[step], 1e-12) << world << " workers";
      }
      for (std::size_t i = 0; i < alone.parameters.size(); ++i) {
        expect_close(together.parameters[i], alone.parameters[i], 1e-12);
      }
      // Among workers there is no difference at all.
      for (const at::Tensor& own : together.parameters) {
        const at::Tensor first = own.detach().clone();
        workers.broadcast({first});
        EXPECT_TRUE(own.equal(first)) << "rank " << workers.rank() << " of " << world;
      }
    });
  }
}

TEST(TrainingTest, IsThatOfOneProcess) {
  expect_same_training(MeanByCount());
  expect_same_training(MeanByWeight());
  expect_same_training(MeanPerClass{Data::kClasses});
}

// The parts of a step on the core, with a communicator as the AllReduceSum.
TEST(TrainingTest, AccumulatesOverWorkers) {
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      Accumulation step(MeanByWeight{});
      const double own = workers.rank() + 1;
      step.expect(Partial{{{0, own, 1}}});
      step.reduce_expected(workers);
      step.add(Partial{{{3 * own, own, 1}}});
      step.reduce_added(workers);
      EXPECT_DOUBLE_EQ(step.value(), 3.0);
    });
  }
}

// --- What goes wrong ---

TEST(CommunicatorTest, RefusesWhatItCannotTake) {
  EXPECT_EQ(error_of([] { Communicator{c10::intrusive_ptr<Gloo>()}; }),
            "Communicator(): group = null, expected a process group");
  run_workers(2, [](const Communicator& workers) {
    EXPECT_EQ(error_of([&] { workers.broadcast({at::ones({1})}, 2); }),
              "Communicator::broadcast(): root = 2, expected a rank in [0, 2)");
    EXPECT_EQ(error_of([&] {
                workers.broadcast({at::ones({1}), at::Tensor()});
              }),
              "Communicator::broadcast(): tensors[1] = undefined, expected a dense tensor");
    EXPECT_EQ(error_of([&] { workers.all_reduce(at::ones({2}).to_sparse()); }),
              "Communicator::all_reduce(): tensors[0] = sparse, expected a dense tensor");
    EXPECT_EQ(error_of([&] { workers.sum_gradients({at::Tensor()}); }),
              "Communicator::sum_gradients(): parameters[0] = undefined, expected a tensor");
  });
}

// Workers that are out of step are told so, all of them, and can go on.
TEST(CommunicatorTest, RefusesWorkersThatDiffer) {
  run_workers(3, [](const Communicator& workers) {
    const at::Tensor tensor = at::ones({workers.rank() == 1 ? 4 : 2});
    EXPECT_EQ(error_of([&] { workers.all_reduce(tensor); }),
              "Communicator::all_reduce(): rank " + std::to_string(workers.rank()) +
                  (workers.rank() == 1 ? " = {Float[4]" : " = {Float[2]") +
                  "}, expected the same operation, types and shapes on all 3 ranks");
    EXPECT_EQ(tensor.sum().item<float>(), workers.rank() == 1 ? 4 : 2);

    at::Tensor parameter = at::zeros({2}, workers.rank() == 2 ? at::kDouble : at::kFloat);
    parameter.mutable_grad() = at::ones_like(parameter);
    EXPECT_NE(error_of([&] { workers.sum_gradients({parameter}); }).find("sum_gradients"),
              std::string::npos);
    EXPECT_EQ(parameter.grad().sum().item<double>(), 2);

    // Another operation, another root.
    EXPECT_NE(error_of([&] {
                if (workers.rank() == 0) return workers.barrier();
                workers.all_reduce(at::ones({2}));
              }).find("expected the same operation"),
              std::string::npos);
    EXPECT_NE(error_of([&] {
                workers.broadcast({at::ones({2})}, workers.rank());
              }).find("expected the same operation"),
              std::string::npos);

    std::array<double, 1> number = {1};
    workers(number);
    EXPECT_EQ(number[0], 3);
  });
}

// What std::runtime_error says that f throws.
template <class F>
std::string runtime_error_of(const F& f) {
  try {
    f();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

void expect_starts_with(const std::string& text, const std::string& beginning) {
  EXPECT_EQ(text.substr(0, beginning.size()), beginning) << text;
}

// An operation that no other worker takes part in: it throws, and what it was given is unchanged.
void expect_loss_is_reported(const Communicator& workers) {
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

TEST(CommunicatorTest, ReportsAWorkerThatDoesNotTakePart) {
  std::promise<void> reported;
  std::shared_future<void> end = reported.get_future().share();
  run_workers(
      2,
      [&](const Communicator& workers) {
        workers.barrier();
        if (workers.rank() == 1) return end.wait();
        expect_loss_is_reported(workers);
        reported.set_value();
      },
      milliseconds(300));
}

TEST(CommunicatorTest, ReportsAWorkerThatHasGone) {
  run_workers(
      3,
      [&](const Communicator& workers) {
        workers.barrier();
        if (workers.rank() == 1) return;
        expect_loss_is_reported(workers);
      },
      milliseconds(2000));
}

#if TORCH_VERSION_MAJOR >= 2
// LibTorch 2.x tells process groups from the backends that do their work.
TEST(CommunicatorTest, TakesAProcessGroupWithItsBackend) {
  const auto store = c10::make_intrusive<c10d::HashStore>();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      auto group = c10::make_intrusive<c10d::ProcessGroup>(store, rank, 2);
      group->setBackend(at::kCPU, c10d::ProcessGroup::BackendType::GLOO,
                        make_gloo(store, rank, 2, kDefaultTimeout));
      const Communicator workers(group);
      std::array<double, 2> numbers = {1.0 + rank, 5};
      workers(numbers);
      EXPECT_EQ(numbers, (std::array<double, 2>{3, 10}));
      const at::Tensor tensor = at::full({2}, rank, at::kFloat);
      workers.broadcast({tensor}, 1);
      EXPECT_EQ(tensor.sum().item<float>(), 2);
      at::Tensor parameter = at::zeros({4, 1}).requires_grad_();
      parameter.mutable_grad() = at::ones({4, 1}).to_sparse();
      workers.sum_gradients({parameter});
      EXPECT_TRUE(parameter.grad().to_dense().equal(at::full({4, 1}, 2.0)));
    });
  }
  for (std::thread& thread : threads) thread.join();
}
#endif

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
  const Variables variables = {{"RANK", std::to_string(environment.rank)},
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
  EXPECT_EQ(error_of_connect(environment), beginning_of_error(environment) +
                                               "the store there, which the launcher" + end +
                                               TORCH_VERSION);
  WorkerEnvironment other = with_store_at(listener.port(), 1);
  other.has_agent_store = false;
  EXPECT_EQ(error_of_connect(other),
            beginning_of_error(other) + "the store there, which rank 0" + end + TORCH_VERSION);
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
