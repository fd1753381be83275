#include "demos/common/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;
using testing::Not;

Examples examples(std::size_t rows, std::vector<std::int64_t> targets, std::size_t labels = 0) {
  Examples part;
  part.features.starts.assign(rows + 1, 0);
  part.targets = std::move(targets);
  part.labels = labels;
  return part;
}

OneLabelTask task() {
  OneLabelTask task;
  task.classes = {"common", "rare, odd"};
  task.counts = {90, 10};
  task.validation = examples(2, {0, 1});
  task.test = examples(4, {0, 0, 0, 1});
  return task;
}

// The metrics of calibration, each a number of its own.
Metrics calibration(double first) {
  Metrics measured = {{"temperature", "", 1 + first}};
  for (const char* way : {"raw", "nominal", "fitted"}) {
    for (const char* metric : {"ece_", "class_wise_ece_", "nll_"}) {
      measured.push_back({std::string(metric) + way, "", first});
      first += 0.125;
    }
  }
  measured.push_back({"confidence_raw", "12", 0.75});
  measured.push_back({"frequency_raw", "12", 0.5});
  measured.push_back({"rule_tau", "", 0.5});
  measured.push_back({"rule_macro_f1", "", 0.625});
  return measured;
}

Run make_run(const OneLabelTask& data, std::uint64_t seed,
             const std::vector<std::int64_t>& predictions) {
  Run run;
  run.seed = seed;
  run.seconds = 2;
  run.validation = data.class_metrics(data.validation, std::vector<std::int64_t>{0, 1});
  run.test = data.class_metrics(data.test, predictions);
  const Metrics measured = calibration(static_cast<double>(seed));
  run.test.insert(run.test.end(), measured.begin(), measured.end());
  run.resampled = [seed](std::span<const std::uint32_t>) {
    return 0.5 + 0.25 * static_cast<double>(seed);
  };
  return run;
}

const ExperimentOptions kOptions = {{"none", "none_tau"}, 2, "macro_f1", "none", 4};

Results results() {
  const OneLabelTask data = task();
  Results results;
  results.outcomes = {
      {"none", {make_run(data, 0, {0, 0, 0, 0}), make_run(data, 1, {0, 0, 0, 1})}},
      {"none_tau", {make_run(data, 0, {1, 0, 0, 1}), make_run(data, 1, {0, 0, 0, 1})}}};
  for (Run& run : results.outcomes[1].runs) run.choice = "tau 0.75";
  Metrics& shares = results.outcomes[0].runs[0].test;
  shares.push_back({"realised_share", "", 0.8});
  shares.push_back({"realised_share_lower", "", 0.7});
  shares.push_back({"realised_share_upper", "", 0.9});
  results.outcomes[1].gain = metrics::Interval{0.1, -0.05, 0.25};
  results.best = 1;
  return results;
}

// A table's text without its padding.
std::string squeezed(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ' || result.empty() || result.back() != ' ') result += c;
  }
  return result;
}

TEST(Summary, AveragesOverSeedsAndMarksTheBest) {
  const std::string text = squeezed(task().summary(kOptions, results()));
  EXPECT_THAT(text, HasSubstr("Test rows, mean over 2 seeds"));
  EXPECT_THAT(text, HasSubstr("the best strategy (**none_tau**)"));
  EXPECT_THAT(text, HasSubstr("Rare: rare, odd."));
  EXPECT_THAT(text,
              HasSubstr("| strategy | validation macro_f1 | accuracy | macro-F1 | balanced acc. "
                        "| rare recall | rare precision | seconds | gain in macro_f1"));
  // none: accuracy (.75 + 1) / 2; F1 of the classes 6/7 and 0, then 1 and 1; recall 1 and 0.
  EXPECT_THAT(text, HasSubstr("| none | 1.000 | .875 | .714 | .750 | .500 | .500 | 2.0 | |"));
  // none_tau: accuracy .75, then 1; F1 .8 and 2/3; recall 2/3 and 1; precision of the rare .5.
  EXPECT_THAT(text, HasSubstr("| **none_tau (tau 0.75)** | 1.000 | .875 | .867 | .917 | 1.000 | "
                              ".750 | 2.0 | +.100 [-.050, +.250] |"));
}

