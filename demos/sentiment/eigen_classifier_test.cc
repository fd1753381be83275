#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <vector>

#include "demos/sentiment/classifier_test.h"
#include "equipoise/calibrate.h"

namespace equipoise::demos {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

// Softmax regression by the book: dense, in double, one row after the other.
struct Reference {
  std::vector<double> weight;
  std::vector<double> bias;

  void train(const Task& task, const TrainingOptions& options) {
    const std::size_t rows = task.train.labels.size();
    const std::size_t classes = task.classes.size();
    weight.assign(std::size_t{kTextColumns} * classes, 0);
    bias.assign(classes, 0);
    const Objective objective = make_objective(all_strategies()[2], task.counts);  // weights
    const auto& class_weights = std::get<SoftmaxLoss<CrossEntropy>>(objective.loss).class_weights;
    const ClassSampler stream(task.train.labels, objective.proportions, 5,
                              {.mode = SamplingMode::kExactQuota});
    const double steps = std::ceil(static_cast<double>(rows) / 8) * 3;
    double step = 0;
    for (std::size_t epoch = 0; epoch < 3; ++epoch) {
      for (std::size_t begin = 0; begin < rows; begin += 8, ++step) {
        const std::size_t size = std::min<std::size_t>(8, rows - begin);
        const double rate = options.rate * (1 - step / steps) / static_cast<double>(size);
        const std::vector<double> weight_before = weight;
        const std::vector<double> bias_before = bias;
        for (std::size_t i = 0; i < size; ++i) {
          const std::size_t row = stream[epoch * rows + begin + i];
          const auto columns = task.train.features.columns_of(row);
          const auto values = task.train.features.values_of(row);
          std::vector<double> p = bias_before;
          for (std::size_t k = 0; k < columns.size(); ++k) {
            for (std::size_t c = 0; c < classes; ++c) {
              p[c] += double{values[k]} *
                      weight_before[static_cast<std::size_t>(columns[k]) * classes + c];
            }
          }
          double sum = 0;
          for (double& z : p) sum += z = std::exp(z);
          const auto y = static_cast<std::size_t>(task.train.labels[row]);
          for (std::size_t c = 0; c < classes; ++c) {
            const double slope = class_weights[y] * (p[c] / sum - (c == y ? 1 : 0));
            bias[c] -= kBiasRate * rate * slope;
            for (std::size_t k = 0; k < columns.size(); ++k) {
              weight[static_cast<std::size_t>(columns[k]) * classes + c] -=
                  rate * double{values[k]} * slope;
            }
          }
        }
      }
    }
  }
};

// Rounding of floats over the 21 steps, each of which adds up 8 rows.
constexpr double kRounding = 21 * 8 * double{std::numeric_limits<float>::epsilon()};

TEST(EigenClassifier, TrainsAsSoftmaxRegressionByTheBook) {
  const Task task = small_task();
  const TrainingOptions options = small_training();
  const auto model = make_eigen_classifier(3, options);
  EXPECT_EQ(train(*model, task, all_strategies()[2], options), 21U);
  Reference reference;
  reference.train(task, options);
  const std::vector<Parameter> parameters = model->parameters();
  EXPECT_THAT(parameters[0].values,
              Pointwise(testing::FloatNear(static_cast<float>(kRounding)),
                        std::vector<float>(reference.weight.begin(), reference.weight.end())));
  EXPECT_THAT(parameters[1].values,
              Pointwise(testing::FloatNear(static_cast<float>(kRounding)),
                        std::vector<float>(reference.bias.begin(), reference.bias.end())));
}

TEST(EigenClassifier, LearnsRareClassesWithWeights) {
  const Task task = small_task();
  const TrainingOptions options = small_training();
  const auto model = make_eigen_classifier(3, options);
  train(*model, task, all_strategies()[2], options);
  EXPECT_EQ(predict(model->logits(task.test.features).view()), task.test.labels);
}

TEST(EigenClassifier, ParametersCanBeTakenBack) {
  const Task task = small_task();
  const TrainingOptions options = small_training();
  const auto model = make_eigen_classifier(3, options);
  train(*model, task, all_strategies()[0], options);
  const auto other = make_eigen_classifier(3, options);
  other->set_parameters(model->parameters());
  EXPECT_EQ(other->logits(task.test.features).values, model->logits(task.test.features).values);
  EXPECT_THROW(make_eigen_classifier(4, options)->set_parameters(model->parameters()),
               std::invalid_argument);
}

TEST(FallingRate, GoesFromOneTowardsZero) {
  const TrainingOptions options{.epochs = 2, .batch_size = 10};
  EXPECT_EQ(batches_per_epoch(25, options), 3U);
  EXPECT_EQ(falling_rate(0, 25, options), 1);
  EXPECT_EQ(falling_rate(3, 25, options), 0.5);
}

}  // namespace
}  // namespace equipoise::demos
