#include "demos/common/objective.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
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

}  // namespace
}  // namespace equipoise::demos
