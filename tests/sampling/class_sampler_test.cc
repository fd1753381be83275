#include "equipoise/sampling/class_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/statistics.h"

namespace equipoise::sampling {
namespace {

using testing::chi_squared_p_value;
using ::testing::ElementsAre;
using testing::kImplausible;

static_assert(IndexStream<ClassSampler>);

constexpr Mode kModes[] = {Mode::kIndependent, Mode::kExactQuota};

// 80 rows of class 0, 15 of class 1, 5 of class 2, none of class 3, mixed.
std::vector<std::int64_t> imbalanced_labels() {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 100; ++i) labels.push_back(i % 20 == 7 ? 2 : i % 20 < 3 ? 1 : 0);
  return labels;
}

TEST(DrawnMassTest, IsCountTimesWeight) {
  EXPECT_THAT(drawn_mass(ClassCounts{4, 0, 2}, std::vector<double>{0.5, 9, 3}),
              ElementsAre(2.0, 0.0, 6.0));
}

TEST(DrawnMassTest, RefusesOtherSizesAndNegativeWeights) {
  const auto message = [](const std::vector<double>& weights) -> std::string {
    try {
      drawn_mass(ClassCounts{1, 2}, weights);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "no exception";
  };
  EXPECT_EQ(message({1}), "drawn_mass(): class_weights.size() = 1, expected 2 (classes)");
  EXPECT_EQ(message({1, -1}), "drawn_mass(): class_weights[1] = -1, expected a finite number >= 0");
}

// Every row is drawn as often as its class's proportion, shared among the rows of the class, says.
TEST(ClassSamplerTest, IndependentDrawsFollowTheProportions) {
  const std::vector<std::int64_t> labels = imbalanced_labels();
  const ClassSampler sampler(labels, std::vector<double>{1, 3, 1, 0}, 5);
  constexpr std::uint64_t kDraws = 200000;
  std::vector<std::uint64_t> seen(labels.size());
  for (std::uint64_t t = 0; t < kDraws; ++t) ++seen[sampler[t]];
  std::vector<double> expected;
  expected.reserve(labels.size());
  for (const std::int64_t label : labels) {
    expected.push_back(kDraws * (label == 0 ? 0.2 / 80 : label == 1 ? 0.6 / 15 : 0.2 / 5));
  }
  EXPECT_GT(chi_squared_p_value(seen, expected), kImplausible);
}

// Consecutive draws know nothing of each other.
TEST(ClassSamplerTest, IndependentDrawsAreIndependent) {
  const std::vector<std::int64_t> labels{0, 0, 1, 1, 1, 2};
  const ClassSampler sampler(labels, std::vector<double>{1, 1, 1}, 6);
  std::vector<std::uint64_t> pairs(9);
  for (std::uint64_t t = 0; t < 90000; t += 2) {
    ++pairs[static_cast<std::size_t>(labels[sampler[t]] * 3 + labels[sampler[t + 1]])];
  }
  EXPECT_GT(chi_squared_p_value(pairs, std::vector<double>(9, 5000)), kImplausible);
}

TEST(ClassSamplerTest, ClassesOfNoMassAndIgnoredRowsAreNeverDrawn) {
  std::vector<std::int64_t> labels = imbalanced_labels();
  for (std::size_t i = 0; i < labels.size(); i += 10) labels[i] = -100;
  for (const Mode mode : kModes) {
    const ClassSampler sampler(labels, std::vector<double>{0, 1, 1e-3}, 7,
                               {.mode = mode, .ignore_index = -100});
    for (std::uint64_t t = 0; t < 20000; ++t) ASSERT_GE(labels[sampler[t]], 1);
  }
}

TEST(ClassSamplerTest, EveryWindowHoldsItsQuota) {
  const std::vector<std::int64_t> labels = imbalanced_labels();
  const std::vector<double> proportions{5, 2, 3};
  for (const std::uint64_t window : {8u, 32u, 100u}) {
    const ClassSampler sampler(labels, proportions, 9,
                               {.mode = Mode::kExactQuota, .window = window});
    std::vector<double> before(3);
    std::vector<double> dealt(3);
    for (std::uint64_t t = 0; t < 100 * window; ++t) {
      dealt[static_cast<std::size_t>(labels[sampler[t]])] += 1;
      if ((t + 1) % window != 0) continue;
      for (std::size_t c = 0; c < 3; ++c) {
        EXPECT_LT(std::abs(dealt[c] - static_cast<double>(t + 1) * proportions[c] / 10), 2);
        EXPECT_LT(
            std::abs(dealt[c] - before[c] - static_cast<double>(window) * proportions[c] / 10), 2);
      }
      before = dealt;
    }
  }
}

// Slot by slot (windows of one), each class deals all its rows before any comes again, in another
// order each time.
TEST(ClassSamplerTest, DecksAreDealtOutBeforeAnyRowRepeats) {
  const std::vector<std::int64_t> labels = imbalanced_labels();
  const ClassSampler sampler(labels, std::vector<double>{1, 1, 1}, 10,
                             {.mode = Mode::kExactQuota, .epoch_size = 37, .window = 1});
  std::map<std::int64_t, std::vector<std::size_t>> dealt;
  for (std::uint64_t t = 0; t < 1000; ++t) dealt[labels[sampler[t]]].push_back(sampler[t]);
  for (const auto& [label, rows] : dealt) {
    const auto size = static_cast<std::size_t>(std::count(labels.begin(), labels.end(), label));
    std::set<std::vector<std::size_t>> orders;
    for (std::size_t begin = 0; begin + size <= rows.size(); begin += size) {
      const auto first = rows.begin() + static_cast<std::ptrdiff_t>(begin);
      const std::vector<std::size_t> deck(first, first + static_cast<std::ptrdiff_t>(size));
      EXPECT_EQ(std::set<std::size_t>(deck.begin(), deck.end()).size(), size);
      orders.insert(deck);
    }
    EXPECT_GT(orders.size(), 1u) << "class " << label;
  }
}

// Inside a window each slot is equally likely to hold each class's rows.
TEST(ClassSamplerTest, WindowsAreShuffled) {
  const std::vector<std::int64_t> labels{0, 0, 0, 1};
  const ClassSampler sampler(labels, std::vector<double>{3, 1}, 11,
                             {.mode = Mode::kExactQuota, .window = 4});
  std::vector<std::uint64_t> seen(16);
  for (std::uint64_t t = 0; t < 40000; ++t) ++seen[t % 4 * 4 + sampler[t]];
  // Each window is a permutation: 3 * 3 degrees of freedom.
  EXPECT_GT(chi_squared_p_value(seen, std::vector<double>(16, 2500), 7), kImplausible);
}

TEST(ClassSamplerTest, FillEqualsSingleDraws) {
  std::vector<std::int32_t> labels(3000);
  const CounterRandom random{3};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] =
        i < 300 ? static_cast<std::int32_t>(i) : static_cast<std::int32_t>(random.below(300, i, 1));
  }
  for (const Mode mode : kModes) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const ClassSampler sampler(labels, std::vector<double>(300, 1.0), seed,
                                 {.mode = mode, .window = 1 + 97 * seed});
      const std::uint64_t t = random.bits(seed, 2) >> 8;
      const std::uint64_t stride = 1 + random.below(9, seed, 3);
      std::vector<std::int64_t> batch(1 + 13 * seed);
      sampler.fill(t, batch, stride);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        ASSERT_EQ(static_cast<std::size_t>(batch[i]), sampler[t + i * stride]);
      }
    }
  }
}

