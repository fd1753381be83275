#include "equipoise/logit_terms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

static_assert(LogitTransform<LogitScale> && LogitTransform<LogitAdjustment> &&
              LogitTransform<LdamMargin>);

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

double apply(const LogitTerms& terms, double z, std::size_t c, std::size_t y) {
  const auto at = [c](const std::vector<double>& v, double none) {
    return v.empty() ? none : v[c];
  };
  return at(terms.scale, 1) * z + at(terms.shift, 0) - (c == y ? at(terms.margin, 0) : 0);
}

TEST(LogitAdjustment, AddsTauTimesTheLogPrior) {
  const LogitTerms terms = logit_terms(ClassCounts{6, 2}, LogitAdjustment{.tau = 0.5});
  EXPECT_TRUE(terms.scale.empty() && terms.margin.empty());
  EXPECT_NEAR(terms.shift[0], 0.5 * std::log(0.75), kEpsilon);
  EXPECT_NEAR(terms.shift[1], 0.5 * std::log(0.25), kEpsilon);
}

TEST(LogitAdjustment, NeedsAPriorForEachClass) {
  EXPECT_EQ(error_of([] {
              logit_terms(ClassCounts{6, 0}, LogitAdjustment{});
            }),
            "LogitAdjustment(): counts[1] = 0, expected > 0; smoothing gives every class a prior");
  const LogitTerms smoothed =
      logit_terms(CountSummary(ClassCounts{6, 0}, /*smoothing=*/1), LogitAdjustment{});
  EXPECT_NEAR(smoothed.shift[1], std::log(1.0 / 8), kEpsilon);
}

TEST(LdamMargin, GivesTheRarestClassTheLargestMargin) {
  const LogitTerms terms =
      logit_terms(ClassCounts{16, 1, 81}, LdamMargin{.max_margin = 0.5, .scale = 10});
  EXPECT_EQ(terms.scale, (std::vector<double>{10, 10, 10}));
  EXPECT_NEAR(terms.margin[0], 10 * 0.5 / 2, 8 * kEpsilon);
  EXPECT_NEAR(terms.margin[1], 10 * 0.5, 8 * kEpsilon);
  EXPECT_NEAR(terms.margin[2], 10 * 0.5 / 3, 8 * kEpsilon);
}

// A class without samples takes no part in the scale of the margins; no target will use its own.
TEST(LdamMargin, LeavesClassesWithoutSamplesOut) {
  const LogitTerms terms =
      logit_terms(ClassCounts{16, 0, 1}, LdamMargin{.max_margin = 0.5, .scale = 1});
  EXPECT_NEAR(terms.margin[0], 0.25, kEpsilon);
  EXPECT_EQ(terms.margin[1], 0.5);
  EXPECT_EQ(terms.margin[2], 0.5);
}

TEST(LogitTerms, EvaluationKeepsTheSharedScaleAlone) {
  const LogitTerms terms{{3, 3}, {1, 1}, {4, 4}};
  EXPECT_EQ(terms.evaluation(), (LogitTerms{{3, 3}, {}, {}}));
  EXPECT_EQ((LogitTerms{{}, {1, 1}, {}}).evaluation(), LogitTerms{});
  // Scaling relative to the most frequent class goes, the scale of the logits as a whole stays.
  const ClassCounts counts{16, 1};
  EXPECT_EQ(logit_terms(counts, LogitScale{30}, VectorScaling{}).evaluation(),
            logit_terms(counts, LogitScale{30}));
}

// By hand: (1 / 16)^(1/4) = 1/2, priors 16/17 and 1/17.
TEST(VectorScaling, ScalesAndShiftsByTheCounts) {
  const LogitTerms terms =
      logit_terms(ClassCounts{16, 1}, VectorScaling{.gamma = 0.25, .tau = 0.5});
  EXPECT_EQ(terms.scale[0], 1.0);
  EXPECT_NEAR(terms.scale[1], 0.5, kEpsilon);
  EXPECT_NEAR(terms.shift[0], 0.5 * std::log(16.0 / 17), kEpsilon);
  EXPECT_NEAR(terms.shift[1], 0.5 * std::log(1.0 / 17), 2 * kEpsilon);
  EXPECT_TRUE(terms.margin.empty());
  EXPECT_EQ(error_of([] { logit_terms(ClassCounts{1}, VectorScaling{.gamma = -1}); }),
            "VectorScaling(): gamma = -1, expected a finite number >= 0");
}

