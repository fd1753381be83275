#include "equipoise/sampling/balanced_batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

static_assert(IndexStream<BalancedBatchSampler>);

// Class c has c + 1 rows, but class 3 none.
std::vector<std::int64_t> some_labels(std::int64_t classes) {
  std::vector<std::int64_t> labels;
  for (std::int64_t c = 0; c < classes; ++c) {
    for (std::int64_t i = 0; i <= c && c != 3; ++i) labels.push_back(c);
  }
  return labels;
}

TEST(BalancedBatchSampler, BatchesHaveDistinctClassesWithEquallyManyRows) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const auto classes = static_cast<std::int64_t>(5 + random() % 10);
    const std::vector<std::int64_t> labels = some_labels(classes);
    const std::uint64_t per_batch = 1 + random() % static_cast<std::uint64_t>(classes - 1);
    const std::uint64_t rows_per_class = 1 + random() % 4;
    const BalancedBatchSampler sampler(
        labels, static_cast<std::size_t>(classes), random(),
        {per_batch, rows_per_class, random() % 2 == 0, 0, std::nullopt});
    EXPECT_EQ(sampler.epoch_size() % sampler.batch_size(), 0u);
    for (std::uint64_t batch = 0; batch < 20; ++batch) {
      std::map<std::int64_t, std::vector<std::size_t>> rows;
      for (std::uint64_t i = 0; i < sampler.batch_size(); ++i) {
        const std::size_t row = sampler[batch * sampler.batch_size() + i];
        rows[labels[row]].push_back(row);
      }
      EXPECT_EQ(rows.size(), per_batch);
      for (const auto& [label, own] : rows) EXPECT_EQ(own.size(), rows_per_class) << label;
    }
  }
}

// In a round of batches that has room for all classes each of them comes once, and in n_c rounds
// each row of a class M times.
TEST(BalancedBatchSampler, ClassesAndRowsTakeTurns) {
  const std::vector<std::int64_t> labels = some_labels(7);  // six classes with rows
  const BalancedBatchSampler sampler(labels, 7, 5, {3, 2});
  std::vector<int> seen(labels.size());
  const std::uint64_t rounds = 7 * 6 * 5 * 4 * 3;  // a multiple of all sizes
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::set<std::int64_t> classes;
    for (std::uint64_t i = 0; i < 12; ++i) {
      const std::size_t row = sampler[12 * round + i];
      classes.insert(labels[row]);
      ++seen[row];
    }
    ASSERT_EQ(classes.size(), 6u);
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    EXPECT_EQ(seen[i], 2 * static_cast<int>(rounds) / static_cast<int>(labels[i] + 1));
  }
}

// Four classes, three a batch: each is left out equally often, and equally often at each slot.
TEST(BalancedBatchSampler, EveryClassIsEquallyLikelyAtEverySlot) {
  const std::vector<std::int64_t> labels = {0, 1, 2, 3};
  const BalancedBatchSampler sampler(labels, 4, 11, {3, 1});
  constexpr std::uint64_t kBatches = 30000;
  std::vector<std::uint64_t> seen(12);
  for (std::uint64_t t = 0; t < 3 * kBatches; ++t) ++seen[sampler[t] * 3 + t % 3];
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(12, kBatches / 4.0), 3), kImplausible);
}

TEST(BalancedBatchSampler, FillEqualsSingleDraws) {
  const BalancedBatchSampler sampler(some_labels(9), 9, 3, {4, 3});
  for (const std::uint64_t stride : {1u, 5u}) {
    std::vector<std::int64_t> rows(150);
    sampler.fill(77, rows, stride);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_EQ(static_cast<std::size_t>(rows[i]), sampler[77 + i * stride]);
    }
  }
}

TEST(BalancedBatchSampler, WithoutShufflingClassesComeOneAfterTheOther) {
  const std::vector<std::int64_t> labels = some_labels(6);
  const BalancedBatchSampler sampler(labels, 6, 3, {2, 3, false});
  for (std::uint64_t t = 0; t < 60; t += 3) {
    EXPECT_EQ(labels[sampler[t]], labels[sampler[t + 1]]);
    EXPECT_EQ(labels[sampler[t]], labels[sampler[t + 2]]);
  }
}

TEST(BalancedBatchSampler, DrawsTheSameRowsEverywhere) {
  const BalancedBatchSampler sampler(some_labels(6), 6, 12345, {3, 4});
  std::vector<std::int64_t> rows(12);
  sampler.fill(1200, rows);
  EXPECT_THAT(rows, ElementsAre(4, 4, 0, 0, 0, 1, 0, 3, 2, 1, 2, 3));
  EXPECT_EQ(sampler.fingerprint(), 12314607814631145379u);
}

TEST(BalancedBatchSamplerErrors, NameTheOption) {
  const std::vector<int> labels = {0, 0, 2};
  const auto message = [&](const BalancedBatchOptions& options) {
    return error_of([&] { BalancedBatchSampler(labels, 3, 1, options); });
  };
  EXPECT_EQ(message({3, 1}),
            "BalancedBatchSampler(): options.classes_per_batch = 3, expected 1 to 2 (classes with "
            "rows)");
  EXPECT_EQ(message({0, 1}),
            "BalancedBatchSampler(): options.classes_per_batch = 0, expected 1 to 2 (classes with "
            "rows)");
  EXPECT_EQ(message({1, 0}),
            "BalancedBatchSampler(): options.rows_per_class = 0, expected 1 to 2^31");
  EXPECT_EQ(error_of([&] {
              BalancedBatchSampler(labels, 2, 1, {1, 1});
            }),
            "BalancedBatchSampler(): labels[2] = 2, expected a class in [0, 2)");
}

}  // namespace
}  // namespace equipoise::sampling
