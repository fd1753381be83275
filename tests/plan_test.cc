#include "equipoise/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/random.h"
#include "equipoise/weights.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;

Plan example() {
  Plan plan;
  plan.counts = {90, 8, 2};
  plan.mix = {2, 1, 1};
  plan.weights = {0.5, 1, 2};
  plan.logit_terms = {{}, {-0.1, -1, -3}, {}};
  plan.label_smoothing = 0.1;
  plan.mean = Mean::kByWeight;
  plan.batch_size = 32;
  plan.weights_ramp = {100, 200};
  return plan;
}

TEST(Plan, IsWrittenAndReadAsText) {
  EXPECT_EQ(to_text(example()),
            "counts 90 8 2\n"
            "mix 2 1 1\n"
            "weights 0.5 1 2\n"
            "logit_shift -0.1 -1 -3\n"
            "label_smoothing 0.1\n"
            "mean by_weight\n"
            "sampling exact_quota\n"
            "batch_size 32\n"
            "mix_ramp 0 0\n"
            "weights_ramp 100 200\n"
            "logit_terms_ramp 0 0\n");
  EXPECT_EQ(parse_plan(to_text(example())), example());
}

TEST(Plan, ReadsWhatPeopleWrite) {
  const Plan plan = parse_plan(
      "# from the training set\r\n"
      "\n"
      "  batch_size\t64 # two workers\n"
      "sampling independent\n"
      "counts 9e1 1.0");
  Plan expected;
  expected.counts = {90, 1};
  expected.batch_size = 64;
  expected.sampling = SamplingMode::kIndependent;
  EXPECT_EQ(plan, expected);
}

TEST(Plan, TextKeepsEveryBit) {
  const CounterRandom random{1};
  std::uint64_t t = 0;
  for (int round = 0; round < 500; ++round) {
    Plan plan;
    for (int c = 0; c < 5; ++c) {
      const auto any = [&] { return std::exp(600 * (random.uniform(t++, 1) - 0.5)); };
      plan.counts.push_back(any());
      plan.mix.push_back(any());
      plan.weights.push_back(any());
      plan.logit_terms.shift.push_back(any() - any());
    }
    plan.batch_size = random.bits(t++, 1);
    plan.mix_ramp = {1, random.bits(t++, 1) | 1};
    const Plan read = parse_plan(to_text(plan));
    EXPECT_EQ(read, plan);
    EXPECT_EQ(read.fingerprint(), plan.fingerprint());
  }
}

// Changes that a plan can suffer, one in each field.
const std::vector<std::pair<std::string, void (*)(Plan&)>> kChanges = {
    {"require_same_plan(): counts[1] = 9, expected 8, as saved",
     [](Plan& plan) { plan.counts[1] = 9; }},
    {"require_same_plan(): mix.size() = 0, expected 3 (as saved)",
     [](Plan& plan) { plan.mix.clear(); }},
    {"require_same_plan(): weights[2] = 3, expected 2, as saved",
     [](Plan& plan) { plan.weights[2] = 3; }},
    {"require_same_plan(): logit_scale.size() = 3, expected 0 (as saved)",
     [](Plan& plan) {
       plan.logit_terms.scale = {1, 1, 1};
     }},
    {"require_same_plan(): logit_shift[0] = 0, expected -0.1, as saved",
     [](Plan& plan) { plan.logit_terms.shift[0] = 0; }},
    {"require_same_plan(): logit_margin.size() = 3, expected 0 (as saved)",
     [](Plan& plan) {
       plan.logit_terms.margin = {1, 1, 1};
     }},
    {"require_same_plan(): label_smoothing[0] = 0.2, expected 0.1, as saved",
     [](Plan& plan) { plan.label_smoothing = 0.2; }},
    {"require_same_plan(): mean[0] = by_count, expected by_weight, as saved",
     [](Plan& plan) { plan.mean = Mean::kByCount; }},
    {"require_same_plan(): sampling[0] = independent, expected exact_quota, as saved",
     [](Plan& plan) { plan.sampling = SamplingMode::kIndependent; }},
    {"require_same_plan(): batch_size[0] = 64, expected 32, as saved",
     [](Plan& plan) { plan.batch_size = 64; }},
    {"require_same_plan(): mix_ramp[1] = 7, expected 0, as saved",
     [](Plan& plan) { plan.mix_ramp.end = 7; }},
    {"require_same_plan(): weights_ramp[0] = 99, expected 100, as saved",
     [](Plan& plan) { plan.weights_ramp.begin = 99; }},
    {"require_same_plan(): logit_terms_ramp[1] = 1, expected 0, as saved",
     [](Plan& plan) { plan.logit_terms_ramp.end = 1; }},
};

TEST(Plan, AChangeOfAnyFieldShowsAndIsNamed) {
  EXPECT_NO_THROW(require_same_plan(example(), example()));
  for (const auto& [text, change] : kChanges) {
    Plan changed = example();
    change(changed);
    EXPECT_NE(changed, example()) << text;
    EXPECT_NE(changed.fingerprint(), example().fingerprint()) << text;
    EXPECT_EQ(error_of([&] { require_same_plan(example(), changed); }), text);
  }
}

TEST(Plan, FingerprintIsTheSameOnEveryPlatform) { EXPECT_EQ(example().fingerprint(), 13282486676133442707u); }

