#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "demos/qa/task.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;

double value(const Metrics& measured, const std::string& metric, const std::string& label = "") {
  for (const MetricValue& each : measured) {
    if (each.metric == metric && each.label == label) return each.value;
  }
  ADD_FAILURE() << "no metric " << metric << " of '" << label << "'";
  return -1;
}

// Logits of sentences with these scores.
Logits scored(const std::vector<float>& scores) {
  Logits logits{2};
  for (const float score : scores) {
    logits.values.push_back(-score / 2);
    logits.values.push_back(score / 2);
  }
  return logits;
}

// Logits of types that are these.
Logits decided(const std::vector<std::size_t>& types) {
  Logits logits{4};
  for (const std::size_t type : types) {
    for (std::size_t c = 0; c < 4; ++c) logits.values.push_back(c == type ? 1.0F : 0.0F);
  }
  return logits;
}

QaTask sentence_task() {
  QaTask task;
  task.name = kSentenceSelection;
  task.classes = {"other", "positive"};
  task.languages = {"en", "sw", "ko"};
  task.counts = GroupedCounts(3, 2);
  // Three questions: two English ones with three and two sentences, one in Swahili with one.
  task.test.targets = {0, 1, 0, 1, 0, 1};
  task.test.groups = {0, 0, 0, 0, 0, 1};
  task.test.unit_starts = task.fact_starts = {0, 3, 5, 6};
  task.test.features.starts.assign(7, 0);
  task.validation = task.test;
  return task;
}

QaTask type_task() {
  QaTask task;
  task.name = kAnswerType;
  task.classes = {"text", "no_answer", "number_date", "yes_no"};
  task.languages = {"hau", "yor", "zul"};
  task.counts = GroupedCounts(
      {ClassCounts({40, 30, 10, 5}), ClassCounts({40, 30, 10, 5}), ClassCounts({20, 0, 0, 0})});
  task.test.targets = {0, 0, 1, 2, 0, 3};
  task.test.groups = {0, 0, 0, 0, 1, 1};
  task.test.features.starts.assign(7, 0);
  task.validation = task.test;
  return task;
}

// The mean reciprocal rank of questions on texts of so many sentences.
double mrr(const std::vector<float>& scores, const std::vector<std::int64_t>& positive,
           const std::vector<std::size_t>& starts) {
  QaTask task = sentence_task();
  task.test.targets = positive;
  task.test.groups.assign(positive.size(), 0);
  task.test.unit_starts = starts;
  return value(task.measure(task.test, scored(scores), {.thresholds = {0}}), "mrr");
}

TEST(ReciprocalRanks, AreOfTheBestPositiveOfEachQuestion) {
  // Of the first two positives the better one is second; the last question has none.
  EXPECT_DOUBLE_EQ(
      mrr({0.1F, 0.5F, 0.9F, 0.3F, 0.2F, 0.7F, 0.6F}, {1, 1, 0, 0, 1, 0, 0}, {0, 3, 5, 7}), 0.5);
  EXPECT_DOUBLE_EQ(mrr({0.9F, 0.8F, 0.7F, 0.1F, 0.6F}, {0, 0, 0, 1, 0}, {0, 5}), 0.2);
}

TEST(ReciprocalRanks, CountNegativesThatTieBefore) {
  EXPECT_DOUBLE_EQ(mrr({1, 1, 1, 1}, {0, 1, 1, 0}, {0, 4}), 1.0 / 3);
  EXPECT_EQ(mrr({1, 1}, {0, 0}, {0, 2}), 0);
}

