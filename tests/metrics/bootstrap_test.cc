#include "equipoise/metrics/bootstrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "tests/support/bootstrap_coverage.h"
#include "tests/support/errors.h"
#include "tests/support/statistics.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;

double accuracy(const ConfusionMatrix& matrix) { return matrix.accuracy(); }
double macro_f1(const ConfusionMatrix& matrix) { return matrix.macro_f1(); }

constexpr BootstrapOptions kPlain{.resampling = Resampling::kRows, .pseudo_rows = 0};

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
  const auto mean_index = [](std::span<const std::uint32_t> multiplicities) {
    double sum = 0;
    for (std::size_t i = 0; i < multiplicities.size(); ++i) {
      sum += static_cast<double>(i * multiplicities[i]);
    }
    return sum / static_cast<double>(multiplicities.size());
  };
  const auto run = [&](std::uint64_t seed) {
    return bootstrap(30, mean_index, {.resamples = 101, .seed = seed});
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

// The multiplicity of a row among n draws is Binomial(n, 1 / n).
TEST(Bootstrap, DrawsEachRowAsOftenAsABinomialVariable) {
  constexpr std::size_t kRows = 20;
  constexpr std::size_t kResamples = 5000;
  std::vector<double> observed(5);
  const auto tally = [&](std::span<const std::uint32_t> multiplicities) {
    ++observed[std::min<std::size_t>(multiplicities[7], observed.size() - 1)];
    return 0.0;
  };
  bootstrap(kRows, tally, {.resamples = kResamples});
  --observed[1];  // the call for the estimate
  std::vector<double> expected;
  double probability = std::pow(1 - 1.0 / kRows, kRows);
  double rest = kResamples;
  for (std::size_t k = 0; k + 1 < observed.size(); ++k) {
    expected.push_back(probability * kResamples);
    rest -= expected.back();
    probability *= static_cast<double>(kRows - k) / static_cast<double>(k + 1) / (kRows - 1);
  }
  expected.push_back(rest);
  EXPECT_GT(testing::chi_squared_p_value(observed, expected), testing::kImplausible);
}

// Values 0, 1, ..., 10 in some order: 80 % lie between 1 and 9, 90 % between 0.5 and 9.5.
TEST(Bootstrap, TakesQuantilesBetweenOrderStatistics) {
  int calls = 0;
  const auto next = [&](std::span<const std::uint32_t>) {
    return static_cast<double>(calls++ * 7 % 11);
  };
  const auto run = [&](double confidence) {
    calls = -1;
    return bootstrap(3, next, {.resamples = 11, .confidence = confidence});
  };
  const double bound = 10 * std::numeric_limits<double>::epsilon();
  EXPECT_NEAR(run(0.8).lower, 1, bound);
  EXPECT_NEAR(run(0.8).upper, 9, bound);
  EXPECT_NEAR(run(0.9).lower, 0.5, bound);
  EXPECT_NEAR(run(0.9).upper, 9.5, bound);
}

// The mean of n normal values. The percentile interval's half width is about 1.96 s sqrt((n - 1) /
// n^2): for n = 60 it holds the true mean with probability P(|t_59| < 1.96 sqrt(59 / 60)) = 0.943,
// and 300 resamples blur the quantiles a little. Three binomial standard deviations of 400
// repetitions are 3.4 %.
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
  EXPECT_NEAR(covered / static_cast<double>(kRepeats), 0.943, 0.034);
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
  EXPECT_EQ(ab, (Interval{-ba.estimate, -ba.upper, -ba.lower}));
  const Interval none = paired_bootstrap(s.targets, s.a, s.a, 3, accuracy);
  EXPECT_EQ(none, Interval{});
}

