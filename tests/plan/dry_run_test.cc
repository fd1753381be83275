#include "equipoise/plan/dry_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "equipoise/sampling/class_sampler.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Numbers = std::vector<double>;

// What a sampler shows, averaged over seeds.
struct Observed {
  Numbers exposures = Numbers(3, 0.0);
  Numbers distinct = Numbers(3, 0.0);
  Numbers missing = Numbers(3, 0.0);
};

Observed observe(const std::vector<int>& labels, const Numbers& mix, const DryRunOptions& options,
                 std::uint64_t seeds) {
  Observed result;
  const std::uint64_t draws = options.epochs * labels.size();
  const std::uint64_t batches = draws / options.batch_size;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const sampling::ClassSampler sampler(labels, mix, seed, {.mode = options.mode});
    std::vector<std::set<std::size_t>> rows(3);
    std::vector<std::set<std::uint64_t>> in_batches(3);
    for (std::uint64_t t = 0; t < draws; ++t) {
      const std::size_t row = sampler[t];
      const auto c = static_cast<std::size_t>(labels[row]);
      result.exposures[c] += 1 / static_cast<double>(seeds);
      rows[c].insert(row);
      in_batches[c].insert(t / options.batch_size);
    }
    for (std::size_t c = 0; c < 3; ++c) {
      result.distinct[c] += static_cast<double>(rows[c].size()) / static_cast<double>(seeds);
      result.missing[c] +=
          (1 - static_cast<double>(in_batches[c].size()) / static_cast<double>(batches)) /
          static_cast<double>(seeds);
    }
  }
  return result;
}

TEST(DryRun, ForecastsWhatSamplersShow) {
  std::vector<int> labels(400, 0);
  labels.insert(labels.end(), 80, 1);
  labels.insert(labels.end(), 20, 2);
  Treatment treatment;
  treatment.counts = ClassCounts{400, 80, 20};
  treatment.mix = {6, 3, 1};
  for (const sampling::Mode mode : {sampling::Mode::kIndependent, sampling::Mode::kExactQuota}) {
    const DryRunOptions options{.batch_size = 10, .epochs = 2, .mode = mode};
    const DryRun run = dry_run(treatment, options);
    const Observed seen = observe(labels, treatment.mix, options, 200);
    EXPECT_EQ(run.steps, 100u);
    for (std::size_t c = 0; c < 3; ++c) {
      // Means over 200 runs; the bounds are more than four standard errors of binomial counts.
      EXPECT_NEAR(seen.exposures[c], run.classes[c].exposures, 5);
      EXPECT_NEAR(seen.distinct[c], run.classes[c].distinct, 3);
      EXPECT_NEAR(seen.missing[c], run.classes[c].missing, 0.015);
      EXPECT_DOUBLE_EQ(run.classes[c].per_batch * 100, run.classes[c].exposures);
    }
    EXPECT_DOUBLE_EQ(run.classes[2].repeats, 2.5);
  }
}

TEST(DryRun, ByHand) {
  Treatment treatment;
  treatment.counts = ClassCounts{8, 2};
  const DryRun run = dry_run(treatment, {.batch_size = 5});
  EXPECT_DOUBLE_EQ(run.classes[0].exposures, 8);
  EXPECT_DOUBLE_EQ(run.classes[1].distinct, 2);
  // Of the 252 sets of 5 slots out of 10, 56 take none of the 2.
  EXPECT_NEAR(run.classes[1].missing, 56.0 / 252, 1e-13);
  EXPECT_EQ(run.classes[0].missing, 0);
  const DryRun independent =
      dry_run(treatment, {.batch_size = 5, .epochs = 3, .mode = sampling::Mode::kIndependent});
  EXPECT_DOUBLE_EQ(independent.classes[1].missing, std::pow(0.8, 5));
  EXPECT_NEAR(independent.classes[1].distinct, 2 * (1 - std::pow(0.9, 30)), 1e-13);
}

