#include "equipoise/sampling/scheduled_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "equipoise/mix.h"
#include "equipoise/sampling/realised_counts.h"
#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::error_of;
using testing::kImplausible;

using Labels = std::vector<std::int64_t>;

Labels labels_of(const std::vector<int>& counts) {
  Labels labels;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    labels.insert(labels.end(), static_cast<std::size_t>(counts[c]), static_cast<std::int64_t>(c));
  }
  return labels;
}

// From the data's own mix to a balanced one in 1000 draws.
struct Progressive {
  std::vector<double> counts;

  std::vector<double> operator()(std::uint64_t t) const {
    const double progress = std::min(static_cast<double>(t) / 1000, 1.0);
    return mix(counts, ProgressiveMix{.progress = progress});
  }
};

struct Constant {
  std::vector<double> masses;
  std::vector<double> operator()(std::uint64_t) const { return masses; }
};

static_assert(IndexStream<ScheduledSampler<Progressive>>);

TEST(ScheduledSampler, WindowsFollowTheSchedule) {
  const Labels labels = labels_of({90, 10});
  const ScheduledSampler sampler(labels, 2, Progressive{{90, 10}}, 1,
                                 {.epoch_size = 1000, .window = 100});
  // The rare share at 0, 100, ..., 1000 is .1, .14, ..., .5: whole numbers of 100 draws.
  for (std::uint64_t w = 0; w <= 10; ++w) {
    const auto rare = static_cast<double>(10 + 4 * w);
    const ClassCounts counts = realised_counts(sampler, labels, 2, 100 * w, 100);
    // The schedule is rounded to double, and so may be the share of a window.
    EXPECT_NEAR(counts[1], rare, 1);
    EXPECT_THAT(
        sampler.window_counts(100 * w + 99),
        ElementsAre(static_cast<std::uint64_t>(counts[0]), static_cast<std::uint64_t>(counts[1])));
  }
  EXPECT_NEAR(realised_counts(sampler, labels, 2, 5000, 100)[1], 50, 1);
}

// Each window gives a class floor or ceil of its share, and that on average.
TEST(ScheduledSampler, WindowsAreFloorOrCeilOfTheirShare) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<int> counts(1 + random() % 6);
    std::vector<double> masses(counts.size());
    double sum = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      counts[c] = 1 + static_cast<int>(random() % 20);
      masses[c] = static_cast<double>(1 + random() % 50);
      sum += masses[c];
    }
    const std::uint64_t window = 1 + random() % 40;
    const ScheduledSampler sampler(labels_of(counts), counts.size(), Constant{masses}, random(),
                                   {.window = window});
    constexpr std::uint64_t kWindows = 200;
    std::vector<double> drawn(counts.size());
    for (std::uint64_t w = 0; w < kWindows; ++w) {
      const std::vector<std::uint64_t> own = sampler.window_counts(w * window);
      std::uint64_t size = 0;
      for (std::size_t c = 0; c < own.size(); ++c) {
        const double due = masses[c] / sum * static_cast<double>(window);
        EXPECT_LT(std::fabs(static_cast<double>(own[c]) - due), 1 + 1e-9 * due);
        drawn[c] += static_cast<double>(own[c]);
        size += own[c];
      }
      EXPECT_EQ(size, window);
    }
    for (std::size_t c = 0; c < drawn.size(); ++c) {
      const double due = masses[c] / sum * static_cast<double>(window);
      EXPECT_NEAR(drawn[c] / kWindows, due, 6 * 0.5 / std::sqrt(kWindows));
    }
  }
}

TEST(ScheduledSampler, RowsOfAClassAreEquallyLikelyAtEveryPlace) {
  const Labels labels = labels_of({3, 5});
  const ScheduledSampler sampler(labels, 2, Constant{{1, 1}}, 4, {.window = 6});
  constexpr std::uint64_t kWindows = 8000;
  std::vector<double> expected;
  for (const std::int64_t label : labels) {
    expected.push_back(kWindows / (label == 0 ? 6.0 : 10.0));
  }
  for (std::uint64_t place = 0; place < 6; ++place) {
    std::vector<std::uint64_t> seen(labels.size());
    for (std::uint64_t w = 0; w < kWindows; ++w) ++seen[sampler[6 * w + place]];
    EXPECT_GT(chi_squared_p_value(seen, expected), kImplausible);
  }
}

// One window says nothing of the next: the joint counts of a place in both are as if independent.
TEST(ScheduledSampler, WindowsAreIndependent) {
  const Labels labels = labels_of({3, 3});
  const ScheduledSampler sampler(labels, 2, Constant{{1, 1}}, 5, {.window = 4});
  constexpr std::uint64_t kPairs = 20000;
  std::vector<std::uint64_t> seen(36);
  for (std::uint64_t i = 0; i < kPairs; ++i) ++seen[sampler[8 * i] * 6 + sampler[8 * i + 4]];
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(36, kPairs / 36.0)), kImplausible);
}

TEST(ScheduledSampler, NoRowComesTwiceInAWindowThatHasEnough) {
  const Labels labels = labels_of({200, 40, 10});
  const ScheduledSampler sampler(labels, 3, Constant{{1, 1, 1}}, 6, {.window = 30});
  for (std::uint64_t w = 0; w < 50; ++w) {
    std::set<std::size_t> rows;
    for (std::uint64_t i = 0; i < 30; ++i) rows.insert(sampler[30 * w + i]);
    EXPECT_EQ(rows.size(), 30u);
  }
  // A class of ten rows that gives fifteen: all of them once, five of them twice.
  const ScheduledSampler small(labels, 3, Constant{{0, 0, 1}}, 6, {.window = 15});
  std::map<std::size_t, int> seen;
  for (std::uint64_t i = 0; i < 15; ++i) ++seen[small[i]];
  EXPECT_EQ(seen.size(), 10u);
  for (const auto& [row, count] : seen) EXPECT_LE(count, 2);
}

