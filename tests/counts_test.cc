#include "equipoise/counts.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

std::vector<double> values_of(const ClassCounts& counts) {
  return {counts.values().begin(), counts.values().end()};
}

template <class L>
class CountLabels : public ::testing::Test {};

using Integers = ::testing::Types<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                                  std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>;
TYPED_TEST_SUITE(CountLabels, Integers);

// Around block and vector boundaries, below and above where another way of counting takes over.
constexpr std::size_t kSizes[] = {0, 1, 7, 255, 256, 257, 1000, 4095, 4096, 4097, 9000};
constexpr std::size_t kClasses[] = {1, 2, 3, 15, 16, 17, 31, 64, 100};

template <class L>
std::vector<L> random_labels(std::size_t size, std::size_t classes, std::mt19937_64& random) {
  std::vector<L> labels(size);
  for (L& label : labels) label = static_cast<L>(random() % 10 < 7 ? 0 : random() % classes);
  return labels;
}

TYPED_TEST(CountLabels, EqualsANaiveCount) {
  std::mt19937_64 random(1);
  for (const std::size_t size : kSizes) {
    for (const std::size_t classes : kClasses) {
      const std::vector<TypeParam> labels = random_labels<TypeParam>(size, classes, random);
      std::vector<double> expected(classes, 0.0);
      for (const TypeParam label : labels) expected[static_cast<std::size_t>(label)] += 1;
      const ClassCounts counts = count_labels(labels, classes);
      EXPECT_EQ(values_of(counts), expected);
      EXPECT_EQ(counts.rows(), static_cast<double>(size));
      EXPECT_EQ(counts.ignored(), 0.0);
      EXPECT_EQ(counts.coverage(0), static_cast<double>(size));
    }
  }
}

TYPED_TEST(CountLabels, FindsTheOneInvalidLabel) {
  std::mt19937_64 random(2);
  for (const std::size_t size : {std::size_t{1}, std::size_t{300}, std::size_t{5000}}) {
    for (const std::size_t classes : kClasses) {
      std::vector<TypeParam> labels = random_labels<TypeParam>(size, classes, random);
      const std::size_t where = random() % size;
      for (const TypeParam bad :
           {static_cast<TypeParam>(classes), static_cast<TypeParam>(classes + 1),
            std::numeric_limits<TypeParam>::max(), std::numeric_limits<TypeParam>::min()}) {
        if (static_cast<std::uint64_t>(bad) < classes)
          continue;  // min of an unsigned type is a class
        const TypeParam kept = labels[where];
        labels[where] = bad;
        EXPECT_EQ(error_of([&] { count_labels(labels, classes); }),
                  "count_labels(): labels[" + std::to_string(where) + "] = " + std::to_string(bad) +
                      ", expected a class in [0, " + std::to_string(classes) + ")");
        labels[where] = kept;
      }
    }
  }
}

TEST(CountLabelsOfManyClasses, EqualsANaiveCount) {
  std::mt19937_64 random(3);
  for (const std::size_t classes : {1000U, 16384U, 16385U, 200000U}) {
    const auto labels = random_labels<std::int32_t>(20000, classes, random);
    std::vector<double> expected(classes, 0.0);
    for (const std::int32_t label : labels) expected[static_cast<std::size_t>(label)] += 1;
    EXPECT_EQ(values_of(count_labels(labels, classes)), expected);
  }
}

TEST(CompareCount, IsTheSameOnEveryInstructionSet) {
  std::mt19937_64 random(4);
  for (const std::size_t classes : {1U, 2U, 7U, 16U}) {
    auto labels = random_labels<std::int64_t>(7001, classes, random);
    std::vector<std::uint64_t> expected(classes, 0);
    for (const std::int64_t label : labels) ++expected[static_cast<std::size_t>(label)];
    for (const kernels::Cpu cpu :
         {kernels::Cpu::kBaseline, kernels::Cpu::kAvx2, kernels::Cpu::kAvx512}) {
      if (cpu > kernels::widest_cpu()) continue;
      std::vector<std::uint64_t> counts(classes, 0);
      EXPECT_TRUE(
          kernels::compare_count(labels.data(), labels.size(), classes, counts.data(), cpu));
      EXPECT_EQ(counts, expected);
      for (const std::size_t where : {std::size_t{0}, std::size_t{2047}, std::size_t{7000}}) {
        for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{256}, std::int64_t{1} << 40,
                                       static_cast<std::int64_t>(classes)}) {
          const std::int64_t kept = std::exchange(labels[where], bad);
          EXPECT_FALSE(
              kernels::compare_count(labels.data(), labels.size(), classes, counts.data(), cpu));
          labels[where] = kept;
        }
      }
    }
  }
}

