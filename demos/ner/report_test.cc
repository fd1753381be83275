#include "demos/common/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/ner/task.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;
using testing::Not;

// Ann Lee in York, and Bob x.
TaggingTask small_task() {
  TaggedCorpus corpus;
  corpus.tags = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  corpus.test = {{{"Ann", "Lee", "in", "York"}, {1, 2, 0, 3}}, {{"Bob", "x"}, {1, 0}}};
  corpus.train = corpus.test;
  corpus.validation = corpus.test;
  return *make_tagging_task(corpus, linear_features(), "linear");
}

// A run that tags test and validation so. Metrics of calibration are numbers of their own.
demos::Run make_run(const TaggingTask& task, std::uint64_t seed,
                    const std::vector<std::int64_t>& tags) {
  demos::Run run;
  run.seed = seed;
  run.validation = task.tagging_metrics(task.validation, tags);
  run.test = task.tagging_metrics(task.test, tags);
  double value = 0.03125;
  for (const char* metric : {"ece_raw", "ece_fitted", "class_wise_ece_raw", "class_wise_ece_fitted",
                             "nll_raw", "nll_fitted", "token_macro_f1_em"}) {
    run.test.push_back({metric, "", value});
    value += 0.0625;
  }
  for (const char* type : {"PER", "LOC"}) {
    run.test.push_back({"tokens", type, 0.25});
    run.test.push_back({"tokens_em", type, 0.125});
  }
  run.resampled = [](std::span<const std::uint32_t>) { return 0.5; };
  return run;
}

const std::vector<std::int64_t> kHalfRight = {1, 0, 0, 3, 0, 0};
const std::vector<std::int64_t> kRight = {1, 2, 0, 3, 1, 0};

Results small_results(const TaggingTask& task) {
  Results results;
  results.outcomes = {{"none", {make_run(task, 0, kHalfRight), make_run(task, 1, kRight)}},
                      {"none_tau", {make_run(task, 0, kHalfRight), make_run(task, 1, kHalfRight)}},
                      {"spans_0.5",
                       {make_run(task, 0, kRight), make_run(task, 1, kRight)},
                       metrics::Interval{0.5, 0, 1}}};
  for (demos::Run& run : results.outcomes[1].runs) run.choice = "tau 0.5";
  results.best = 2;
  return results;
}

const ExperimentOptions kOptions = {
    {"none", "none_tau", "spans_0.5"}, 2, "token_macro_f1", "none", 2};

// Without the padding of tables.
std::string squeezed(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' || result.empty() || result.back() != ' ') result += c;
  }
  return result;
}

TEST(TaggingSummary, HasStrategiesTypesShiftAndCalibration) {
  const TaggingTask task = small_task();
  const std::string text = squeezed(task.summary(kOptions, small_results(task)));
  EXPECT_THAT(text, HasSubstr("mean over 2 seeds"));
  // By hand: of three entities one is right with kHalfRight, where two are predicted: F1 .4.
  EXPECT_THAT(text, HasSubstr("| **spans_0.5** | 1.000 | 1.000 |"));
  EXPECT_THAT(text, HasSubstr("| spans_0.5 | 1.000 [1.000, 1.000] |"));
  EXPECT_THAT(text, HasSubstr("| none_tau | .400 [.400, .400] | .400 [.400, .400] |"));
  EXPECT_THAT(text, HasSubstr("Gain of spans_0.5 over none_tau: +.000"));
  // Of types: entities in train and test, then tokens' F1 of none and spans_0.5.
  EXPECT_THAT(text, HasSubstr("| PER | 2 | 2 | .750 | 1.000 |"));
  EXPECT_THAT(text, HasSubstr("| PER | 50.00 % | 25.00 % | 12.50 % | 12.50 % |"));
  // Calibration: raw and fitted by metric; what was only corrected afterwards has none of its own.
  EXPECT_THAT(text, HasSubstr("| none | .031 | .094 | .156 | .219 | .281 | .344 |"));
  EXPECT_THAT(text, Not(HasSubstr("| none_tau | .031")));
}

TEST(TaggingSummary, IsWithoutAShiftThatWasNotEstimated) {
  const TaggingTask task = small_task();
  Results results = small_results(task);
  for (Outcome& outcome : results.outcomes) {
    for (demos::Run& run : outcome.runs) {
      std::erase_if(run.test, [](const MetricValue& each) {
        return each.metric == "tokens_em" || each.metric == "token_macro_f1_em";
      });
    }
  }
  const std::string text = task.summary(kOptions, results);
  EXPECT_THAT(text, Not(HasSubstr("expectation-maximisation")));
  EXPECT_THAT(text, Not(HasSubstr("the same, EM")));
  EXPECT_THAT(text, HasSubstr("| PER "));
}

TEST(TaggingReport, WritesMetricsTablesAndPictures) {
  const TaggingTask task = small_task();
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "ner_report_test";
  const std::string said = write_report("Header.", task, kOptions, small_results(task), directory);
  EXPECT_THAT(said, HasSubstr("results.csv"));
  const std::string csv = read_file(directory / "results.csv");
  EXPECT_THAT(csv, HasSubstr("strategy,seed,split,metric,label,value\n"));
  EXPECT_THAT(csv, HasSubstr("none,0,test,entity_f1,,0.4\n"));
  EXPECT_THAT(csv, HasSubstr("spans_0.5,1,test,f1,LOC,1\n"));
  EXPECT_TRUE(read_file(directory / "summary.md").starts_with("Header.\n\nTest sentences"));
  for (const char* name : {"counts", "weights", "f1", "shift", "reliability"}) {
    EXPECT_TRUE(std::filesystem::exists(directory / (std::string(name) + ".gnuplot"))) << name;
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace equipoise::demos