TEST(Summary, ShowsEachClassFromTheLargestOn) {
  const std::string text = squeezed(task().summary(kOptions, results()));
  EXPECT_THAT(text,
              HasSubstr("| class | training rows | test rows | precision none | precision "
                        "none_tau | recall none | recall none_tau | F1 none | F1 none_tau |"));
  EXPECT_THAT(text, HasSubstr("| common | 90 | 3 | .875 | 1.000 | 1.000 | .833 |"));
  EXPECT_THAT(text, HasSubstr("| rare, odd | 10 | 1 | .500 | .750 | .500 | 1.000 |"));
  EXPECT_LT(text.find("| common |"), text.find("| rare, odd |"));
}

TEST(Summary, ShowsCalibrationOfWhatWasTrained) {
  const std::string text = squeezed(task().summary(kOptions, results()));
  // Metric by metric and way by way; the mean of the two seeds is half more than the first.
  EXPECT_THAT(text,
              HasSubstr("| none | .500 | .875 | 1.250 | .625 | 1.000 | 1.375 | .750 | 1.125 | "
                        "1.500 | 1.50 | 0.80 [0.70, 0.90] | .625 |"));
  EXPECT_THAT(text, Not(HasSubstr("| none_tau |")));  // the probabilities of none
}

TEST(Summary, ComparesTheBestWithThePosthocCorrection) {
  const std::string gain = "over none_tau: ";
  EXPECT_THAT(task().summary(kOptions, results()), Not(HasSubstr(gain)));  // it is the best
  Results others = results();
  others.outcomes.push_back({"weights", {make_run(task(), 1, {0, 0, 0, 1})}});
  others.best = 2;
  EXPECT_THAT(task().summary(kOptions, others),
              HasSubstr("Gain of weights over none_tau: +.125 [+.125, +.125].\n"));
  others.outcomes.erase(others.outcomes.begin() + 1);
  others.best = 1;
  EXPECT_THAT(task().summary(kOptions, others), Not(HasSubstr(gain)));
}

TEST(Summary, ShowsOneColumnWhereNoneIsTheBest) {
  Results plain = results();
  plain.best = 0;
  EXPECT_THAT(task().summary(kOptions, plain),
              HasSubstr("| precision none | recall none | F1 none |"));
  for (Outcome& outcome : plain.outcomes) outcome.runs.resize(1);
  EXPECT_THAT(task().summary(kOptions, plain), HasSubstr("mean over 1 seed;"));
}

TEST(LedgerTable, SaysWhatWillHappenToThePrior) {
  const std::string text = squeezed(task().preview({"none", "weights", "double"}));
  EXPECT_THAT(text, HasSubstr("| prior of common | prior of rare, odd | effective rows |"));
  EXPECT_THAT(text, HasSubstr("| none | 0.00 | 0.00 | 0.00 | 0.00 | 0.9000 | 0.1000 | 100 | |"));
  // Kish's size of 90 weights of 5/9 and 10 of 5: 100^2 / (90 * 25/81 + 250).
  EXPECT_THAT(text, HasSubstr("| weights | 0.00 | 1.00 | 0.00 | 1.00 | 0.5000 | 0.5000 | 36 | |"));
  // 1/2 of either drawn, which weigh 1 to 9.
  EXPECT_THAT(text, HasSubstr("| double | 1.00 | 1.00 | 0.00 | 2.00 | 0.1000 | 0.9000 |"));
  EXPECT_THAT(text, HasSubstr("corrects twice |"));
}

