#include "equipoise/eigen/linear_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "equipoise/reduction/group_dro.h"
#include "tests/support/errors.h"

namespace equipoise::eigen {
namespace {

using testing::error_of;

template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Column = Eigen::Matrix<T, Eigen::Dynamic, 1>;

constexpr Eigen::Index kRows = 37;
constexpr Eigen::Index kWidth = 6;
constexpr Eigen::Index kClasses = 9;

template <class Matrix>
Matrix random_matrix(Eigen::Index rows, Eigen::Index cols, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  Matrix result(rows, cols);
  for (Eigen::Index i = 0; i < rows; ++i) {
    for (Eigen::Index j = 0; j < cols; ++j) {
      result(i, j) = static_cast<typename Matrix::Scalar>(normal(random));
    }
  }
  return result;
}

template <class T>
struct Problem {
  Rows<T> features;
  Rows<T> weight;
  Column<T> bias;
  std::vector<std::int64_t> targets;
  std::vector<double> sample_weights;
  std::vector<std::int64_t> groups;

  explicit Problem(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    features = random_matrix<Rows<T>>(kRows, kWidth, random);
    weight = random_matrix<Rows<T>>(kClasses, kWidth, random);
    bias = random_matrix<Column<T>>(kClasses, 1, random);
    for (Eigen::Index i = 0; i < kRows; ++i) {
      targets.push_back(i % 7 == 3 ? kIgnoreIndex : static_cast<std::int64_t>(random() % kClasses));
      sample_weights.push_back(0.25 + 0.5 * static_cast<double>(random() % 5));
      groups.push_back(static_cast<std::int64_t>(random() % 3));
    }
  }

  LossArguments arguments() const { return {sample_weights, groups, {}, {}}; }
};

// The largest of |a - b|, as a share of the largest |b|.
template <class A, class B>
double distance(const A& a, const B& b) {
  return static_cast<double>((a - b).array().abs().maxCoeff()) /
         std::max<double>(static_cast<double>(b.array().abs().maxCoeff()), 1e-300);
}

// The composition of a product and a loss call, which linear_loss() has to equal.
template <class T, class Loss, class Targets>
void expect_equals_composition(const Loss& loss, const Problem<T>& problem, const Targets& targets,
                               const LossArguments& arguments) {
  Rows<T> logits = problem.features * problem.weight.transpose();
  logits.rowwise() += problem.bias.transpose();
  const auto expected = value_and_gradient(loss, logits, targets, arguments);
  const Rows<T> of_features = expected.gradient * problem.weight;
  const Rows<T> of_weight = expected.gradient.transpose() * problem.features;
  const Column<T> of_bias = expected.gradient.colwise().sum().transpose();
  // Sums of kRows or kClasses products, added in another order.
  const double tolerance = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (const Eigen::Index rows : {0, 1, 5, 36, 37, 1000}) {
    Rows<T> features;
    Rows<T> weight;
    Column<T> bias;
    const double value = linear_loss(loss, problem.features, problem.weight, problem.bias, targets,
                                     arguments, {&features, &weight, &bias, rows});
    EXPECT_NEAR(value, expected.value, tolerance * std::fabs(expected.value)) << rows;
    EXPECT_LT(distance(features, of_features), tolerance) << rows;
    EXPECT_LT(distance(weight, of_weight), tolerance) << rows;
    EXPECT_LT(distance(bias, of_bias), tolerance) << rows;
  }
}

template <class T>
class EigenLinearLoss : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(EigenLinearLoss, Scalars);

TYPED_TEST(EigenLinearLoss, EqualsAProductAndALossForAllKindsOfLosses) {
  const Problem<TypeParam> problem(1);
  expect_equals_composition(SoftmaxLoss<>{}, problem, problem.targets, {});

  SoftmaxLoss<Focal, MeanByWeight> focal;
  focal.class_weights = {1, 2, 3, 4, 5, .5, .25, 0, 1};
  focal.logit_terms.shift = {0, -1, -2, 0, .5, .25, 0, -3, 1};
  focal.label_smoothing = 0.1;
  expect_equals_composition(focal, problem, problem.targets, problem.arguments());

  SoftmaxLoss<PolyCrossEntropy<>, MeanPerClass> poly;
  poly.reduction.classes = kClasses;
  expect_equals_composition(poly, problem, problem.targets, problem.arguments());

  SoftmaxLoss<CrossEntropy, GroupDro> dro;
  dro.reduction = GroupDro{3};
  expect_equals_composition(dro, problem, problem.targets, problem.arguments());
}

TYPED_TEST(EigenLinearLoss, TakesDistributionsAsTargets) {
  const Problem<TypeParam> problem(2);
  std::mt19937_64 random(3);
  Rows<TypeParam> probabilities =
      random_matrix<Rows<TypeParam>>(kRows, kClasses, random).array().abs();
  std::vector<std::uint8_t> mask(kRows, 1);
  mask[4] = mask[36] = 0;
  const SoftmaxLoss<> loss;
  expect_equals_composition(loss, problem, probability_targets(probabilities, mask), {});
}

TEST(EigenLinearLossGradient, IsThatOfTheValue) {
  Problem<double> problem(4);
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = {1, 2, 3, 4, 5, .5, .25, 2, 1};
  const auto value_of = [&] {
    return linear_loss(loss, problem.features, problem.weight, problem.bias, problem.targets);
  };
  Rows<double> features;
  Rows<double> weight;
  Column<double> bias;
  linear_loss(loss, problem.features, problem.weight, problem.bias, problem.targets, {},
              {&features, &weight, &bias, 8});
  const auto check = [&](auto& variable, const auto& gradient) {
    for (Eigen::Index k = 0; k < variable.size(); ++k) {
      const double kept = variable.data()[k];
      const double step = 1e-5;
      variable.data()[k] = kept + step;
      const double above = value_of();
      variable.data()[k] = kept - step;
      const double below = value_of();
      variable.data()[k] = kept;
      EXPECT_NEAR(gradient.data()[k], (above - below) / (2 * step), 1e-9) << k;
    }
  };
  check(problem.features, features);
  check(problem.weight, weight);
  check(problem.bias, bias);
}

TEST(EigenLinearLossParts, OfABatchAddUpWithTheWholesCoefficients) {
  const Problem<double> problem(5);
  SoftmaxLoss<Focal, MeanPerClass> loss;
  loss.reduction.classes = kClasses;
  Rows<double> weight;
  const double whole = linear_loss(loss, problem.features, problem.weight, problem.bias,
                                   problem.targets, {}, {nullptr, &weight, nullptr, 4});
  const std::vector<double> scales =
      coefficients(loss.reduction, denominators(loss, problem.targets, kClasses));
  double sum = 0;
  Rows<double> total = Rows<double>::Zero(kClasses, kWidth);
  for (Eigen::Index begin = 0; begin < kRows; begin += 10) {
    const Eigen::Index rows = std::min<Eigen::Index>(10, kRows - begin);
    const Rows<double> part = problem.features.middleRows(begin, rows);
    Rows<double> of_part;
    sum +=
        linear_loss(loss, part, problem.weight, problem.bias,
                    std::span(problem.targets)
                        .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows)),
                    {{}, {}, {}, scales}, {nullptr, &of_part, nullptr, 3});
    total += of_part;
  }
  EXPECT_NEAR(sum, whole, 1e-13);
  EXPECT_LT(distance(total, weight), 1e-13);
}

