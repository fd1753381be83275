#include "demos/common/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/qa/task.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr double kF1OfNone = 0.5;

QaTask type_task() {
  QaTask task;
  task.name = kAnswerType;
  task.classes = {"text", "no_answer", "number_date", "yes_no"};
  task.languages = {"hau", "yor"};
  task.counts = GroupedCounts({ClassCounts({40, 30, 10, 5}), ClassCounts({10, 10, 3, 2})});
  task.test.targets = {0, 1, 2, 3};
  task.test.groups = {0, 0, 1, 1};
  task.test.features.starts.assign(5, 0);
  return task;
}

QaTask sentence_task() {
  QaTask task;
  task.name = kSentenceSelection;
  task.classes = {"other", "positive"};
  task.languages = {"en", "sw", "ko"};
  task.counts = GroupedCounts({ClassCounts({80, 20}), ClassCounts({10, 5}), ClassCounts({6, 2})});
  task.test.targets = {0, 1, 0, 1};
  task.test.groups = {0, 0, 1, 1};  // no Korean
  task.test.unit_starts = {0, 2, 4};
  return task;
}

// Every metric that tables want, the F1s higher by `more`.
Metrics measured(const QaTask& task, double more) {
  Metrics all;
  for (const char* metric :
       {"accuracy", "macro_f1", "balanced_accuracy", "positive_f1", "positive_f1_half",
        "positive_f1_several", "mrr", "average_precision", "language_f1", "worst_language_f1",
        "language_mrr", "worst_language_mrr", "ece_raw", "ece_fitted", "nll_raw", "nll_fitted"}) {
    all.push_back({metric, "", kF1OfNone + more});
  }
  for (const std::string& name : task.classes) {
    for (const char* metric : {"precision", "recall", "f1"}) all.push_back({metric, name, 0.25});
  }
  double value = 0.75;
  for (std::size_t g = 0; g < 2; ++g) {
    for (const char* metric : {"f1", "mrr", "accuracy", "macro_f1"}) {
      all.push_back({metric, language_label(task.languages[g]), value});
    }
    value -= 0.125;
  }
  all.push_back({"frequency_raw", "3", 0.3});
  all.push_back({"frequency_fitted", "3", 0.25});
  return all;
}

Results results(const QaTask& task) {
  Results all;
  for (const auto& [name, more] :
       {std::pair("none", 0.0), std::pair("none_tau", 0.0625), std::pair("weights", 0.125)}) {
    Outcome outcome{name};
    for (std::uint64_t seed = 0; seed < 2; ++seed) {
      Run run;
      run.seed = seed;
      run.validation = measured(task, more);
      run.test = measured(task, more);
      run.resampled = [each = more](std::span<const std::uint32_t>) { return each; };
      outcome.runs.push_back(std::move(run));
    }
    if (more > 0) outcome.gain = {more, more, more};
    all.outcomes.push_back(std::move(outcome));
  }
  all.best = 2;
  all.outcomes[2].second_gain = {0.0625, -0.03125, 0.125};
  return all;
}

ExperimentOptions options(const QaTask& task) {
  ExperimentOptions result;
  result.strategies = {"none", "none_tau", "weights"};
  result.seeds = 2;
  result.headline = task.selects_sentences() ? "positive_f1" : "macro_f1";
  result.test_units = task.test.units();
  return result;
}

TEST(TreatmentTable, SaysWhatIsDrawnAndWeighed) {
  std::vector<std::string> names;
  for (const QaStrategy& strategy : all_qa_strategies(kAnswerType)) names.push_back(strategy.name);
  const std::string table = type_task().preview(names);
  // Of 110 rows 85 are Hausa; 7 are for yes or no, which weigh 110 / 4 / 7.
  EXPECT_THAT(table, HasSubstr("| none                 |       77.3 % | 22.7 % |     6.4 % |     "
                               "1.0 times |             1.00 |"));
  EXPECT_THAT(table, HasSubstr("    3.93 |"));
  EXPECT_THAT(table, HasSubstr("1.00 by language"));
  EXPECT_THAT(table, HasSubstr("| rake                 |       50.0 % | 50.0 % |    25.0 % |"));
}

