#include "demos/common/experiment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/model_file.h"
#include "tests/support/errors.h"

namespace equipoise::demos {
namespace {

using equipoise::testing::error_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kUnits = 12;

// The headline of a run on test, as the share of units that it has right.
double accuracy(const std::vector<bool>& right, std::span<const std::uint32_t> times) {
  double sum = 0;
  double all = 0;
  for (std::size_t u = 0; u < times.size(); ++u) {
    all += times[u];
    if (right[u]) sum += times[u];
  }
  return sum / all;
}

// A run with this score on validation that has the units right of which `rights` has an x.
Run make_run(std::uint64_t seed, double validation, const std::string& rights,
             std::string choice = "") {
  std::vector<bool> right;
  for (const char c : rights) right.push_back(c == 'x');
  const auto test = static_cast<double>(std::count(rights.begin(), rights.end(), 'x')) /
                    static_cast<double>(rights.size());
  Run run;
  run.seed = seed;
  run.epoch = seed;
  run.choice = std::move(choice);
  run.seconds = 1 + static_cast<double>(seed);
  run.validation = {{"accuracy", "", validation}};
  run.test = {{"accuracy", "", test}, {"f1", "joy", test / 2}, {"f1", "fear, odd", 0.125}};
  run.resampled = [right](std::span<const std::uint32_t> times) { return accuracy(right, times); };
  run.model = std::make_shared<SavedModel>(SavedModel{{{"seed", seed}, {"score", validation}}, {}});
  return run;
}

struct Ran {
  Results results{};
  std::string log{};
};

// By strategy, the runs of its seeds.
using Script = std::map<std::string, std::vector<Run>>;

ExperimentOptions options_for(std::vector<std::string> strategies, std::uint64_t seeds) {
  return {std::move(strategies), seeds, "accuracy", "none", kUnits};
}

Ran run(const ExperimentOptions& options, const Script& script) {
  Ran ran;
  std::ostringstream log;
  {
    Progress progress(log, false, 1, "steps");
    ran.results = run_experiment(
        options,
        [&](std::size_t s, std::uint64_t seed, double) {
          return script.at(options.strategies.at(s)).at(seed);
        },
        progress);
  }
  ran.log = log.str();
  return ran;
}

const Script kScript = {
    {"none", {make_run(0, 0.5, "xxxxxx......"), make_run(1, 0.625, "xxxxxxxx....")}},
    {"weights", {make_run(0, 0.75, "xxxxxxxxx..."), make_run(1, 0.625, "..xxxxxxxxx.")}},
    {"focal",
     {make_run(0, 0.25, "xxxxxxxxxxxx", "tau 1"), make_run(1, 1.0, "xxxxxxxxxxxx", "tau 0.5")}}};

TEST(Experiment, ChoosesByTheMeanOnValidationWhateverTestSays) {
  const Results results = run(options_for({"none", "weights", "focal"}, 2), kScript).results;
  ASSERT_EQ(results.outcomes.size(), 3U);
  EXPECT_EQ(results.best, 1U);  // .6875, before .5625 and .625 with all of test right
  EXPECT_EQ(results.model->facts.at("score"), 0.75);  // the better run of the two
  EXPECT_DOUBLE_EQ(mean_on_validation(results.outcomes[0], "accuracy"), 0.5625);
  EXPECT_DOUBLE_EQ(mean_on_test(results.outcomes[0], "accuracy"), 7.0 / 12);
  EXPECT_DOUBLE_EQ(mean_on_test(results.outcomes[0], "f1", "joy"), 3.5 / 12);
  EXPECT_EQ(find_outcome(results, "focal"), &results.outcomes[2]);
  EXPECT_EQ(find_outcome(results, "smote"), nullptr);
}

TEST(Experiment, TakesTheFirstAmongEquals) {
  const Script equal = {
      {"a", {make_run(0, 0.5, "x..........."), make_run(1, 0.5, "xx..........")}},
      {"b", {make_run(0, 0.5, "xxxxxxxxxxxx"), make_run(1, 0.5, "xxxxxxxxxxxx")}}};
  const Results results = run(options_for({"a", "b"}, 2), equal).results;
  EXPECT_EQ(results.best, 0U);
  EXPECT_EQ(results.model->facts.at("seed"), 0);
}

TEST(Experiment, ScoresBelowZeroAreScores) {
  const Script poor = {{"a", {make_run(0, -3, "............"), make_run(1, -2, "............")}},
                       {"b", {make_run(0, -1, "............"), make_run(1, -9, "............")}}};
  const Results results = run(options_for({"a", "b"}, 2), poor).results;
  EXPECT_EQ(results.best, 0U);
  EXPECT_EQ(results.model->facts.at("score"), -2);
}

TEST(Experiment, KeepsTheModelOfTheBestRunAndNoOther) {
  ExperimentOptions options = options_for({"a", "b", "c"}, 4);
  const double scores[3][4] = {{0.1, 0.3, 0.2, 0.3}, {0.5, 0.7, 0.6, 0.4}, {0.2, 0.9, 0.1, 0.0}};
  std::vector<std::weak_ptr<const SavedModel>> models;
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  const auto alive = [&] {
    return std::count_if(models.begin(), models.end(), [](const auto& m) { return !m.expired(); });
  };
  const Results results = run_experiment(
      options,
      [&](std::size_t s, std::uint64_t seed, double) {
        EXPECT_LE(alive(), 2);  // of the best outcome so far, and of the best run of this one
        demos::Run one = make_run(seed, scores[s][seed], "xxxxxx......");
        models.push_back(one.model);
        return one;
      },
      progress);
  EXPECT_EQ(results.best, 1U);
  EXPECT_EQ(results.model->facts.at("score"), 0.7);
  EXPECT_EQ(alive(), 1);
  for (const Outcome& outcome : results.outcomes) {
    for (const demos::Run& one : outcome.runs) EXPECT_EQ(one.model, nullptr);
  }
}

TEST(Experiment, RunsEveryStrategyWithEverySeedInOrder) {
  std::vector<std::pair<std::size_t, std::uint64_t>> calls;
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  run_experiment(
      options_for({"none", "b"}, 3),
      [&](std::size_t s, std::uint64_t seed, double) {
        calls.emplace_back(s, seed);
        return make_run(seed, 0.5, "xxxxxx......");
      },
      progress);
  using Call = std::pair<std::size_t, std::uint64_t>;
  EXPECT_THAT(calls,
              ElementsAre(Call(0, 0), Call(0, 1), Call(0, 2), Call(1, 0), Call(1, 1), Call(1, 2)));
}

TEST(Experiment, NotesALineARun) {
  EXPECT_EQ(run(options_for({"none", "focal"}, 2), kScript).log,
            "none                 seed 0: epoch 1, accuracy on validation 0.500, 1.0 s\n"
            "none                 seed 1: epoch 2, accuracy on validation 0.625, 2.0 s\n"
            "focal                seed 0: epoch 1, tau 1, accuracy on validation 0.250, 1.0 s\n"
            "focal                seed 1: epoch 2, tau 0.5, accuracy on validation 1.000, 2.0 s\n");
}

TEST(Gains, AreTheBootstrapOfMeansOverSeeds) {
  const Results results = run(options_for({"none", "weights", "focal"}, 2), kScript).results;
  EXPECT_FALSE(results.outcomes[0].gain.has_value());
  for (const std::size_t other : {1U, 2U}) {
    const auto rights = [&](std::size_t s, std::size_t seed, std::span<const std::uint32_t> times) {
      return results.outcomes[s].runs[seed].resampled(times);
    };
    const metrics::Interval expected =
        metrics::bootstrap(kUnits, [&](std::span<const std::uint32_t> times) {
          return (rights(other, 0, times) + rights(other, 1, times)) / 2 -
                 (rights(0, 0, times) + rights(0, 1, times)) / 2;
        });
    EXPECT_EQ(results.outcomes[other].gain, expected);
    EXPECT_EQ(gain_over(results.outcomes[other], results.outcomes[0], kUnits), expected);
  }
  EXPECT_DOUBLE_EQ(results.outcomes[1].gain->estimate, 9.0 / 12 - 7.0 / 12);
  // Against what is right everywhere, every resample says 1 - accuracy.
  EXPECT_DOUBLE_EQ(results.outcomes[2].gain->estimate, 5.0 / 12);
  EXPECT_GE(results.outcomes[2].gain->lower, 0);
  EXPECT_GT(results.outcomes[2].gain->upper, 5.0 / 12);
}

TEST(Gains, AreExactWhereResamplesCannotDiffer) {
  const Script same = {{"none", {make_run(0, 0.5, "x.x.x.x.x.x.")}},
                       {"equal", {make_run(0, 0.5, "x.x.x.x.x.x.")}},
                       {"all", {make_run(0, 0.5, "xxxxxxxxxxxx")}},
                       {"nothing", {make_run(0, 0.5, "............")}}};
  EXPECT_EQ(run(options_for({"none", "equal"}, 1), same).results.outcomes[1].gain,
            (metrics::Interval{}));
  ExperimentOptions over_nothing = options_for({"nothing", "all"}, 1);
  over_nothing.baseline = "nothing";
  EXPECT_EQ(run(over_nothing, same).results.outcomes[1].gain, (metrics::Interval{1, 1, 1}));
}

TEST(Gains, NeedTheBaselineWhereverItStands) {
  EXPECT_FALSE(run(options_for({"weights", "focal"}, 1), kScript).results.outcomes[1].gain);
  const Results last = run(options_for({"weights", "none"}, 1), kScript).results;
  EXPECT_TRUE(last.outcomes[0].gain.has_value());
  EXPECT_FALSE(last.outcomes[1].gain.has_value());
}

TEST(Means, OfMetricsThatThereAreNotAreErrors) {
  const Results results = run(options_for({"none"}, 1), kScript).results;
  EXPECT_EQ(error_of([&] { mean_on_test(results.outcomes[0], "f1"); }), "no metric f1 of ''");
  EXPECT_EQ(error_of([&] { mean_on_validation(results.outcomes[0], "f1", "joy"); }),
            "no metric f1 of 'joy'");
  ExperimentOptions unknown = options_for({"none"}, 1);
  unknown.headline = "f1";
  EXPECT_EQ(error_of([&] { run(unknown, kScript); }), "no metric f1 of ''");
}

TEST(ResultsCsv, HasEveryMetricOfEveryRun) {
  Script script = {
      {"none", {make_run(0, 0.5, "xxxxxx......"), make_run(1, 0.25, "x...........")}},
      {"a, \"b\"", {make_run(0, 1e-9, "xxxxxxxxxxxx"), make_run(1, 0, "............")}}};
  script["none"][1].seconds = 0.125;
  EXPECT_EQ(results_csv(run(options_for({"none", "a, \"b\""}, 2), script).results),
            "strategy,seed,split,metric,label,value\n"
            "none,0,validation,accuracy,,0.5\n"
            "none,0,test,accuracy,,0.5\n"
            "none,0,test,f1,joy,0.25\n"
            "none,0,test,f1,\"fear, odd\",0.125\n"
            "none,0,test,seconds,,1\n"
            "none,1,validation,accuracy,,0.25\n"
            "none,1,test,accuracy,,0.0833333333\n"
            "none,1,test,f1,joy,0.0416666667\n"
            "none,1,test,f1,\"fear, odd\",0.125\n"
            "none,1,test,seconds,,0.125\n"
            "\"a, \"\"b\"\"\",0,validation,accuracy,,1e-09\n"
            "\"a, \"\"b\"\"\",0,test,accuracy,,1\n"
            "\"a, \"\"b\"\"\",0,test,f1,joy,0.5\n"
            "\"a, \"\"b\"\"\",0,test,f1,\"fear, odd\",0.125\n"
            "\"a, \"\"b\"\"\",0,test,seconds,,1\n"
            "\"a, \"\"b\"\"\",1,validation,accuracy,,0\n"
            "\"a, \"\"b\"\"\",1,test,accuracy,,0\n"
            "\"a, \"\"b\"\"\",1,test,f1,joy,0\n"
            "\"a, \"\"b\"\"\",1,test,f1,\"fear, odd\",0.125\n"
            "\"a, \"\"b\"\"\",1,test,seconds,,2\n");
}

TEST(Texts, OfNumbersAreShort) {
  EXPECT_EQ(value_text(0.5), ".500");
  EXPECT_EQ(value_text(0.12345), ".123");
  EXPECT_EQ(value_text(1), "1.000");
  EXPECT_EQ(value_text(0), ".000");
  EXPECT_EQ(value_text(12.5), "12.500");
  EXPECT_EQ(value_text(-0.25), "-.250");
  EXPECT_EQ(interval_text(metrics::Interval{0.1, -0.05, 0.25}), "+.100 [-.050, +.250]");
  EXPECT_EQ(interval_text(std::nullopt), "");
}

// What a table has in its lines, without the padding.
std::vector<std::string> lines_of(const std::string& table) {
  std::vector<std::string> lines;
  std::istringstream text(table);
  for (std::string line; std::getline(text, line);) {
    std::string squeezed;
    for (const char c : line) {
      if (c != ' ' || squeezed.empty() || squeezed.back() != ' ') squeezed += c;
    }
    lines.push_back(squeezed);
  }
  return lines;
}

Results results_with_gains() {
  Results results = run(options_for({"none", "weights", "focal"}, 2), kScript).results;
  results.outcomes[1].gain = metrics::Interval{0.1, -0.05, 0.25};
  results.outcomes[2].gain = metrics::Interval{0.5, 0.25, 0.75};
  return results;
}

TEST(StrategyTable, HasALineAStrategyWithMeansOverSeeds) {
  const std::vector<Column> columns = {{"right", "accuracy"}, {"joy's F1", "f1", "joy"}};
  const std::vector<std::string> lines = lines_of(
      strategy_table(results_with_gains(), options_for({"none", "weights", "focal"}, 2), columns));
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0],
            "| strategy | validation accuracy | right | joy's F1 | seconds |"
            " gain in accuracy [95 %] | over seeds [95 %] |");
  EXPECT_EQ(lines[2], "| none | .562 | .583 | .292 | 1.5 | | |");
  EXPECT_EQ(lines[3],
            "| **weights** | .688 | .750 | .375 | 1.5 | +.100 [-.050, +.250] |"
            " +.167 [-.892, +1.226] |");
  EXPECT_EQ(lines[4],
            "| focal (tau 1, tau 0.5) | .625 | 1.000 | .500 | 1.5 | +.500 [+.250, +.750] |"
            " +.417 [-.642, +1.476] |");
}

