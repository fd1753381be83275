#include "demos/common/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demos/common/advice_test.h"
#include "demos/ner/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/equipoise.h"
#include "equipoise/metrics/entity_sequences.h"

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

struct Spans {
  std::vector<double> shares;
  std::vector<double> class_weights;
};

// Every line of advice stands here, so that it compiles and runs; a test looks for it.
// clang-format off
Spans spans(const std::vector<std::int64_t>& labels, const std::vector<std::int64_t>& types,
            const std::vector<std::size_t>& offsets, const equipoise::metrics::EntityTags& names) {
  std::vector<double> shares(labels.size(), 1.0);
  for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {
    const std::span<const std::int64_t> sentence(
      labels.data() + offsets[s], offsets[s + 1] - offsets[s]);
    for (const auto& entity : equipoise::metrics::find_entities(sentence, names)) {
      const std::size_t length = entity.end - entity.begin;
      std::fill_n(shares.begin() + static_cast<std::ptrdiff_t>(offsets[s] + entity.begin),
                  length, 1.0 / static_cast<double>(length));
    }
  }
  const equipoise::ClassCounts counts =
    equipoise::count_labels(types, shares, names.types().size() + 1);
  const std::vector<double> weights = equipoise::class_weights(counts, equipoise::PowerWeights{0.5},
    {.empty = equipoise::EmptyClass::kLargest});
  equipoise::SoftmaxLoss<> loss;
  for (std::size_t tag = 0; tag < names.size(); ++tag) {
    const auto type = names.type(tag);
    loss.class_weights.push_back(weights[type ? *type + 1 : 0]);
  }
  return {shares, loss.class_weights};
}

double others(const std::vector<std::int64_t>& labels, const std::vector<std::int64_t>& types,
              const std::vector<std::size_t>& offsets, const equipoise::metrics::EntityTags& names,
              std::uint64_t seed, std::uint64_t steps, std::uint64_t step) {
  const equipoise::ClassCounts counts = equipoise::count_labels(labels, names.size());
  double sum = 0;
  {
    equipoise::SoftmaxLoss<equipoise::Focal> loss;
    sum += loss.modulator.gamma;
  }
  {
    equipoise::SoftmaxLoss<equipoise::SelfAdjustingDice> loss;
    loss.modulator.alpha = 0.01;
    sum += loss.modulator.alpha;
  }
  equipoise::SoftmaxLoss<> loss;
  loss.class_weights = std::vector<double>(names.size(), 1.0);
  loss.class_weights[names.label(equipoise::metrics::TagPrefix::kOutside).value()] = 0.25;
  loss.class_weights = equipoise::class_weights(counts, equipoise::PowerWeights{1},
    {.empty = equipoise::EmptyClass::kLargest});
  loss.class_weights = equipoise::class_weights(counts, equipoise::PowerWeights{0.5},
    {.empty = equipoise::EmptyClass::kLargest});
  const std::vector<double> weights = loss.class_weights;
  const equipoise::RampSchedule ramp{2 * steps / 3, 2 * steps / 3};
  loss.class_weights = equipoise::blend({}, weights, ramp(step));
  std::vector<double> prior;
  for (const double n : counts.values()) prior.push_back(std::max(n, 0.5));
  const std::vector<double> offset =
    equipoise::calibrate::posthoc_offset(prior, 0.75);
  {
    const std::vector<double> factors = equipoise::sampling::repeat_factors(
      types, offsets, names.types().size() + 1,
      equipoise::sampling::LvisRepeats{1}, {.background = 0});
    sum += factors[0];
  }
  const std::vector<double> factors = equipoise::sampling::repeat_factors(
      types, offsets, names.types().size() + 1,
      equipoise::sampling::CountRarenessRepeats{}, {.background = 0});
  const equipoise::sampling::EpochStream sampler(
    equipoise::sampling::SystematicResampling(
      factors, factors.size(), seed));
  std::vector<std::int64_t> sentences(2);
  sampler.fill(0, sentences);
  return sum + offset[0] + loss.class_weights[0];
}
// clang-format on

// Two sentences: Ann Smith spoke; Oslo.
std::unique_ptr<TaggingTask> task() {
  TaggedCorpus corpus;
  corpus.tags = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  corpus.train = {{{"Ann", "Smith", "spoke"}, {1, 2, 0}}, {{"Oslo"}, {3}}};
  corpus.validation = corpus.train;
  corpus.test = corpus.train;
  return make_tagging_task(corpus, linear_features(), "linear");
}

TEST(TaggingAdvice, RunsAsCodeAndDoesWhatTheDemoDoes) {
  const auto made = task();
  const TaggingTask& own = *made;
  const std::vector<std::int64_t> types = own.types_of(own.train.targets);
  const Spans printed = spans(own.train.targets, types, own.train.unit_starts, own.tags);
  EXPECT_THAT(printed.shares, ElementsAre(0.5, 0.5, 1, 1));
  EXPECT_EQ(printed.shares, own.row_weights("spans_0.5"));
  EXPECT_THAT(printed.class_weights,
              ElementsAreArray(
                  std::get<SoftmaxLoss<>>(own.objective("spans_0.5", 0, 1).loss).class_weights));
  EXPECT_TRUE(
      std::isfinite(others(own.train.targets, types, own.train.unit_starts, own.tags, 1, 9, 7)));
}

std::string code_of(const std::string& strategy) {
  Outcome outcome{strategy};
  outcome.runs.emplace_back();
  outcome.runs.front().choice = strategy == "none_tau" ? "tau 0.75" : "";
  return tagging_code(outcome);
}

TEST(TaggingAdvice, ConsistsOfLinesThatCompile) {
  for (const std::string& strategy : all_tagging_strategies()) {
    expect_lines_of("demos/ner/advice_test.cc", code_of(strategy));
  }
}

TEST(TaggingAdvice, NamesThePartsOfTheStrategy) {
  EXPECT_THAT(code_of("weights"), HasSubstr("PowerWeights{1}"));
  EXPECT_THAT(code_of("drw"), HasSubstr("RampSchedule"));
  EXPECT_THAT(code_of("scr"), HasSubstr("CountRarenessRepeats{}"));
  EXPECT_THAT(code_of("crt"), HasSubstr("a new head"));
  EXPECT_EQ(code_of("none"), "equipoise::SoftmaxLoss<> loss;\n");
}

}  // namespace
}  // namespace equipoise::demos
