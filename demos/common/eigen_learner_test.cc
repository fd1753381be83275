#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <variant>
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

using Row = std::vector<double>;

// The loss of row r of the examples with these logits, before the mean.
using RowLoss = std::function<double(const Row& z, std::size_t r)>;

// Regression by the book: dense, in double, one row after the other, slopes by differences.
struct Reference {
  Row weight = Row(kColumns * kClasses, 0);
  Row bias = Row(kClasses, 0);
  std::vector<double> losses{};  // of each step

  Row logits(const Examples& examples, std::size_t r) const {
    Row z = bias;
    const auto columns = examples.features.columns_of(r);
    const auto values = examples.features.values_of(r);
    for (std::size_t k = 0; k < columns.size(); ++k) {
      for (std::size_t c = 0; c < kClasses; ++c) {
        z[c] += double{values[k]} * weight[static_cast<std::size_t>(columns[k]) * kClasses + c];
      }
    }
    return z;
  }

  // `loss_at(step)` is the loss of a row in that step.
  void train(const Examples& examples, const Stream& stream, const TrainingOptions& options,
             const std::function<RowLoss(std::uint64_t)>& loss_at) {
    const std::uint64_t units = stream.epoch_size();
    const std::uint64_t per_epoch = (units + options.batch_size - 1) / options.batch_size;
    std::uint64_t step = 0;
    for (std::uint64_t epoch = 0; epoch < options.epochs; ++epoch) {
      for (std::uint64_t i = 0; i < per_epoch; ++i, ++step) {
        std::vector<std::size_t> rows;
        for (std::uint64_t t = i * options.batch_size;
             t < std::min<std::uint64_t>((i + 1) * options.batch_size, units); ++t) {
          const std::size_t unit = stream[epoch * units + t];
          for (std::size_t r = examples.unit_begin(unit); r < examples.unit_begin(unit + 1); ++r) {
            rows.push_back(r);
          }
        }
        const double rate =
            options.rate *
            (1 - static_cast<double>(step) / static_cast<double>(per_epoch * options.epochs));
        descend(examples, rows, rate, loss_at(step));
      }
    }
  }

  void descend(const Examples& examples, const std::vector<std::size_t>& rows, double rate,
               const RowLoss& loss) {
    const Reference before = *this;
    const double size =
        static_cast<double>(rows.size() * std::max<std::size_t>(examples.labels, 1));
    double sum = 0;
    for (const std::size_t r : rows) {
      const Row z = before.logits(examples, r);
      sum += loss(z, r) / size;
      const auto columns = examples.features.columns_of(r);
      const auto values = examples.features.values_of(r);
      for (std::size_t c = 0; c < kClasses; ++c) {
        constexpr double kStep = 1e-5;
        Row above = z;
        Row below = z;
        above[c] += kStep;
        below[c] -= kStep;
        const double slope = (loss(above, r) - loss(below, r)) / (2 * kStep) / size;
        bias[c] -= kBiasRate * rate * slope;
        for (std::size_t k = 0; k < columns.size(); ++k) {
          weight[static_cast<std::size_t>(columns[k]) * kClasses + c] -=
              rate * double{values[k]} * slope;
        }
      }
    }
    losses.push_back(sum);
  }
};

double probability(const Row& z, std::size_t y) {
  double sum = 0;
  for (const double each : z) sum += std::exp(each);
  return std::exp(z[y]) / sum;
}

// -log p and its relatives, by the probability of the target.
double softmax_value(const std::string& name, double p) {
  if (name == "focal") return -(1 - p) * (1 - p) * std::log(p);
  if (name == "self-adjusting Dice") {
    const double f = (1 - p) * p;
    return 1 - (2 * f + 1) / (f + 1 + 1);
  }
  return -std::log(p);
}
// The same of both sides of a sigmoid, by the probability p of a positive.
double positive_value(const std::string& name, double p) {
  if (name == "sigmoid focal") return -(1 - p) * (1 - p) * std::log(p);
  if (name == "asymmetric") return -(1 - p) * std::log(p);
  return -std::log(p);
}
double negative_value(const std::string& name, double p) {
  if (name == "sigmoid focal") return -p * p * std::log(1 - p);
  if (name == "asymmetric") {
    const double shifted = std::max(p - 0.05, 0.0);
    return -std::pow(shifted, 4) * std::log(1 - shifted);
  }
  return -std::log(1 - p);
}

double at(const std::vector<double>& values, std::size_t i) {
  return values.empty() ? 1 : values[i];
}