TEST(DryRun, OneRowThatTakesAllDraws) {
  Treatment treatment;
  treatment.counts = ClassCounts{1};
  const DryRun run =
      dry_run(treatment, {.batch_size = 4, .epoch_size = 8, .mode = sampling::Mode::kIndependent});
  EXPECT_EQ(run.classes[0].distinct, 1);
  EXPECT_EQ(run.classes[0].missing, 0);
}

// A class that is due less than once an epoch is in some epochs and not in others.
TEST(DryRun, ForecastsWhatQuotasMakeOfPartsOfADraw) {
  const auto expect = [](const Numbers& counts, const Numbers& mix, double missing) {
    std::vector<int> labels;
    for (std::size_t c = 0; c < 3; ++c) {
      labels.insert(labels.end(), static_cast<std::size_t>(counts[c]), static_cast<int>(c));
    }
    Treatment treatment;
    treatment.counts = ClassCounts(counts);
    treatment.mix = mix;
    const DryRunOptions options{.batch_size = labels.size()};
    const DryRun run = dry_run(treatment, options);
    EXPECT_NEAR(run.classes[2].missing, missing, 1e-12);
    // Four standard deviations of a mean over 1,000 runs.
    EXPECT_NEAR(observe(labels, mix, options, 1000).missing[2], missing,
                4 * std::sqrt(missing * (1 - missing) / 1000));
  };
  expect({990, 9, 1}, {990, 9, 0.5}, 1 - 0.5 / 999.5 * 1000);
  expect({18, 1, 1}, {18, 1.9, 0.1}, 0.9);
}

// The product of 1 - many / (slots - i), one factor after the other.
double misses_by_product(double slots, double few, double many) {
  long double product = 1;
  for (double i = 0; i < few; ++i) product *= 1 - static_cast<long double>(many) / (slots - i);
  return static_cast<double>(product);
}

TEST(DryRun, ProbabilitiesAreRightForLargeNumbers) {
  EXPECT_EQ(detail::misses_all(10, 0, 5), 1);
  EXPECT_EQ(detail::misses_all(10, 6, 5), 0);
  EXPECT_NEAR(detail::misses_all(10, 2, 5), 56.0 / 252, 1e-15);
  for (const double slots : {1e6, 1e12, 1e15}) {
    for (const double few : {1.0, 64.0, 5000.0, 30000.0}) {
      for (const double expected : {0.001, 0.3, 3.0}) {  // marked ones in a batch
        const double many = std::floor(slots * expected / few);
        if (many <= few || many >= slots - few) continue;
        const double p = misses_by_product(slots, few, many);
        EXPECT_NEAR(detail::misses_all(slots, many, few), p, 1e-9 * p) << slots << ' ' << few;
        EXPECT_EQ(detail::misses_all(slots, few, many), detail::misses_all(slots, many, few));
      }
    }
  }
}

TEST(DryRun, EffectiveRowsAreNoMoreThanAreShown) {
  Treatment treatment;
  treatment.counts = ClassCounts{900, 100};
  const DryRun part = dry_run(treatment, {.batch_size = 64, .epoch_size = 10});
  EXPECT_NEAR(part.effective_sample_size, 10, 1e-12);
  EXPECT_EQ(part.warnings[0].kind, PlanWarningKind::kEffectiveRows);
  EXPECT_EQ(part.warnings[0].text, "the data are worth 10 rows of equal weight, of 1000");
  // A batch has no more rows than an epoch.
  EXPECT_NEAR(part.classes[0].per_batch, 9, 1e-12);
  EXPECT_EQ(part.steps, 1u);
  treatment.weights = {1, 3};
  for (const sampling::Mode mode : {sampling::Mode::kIndependent, sampling::Mode::kExactQuota}) {
    const DryRun run = dry_run(treatment, {.batch_size = 10, .epochs = 100, .mode = mode});
    EXPECT_NEAR(run.effective_sample_size, ledger(treatment).effective_sample_size, 1e-9);
  }
}