TEST(CountLabelsIgnoring, LeavesThemOut) {
  std::mt19937_64 random(5);
  for (const std::size_t size : kSizes) {
    auto labels = random_labels<std::int64_t>(size, 5, random);
    std::vector<double> expected(5, 0.0);
    double ignored = 0;
    for (std::int64_t& label : labels) {
      if (random() % 4 == 0) {
        label = kIgnoreIndex;
        ignored += 1;
      } else {
        expected[static_cast<std::size_t>(label)] += 1;
      }
    }
    const ClassCounts counts = count_labels(labels, 5, {.ignore_index = kIgnoreIndex});
    EXPECT_EQ(values_of(counts), expected);
    EXPECT_EQ(counts.ignored(), ignored);
    EXPECT_EQ(counts.rows(), static_cast<double>(size) - ignored);
  }
  EXPECT_EQ(error_of([] {
              count_labels(std::vector<int>{0, -100, -1}, 2, {.ignore_index = -100});
            }),
            "count_labels(): labels[2] = -1, expected a class in [0, 2) or the ignore index -100");
  EXPECT_EQ(error_of([] { count_labels(std::vector<int>{0}, 2, {.ignore_index = 1}); }),
            "count_labels(): ignore_index = 1, expected a number outside [0, 2)");
}

TEST(CountLabelsWeighted, AddsUpWeights) {
  const std::vector<int> labels = {1, 0, 1, -100};
  const std::vector<double> weights = {0.5, 2.0, 0.25, 9.0};
  const ClassCounts counts = count_labels(labels, weights, 3, {.ignore_index = -100});
  EXPECT_EQ(values_of(counts), (std::vector<double>{2.0, 0.75, 0.0}));
  EXPECT_EQ(counts.rows(), 3.0);
  EXPECT_EQ(counts.ignored(), 1.0);
  EXPECT_EQ(counts.total(), 2.75);
  EXPECT_EQ(error_of([&] {
              count_labels(labels, std::vector<float>{1, -1, 1, 1}, 3);
            }),
            "count_labels(): sample_weights[1] = -1, expected a finite number >= 0");
  EXPECT_EQ(error_of([&] { count_labels(labels, std::vector<double>{1}, 3); }),
            "count_labels(): sample_weights.size() = 1, expected 4 (labels)");
}

TEST(CountSequences, KnowsWhatEachClassIsCoveredBy) {
  // 0 0 1 | (empty) | 2 ignored 0 | 2
  const std::vector<int> labels = {0, 0, 1, 2, -100, 0, 2};
  const std::vector<int> offsets = {0, 3, 3, 6, 7};
  const ClassCounts counts = count_sequences(labels, offsets, 4, {.ignore_index = -100});
  EXPECT_EQ(values_of(counts), (std::vector<double>{3, 1, 2, 0}));
  EXPECT_EQ(counts.coverage(0), 5.0);
  EXPECT_EQ(counts.coverage(1), 3.0);
  EXPECT_EQ(counts.coverage(2), 3.0);
  EXPECT_EQ(counts.coverage(3), 0.0);
  EXPECT_EQ(counts.rows(), 6.0);
  EXPECT_EQ(counts.ignored(), 1.0);
  const auto error = [&](const std::vector<int>& bounds) {
    return error_of([&] { count_sequences(labels, bounds, 4, {.ignore_index = -100}); });
  };
  EXPECT_EQ(error({}), "count_sequences(): offsets.size() = 0, expected at least 1");
  EXPECT_EQ(error({1, 7}), "count_sequences(): offsets[0] = 1, expected 0");
  EXPECT_EQ(error({0, 5, 3, 7}),
            "count_sequences(): offsets[2] = 3, expected at least its predecessor 5");
  EXPECT_EQ(error({0, 5}), "count_sequences(): offsets[1] = 5, expected 7 (labels)");
}