TEST(SentenceMetrics, AreOfPositivesOfQuestionsAndOfLanguages) {
  const QaTask task = sentence_task();
  // At 0.5 the second, fifth and sixth sentences are taken: two rightly, of three.
  const Logits logits = scored({-1, 2, 0.25F, 0.1F, 1, 3});
  const Metrics measured = task.measure(task.test, logits, {.thresholds = {0.5}});
  EXPECT_DOUBLE_EQ(value(measured, "positive_f1"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value(measured, "precision", "positive"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value(measured, "recall", "positive"), 2.0 / 3);
  // At a half the third and fourth are taken too.
  EXPECT_DOUBLE_EQ(value(measured, "positive_f1_half"), 2 * 3.0 / (5 + 3));
  EXPECT_DOUBLE_EQ(value(measured, "positive_f1_several"), 0.5);
  EXPECT_DOUBLE_EQ(value(measured, "mrr"), (1 + 0.5 + 1) / 3);
  EXPECT_DOUBLE_EQ(value(measured, "f1", "lang=en"), 0.5);
  EXPECT_DOUBLE_EQ(value(measured, "f1", "lang=sw"), 1);
  EXPECT_DOUBLE_EQ(value(measured, "language_f1"), 0.75);  // Korean has no rows
  EXPECT_DOUBLE_EQ(value(measured, "worst_language_f1"), 0.5);
  EXPECT_DOUBLE_EQ(value(measured, "mrr", "lang=en"), 0.75);
  EXPECT_DOUBLE_EQ(value(measured, "worst_language_mrr"), 0.75);
  EXPECT_DOUBLE_EQ(value(measured, "average_precision"), (1 + 1 + 3.0 / 5) / 3);
}

TEST(TypeMetrics, AreOfTypesAndOfLanguages) {
  const QaTask task = type_task();
  const Logits logits = decided({0, 1, 1, 2, 0, 0});
  const Metrics measured = task.measure(task.test, logits, {.thresholds = {0}});
  EXPECT_DOUBLE_EQ(value(measured, "accuracy"), 4.0 / 6);
  // text 2 of 3 and 3, no_answer 1 of 1 and 2, number_date 1 of 1 and 1, yes_no never.
  EXPECT_DOUBLE_EQ(value(measured, "f1", "text"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value(measured, "f1", "no_answer"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value(measured, "recall", "number_date"), 1);
  EXPECT_DOUBLE_EQ(value(measured, "f1", "yes_no"), 0);
  EXPECT_DOUBLE_EQ(value(measured, "macro_f1"), (2.0 / 3 + 2.0 / 3 + 1 + 0) / 4);
  // Hausa has no yes_no, Yoruba only text and yes_no.
  EXPECT_DOUBLE_EQ(value(measured, "macro_f1", "lang=hau"), (2.0 / 3 + 2.0 / 3 + 1) / 3);
  EXPECT_DOUBLE_EQ(value(measured, "macro_f1", "lang=yor"), (2.0 / 3 + 0) / 2);
  EXPECT_DOUBLE_EQ(value(measured, "worst_language_f1"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(value(measured, "accuracy", "lang=hau"), 0.75);
}

TEST(ChooseDecision, TakesTheThresholdWithTheBestF1) {
  const QaTask task = sentence_task();
  // Positives score 2, 1 and 3, others -1, 1.5 and 0.
  const Decision decision = task.choose("none", scored({-1, 2, 1.5F, 1, 0, 3}));
  EXPECT_NEAR(decision.thresholds[0], 0.5, 1e-6);  // all positives and one other
  EXPECT_EQ(decision.choice, "at 0.62");
  EXPECT_THAT(decide(task, scored({0.25F, 0.75F}), decision), ElementsAre(0, 1));
}

TEST(ChooseDecision, TakesTauWhereItIsWanted) {
  const QaTask task = type_task();
  // The rare type's logit is always short of that of the frequent one.
  Logits logits = decided({0, 0, 1, 2, 0, 0});
  logits.values[4 * 5 + 3] = 0.75F;
  const Decision plain = task.choose("none", logits);
  EXPECT_TRUE(plain.offset.empty() && plain.choice.empty());
  EXPECT_EQ(decide(task, logits, plain)[5], 0);
  const Decision corrected = task.choose("none_tau", logits);
  EXPECT_EQ(corrected.choice, "tau 0.125");
  EXPECT_THAT(decide(task, logits, corrected), ElementsAre(0, 0, 1, 2, 0, 3));
}

// A model whose test rows have these logits, and whose validation rows those or the same.
struct Described {
  Run run{};
  nlohmann::json facts{};
};

Described described(const QaTask& task, const Logits& test, const Logits& validation) {
  const Decision decision{.thresholds = {0}};
  const Objective objective = task.objective("none", 0, 1);
  Described result;
  task.describe({"none", objective, decision, validation, test}, result.run, result.facts);
  return result;
}

Run resampled(const QaTask& task, const Logits& test) { return described(task, test, test).run; }

// The training rows that the counts say.
QaTask with_train(QaTask task) {
  task.train.targets = {0};
  task.train.groups = {0};
  task.train.features.starts = {0, 0};
  task.counts = count_grouped(task.train.targets, task.train.groups, task.languages.size(),
                              task.classes.size());
  return task;
}

TEST(Resampled, AreTheMetricsOfAllRowsTakenOnce) {
  for (const QaTask& task : {with_train(sentence_task()), with_train(type_task())}) {
    const Logits logits =
        task.selects_sentences() ? scored({-1, 1, 1, -1, 1, 1}) : decided({0, 1, 1, 0, 1, 1});
    const Metrics measured = task.measure(task.test, logits, {.thresholds = {0}});
    const demos::Run run = resampled(task, logits);
    const std::vector<std::uint32_t> once(task.test.units(), 1);
    EXPECT_DOUBLE_EQ(run.resampled(once), value(measured, task.headline()));
    EXPECT_DOUBLE_EQ(run.second(once), value(measured, "worst_language_f1"));
  }
}

TEST(Resampled, TakeAllSentencesOfAQuestionTogether) {
  const QaTask task = with_train(sentence_task());
  const demos::Run run = resampled(task, scored({-1, 1, -1, -1, 1, 1}));
  const std::vector<std::uint32_t> first = {1, 0, 0};
  EXPECT_DOUBLE_EQ(run.resampled(first), 1);
  const std::vector<std::uint32_t> times = {1, 2, 0};
  EXPECT_DOUBLE_EQ(run.resampled(times), 2 * 1.0 / (3 + 3));
  EXPECT_DOUBLE_EQ(run.second(times), 2 * 1.0 / (3 + 3));
}

TEST(Resampled, TakeAllQuestionsOfAFactTogether) {
  QaTask task = with_train(sentence_task());
  task.fact_starts = {0, 5, 6};  // both English questions are of one
  ASSERT_EQ(task.resampled_units(), 2U);
  const demos::Run run = resampled(task, scored({-1, 1, -1, -1, 1, 1}));
  const std::vector<std::uint32_t> first = {2, 0};
  EXPECT_DOUBLE_EQ(run.resampled(first), 0.5);
  const std::vector<std::uint32_t> second = {0, 1};
  EXPECT_DOUBLE_EQ(run.resampled(second), 1);
}

TEST(ComparableLanguages, HaveEveryTypeIfAnyDoes) {
  QaTask task = type_task();
  EXPECT_THAT(comparable_languages(task, task.test), ElementsAre(true, true, false));
  task.test.targets = {0, 3, 1, 2, 0, 3};
  EXPECT_THAT(comparable_languages(task, task.test), ElementsAre(true, false, false));
  // Yoruba has but two types and the lowest metric.
  const Logits logits = decided({0, 3, 1, 0, 1, 1});
  const Metrics measured = task.measure(task.test, logits, {.thresholds = {0}});
  const double hausa = (2.0 / 3 + 1 + 1 + 0) / 4;
  EXPECT_DOUBLE_EQ(value(measured, "macro_f1", "lang=yor"), 0);
  EXPECT_DOUBLE_EQ(value(measured, "worst_language_f1"), hausa);
  EXPECT_DOUBLE_EQ(value(measured, "language_f1"), hausa / 2);
  const std::vector<std::uint32_t> once(6, 1);
  EXPECT_DOUBLE_EQ(resampled(with_train(task), logits).second(once), hausa);
  // Of sentences those that have any.
  const QaTask sentences = sentence_task();
  EXPECT_THAT(comparable_languages(sentences, sentences.test), ElementsAre(true, true, false));
}

TEST(Calibration, IsFittedOnValidation) {
  QaTask task = with_train(sentence_task());
  // Scores that are the same everywhere: what fits is the share of positives, a half.
  const Logits logits = scored({2, 2, -2, 2, -2, -2});
  const Described fitted = described(task, logits, logits);
  ASSERT_EQ(fitted.facts.at("calibration").size(), 3U);
  EXPECT_GT(value(fitted.run.test, "nll_raw"), value(fitted.run.test, "nll_fitted"));
  EXPECT_GT(value(fitted.run.test, "ece_raw"), value(fitted.run.test, "ece_fitted"));
  // The two bins of `positive`: logits of 2 and -2 come true twice in three times, and once.
  EXPECT_DOUBLE_EQ(value(fitted.run.test, "frequency_raw", "14"), 2.0 / 3);
  EXPECT_DOUBLE_EQ(value(fitted.run.test, "frequency_raw", "2"), 1.0 / 3);
  // A class that validation lacks has no bias.
  task.validation.targets.assign(6, 1);
  const Described one_class = described(task, logits, scored({1, 2, 1, 2, -1, 1}));
  EXPECT_EQ(one_class.facts.at("calibration")[1], 0);
}

}  // namespace
}  // namespace equipoise::demos
