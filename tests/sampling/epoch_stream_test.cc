#include "equipoise/sampling/epoch_stream.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace equipoise::sampling {
namespace {

// Epoch e is e, e + 1, …, e + size - 1. Counts how many lists it has made.
struct Counting {
  std::uint64_t size = 5;
  std::shared_ptr<int> made = std::make_shared<int>(0);

  std::vector<std::int64_t> operator()(std::uint64_t epoch) const {
    ++*made;
    std::vector<std::int64_t> rows(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(epoch + i);
    return rows;
  }
  std::uint64_t seed() const { return 3; }
  std::uint64_t epoch_size() const { return size; }
  std::uint64_t fingerprint() const { return 99; }
};
static_assert(EpochRule<Counting> && IndexStream<EpochStream<Counting>>);

TEST(EpochStream, IsTheListsOneAfterTheOther) {
  const EpochStream stream{Counting{}};
  for (std::uint64_t t = 0; t < 40; ++t) EXPECT_EQ(stream[t], t / 5 + t % 5) << t;
  EXPECT_EQ(stream.seed(), 3U);
  EXPECT_EQ(stream.epoch_size(), 5U);
  EXPECT_EQ(stream.fingerprint(), 99U);
}

TEST(EpochStream, FillsWhatItDraws) {
  const EpochStream stream{Counting{}};
  for (const std::uint64_t stride : {1U, 2U, 3U, 7U}) {
    std::vector<std::int64_t> out(23);
    stream.fill(4, out, stride);
    for (std::size_t i = 0; i < out.size(); ++i) {
      EXPECT_EQ(static_cast<std::size_t>(out[i]), stream[4 + i * stride]) << stride << " " << i;
    }
  }
  stream.fill(0, {});
}

TEST(EpochStream, MakesAListOnceForAllCopies) {
  const Counting rule;
  const EpochStream stream(rule);
  const EpochStream copy = stream;  // NOLINT(performance-unnecessary-copy-initialization)
  for (std::uint64_t t = 0; t < 5; ++t) EXPECT_EQ(stream[t], copy[t]);
  EXPECT_EQ(*rule.made, 1);
  EXPECT_EQ(copy[5], 1U);
  EXPECT_EQ(*rule.made, 2);
  EXPECT_EQ(stream[4], 4U);
  EXPECT_EQ(*rule.made, 3);
}

TEST(EpochStream, IsTheSameForSeveralThreads) {
  const EpochStream stream{Counting{.size = 50}};
  std::vector<std::vector<std::int64_t>> drawn(4, std::vector<std::int64_t>(1000));
  std::vector<std::thread> threads;
  threads.reserve(drawn.size());
  for (std::vector<std::int64_t>& out : drawn) {
    threads.emplace_back([&] {
      for (std::size_t t = 0; t < out.size(); ++t) out[t] = static_cast<std::int64_t>(stream[t]);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<std::int64_t>& out : drawn) EXPECT_EQ(out, drawn[0]);
}

}  // namespace
}  // namespace equipoise::sampling
