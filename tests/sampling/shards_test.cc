// Many workers of one stream, simulated in one process: what each would draw, epoch by epoch.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "equipoise/random.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/stream.h"

namespace equipoise::sampling {
namespace {

constexpr std::uint64_t kWorlds[] = {1,  2,  3,   4,   5,   7,   8,   16,
                                     31, 64, 100, 127, 256, 500, 999, 1000};
constexpr Tail kTails[] = {Tail::kExtend, Tail::kDrop, Tail::kUneven};

// The length of an epoch for all workers together, as the enumeration has it, by repeated
// subtraction.
std::uint64_t length_by_rule(std::uint64_t size, std::uint64_t world, Tail tail) {
  std::uint64_t rounds = 0;
  std::uint64_t rest = size;
  for (; rest >= world; rest -= world) ++rounds;
  if (tail == Tail::kUneven || rest == 0) return size;
  return (tail == Tail::kExtend ? rounds + 1 : rounds) * world;
}

// The positions that all workers take in epoch e, each from its own call, in order.
std::vector<std::uint64_t> positions_of_all(std::uint64_t size, std::uint64_t epoch,
                                            std::uint64_t world, Tail tail) {
  std::vector<std::uint64_t> taken;
  for (std::uint64_t rank = 0; rank < world; ++rank) {
    const Positions own = shard_positions(size, epoch, {rank, world}, tail);
    for (std::uint64_t i = 0; i < own.size; ++i) taken.push_back(own[i]);
  }
  std::sort(taken.begin(), taken.end());
  return taken;
}

std::vector<std::uint64_t> range(std::uint64_t begin, std::uint64_t size) {
  std::vector<std::uint64_t> result(size);
  for (std::uint64_t i = 0; i < size; ++i) result[i] = begin + i;
  return result;
}

// In every epoch the shards are disjoint, together a range without a gap, and as long as the tail's
// rule says; epochs follow one another.
TEST(ShardsTest, AreDisjointCompleteAndOfTheirLengths) {
  constexpr std::uint64_t kEpochs = 4;
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{64}, std::uint64_t{999},
                                   std::uint64_t{1000}, std::uint64_t{2503}}) {
    for (const std::uint64_t world : kWorlds) {
      for (const Tail tail : kTails) {
        SCOPED_TRACE(::testing::Message() << size << " positions, " << world << " workers, tail "
                                          << static_cast<int>(tail));
        const std::uint64_t length = length_by_rule(size, world, tail);
        std::uint64_t begin = 0;
        for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
          ASSERT_EQ(positions_of_all(size, epoch, world, tail), range(begin, length));
          begin += tail == Tail::kExtend ? length : size;
        }
        for (std::uint64_t rank = 0; rank < world; ++rank) {
          const std::uint64_t more = rank < length % world ? 1 : 0;
          ASSERT_EQ(shard_positions(size, 1, {rank, world}, tail).size, length / world + more);
        }
      }
    }
  }
}

// With equally long shards the workers' steps of b positions each are, together, consecutive
// batches of world * b positions of the stream.
TEST(ShardsTest, StepsAreBatchesOfTheStream) {
  constexpr std::uint64_t kBatch = 3;
  for (const std::uint64_t world : kWorlds) {
    const std::uint64_t size = world * kBatch * 4;
    for (std::uint64_t step = 0; step < 4; ++step) {
      std::vector<std::uint64_t> batch;
      for (std::uint64_t rank = 0; rank < world; ++rank) {
        const Positions own = shard_positions(size, 0, {rank, world});
        for (std::uint64_t i = 0; i < kBatch; ++i) batch.push_back(own[step * kBatch + i]);
      }
      std::sort(batch.begin(), batch.end());
      ASSERT_EQ(batch, range(step * kBatch * world, kBatch * world)) << world << " workers";
    }
  }
}

ClassSampler stream_of_classes(Mode mode) {
  std::vector<int> labels;
  for (int i = 0; i < 700; ++i) labels.push_back(i % 10 == 0 ? 1 : i % 70 == 1 ? 2 : 0);
  const std::vector<double> proportions = {1, 1, 1};
  return ClassSampler(labels, proportions, 11, {mode, 0, 0, std::nullopt});
}

// Workers draw what one process would, whichever way they draw: alone or in batches.
TEST(ShardsTest, WorkersDrawWhatOneProcessDraws) {
  for (const Mode mode : {Mode::kIndependent, Mode::kExactQuota}) {
    const ClassSampler stream = stream_of_classes(mode);
    for (const std::uint64_t world : kWorlds) {
      for (const Tail tail : kTails) {
        const std::uint64_t begin = shard_positions(stream.epoch_size(), 2, {0, world}, tail).begin;
        const std::uint64_t length = length_by_rule(stream.epoch_size(), world, tail);
        std::vector<std::int64_t> alone(length);
        stream.fill(begin, alone);
        std::vector<std::int64_t> together(length, -1);
        for (std::uint64_t rank = 0; rank < world; ++rank) {
          const Positions own = shard_positions(stream.epoch_size(), 2, {rank, world}, tail);
          std::vector<std::int64_t> drawn(own.size);
          stream.fill(own.begin, drawn, own.stride);
          for (std::uint64_t i = 0; i < own.size; ++i) together[own[i] - begin] = drawn[i];
        }
        ASSERT_EQ(together, alone) << world << " workers, tail " << static_cast<int>(tail);
      }
    }
  }
}

// A run that is ended and resumed, again and again, by another number of workers each time:
// together they draw the stream from its start, nothing twice, nothing left out. A checkpoint is
// the place that all have reached, after whole steps of all.
TEST(ShardsTest, AnotherNumberOfWorkersGoesOnWithTheStream) {
  const ClassSampler stream = stream_of_classes(Mode::kExactQuota);
  const CounterRandom random{5};
  constexpr std::uint32_t kPurpose = 0x7e57;
  for (std::uint64_t run = 0; run < 50; ++run) {
    Cursor checkpoint = cursor_at(stream, 0);
    std::vector<std::size_t> drawn;
    for (std::uint64_t part = 0; part < 6; ++part) {
      const std::uint64_t draw = 2 * (6 * run + part);
      const std::uint64_t world = kWorlds[random.below(std::size(kWorlds), draw, kPurpose)];
      const std::uint64_t steps = 1 + random.below(5, draw + 1, kPurpose);
      const std::uint64_t begin = resume(stream, checkpoint);
      std::vector<std::pair<std::uint64_t, std::size_t>> rows;
      for (std::uint64_t rank = 0; rank < world; ++rank) {
        for (std::uint64_t step = 0; step < steps; ++step) {
          const std::uint64_t t = begin + rank + step * world;
          rows.emplace_back(t, stream[t]);
        }
      }
      std::sort(rows.begin(), rows.end());
      for (const auto& [position, row] : rows) drawn.push_back(row);
      checkpoint = cursor_at(stream, begin + steps * world);
    }
    ASSERT_EQ(checkpoint.position, drawn.size());
    for (std::uint64_t t = 0; t < drawn.size(); ++t) ASSERT_EQ(drawn[t], stream[t]) << t;
  }
}

}  // namespace
}  // namespace equipoise::sampling