// A case of the variant as its formula, of rows that may have weights; `class_weights` are the
// loss's own or those of a step.
RowLoss plain_loss(const LossCase& each, const Examples& examples,
                   const std::vector<double>& class_weights) {
  std::vector<double> pos_weight;
  if (const auto* binary = std::get_if<SigmoidLoss<BinaryCrossEntropy>>(&each.loss)) {
    pos_weight = binary->pos_weight;
  } else if (const auto* focal = std::get_if<SigmoidLoss<SigmoidFocal>>(&each.loss)) {
    pos_weight = focal->pos_weight;
  }
  return [=, name = each.name, several = each.has_several_labels, targets = examples.targets,
          weights = examples.weights](const Row& z, std::size_t r) {
    if (!several) {
      const auto y = static_cast<std::size_t>(targets[r]);
      return at(weights, r) * at(class_weights, y) * softmax_value(name, probability(z, y));
    }
    double sum = 0;
    for (std::size_t l = 0; l < kClasses; ++l) {
      const double p = 1 / (1 + std::exp(-z[l]));
      sum += at(class_weights, l) * (targets[r * kClasses + l] == 1
                                         ? at(pos_weight, l) * positive_value(name, p)
                                         : negative_value(name, p));
    }
    return at(weights, r) * sum;
  };
}

// Rounding of floats: each of the steps adds up the rows of a batch, and goes on from what the one
// before has left.
float rounding_of(const TrainingOptions& options, std::size_t units, std::size_t rows_of_unit) {
  const std::uint64_t steps = options.epochs * steps_per_epoch(units, options);
  return static_cast<float>(steps * options.batch_size * rows_of_unit) *
         std::numeric_limits<float>::epsilon();
}

void expect_parameters(const Learner& learner, const Reference& reference, float rounding,
                       const std::string& name) {
  const std::vector<Parameter> parameters = learner.parameters();
  ASSERT_EQ(parameters.size(), 2U);
  EXPECT_EQ(parameters[0].name, "weight");
  EXPECT_THAT(parameters[0].shape, testing::ElementsAre(kColumns, kClasses));
  EXPECT_THAT(parameters[0].values,
              Pointwise(FloatNear(rounding),
                        std::vector<float>(reference.weight.begin(), reference.weight.end())))
      << name;
  EXPECT_EQ(parameters[1].name, "bias");
  EXPECT_THAT(parameters[1].shape, testing::ElementsAre(1, kClasses));
  EXPECT_THAT(parameters[1].values,
              Pointwise(FloatNear(rounding),
                        std::vector<float>(reference.bias.begin(), reference.bias.end())))
      << name;
}

constexpr LearnerShape kShape = {kColumns, kClasses};

TEST(EigenLearner, TrainsAsRegressionByTheBookWithEveryLoss) {
  const TrainingOptions options = small_training();
  for (const LossCase& each : loss_cases()) {
    for (const bool extras : {false, true}) {
      const Examples train = random_examples({.has_several_labels = each.has_several_labels,
                                              .has_weights = extras,
                                              .has_units = extras});
      const Objective objective{each.loss, pass_over(train.units())};
      const auto learner = make_eigen_learner(kShape);
      const Fit fit = fit_to_the_end(*learner, train, objective, options);
      EXPECT_EQ(fit.steps, 3 * steps_per_epoch(train.units(), options));
      Reference reference;
      const std::vector<double> weights = class_weights_at(objective, 0);
      reference.train(train, objective.stream, options,
                      [&](std::uint64_t) { return plain_loss(each, train, weights); });
      expect_parameters(*learner, reference, rounding_of(options, train.units(), extras ? 2 : 1),
                        each.name);
    }
  }
}

TEST(EigenLearner, SeesGroups) {
  SoftmaxLoss<CrossEntropy> loss;
  loss.group_weights = {0.5, 2};
  loss.group_logit_terms = {{{}, {0.5, 0, -1}, {}}, {{}, {0, 1, 0}, {}}};
  const Examples train = random_examples({.has_groups = true, .has_weights = true});
  const TrainingOptions options = small_training();
  const Objective objective{loss, pass_over(train.units())};
  const auto learner = make_eigen_learner(kShape);
  fit_to_the_end(*learner, train, objective, options);
  Reference reference;
  reference.train(train, objective.stream, options, [&](std::uint64_t) -> RowLoss {
    return [&](const Row& z, std::size_t r) {
      const auto g = static_cast<std::size_t>(train.groups[r]);
      Row shifted = z;
      for (std::size_t c = 0; c < kClasses; ++c) shifted[c] += loss.group_logit_terms[g].shift[c];
      const auto y = static_cast<std::size_t>(train.targets[r]);
      return -train.weights[r] * loss.group_weights[g] * std::log(probability(shifted, y));
    };
  });
  expect_parameters(*learner, reference, rounding_of(options, train.units(), 1), "groups");
}

