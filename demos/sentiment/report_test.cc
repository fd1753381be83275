#include "demos/sentiment/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "demos/common/files.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;
using testing::Not;

Task task() {
  Task task{{"common", "rare, odd"},
            {90, 10},
            TfIdf(std::vector<float>(std::size_t{kTextColumns}, 1.0F)),
            {},
            {{}, {0, 1}},
            {{}, {0, 0, 0, 1}}};
  return task;
}

Run make_run(const Task& data, std::uint64_t seed, std::vector<std::int64_t> predictions) {
  Run run{.seed = seed, .seconds = 2.0};
  run.validation = score(data, data.validation, std::vector<std::int64_t>{0, 1});
  run.test = score(data, data.test, predictions);
  run.test_predictions = std::move(predictions);
  return run;
}

Results results() {
  const Task data = task();
  const std::vector<Strategy> strategies = parse_strategies("none,none_tau");
  Results results;
  results.outcomes = {
      {strategies[0], {make_run(data, 0, {0, 0, 0, 0}), make_run(data, 1, {0, 0, 0, 1})}},
      {strategies[1], {make_run(data, 0, {1, 0, 0, 1}), make_run(data, 1, {0, 0, 0, 1})}}};
  for (Run& run : results.outcomes[1].runs) run.tau = 0.75;
  CalibrationScores& scores = results.outcomes[0].runs[1].calibration;
  scores.raw.ece = 0.25;
  scores.fitted.nll = 1.5;
  scores.realised_share = Interval{0.8, 0.7, 0.9};
  scores.rule_macro_f1 = 0.625;
  results.outcomes[1].gain = Interval{0.1, -0.05, 0.25};
  results.best = 1;
  return results;
}

TEST(Summary, AveragesOverSeedsAndMarksTheBest) {
  const std::string text = summary(task(), results());
  EXPECT_THAT(text, HasSubstr("Test rows, mean over 2 seeds"));
  EXPECT_THAT(text, HasSubstr("Rare: rare, odd."));
  // none: accuracy (.75 + 1) / 2; F1 of the classes 6/7 and 0, then 1 and 1.
  EXPECT_THAT(text, HasSubstr("| none "));
  EXPECT_THAT(text, HasSubstr(" .875 |     .714 |"));
  EXPECT_THAT(text, HasSubstr("| **none_tau (0.75, 0.75)** |"));
  EXPECT_THAT(text, HasSubstr("+.100 [-.050, +.250] |"));
  EXPECT_THAT(text, HasSubstr("| precision none | precision none_tau | recall none |"));
}

TEST(Summary, ShowsCalibrationOfWhatWasTrained) {
  const std::string text = summary(task(), results());
  EXPECT_THAT(text, HasSubstr("| none     |    .125 |    .000 |   .000 |"));
  EXPECT_THAT(text, Not(HasSubstr("| none_tau |")));  // the probabilities of none
}

TEST(LedgerTable, SaysWhatWillHappenToThePrior) {
  const std::vector<Strategy> strategies = parse_strategies("none,double");
  const std::string text = ledger_table(task(), strategies);
  EXPECT_THAT(text, HasSubstr("| none "));
  EXPECT_THAT(text, HasSubstr("corrects twice |"));
}

TEST(Summary, ShowsOneColumnWhereNoneIsTheBest) {
  Results plain = results();
  plain.best = 0;
  EXPECT_THAT(summary(task(), plain), HasSubstr("| precision none | recall none | F1 none |"));
}

TEST(ResultsCsv, HasEveryFigureOfEveryRun) {
  const std::string csv = results_csv(task(), results());
  EXPECT_THAT(csv, testing::StartsWith("strategy,seed,split,metric,label,value\n"));
  // 2 strategies x 2 seeds x (2 splits x (6 totals + 2 classes x 3 figures) + 11 figures of
  // calibration), one realised share, and the header.
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 2 * 2 * (2 * 12 + 11) + 1);
  for (const char* line : {"none,0,test,accuracy,,0.75\n", "none,0,test,macro_f1,,0.428571429\n",
                           "none,1,test,balanced_accuracy,,1\n", "none_tau,0,test,rare_recall,,1\n",
                           "none_tau,0,test,rare_precision,,0.5\n", "none_tau,1,test,seconds,,2\n",
                           "none_tau,0,test,precision,\"rare, odd\",0.5\n",
                           "none,0,test,recall,common,1\n", "none,0,validation,f1,common,1\n",
                           "none,1,test,ece_raw,,0.25\n", "none,1,test,nll_fitted,,1.5\n",
                           "none,1,test,realised_share,,0.8\n",
                           "none,1,test,rule_macro_f1,,0.625\n"}) {
    EXPECT_THAT(csv, HasSubstr(line));
  }
}

TEST(WriteReport, WritesAllFiles) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "write_report" / "below";
  const std::string note = write_report("A header.", task(), results(), directory);
  EXPECT_THAT(note, HasSubstr(directory.string()));
  EXPECT_EQ(read_file(directory / "results.csv"), results_csv(task(), results()));
  EXPECT_EQ(read_file(directory / "summary.md"), "A header.\n\n" + summary(task(), results()));
  const bool drawn = note.find("recall.png") != std::string::npos;
  for (const char* picture : {"counts.png", "weights.png", "recall.png"}) {
    EXPECT_EQ(std::filesystem::exists(directory / picture), drawn) << picture;
    if (drawn) {
      EXPECT_EQ(read_file(directory / picture).substr(1, 3), "PNG");
    }
  }
  std::filesystem::remove_all(directory.parent_path());
}

}  // namespace
}  // namespace equipoise::demos
