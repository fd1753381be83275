#include "demos/common/outcome_charts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "demos/common/reliability.h"

namespace equipoise::demos {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;

Outcome outcome(const std::string& strategy, const std::vector<Metrics>& of_seeds) {
  Outcome result{strategy};
  for (const Metrics& measured : of_seeds) {
    demos::Run run;
    run.test = measured;
    result.runs.push_back(run);
  }
  return result;
}

TEST(ScoreDots, HaveTheMeanOfEachOutcome) {
  const Outcome before =
      outcome("none", {{{"f1", "a", 0.25}, {"f1", "b", 0}}, {{"f1", "a", 0.75}, {"f1", "b", 0}}});
  const Outcome after = outcome("weights", {{{"f1", "b", 0.5}, {"f1", "a", 1}}});
  const DotChart chart = score_dots("title", "f1", {"a", "b"}, {&before, &after});
  ASSERT_EQ(chart.series.size(), 2U);
  EXPECT_EQ(chart.series[0].name, "none");
  EXPECT_THAT(chart.series[0].values, ElementsAre(0.5, 0));
  EXPECT_THAT(chart.series[1].values, ElementsAre(1, 0.5));
  EXPECT_THAT(chart.categories, ElementsAre("a", "b"));
}

TEST(ReliabilityLines, HaveTheBinsOfTheFirstSeed) {
  // The top labels are 0, 0, 2, 1: right, wrong, right, right.
  const std::vector<double> rows = {0.7, 0.2, 0.1, 0.7, 0.1, 0.2, 0.05, 0, 0.95, 0.2, 0.5, 0.3};
  const std::vector<std::int64_t> targets = {0, 1, 2, 1};
  Metrics measured;
  add_reliability("raw", rows, 3, targets, measured);
  const ReliabilityChart chart =
      reliability_lines("Top label", outcome("none", {measured, {}}), {"raw"});
  EXPECT_EQ(chart.title, "Top label: none, first seed");
  EXPECT_EQ(chart.bins, kReliabilityBins);
  ASSERT_EQ(chart.lines.size(), 1U);
  EXPECT_EQ(chart.lines[0].name, "raw, ECE .237");  // (2 * .2 + .05 + .5) / 4 = .2375, to even
  EXPECT_THAT(chart.lines[0].confidence, ElementsAre(DoubleEq(0.5), DoubleEq(0.7), DoubleEq(0.95)));
  EXPECT_THAT(chart.lines[0].frequency, ElementsAre(1, 0.5, 1));
  EXPECT_THAT(chart.lines[0].count, ElementsAre(1, 2, 1));
  EXPECT_EQ(reliability_lines("Top label", outcome("none", {measured}), {"raw"}).title,
            "Top label: none");
}

TEST(PrecisionRecallCurveOfScores, HasThePointsAtWhichRecallGrows) {
  metrics::BinaryScores<double> scores;
  // From the top: hit, miss, hit and miss at once, miss.
  scores.add(std::vector<double>{0.9, 0.8, 0.5, 0.5, 0.1}, std::vector<int>{1, 0, 1, 0, 0});
  const PrecisionRecallCurve curve = precision_recall_curve(scores, "a");
  EXPECT_EQ(curve.name, "a");
  EXPECT_THAT(curve.recall, ElementsAre(0.5, 1));
  EXPECT_THAT(curve.precision, ElementsAre(1, 0.5));
  EXPECT_DOUBLE_EQ(curve.average_precision, 0.75);  // the area of these steps
  const PrecisionRecallCurve none = precision_recall_curve(metrics::BinaryScores<float>(), "b");
  EXPECT_TRUE(none.recall.empty());
  EXPECT_EQ(none.average_precision, 0);
}

TEST(PrecisionRecallPanels, AreOfTheLastTwelveLabels) {
  std::vector<std::string> labels;
  std::vector<double> positives;
  Outcome before = outcome("none", {{}, {}});
  for (std::size_t l = 0; l < 13; ++l) {
    labels.push_back("label " + std::to_string(l));
    positives.push_back(static_cast<double>(13 - l));
    before.runs[0].curves.push_back({labels.back(), {1}, {0.5}, 0.5});
    before.runs[1].curves.push_back({labels.back(), {1}, {0.25}, 0.25});
  }
  Outcome after = outcome("weights", {{}});
  after.runs[0].curves = {{"label 12", {1}, {1}, 1}};
  const PrecisionRecallChart chart =
      precision_recall_panels("title", labels, positives, 8, {&before, &after});
  EXPECT_EQ(chart.title, "title, first seed");
  ASSERT_EQ(chart.panels.size(), 12U);
  EXPECT_EQ(chart.panels[0].name, "label 1");
  EXPECT_EQ(chart.panels[0].curves.size(), 1U);
  const PrecisionRecallPanel& last = chart.panels[11];
  EXPECT_EQ(last.positives, 1);
  EXPECT_DOUBLE_EQ(last.prevalence, 0.125);
  ASSERT_EQ(last.curves.size(), 2U);
  EXPECT_EQ(last.curves[0].name, "none");
  EXPECT_THAT(last.curves[0].precision, ElementsAre(0.5));
  EXPECT_EQ(last.curves[1].name, "weights");
  EXPECT_THAT(last.curves[1].precision, ElementsAre(1));
}

TEST(ConfusionMap, SumsTheSeedsInTheOrderOfTheChart) {
  Outcome both = outcome("none", {{}, {}});
  for (demos::Run& run : both.runs) {
    run.confusion = metrics::ConfusionMatrix(2);
    run.confusion.add(0, 1);
    run.confusion.add(1, 1);
  }
  both.runs[1].confusion.add(1, 0);
  const std::vector<std::size_t> order = {1, 0};
  const HeatMap map = confusion_map("Predictions", {"a", "b"}, order, both);
  EXPECT_EQ(map.title, "Predictions: none");
  EXPECT_THAT(map.classes, ElementsAre("b", "a"));
  EXPECT_THAT(map.counts, ElementsAre(2, 1, 2, 0));
  EXPECT_EQ(map.runs, 2);
  EXPECT_TRUE(confusion_map("", {"a", "b"}, order, outcome("none", {{}})).classes.empty());
}

}  // namespace
}  // namespace equipoise::demos
