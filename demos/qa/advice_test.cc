#include "demos/common/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "demos/common/advice_test.h"
#include "demos/qa/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/equipoise.h"

namespace equipoise::demos {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Every line of advice stands here, so that it compiles and runs; a test looks for it.
// clang-format off
double one_language(const std::vector<std::int64_t>& labels, std::size_t classes,
                    std::uint64_t seed) {
  const equipoise::ClassCounts counts = equipoise::count_labels(labels, classes);
  double sum = 0;
  {
    const std::vector<double> mass = equipoise::sampling::drawn_mass(
      counts, equipoise::class_weights(counts, equipoise::PowerWeights{1}));
    sum += mass[1];
  }
  const std::vector<double> mass = equipoise::sampling::drawn_mass(
      counts, equipoise::class_weights(counts, equipoise::PowerWeights{0.5}));
  const equipoise::sampling::ClassSampler sampler(
    labels, mass, seed, {.mode = equipoise::sampling::Mode::kExactQuota});
  std::vector<std::int64_t> rows(4);
  sampler.fill(0, rows);
  {
    equipoise::SoftmaxLoss<equipoise::Focal> loss;
    sum += loss.modulator.gamma;
  }
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = equipoise::class_weights(counts, equipoise::PowerWeights{1});
  loss.class_weights = equipoise::class_weights(counts, equipoise::PowerWeights{0.5});
  loss.logit_terms = equipoise::logit_terms(counts, equipoise::LogitAdjustment{1});
  loss.logit_terms = equipoise::logit_terms(counts, equipoise::LogitAdjustment{0.5});
  const std::vector<double> offset =
    equipoise::calibrate::posthoc_offset(counts.values(), 0.75);
  return sum + offset[1] + loss.class_weights[1] + loss.logit_terms.shift[1];
}

double several_languages(const std::vector<std::int64_t>& labels,
                         const std::vector<std::int64_t>& groups, std::size_t languages,
                         std::size_t classes, std::uint64_t seed) {
  const equipoise::GroupedCounts table =
    equipoise::count_grouped(labels, groups, languages, classes);
  const equipoise::ClassCounts counts = table.total();
  double sum = 0;
  {
    const std::vector<double> mass =
      equipoise::mix_table(table, equipoise::TemperatureMix{0.5}, equipoise::ProportionalMix{});
    sum += mass[0];
  }
  {
    const equipoise::UniMaxMix unimax{.budget = counts.total(), .max_epochs = 2};
    const std::vector<double> mass =
      equipoise::mix_table(table, unimax, equipoise::ProportionalMix{});
    sum += mass[0];
  }
  {
    const std::vector<double> mass =
      equipoise::mix_table(table, equipoise::UniformMix{}, equipoise::ProportionalMix{});
    sum += mass[0];
  }
  {
    std::vector<double> of_class;
    for (const double n : counts.values()) {
      of_class.push_back(n > 0 ? std::pow(n, 0) : 0);
      of_class.push_back(n > 0 ? std::pow(n, 0.5) : 0);
    }
    of_class.resize(classes);
    const std::vector<double> of_language(languages, 1.0);
    const std::vector<double> mass = equipoise::rake(table, of_language, of_class);
    sum += mass[0];
  }
  const std::vector<double> mass =
    equipoise::mix_table(table, equipoise::TemperatureMix{0.3}, equipoise::ProportionalMix{});
  const std::vector<std::int32_t> cells =
    equipoise::sampling::cell_labels(labels, groups, languages, classes);
  const equipoise::sampling::ClassSampler sampler(
    cells, mass, seed, {.mode = equipoise::sampling::Mode::kExactQuota});
  std::vector<std::int64_t> rows(4);
  sampler.fill(0, rows);
  std::vector<double> drawn(classes, 0.0);
  for (std::size_t i = 0; i < mass.size(); ++i) drawn[i % classes] += mass[i];
  const equipoise::ClassCounts drawn_counts(drawn);
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = equipoise::class_weights(drawn_counts, equipoise::PowerWeights{0.5});
  loss.group_logit_terms = equipoise::group_logit_terms(
    table, equipoise::LogitAdjustment{1}, 1);
  loss.group_logit_terms = equipoise::group_logit_terms(
    table, equipoise::LogitAdjustment{0.5}, 1);
  return sum + loss.class_weights[0] + loss.group_logit_terms[0].shift[0];
}

double threshold_of(std::span<const double> scores, std::span<const std::int64_t> targets) {
  const auto f1 = [](const equipoise::metrics::BinaryCounts& c) { return c.f1(); };
  const auto chosen = equipoise::calibrate::choose_threshold(scores, targets, f1);
  return chosen.threshold;
}
// clang-format on

TEST(QaAdvice, RunsAsCode) {
  const std::vector<std::int64_t> labels = {0, 0, 0, 1, 0, 1};
  EXPECT_TRUE(std::isfinite(one_language(labels, 2, 1)));
  EXPECT_TRUE(std::isfinite(several_languages(labels, {0, 0, 0, 0, 1, 1}, 2, 2, 1)));
  EXPECT_EQ(threshold_of(std::vector<double>{-1, 2}, std::vector<std::int64_t>{0, 1}), 0.5);
}

std::string code_of(std::string_view task_name, const std::vector<std::string>& languages,
                    const std::string& strategy) {
  QaTask task;
  task.name = task_name;
  task.languages = languages;
  Outcome outcome{strategy};
  outcome.runs.emplace_back();
  outcome.runs.front().choice = task.selects_sentences() ? "at 0.43" : "tau 0.75";
  return qa_code(task, outcome);
}

TEST(QaAdvice, ConsistsOfLinesThatCompile) {
  for (const std::string_view task : {kAnswerType, kSentenceSelection}) {
    for (const QaStrategy& strategy : all_qa_strategies(task)) {
      expect_lines_of("demos/qa/advice_test.cc", code_of(task, {"hau", "yor"}, strategy.name));
      expect_lines_of("demos/qa/advice_test.cc", code_of(task, {"hau"}, strategy.name));
    }
  }
}

// The lines of a strategy do what the demo does: the same draws, weights and terms.
TEST(QaAdvice, NamesThePartsOfTheStrategy) {
  const std::string mixed = code_of(kAnswerType, {"hau", "yor"}, "mix_0.3_weights_0.5");
  EXPECT_THAT(mixed, HasSubstr("TemperatureMix{0.3}"));
  EXPECT_THAT(mixed, HasSubstr("class_weights(drawn_counts, equipoise::PowerWeights{0.5}"));
  EXPECT_THAT(mixed, Not(HasSubstr("choose_threshold")));
  const std::string raked = code_of(kSentenceSelection, {"de"}, "rake_0.5");
  EXPECT_THAT(raked, HasSubstr("drawn_mass(\n    counts, equipoise::class_weights(counts, "
                               "equipoise::PowerWeights{0.5}))"));
  EXPECT_THAT(raked, HasSubstr("choose_threshold"));
  EXPECT_THAT(code_of(kAnswerType, {"de"}, "uniform"), HasSubstr("GroupedCounts table"));
  EXPECT_THAT(code_of(kAnswerType, {"en"}, "none_tau"), HasSubstr("counts.values(), 0.75);"));
}

}  // namespace
}  // namespace equipoise::demos