TEST(EigenLearner, ClassWeightsSetInByTheRamp) {
  const TrainingOptions options = small_training();
  for (const LossCase& each : loss_cases()) {
    const Examples train = random_examples({.has_several_labels = each.has_several_labels});
    const Objective objective{each.loss, pass_over(train.units()), {5, 16}};
    const auto learner = make_eigen_learner(kShape);
    fit_to_the_end(*learner, train, objective, options);
    const std::vector<double> full = class_weights_at(objective, 1000);
    Reference reference;
    reference.train(train, objective.stream, options, [&](std::uint64_t step) {
      std::vector<double> weights = full;
      const double share = step <= 5 ? 0 : step >= 16 ? 1 : static_cast<double>(step - 5) / 11;
      for (double& weight : weights) weight = 1 + share * (weight - 1);
      return plain_loss(each, train, weights);
    });
    expect_parameters(*learner, reference, rounding_of(options, train.units(), 1), each.name);
  }
}

Objective weighted(const Examples& train) {
  SoftmaxLoss<CrossEntropy> loss;
  loss.class_weights = {0.5, 1, 2};
  return {loss, pass_over(train.units())};
}

TEST(EigenLearner, LearnsClassesThatColumnsTell) {
  Examples train = random_examples({.rows = 200});
  TrainingOptions options = small_training();
  options.epochs = 10;
  const auto learner = make_eigen_learner(kShape);
  fit_to_the_end(*learner, train, weighted(train), options);
  const Examples test = random_examples({.rows = 100}, 2);
  const std::vector<std::int64_t> found = largest_of(learner->logits(test));
  std::size_t right = 0;
  std::size_t told = 0;
  for (std::size_t r = 0; r < 100; ++r) {
    if (test.features.columns_of(r).empty()) continue;
    ++told;
    right += found[r] == test.targets[r] ? 1 : 0;
  }
  EXPECT_GE(right, told - 2);
}

TEST(EigenLearner, EndsWithTheBestEpochAndStopsInTime) {
  const Examples train = random_examples({});
  const Examples validation = random_examples({.rows = 20}, 2);
  TrainingOptions options = small_training();
  options.epochs = 6;
  ScoreScript script{{1, 3, 2, 3, 9, 9}};
  const auto learner = make_eigen_learner(kShape);
  const Fit fit =
      fit_quietly(*learner, train, validation, weighted(train), options, script.validate());
  EXPECT_EQ(script.epochs, 4U);
  EXPECT_EQ(fit.epoch, 1U);
  EXPECT_EQ(fit.score, 3);
  EXPECT_EQ(fit.steps, 4 * 7U);
  // The parameters are those after two epochs.
  options.max_steps = 2 * 7;
  const auto cut = make_eigen_learner(kShape);
  EXPECT_EQ(fit_quietly(*cut, train, validation, weighted(train), options, {}).steps, 14U);
  EXPECT_EQ(learner->parameters(), cut->parameters());
  EXPECT_EQ(fit.validation.values, learner->logits(validation).values);
  EXPECT_EQ(fit.validation.classes, kClasses);
}

TEST(EigenLearner, WaitsForDeferredWeights) {
  expect_waits_for_deferred_weights([] { return make_eigen_learner(kShape); });
}

TEST(EigenLearner, GivesValidationTheLogitsOfEachEpoch) {
  const Examples train = random_examples({});
  const Examples validation = random_examples({.rows = 20}, 2);
  TrainingOptions options = small_training();
  std::vector<std::vector<float>> seen;
  const auto learner = make_eigen_learner(kShape);
  fit_quietly(*learner, train, validation, weighted(train), options, [&](const Logits& logits) {
    seen.push_back(logits.values);
    return Metrics{{"score", "", static_cast<double>(seen.size())}};
  });
  ASSERT_EQ(seen.size(), 3U);
  for (std::size_t e = 0; e < 3; ++e) {
    options.max_steps = 7 * (e + 1);
    const auto cut = make_eigen_learner(kShape);
    fit_quietly(*cut, train, validation, weighted(train), options, {});
    EXPECT_EQ(seen[e], cut->logits(validation).values) << e;
  }
}

TEST(EigenLearner, StopsAtMaxStepsWithoutALookAtValidation) {
  const Examples train = random_examples({});
  TrainingOptions options = small_training();
  for (const std::uint64_t most : {1U, 6U, 7U, 8U, 14U, 21U}) {  // an epoch has seven
    options.max_steps = most;
    std::size_t looks = 0;
    const auto learner = make_eigen_learner(kShape);
    const Fit fit =
        fit_quietly(*learner, train, train, weighted(train), options, [&](const Logits&) {
          ++looks;
          return Metrics{{"score", "", static_cast<double>(looks)}};
        });
    EXPECT_EQ(fit.steps, most);
    EXPECT_EQ(looks, (most - 1) / 7) << most;
    // Nor is there a need for somebody who looks.
    const auto blind = make_eigen_learner(kShape);
    EXPECT_EQ(fit_quietly(*blind, train, train, weighted(train), options, {}).steps, most);
    EXPECT_EQ(blind->parameters(), learner->parameters());
  }
}

