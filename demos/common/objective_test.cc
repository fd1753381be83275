#include "demos/common/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Objective objective(Loss loss, const RampSchedule& ramp) {
  const std::vector<std::int64_t> labels = {0, 1};
  const std::vector<double> proportions = {1, 1};
  return {std::move(loss), Stream(sampling::ClassSampler(labels, proportions, 0)), ramp};
}

TEST(ClassWeightsAt, GrowFromOnesAsTheRampSays) {
  SoftmaxLoss<Focal> loss;
  loss.class_weights = {0.5, 3};
  const Objective late = objective(loss, {10, 14});
  EXPECT_THAT(class_weights_at(late, 0), ElementsAre(1, 1));
  EXPECT_THAT(class_weights_at(late, 10), ElementsAre(1, 1));
  EXPECT_THAT(class_weights_at(late, 11), ElementsAre(0.875, 1.5));
  EXPECT_THAT(class_weights_at(late, 13), ElementsAre(0.625, 2.5));
  EXPECT_THAT(class_weights_at(late, 14), ElementsAre(0.5, 3));
  EXPECT_THAT(class_weights_at(late, 1000), ElementsAre(0.5, 3));
}

TEST(ClassWeightsAt, AreThoseOfTheLossWithoutARamp) {
  SigmoidLoss<AsymmetricFocal> loss;
  loss.class_weights = {2, 4};
  EXPECT_THAT(class_weights_at(objective(loss, {}), 0), ElementsAre(2, 4));
  EXPECT_THAT(class_weights_at(objective(SoftmaxLoss<CrossEntropy>(), {}), 0), IsEmpty());
  EXPECT_THAT(class_weights_at(objective(SigmoidLoss<>(), {1, 2}), 0), IsEmpty());
}

TEST(HasSetIn, AfterAStepThatHadTheWholeWeights) {
  const Objective late = objective(SoftmaxLoss<>(), {10, 14});
  EXPECT_FALSE(has_set_in(late, 10));
  EXPECT_FALSE(has_set_in(late, 14));
  EXPECT_TRUE(has_set_in(late, 15));
  EXPECT_TRUE(has_set_in(objective(SoftmaxLoss<>(), {}), 1));
}

static_assert(sampling::IndexStream<Stream>);

const std::vector<std::int64_t> kLabels = {0, 0, 0, 1, 0, 2, 1};
const std::vector<double> kProportions = {1, 1, 1};

TEST(Stream, IsTheSamplerThatItHolds) {
  for (const sampling::Mode mode : {sampling::Mode::kIndependent, sampling::Mode::kExactQuota}) {
    const sampling::ClassSampler sampler(kLabels, kProportions, 9,
                                         {.mode = mode, .epoch_size = 12});
    const Stream stream(sampler);
    EXPECT_EQ(stream.seed(), 9U);
    EXPECT_EQ(stream.epoch_size(), 12U);
    EXPECT_EQ(stream.fingerprint(), sampler.fingerprint());
    for (std::uint64_t t = 0; t < 60; ++t) EXPECT_EQ(stream[t], sampler[t]) << t;
  }
}

// The square of its position, and whether it is still there.
struct Squares {
  std::shared_ptr<int> owner;

  std::int32_t operator[](std::uint64_t t) const { return static_cast<std::int32_t>(t * t); }
  std::uint64_t seed() const { return 1; }
  std::uint64_t epoch_size() const { return 2; }
  std::uint64_t fingerprint() const { return 3; }
};

TEST(Stream, HoldsAnyStreamAndCopiesShareIt) {
  const auto owner = std::make_shared<int>(0);
  auto first = std::make_unique<Stream>(Squares{owner});
  EXPECT_EQ(owner.use_count(), 2);
  Stream second = *first;
  const Stream third(second);  // NOLINT(performance-unnecessary-copy-initialization): is the test
  EXPECT_EQ(owner.use_count(), 2);
  first.reset();
  EXPECT_EQ(second[7], 49U);
  EXPECT_EQ(third[8], 64U);
  second = Stream(sampling::ClassSampler(kLabels, kProportions, 4));
  EXPECT_EQ(second.seed(), 4U);
  EXPECT_EQ(third.seed(), 1U);
}

}  // namespace
}  // namespace equipoise::demos
