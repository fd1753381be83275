#include "equipoise/metrics/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

double accuracy(const ConfusionMatrix& matrix) { return matrix.accuracy(); }

TEST(Bootstrap, DrawsAsManyRowsAsThereAre) {
  const auto total = [](std::span<const std::uint32_t> multiplicities) {
    return static_cast<double>(std::accumulate(multiplicities.begin(), multiplicities.end(), 0u));
  };
  const Interval interval = bootstrap(17, total, {.resamples = 50});
  EXPECT_EQ(interval.estimate, 17.0);
  EXPECT_EQ(interval.lower, 17.0);
  EXPECT_EQ(interval.upper, 17.0);
}

TEST(Bootstrap, DependsOnTheSeedAlone) {
  const auto first = [](std::span<const std::uint32_t> multiplicities) {
    return static_cast<double>(multiplicities[0]) + 0.01 * static_cast<double>(multiplicities[3]);
  };
  const auto run = [&](std::uint64_t seed) {
    const Interval i = bootstrap(30, first, {.resamples = 101, .seed = seed});
    return std::vector<double>{i.estimate, i.lower, i.upper};
  };
  EXPECT_EQ(run(1), run(1));
}

// The mean of n values: the interval's half width is 1.96 standard errors, and it holds the true
// mean in 95 % of repetitions; of 400, a binomial standard deviation is 1.1 %, n = 60 costs another
// point.
TEST(Bootstrap, CoversTheMeanAsOftenAsItSays) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(3.0, 2.0);
  int covered = 0;
  constexpr int kRepeats = 400;
  double widths = 0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::vector<double> values(60);
    for (double& x : values) x = normal(random);
    const auto mean = [&](std::span<const std::uint32_t> multiplicities) {
      double sum = 0;
      for (std::size_t i = 0; i < values.size(); ++i) sum += multiplicities[i] * values[i];
      return sum / static_cast<double>(values.size());
    };
    const Interval i = bootstrap(values.size(), mean,
                                 {.resamples = 300, .seed = static_cast<std::uint64_t>(repeat)});
    covered += i.lower <= 3.0 && 3.0 <= i.upper ? 1 : 0;
    widths += i.upper - i.lower;
  }
  EXPECT_NEAR(covered / static_cast<double>(kRepeats), 0.94, 0.033);
  const double expected = 2 * 1.96 * 2.0 / std::sqrt(60.0);
  EXPECT_NEAR(widths / kRepeats / expected, 1, 0.05);
}

struct Systems {
  std::vector<int> targets, a, b;
};

Systems example(std::size_t rows) {
  std::mt19937_64 random(2);
  Systems systems;
  for (std::size_t i = 0; i < rows; ++i) {
    const int y = static_cast<int>(random() % 3);
    systems.targets.push_back(y);
    systems.a.push_back(random() % 10 < 8 ? y : 0);
    systems.b.push_back(random() % 10 < 6 ? y : 0);
  }
  return systems;
}

TEST(PairedBootstrap, EstimatesTheDifference) {
  const Systems s = example(500);
  ConfusionMatrix a(3);
  ConfusionMatrix b(3);
  a.add(s.targets, s.a);
  b.add(s.targets, s.b);
  const Interval i = paired_bootstrap(s.targets, s.a, s.b, 3, accuracy);
  EXPECT_EQ(i.estimate, a.accuracy() - b.accuracy());
  EXPECT_LT(i.lower, i.estimate);
  EXPECT_LT(i.estimate, i.upper);
  // The variance of a mean of paired differences d in {-1, 0, 1}.
  double sum = 0;
  double squares = 0;
  for (std::size_t k = 0; k < 500; ++k) {
    const double d = (s.a[k] == s.targets[k] ? 1 : 0) - (s.b[k] == s.targets[k] ? 1 : 0);
    sum += d;
    squares += d * d;
  }
  const double error = std::sqrt((squares / 500 - sum / 500 * sum / 500) / 500);
  EXPECT_NEAR((i.upper - i.lower) / (2 * 1.96 * error), 1, 0.1);
}

TEST(PairedBootstrap, SwappingNegatesAndEqualSystemsDoNotDiffer) {
  const Systems s = example(200);
  const Interval ab = paired_bootstrap(s.targets, s.a, s.b, 3, accuracy, {.resamples = 201});
  const Interval ba = paired_bootstrap(s.targets, s.b, s.a, 3, accuracy, {.resamples = 201});
  EXPECT_EQ(ab.estimate, -ba.estimate);
  EXPECT_NEAR(ab.lower, -ba.upper, 1e-15);
  const Interval none = paired_bootstrap(s.targets, s.a, s.a, 3, accuracy);
  EXPECT_EQ(none.lower, 0.0);
  EXPECT_EQ(none.upper, 0.0);
}

TEST(PairedBootstrap, AveragesRuns) {
  const Systems s = example(100);
  const std::vector<std::vector<int>> a = {s.a, s.b};
  const std::vector<std::vector<int>> b = {s.b};
  const Interval one = paired_bootstrap(s.targets, s.a, s.b, 3, accuracy);
  const Interval i = paired_bootstrap(s.targets, std::span<const std::vector<int>>(a),
                                      std::span<const std::vector<int>>(b), 3, accuracy);
  EXPECT_NEAR(i.estimate, one.estimate / 2, 1e-15);
  EXPECT_NEAR(i.lower, one.lower / 2, 1e-15);
}

TEST(BootstrapErrors, NameWhatIsWrong) {
  const std::vector<int> y = {0, 1};
  EXPECT_EQ(error_of([&] { paired_bootstrap(y, y, std::vector<int>{0}, 2, accuracy); }),
            "ConfusionMatrix::add(): predictions.size() = 1, expected 2 (targets)");
  EXPECT_EQ(error_of([&] { paired_bootstrap(y, y, y, 2, accuracy, {.confidence = 1}); }),
            "paired_bootstrap(): options.confidence = 1, expected a number in (0, 1)");
  EXPECT_EQ(error_of([] { bootstrap(0, [](auto) { return 0.0; }); }),
            "bootstrap(): rows = 0, expected at least 1");
}

}  // namespace
}  // namespace equipoise