// By hand: the gains of weights are .25 and 1/12, whose standard error is 1/12; t is 12.706.
TEST(StrategyTable, HasNoIntervalOverOneSeed) {
  const ExperimentOptions options = options_for({"none", "weights"}, 1);
  const std::vector<std::string> lines =
      lines_of(strategy_table(run(options, kScript).results, options, {}));
  EXPECT_TRUE(lines[3].ends_with("] | |")) << lines[3];
}

TEST(SeedTable, HasMeansWithTheirIntervals) {
  const std::vector<Column> columns = {{"right", "accuracy"}, {"joy's F1", "f1", "joy"}};
  std::vector<std::string> lines = lines_of(seed_table(results_with_gains(), columns));
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0], "| strategy | right | joy's F1 |");
  EXPECT_EQ(lines[2], "| none | .583 [-.476, 1.642] | .292 [-.238, .821] |");
  EXPECT_EQ(lines[3], "| weights | .750 [.750, .750] | .375 [.375, .375] |");
  lines = lines_of(seed_table(run(options_for({"none"}, 1), kScript).results, columns));
  EXPECT_EQ(lines[2], "| none | .500 | .250 |");
}

TEST(GainOverPosthoc, IsThatOfTheBest) {
  Script script = kScript;
  script["none_tau"] = script["focal"];
  const ExperimentOptions options = options_for({"none", "weights", "none_tau"}, 2);
  const Results results = run(options, script).results;
  const metrics::Interval gain = gain_over(results.outcomes[1], results.outcomes[2], kUnits);
  EXPECT_EQ(gain_over_posthoc(results, options),
            "Gain of weights over none_tau: " + interval_text(gain) + ".\n\n");
  EXPECT_DOUBLE_EQ(gain.estimate, 9.0 / 12 - 1);
  EXPECT_EQ(gain_over_posthoc(run(options_for({"none", "weights"}, 2), script).results, options),
            "");
  EXPECT_EQ(gain_over_posthoc(run(options_for({"none", "none_tau"}, 2), script).results, options),
            "");
}

