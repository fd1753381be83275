#include "equipoise/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
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

// Equal plans are the same plan, whatever the sign of a zero.
TEST(Plan, BothZerosAreOne) {
  Plan plan = example();
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

TEST(Plan, RefusesNumbersThatNameNoEnumerator) {
  Plan plan = example();
  plan.mean = static_cast<Mean>(7);
  const std::string text = "Plan(): enumerator = 7, expected by_count or by_weight or per_class";
  EXPECT_EQ(error_of([&] { to_text(plan); }), text);
  EXPECT_EQ(error_of([&] { treatment(plan); }), text);
  Treatment unknown;
  unknown.counts = ClassCounts{1};
  unknown.mean = plan.mean;
  EXPECT_EQ(error_of([&] { ledger(unknown); }),
            "ledger(): mean = 7, expected an enumerator of Mean");
  plan = example();
  plan.sampling = static_cast<SamplingMode>(-1);
  EXPECT_THAT(error_of([&] { treatment(plan); }), HasSubstr("expected independent or exact_quota"));
}

TEST(Plan, NamesMeansAndWaysOfSampling) {
  EXPECT_THAT(names_of(Mean()), ElementsAre("by_count", "by_weight", "per_class"));
  EXPECT_EQ(from_name<Mean>("per_class"), Mean::kPerClass);
  EXPECT_EQ(from_name<SamplingMode>("independent"), SamplingMode::kIndependent);
  EXPECT_EQ(from_name<SamplingMode>("by_count"), std::nullopt);
}

TEST(Plan, FingerprintIsTheSameOnEveryPlatform) {
  EXPECT_EQ(example().fingerprint(), 13282486676133442707u);
}

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
            "parse_plan(): line 2, weights_ramp[1] = 1, expected at least begin = 2");
  EXPECT_EQ(error("counts 1 1\nbatch_size 4\nsampling independent\nmix_ramp 0 9"),
            "parse_plan(): plan.sampling = independent, expected exact_quota, by which a mix that "
            "changes is drawn");
  EXPECT_EQ(error("counts 1 1\nlabel_smoothing nan"),
            "parse_plan(): plan.label_smoothing = nan, expected a number in [0, 1]");
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
  // Exact quotas hold each of three classes within two draws of 4000.
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(mass[c] / sum, ledger(plan).effective[c], 4 * 2.0 / 4000);
  }
  EXPECT_EQ(dry_run(plan).steps, 4u);
  EXPECT_EQ(error_of([&] { dry_run(plan, {.batch_size = 64}); }),
            "dry_run(): options.batch_size = 64, expected 0 or that of the plan, 32");
}

TEST(Plan, CarriesLabelSmoothingIntoTheLedger) {
  EXPECT_EQ(treatment(example()).label_smoothing, 0.1);
  EXPECT_THAT(error_of([] { ledger(example()).offset(); }),
              HasSubstr("posterior() takes it off first"));
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
  EXPECT_EQ(sampler.epoch_size(), 100u);
  plan.batch_size = 0;
  EXPECT_EQ(error_of([&] { scheduled_sampler(plan, labels, 3); }),
            "PlanMix(): plan.batch_size = 0, expected at least 1");
  plan.batch_size = 10;
  plan.mix_ramp = {};
  EXPECT_EQ(error_of([&] { scheduled_sampler(plan, labels, 3); }),
            "scheduled_sampler(): plan.mix_ramp.end = 0, expected more; see class_sampler()");
}

// What a run of a plan with a ramp shows, by its real sampler, averaged over seeds.
struct Observed {
  Numbers exposures, distinct, missing;
};
Observed observe(const Plan& plan, std::uint64_t epochs, std::uint64_t seeds) {
  std::vector<int> labels;
  for (std::size_t c = 0; c < plan.classes(); ++c) {
    labels.insert(labels.end(), static_cast<std::size_t>(plan.counts[c]), static_cast<int>(c));
  }
  const std::size_t classes = plan.classes();
  Observed result{Numbers(classes), Numbers(classes), Numbers(classes)};
  const std::uint64_t draws = epochs * labels.size();
  const double weight = 1 / static_cast<double>(seeds);
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto sampler = scheduled_sampler(plan, labels, seed);
    std::vector<std::int64_t> rows(draws);
    sampler.fill(0, rows);
    std::vector<std::set<std::int64_t>> seen(classes);
    Numbers missed(classes, static_cast<double>(draws / plan.batch_size));  // whole batches
    std::vector<std::set<std::uint64_t>> batches(classes);
    for (std::uint64_t t = 0; t < draws; ++t) {
      const auto c = static_cast<std::size_t>(labels[static_cast<std::size_t>(rows[t])]);
      result.exposures[c] += weight;
      seen[c].insert(rows[t]);
      const std::uint64_t batch = t / plan.batch_size;
      if (batch < draws / plan.batch_size && batches[c].insert(batch).second) missed[c] -= 1;
    }
    for (std::size_t c = 0; c < classes; ++c) {
      result.distinct[c] += weight * static_cast<double>(seen[c].size());
      result.missing[c] += weight * missed[c] / static_cast<double>(draws / plan.batch_size);
    }
  }
  return result;
}

