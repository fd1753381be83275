#include "equipoise/sampling/class_resampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "equipoise/sampling/target_counts.h"
#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

static_assert(IndexStream<ClassResampler>);

std::vector<std::int64_t> some_labels() {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 40; ++i) labels.push_back(i % 10 == 3 ? 2 : i % 4 == 0 ? 1 : 0);
  return labels;
}

// Over- and undersampling over random labels: every epoch holds each class's target, and in any
// number of epochs two rows of a class differ by at most one in how often they came.
TEST(ClassResampler, EpochsHoldTheirTargetsAndRowsTakeTurns) {
  std::mt19937_64 random(1);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t classes = 1 + random() % 5;
    std::vector<std::int64_t> labels(classes + random() % 60);
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<std::int64_t>(i < classes ? i : random() % classes);
    }
    std::vector<std::uint64_t> targets(classes);
    for (std::uint64_t& target : targets) target = random() % 50;
    targets[0] += 1;
    const ClassResampler sampler(labels, targets, random());
    std::vector<std::uint64_t> seen(labels.size());
    std::uint64_t t = 0;
    for (int epoch = 0; epoch < 4; ++epoch) {
      std::vector<std::uint64_t> of_class(classes);
      for (std::uint64_t i = 0; i < sampler.epoch_size(); ++i, ++t) {
        const std::size_t row = sampler[t];
        ++seen[row];
        ++of_class[static_cast<std::size_t>(labels[row])];
      }
      EXPECT_EQ(of_class, targets);
    }
    for (std::size_t c = 0; c < classes; ++c) {
      std::uint64_t least = UINT64_MAX;
      std::uint64_t most = 0;
      for (std::size_t i = 0; i < labels.size(); ++i) {
        if (labels[i] != static_cast<std::int64_t>(c)) continue;
        least = std::min(least, seen[i]);
        most = std::max(most, seen[i]);
      }
      EXPECT_LE(most - least, 1u);
    }
  }
}

TEST(ClassResampler, FillEqualsSingleDrawsFromAnyPosition) {
  const std::vector<std::uint64_t> targets = {5, 30, 30};
  const ClassResampler sampler(some_labels(), targets, 3);
  for (const std::uint64_t stride : {1u, 3u}) {
    for (const std::uint64_t begin : {0u, 7u, 64u, 1000u}) {
      std::vector<std::int64_t> rows(200);
      sampler.fill(begin, rows, stride);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        ASSERT_EQ(static_cast<std::size_t>(rows[i]), sampler[begin + i * stride]);
      }
    }
  }
}

// Undersampling one row of four: each is the one equally often over seeds, and at every slot.
TEST(ClassResampler, EveryRowAndSlotIsEquallyLikely) {
  const std::vector<std::int64_t> labels = {0, 1, 1, 1, 1, 0};
  const std::vector<std::uint64_t> targets = {2, 1};
  constexpr std::uint64_t kSeeds = 30000;
  std::vector<std::uint64_t> seen(4 * 3);
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const ClassResampler sampler(labels, targets, seed);
    for (std::uint64_t slot = 0; slot < 3; ++slot) {
      const std::size_t row = sampler[slot];
      if (labels[row] == 1) ++seen[(row - 1) * 3 + slot];
    }
  }
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(12, kSeeds / 12.0)), kImplausible);
}

// The sequence is part of the interface: a checkpoint of today goes on tomorrow.
TEST(ClassResampler, DrawsTheSameRowsEverywhere) {
  const std::vector<std::uint64_t> targets = {2, 4, 6};
  const ClassResampler sampler(some_labels(), targets, 12345);
  std::vector<std::int64_t> rows(12);
  sampler.fill(1000, rows);
  EXPECT_THAT(rows, ElementsAre(32, 23, 3, 33, 16, 21, 8, 23, 0, 36, 24, 20));
  EXPECT_EQ(sampler.fingerprint(), 2785160971174237219u);
}

TEST(ClassResampler, FingerprintsTellLabelsAndTargetsApart) {
  std::vector<std::int64_t> labels = some_labels();
  const std::vector<std::uint64_t> targets = {2, 4, 6};
  const std::vector<std::uint64_t> others = {2, 6, 4};
  const std::uint64_t digest = ClassResampler(labels, targets, 1).fingerprint();
  EXPECT_EQ(ClassResampler(labels, targets, 2).fingerprint(), digest);
  EXPECT_NE(ClassResampler(labels, others, 1).fingerprint(), digest);
  std::swap(labels[0], labels[1]);
  EXPECT_NE(ClassResampler(labels, targets, 1).fingerprint(), digest);
}

TEST(ClassResampler, LeavesIgnoredRowsAndEmptyClassesOut) {
  const std::vector<int> labels = {0, -100, 2, 2};
  const std::vector<std::uint64_t> targets = {3, 0, 1};
  const ClassResampler sampler(labels, targets, 1, {.ignore_index = -100});
  std::map<std::size_t, int> seen;
  for (std::uint64_t t = 0; t < 8; ++t) ++seen[sampler[t]];
  EXPECT_EQ(seen, (std::map<std::size_t, int>{{0, 6}, {2, 1}, {3, 1}}));
}

// Its rows are those of the stream's first epoch, class by class.
TEST(Resample, IsTheFirstEpochInClassOrder) {
  std::mt19937_64 random(2);
  for (int repeat = 0; repeat < 100; ++repeat) {
    std::vector<std::int64_t> labels = some_labels();
    std::shuffle(labels.begin(), labels.end(), random);
    const std::vector<std::uint64_t> targets = {random() % 60, 1 + random() % 60, random() % 60};
    const std::uint64_t seed = random();
    std::vector<std::int64_t> rows = resample(labels, targets, seed);
    std::vector<std::int64_t> classes;
    for (const std::int64_t row : rows) classes.push_back(labels[static_cast<std::size_t>(row)]);
    EXPECT_TRUE(std::is_sorted(classes.begin(), classes.end()));
    const ClassResampler sampler(labels, targets, seed);
    std::vector<std::int64_t> expected(rows.size());
    sampler.fill(0, expected);
    std::sort(rows.begin(), rows.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(rows, expected);
  }
}

TEST(ClassResamplerErrors, NameWhatIsWrong) {
  const std::vector<int> labels = {0, 0, 2};
  const auto message = [&](const std::vector<std::uint64_t>& targets) {
    return error_of([&] { ClassResampler(labels, targets, 1); });
  };
  EXPECT_EQ(message({1, 1, 1}),
            "ClassResampler(): targets[1] = 1, expected 0, for no row has this class");
  EXPECT_EQ(message({0, 0, 0}), "ClassResampler(): sum of targets = 0, expected at least 1");
  EXPECT_EQ(message({1, 1}), "ClassResampler(): labels[2] = 2, expected a class in [0, 2)");
  EXPECT_EQ(message({UINT64_MAX, 0, 1}),
            "ClassResampler(): targets[0] = 18446744073709551615, expected fewer than 2^62 rows of "
            "all classes");
  EXPECT_EQ(error_of([&] { resample(labels, std::vector<std::uint64_t>{}, 1); }),
            "resample(): labels[0] = 0, expected a class in [0, 0)");
}

}  // namespace
}  // namespace equipoise::sampling