TEST(ExplainGains, NamesTheBaselineAndTheUnits) {
  ExperimentOptions options;
  options.baseline = "smote";
  EXPECT_THAT(explain_gains({}, options, "test rows"),
              HasSubstr("Gain over smote: paired bootstrap over test rows"));
  EXPECT_THAT(explain_gains({}, options, "test rows"), Not(HasSubstr("Rates")));
}

// The rates that are tried in a search from 8 where validation says how good each is.
struct Search {
  std::vector<double> tried{};  // with the first seed
  Outcome outcome{};
  std::shared_ptr<const SavedModel> model{};
  std::string table{};
  std::string explanation{};
};

Search search(const std::map<double, double>& scores) {
  Search result;
  ExperimentOptions options = options_for({"none"}, 2);
  options.rate = 8;
  options.searches_rate = true;
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  Results results = run_experiment(
      options,
      [&](std::size_t, std::uint64_t seed, double rate) {
        if (seed == 0) result.tried.push_back(rate);
        return make_run(seed, seed == 0 ? scores.at(rate) : 0.125, "xxxxxx......");
      },
      progress);
  EXPECT_LE(result.tried.size() + 1, most_runs(options));
  result.table = strategy_table(results, options, {});
  result.explanation = explain_gains(results, options, "test rows");
  result.outcome = std::move(results.outcomes[0]);
  result.model = results.model;
  return result;
}