TEST(Plan, DryRunFollowsARampOfTheMix) {
  Plan plan;
  plan.counts = {900, 80, 20};
  plan.mix = {1, 1, 1};
  plan.batch_size = 64;
  // A ramp that is longer than the run, one that is shorter, and a jump.
  for (const Ramp& ramp : {Ramp{0, 100}, Ramp{10, 40}, Ramp{30, 30}}) {
    plan.mix_ramp = ramp;
    const DryRun run = dry_run(plan, {.epochs = 5});
    const Observed seen = observe(plan, 5, 200);
    EXPECT_EQ(run.steps, 80u);
    for (std::size_t c = 0; c < 3; ++c) {
      // Means over 200 runs. A batch is one off at most, so a run has a standard deviation of less
      // than five draws; the others are binomial.
      EXPECT_NEAR(seen.exposures[c], run.classes[c].exposures, 1.5) << ramp.end << ' ' << c;
      EXPECT_NEAR(seen.distinct[c], run.classes[c].distinct, 2) << ramp.end << ' ' << c;
      EXPECT_NEAR(seen.missing[c], run.classes[c].missing, 0.01) << ramp.end << ' ' << c;
    }
  }
  // By hand: of the 64 draws of step s, and the 8 of the last, .9 + (1/3 - .9) s / 40 are of class
  // 0, from step 40 on a third.
  plan.mix_ramp = {0, 40};
  double exposures = 0;
  for (int s = 0; s < 79; ++s) {
    exposures += (s < 78 ? 64 : 8) * (0.9 + (1.0 / 3 - 0.9) * std::min(s, 40) / 40);
  }
  EXPECT_NEAR(dry_run(plan, {.epochs = 5}).classes[0].exposures, exposures, 1e-9);
}

// A plan without a batch size takes that of the options, for its mean too.
TEST(Plan, DryRunTakesABatchSizeThatThePlanDoesNotSay) {
  for (const Mean mean : {Mean::kByCount, Mean::kByWeight, Mean::kPerClass}) {
    Plan plan;
    plan.counts = {900, 80, 20};
    plan.weights = {1, 5, 20};
    plan.mean = mean;
    plan.weights_ramp = {2, 9};
    Plan sized = plan;
    sized.batch_size = 32;
    EXPECT_EQ(report(dry_run(plan, {.batch_size = 32})), report(dry_run(sized)));
    EXPECT_EQ(dry_run(plan, {.batch_size = 32}).effective_sample_size,
              dry_run(sized).effective_sample_size);
    EXPECT_EQ(error_of([&] { dry_run(plan); }),
              "dry_run(): options.batch_size = 0, expected at least 1");
  }
}

// Pieces of a long ramp give what its steps do.
TEST(Plan, DryRunOfALongRampIsThatOfItsSteps) {
  Plan plan;
  plan.counts = {9000, 800, 200};
  plan.mix = {1, 3, 1};
  plan.weights = {0.5, 1, 4};
  plan.batch_size = 2;
  plan.mix_ramp = {100, 4900};
  plan.weights_ramp = {1000, 3000};
  const DryRun run = dry_run(plan);
  Numbers exposures(3);
  Numbers mass(3);
  Numbers log_unseen(3);
  for (std::uint64_t s = 0; s < 5000; ++s) {
    const Treatment at_step = treatment(plan, s);
    const Numbers q = ledger(at_step).drawn;
    for (std::size_t c = 0; c < 3; ++c) {
      exposures[c] += 2 * q[c];
      mass[c] += 2 * q[c] * at_step.weights[c];
      log_unseen[c] += std::log1p(-2 * q[c] / plan.counts[c]);
    }
  }
  double squares = 0;
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(run.classes[c].exposures, exposures[c], 1e-10 * exposures[c]);
    const double distinct = plan.counts[c] * -std::expm1(log_unseen[c]);
    EXPECT_NEAR(run.classes[c].distinct, distinct, 1e-7 * distinct);
    squares += mass[c] * mass[c] / distinct;
  }
  const double all = mass[0] + mass[1] + mass[2];
  EXPECT_NEAR(run.effective_sample_size, all * all / squares, 1e-5 * all * all / squares);
}