TEST(PairedBootstrap, AveragesRuns) {
  const Systems s = example(100);
  const std::vector<std::vector<int>> a = {s.a, s.b};
  const std::vector<std::vector<int>> b = {s.b};
  const double bound = 4 * std::numeric_limits<double>::epsilon();
  // Without pseudo-rows, on which all runs of a system are right or wrong together.
  const BootstrapOptions options{.pseudo_rows = 0};
  const Interval one = paired_bootstrap(s.targets, s.a, s.b, 3, accuracy, options);
  const Interval i = paired_bootstrap(s.targets, a, b, 3, accuracy, options);
  EXPECT_NEAR(i.estimate, one.estimate / 2, bound);
  EXPECT_NEAR(i.lower, one.lower / 2, bound);
  EXPECT_NEAR(i.upper, one.upper / 2, bound);
  EXPECT_EQ(paired_bootstrap(s.targets, std::span(a), std::span(b), 3, accuracy, options), i);
  EXPECT_EQ(paired_bootstrap(s.targets, std::span(a).first(1), b, 3, accuracy, options), one);
}

// The same rows of the same draws, put together by hand.
TEST(PairedBootstrap, IsTheBootstrapOfTheDifference) {
  const Systems s = example(60);
  const std::vector<std::uint8_t> narrow(s.b.begin(), s.b.end());
  const auto matrix_of = [&](const std::vector<int>& predictions,
                             std::span<const std::uint32_t> multiplicities) {
    ConfusionMatrix matrix(3);
    for (std::size_t i = 0; i < s.targets.size(); ++i) {
      for (std::uint32_t k = 0; k < multiplicities[i]; ++k) {
        matrix.add(s.targets[i], predictions[i]);
      }
    }
    return matrix;
  };
  const auto difference = [&](std::span<const std::uint32_t> m) {
    return matrix_of(s.a, m).macro_f1() - matrix_of(s.b, m).macro_f1();
  };
  const auto of_one = [&](std::span<const std::uint32_t> m) {
    return matrix_of(s.a, m).macro_f1();
  };
  BootstrapOptions options{.resamples = 200, .confidence = 0.9, .seed = 5, .pseudo_rows = 0};
  const auto paired = [&] {
    return paired_bootstrap(s.targets, s.a, narrow, 3, macro_f1, options);
  };
  EXPECT_EQ(paired(), stratified_bootstrap(s.targets, difference, options));
  EXPECT_EQ(bootstrap(s.targets, s.a, 3, macro_f1, options),
            stratified_bootstrap(s.targets, of_one, options));
  options.resampling = Resampling::kRows;
  EXPECT_EQ(paired(), bootstrap(s.targets.size(), difference, options));
  EXPECT_EQ(bootstrap(s.targets, s.a, 3, macro_f1, options),
            bootstrap(s.targets.size(), of_one, options));
  EXPECT_EQ(bootstrap(s.targets, std::vector<std::vector<int>>{s.a, s.a}, 3, macro_f1, options),
            bootstrap(s.targets.size(), of_one, options));
}

// Of each stratum as many rows as it has, whatever its label: rows 0, 3 | 1 | 2, 4, 5.
TEST(StratifiedBootstrap, KeepsTheSizeOfEachStratum) {
  const std::vector<std::int64_t> strata = {7, -2, 100, 7, 100, 100};
  std::vector<bool> seen(6, false);
  const auto check = [&](std::span<const std::uint32_t> m) {
    EXPECT_EQ(m[0] + m[3], 2u);
    EXPECT_EQ(m[1], 1u);
    EXPECT_EQ(m[2] + m[4] + m[5], 3u);
    for (std::size_t i = 0; i < 6; ++i) seen[i] = seen[i] || m[i] == 2;
    return static_cast<double>(m[0]);
  };
  const Interval interval = stratified_bootstrap(strata, check, {.resamples = 500});
  EXPECT_EQ(interval, (Interval{1, 0, 2}));
  EXPECT_EQ(seen, (std::vector<bool>{true, false, true, true, true, true}));
}