void expect_report(const TextTask& data, const Results& shown, const ExperimentOptions& options,
                   const std::vector<std::string>& pictures) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "write_report" / "below";
  std::filesystem::remove_all(directory);
  const std::string note = write_report("A header.", data, options, shown, directory);
  EXPECT_THAT(note, HasSubstr(directory.string()));
  EXPECT_THAT(note, HasSubstr("results.csv, summary.md"));
  EXPECT_EQ(read_file(directory / "results.csv"), results_csv(shown));
  EXPECT_EQ(read_file(directory / "summary.md"), "A header.\n\n" + data.summary(options, shown));
  const bool drawn = note.find("no pictures") == std::string::npos;
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".png") found.push_back(entry.path().filename());
  }
  for (const std::string& picture : pictures) {
    EXPECT_EQ(std::filesystem::exists(directory / picture), drawn) << picture;
    if (!drawn) continue;
    EXPECT_THAT(note, HasSubstr(picture));
    EXPECT_EQ(read_file(directory / picture).substr(1, 3), "PNG");
  }
  if (drawn) {
    EXPECT_THAT(found, testing::UnorderedElementsAreArray(pictures));
  }
  std::filesystem::remove_all(directory.parent_path());
}

TEST(WriteReport, WritesAllFiles) {
  expect_report(task(), results(), kOptions,
                {"counts.png", "weights.png", "recall.png", "precision_recall.png",
                 "reliability.png", "confusion.png"});
}

// Two labels, on 60 and 20 of 100 rows.
ManyLabelsTask label_task() {
  ManyLabelsTask task;
  task.classes = {"often", "seldom"};
  task.counts = {60, 20};
  task.train = examples(100, {}, 2);
  task.validation = examples(1, {1, 1}, 2);
  task.test = examples(3, {1, 1, 1, 0, 0, 0}, 2);
  return task;
}

Run label_run(double first) {
  Run run;
  run.seconds = 0.5;
  run.validation = {{"macro_f1", "", first / 2}};
  for (const char* metric : {"macro_f1", "micro_f1", "macro_f1_shared", "micro_f1_shared",
                             "macro_f1_half", "micro_f1_half", "macro_average_precision"}) {
    run.test.push_back({metric, "", first});
    first += 0.0625;
  }
  for (const char* label : {"often", "seldom"}) {
    for (const char* metric : {"precision", "recall", "f1", "average_precision"}) {
      run.test.push_back({metric, label, first});
      first -= 0.0625;
    }
  }
  return run;
}

Results label_results() {
  Results results;
  results.outcomes = {{"none", {label_run(0.25)}}, {"focal", {label_run(0.5)}}};
  results.outcomes[1].gain = metrics::Interval{0.25, 0.125, 0.375};
  results.best = 1;
  return results;
}

TEST(Summary, OfSeveralLabelsShowsThresholdsAndLabels) {
  const ExperimentOptions options = {{"none", "focal"}, 1, "macro_f1", "none", 3};
  const std::string text = squeezed(label_task().summary(options, label_results()));
  EXPECT_THAT(text, HasSubstr("the best loss (**focal**)"));
  EXPECT_THAT(text, HasSubstr("| macro-F1 | micro-F1 | macro-F1, shared | micro-F1, shared | "
                              "macro-F1, half | micro-F1, half | macro AP |"));
  EXPECT_THAT(text,
              HasSubstr("| none | .125 | .250 | .312 | .375 | .438 | .500 | .562 | .625 | 0.5 "
                        "| |"));
  EXPECT_THAT(text, HasSubstr("| **focal** | .250 | .500 | .562 | .625 | .688 | .750 | .812 | .875 "
                              "| 0.5 | +.250 [+.125, +.375] |"));
  EXPECT_THAT(text, HasSubstr("| often | 60 | 2 | .688 | .938 | .625 | .875 | .562 | .812 |"));
  EXPECT_THAT(text, HasSubstr("| seldom | 20 | 1 | .438 | .688 | .375 | .625 | .312 | .562 |"));
  EXPECT_THAT(text, Not(HasSubstr("ECE")));
}

TEST(WriteReport, OfSeveralLabelsHasTheirF1) {
  expect_report(label_task(), label_results(), {{"none", "focal"}, 1, "macro_f1", "none", 3},
                {"counts.png", "weights.png", "f1.png", "precision_recall.png"});
}

}  // namespace
}  // namespace equipoise::demos
