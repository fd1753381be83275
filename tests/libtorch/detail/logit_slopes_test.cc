#include "equipoise/libtorch/detail/logit_slopes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "equipoise/loss/modulator.h"
#include "equipoise/loss/sigmoid_modulators.h"

namespace equipoise::libtorch::detail {
namespace {

// What a sigmoid loss knows of logits.
TargetProbability<at::Tensor> probabilities(const at::Tensor& x) {
  return {at::softplus(x, /*beta=*/-1, /*threshold=*/40), x.sigmoid(), x.neg().sigmoid()};
}

// Both numbers are sums of terms of one sign, each right to a few epsilon of its own size. With a
// margin p + margin and q - margin are right to an epsilon of 1 alone, and enter with derivatives
// of at most (1 + gamma) / margin: then the bound is an absolute one.
template <class M>
void expect_as_defined(const M& modulator, double size = 0, double derivative = 1) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const double epsilon = type == at::kFloat ? std::numeric_limits<float>::epsilon()
                                              : std::numeric_limits<double>::epsilon();
    const double least = std::numeric_limits<float>::min();  // below it float underflows
    const at::Tensor x = at::linspace(-30, 30, 1201, type);
    const ValueAndLogitSlope found = with_logit_slope(modulator, probabilities(x));
    const at::Tensor exact = x.to(at::kDouble);
    const TargetProbability<at::Tensor> t = probabilities(exact);
    const ValueAndSlope<at::Tensor> expected = modulator(t);
    const at::Tensor slope = expected.slope * t.q;
    const auto expect_close = [&](const at::Tensor& a, const at::Tensor& b) {
      const at::Tensor error = (a.to(at::kDouble) * found.sign - b).abs();
      const at::Tensor bound = (b.abs() + size) * (16 * epsilon * derivative) + least;
      EXPECT_TRUE(error.le(bound).all().item<bool>())
          << (error / bound).max().item<double>() << " of the bound, " << type << ", " << size;
    };
    expect_close(found.value, expected.value);
    expect_close(found.slope, slope);
  }
}

TEST(LogitSlopes, OfTheFocalLoss) {
  for (const double gamma : {0.0, 0.5, 1.0, 2.0, 4.5}) expect_as_defined(Focal{gamma});
}

TEST(LogitSlopes, OfAShiftedFocalLoss) {
  for (const double gamma : {0.0, 1.0, 2.0, 4.0}) {
    for (const double margin : {0.0, 0.05, 0.3, 0.9}) {
      const ProbabilityShift<Focal> shift{{gamma}, margin};
      margin == 0 ? expect_as_defined(shift) : expect_as_defined(shift, 1, (1 + gamma) / margin);
    }
  }
}

TEST(LogitSlopes, OfAnyModulator) {
  expect_as_defined(CrossEntropy{});
  expect_as_defined(poly1(Focal{2.0}, 0.5));
}

// Of logits that are as good as infinite: a sure truth costs nothing, a sure error a finite amount.
TEST(LogitSlopes, AreFiniteAtTheLargestLogits) {
  const at::Tensor x = at::tensor({-1e38F, 1e38F});
  for (const auto& found : {with_logit_slope(Focal{2.0}, probabilities(x)),
                            with_logit_slope(ProbabilityShift<Focal>{}, probabilities(x))}) {
    EXPECT_TRUE(found.value.isfinite().all().item<bool>());
    EXPECT_TRUE(found.slope.isfinite().all().item<bool>());
    EXPECT_EQ(found.value[1].abs().item<float>(), 0);
    EXPECT_EQ(found.slope[1].abs().item<float>(), 0);
  }
}

}  // namespace
}  // namespace equipoise::libtorch::detail
