#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/learner.h"
#include "demos/common/learner_test.h"

namespace equipoise::demos {
namespace {

using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

constexpr LearnerShape kShape = {kColumns, kClasses};

std::unique_ptr<Learner> make_learner(const LearnerShape& shape = kShape, std::uint64_t seed = 0) {
  return make_libtorch_learner(shape, "cpu", seed, nullptr);
}

// Rounding of floats: each of the steps adds up the rows of a batch in an order of its own.
float rounding_of(const TrainingOptions& options, const Examples& train) {
  const std::uint64_t steps = options.epochs * steps_per_epoch(train.units(), options);
  const double rows =
      static_cast<double>(options.batch_size * train.rows()) / static_cast<double>(train.units());
  return static_cast<float>(static_cast<double>(steps) * rows) *
         std::numeric_limits<float>::epsilon();
}

void expect_same_parameters(const Learner& a, const Learner& b, float rounding,
                            const std::string& name) {
  const std::vector<Parameter> first = a.parameters();
  const std::vector<Parameter> second = b.parameters();
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].name, second[i].name);
    EXPECT_EQ(first[i].shape, second[i].shape);
    EXPECT_THAT(first[i].values, Pointwise(FloatNear(rounding), second[i].values)) << name;
  }
}

// All fields of a log, line by line.
std::vector<std::vector<double>> numbers_of(const std::filesystem::path& log) {
  std::vector<std::vector<double>> result;
  for (const std::string& line : read_lines(log)) {
    std::vector<double>& numbers = result.emplace_back();
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find(',', begin), line.size());
      numbers.push_back(std::strtod(line.substr(begin, end - begin).c_str(), nullptr));
      begin = end + 1;
    }
  }
  return result;
}

// What is drawn, and what rows have, in all combinations.
std::vector<Examples> variants_of(bool has_several_labels) {
  std::vector<Examples> result;
  for (int bits = 0; bits < 8; ++bits) {
    result.push_back(random_examples({.has_several_labels = has_several_labels,
                                      .has_groups = (bits & 1) != 0,
                                      .has_weights = (bits & 2) != 0,
                                      .has_units = (bits & 4) != 0}));
  }
  return result;
}

TEST(LibTorchLearner, TrainsAsTheEigenLearnerWithEveryLoss) {
  const std::filesystem::path logs(testing::TempDir());
  TrainingOptions options = small_training();
  for (const LossCase& each : loss_cases()) {
    for (const Examples& train : variants_of(each.has_several_labels)) {
      for (const RampSchedule& ramp : {RampSchedule{}, RampSchedule{4, 12}}) {
        const Objective objective{each.loss, pass_over(train.units()), ramp};
        const auto own = make_learner();
        options.log = logs / "libtorch_log.csv";
        const Fit own_fit = fit_to_the_end(*own, train, objective, options);
        const auto other = make_eigen_learner(kShape);
        options.log = logs / "eigen_log.csv";
        const Fit other_fit = fit_to_the_end(*other, train, objective, options);
        const float rounding = rounding_of(options, train);
        expect_same_parameters(*own, *other, rounding, each.name);
        EXPECT_EQ(own_fit.epoch, other_fit.epoch);
        EXPECT_EQ(own_fit.score, other_fit.score);
        EXPECT_EQ(own_fit.steps, other_fit.steps);
        EXPECT_THAT(own_fit.validation.values,
                    Pointwise(FloatNear(8 * rounding), other_fit.validation.values));
        const auto own_log = numbers_of(logs / "libtorch_log.csv");
        const auto other_log = numbers_of(logs / "eigen_log.csv");
        ASSERT_EQ(own_log.size(), 4U);
        ASSERT_EQ(other_log.size(), 4U);
        for (std::size_t e = 0; e < 4; ++e) {
          EXPECT_THAT(own_log[e], Pointwise(testing::DoubleNear(double{rounding}), other_log[e]));
        }
      }
    }
  }
}