TEST(ScheduledSampler, FillEqualsSingleDraws) {
  std::mt19937_64 random(8);
  const Labels labels = labels_of({30, 5, 0, 12});
  const ScheduledSampler sampler(labels, 4, Progressive{{30, 5, 0, 12}}, 7,
                                 {.epoch_size = 100, .window = 16});
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t begin = random() % 3000;
    const std::uint64_t stride = 1 + random() % 40;
    std::vector<std::int64_t> rows(random() % 200);
    sampler.fill(begin, rows, stride);
    for (std::size_t j = 0; j < rows.size(); ++j) {
      ASSERT_EQ(rows[j], static_cast<std::int64_t>(sampler[begin + j * stride]));
    }
  }
}

TEST(ScheduledSampler, GoldenSequence) {
  const ScheduledSampler sampler(labels_of({8, 3, 2}), 3, Constant{{1, 2, 1}}, 2026, {.window = 8});
  std::vector<std::int64_t> rows(16);
  sampler.fill(std::uint64_t{1} << 40, rows);
  EXPECT_THAT(rows, ElementsAre(11, 12, 8, 10, 8, 9, 3, 4, 12, 11, 10, 9, 8, 4, 9, 5));
}

TEST(ScheduledSampler, FingerprintTellsConfigurationsApart) {
  const Labels labels = labels_of({9, 3});
  const auto print = [&](const auto& schedule, const ScheduledSamplerOptions& options) {
    return ScheduledSampler(labels, 2, schedule, 1, options).fingerprint();
  };
  const std::uint64_t own = print(Constant{{1, 1}}, {.window = 4});
  EXPECT_EQ(own, print(Constant{{2, 2}}, {.window = 4}));
  EXPECT_NE(own, print(Constant{{1, 2}}, {.window = 4}));
  EXPECT_NE(own, print(Constant{{1, 1}}, {.window = 6}));
  EXPECT_NE(own, print(Constant{{1, 1}}, {.epoch_size = 24, .window = 4}));
  EXPECT_NE(own, print(Progressive{{9, 3}}, {.window = 4}));
  const Labels others = labels_of({3, 9});
  EXPECT_NE(own, ScheduledSampler(others, 2, Constant{{1, 1}}, 1, {.window = 4}).fingerprint());
}

TEST(ScheduledSampler, LeavesIgnoredRowsOut) {
  Labels labels = labels_of({5, 5});
  labels[2] = -100;
  const ScheduledSampler sampler(labels, 2, Constant{{1, 1}}, 1, {.ignore_index = -100});
  EXPECT_EQ(sampler.epoch_size(), 10u);
  for (std::uint64_t t = 0; t < 200; ++t) EXPECT_NE(sampler[t], 2u);
}

TEST(ScheduledSampler, RejectsBadInput) {
  const Labels labels = labels_of({5, 5, 0});
  const auto first = [&](const std::vector<double>& masses) {
    return error_of([&] { (void)ScheduledSampler(labels, 3, Constant{masses}, 1)[0]; });
  };
  EXPECT_EQ(first({1, 1, 1}),
            "ScheduledSampler(): schedule(t)[2] = 1, expected 0, for no row has this class");
  EXPECT_EQ(first({1, -1, 0}),
            "ScheduledSampler(): schedule(t)[1] = -1, expected a finite number >= 0");
  EXPECT_NE(first({1, 1}), "");
  EXPECT_NE(first({0, 0, 0}), "");
  EXPECT_NE(first({1, std::nan(""), 0}), "");
  EXPECT_EQ(error_of([&] { ScheduledSampler(labels, 1, Constant{{1}}, 1); }),
            "ScheduledSampler(): labels[5] = 1, expected a class in [0, 1)");
  EXPECT_EQ(error_of([&] {
              ScheduledSampler(Labels{}, 2, Constant{{1, 1}}, 1);
            }),
            "ScheduledSampler(): rows with a class = 0, expected at least 1");
}

// What is counted is what was drawn, whatever the block.
TEST(RealisedCounts, EqualSingleDraws) {
  const Labels labels = labels_of({50, 7, 20});
  const ScheduledSampler sampler(labels, 3, Constant{{1, 3, 2}}, 9, {.window = 10});
  for (const std::uint64_t size : {0u, 1u, 1023u, 1024u, 3000u}) {
    std::vector<double> counts(3);
    for (std::uint64_t t = 5; t < 5 + size; ++t) {
      counts[static_cast<std::size_t>(labels[sampler[t]])] += 1;
    }
    const ClassCounts realised = realised_counts(sampler, labels, 3, 5, size);
    for (std::size_t c = 0; c < 3; ++c) EXPECT_EQ(realised[c], counts[c]);
  }
}

TEST(RealisedCounts, RejectsLabelsThatAreNotTheStreams) {
  const ScheduledSampler sampler(labels_of({2, 8}), 2, Constant{{0, 1}}, 9);
  EXPECT_NE(error_of([&] { (void)realised_counts(sampler, Labels{0, 1}, 2, 0, 1); }), "");
  EXPECT_NE(error_of([&] { (void)realised_counts(sampler, Labels(10, 5), 2, 0, 1); }), "");
}

}  // namespace
}  // namespace equipoise::sampling
