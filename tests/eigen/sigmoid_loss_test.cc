#include "equipoise/eigen/sigmoid_loss.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/sigmoid_reference.h"

namespace equipoise::eigen {
namespace {

using testing::ElementBatch;
using testing::make_element_batch;
using testing::make_sigmoid_loss;

template <class Matrix>
class EigenSigmoidLoss : public ::testing::Test {};

using Matrices = ::testing::Types<
    Eigen::MatrixXd, Eigen::MatrixXf, Eigen::Matrix<double, -1, -1, Eigen::RowMajor>,
    Eigen::Matrix<float, -1, -1, Eigen::RowMajor>, Eigen::ArrayXXd, Eigen::Matrix<double, -1, 5>>;
TYPED_TEST_SUITE(EigenSigmoidLoss, Matrices);

template <class Matrix>
Matrix to_matrix(const std::vector<double>& values, const ElementBatch& batch) {
  Matrix result(static_cast<Eigen::Index>(batch.rows), static_cast<Eigen::Index>(batch.labels));
  for (Eigen::Index i = 0; i < result.rows(); ++i) {
    for (Eigen::Index l = 0; l < result.cols(); ++l) {
      result(i, l) = static_cast<typename Matrix::Scalar>(
          values[static_cast<std::size_t>(i * result.cols() + l)]);
    }
  }
  return result;
}

TYPED_TEST(EigenSigmoidLoss, EqualsTheViewInEveryOrder) {
  using Scalar = typename TypeParam::Scalar;
  std::mt19937_64 random(1);
  const ElementBatch batch = make_element_batch(40, 5, random, false);
  const auto loss = make_sigmoid_loss(63, 5, random, AsymmetricFocal{}, MeanByWeight{});
  const auto logits = to_matrix<TypeParam>(batch.logits, batch);
  const auto targets = to_matrix<Eigen::Array<bool, -1, -1>>(batch.targets, batch);
  const auto result = value_and_gradient(loss, logits, targets, batch.attributes());

  const std::vector<Scalar> dense(batch.logits.begin(), batch.logits.end());
  std::vector<Scalar> gradient(dense.size());
  const double expected =
      value_and_gradient(loss, MatrixView<const Scalar>(dense.data(), 40, 5), batch.target_view(),
                         batch.attributes(), MatrixView<Scalar>(gradient.data(), 40, 5));
  EXPECT_EQ(result.value, expected);
  EXPECT_EQ(value(loss, logits, targets, batch.attributes()), expected);
  for (Eigen::Index i = 0; i < 40; ++i) {
    for (Eigen::Index l = 0; l < 5; ++l) {
      EXPECT_EQ(result.gradient(i, l), gradient[static_cast<std::size_t>(i * 5 + l)]);
    }
  }
}

TYPED_TEST(EigenSigmoidLoss, PartsEqualTheView) {
  using Scalar = typename TypeParam::Scalar;
  std::mt19937_64 random(5);
  const ElementBatch batch = make_element_batch(40, 5, random, false);
  const auto loss = make_sigmoid_loss(63, 5, random, AsymmetricFocal{}, MeanByWeight{});
  const auto logits = to_matrix<TypeParam>(batch.logits, batch);
  const auto targets = to_matrix<Eigen::Array<bool, -1, -1>>(batch.targets, batch);
  const std::vector<Scalar> dense(batch.logits.begin(), batch.logits.end());
  const MatrixView<const Scalar> rows(dense.data(), 40, 5);

  EXPECT_EQ(eigen::denominators(loss, targets, batch.attributes()),
            equipoise::denominators(loss, batch.target_view(), batch.attributes()));
  EXPECT_EQ(eigen::partial(loss, logits, targets, batch.attributes()),
            equipoise::partial(loss, rows, batch.target_view(), batch.attributes()));
  const auto losses = unreduced(loss, logits, targets, batch.attributes());
  std::vector<Scalar> expected(200);
  equipoise::unreduced(loss, rows, batch.target_view(), batch.attributes(),
                       MatrixView<Scalar>(expected.data(), 40, 5));
  for (Eigen::Index i = 0; i < 40; ++i) {
    for (Eigen::Index l = 0; l < 5; ++l) {
      EXPECT_EQ(losses(i, l), expected[static_cast<std::size_t>(i * 5 + l)]);
    }
  }
}

TEST(EigenSigmoidLossOnBlocks, EqualsThatOnCopies) {
  std::mt19937_64 random(2);
  const ElementBatch batch = make_element_batch(20, 40, random, true);
  const auto all = to_matrix<Eigen::MatrixXd>(batch.logits, batch);
  const auto all_targets = to_matrix<Eigen::MatrixXf>(batch.targets, batch);
  const auto logits = all.block(2, 3, 15, 4);
  const auto targets = all_targets.block(1, 7, 15, 4);
  const Eigen::MatrixXd logits_copy = logits;
  const Eigen::MatrixXf targets_copy = targets;
  const auto result = value_and_gradient(sigmoid_focal(), logits, targets);
  const auto expected = value_and_gradient(sigmoid_focal(), logits_copy, targets_copy);
  EXPECT_EQ(result.value, expected.value);
  EXPECT_EQ(result.gradient, expected.gradient);
}

TEST(EigenSigmoidLossOnVectors, IsTheBinaryLoss) {
  std::mt19937_64 random(3);
  const ElementBatch batch = make_element_batch(30, 1, random, false);
  const Eigen::VectorXd logits = to_matrix<Eigen::MatrixXd>(batch.logits, batch);
  const Eigen::VectorXi targets = to_matrix<Eigen::MatrixXi>(batch.targets, batch);
  const auto result = value_and_gradient(SigmoidLoss<>{}, logits, targets, batch.attributes());
  EXPECT_NEAR(result.value, testing::reference_loss(SigmoidLoss<>{}, batch, batch.logits), 1e-14);
  EXPECT_EQ(result.gradient.size(), 30);
}

TEST(EigenSigmoidLossErrors, NameTheShape) {
  const Eigen::MatrixXd logits = Eigen::MatrixXd::Zero(2, 3);
  const Eigen::MatrixXi targets = Eigen::MatrixXi::Zero(2, 2);
  EXPECT_EQ(testing::error_of([&] { value(SigmoidLoss<>{}, logits, targets); }),
            "value(): targets.cols = 2, expected 3 (cols of logits)");
}

}  // namespace
}  // namespace equipoise::eigen