// Two rows that are both right: with a pseudo-row each of the two is a pseudo-row with probability
// 1/3 and then wrong with 1/2, so that both are right with 25/36, one with 10/36, none with 1/36 =
// .028, more than the .025 below the lower bound of 95 %. With 1/36 < .05 that of 90 % is one row.
TEST(ClassBootstrap, SmoothsAClassThatIsAllRight) {
  const std::vector<int> targets = {1, 1};
  const auto recall = [](const ConfusionMatrix& m) { return m.recall(1); };
  const auto run = [&](double confidence, std::uint32_t pseudo_rows) {
    return bootstrap(targets, targets, 2, recall,
                     {.resamples = 40000, .confidence = confidence, .pseudo_rows = pseudo_rows});
  };
  EXPECT_EQ(run(0.95, 0), (Interval{1, 1, 1}));
  EXPECT_EQ(run(0.95, 1), (Interval{1, 0, 1}));
  EXPECT_EQ(run(0.90, 1), (Interval{1, 0.5, 1}));
  // With three pseudo-rows a row is wrong with probability .3, both with .09.
  EXPECT_EQ(run(0.90, 3), (Interval{1, 0, 1}));
}

// A class of one row that both systems get right, which pseudo-rows tell apart.
TEST(ClassBootstrap, LetsSystemsDifferOnPseudoRows) {
  const std::vector<int> targets = {0, 0, 0, 0, 1};
  const std::vector<int> a = {0, 0, 0, 0, 1};
  const std::vector<int> b = {0, 1, 0, 0, 1};
  const auto recall = [](const ConfusionMatrix& m) { return m.recall(1); };
  EXPECT_EQ(paired_bootstrap(targets, a, b, 2, recall), (Interval{0, -1, 1}));
  EXPECT_EQ(paired_bootstrap(targets, a, b, 2, recall, kPlain), Interval{});
  EXPECT_EQ(paired_bootstrap(targets, a, a, 2, recall), Interval{});
}

// Wrong pseudo-rows of class 0 go to class 2, which is predicted most often beside it.
TEST(ClassBootstrap, TakesTheMostPredictedOtherClassForWrong) {
  const std::vector<int> targets = {0, 2, 2, 2, 1};
  const auto taken_for = [&](std::size_t c) {
    return bootstrap(targets, targets, 3, [c](const ConfusionMatrix& m) { return m.count(0, c); })
        .upper;
  };
  EXPECT_EQ(taken_for(1), 0);
  EXPECT_EQ(taken_for(2), 1);
  // A single class has no other.
  const std::vector<int> one = {0, 0};
  EXPECT_EQ(bootstrap(one, one, 1, accuracy), (Interval{1, 1, 1}));
}

// Nominal .95; the table in docs/explanation.md has .977 and more, whose standard deviation in 400
// repetitions is .0075.
TEST(ClassBootstrap, CoversWithTwoRowsOfAClass) {
  constexpr std::size_t kRepeats = 400;
  constexpr double kBound = 0.92;
  for (const double recall : {0.2, 0.5, 0.95}) {
    const testing::TestSets sets{
        .rows = {150, 48, 2}, .recalls_a = {0.92, 0.7, recall}, .recalls_b = {0.88, 0.75, 0.5}};
    const testing::Coverage smooth = testing::coverage_of(sets, kRepeats, {.resamples = 200});
    EXPECT_GT(smooth.one, kBound) << recall;
    EXPECT_GT(smooth.difference, kBound) << recall;
    if (recall != 0.5) continue;
    BootstrapOptions plain = kPlain;
    plain.resamples = 200;
    EXPECT_LT(testing::coverage_of(sets, kRepeats, plain).one, 0.8) << recall;
  }
}

