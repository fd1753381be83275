#include "equipoise/loss/targets.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace equipoise {
namespace {

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
  EXPECT_TRUE(LossOutputs<float>().row_losses.empty());
  EXPECT_EQ(ElementOutputs<double>().gradient.data, nullptr);
  EXPECT_EQ(ElementOutputs<double>().losses.data, nullptr);
  EXPECT_TRUE(RowAttributes().sample_weights.empty());
  EXPECT_EQ(ElementAttributes().mask.data, nullptr);
}

}  // namespace
}  // namespace equipoise