TEST(Plan, RefusesTextThatIsNone) {
  const auto error = [](const std::string& text) { return error_of([&] { parse_plan(text); }); };
  EXPECT_EQ(error(""), "parse_plan(): sum of plan.counts = 0, expected a positive one");
  EXPECT_EQ(error("counts 1 1\nweigths 1 1"),
            "parse_plan(): line 2 = weigths, expected the name of a field of a plan");
  EXPECT_EQ(error("counts 1 1\n\ncounts 1 1"),
            "parse_plan(): line 3 = counts, expected each field once");
  EXPECT_EQ(error("counts 1 1x"), "parse_plan(): line 1, counts[1] = 1x, expected a number");
  EXPECT_EQ(error("counts 1 1\nbatch_size -1"),
            "parse_plan(): line 2, batch_size[0] = -1, expected an integer in [0, 2^64)");
  EXPECT_EQ(error("counts 1 1\nmix_ramp 1"),
            "parse_plan(): line 2, words of mix_ramp = 1, expected 2");
  EXPECT_EQ(
      error("counts 1 1\nmean by_chance"),
      "parse_plan(): line 2, mean[0] = by_chance, expected by_count or by_weight or per_class");
  EXPECT_EQ(error("counts 1 1\nmix 1"), "parse_plan(): plan.mix.size() = 1, expected 2 (classes)");
  EXPECT_EQ(error("counts 1 nan"),
            "parse_plan(): plan.counts[1] = nan, expected a finite number >= 0");
  EXPECT_EQ(error("counts 1 0\nmix 1 1"),
            "parse_plan(): plan.mix[1] = 1, expected 0, for no row has this class");
  EXPECT_EQ(error("counts 1 1\nweights_ramp 2 1"),
            "parse_plan(): end = 1, expected at least begin = 2");
}

TEST(Plan, TreatmentFollowsTheRamps) {
  Plan plan = example();
  EXPECT_THAT(treatment(plan, 0).weights, ElementsAre(1, 1, 1));
  EXPECT_THAT(treatment(plan, 150).weights, ElementsAre(0.75, 1, 1.5));
  EXPECT_THAT(treatment(plan).weights, ElementsAre(0.5, 1, 2));
  EXPECT_THAT(treatment(plan, 0).mix, ElementsAre(0.5, 0.25, 0.25));
  plan.mix_ramp = {10, 10};
  EXPECT_THAT(treatment(plan, 9).mix, ElementsAre(DoubleEq(0.9), DoubleEq(0.08), DoubleEq(0.02)));
  EXPECT_TRUE(ledger(plan).approximate);
  plan.mix_ramp = {};
  plan.weights_ramp = {};
  EXPECT_FALSE(ledger(plan).approximate);
}

TEST(Plan, MakesSamplerLossAndLedgerThatAgree) {
  std::vector<int> labels(90, 0);
  labels.insert(labels.end(), 8, 1);
  labels.insert(labels.end(), 2, 2);
  Plan plan = example();
  plan.mean = Mean::kByCount;
  plan.weights_ramp = {};
  const ClassSampler sampler = class_sampler(plan, labels, 7);
  Numbers drawn(3, 0.0);
  for (std::uint64_t t = 0; t < 4000; ++t) {
    drawn[static_cast<std::size_t>(labels[sampler[t]])] += 1.0 / 4000;
  }
  const SoftmaxLoss<Focal> loss = softmax_loss(plan, Focal{.gamma = 1});
  EXPECT_EQ(loss.modulator.gamma, 1);
  EXPECT_EQ(loss.label_smoothing, 0.1);
  EXPECT_EQ(loss.logit_terms, plan.logit_terms);
  Numbers mass;
  double sum = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    mass.push_back(drawn[c] * loss.class_weights[c] * std::exp(-loss.logit_terms.shift[c]));
    sum += mass.back();
  }
  // Exact quotas hold each class within two draws of 4000.
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(mass[c] / sum, ledger(plan).effective[c], 4 * 2.0 / 4000);
  }
  EXPECT_EQ(dry_run(plan).steps, 4u);
}

TEST(Plan, ScheduledSamplerReadsTheMixOnceABatch) {
  std::vector<int> labels(90, 0);
  labels.insert(labels.end(), 10, 1);
  Plan plan;
  plan.counts = {90, 10};
  plan.mix = {1, 1};
  plan.batch_size = 10;
  plan.mix_ramp = {5, 5};
  const auto sampler = scheduled_sampler(plan, labels, 3);
  const auto rare = [&](std::uint64_t batch) {
    int count = 0;
    for (std::uint64_t i = 0; i < 10; ++i) count += labels[sampler[batch * 10 + i]];
    return count;
  };
  EXPECT_EQ(rare(4), 1);
  EXPECT_EQ(rare(5), 5);
  EXPECT_EQ(error_of([&] { class_sampler(plan, labels, 3); }),
            "class_sampler(): plan.mix_ramp.end = 5, expected 0; see scheduled_sampler()");
  plan.batch_size = 0;
  EXPECT_EQ(error_of([&] { scheduled_sampler(plan, labels, 3); }),
            "PlanMix(): plan.batch_size = 0, expected at least 1");
}

TEST(Plan, RefusesALossWithAnotherMeanAndLabelsOfOtherClasses) {
  Plan plan = example();
  EXPECT_THAT(error_of([&] { softmax_loss(plan); }), HasSubstr("plan.mean = by_weight, expected"));
  EXPECT_NO_THROW(softmax_loss<MeanByWeight>(plan));
  plan.mean = Mean::kPerClass;
  EXPECT_EQ(softmax_loss<MeanPerClass>(plan).reduction.classes, 3u);
  EXPECT_EQ(error_of([&] {
              class_sampler(plan, std::vector<int>{0, 1, 1}, 1);
            }),
            "class_sampler(): rows of class[2] = 0, expected as plan.counts says, 2");
}

}  // namespace
}  // namespace equipoise
