#include "equipoise/loss/arguments.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/reduction/reduction.h"
#include "tests/support/errors.h"

namespace equipoise {
namespace {

using testing::error_of;

TEST(SerialFor, CallsEachBlockOnceAndInOrder) {
  std::vector<std::size_t> seen;
  SerialFor()(4, [&](std::size_t block) { seen.push_back(block); });
  EXPECT_EQ(seen, (std::vector<std::size_t>{0, 1, 2, 3}));
  SerialFor()(0, [](std::size_t) { FAIL() << "there is no block"; });
}

TEST(SoftmaxTargets, AreClassIndicesOrDistributions) {
  static_assert(SoftmaxTargets<std::vector<int>>);
  static_assert(SoftmaxTargets<std::vector<std::uint8_t>>);
  static_assert(SoftmaxTargets<ProbabilityTargets<float>>);
  static_assert(!SoftmaxTargets<std::vector<double>>);
  static_assert(!SoftmaxTargets<std::vector<std::string>>);
}

TEST(SoftmaxTargets, AreDistributionsInTheTypeOfTheLogits) {
  static_assert(SoftmaxTargetsFor<std::vector<int>, float>);
  static_assert(SoftmaxTargetsFor<ProbabilityTargets<float>, float>);
  static_assert(SoftmaxTargetsFor<ProbabilityTargets<double>, double>);
  static_assert(!SoftmaxTargetsFor<ProbabilityTargets<double>, float>);
  static_assert(!SoftmaxTargetsFor<ProbabilityTargets<float>, double>);
}

// What is left out of a call is nothing.
TEST(LossOutputs, AreNotWrittenUnlessGiven) {
  EXPECT_EQ(LossOutputs<float>().gradient.data, nullptr);
  EXPECT_EQ(LossOutputs<float>().losses.data, nullptr);
  EXPECT_EQ(LossOutputs<double>().gradient.data, nullptr);
  EXPECT_EQ(LossOutputs<double>().losses.data, nullptr);
  EXPECT_TRUE(LossArguments().sample_weights.empty());
  EXPECT_EQ(LossArguments().mask.data, nullptr);
  EXPECT_TRUE(LossArguments().groups.empty());
  EXPECT_TRUE(LossArguments().coefficients.empty());
}

// What a loss leaves unread would be lost without a word.
TEST(LossArguments, ThatALossDoesNotTakeAreRefused) {
  const std::vector<double> logits(6, 0.0);
  const MatrixView<const double> z(logits.data(), 2, 3);
  const std::vector<int> targets = {0, 2};
  const std::vector<std::uint8_t> ones(6, 1);
  const LossArguments masked{.mask = MatrixView<const std::uint8_t>(ones.data(), 2, 3)};
  const std::string no_mask =
      "mask.rows = 2, expected no mask: rows are ignored by the ignore index, or by the mask of "
      "ProbabilityTargets";
  EXPECT_EQ(error_of([&] { value(SoftmaxLoss<>{}, z, targets, masked); }), "value(): " + no_mask);
  EXPECT_EQ(error_of([&] { denominators(SoftmaxLoss<>{}, targets, 3, masked); }),
            "denominators(): " + no_mask);
  const auto overlap = [&](const LossArguments& arguments) {
    return error_of([&] { partial(OverlapLoss<>{}, z, targets, arguments); });
  };
  const std::string not_taken = ", expected 0: overlap losses do not take it";
  const std::vector<std::int64_t> groups = {0, 0};
  const std::vector<double> one = {1.0};
  EXPECT_EQ(overlap({.groups = groups}), "partial(): groups.size() = 2" + not_taken);
  EXPECT_EQ(overlap(masked), "partial(): mask.rows = 2" + not_taken);
  EXPECT_EQ(overlap({.coefficients = one}), "partial(): coefficients.size() = 1" + not_taken);
}

// Of a part with the coefficients of the whole, the value is what the part adds to that of the
// whole.
TEST(LossArguments, CoefficientsOfAWholeMakePartsThatAddUp) {
  const std::vector<double> logits = {2, 0, 1, 0, 1, 3, -1, 4, 0.5};
  const std::vector<int> targets = {0, 1, 1};
  const std::vector<double> labels = {1, 0, 0, 0, 1, 0, 0, 1, 1};
  const auto z = [&](std::size_t begin, std::size_t count) {
    return MatrixView<const double>(logits.data() + 3 * begin, count, 3);
  };
  const auto y = [&](std::size_t begin, std::size_t count) {
    return MatrixView<const double>(labels.data() + 3 * begin, count, 3);
  };
  SoftmaxLoss<Focal, MeanByWeight> softmax;
  softmax.class_weights = {1, 3, 2};
  const std::vector<double> of_rows =
      coefficients(softmax.reduction, denominators(softmax, targets, 3));
  EXPECT_NEAR(value(softmax, z(0, 1), std::vector<int>{0}, {.coefficients = of_rows}) +
                  value(softmax, z(1, 2), std::vector<int>{1, 1}, {.coefficients = of_rows}),
              value(softmax, z(0, 3), targets), 1e-15);

  SigmoidLoss<BinaryCrossEntropy, MeanByPositives> sigmoid;
  const std::vector<double> of_elements =
      coefficients(sigmoid.reduction, denominators(sigmoid, y(0, 3)));
  EXPECT_NEAR(value(sigmoid, z(0, 1), y(0, 1), {.coefficients = of_elements}) +
                  value(sigmoid, z(1, 2), y(1, 2), {.coefficients = of_elements}),
              value(sigmoid, z(0, 3), y(0, 3)), 1e-15);
}

TEST(LossOutputs, AreTheLossesThatTheValueIsTheMeanOf) {
  const std::vector<double> logits = {2, 0, 1, 0, 1, 3};
  const MatrixView<const double> z(logits.data(), 2, 3);
  const std::vector<int> targets = {0, 1};
  const std::vector<double> labels = {1, 0, 0, 0, 1, 0};
  std::vector<double> rows(2);
  unreduced(SoftmaxLoss<>{}, z, targets, {}, MatrixView<double>(rows.data(), 2, 1));
  EXPECT_DOUBLE_EQ((rows[0] + rows[1]) / 2, value(SoftmaxLoss<>{}, z, targets));

  std::vector<double> elements(6);
  const MatrixView<const double> y(labels.data(), 2, 3);
  unreduced(SigmoidLoss<>{}, z, y, {}, MatrixView<double>(elements.data(), 2, 3));
  double sum = 0;
  for (const double each : elements) sum += each;
  EXPECT_DOUBLE_EQ(sum / 6, value(SigmoidLoss<>{}, z, y));
  EXPECT_EQ(error_of([&] {
              unreduced(SoftmaxLoss<>{}, z, targets, {}, MatrixView<double>(elements.data(), 2, 3));
            }),
            "unreduced(): losses.cols = 3, expected 1 (one loss per row)");
}

TEST(LossOutputs, OfVerbsThatWriteNeedMemory) {
  const std::vector<double> numbers(6, 0.5);
  const MatrixView<const double> z(numbers.data(), 2, 3);
  const std::vector<int> targets = {0, 1};
  const MatrixView<double> none;
  const std::string no_gradient = "gradient.data = nullptr, expected memory for 6 elements";
  EXPECT_EQ(error_of([&] { value_and_gradient(SoftmaxLoss<>{}, z, targets, {}, none); }),
            "value_and_gradient(): " + no_gradient);
  EXPECT_EQ(error_of([&] { value_and_gradient(SigmoidLoss<>{}, z, z, {}, none); }),
            "value_and_gradient(): " + no_gradient);
  EXPECT_EQ(error_of([&] { value_and_gradient(OverlapLoss<>{}, z, targets, {}, none); }),
            "value_and_gradient(): " + no_gradient);
  const std::vector<OverlapTerms<double>> slopes(3);
  EXPECT_EQ(error_of([&] {
              gradient(OverlapLoss<>{}, z, targets, {}, {slopes, none});
            }),
            "gradient(): " + no_gradient);
  EXPECT_EQ(error_of([&] { unreduced(SoftmaxLoss<>{}, z, targets, {}, none); }),
            "unreduced(): losses.data = nullptr, expected memory for 2 elements");
  EXPECT_EQ(error_of([&] { unreduced(SigmoidLoss<>{}, z, z, {}, none); }),
            "unreduced(): losses.data = nullptr, expected memory for 6 elements");
  // Nothing has to be written of no rows.
  const MatrixView<const double> no_rows(nullptr, 0, 3);
  EXPECT_EQ(value_and_gradient(SoftmaxLoss<>{}, no_rows, std::vector<int>{}, {},
                               MatrixView<double>(nullptr, 0, 3)),
            0);
}

TEST(OutputFor, IsTheTypeOfTheLogitsWithoutConst) {
  static_assert(OutputFor<float, float>);
  static_assert(OutputFor<float, const float>);
  static_assert(!OutputFor<double, const float>);
  static_assert(!OutputFor<const float, const float>);
}

TEST(LossCalls, ReadViewsOfNumbersThatAreNotConst) {
  std::vector<float> numbers = {1, -2, 0.5, 3, -1, 0};
  const std::vector<int> labels = {0, 1, 1};
  std::vector<int> ones = {1, 0, 0, 1, 1, 1};
  const MatrixView<float> logits(numbers.data(), 3, 2);
  const MatrixView<const float> read = logits;
  const MatrixView<int> targets(ones.data(), 3, 2);
  std::vector<float> written(6);
  std::vector<float> expected(6);
  const MatrixView<float> gradient(written.data(), 3, 2);
  const MatrixView<float> other(expected.data(), 3, 2);
  const auto expect_same = [&](const auto& loss, const auto& y) {
    EXPECT_EQ(value(loss, logits, y), value(loss, read, y));
    EXPECT_EQ(value_and_gradient(loss, logits, y, {}, gradient),
              value_and_gradient(loss, read, y, {}, other));
    EXPECT_EQ(written, expected);
  };
  expect_same(SoftmaxLoss<>(), labels);
  expect_same(SigmoidLoss<>(), targets);
  expect_same(OverlapLoss<>(), labels);

  const LossPartial of_softmax =
      partial(SoftmaxLoss<>(), logits, labels, {}, {.gradient = gradient});
  EXPECT_EQ(of_softmax.buckets[0].numerator,
            partial(SoftmaxLoss<>(), read, labels).buckets[0].numerator);
  EXPECT_EQ(partial(SigmoidLoss<>(), logits, targets).buckets[0].numerator,
            partial(SigmoidLoss<>(), read, targets).buckets[0].numerator);
  const OverlapSums sums = partial(OverlapLoss<>(), logits, labels);
  const OverlapResult result = value_and_slopes(OverlapLoss<>(), sums);
  const OverlapGradient<float> outputs{result.slopes, gradient};
  equipoise::gradient(OverlapLoss<>(), logits, labels, {}, outputs);
  EXPECT_EQ(written, expected);
  unreduced(SoftmaxLoss<>(), logits, labels, {}, MatrixView<float>(written.data(), 3, 1));
  unreduced(SoftmaxLoss<>(), read, labels, {}, MatrixView<float>(expected.data(), 3, 1));
  EXPECT_EQ(written, expected);
  unreduced(SigmoidLoss<>(), logits, targets, {}, gradient);
  unreduced(SigmoidLoss<>(), read, targets, {}, other);
  EXPECT_EQ(written, expected);
}

}  // namespace
}  // namespace equipoise