// A class that is due less than once: how likely it is to be missed, by drawing runs.
TEST(DryRun, WarnsOfAClassThatARunMayMiss) {
  std::vector<int> labels(480, 0);
  labels.insert(labels.end(), 18, 1);
  labels.insert(labels.end(), 2, 2);
  Treatment treatment;
  treatment.counts = ClassCounts{480, 18, 2};
  treatment.mix = {480, 19.6, 0.4};
  for (const sampling::Mode mode : {sampling::Mode::kIndependent, sampling::Mode::kExactQuota}) {
    const DryRunOptions options{.batch_size = 500, .mode = mode, .least_effective_share = 0};
    const DryRun run = dry_run(treatment, options);
    ASSERT_EQ(run.warnings.size(), 1u);
    const PlanWarning& warning = run.warnings[0];
    EXPECT_EQ(warning.kind, PlanWarningKind::kNeverSeen);
    EXPECT_EQ(warning.class_index, 2u);
    EXPECT_DOUBLE_EQ(warning.value, 0.4);
    EXPECT_EQ(warning.bound, 1);
    const double missed = mode == sampling::Mode::kIndependent ? std::pow(1 - 0.0008, 500) : 0.6;
    char text[120];
    std::snprintf(text, sizeof text,
                  "class 2 has 2 rows, of which 0.40 are drawn on average: with a probability of "
                  "%.2f none in the whole run",
                  missed);
    EXPECT_EQ(warning.text, text);
    // The batch is the run. Four standard deviations of a mean over 1,000.
    EXPECT_NEAR(observe(labels, treatment.mix, options, 1000).missing[2], missed,
                4 * std::sqrt(missed * (1 - missed) / 1000));
    EXPECT_THAT(dry_run(treatment, {.batch_size = 500, .epochs = 3, .mode = mode}).warnings,
                IsEmpty());
  }
}

TEST(DryRun, ReportsATable) {
  Treatment treatment;
  treatment.counts = ClassCounts{990, 10};
  treatment.mix = {1, 1};
  EXPECT_EQ(report(dry_run(treatment, {.batch_size = 50, .epochs = 2}),
                   std::vector<std::string>{"no", "yes"}),
            "class   exposures    distinct     repeats   per batch batch lacks\n"
            "   no        1000         990        0.51       25.00      0.0000\n"
            "  yes        1000          10       50.00       25.00      0.0000\n"
            "\n"
            "40 steps\n"
            "warning: each row of class 1 comes 50.0 times an epoch: it will be learnt by heart\n"
            "warning: the data are worth 40 rows of equal weight, of 1000\n");
}

TEST(DryRun, RefusesBadInput) {
  Treatment treatment;
  treatment.counts = ClassCounts{1, 1};
  EXPECT_EQ(error_of([&] { dry_run(treatment, {}); }),
            "dry_run(): options.batch_size = 0, expected at least 1");
  EXPECT_EQ(error_of([&] { dry_run(treatment, {.batch_size = 1, .epochs = 0}); }),
            "dry_run(): options.epochs = 0, expected at least 1");
  EXPECT_EQ(
      error_of([&] { dry_run(treatment, {.batch_size = 1, .most_repeats = detail::quiet_nan()}); }),
      "dry_run(): options.most_repeats = nan, expected a number");
  // Shares say nothing of how many rows there are.
  Treatment shares;
  shares.counts = ClassCounts{0.25, 0.25};
  EXPECT_EQ(error_of([&] { dry_run(shares, {.batch_size = 1}); }),
            "dry_run(): options.epoch_size = 0, expected at least 1, for the counts sum up to 0.5");
  EXPECT_EQ(dry_run(shares, {.batch_size = 8, .epoch_size = 16}).steps, 2u);
  Treatment many;
  many.counts = ClassCounts{1e30, 1};
  EXPECT_EQ(error_of([&] { dry_run(many, {.batch_size = 1}); }),
            "dry_run(): draws of all epochs = 1e+30, expected less than 2^63");
  EXPECT_THAT(
      error_of([&] { report(dry_run(treatment, {.batch_size = 1}), std::vector<std::string>(1)); }),
      HasSubstr("names.size() = 1"));
}

}  // namespace
}  // namespace equipoise