TEST(LibTorchLearner, SeesGroupsAsTheEigenLearnerDoes) {
  SoftmaxLoss<Focal> loss;
  loss.class_weights = {0.5, 1, 2};
  loss.group_weights = {0.5, 2};
  loss.group_logit_terms = {{{}, {0.5, 0, -1}, {}}, {{}, {0, 1, 0}, {}}};
  const Examples train = random_examples({.has_groups = true, .has_weights = true});
  const TrainingOptions options = small_training();
  const Objective objective{loss, pass_over(train.units())};
  const auto own = make_learner();
  fit_to_the_end(*own, train, objective, options);
  const auto other = make_eigen_learner(kShape);
  fit_to_the_end(*other, train, objective, options);
  expect_same_parameters(*own, *other, rounding_of(options, train), "groups");
  Examples without = train;
  without.groups.assign(train.rows(), 0);
  const auto third = make_learner();
  fit_to_the_end(*third, without, objective, options);
  EXPECT_NE(third->parameters(), own->parameters());
}

TEST(LibTorchLearner, MicroBatchesMakeTheSameStep) {
  for (const LossCase& each : loss_cases()) {
    const Examples train = random_examples({.rows = 53,
                                            .has_several_labels = each.has_several_labels,
                                            .has_weights = true,
                                            .has_units = true});
    const Objective objective{each.loss, pass_over(train.units())};
    TrainingOptions options = small_training();
    const auto whole = make_learner();
    fit_to_the_end(*whole, train, objective, options);
    for (const std::size_t parts : {2U, 4U, 8U}) {
      options.micro_batches = parts;
      const auto cut = make_learner();
      fit_to_the_end(*cut, train, objective, options);
      expect_same_parameters(*cut, *whole, rounding_of(options, train), each.name);
    }
  }
}

Objective weighted(const Examples& train) {
  SoftmaxLoss<CrossEntropy> loss;
  loss.class_weights = {0.5, 1, 2};
  return {loss, pass_over(train.units())};
}

TEST(LibTorchLearner, ModelsAreInterchangeableWithEigens) {
  const Examples train = random_examples({});
  const TrainingOptions options = small_training();
  const auto eigen = make_eigen_learner(kShape);
  fit_to_the_end(*eigen, train, weighted(train), options);
  const auto own = make_learner();
  own->set_parameters(eigen->parameters());
  EXPECT_EQ(own->parameters(), eigen->parameters());
  const float rounding = 16 * std::numeric_limits<float>::epsilon();
  EXPECT_THAT(own->logits(train).values,
              Pointwise(FloatNear(rounding), eigen->logits(train).values));
  const auto back = make_eigen_learner(kShape);
  back->set_parameters(own->parameters());
  EXPECT_EQ(back->logits(train).values, eigen->logits(train).values);
  EXPECT_THROW(make_learner({kColumns, 4})->set_parameters(eigen->parameters()),
               std::invalid_argument);
}

TEST(LibTorchLearner, EndsWithTheBestEpochAndStopsInTime) {
  const Examples train = random_examples({});
  TrainingOptions options = small_training();
  options.epochs = 6;
  ScoreScript script{{1, 3, 2, 3, 9, 9}};
  const auto learner = make_learner();
  const Fit fit = fit_quietly(*learner, train, train, weighted(train), options, script.validate());
  EXPECT_EQ(script.epochs, 4U);
  EXPECT_EQ(fit.epoch, 1U);
  EXPECT_EQ(fit.score, 3);
  EXPECT_EQ(fit.steps, 4 * 7U);
  EXPECT_EQ(fit.validation.values, learner->logits(train).values);
  options.max_steps = 2 * 7;
  const auto cut = make_learner();
  fit_quietly(*cut, train, train, weighted(train), options, {});
  EXPECT_EQ(learner->parameters(), cut->parameters());
}

TEST(LibTorchLearner, WaitsForDeferredWeights) {
  expect_waits_for_deferred_weights([] { return make_learner(); });
}