// Batches that end inside a block of draws, and positions whose lower or upper half overflows.
TEST(ClassSamplerTest, FillEqualsSingleDrawsWherePositionsOverflow) {
  const ClassSampler sampler(imbalanced_labels(), std::vector<double>{1, 2, 3}, 21);
  for (const std::uint64_t start :
       {std::uint64_t{0xffffffc1}, std::uint64_t{0x5ffffffff}, ~std::uint64_t{0} - 70}) {
    for (const std::uint64_t stride :
         {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
      for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 191u}) {
        std::vector<std::int64_t> batch(size);
        sampler.fill(start, batch, stride);
        for (std::size_t i = 0; i < size; ++i) {
          ASSERT_EQ(static_cast<std::size_t>(batch[i]), sampler[start + i * stride])
              << "start " << start << ", stride " << stride << ", draw " << i << " of " << size;
        }
      }
    }
  }
}

// A stream taken up at a cursor goes on as if it had not been interrupted, whatever was drawn.
TEST(ClassSamplerTest, ResumeEqualsUninterrupted) {
  const std::vector<std::int64_t> labels = imbalanced_labels();
  for (const Mode mode : kModes) {
    const auto make = [&] {
      return ClassSampler(labels, std::vector<double>{1, 1, 1}, 12,
                          {.mode = mode, .epoch_size = 30});
    };
    const ClassSampler whole = make();
    std::vector<std::int64_t> expected(90);
    whole.fill(0, expected);
    for (std::uint64_t stop = 0; stop <= 90; stop += 7) {
      const Cursor cursor = cursor_at(whole, stop);
      const ClassSampler restarted = make();
      std::vector<std::int64_t> rest(90 - stop);
      restarted.fill(resume(restarted, cursor), rest);
      EXPECT_TRUE(std::equal(rest.begin(), rest.end(),
                             expected.begin() + static_cast<std::ptrdiff_t>(stop)));
    }
  }
}