TEST(QaSummary, OfTypesShowsTheRarestOne) {
  const QaTask task = type_task();
  const std::string text = task.summary(options(task), results(task));
  EXPECT_THAT(text, HasSubstr("yes_no F1"));
  EXPECT_THAT(text, HasSubstr("| **weights** |"));
  EXPECT_THAT(text, HasSubstr("Gain of weights over none_tau: +.062 [+.062, +.062]."));
  EXPECT_THAT(text, HasSubstr("+.062 [-.031, +.125]"));  // in the worst language
  EXPECT_THAT(text, HasSubstr("| lang=yor |"));
  EXPECT_THAT(text, HasSubstr("macro-F1 weights"));
  EXPECT_THAT(text, Not(HasSubstr("MRR")));
}

TEST(QaSummary, OfSentencesShowsRanksAndNamesTheWorstLanguage) {
  const QaTask task = sentence_task();
  const std::string text = task.summary(options(task), results(task));
  EXPECT_THAT(text, HasSubstr("MRR"));
  EXPECT_THAT(text, HasSubstr("|    sw |"));
  EXPECT_THAT(text, HasSubstr("| positive |            27 |         2 |"));
  EXPECT_THAT(text, Not(HasSubstr("| other")));
  EXPECT_THAT(text, Not(HasSubstr("lang=ko")));  // it has no test rows
}

TEST(QaSummary, NamesTheLanguagesThatAreWorstInMostSeeds) {
  const QaTask task = sentence_task();
  Results all = results(task);
  for (demos::Run& run : all.outcomes[0].runs) {
    for (MetricValue& each : run.test) {
      const bool is_english = each.metric == "f1" && each.label == "lang=en";
      if (is_english && run.seed == 1) each.value = 0.125;
    }
  }
  const std::string text = task.summary(options(task), all);
  EXPECT_THAT(text, HasSubstr("| en, sw |"));
  EXPECT_THAT(text, HasSubstr("|     sw |"));
  EXPECT_THAT(text, HasSubstr("which: the worst in most seeds"));
}

TEST(QaSummary, HasIntervalsOverSeedsWhereThereAreSeveral) {
  for (const QaTask& task : {type_task(), sentence_task()}) {
    Results all = results(task);
    all.outcomes[0].runs[1].test = measured(task, 0.0625);
    ExperimentOptions several = options(task);
    // Half of .0625 either way, of which one degree of freedom makes 12.7 times as much.
    EXPECT_THAT(task.summary(several, all), HasSubstr(".531 [.134, .928]"));
    several.seeds = 1;
    for (Outcome& outcome : all.outcomes) outcome.runs.resize(1);
    EXPECT_THAT(task.summary(several, all), Not(HasSubstr("Over seeds")));
  }
}

TEST(WriteQaReport, WritesAllFiles) {
  for (const QaTask& task : {type_task(), sentence_task()}) {
    const std::filesystem::path directory =
        std::filesystem::path(testing::TempDir()) / ("write_qa_report_" + task.name) / "below";
    const std::string note =
        write_report("A header.", task, options(task), results(task), directory);
    EXPECT_THAT(note, HasSubstr(directory.string()));
    EXPECT_THAT(read_file(directory / "results.csv"),
                testing::StartsWith("strategy,seed,split,metric,label,value\n"));
    EXPECT_THAT(read_file(directory / "results.csv"), HasSubstr("none,1,test,mrr,,0.5\n"));
    EXPECT_EQ(read_file(directory / "summary.md"),
              "A header.\n\n" + task.summary(options(task), results(task)));
    const bool drawn = note.find("classes.png") != std::string::npos;
    std::vector<std::string> pictures = {"classes.png", "languages.png",       "mixes.png",
                                         "weights.png", "language_scores.png", "reliability.png"};
    if (!task.selects_sentences()) {
      pictures.insert(pictures.end(), {"class_scores.png", "confusion.png"});
    }
    for (const std::string& picture : pictures) {
      EXPECT_EQ(std::filesystem::exists(directory / picture), drawn) << picture;
    }
    std::filesystem::remove_all(directory.parent_path());
  }
}

TEST(WriteQaReport, ShowsLanguagesThatAreDrawnAlikeBesideTheOthers) {
  const QaTask task = sentence_task();
  Results all = results(task);
  all.outcomes.push_back(all.outcomes[0]);
  all.outcomes.back().strategy = "uniform";
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "write_qa_report_uniform";
  write_report("", task, options(task), all, directory);
  const std::string plot = read_file(directory / "language_scores.gnuplot");
  for (const char* title : {"title 'none'", "title 'weights'", "title 'uniform'"}) {
    EXPECT_THAT(plot, HasSubstr(title));
  }
  EXPECT_THAT(plot, Not(HasSubstr("title 'none_tau'")));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace equipoise::demos
