#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/qa/task.h"

namespace equipoise::demos {
namespace {

using testing::DoubleNear;
using testing::HasSubstr;
using testing::Pointwise;

constexpr double kTolerance = 1e-9;

QaStrategy named(const std::string& name) { return strategy_named(name); }

// Two languages of 900 and 100 rows, whose classes are 8 to 1 and 3 to 1.
const GroupedCounts& counts() {
  static const GroupedCounts result({ClassCounts({800, 100}), ClassCounts({75, 25})});
  return result;
}

// A task with those rows, their features left out.
QaTask task_of(const GroupedCounts& of_rows) {
  QaTask task;
  task.name = kAnswerType;
  task.classes = {"common", "rare"};
  task.languages = {"large", "small"};
  task.counts = of_rows;
  for (std::size_t g = 0; g < of_rows.groups(); ++g) {
    for (std::size_t c = 0; c < of_rows.classes(); ++c) {
      const auto rows = static_cast<std::size_t>(of_rows.group(g)[c]);
      task.train.targets.insert(task.train.targets.end(), rows, static_cast<std::int64_t>(c));
      task.train.groups.insert(task.train.groups.end(), rows, static_cast<std::int64_t>(g));
    }
  }
  return task;
}

const SoftmaxLoss<CrossEntropy>& cross_entropy(const Objective& objective) {
  return std::get<SoftmaxLoss<CrossEntropy>>(objective.loss);
}

TEST(QaStrategies, AreThoseOfTheTable) {
  std::vector<std::string> names;
  for (const QaStrategy& strategy : all_qa_strategies(kAnswerType)) names.push_back(strategy.name);
  EXPECT_THAT(
      names, testing::ElementsAre("none", "none_tau", "weights", "weights_0.5", "focal",
                                  "logit_adjustment", "logit_adjustment_0.5", "group_adjustment",
                                  "group_adjustment_0.5", "mix_0.5", "mix_0.3", "unimax", "uniform",
                                  "mix_0.3_weights_0.5", "mix_0.3_group_0.5", "rake", "rake_0.5"));
  EXPECT_EQ(all_qa_strategies(kSentenceSelection).size(), names.size() - 1);
  for (const QaStrategy& strategy : all_qa_strategies(kSentenceSelection)) {
    EXPECT_FALSE(strategy.posthoc) << strategy.name;
  }
}

TEST(DrawnCells, AreSharesOfLanguagesAndClasses) {
  for (const QaStrategy& strategy : all_qa_strategies(kAnswerType)) {
    const std::vector<double> cells = drawn_cells(strategy, counts());
    ASSERT_EQ(cells.size(), 4U);
    EXPECT_NEAR(std::accumulate(cells.begin(), cells.end(), 0.0), 1, kTolerance) << strategy.name;
  }
  EXPECT_THAT(drawn_cells(named("none"), counts()),
              Pointwise(DoubleNear(kTolerance), {0.8, 0.1, 0.075, 0.025}));
}

TEST(DrawnCells, MixLanguagesAndKeepTheirClasses) {
  const auto expect_languages = [](const std::string& name, double large) {
    const std::vector<double> cells = drawn_cells(named(name), counts());
    EXPECT_THAT(language_shares(cells, 2), Pointwise(DoubleNear(kTolerance), {large, 1 - large}))
        << name;
    EXPECT_NEAR(cells[0] / cells[1], 8, 1e-6) << name;
    EXPECT_NEAR(cells[2] / cells[3], 3, 1e-6) << name;
  };
  expect_languages("mix_0.5", 30.0 / 40.0);
  expect_languages("mix_0.3", std::pow(9, 0.3) / (std::pow(9, 0.3) + 1));
  expect_languages("uniform", 0.5);
  expect_languages("unimax", 0.8);  // of 1,000 draws the small one gets twice its 100 rows
  for (const char* name : {"mix_0.3_weights_0.5", "mix_0.3_group_0.5"}) {
    expect_languages(name, std::pow(9, 0.3) / (std::pow(9, 0.3) + 1));
  }
}

TEST(DrawnCells, AreRakedToBothMarginals) {
  const std::vector<double> cells = drawn_cells(named("rake"), counts());
  EXPECT_THAT(language_shares(cells, 2), Pointwise(DoubleNear(kTolerance), {0.5, 0.5}));
  EXPECT_THAT(class_shares(cells, 2), Pointwise(DoubleNear(kTolerance), {0.5, 0.5}));
  EXPECT_NEAR(cells[0] * cells[3] / cells[1] / cells[2], 8.0 / 3, 1e-6);  // odds stay
  const std::vector<double> half = drawn_cells(named("rake_0.5"), counts());
  EXPECT_THAT(language_shares(half, 2), Pointwise(DoubleNear(kTolerance), {0.5, 0.5}));
  const double common = std::sqrt(875.0) / (std::sqrt(875.0) + std::sqrt(125.0));
  EXPECT_THAT(class_shares(half, 2), Pointwise(DoubleNear(kTolerance), {common, 1 - common}));
}

TEST(DrawnCells, ThatCannotBeAreAnErrorOfTheStrategy) {
  // All of the small language is of one class, which is rare: half of all draws cannot be.
  const GroupedCounts apart({ClassCounts({900, 0}), ClassCounts({0, 100})});
  EXPECT_THAT(drawn_cells(named("rake"), apart),
              Pointwise(DoubleNear(kTolerance), {0.5, 0.0, 0.0, 0.5}));
  try {
    drawn_cells(named("rake_0.5"), apart);
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--strategy=rake_0.5: rake(): marginal of "));
  }
}

TEST(LossWeights, HaveMeanOneOverWhatIsDrawn) {
  EXPECT_TRUE(loss_weights(named("none"), counts()).empty());
  for (const char* name : {"weights", "weights_0.5", "mix_0.3_weights_0.5"}) {
    const QaStrategy strategy = named(name);
    const std::vector<double> weights = loss_weights(strategy, counts());
    const std::vector<double> drawn = class_shares(drawn_cells(strategy, counts()), 2);
    EXPECT_NEAR(weights[0] * drawn[0] + weights[1] * drawn[1], 1, kTolerance) << name;
    EXPECT_NEAR(weights[1] / weights[0], std::pow(drawn[0] / drawn[1], strategy.weight_tau), 1e-6)
        << name;
  }
}

TEST(QaObjective, AdjustsLogitsByThePriorOfAllOrOfTheLanguage) {
  const QaTask task = task_of(counts());
  const Objective overall = task.objective("logit_adjustment_0.5", 0, 10);
  EXPECT_THAT(cross_entropy(overall).logit_terms.shift,
              Pointwise(DoubleNear(kTolerance), {0.5 * std::log(0.875), 0.5 * std::log(0.125)}));
  EXPECT_TRUE(cross_entropy(overall).group_logit_terms.empty());
  const Objective by_language = task.objective("group_adjustment", 0, 10);
  ASSERT_EQ(cross_entropy(by_language).group_logit_terms.size(), 2U);
  // One is added to each count.
  EXPECT_THAT(cross_entropy(by_language).group_logit_terms[1].shift,
              Pointwise(DoubleNear(kTolerance), {std::log(76.0 / 102), std::log(26.0 / 102)}));
  EXPECT_TRUE(std::holds_alternative<SoftmaxLoss<Focal>>(task.objective("focal", 0, 10).loss));
}

TEST(QaObjective, DrawsTheCellsInTheirShares) {
  const QaTask task = task_of(counts());
  const Objective objective = task.objective("rake", 3, 10);
  EXPECT_EQ(objective.stream.epoch_size(), 1000U);
  std::map<std::pair<std::int64_t, std::int64_t>, double> drawn;
  for (std::uint64_t t = 0; t < 1000; ++t) {
    const std::size_t row = objective.stream[t];
    drawn[{task.train.groups[row], task.train.targets[row]}] += 1;
  }
  const std::vector<double> cells = drawn_cells(named("rake"), counts());
  for (std::size_t i = 0; i < 4; ++i) {
    const auto g = static_cast<std::int64_t>(i / 2);
    const auto c = static_cast<std::int64_t>(i % 2);
    EXPECT_NEAR((drawn[{g, c}]), 1000 * cells[i], 2);  // exact quotas
  }
}

TEST(QaObjective, OfNoneVisitsEachRowOnceAnEpoch) {
  const QaTask task = task_of(counts());
  const Objective objective = task.objective("none", 1, 10);
  std::vector<int> visits(1000);
  for (std::uint64_t t = 0; t < 1000; ++t) ++visits[objective.stream[t]];
  // Quotas of four cells are exact within 2.5 draws, and each cell's rows are a deck.
  EXPECT_GE(std::count(visits.begin(), visits.end(), 1), 992);
}

}  // namespace
}  // namespace equipoise::demos
