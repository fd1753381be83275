#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <stdexcept>
#include <vector>

#include "demos/sentiment/classifier_test.h"
#include "equipoise/calibrate.h"

namespace equipoise::demos {
namespace {

// Rounding of floats over the 21 steps, each of which adds up 8 rows in an order of its own.
constexpr float kRounding = 21 * 8 * std::numeric_limits<float>::epsilon();

TEST(LibTorchClassifier, TrainsAsTheEigenClassifierWithEveryStrategy) {
  const Task task = small_task();
  const TrainingOptions options = small_training();
  for (const Strategy& strategy : all_strategies()) {
    const auto model = make_libtorch_classifier(3, options, "cpu", 0);
    const auto other = make_eigen_classifier(3, options);
    EXPECT_EQ(train(*model, task, strategy, options), train(*other, task, strategy, options));
    const std::vector<Parameter> a = model->parameters();
    const std::vector<Parameter> b = other->parameters();
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].name, b[i].name);
      EXPECT_THAT(a[i].values, testing::Pointwise(testing::FloatNear(kRounding), b[i].values))
          << strategy.name;
    }
  }
}

TEST(LibTorchClassifier, ModelsAreInterchangeableWithEigens) {
  const Task task = small_task();
  const TrainingOptions options = small_training();
  const auto model = make_eigen_classifier(3, options);
  train(*model, task, all_strategies()[2], options);
  const auto other = make_libtorch_classifier(3, options, "cpu", 0);
  other->set_parameters(model->parameters());
  EXPECT_THAT(
      other->logits(task.test.features).values,
      testing::Pointwise(testing::FloatNear(kRounding), model->logits(task.test.features).values));
}

TEST(LibTorchClassifier, TrainsAHiddenLayerThatTheSeedDraws) {
  const Task task = small_task();
  TrainingOptions options = small_training();
  options.hidden = 16;
  options.epochs = 20;
  const auto model = make_libtorch_classifier(3, options, "cpu", 1);
  const auto same = make_libtorch_classifier(3, options, "cpu", 1);
  const auto other = make_libtorch_classifier(3, options, "cpu", 2);
  const auto first_values = [](const Classifier& classifier) {
    return classifier.parameters()[0].values;
  };
  EXPECT_EQ(first_values(*model), first_values(*same));
  EXPECT_NE(first_values(*model), first_values(*other));
  ASSERT_EQ(model->parameters().size(), 4U);
  train(*model, task, all_strategies()[2], options);
  EXPECT_EQ(predict(model->logits(task.test.features).view()), task.test.labels);
  other->set_parameters(model->parameters());
  EXPECT_EQ(other->logits(task.test.features).values, model->logits(task.test.features).values);
  EXPECT_THROW(
      make_libtorch_classifier(3, small_training(), "cpu", 1)->set_parameters(model->parameters()),
      std::invalid_argument);
}

}  // namespace
}  // namespace equipoise::demos