TEST(SearchOfRates, StopsWhereBothNeighboursAreWorse) {
  const Search stays = search({{8, 0.5}, {16, 0.25}, {4, 0.5}});
  EXPECT_THAT(stays.tried, ElementsAre(8, 16, 4));
  EXPECT_EQ(stays.outcome.rate, 8);
  EXPECT_FALSE(stays.outcome.is_edge);
  EXPECT_THAT(stays.table, HasSubstr("none (rate 8)"));
  EXPECT_THAT(stays.explanation, HasSubstr("up to 5 that go by factors of two from 8"));
  EXPECT_THAT(stays.explanation, Not(HasSubstr("may be better")));
  EXPECT_EQ(stays.model->facts.at("score"), 0.5);
  ASSERT_EQ(stays.outcome.runs.size(), 2U);
  EXPECT_EQ(metric_of(stays.outcome.runs[0].validation, "accuracy"), 0.5);
}

TEST(SearchOfRates, GoesOnInTheDirectionThatIsBetter) {
  const Search higher = search({{8, 0.25}, {16, 0.5}, {4, 0.125}, {32, 0.375}});
  EXPECT_THAT(higher.tried, ElementsAre(8, 16, 4, 32));
  EXPECT_EQ(higher.outcome.rate, 16);
  EXPECT_FALSE(higher.outcome.is_edge);
  const Search lower = search({{8, 0.25}, {16, 0.125}, {4, 0.5}, {2, 0.625}, {1, 0.5}});
  EXPECT_THAT(lower.tried, ElementsAre(8, 16, 4, 2, 1));
  EXPECT_EQ(lower.outcome.rate, 2);
  EXPECT_FALSE(lower.outcome.is_edge);
}