TEST(EigenLinearLossShapes, ColumnMajorWithoutBiasAndWithoutRows) {
  const Problem<double> problem(6);
  const Eigen::MatrixXd features = problem.features;
  const Eigen::MatrixXd weight = problem.weight;
  const SoftmaxLoss<> loss;
  const Eigen::VectorXd none;
  const Rows<double> logits = features * weight.transpose();
  EXPECT_NEAR(linear_loss(loss, features, weight, none, problem.targets),
              value(loss, logits, problem.targets), 1e-14);

  const Eigen::MatrixXd empty(0, kWidth);
  const std::vector<std::int64_t> no_targets;
  Rows<double> of_weight;
  EXPECT_EQ(linear_loss(loss, empty, weight, none, no_targets, {}, {nullptr, &of_weight, nullptr}),
            0);
  EXPECT_EQ(of_weight, Rows<double>::Zero(kClasses, kWidth));
  SoftmaxLoss<> nan;
  nan.empty_batch = EmptyBatch::kNaN;
  EXPECT_TRUE(std::isnan(linear_loss(nan, empty, weight, none, no_targets)));
}

TEST(EigenLinearLossErrors, NameTheArgumentAndWriteNothing) {
  Problem<double> problem(7);
  const SoftmaxLoss<> loss;
  Rows<double> kept = Rows<double>::Constant(1, 1, 5);
  problem.targets[30] = kClasses;
  const std::string message = error_of([&] {
    linear_loss(loss, problem.features, problem.weight, problem.bias, problem.targets, {},
                {&kept, nullptr, nullptr, 4});
  });
  EXPECT_NE(message.find("linear_loss"), std::string::npos) << message;
  EXPECT_NE(message.find("targets[30]"), std::string::npos) << message;
  EXPECT_EQ(kept, (Rows<double>::Constant(1, 1, 5)));
  problem.targets[30] = 0;

  const Column<double> short_bias = Column<double>::Zero(kClasses - 1);
  EXPECT_NE(error_of([&] {
              linear_loss(loss, problem.features, problem.weight, short_bias, problem.targets);
            }).find("bias.size() = 8, expected 9 (classes)"),
            std::string::npos);
  const Rows<double> narrow = problem.weight.leftCols(kWidth - 1);
  EXPECT_NE(error_of([&] {
              linear_loss(loss, problem.features, narrow, problem.bias, problem.targets);
            }).find("weight.cols() = 5, expected 6 (columns of features)"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              linear_loss(loss, problem.features, problem.weight, problem.bias, problem.targets, {},
                          {nullptr, nullptr, nullptr, -1});
            }).find("rows_per_chunk"),
            std::string::npos);
}

}  // namespace
}  // namespace equipoise::eigen