TEST(LibTorchLearner, TrainsAHiddenLayerThatTheSeedDraws) {
  const Examples train = random_examples({.rows = 200});
  TrainingOptions options = small_training();
  options.epochs = 20;
  const LearnerShape shape = {kColumns, kClasses, 16};
  const auto learner = make_learner(shape, 1);
  const auto same = make_learner(shape, 1);
  const auto other = make_learner(shape, 2);
  EXPECT_EQ(learner->parameters(), same->parameters());
  EXPECT_NE(learner->parameters()[0].values, other->parameters()[0].values);
  const std::vector<Parameter> parameters = learner->parameters();
  ASSERT_EQ(parameters.size(), 4U);
  EXPECT_EQ(parameters[0].name, "weight");
  EXPECT_THAT(parameters[0].shape, testing::ElementsAre(kColumns, 16));
  EXPECT_EQ(parameters[2].name, "output.weight");
  EXPECT_THAT(parameters[2].shape, testing::ElementsAre(kClasses, 16));
  fit_to_the_end(*learner, train, weighted(train), options);
  const std::vector<std::int64_t> found = largest_of(learner->logits(train));
  std::size_t wrong = 0;
  for (std::size_t r = 0; r < 200; ++r) {
    if (!train.features.columns_of(r).empty() && found[r] != train.targets[r]) ++wrong;
  }
  EXPECT_LE(wrong, 4U);
  other->set_parameters(learner->parameters());
  EXPECT_EQ(other->logits(train).values, learner->logits(train).values);
  EXPECT_THROW(make_learner()->set_parameters(learner->parameters()), std::invalid_argument);
}

TEST(LibTorchLearner, AHiddenLayerIsARectifierBetweenTwoLinearOnes) {
  const auto learner = make_learner({2, 2, 3});
  learner->set_parameters({{"weight", {2, 3}, {1, -1, 2, 0, 1, -3}},
                           {"bias", {1, 3}, {0, 0.5F, 0}},
                           {"output.weight", {2, 3}, {1, 2, 3, -1, 0, 1}},
                           {"output.bias", {2}, {10, 20}}});
  Examples examples;
  examples.features.starts = {0, 0, 2};
  examples.features.columns = {0, 1};
  examples.features.values = {2, 1};
  // Row 0: (0, .5, 0). Row 1: (2, -2 + 1 + .5, 4 - 3), of which the middle one is cut off.
  EXPECT_THAT(learner->logits(examples).values, testing::ElementsAre(11, 20, 15, 19));
}

TEST(LibTorchLearner, ABoundOnTheGradientBoundsTheStep) {
  const Examples train = random_examples({});
  TrainingOptions options = small_training();
  options.max_steps = 1;
  const auto length_of = [&](double clip) {
    options.clip_norm = clip;
    const auto learner = make_learner();
    fit_quietly(*learner, train, train, weighted(train), options, {});
    double squares = 0;
    for (const Parameter& parameter : learner->parameters()) {
      const double share = parameter.name == "weight" ? 1 : kBiasRate;
      for (const float value : parameter.values) squares += std::pow(double{value} / share, 2);
    }
    return std::sqrt(squares) / options.rate;
  };
  const double whole = length_of(0);
  EXPECT_GT(whole, 0.1);
  EXPECT_NEAR(length_of(0.05), 0.05, 1e-5);
  EXPECT_NEAR(length_of(10), whole, 1e-6);
}

TEST(LibTorchLearner, RowsWithoutFeaturesHaveTheBias) {
  const auto learner = make_learner({2, 2});
  learner->set_parameters({{"weight", {2, 2}, {1, 2, 3, 4}}, {"bias", {1, 2}, {0.5F, -0.5F}}});
  Examples examples;
  examples.features.starts = {0, 0, 2, 2};
  examples.features.columns = {0, 1};
  examples.features.values = {2, 0.25F};
  EXPECT_THAT(learner->logits(examples).values,
              testing::ElementsAre(0.5F, -0.5F, 3.25F, 4.5F, 0.5F, -0.5F));
  Examples empty;
  empty.features.starts = {0, 0};
  EXPECT_THAT(learner->logits(empty).values, testing::ElementsAre(0.5F, -0.5F));
  EXPECT_TRUE(learner->logits({}).values.empty());
}

TEST(LibTorchLearner, DevicesThatThereAreNotAreErrors) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "there is one";
  try {
    make_libtorch_learner(kShape, "cuda", 0, nullptr);
    ADD_FAILURE();
  } catch (const InputError& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("--device=cuda: this machine or this LibTorch has no"));
  }
}

}  // namespace
}  // namespace equipoise::demos
