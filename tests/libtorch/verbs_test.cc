// The table of docs/losses.md, "How to call one": each of its cells is called here, and the three
// columns agree.
#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <ATen/ops/eye.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "equipoise/eigen/linear_loss.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/eigen/overlap_loss.h"
#include "equipoise/eigen/sigmoid_loss.h"
#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/linear_loss.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/softmax.h"

namespace equipoise {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// The same operations on the same order of sums, but for LibTorch's threads.
constexpr double kTolerance = 1e-14;

// Three rows of three classes in the three kinds of memory, with weights.
struct Table {
  std::vector<double> numbers = {2, 0, 1, 0, 1, 3, -1, 0.5, 2};
  std::vector<double> weights = {1, 3, 0.5};
  std::vector<std::int64_t> classes = {0, 1, 2};
  std::vector<double> labels = {1, 0, 0, 0, 1, 0, 1, 0, 1};
  std::vector<double> slopes = std::vector<double>(9);

  MatrixView<const double> plain{numbers.data(), 3, 3};
  MatrixView<const double> plain_labels{labels.data(), 3, 3};
  MatrixView<double> out{slopes.data(), 3, 3};
  LossArguments arguments{.sample_weights = weights};

  Matrix matrix = Eigen::Map<const Matrix>(numbers.data(), 3, 3);
  Matrix matrix_labels = Eigen::Map<const Matrix>(labels.data(), 3, 3);

  at::Tensor tensor = torch::tensor(numbers, torch::kDouble).view({3, 3}).set_requires_grad(true);
  at::Tensor tensor_classes = torch::tensor(classes);
  at::Tensor tensor_labels = torch::tensor(labels, torch::kDouble).view({3, 3});
  libtorch::LossArguments tensors{.sample_weights = torch::tensor(weights, torch::kDouble)};

  void expect_gradients(const Matrix& of_matrix, const at::Tensor& value) {
    tensor.mutable_grad() = at::Tensor();
    value.backward();
    for (Eigen::Index i = 0; i < 9; ++i) {
      const double expected = slopes[static_cast<std::size_t>(i)];
      EXPECT_NEAR(of_matrix.data()[i], expected, kTolerance);
      EXPECT_NEAR(tensor.grad().view(-1)[i].item<double>(), expected, kTolerance);
    }
  }
};

void expect_equal(const LossPartial& one, const LossPartial& other) {
  ASSERT_EQ(one.buckets.size(), 1U);
  ASSERT_EQ(other.buckets.size(), 1U);
  EXPECT_NEAR(one.buckets[0].numerator, other.buckets[0].numerator, kTolerance);
  EXPECT_NEAR(one.buckets[0].denominator, other.buckets[0].denominator, kTolerance);
  EXPECT_EQ(one.buckets[0].valid, other.buckets[0].valid);
}

TEST(Verbs, OfSoftmaxLossesAgreeOnThreeBackends) {
  const SoftmaxLoss<Focal, MeanByWeight> loss;
  Table t;
  const double value = equipoise::value(loss, t.plain, t.classes, t.arguments);
  EXPECT_NEAR(eigen::value(loss, t.matrix, t.classes, t.arguments), value, kTolerance);
  const at::Tensor on_tensors = libtorch::value(loss, t.tensor, t.tensor_classes, t.tensors);
  EXPECT_NEAR(on_tensors.item<double>(), value, kTolerance);

  EXPECT_EQ(equipoise::value_and_gradient(loss, t.plain, t.classes, t.arguments, t.out), value);
  const auto both = eigen::value_and_gradient(loss, t.matrix, t.classes, t.arguments);
  EXPECT_NEAR(both.value, value, kTolerance);
  t.expect_gradients(both.gradient, on_tensors);

  std::vector<double> losses(3);
  equipoise::unreduced(loss, t.plain, t.classes, t.arguments, {losses.data(), 3, 1});
  const auto rows = eigen::unreduced(loss, t.matrix, t.classes, t.arguments);
  const at::Tensor of_tensors =
      libtorch::unreduced(loss, t.tensor, t.tensor_classes, t.tensors).detach();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto row = static_cast<std::int64_t>(i);
    EXPECT_NEAR(rows[row], losses[i], kTolerance);
    EXPECT_NEAR(of_tensors[row].item<double>(), losses[i], kTolerance);
  }

  const LossPartial part = equipoise::partial(loss, t.plain, t.classes, t.arguments);
  expect_equal(eigen::partial(loss, t.matrix, t.classes, t.arguments), part);
  expect_equal(libtorch::partial(loss, t.tensor.detach(), t.tensor_classes, t.tensors).to_partial(),
               part);
  const auto with_partial =
      libtorch::value_and_partial(loss, t.tensor, t.tensor_classes, t.tensors);
  EXPECT_NEAR(with_partial.loss.item<double>(), value, kTolerance);
  expect_equal(with_partial.partial.to_partial(), part);

  const LossPartial masses = equipoise::denominators(loss, t.classes, 3, t.arguments);
  EXPECT_NEAR(equipoise::value(loss, part, coefficients(loss.reduction, masses)), value,
              kTolerance);
  EXPECT_NEAR(libtorch::denominators(loss, t.tensor_classes, 3, t.tensors).item<double>(),
              masses.buckets[0].denominator, kTolerance);
}