TEST(ClassSamplerTest, LabelsOfAnyWidthGiveTheSameRows) {
  const std::vector<std::int64_t> labels = imbalanced_labels();
  const std::vector<std::uint8_t> narrow(labels.begin(), labels.end());
  const std::vector<double> proportions{1, 1, 1};
  const ClassSampler a(labels, proportions, 13);
  const ClassSampler b(narrow, proportions, 13);
  EXPECT_EQ(a.fingerprint(), b.fingerprint());
  for (std::uint64_t t = 0; t < 100; ++t) EXPECT_EQ(a[t], b[t]);
}

TEST(ClassSamplerTest, RowsOfEitherWidthAreSortedAlike) {
  const std::vector<std::int64_t> labels{1, 0, -1, 1, 0};
  const std::vector<std::uint64_t> starts{0, 2, 4};
  const std::span<const std::int64_t> view(labels);
  EXPECT_THAT(detail::rows_by_class<std::uint32_t>(view, starts), ElementsAre(1u, 4u, 0u, 3u));
  EXPECT_THAT(detail::rows_by_class<std::uint64_t>(view, starts), ElementsAre(1u, 4u, 0u, 3u));
}

TEST(ClassSamplerTest, FingerprintTellsConfigurationsApart) {
  const std::vector<std::int64_t> labels = imbalanced_labels();
  std::vector<std::int64_t> reordered = labels;
  std::reverse(reordered.begin(), reordered.end());
  const auto print = [](const std::vector<std::int64_t>& of, const std::vector<double>& proportions,
                        const ClassSamplerOptions& options) {
    return ClassSampler(of, proportions, 1, options).fingerprint();
  };
  const std::vector<double> even{1, 1, 1};
  const std::set<std::uint64_t> prints{
      print(labels, even, {}),
      print(reordered, even, {}),
      print(labels, {1, 1, 2}, {}),
      print(labels, even, {.mode = Mode::kExactQuota}),
      print(labels, even, {.mode = Mode::kExactQuota, .window = 5}),
      print(labels, even, {.epoch_size = 5})};
  EXPECT_EQ(prints.size(), 6u);
  EXPECT_EQ(print(labels, even, {}), print(labels, {2, 2, 2}, {.epoch_size = 100}));
  EXPECT_EQ(ClassSampler(labels, even, 1).fingerprint(),
            ClassSampler(labels, even, 2).fingerprint());
}

TEST(ClassSamplerTest, Golden) {
  const std::vector<std::int64_t> labels = imbalanced_labels();
  std::vector<std::int64_t> batch(16);
  ClassSampler(labels, std::vector<double>{1, 1, 1}, 42).fill(0, batch);
  EXPECT_THAT(batch, ElementsAre(42, 7, 87, 61, 0, 84, 62, 4, 61, 41, 57, 41, 49, 1, 7, 41));
  ClassSampler(labels, std::vector<double>{1, 1, 1}, 42, {.mode = Mode::kExactQuota})
      .fill(0, batch);
  EXPECT_THAT(batch, ElementsAre(60, 88, 47, 49, 37, 92, 67, 87, 68, 87, 87, 89, 62, 43, 41, 25));
}

std::string message_of(const std::vector<std::int64_t>& labels,
                       const std::vector<double>& proportions,
                       const ClassSamplerOptions& options = {}) {
  try {
    ClassSampler sampler(labels, proportions, 1, options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no exception";
}

TEST(ClassSamplerTest, RefusesWhatItCannotDraw) {
  for (const Mode mode : kModes) {
    EXPECT_EQ(message_of({0, 2}, {1, 0.5, 1}, {.mode = mode}),
              "ClassSampler(): proportions[1] = 0.5, expected 0, for no row has this class");
    EXPECT_EQ(message_of({0, 1}, {0, 0}, {.mode = mode}),
              "ClassSampler(): sum of proportions = 0, expected a number > 0");
  }
  EXPECT_EQ(message_of({0, 1, 2}, {1, 1}),
            "ClassSampler(): labels[2] = 2, expected a class in [0, 2)");
  EXPECT_EQ(message_of({0, -100}, {1, 1}, {.ignore_index = -1}),
            "ClassSampler(): labels[1] = -100, expected a class in [0, 2) or the ignore index -1");
  EXPECT_EQ(message_of({0, 1}, {1, -1}),
            "ClassSampler(): proportions[1] = -1, expected a finite number >= 0");
  EXPECT_EQ(message_of({}, {1}),
            "ClassSampler(): proportions[0] = 1, expected 0, for no row has this class");
}

}  // namespace
}  // namespace equipoise::sampling