TEST(GroupLogitTerms, TakeThePriorOfEachGroup) {
  GroupedCounts counts({ClassCounts{3, 1}, ClassCounts{1, 1}});
  const auto terms = group_logit_terms(counts, LogitAdjustment{});
  ASSERT_EQ(terms.size(), 2U);
  EXPECT_NEAR(terms[0].shift[0], std::log(0.75), kEpsilon);
  EXPECT_NEAR(terms[0].shift[1], std::log(0.25), kEpsilon);
  EXPECT_NEAR(terms[1].shift[1], std::log(0.5), kEpsilon);
  const auto smoothed =
      group_logit_terms(GroupedCounts({ClassCounts{2, 0}}), LogitAdjustment{}, /*smoothing=*/1);
  EXPECT_NEAR(smoothed[0].shift[1], std::log(0.25), kEpsilon);
}

TEST(LogitTerms, ThenIsOneAfterTheOtherAndAssociative) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> uniform(-2, 2);
  for (int repeat = 0; repeat < 1000; ++repeat) {
    const std::size_t classes = 1 + random() % 6;
    const auto terms = [&] {
      LogitTerms result;
      for (std::vector<double>* v : {&result.scale, &result.shift, &result.margin}) {
        if (random() % 3 == 0) continue;
        for (std::size_t c = 0; c < classes; ++c) v->push_back(uniform(random));
      }
      return result;
    };
    const LogitTerms f = terms();
    const LogitTerms g = terms();
    const LogitTerms h = terms();
    for (std::size_t c = 0; c < classes; ++c) {
      const std::size_t y = random() % classes;
      const double z = uniform(random);
      // Values below 2^3 * 2 + 2^2 * 3 in magnitude, a handful of roundings.
      EXPECT_NEAR(apply(f.then(g), z, c, y), apply(g, apply(f, z, c, y), c, y), 64 * kEpsilon);
      EXPECT_NEAR(apply(f.then(g).then(h), z, c, y), apply(f.then(g.then(h)), z, c, y),
                  128 * kEpsilon);
    }
  }
}

TEST(LogitTerms, ComposesTransformsFromLeftToRight) {
  const ClassCounts counts{3, 1};
  const LogitTerms terms = logit_terms(counts, LogitAdjustment{}, LogitScale{2});
  EXPECT_EQ(terms.scale, (std::vector<double>{2, 2}));
  EXPECT_NEAR(terms.shift[1], 2 * std::log(0.25), 4 * kEpsilon);
  EXPECT_TRUE(logit_terms(counts).empty());
}

TEST(LogitTermErrors, NameWhatIsWrong) {
  const ClassCounts counts{3, 1};
  EXPECT_EQ(error_of([&] { logit_terms(counts, LogitScale{0}); }),
            "LogitScale(): scale = 0, expected a finite number > 0");
  EXPECT_EQ(error_of([&] { logit_terms(counts, LdamMargin{.max_margin = -1}); }),
            "LdamMargin(): max_margin = -1, expected a finite number >= 0");
  EXPECT_EQ(error_of([&] {
              logit_terms(ClassCounts{0, 0}, LdamMargin{});
            }),
            "LdamMargin(): counts.total() = 0, expected > 0");
  EXPECT_EQ(error_of([&] { logit_terms(counts, LogitAdjustment{NAN}); }),
            "LogitAdjustment(): tau = nan, expected a finite number");
  EXPECT_EQ(error_of([&] { logit_terms(counts, LdamMargin{.scale = 0}); }),
            "LdamMargin(): scale = 0, expected a finite number > 0");
  EXPECT_EQ(error_of([] {
              detail::require_terms("f", LogitTerms{{}, {0, INFINITY}, {}}, 2);
            }),
            "f(): logit_terms.shift[1] = inf, expected a finite number");
  EXPECT_EQ(error_of([] {
              LogitTerms{{1, 2}, {}, {}}.then(LogitTerms{{}, {1, 2, 3}, {}});
            }),
            "LogitTerms::then(): logit_terms.scale.size() = 2, expected 3 (classes)");
}

}  // namespace
}  // namespace equipoise
