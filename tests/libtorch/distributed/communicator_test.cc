#include "equipoise/libtorch/distributed/communicator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/version.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/random.h"
#include "equipoise/reduction/reduction.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"
#include "tests/support/workers.h"

namespace equipoise::libtorch {
namespace {

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

#ifdef USE_C10D_GLOO

using std::chrono::milliseconds;
using testing::error_of;
using testing::expect_close;
using testing::expect_loss_is_reported;
using testing::kWorlds;
using testing::make_gloo;
using testing::run_workers;

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

      const sampling::Shard own = shard(workers);
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
  constexpr std::uint32_t kPurpose = 0x7e57;
  constexpr std::size_t kRows = 101;
  constexpr std::size_t kClasses = 4;
  const CounterRandom random{7};
  std::vector<std::int64_t> labels(kRows);
  std::vector<std::int64_t> predictions(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    labels[i] = static_cast<std::int64_t>(random.below(kClasses, 2 * i, kPurpose));
    predictions[i] = static_cast<std::int64_t>(random.below(kClasses, 2 * i + 1, kPurpose));
  }
  metrics::ConfusionMatrix whole(kClasses);
  whole.add(labels, predictions);
  for (const int world : kWorlds) {
    run_workers(world, [&](const Communicator& workers) {
      std::vector<std::int64_t> own_labels;
      std::vector<std::int64_t> own_predictions;
      const sampling::Positions own =
          sampling::shard_positions(kRows, 0, shard(workers), sampling::Tail::kUneven);
      for (std::uint64_t i = 0; i < own.size; ++i) {
        own_labels.push_back(labels[own[i]]);
        own_predictions.push_back(predictions[own[i]]);
      }
      ClassCounts counts = count_labels(own_labels, kClasses);
      workers.all_reduce(counts);
      EXPECT_EQ(counts, count_labels(labels, kClasses));

      metrics::ConfusionMatrix matrix(kClasses);
      matrix.add(own_labels, own_predictions);
      workers.all_reduce(matrix);
      EXPECT_EQ(matrix, whole);
      EXPECT_EQ(matrix.macro_f1(), whole.macro_f1());

      LossPartial partial{{{1.0 * workers.rank(), 2, 3}, {0, 1, 1}}};
      workers.all_reduce(partial);
      EXPECT_EQ(partial, (LossPartial{{{world * (world - 1) / 2.0, 2.0 * world, 3.0 * world},
                                       {0, 1.0 * world, 1.0 * world}}}));
    });
  }
}

TEST(CommunicatorTest, GathersScoresAndSumsMetricsByGroup) {
  for (const int world : kWorlds) {
    run_workers(world, [world](const Communicator& workers) {
      metrics::LabelScores<float> scores(2);
      metrics::LabelScores<float> all(2);
      metrics::Grouped<metrics::ConfusionMatrix> grouped(2, metrics::ConfusionMatrix(2));
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

// --- What goes wrong ---

TEST(CommunicatorTest, RefusesWhatItCannotTake) {
  EXPECT_EQ(error_of([] { Communicator{c10::intrusive_ptr<c10d::ProcessGroupGloo>()}; }),
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

#endif  // USE_C10D_GLOO

}  // namespace
}  // namespace equipoise::libtorch