TEST(SearchOfRates, GoesByTheMeanOverSeeds) {
  ExperimentOptions options = options_for({"none", "none_tau", "weights"}, 2);
  options.rate = 8;
  options.searches_rate = true;
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  std::map<std::size_t, std::vector<double>> tried;
  const Results results = run_experiment(
      options,
      [&](std::size_t s, std::uint64_t seed, double rate) {
        if (seed == 1) tried[s].push_back(rate);
        // Seed 0 likes 8, both together 4.
        const double score = seed == 0 ? (rate == 8 ? 0.5 : 0.375) : (rate == 4 ? 0.75 : 0.25);
        return make_run(seed, score, "xxxxxx......");
      },
      progress);
  EXPECT_EQ(results.outcomes[0].rate, 4);
  EXPECT_THAT(tried[0], ElementsAre(8, 16, 4, 2));
  EXPECT_EQ(results.outcomes[1].rate, 4);  // the correction of what `none` has learnt
  EXPECT_THAT(tried[1], ElementsAre(4));
  EXPECT_EQ(results.outcomes[2].rate, 4);
  EXPECT_EQ(most_runs(options), 2 * (5 + 1 + 5));
  EXPECT_THAT(explain_gains(results, options, "rows"), HasSubstr("none_tau has that of none."));
  options.strategies = {"none_tau", "none"};  // nothing to correct yet
  EXPECT_EQ(most_runs(options), 2 * (5 + 5));
  EXPECT_THAT(explain_gains(results, options, "rows"), Not(HasSubstr("none_tau has")));
  EXPECT_EQ(results.model->facts.at("score"), 0.75);
}

