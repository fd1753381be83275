#include "equipoise/eigen/overlap_loss.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/softmax_reference.h"

namespace equipoise::eigen {
namespace {

using testing::Batch;
using testing::make_batch;

template <class Matrix>
class EigenOverlapLoss : public ::testing::Test {};

using Matrices = ::testing::Types<
    Eigen::MatrixXd, Eigen::MatrixXf, Eigen::Matrix<double, -1, -1, Eigen::RowMajor>,
    Eigen::Matrix<float, -1, -1, Eigen::RowMajor>, Eigen::ArrayXXd, Eigen::Matrix<double, -1, 5>>;
TYPED_TEST_SUITE(EigenOverlapLoss, Matrices);

template <class Matrix>
Matrix to_matrix(const std::vector<double>& values, Eigen::Index rows, Eigen::Index cols) {
  Matrix result(rows, cols);
  for (Eigen::Index i = 0; i < rows; ++i) {
    for (Eigen::Index c = 0; c < cols; ++c) {
      result(i, c) =
          static_cast<typename Matrix::Scalar>(values[static_cast<std::size_t>(i * cols + c)]);
    }
  }
  return result;
}

// Whether the matrix has the elements of a row-major vector.
template <class Matrix, class T>
void expect_elements(const Matrix& matrix, const std::vector<T>& expected) {
  ASSERT_EQ(static_cast<std::size_t>(matrix.size()), expected.size());
  for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
    for (Eigen::Index c = 0; c < matrix.cols(); ++c) {
      EXPECT_EQ(matrix(i, c), expected[static_cast<std::size_t>(i * matrix.cols() + c)]);
    }
  }
}

TYPED_TEST(EigenOverlapLoss, EqualsTheViewInEveryOrder) {
  using Scalar = typename TypeParam::Scalar;
  std::mt19937_64 random(1);
  const Batch batch = make_batch(40, 5, random);
  OverlapLoss<Tversky> loss;
  loss.class_weights = {0, 2, 3, 4, 5};
  const auto logits = to_matrix<TypeParam>(batch.logits, 40, 5);
  const auto result = value_and_gradient(loss, logits, batch.targets, {batch.sample_weights});

  const std::vector<Scalar> dense(batch.logits.begin(), batch.logits.end());
  const MatrixView<const Scalar> rows(dense.data(), 40, 5);
  std::vector<Scalar> gradient(dense.size());
  const double expected =
      equipoise::value_and_gradient(loss, rows, batch.targets, {batch.sample_weights},
                                    MatrixView<Scalar>(gradient.data(), 40, 5));
  EXPECT_EQ(result.value, expected);
  EXPECT_EQ(value(loss, logits, batch.targets, {batch.sample_weights}), expected);
  expect_elements(result.gradient, gradient);
}

TYPED_TEST(EigenOverlapLoss, TakesMultiLabelTargets) {
  using Scalar = typename TypeParam::Scalar;
  std::mt19937_64 random(2);
  const Batch batch = make_batch(20, 5, random);
  std::vector<double> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(static_cast<double>(random() % 2));
  OverlapLoss<> loss;
  loss.activation = OverlapActivation::kSigmoid;
  const auto logits = to_matrix<TypeParam>(batch.logits, 20, 5);
  const auto targets = to_matrix<TypeParam>(labels, 20, 5);
  const auto result = value_and_gradient(loss, logits, probability_targets(targets, batch.mask));

  const std::vector<Scalar> dense(batch.logits.begin(), batch.logits.end());
  const std::vector<Scalar> dense_labels(labels.begin(), labels.end());
  std::vector<Scalar> gradient(dense.size());
  EXPECT_EQ(result.value, equipoise::value_and_gradient(
                              loss, MatrixView<const Scalar>(dense.data(), 20, 5),
                              ProbabilityTargets<Scalar>{{dense_labels.data(), 20, 5}, batch.mask},
                              {}, MatrixView<Scalar>(gradient.data(), 20, 5)));
  expect_elements(result.gradient, gradient);
}

TEST(EigenOverlapLossOnBlocks, PartsAddUpToTheWhole) {
  std::mt19937_64 random(3);
  const Batch batch = make_batch(24, 4, random);
  const auto logits = to_matrix<Eigen::MatrixXd>(batch.logits, 24, 4);
  const OverlapLoss<GeneralisedDice> loss;
  const auto whole = value_and_gradient(loss, logits, batch.targets, {batch.sample_weights});
  const std::span<const std::int64_t> targets = batch.targets;
  const std::span<const double> weights = batch.sample_weights;
  OverlapSums sums;
  for (Eigen::Index begin = 0; begin < 24; begin += 6) {
    const auto first = static_cast<std::size_t>(begin);
    sums += eigen::partial(loss, logits.middleRows(begin, 6), targets.subspan(first, 6),
                           {weights.subspan(first, 6)});
  }
  const OverlapResult result = value_and_slopes(loss, sums);
  EXPECT_NEAR(result.value, whole.value, 1e-14);
  for (Eigen::Index begin = 0; begin < 24; begin += 6) {
    const auto first = static_cast<std::size_t>(begin);
    const Eigen::MatrixXd part =
        eigen::gradient(loss, logits.middleRows(begin, 6), targets.subspan(first, 6),
                        {weights.subspan(first, 6)}, result);
    EXPECT_LE((part - whole.gradient.middleRows(begin, 6)).cwiseAbs().maxCoeff(), 1e-15);
  }
}

TEST(EigenOverlapLossErrors, AreThoseOfTheCore) {
  const Eigen::MatrixXd logits = Eigen::MatrixXd::Zero(2, 3);
  EXPECT_EQ(testing::error_of([&] {
              value(OverlapLoss<>{}, logits, std::vector<int>{0, 3});
            }),
            "value(): targets[1] = 3, expected a class in [0, 3) or the ignore index -100");
}

}  // namespace
}  // namespace equipoise::eigen