TEST(CountGrouped, CountsEachGroup) {
  const std::vector<int> labels = {0, 1, 1, 0, -100};
  const std::vector<int> groups = {1, 0, 1, 1, 77};
  const GroupedCounts counts = count_grouped(labels, groups, 3, 2, {.ignore_index = -100});
  EXPECT_EQ(values_of(counts.group(0)), (std::vector<double>{0, 1}));
  EXPECT_EQ(values_of(counts.group(1)), (std::vector<double>{2, 1}));
  EXPECT_EQ(values_of(counts.group(2)), (std::vector<double>{0, 0}));
  EXPECT_EQ(values_of(counts.total()), (std::vector<double>{2, 2}));
  EXPECT_EQ(error_of([&] {
              count_grouped(labels, std::vector<int>{0, 0, 3, 0, 0}, 3, 2, {.ignore_index = -100});
            }),
            "count_grouped(): row_groups[2] = 3, expected a group in [0, 3)");
  GroupedCounts twice = counts;
  twice += counts;
  EXPECT_EQ(values_of(twice.group(1)), (std::vector<double>{4, 2}));
}

TEST(ClassCounts, MergeIntoTheWhole) {
  std::mt19937_64 random(6);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::size_t classes = 1 + random() % 20;
    auto labels = random_labels<std::int32_t>(random() % 600, classes, random);
    for (std::int32_t& label : labels) label = random() % 9 == 0 ? -100 : label;
    const std::size_t cut = random() % (labels.size() + 1);
    const CountOptions options{.ignore_index = -100};
    const auto part = [&](std::size_t begin, std::size_t count) {
      return count_labels(std::span(labels).subspan(begin, count), classes, options);
    };
    EXPECT_EQ(part(0, cut) + part(cut, labels.size() - cut), part(0, labels.size()));
  }
  ClassCounts counts;
  counts += ClassCounts{1, 2};
  counts += ClassCounts{};
  EXPECT_EQ(counts, (ClassCounts{1, 2}));
  EXPECT_EQ(error_of([&] {
              counts += ClassCounts{1, 2, 3};
            }),
            "ClassCounts::operator+=(): other.size() = 3, expected 2 (classes on the left)");
}

TEST(ClassCounts, LiesAsItIsReduced) {
  ClassCounts counts{3, 1};
  for (double& x : counts.all_reduce_buffer()) x *= 4;  // as the sum over four equal ranks
  EXPECT_EQ(counts, (ClassCounts{12, 4}));
}

TEST(ClassCounts, RefusesWhatIsNoMass) {
  EXPECT_EQ(error_of([] {
              ClassCounts({1, -2});
            }),
            "ClassCounts(): mass[1] = -2, expected a finite number >= 0");
}

TEST(CountSummary, HasItsStatisticsOverClassesWithSamples) {
  const CountSummary summary(ClassCounts{4, 0, 1, 7});
  EXPECT_EQ(summary.total(), 12.0);
  EXPECT_EQ(summary.present(), 3u);
  EXPECT_EQ(summary.max(), 7.0);
  EXPECT_EQ(summary.min_present(), 1.0);
  EXPECT_EQ(summary.median(), 4.0);
  EXPECT_EQ(summary.share(3), 7.0 / 12);
  EXPECT_EQ(summary.frequency(1), 0.0);
  EXPECT_EQ(CountSummary(ClassCounts{2, 8}).median(), 5.0);
}

TEST(CountSummary, SmoothsEveryClass) {
  const CountSummary summary(ClassCounts{4, 0}, 0.5);
  EXPECT_EQ(summary.count(1), 0.5);
  EXPECT_EQ(summary.total(), 5.0);
  EXPECT_EQ(summary.rows(), 4.0);
  EXPECT_EQ(summary.present(), 2u);
}

}  // namespace
}  // namespace equipoise