TEST(Verbs, OfSigmoidLossesAgreeOnThreeBackends) {
  const SigmoidLoss<AsymmetricFocal, MeanByPositives> loss;
  Table t;
  const double value = equipoise::value(loss, t.plain, t.plain_labels, t.arguments);
  EXPECT_NEAR(eigen::value(loss, t.matrix, t.matrix_labels, t.arguments), value, kTolerance);
  const at::Tensor on_tensors = libtorch::value(loss, t.tensor, t.tensor_labels, t.tensors);
  EXPECT_NEAR(on_tensors.item<double>(), value, kTolerance);

  EXPECT_EQ(equipoise::value_and_gradient(loss, t.plain, t.plain_labels, t.arguments, t.out),
            value);
  const auto both = eigen::value_and_gradient(loss, t.matrix, t.matrix_labels, t.arguments);
  EXPECT_NEAR(both.value, value, kTolerance);
  t.expect_gradients(both.gradient, on_tensors);

  std::vector<double> losses(9);
  equipoise::unreduced(loss, t.plain, t.plain_labels, t.arguments, {losses.data(), 3, 3});
  const Matrix elements = eigen::unreduced(loss, t.matrix, t.matrix_labels, t.arguments);
  const at::Tensor of_tensors =
      libtorch::unreduced(loss, t.tensor, t.tensor_labels, t.tensors).detach().view(-1);
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_NEAR(elements.data()[i], losses[i], kTolerance);
    EXPECT_NEAR(of_tensors[static_cast<std::int64_t>(i)].item<double>(), losses[i], kTolerance);
  }

  const LossPartial part = equipoise::partial(loss, t.plain, t.plain_labels, t.arguments);
  expect_equal(eigen::partial(loss, t.matrix, t.matrix_labels, t.arguments), part);
  expect_equal(libtorch::partial(loss, t.tensor.detach(), t.tensor_labels, t.tensors).to_partial(),
               part);
  expect_equal(
      libtorch::value_and_partial(loss, t.tensor, t.tensor_labels, t.tensors).partial.to_partial(),
      part);

  const LossPartial masses = equipoise::denominators(loss, t.plain_labels, t.arguments);
  expect_equal(eigen::denominators(loss, t.matrix_labels, t.arguments), masses);
  EXPECT_NEAR(equipoise::value(loss, part, coefficients(loss.reduction, masses)), value,
              kTolerance);
  EXPECT_NEAR(libtorch::denominators(loss, t.tensor_labels, t.tensors).item<double>(),
              masses.buckets[0].denominator, kTolerance);
}

TEST(Verbs, OfOverlapLossesAgreeOnThreeBackends) {
  const OverlapLoss<Dice> loss;
  Table t;
  const double value = equipoise::value(loss, t.plain, t.classes, t.arguments);
  EXPECT_NEAR(eigen::value(loss, t.matrix, t.classes, t.arguments), value, kTolerance);
  const at::Tensor on_tensors = libtorch::value(loss, t.tensor, t.tensor_classes, t.tensors);
  EXPECT_NEAR(on_tensors.item<double>(), value, kTolerance);

  EXPECT_EQ(equipoise::value_and_gradient(loss, t.plain, t.classes, t.arguments, t.out), value);
  const auto both = eigen::value_and_gradient(loss, t.matrix, t.classes, t.arguments);
  EXPECT_NEAR(both.value, value, kTolerance);
  t.expect_gradients(both.gradient, on_tensors);

  const OverlapSums sums = equipoise::partial(loss, t.plain, t.classes, t.arguments);
  const OverlapSums of_matrix = eigen::partial(loss, t.matrix, t.classes, t.arguments);
  const at::Tensor of_tensors =
      libtorch::partial(loss, t.tensor.detach(), t.tensor_classes, t.tensors);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(of_matrix.classes[c].tp, sums.classes[c].tp, kTolerance);
    EXPECT_NEAR(of_tensors[0][static_cast<std::int64_t>(c)].item<double>(), sums.classes[c].tp,
                kTolerance);
  }
  const OverlapResult whole = equipoise::value_and_slopes(loss, sums);
  EXPECT_NEAR(whole.value, value, kTolerance);
  t.tensors.sums = of_tensors;
  const at::Tensor of_part = libtorch::value(loss, t.tensor, t.tensor_classes, t.tensors);
  EXPECT_NEAR(of_part.item<double>(), value, kTolerance);
  equipoise::gradient(loss, t.plain, t.classes, t.arguments, {whole.slopes, t.out});
  t.expect_gradients(eigen::gradient(loss, t.matrix, t.classes, t.arguments, whole), of_part);
}

// With a layer that changes nothing, the loss of the product is that of the features.
TEST(Verbs, OfALinearLayerAndASoftmaxLossAgreeOnThreeBackends) {
  const SoftmaxLoss<Focal> loss;
  Table t;
  const double value = equipoise::value(loss, t.plain, t.classes, t.arguments);
  const Matrix identity = Matrix::Identity(3, 3);
  const Eigen::VectorXd no_bias;
  Matrix features;
  EXPECT_NEAR(eigen::linear_loss(loss, t.matrix, identity, no_bias, t.classes, t.arguments,
                                 {&features, nullptr, nullptr}),
              value, kTolerance);
  const at::Tensor on_tensors = libtorch::linear_loss(loss, t.tensor, at::eye(3, at::kDouble),
                                                      at::Tensor(), t.tensor_classes, t.tensors);
  EXPECT_NEAR(on_tensors.item<double>(), value, kTolerance);
  equipoise::value_and_gradient(loss, t.plain, t.classes, t.arguments, t.out);
  t.expect_gradients(features, on_tensors);
}

}  // namespace
}  // namespace equipoise