TEST(GainInWords, SaysWhatIsShown) {
  const auto words = [](const char* none, const char* first, const char* second) {
    const Script script = {{"none", {make_run(0, 0.5, none), make_run(1, 0.5, none)}},
                           {"weights", {make_run(0, 0.75, first), make_run(1, 0.75, second)}}};
    const ExperimentOptions options = options_for({"none", "weights"}, 2);
    return gain_in_words(run(options, script).results, options);
  };
  EXPECT_THAT(words("............", "xxxxxxxxxxxx", "xxxxxxxxxxxx"),
              HasSubstr("--strategy=weights is the best on validation (accuracy .750, none .500).\n"
                        "On test it gains +1.000 [+1.000, +1.000] over none.\n"));
  EXPECT_THAT(words("............", "xxxxxxxxxxxx", "............"),
              HasSubstr(", with these seeds; over seeds it is known to +.500 ["));
  EXPECT_THAT(words("xxxxxx......", "xxxxxx......", "xxxxxx......"),
              HasSubstr("these rows do not show that it helps"));
  const ExperimentOptions alone = options_for({"none"}, 2);
  EXPECT_THAT(gain_in_words(run(alone, kScript).results, alone),
              HasSubstr("nothing that was tried does better than no correction"));
}

TEST(SearchOfRates, SaysWhenTheLastOneIsTheBest) {
  const Search search_up = search({{8, 0.25}, {16, 0.5}, {4, 0.125}, {32, 0.625}, {64, 0.75}});
  EXPECT_THAT(search_up.tried, ElementsAre(8, 16, 4, 32, 64));
  EXPECT_EQ(search_up.outcome.rate, 64);
  EXPECT_TRUE(search_up.outcome.is_edge);
  EXPECT_THAT(search_up.explanation, HasSubstr("none: 64 was the last rate to be tried"));
  EXPECT_EQ(search_up.model->facts.at("score"), 0.75);
}

