#include "equipoise/plan/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/plan/plan.h"
#include "equipoise/random.h"
#include "tests/support/errors.h"
#include "tests/support/example_plan.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::example_plan;

TEST(PlanText, IsWrittenAndRead) {
  EXPECT_EQ(to_text(example_plan()),
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
  EXPECT_EQ(parse_plan(to_text(example_plan())), example_plan());
}

TEST(PlanText, ReadsWhatPeopleWrite) {
  const Plan plan = parse_plan(
      "# from the training set\r\n"
      "\n"
      "  batch_size\t64 # two workers\n"
      "sampling independent\n"
      "counts 9e1 1.0");
  Plan expected;
  expected.counts = {90, 1};
  expected.batch_size = 64;
  expected.sampling = sampling::Mode::kIndependent;
  EXPECT_EQ(plan, expected);
}

TEST(PlanText, KeepsEveryBit) {
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
     [](Plan& plan) { plan.mean = MeanKind::kByCount; }},
    {"require_same_plan(): sampling[0] = independent, expected exact_quota, as saved",
     [](Plan& plan) { plan.sampling = sampling::Mode::kIndependent; }},
    {"require_same_plan(): batch_size[0] = 64, expected 32, as saved",
     [](Plan& plan) { plan.batch_size = 64; }},
    {"require_same_plan(): mix_ramp[1] = 7, expected 0, as saved",
     [](Plan& plan) { plan.mix_ramp.end = 7; }},
    {"require_same_plan(): weights_ramp[0] = 99, expected 100, as saved",
     [](Plan& plan) { plan.weights_ramp.begin = 99; }},
    {"require_same_plan(): logit_terms_ramp[1] = 1, expected 0, as saved",
     [](Plan& plan) { plan.logit_terms_ramp.end = 1; }},
};

TEST(PlanText, AChangeOfAnyFieldShowsAndIsNamed) {
  EXPECT_NO_THROW(require_same_plan(example_plan(), example_plan()));
  for (const auto& [text, change] : kChanges) {
    Plan changed = example_plan();
    change(changed);
    EXPECT_NE(changed, example_plan()) << text;
    EXPECT_NE(changed.fingerprint(), example_plan().fingerprint()) << text;
    EXPECT_EQ(error_of([&] { require_same_plan(example_plan(), changed); }), text);
  }
}

// Equal plans are the same plan, whatever the sign of a zero.
TEST(PlanText, BothZerosAreOne) {
  Plan plan = example_plan();
  plan.logit_terms.shift[0] = 0;
  plan.label_smoothing = 0;
  Plan negative = plan;
  negative.logit_terms.shift[0] = -0.0;
  negative.label_smoothing = -0.0;
  ASSERT_EQ(plan, negative);
  EXPECT_EQ(plan.fingerprint(), negative.fingerprint());
  EXPECT_EQ(to_text(plan), to_text(negative));
  EXPECT_EQ(error_of([&] { require_same_plan(plan, negative); }), "nothing was thrown");
}

TEST(PlanText, NamesMeansAndWaysOfSampling) {
  EXPECT_THAT(names_of(MeanKind()), ElementsAre("by_count", "by_weight", "per_class"));
  EXPECT_EQ(from_name<MeanKind>("per_class"), MeanKind::kPerClass);
  EXPECT_EQ(from_name<sampling::Mode>("independent"), sampling::Mode::kIndependent);
  EXPECT_EQ(from_name<sampling::Mode>("by_count"), std::nullopt);
}

TEST(PlanText, InvalidTextIsRefused) {
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
            "parse_plan(): line 2, weights_ramp[1] = 1, expected at least begin = 2");
  EXPECT_EQ(error("counts 1 1\nbatch_size 4\nsampling independent\nmix_ramp 0 9"),
            "parse_plan(): plan.sampling = independent, expected exact_quota, by which a mix that "
            "changes is drawn");
  EXPECT_EQ(error("counts 1 1\nlabel_smoothing nan"),
            "parse_plan(): plan.label_smoothing = nan, expected a number in [0, 1]");
}

}  // namespace
}  // namespace equipoise
