#include "equipoise/sampling/stream.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace equipoise::sampling {
namespace {

struct Identity {
  std::uint64_t salt = 0;
  std::size_t operator[](std::uint64_t t) const { return static_cast<std::size_t>(t); }
  std::uint64_t seed() const { return 5; }
  std::uint64_t epoch_size() const { return 10; }
  std::uint64_t fingerprint() const { return salt; }
};
static_assert(IndexStream<Identity>);
static_assert(!IndexStream<std::vector<int>>);

TEST(ShardPositionsTest, ByHand) {
  // Ten positions for four workers.
  EXPECT_EQ(shard_positions(10, 0, {1, 4}, Tail::kExtend), (Positions{1, 4, 3}));
  EXPECT_EQ(shard_positions(10, 2, {1, 4}, Tail::kExtend), (Positions{25, 4, 3}));
  EXPECT_EQ(shard_positions(10, 2, {1, 4}, Tail::kDrop), (Positions{21, 4, 2}));
  EXPECT_EQ(shard_positions(10, 2, {1, 4}, Tail::kUneven), (Positions{21, 4, 3}));
  EXPECT_EQ(shard_positions(10, 2, {2, 4}, Tail::kUneven), (Positions{22, 4, 2}));
  EXPECT_EQ(shard_positions(2, 0, {3, 4}, Tail::kUneven).size, 0u);
  EXPECT_EQ(shard_positions(2, 0, {0, 4}, Tail::kDrop).size, 0u);
  EXPECT_EQ(shard_positions(0, 3, {0, 4}, Tail::kExtend).size, 0u);
}

// No position is taken twice, none is missed, and nobody waits for others except by the tail's
// rule.
TEST(ShardPositionsTest, ShardsAreDisjointAndComplete) {
  constexpr std::uint64_t kEpochs = 3;
  for (const std::uint64_t size : {1u, 7u, 50u, 97u}) {
    for (std::uint64_t world = 1; world <= 50; ++world) {
      for (const Tail tail : {Tail::kExtend, Tail::kDrop, Tail::kUneven}) {
        const std::uint64_t extended = (size + world - 1) / world * world;
        std::vector<int> taken((extended + size) * kEpochs);
        for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
          for (std::uint64_t rank = 0; rank < world; ++rank) {
            const Positions positions = shard_positions(size, epoch, {rank, world}, tail);
            for (std::uint64_t i = 0; i < positions.size; ++i) ++taken[positions[i]];
            const std::uint64_t least = (tail == Tail::kExtend ? extended : size) / world;
            EXPECT_GE(positions.size, least);
            EXPECT_LE(positions.size, least + (tail == Tail::kUneven ? 1 : 0));
          }
        }
        for (std::uint64_t t = 0; t < taken.size(); ++t) {
          const bool due = tail == Tail::kExtend ? t < kEpochs * extended
                           : tail == Tail::kUneven
                               ? t < kEpochs * size
                               : t < kEpochs * size && t % size < size / world * world;
          ASSERT_EQ(taken[t], due ? 1 : 0) << "position " << t << ", " << world << " workers";
        }
      }
    }
  }
}

template <class F>
std::string message_of(const F& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no exception";
}

TEST(ShardPositionsTest, RefusesImpossibleShards) {
  EXPECT_EQ(message_of([] {
              shard_positions(10, 0, {0, 0});
            }),
            "shard_positions(): shard.world = 0, expected at least 1");
  EXPECT_EQ(message_of([] {
              shard_positions(10, 0, {4, 4});
            }),
            "shard_positions(): shard.rank = 4, expected a rank in [0, 4)");
}

TEST(CursorTest, ResumesOnlyTheSameStream) {
  const Cursor cursor = cursor_at(Identity{3}, 17);
  EXPECT_EQ(cursor, (Cursor{5, 17, 3}));
  EXPECT_EQ(resume(Identity{3}, cursor), 17u);
  EXPECT_EQ(
      message_of([&] { resume(Identity{4}, cursor); }),
      "resume(): cursor.fingerprint = 3, expected 4: labels, weights or options are not those "
      "the cursor was taken with");
  EXPECT_EQ(message_of([&] {
              resume(Identity{3}, Cursor{6, 17, 3});
            }),
            "resume(): cursor.seed = 6, expected the seed of the stream, 5");
}

TEST(FingerprintTest, DependsOnValuesOrderAndLength) {
  const auto digest = [](const std::vector<std::uint64_t>& values) {
    return detail::Fingerprint().add_all(values).value();
  };
  EXPECT_EQ(digest({1, 2, 3}), digest({1, 2, 3}));
  EXPECT_NE(digest({1, 2, 3}), digest({1, 3, 2}));
  EXPECT_NE(digest({1, 2}), digest({1, 2, 0}));
  EXPECT_NE(digest({}), digest({0}));
}

}  // namespace
}  // namespace equipoise::sampling
