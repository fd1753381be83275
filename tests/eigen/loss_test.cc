#include "equipoise/eigen/loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/support/softmax_reference.h"

namespace equipoise::eigen {
namespace {

using testing::Batch;
using testing::make_batch;

template <class Matrix>
class EigenLoss : public ::testing::Test {};

using Matrices = ::testing::Types<
    Eigen::MatrixXd, Eigen::MatrixXf, Eigen::Matrix<double, -1, -1, Eigen::RowMajor>,
    Eigen::Matrix<float, -1, -1, Eigen::RowMajor>, Eigen::ArrayXXd, Eigen::Matrix<double, -1, 5>>;
TYPED_TEST_SUITE(EigenLoss, Matrices);

template <class Matrix>
Matrix to_matrix(const Batch& batch) {
  Matrix logits(static_cast<Eigen::Index>(batch.rows), static_cast<Eigen::Index>(batch.classes));
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    for (Eigen::Index c = 0; c < logits.cols(); ++c) {
      logits(i, c) = static_cast<typename Matrix::Scalar>(
          batch.logits[static_cast<std::size_t>(i * logits.cols() + c)]);
    }
  }
  return logits;
}

TYPED_TEST(EigenLoss, EqualsTheViewInEveryOrder) {
  using Scalar = typename TypeParam::Scalar;
  std::mt19937_64 random(1);
  const Batch batch = make_batch(40, 5, random);
  SoftmaxLoss<Focal, MeanByWeight> loss;
  loss.class_weights = {1, 2, 3, 4, 5};
  const auto logits = to_matrix<TypeParam>(batch);
  const auto result = value_and_gradient(loss, logits, batch.targets, batch.attributes());

  const std::vector<Scalar> dense(batch.logits.begin(), batch.logits.end());
  std::vector<Scalar> gradient(dense.size());
  const double expected =
      value_and_gradient(loss, MatrixView<const Scalar>(dense.data(), 40, 5), batch.targets,
                         batch.attributes(), MatrixView<Scalar>(gradient.data(), 40, 5));
  EXPECT_EQ(result.value, expected);
  EXPECT_EQ(value(loss, logits, batch.targets, batch.attributes()), expected);
  for (Eigen::Index i = 0; i < 40; ++i) {
    for (Eigen::Index c = 0; c < 5; ++c) {
      EXPECT_EQ(result.gradient(i, c), gradient[static_cast<std::size_t>(i * 5 + c)]);
    }
  }
}

TYPED_TEST(EigenLoss, PartialAndUnreducedEqualTheView) {
  using Scalar = typename TypeParam::Scalar;
  std::mt19937_64 random(7);
  const Batch batch = make_batch(40, 5, random);
  const SoftmaxLoss<Focal, MeanByWeight> loss;
  const auto logits = to_matrix<TypeParam>(batch);
  const std::vector<Scalar> dense(batch.logits.begin(), batch.logits.end());
  const MatrixView<const Scalar> rows(dense.data(), 40, 5);

  const auto losses = unreduced(loss, logits, batch.targets, batch.attributes());
  std::vector<Scalar> expected(40);
  equipoise::unreduced(loss, rows, batch.targets, batch.attributes(),
                       MatrixView<Scalar>(expected.data(), 40, 1));
  ASSERT_EQ(losses.size(), 40);
  for (Eigen::Index i = 0; i < 40; ++i) {
    EXPECT_EQ(losses(i), expected[static_cast<std::size_t>(i)]);
  }

  TypeParam gradient(40, 5);
  const LossPartial part = eigen::partial(loss, logits, batch.targets, batch.attributes(),
                                          {.gradient = mutable_view(gradient)});
  EXPECT_EQ(part, equipoise::partial(loss, rows, batch.targets, batch.attributes()));
  const auto whole = value_and_gradient(loss, logits, batch.targets, batch.attributes());
  EXPECT_TRUE((gradient.array() == whole.gradient.array()).all());
}

TYPED_TEST(EigenLoss, TakesProbabilities) {
  using Scalar = typename TypeParam::Scalar;
  std::mt19937_64 random(2);
  const Batch batch = make_batch(40, 5, random);
  const SoftmaxLoss<Focal, MeanByWeight> loss;
  Batch of_probabilities = batch;
  of_probabilities.logits = batch.probabilities;
  const auto probabilities = to_matrix<TypeParam>(of_probabilities);
  const auto logits = to_matrix<TypeParam>(batch);
  const auto result = value_and_gradient(
      loss, logits, probability_targets(probabilities, batch.mask), batch.attributes());
  EXPECT_NEAR(
      result.value,
      testing::reference_loss(loss, batch, batch.logits, testing::TargetKind::kProbabilities),
      100 * static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
  EXPECT_EQ(value(loss, logits, probability_targets(probabilities, batch.mask), batch.attributes()),
            result.value);
  // A softmax does not notice what is added to all logits.
  EXPECT_LE(std::fabs(static_cast<double>(result.gradient.row(3).sum())),
            10 * static_cast<double>(std::numeric_limits<Scalar>::epsilon()));
}

TEST(EigenView, PointsIntoBlocksAndMaps) {
  Eigen::MatrixXd matrix(3, 4);
  matrix << 0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23;
  const auto block = matrix.block(1, 1, 2, 3);
  const MatrixView<const double> of_block = view(block);
  ASSERT_EQ(of_block.rows, 2u);
  ASSERT_EQ(of_block.cols, 3u);
  EXPECT_EQ(of_block(1, 2), 23.0);
  EXPECT_EQ(&of_block(0, 0), &matrix(1, 1));

  const Eigen::Map<const Eigen::MatrixXd, 0, Eigen::Stride<-1, -1>> map(
      matrix.data(), 2, 2, Eigen::Stride<-1, -1>(6, 2));
  EXPECT_EQ(view(map)(1, 1), map(1, 1));

  mutable_view(matrix)(2, 3) = -1;
  EXPECT_EQ(matrix(2, 3), -1.0);
}

TEST(EigenLossOnABlock, EqualsThatOnACopy) {
  std::mt19937_64 random(2);
  const Batch batch = make_batch(20, 40, random);
  const auto all = to_matrix<Eigen::MatrixXd>(batch);
  const auto block = all.middleCols(3, 4);
  std::vector<int> targets;
  targets.reserve(20);
  for (int i = 0; i < 20; ++i) targets.push_back(i % 4);
  const Eigen::MatrixXd copy = block;
  const auto result = value_and_gradient(SoftmaxLoss<>{}, block, targets);
  const auto expected = value_and_gradient(SoftmaxLoss<>{}, copy, targets);
  EXPECT_EQ(result.value, expected.value);
  EXPECT_EQ(result.gradient, expected.gradient);
}

}  // namespace
}  // namespace equipoise::eigen