// Smoothing pulls each of 28 recalls of .9 towards a half: without the interval of the rows alone
// that would cover .44.
TEST(ClassBootstrap, CoversWithManySmallClasses) {
  constexpr std::size_t kRepeats = 200;
  const testing::TestSets sets{.rows = std::vector<std::size_t>(28, 5),
                               .recalls_a = std::vector<double>(28, 0.9),
                               .recalls_b = std::vector<double>(28, 0.8)};
  const testing::Coverage coverage = testing::coverage_of(sets, kRepeats, {.resamples = 200});
  const double bound = 0.92 - 3 * std::sqrt(0.92 * 0.08 / kRepeats);
  EXPECT_GT(coverage.one, bound);
  EXPECT_GT(coverage.difference, bound);
}

TEST(BootstrapErrors, NameWhatIsWrong) {
  const std::vector<int> y = {0, 1};
  const std::vector<int> wrong = {0, 2};
  const std::vector<std::vector<int>> runs = {y, {0}};
  const std::vector<std::vector<int>> none;
  const auto paired = [&](const auto& a, const auto& b, const BootstrapOptions& options = {}) {
    return error_of([&] { paired_bootstrap(y, a, b, 2, accuracy, options); });
  };
  EXPECT_EQ(paired(y, std::vector<int>{0}),
            "paired_bootstrap(): predictions_b.size() = 1, expected 2 (targets)");
  EXPECT_EQ(paired(wrong, y),
            "paired_bootstrap(): predictions_a[1] = 2, expected a class in [0, 2)");
  EXPECT_EQ(paired(runs, runs), "paired_bootstrap(): runs_a[1].size() = 1, expected 2 (targets)");
  EXPECT_EQ(paired(std::vector<std::vector<int>>{y}, none),
            "paired_bootstrap(): runs_b.size() = 0, expected at least 1");
  EXPECT_EQ(error_of([&] { paired_bootstrap(wrong, y, y, 2, accuracy); }),
            "paired_bootstrap(): targets[1] = 2, expected a class in [0, 2)");
  EXPECT_EQ(paired(y, y, {.confidence = 1}),
            "paired_bootstrap(): options.confidence = 1, expected a number in (0, 1)");
  EXPECT_EQ(paired(y, y, {.confidence = std::numeric_limits<double>::quiet_NaN()}),
            "paired_bootstrap(): options.confidence = nan, expected a number in (0, 1)");
  EXPECT_EQ(paired(y, y, {.resamples = 0}),
            "paired_bootstrap(): options.resamples = 0, expected at least 1");
  EXPECT_EQ(error_of([&] { bootstrap(y, wrong, 2, accuracy); }),
            "bootstrap(): predictions[1] = 2, expected a class in [0, 2)");
  EXPECT_EQ(error_of([&] { bootstrap(y, runs, 2, accuracy); }),
            "bootstrap(): runs[1].size() = 1, expected 2 (targets)");
  EXPECT_EQ(error_of([&] { bootstrap(std::vector<int>(), std::vector<int>(), 2, accuracy); }),
            "bootstrap(): rows = 0, expected at least 1");
  EXPECT_EQ(error_of([] { stratified_bootstrap(std::vector<int>(), [](auto) { return 0.0; }); }),
            "stratified_bootstrap(): rows = 0, expected at least 1");
  EXPECT_EQ(error_of([] { bootstrap(0, [](auto) { return 0.0; }); }),
            "bootstrap(): rows = 0, expected at least 1");
  EXPECT_EQ(error_of([] {
              // Compilers must not know it: under -ffast-math they take it that the other branch is
              // taken.
              static const volatile double nan = detail::quiet_nan();
              bootstrap(2, [](auto n) -> double { return n[0] == 1 ? 1.0 : nan; });
            }).substr(0, 35),
            "bootstrap(): statistic of resamples");
  EXPECT_EQ(error_of([] { bootstrap(2, [](auto) -> double { return INFINITY; }); }),
            "bootstrap(): statistic of all rows = inf, expected a finite number");
}

}  // namespace
}  // namespace equipoise::metrics