TEST(Gains, OfTheWorstGroupAreOfMeansOverSeeds) {
  ExperimentOptions options = options_for({"weights", "none"}, 2);
  std::ostringstream log;
  Progress progress(log, false, 1, "steps");
  const auto run_scaled = [](std::size_t s, std::uint64_t seed, double) {
    demos::Run one = make_run(seed, 0.5, "xxxxxx......");
    const double scale = s == 1 ? 1 : seed == 0 ? 1 : 3;
    one.second = [scale](std::span<const std::uint32_t> times) { return scale * times[0]; };
    return one;
  };
  const Results results = run_experiment(options, run_scaled, progress);
  ASSERT_TRUE(results.outcomes[0].second_gain.has_value());
  EXPECT_FALSE(results.outcomes[1].second_gain.has_value());
  EXPECT_DOUBLE_EQ(results.outcomes[0].second_gain->estimate, 1);  // (1 + 3) / 2 - 1
  EXPECT_DOUBLE_EQ(results.outcomes[0].second_gain->lower, 0);
  options.baseline = "other";
  EXPECT_FALSE(run_experiment(options, run_scaled, progress).outcomes[0].second_gain.has_value());
}

TEST(StrategyTable, SaysEachChoiceOnce) {
  const Script script = {
      {"none",
       {make_run(0, 0.5, "x...........", "tau 1"), make_run(1, 0.5, "x...........", "tau 1")}}};
  const ExperimentOptions options = options_for({"none"}, 2);
  EXPECT_THAT(strategy_table(run(options, script).results, options, {}),
              HasSubstr("| **none (tau 1)** |"));
}

TEST(Compared, AreTheBaselineAndTheBest) {
  Results results = results_with_gains();
  ExperimentOptions options = options_for({}, 2);
  EXPECT_THAT(compared(results, options), ElementsAre(&results.outcomes[0], &results.outcomes[1]));
  results.best = 0;
  EXPECT_THAT(compared(results, options), ElementsAre(&results.outcomes[0]));
  options.baseline = "smote";
  results.best = 2;
  EXPECT_THAT(compared(results, options), ElementsAre(&results.outcomes[2]));
}

TEST(LabelTable, ComparesMetricByMetric) {
  Results results = results_with_gains();
  for (Outcome& outcome : results.outcomes) {
    for (demos::Run& one : outcome.runs) one.test.push_back({"recall", "joy", 0.75});
  }
  const std::vector<std::string> header = {"label", "rows"};
  const std::vector<std::vector<std::string>> rows = {{"joy", "100"}};
  const std::vector<Column> metrics = {{"F1", "f1"}, {"recall", "recall"}};
  std::vector<std::string> lines =
      lines_of(label_table(results, options_for({}, 2), header, rows, metrics));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "| label | rows | F1 none | F1 weights | recall none | recall weights |");
  EXPECT_EQ(lines[2], "| joy | 100 | .292 | .375 | .750 | .750 |");
  results.best = 0;
  lines = lines_of(label_table(results, options_for({}, 2), header, rows, metrics));
  EXPECT_EQ(lines[0], "| label | rows | F1 none | recall none |");
  EXPECT_EQ(lines[2], "| joy | 100 | .292 | .750 |");
  const std::vector<std::vector<std::string>> odd = {{"fear, odd", "3"}, {"joy", "4"}};
  lines = lines_of(label_table(results, options_for({}, 2), header, odd, {metrics[0]}));
  EXPECT_EQ(lines[2], "| fear, odd | 3 | .125 |");
  EXPECT_EQ(lines[3], "| joy | 4 | .292 |");
}

}  // namespace
}  // namespace equipoise::demos