TEST(EigenLearner, WithoutALookAtValidationTheLastEpochIsKept) {
  const Examples train = random_examples({});
  const TrainingOptions options = small_training();
  const auto seeing = make_eigen_learner(kShape);
  fit_to_the_end(*seeing, train, weighted(train), options);
  const auto blind = make_eigen_learner(kShape);
  EXPECT_EQ(fit_quietly(*blind, train, train, weighted(train), options, {}).steps, 21U);
  EXPECT_EQ(blind->parameters(), seeing->parameters());
}

TEST(EigenLearner, LogsALineAnEpoch) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "eigen_log.csv";
  const Examples train = random_examples({});
  const Objective objective{SoftmaxLoss<CrossEntropy>(), pass_over(train.units())};
  TrainingOptions options = small_training();
  options.log = file;
  std::vector<std::string> after;
  const auto learner = make_eigen_learner(kShape);
  fit_quietly(*learner, train, train, objective, options, [&](const Logits&) {
    after.push_back(std::filesystem::exists(file) ? read_file(file) : "");
    return Metrics{{"score", "", 0.5 + static_cast<double>(after.size())}, {"f1", "joy", 1}};
  });
  Reference reference;
  const LossCase plain{"cross-entropy", SoftmaxLoss<CrossEntropy>()};
  reference.train(train, objective.stream, options,
                  [&](std::uint64_t) { return plain_loss(plain, train, {}); });
  const std::vector<std::string> lines = read_lines(file);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "epoch,steps,rate,loss,score");
  for (std::size_t e = 0; e < 3; ++e) {
    double mean = 0;
    for (std::size_t i = 0; i < 7; ++i) mean += reference.losses[7 * e + i] / 7;
    std::size_t epoch = 0;
    std::size_t steps = 0;
    double rate = 0;
    double loss = 0;
    double score = 0;
    ASSERT_EQ(std::sscanf(lines[e + 1].c_str(), "%zu,%zu,%lf,%lf,%lf", &epoch, &steps, &rate, &loss,
                          &score),
              5);
    EXPECT_EQ(epoch, e + 1);
    EXPECT_EQ(steps, 7 * (e + 1));
    EXPECT_NEAR(rate, 2 * (1 - static_cast<double>(e + 1) / 3), 1e-8);  // nine digits are written
    EXPECT_NEAR(loss, mean, double{rounding_of(options, train.units(), 1)});
    EXPECT_EQ(score, 1.5 + static_cast<double>(e));
    // The file grows while the training goes on.
    if (e > 0) {
      EXPECT_THAT(after[e], HasSubstr("\n" + lines[e] + "\n"));
    }
  }
  std::filesystem::remove(file);
}

TEST(EigenLearner, MetricsThatThereAreNotAreErrors) {
  const Examples train = random_examples({});
  TrainingOptions options = small_training();
  options.monitor = "f1";
  ScoreScript script{{1, 2, 3}};
  EXPECT_THROW(fit_quietly(*make_eigen_learner(kShape), train, train, weighted(train), options,
                           script.validate()),
               InputError);
}

TEST(EigenLearner, ParametersCanBeTakenBack) {
  const Examples train = random_examples({});
  const auto learner = make_eigen_learner(kShape);
  fit_to_the_end(*learner, train, weighted(train), small_training());
  const auto other = make_eigen_learner(kShape);
  for (const float value : other->logits(train).values) EXPECT_EQ(value, 0);
  other->set_parameters(learner->parameters());
  EXPECT_EQ(other->parameters(), learner->parameters());
  EXPECT_EQ(other->logits(train).values, learner->logits(train).values);
  EXPECT_THROW(make_eigen_learner({kColumns, 4})->set_parameters(learner->parameters()),
               std::invalid_argument);
  EXPECT_THROW(make_eigen_learner({kColumns + 1, kClasses})->set_parameters(learner->parameters()),
               std::invalid_argument);
}

TEST(EigenLearner, RowsWithoutFeaturesHaveTheBias) {
  const auto learner = make_eigen_learner({2, 2});
  learner->set_parameters({{"weight", {2, 2}, {1, 2, 3, 4}}, {"bias", {1, 2}, {0.5F, -0.5F}}});
  Examples examples;
  examples.features.starts = {0, 0, 2};
  examples.features.columns = {0, 1};
  examples.features.values = {2, 0.25F};
  EXPECT_THAT(learner->logits(examples).values, testing::ElementsAre(0.5F, -0.5F, 3.25F, 4.5F));
  EXPECT_TRUE(learner->logits({}).values.empty());
}

}  // namespace
}  // namespace equipoise::demos
