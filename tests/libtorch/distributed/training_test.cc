// Training runs of several workers: with a communicator they are those of one process.
#include "equipoise/libtorch/distributed/communicator.h"  // first, as in every test of LibTorch
//
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/random.h"
#include "equipoise/reduction/accumulated_step.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/sampling/stream.h"
#include "tests/support/libtorch_losses.h"
#include "tests/support/tensors.h"
#include "tests/support/workers.h"

namespace equipoise::libtorch {
namespace {

#ifdef USE_C10D_GLOO

using testing::expect_close;
using testing::kWorlds;
using testing::run_workers;

constexpr std::uint32_t kPurpose = 0x7e57;

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

template <LossReduction R>
Trained train(const Data& data, const R& reduction, const Communicator* workers) {
  constexpr std::uint64_t kBatch = 13;
  constexpr std::uint64_t kSteps = 6;
  const sampling::Shard own = workers == nullptr ? sampling::Shard{} : shard(*workers);
  SoftmaxLoss<Focal, R> loss;
  loss.reduction = reduction;
  loss.class_weights = {0.5, 1, 2, 3};
  Net net(workers == nullptr ? 1 : static_cast<std::uint64_t>(1 + workers->rank()));
  if (workers != nullptr) workers->broadcast(net.parameters);
  const RandomPermutation order(Data::kRows, CounterRandom{3});
  const at::Tensor labels = at::tensor(data.labels, at::kLong);

  Trained result;
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    const sampling::Positions positions =
        sampling::shard_positions(kBatch, step, own, sampling::Tail::kUneven);
    std::vector<std::int64_t> which;
    for (std::uint64_t i = 0; i < positions.size; ++i) {
      which.push_back(static_cast<std::int64_t>(order(positions[i] % Data::kRows)));
    }
    const at::Tensor targets = data.rows(labels, which);
    LossArguments arguments;
    arguments.sample_weights = data.rows(data.weights, which);
    if (workers != nullptr) {
      arguments.denominators =
          sum_over_ranks(denominators(loss, targets, Data::kClasses, arguments), *workers);
    }
    for (at::Tensor& parameter : net.parameters) parameter.mutable_grad() = at::Tensor();
    const at::Tensor value =
        libtorch::value(loss, net.forward(data.rows(data.inputs, which)), targets, arguments);
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

template <LossReduction R>
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
      AccumulatedStep step(MeanByWeight{});
      const double own = workers.rank() + 1;
      step.expect(LossPartial{{{0, own, 1}}});
      step.reduce_expected(workers);
      step.add(LossPartial{{{3 * own, own, 1}}});
      step.reduce_added(workers);
      EXPECT_DOUBLE_EQ(step.value(), 3.0);
    });
  }
}

#endif  // USE_C10D_GLOO

}  // namespace
}  // namespace equipoise::libtorch