TEST(Plan, DryRunWarnsOfWhatIsNeverSeenInTheWholeRun) {
  const auto cautions = [](const Plan& plan, std::uint64_t epochs) {
    std::vector<Caution> result;
    for (const Warning& warning : dry_run(plan, {.epochs = epochs}).warnings) {
      result.push_back(warning.caution);
    }
    return result;
  };
  Plan plan;
  plan.counts = {900, 100};
  plan.mix = {1, 0};
  plan.batch_size = 10;
  EXPECT_THAT(cautions(plan, 1), ElementsAre(Caution::kNeverSeen));
  plan.mix_ramp = {0, 100};  // is seen until the mix has set in
  EXPECT_THAT(cautions(plan, 1), ElementsAre());
  // A class whose share falls to nothing before it is due once: .01 (1 - s / 10) in step s.
  plan.counts = {9990, 10};
  plan.mix_ramp = {0, 10};
  EXPECT_THAT(cautions(plan, 1), ElementsAre(Caution::kNeverSeen));
  EXPECT_NEAR(dry_run(plan).warnings[0].value, 10 * 0.001 * 5.5, 1e-12);
  EXPECT_THAT(dry_run(plan).warnings[0].text, HasSubstr("with a probability of 0.95 none"));
  plan.counts = {900, 100};
  plan.mix = {};
  plan.mix_ramp = {};
  plan.weights = {1, 101};
  plan.weights_ramp = {100, 100};
  EXPECT_THAT(cautions(plan, 1), ElementsAre());  // the run ends before the weights set in
  EXPECT_THAT(cautions(plan, 2), ElementsAre(Caution::kWeightRatio));
}

// Rows that are ignored are drawn by nobody, and do not lengthen an epoch.
TEST(Plan, EpochsHaveTheRowsWithAClass) {
  std::vector<int> labels(90, 0);
  labels.insert(labels.end(), 10, 1);
  labels.insert(labels.end(), 60, -100);
  Plan plan;
  plan.counts = {90, 10};
  plan.batch_size = 10;
  EXPECT_EQ(class_sampler(plan, labels, 1, -100).epoch_size(), 100u);
  EXPECT_EQ(dry_run(plan).steps, 10u);
  plan.mix_ramp = {0, 5};
  EXPECT_EQ(scheduled_sampler(plan, labels, 1, -100).epoch_size(), 100u);
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
            "class_sampler(): rows of class[0] = 1, expected as plan.counts says, 90 of 100");
}

TEST(Plan, SamplersRefuseLabelsOfOtherData) {
  Plan plan;
  plan.counts = {3, 1};
  plan.batch_size = 2;
  using Labels = std::vector<int>;
  const auto error = [&](const Labels& labels) {
    return error_of([&] { class_sampler(plan, labels, 1); });
  };
  const Labels other = {0, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_EQ(error(other),
            "class_sampler(): rows of class[0] = 1, expected as plan.counts says, 3 of 4");
  EXPECT_EQ(error({0, 0, 0, 1}), "nothing was thrown");
  // Part of the data, or shares of it.
  EXPECT_EQ(error({0, 0, 1, 0, 0, 1, 0, 0}), "nothing was thrown");
  plan.counts = {0.3, 0.1};
  EXPECT_EQ(error({0, 0, 0, 1}), "nothing was thrown");
  plan.mix = {1, 1};
  EXPECT_THAT(error(other), HasSubstr("expected as plan.counts says"));
  plan.mix_ramp = {0, 3};
  EXPECT_THAT(error_of([&] { scheduled_sampler(plan, other, 1); }),
              HasSubstr("scheduled_sampler(): rows of class[0] = 1"));
  // A rare class whose share is next to none has to be there all the same.
  plan.mix = {};
  plan.mix_ramp = {};
  plan.counts = {1e12, 1};
  EXPECT_THAT(error({0, 0}), HasSubstr("expected as plan.counts says"));
}

}  // namespace
}  // namespace equipoise
