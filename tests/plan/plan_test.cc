#include "equipoise/plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "equipoise/plan/text.h"
#include "tests/support/errors.h"
#include "tests/support/example_plan.h"

namespace equipoise {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::error_of;
using testing::example_plan;
using ::testing::HasSubstr;

using Numbers = std::vector<double>;

TEST(Plan, RefusesNumbersThatNameNoEnumerator) {
  Plan plan = example_plan();
  plan.mean = static_cast<MeanKind>(7);
  const std::string text = "Plan(): enumerator = 7, expected by_count or by_weight or per_class";
  EXPECT_EQ(error_of([&] { to_text(plan); }), text);
  EXPECT_EQ(error_of([&] { softmax_loss(plan); }), text);
  EXPECT_EQ(error_of([&] { treatment(plan); }), text);
  Treatment unknown;
  unknown.counts = ClassCounts{1};
  unknown.mean = plan.mean;
  EXPECT_EQ(error_of([&] { ledger(unknown); }),
            "ledger(): mean = 7, expected an enumerator of MeanKind");
  plan = example_plan();
  plan.sampling = static_cast<sampling::Mode>(-1);
  EXPECT_THAT(error_of([&] { treatment(plan); }), HasSubstr("expected independent or exact_quota"));
}

TEST(Plan, FingerprintIsTheSameOnEveryPlatform) {
  EXPECT_EQ(example_plan().fingerprint(), 13282486676133442707u);
}

TEST(Plan, TreatmentFollowsTheRamps) {
  Plan plan = example_plan();
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
  Plan plan = example_plan();
  plan.mean = MeanKind::kByCount;
  plan.weights_ramp = {};
  const sampling::ClassSampler sampler = class_sampler(plan, labels, 7);
  Numbers drawn(3, 0.0);
  for (std::uint64_t t = 0; t < 4000; ++t) {
    drawn[static_cast<std::size_t>(labels[sampler[t]])] += 1.0 / 4000;
  }
  const auto loss = std::get<SoftmaxLoss<Focal>>(softmax_loss(plan, Focal{.gamma = 1}));
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
  EXPECT_EQ(treatment(example_plan()).label_smoothing, 0.1);
  EXPECT_THAT(error_of([] { ledger(example_plan()).offset(); }),
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
  const std::uint64_t whole_batches = draws / plan.batch_size;
  const double weight = 1 / static_cast<double>(seeds);
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto sampler = scheduled_sampler(plan, labels, seed);
    std::vector<std::int64_t> rows(draws);
    sampler.fill(0, rows);
    std::vector<std::set<std::int64_t>> seen(classes);
    Numbers missed(classes, static_cast<double>(whole_batches));
    std::vector<std::set<std::uint64_t>> batches(classes);
    for (std::uint64_t t = 0; t < draws; ++t) {
      const auto c = static_cast<std::size_t>(labels[static_cast<std::size_t>(rows[t])]);
      result.exposures[c] += weight;
      seen[c].insert(rows[t]);
      const std::uint64_t batch = t / plan.batch_size;
      if (batch < whole_batches && batches[c].insert(batch).second) missed[c] -= 1;
    }
    for (std::size_t c = 0; c < classes; ++c) {
      result.distinct[c] += weight * static_cast<double>(seen[c].size());
      result.missing[c] += weight * missed[c] / static_cast<double>(whole_batches);
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
  for (const RampSchedule& ramp :
       {RampSchedule{0, 100}, RampSchedule{10, 40}, RampSchedule{30, 30}}) {
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
  for (const MeanKind mean : {MeanKind::kByCount, MeanKind::kByWeight, MeanKind::kPerClass}) {
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
  const auto kinds = [](const Plan& plan, std::uint64_t epochs) {
    std::vector<PlanWarningKind> result;
    for (const PlanWarning& warning : dry_run(plan, {.epochs = epochs}).warnings) {
      result.push_back(warning.kind);
    }
    return result;
  };
  Plan plan;
  plan.counts = {900, 100};
  plan.mix = {1, 0};
  plan.batch_size = 10;
  EXPECT_THAT(kinds(plan, 1), ElementsAre(PlanWarningKind::kNeverSeen));
  plan.mix_ramp = {0, 100};  // is seen until the mix has set in
  EXPECT_THAT(kinds(plan, 1), ElementsAre());
  // A class whose share falls to nothing before it is due once: .01 (1 - s / 10) in step s.
  plan.counts = {9990, 10};
  plan.mix_ramp = {0, 10};
  EXPECT_THAT(kinds(plan, 1), ElementsAre(PlanWarningKind::kNeverSeen));
  EXPECT_NEAR(dry_run(plan).warnings[0].value, 10 * 0.001 * 5.5, 1e-12);
  EXPECT_THAT(dry_run(plan).warnings[0].text, HasSubstr("with a probability of 0.95 none"));
  plan.counts = {900, 100};
  plan.mix = {};
  plan.mix_ramp = {};
  plan.weights = {1, 101};
  plan.weights_ramp = {100, 100};
  EXPECT_THAT(kinds(plan, 1), ElementsAre());  // the run ends before the weights set in
  EXPECT_THAT(kinds(plan, 2), ElementsAre(PlanWarningKind::kWeightRatio));
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

// The mean selects the type of the reduction.
TEST(Plan, HasTheLossOfItsMean) {
  Plan plan = example_plan();
  const auto weights_of = [](const auto& loss) { return loss.class_weights; };
  using ByWeight = SoftmaxLoss<CrossEntropy, MeanByWeight>;
  EXPECT_TRUE(std::holds_alternative<ByWeight>(softmax_loss(plan)));
  EXPECT_EQ(std::visit(weights_of, softmax_loss(plan)), plan.weights);
  plan.mean = MeanKind::kByCount;
  EXPECT_TRUE(std::holds_alternative<SoftmaxLoss<>>(softmax_loss(plan)));
  EXPECT_EQ(std::visit(weights_of, softmax_loss(plan)), plan.weights);
  plan.mean = MeanKind::kPerClass;
  using PerClass = SoftmaxLoss<Focal, MeanPerClass>;
  const PerClass loss = std::get<PerClass>(softmax_loss(plan, Focal{.gamma = 3}));
  EXPECT_EQ(loss.reduction.classes, 3u);
  EXPECT_EQ(loss.modulator.gamma, 3);
  EXPECT_EQ(loss.class_weights, plan.weights);
  // The treatment that is read off the loss has the mean that the plan says.
  std::visit(
      [&](const auto& of_plan) {
        EXPECT_EQ(treatment(of_plan, ClassCounts(plan.counts)).mean, plan.mean);
      },
      softmax_loss(plan));
}

TEST(Plan, SamplersRefuseLabelsOfOtherClasses) {
  const Plan plan = example_plan();
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
