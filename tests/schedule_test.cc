#include "equipoise/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/mix.h"
#include "equipoise/sampling/scheduled_sampler.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::error_of;

using Weights = std::vector<double>;

TEST(RampSchedule, IsZeroThenStraightThenOne) {
  const RampSchedule ramp{10, 20};
  EXPECT_EQ(ramp(0), 0);
  EXPECT_EQ(ramp(10), 0);
  EXPECT_EQ(ramp(15), 0.5);
  EXPECT_DOUBLE_EQ(ramp(19), 0.9);
  EXPECT_EQ(ramp(20), 1);
  EXPECT_EQ(ramp(~std::uint64_t{0}), 1);
}

TEST(RampSchedule, JumpsWhereItHasNoLength) {
  const RampSchedule deferred{160, 160};
  EXPECT_EQ(deferred(159), 0);
  EXPECT_EQ(deferred(160), 1);
  EXPECT_EQ(RampSchedule{}(0), 1);
}

TEST(RampSchedule, RefusesAnEndBeforeTheBegin) {
  EXPECT_EQ(error_of([] {
              return RampSchedule{5, 4}(0);
            }),
            "RampSchedule(): end = 4, expected at least begin = 5");
}

TEST(PiecewiseSchedule, HoldsEachValueFromItsStartOn) {
  const PiecewiseSchedule<Weights> schedule({0, 10, 20}, {{1, 1}, {1, 2}, {1, 4}});
  EXPECT_THAT(schedule(0), ElementsAre(1, 1));
  EXPECT_THAT(schedule(9), ElementsAre(1, 1));
  EXPECT_THAT(schedule(10), ElementsAre(1, 2));
  EXPECT_THAT(schedule(19), ElementsAre(1, 2));
  EXPECT_THAT(schedule(1000), ElementsAre(1, 4));
}

TEST(PiecewiseSchedule, RefusesStartsThatDoNotAscendFromZero) {
  using P = PiecewiseSchedule<double>;
  EXPECT_EQ(error_of([] { P({}, {}); }),
            "PiecewiseSchedule(): starts.size() = 0, expected at least 1");
  EXPECT_EQ(error_of([] {
              P({0, 1}, {1});
            }),
            "PiecewiseSchedule(): values.size() = 1, expected 2 (starts)");
  EXPECT_EQ(error_of([] { P({3}, {1}); }), "PiecewiseSchedule(): starts[0] = 3, expected 0");
  EXPECT_EQ(error_of([] {
              P({0, 7, 7}, {1, 2, 3});
            }),
            "PiecewiseSchedule(): starts[2] = 7, expected more than 7");
}

TEST(BlendSchedule, GoesFromOneToTheOtherAndEndsThereExactly) {
  const BlendSchedule<Weights> schedule{{}, {0.1, 5}, {100, 300}};
  EXPECT_THAT(schedule(100), ElementsAre(1, 1));
  EXPECT_THAT(schedule(200), ElementsAre(DoubleEq(0.55), 3));
  EXPECT_THAT(schedule(300), ElementsAre(0.1, 5));
}

TEST(BlendSchedule, TakesTermsThatAreNotThereForTheIdentity) {
  const LogitTerms half = blend({}, {{3, 3}, {-2, -4}, {}}, 0.5);
  EXPECT_THAT(half.scale, ElementsAre(2, 2));
  EXPECT_THAT(half.shift, ElementsAre(-1, -2));
  EXPECT_TRUE(half.margin.empty());
  const BlendSchedule<LogitTerms> schedule{{}, {{}, {-1, -3}, {}}, {4, 4}};
  EXPECT_THAT(schedule(3).shift, ElementsAre(0, 0));
  EXPECT_THAT(schedule(4).shift, ElementsAre(-1, -3));
}

TEST(BlendSchedule, RefusesWhatDoesNotFit) {
  const Weights two = {1, 1};
  const Weights three = {1, 1, 1};
  EXPECT_EQ(error_of([&] { return blend(two, three, 0.5); }),
            "blend(): to.size() = 3, expected 2 (elements of from)");
  EXPECT_EQ(error_of([&] { return blend(two, two, detail::quiet_nan()); }),
            "blend(): share = nan, expected a number in [0, 1]");
}

// A mix from natural to balanced over 100 batches, as a sampler shows it.
TEST(PerBatchSchedule, MakesAScheduleOfStepsOneOfDraws) {
  constexpr std::uint64_t kBatch = 20;
  std::vector<int> labels(900, 0);
  labels.insert(labels.end(), 100, 1);
  const BlendSchedule<Weights> by_step{{0.9, 0.1}, {0.5, 0.5}, {0, 100}};
  const sampling::ScheduledSampler sampler(labels, 2, PerBatchSchedule(by_step, kBatch), 1,
                                           {.window = kBatch});
  const auto rare_in_batch = [&](std::uint64_t step) {
    int rare = 0;
    for (std::uint64_t i = 0; i < kBatch; ++i) {
      rare += labels[sampler[step * kBatch + i]];
    }
    return rare;
  };
  EXPECT_EQ(rare_in_batch(0), 2);
  EXPECT_EQ(rare_in_batch(50), 6);
  EXPECT_EQ(rare_in_batch(100), 10);
  EXPECT_EQ(rare_in_batch(5000), 10);
  EXPECT_EQ(error_of([&] { PerBatchSchedule(by_step, 0); }),
            "PerBatchSchedule(): batch_size = 0, expected at least 1");
}

}  // namespace
}  // namespace equipoise
