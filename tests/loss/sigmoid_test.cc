#include "equipoise/loss/sigmoid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "equipoise/reduction/group_dro.h"
#include "equipoise/weights.h"
#include "tests/support/cpus.h"
#include "tests/support/errors.h"
#include "tests/support/loss_call.h"
#include "tests/support/sigmoid_reference.h"
#include "tests/support/users_own.h"

namespace equipoise {
namespace {

using testing::cpus;
using testing::ElementBatch;
using testing::error_of;
using testing::kElementVariants;
using testing::make_element_batch;
using testing::make_sigmoid_loss;
using testing::reference_loss;
using testing::Tsallis;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// Whether the compiler may assume finite numbers and reorder sums.
#ifdef __FAST_MATH__
constexpr bool kFastMath = true;
#else
constexpr bool kFastMath = false;
#endif

// The same number; where sums may be reordered, differently in each place that a function is
// inlined into, up to the rounding of a few operations.
void expect_same(double a, double b) {
  if (kFastMath) {
    EXPECT_NEAR(a, b, 20 * kEpsilon * (1 + std::fabs(b)));
  } else {
    EXPECT_EQ(a, b);
  }
}

void expect_same(const std::vector<double>& a, const std::vector<double>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) expect_same(a[i], b[i]);
}

// A user's sides: each another modulator.
struct PolynomialOnPositives {
  PolyCrossEntropy<CrossEntropy> positive() const { return poly1(0.5); }
  Tsallis negative() const { return {}; }
};

// A user's reduction: rare labels and common ones, each by its positives and a little of the rest.
struct MeanOfHalves {
  std::size_t labels;
  std::size_t buckets() const { return 2; }
  template <class Row>
  std::size_t bucket(const Row& row) const {
    return 2 * row.target < labels ? 0 : 1;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.positive + 0.25 * row.weight;
  }
};

// Calls f with every kind of sides and of reduction.
template <class F>
void for_all_losses(std::size_t labels, const F& f) {
  f(BinaryCrossEntropy{}, MeanByCount{});
  f(BinaryCrossEntropy{}, SumOverRows{});
  f(BinaryCrossEntropy{}, MeanPerClass{labels});
  f(AsymmetricFocal{}, MeanByWeight{});
  f(AsymmetricFocal{}, MeanPerGroup{testing::kElementGroups});
  const auto with_sides = [&](auto sides) {
    f(sides, MeanByPositives{});
    f(sides, MeanOfHalves{labels});
  };
  with_sides(SigmoidFocal{2.0});
  with_sides(SigmoidFocal{0.5});
  with_sides(BothSides<Tsallis>{});
  with_sides(PolynomialOnPositives{});
}

// Few rows where there are many labels.
std::size_t some_rows(std::size_t labels, std::mt19937_64& random) {
  return 1 + random() % (labels > 500 ? 3 : 40);
}

template <class T>
std::vector<T> cast(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

template <class T>
struct Result {
  double value;
  std::vector<T> gradient;
};

template <class T, class S, class R>
Result<T> run(const SigmoidLoss<S, R>& loss, const ElementBatch& batch, kernels::Cpu cpu) {
  const std::vector<T> logits = cast<T>(batch.logits);
  Result<T> result{0, std::vector<T>(logits.size())};
  const std::vector<double> scales =
      coefficients(loss.reduction, denominators(loss, batch.target_view(), batch.attributes()));
  const LossPartial partial = equipoise::partial(
      loss, MatrixView<const T>(logits.data(), batch.rows, batch.labels), batch.target_view(),
      testing::with_coefficients(batch.attributes(), scales),
      LossOutputs<T>{{result.gradient.data(), batch.rows, batch.labels}, {}}, testing::On{cpu});
  result.value = equipoise::value(loss, partial, scales);
  return result;
}

// Binary, tails of every width, and more labels than a run has elements.
constexpr std::size_t kLabels[] = {1, 2, 3, 5, 16, 17, 31, 100, 700};

// By hand: -log sigma(1) and -log(1 - sigma(-2)).
TEST(SigmoidLoss, IsBinaryCrossEntropy) {
  const std::vector<double> logits = {1, -2};
  const std::vector<int> targets = {1, 0};
  std::vector<double> gradient(2);
  const double value = value_and_gradient(
      SigmoidLoss<>{}, MatrixView<const double>(logits.data(), 1, 2),
      MatrixView<const int>(targets.data(), 1, 2), {}, MatrixView<double>(gradient.data(), 1, 2));
  EXPECT_NEAR(value, (std::log(1 + std::exp(-1.0)) + std::log(1 + std::exp(-2.0))) / 2, 1e-15);
  EXPECT_NEAR(gradient[0], -1 / (1 + std::exp(1.0)) / 2, 1e-16);
  EXPECT_NEAR(gradient[1], 1 / (1 + std::exp(2.0)) / 2, 1e-16);
}

// By hand: from logits of 0 every probability is 1/2; of four elements one is positive.
TEST(SigmoidFocalLoss, IsWeightedByAlphaAndDividedByPositives) {
  const std::vector<double> logits(4, 0.0);
  const std::vector<std::uint8_t> targets = {0, 0, 1, 0};
  const auto loss = sigmoid_focal(0.25, 2.0);
  EXPECT_NEAR(equipoise::value(loss, MatrixView<const double>(logits.data(), 2, 2),
                               MatrixView<const std::uint8_t>(targets.data(), 2, 2)),
              (0.25 + 3 * 0.75) * 0.25 * std::log(2.0), 1e-15);
}

// By hand, with p = 1/2 and the clip 0.1: the negative's p_m is 0.4. Where p is 0.1 or less there
// is neither loss nor gradient.
TEST(AsymmetricLoss, ShiftsTheProbabilityOfNegatives) {
  SigmoidLoss<AsymmetricFocal, SumOverRows> loss;
  loss.sides = {1.0, 2.0, 0.1};
  const std::vector<double> logits = {0, 0, std::log(0.09 / 0.91)};
  const std::vector<std::uint8_t> targets = {1, 0, 0};
  std::vector<double> gradient(3);
  std::vector<double> losses(3);
  const std::vector<double> one = {1.0};
  equipoise::partial(loss, MatrixView<const double>(logits.data(), 1, 3),
                     MatrixView<const std::uint8_t>(targets.data(), 1, 3), {.coefficients = one},
                     LossOutputs<double>{{gradient.data(), 1, 3}, {losses.data(), 1, 3}});
  EXPECT_NEAR(losses[0], 0.5 * std::log(2.0), 1e-15);
  EXPECT_NEAR(losses[1], -0.4 * 0.4 * std::log(0.6), 1e-15);
  EXPECT_EQ(losses[2], 0.0);
  // d/dz of -p_m^2 log(1 - p_m), with dp/dz = 1/4.
  EXPECT_NEAR(gradient[1], 0.25 * (-2 * 0.4 * std::log(0.6) + 0.4 * 0.4 / 0.6), 1e-15);
  EXPECT_EQ(gradient[2], 0.0);
}

// By hand, for counts 10 and 30 of 100 rows: r of the first label is (1/10) / (1/10 + 1/30) = 3/4
// where both are positive, and 1 where it alone is; the shifts are .05 log(1/9) and .05 log(3/7).
TEST(DistributionBalanced, IsTheFormulaOfItsPaper) {
  const auto loss =
      distribution_balanced(ClassCounts{10, 30}, 100, {.alpha = 0.1, .beta = 2, .mu = 0.25});
  EXPECT_NEAR(loss.shift[0], 0.05 * std::log(1.0 / 9), 1e-16);
  EXPECT_NEAR(loss.shift[1], 0.05 * std::log(3.0 / 7), 1e-16);
  const auto sigma = [](double x) { return 1 / (1 + std::exp(-x)); };
  const std::vector<double> logits = {0.5, -0.5, 0.5, -0.5, 0.5, -0.5};
  const std::vector<std::uint8_t> targets = {1, 1, 1, 0, 0, 0};
  std::vector<double> losses(6);
  const std::vector<double> one = {1.0};
  equipoise::partial(loss, MatrixView<const double>(logits.data(), 3, 2),
                     MatrixView<const std::uint8_t>(targets.data(), 3, 2), {.coefficients = one},
                     LossOutputs<double>{{}, {losses.data(), 3, 2}});
  const double z[2] = {0.5 + loss.shift[0], -0.5 + loss.shift[1]};
  const auto negative = [&](double x) { return -std::log(sigma(-2 * x)) / 2; };
  EXPECT_NEAR(losses[0], (0.1 + sigma(2 * (0.75 - 0.25))) * -std::log(sigma(z[0])), 1e-15);
  EXPECT_NEAR(losses[1], (0.1 + sigma(2 * (0.25 - 0.25))) * -std::log(sigma(z[1])), 1e-15);
  EXPECT_NEAR(losses[2], (0.1 + sigma(2 * (1 - 0.25))) * -std::log(sigma(z[0])), 1e-15);
  EXPECT_NEAR(losses[3], (0.1 + sigma(2 * (1.0 / 3 - 0.25))) * negative(z[1]), 1e-15);
  EXPECT_NEAR(losses[4], 1.1 * negative(z[0]), 1e-15);  // no positive in the row: r is infinite
  EXPECT_NEAR(losses[5], 1.1 * negative(z[1]), 1e-15);
}

TEST(DistributionBalanced, TakesOtherSidesAndLeavesOutWhatIsOff) {
  const std::vector<double> counts = {1, 2};
  const auto loss =
      distribution_balanced(counts, 10, {.bias = 0, .negative_scale = 1}, SigmoidFocal{1.5});
  EXPECT_EQ(loss.sides.gamma, 1.5);
  EXPECT_TRUE(loss.shift.empty());
  EXPECT_EQ(loss.negative_scale, 1.0);
  EXPECT_EQ(loss.rebalance.counts, counts);
}

// Cui et al. 2019 on sigmoids: weights of the effective number for both sides of each label.
TEST(ClassBalanced, IsTheEffectiveNumberAsClassWeights) {
  SigmoidLoss<SigmoidFocal, SumOverRows> loss;
  loss.class_weights = class_weights(ClassCounts{1000, 10}, EffectiveNumberWeights{.beta = 0.99});
  const std::vector<double> logits = {0, 0};
  const std::vector<std::uint8_t> targets = {0, 1};
  const double each = 0.25 * std::log(2.0);
  EXPECT_NEAR(equipoise::value(loss, MatrixView<const double>(logits.data(), 1, 2),
                               MatrixView<const std::uint8_t>(targets.data(), 1, 2)),
              each * (loss.class_weights[0] + loss.class_weights[1]), 1e-15);
  EXPECT_GT(loss.class_weights[1], 5 * loss.class_weights[0]);
}

TEST(InitialBias, GivesThePriorBack) {
  const std::vector<double> prior = {0.01, 0.5, 1e-12, 1 - 1e-9};
  const std::vector<double> bias = initial_bias(prior);
  EXPECT_NEAR(bias[0], -std::log(99.0), 1e-15);
  EXPECT_EQ(bias[1], 0.0);
  for (std::size_t l = 0; l < prior.size(); ++l) {
    EXPECT_NEAR(1 / (1 + std::exp(-bias[l])), prior[l], 1e-14 * prior[l]);
  }
}

TEST(SigmoidEvaluation, DropsWhatBendsTraining) {
  std::mt19937_64 random(10);
  const auto loss = make_sigmoid_loss(63, 3, random, SigmoidFocal{}, SumOverRows{});
  const auto evaluated = evaluation(loss);
  EXPECT_TRUE(evaluated.shift.empty());
  EXPECT_EQ(evaluated.negative_scale, 1.0);
  EXPECT_EQ(evaluated.class_weights, loss.class_weights);
  EXPECT_EQ(evaluated.rebalance, loss.rebalance);
}

TEST(SigmoidLoss, EqualsItsDefinitionInDouble) {
  std::mt19937_64 random(1);
  for (const std::size_t labels : kLabels) {
    for (unsigned variant = 0; variant<kElementVariants; variant += labels> 50 ? 7 : 1) {
      const ElementBatch batch =
          make_element_batch(some_rows(labels, random), labels, random, variant % 3 == 0);
      for_all_losses(labels, [&](auto sides, auto reduction) {
        const auto loss = make_sigmoid_loss(variant, labels, random, sides, reduction);
        const double expected = reference_loss(loss, batch, batch.logits);
        for (const kernels::Cpu cpu : cpus()) {
          // Sums of elements, each of a few roundings.
          EXPECT_NEAR(run<double>(loss, batch, cpu).value, expected,
                      200 * kEpsilon * (1 + std::fabs(expected)))
              << labels << " labels, variant " << variant;
        }
      });
    }
  }
}

TEST(SigmoidLoss, GradientEqualsFiniteDifferences) {
  std::mt19937_64 random(2);
  for (const std::size_t labels : {1U, 2U, 5U, 17U}) {
    for (unsigned variant = 0; variant < kElementVariants; ++variant) {
      const ElementBatch batch =
          make_element_batch(5, labels, random, variant % 2 == 0, /*spread=*/1.5);
      for_all_losses(labels, [&](auto sides, auto reduction) {
        const auto loss = make_sigmoid_loss(variant, labels, random, sides, reduction);
        const std::vector<double> gradient =
            run<double>(loss, batch, kernels::widest_cpu()).gradient;
        for (std::size_t i = random() % 5; i < batch.logits.size(); i += 5) {
          // Central differences: error h^2 / 6 from the third derivative, epsilon / h from
          // rounding, each times a few weights of up to 2.
          constexpr double kStep = 1e-5;
          std::vector<double> moved = batch.logits;
          moved[i] += kStep;
          const double above = reference_loss(loss, batch, moved);
          moved[i] -= 2 * kStep;
          const double below = reference_loss(loss, batch, moved);
          EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 2e-8 * (1 + std::fabs(above)))
              << labels << " labels, variant " << variant << ", element " << i;
        }
      });
    }
  }
}

TEST(SigmoidLoss, FloatEqualsDoubleOnEveryInstructionSet) {
  std::mt19937_64 random(3);
  constexpr double kFloatEpsilon = std::numeric_limits<float>::epsilon();
  for (const std::size_t labels : kLabels) {
    for (unsigned variant = 0; variant<kElementVariants; variant += labels> 50 ? 7 : 1) {
      const ElementBatch batch =
          make_element_batch(some_rows(labels, random), labels, random, variant % 3 == 0);
      for_all_losses(labels, [&](auto sides, auto reduction) {
        const auto loss = make_sigmoid_loss(variant, labels, random, sides, reduction);
        const Result<double> exact = run<double>(loss, batch, kernels::widest_cpu());
        // A gradient is at most the product of the largest weights (of row, label and positives) of
        // 2 each, that of rebalancing, 1.1, and the largest coefficient, times a slope of a few.
        const std::vector<double> scales = coefficients(
            loss.reduction, denominators(loss, batch.target_view(), batch.attributes()));
        const double term = 10 * *std::max_element(scales.begin(), scales.end());
        for (const kernels::Cpu cpu : cpus()) {
          const Result<float> result = run<float>(loss, batch, cpu);
          // Logits reach about 20, so a probability carries some 20 epsilon of relative error.
          EXPECT_NEAR(result.value, exact.value,
                      200 * kFloatEpsilon * (1 + std::fabs(exact.value)));
          for (std::size_t i = 0; i < exact.gradient.size(); ++i) {
            ASSERT_NEAR(static_cast<double>(result.gradient[i]), exact.gradient[i],
                        50 * kFloatEpsilon * term)
                << labels << " labels, variant " << variant << ", element " << i;
          }
        }
      });
    }
  }
}

template <class Y>
double value_of_targets(const std::vector<int>& targets, std::vector<double>& gradient) {
  const auto values = std::make_unique<Y[]>(targets.size());
  std::copy(targets.begin(), targets.end(), values.get());
  std::vector<double> logits(targets.size());
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = 0.1 * static_cast<double>(i) - 2;
  gradient.resize(targets.size());
  return value_and_gradient(SigmoidLoss<AsymmetricFocal, MeanByPositives>{},
                            MatrixView<const double>(logits.data(), targets.size() / 5, 5),
                            MatrixView<const Y>(values.get(), targets.size() / 5, 5), {},
                            MatrixView<double>(gradient.data(), targets.size() / 5, 5));
}

TEST(SigmoidLoss, TakesTargetsOfAnyArithmeticType) {
  std::vector<int> targets(40);
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = i % 3 == 0 ? 1 : 0;
  std::vector<double> expected;
  const double value = value_of_targets<double>(targets, expected);
  const auto expect_equal = [&](auto example) {
    std::vector<double> gradient;
    EXPECT_EQ(value_of_targets<decltype(example)>(targets, gradient), value);
    EXPECT_EQ(gradient, expected);
  };
  expect_equal(false);
  expect_equal(std::uint8_t{});
  expect_equal(std::int8_t{});
  expect_equal(std::int64_t{});
  expect_equal(std::uint32_t{});
  expect_equal(0.0F);
}

template <class T>
void expect_parts_add_up_to_the_whole(std::uint64_t seed, double bound) {
  std::mt19937_64 random(seed);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::size_t labels = 1 + random() % 20;
    const ElementBatch batch =
        make_element_batch(1 + random() % 60, labels, random, repeat % 2 == 0);
    for_all_losses(labels, [&](auto sides, auto reduction) {
      const auto loss = make_sigmoid_loss(static_cast<unsigned>(random() % kElementVariants),
                                          labels, random, sides, reduction);
      const Result<T> whole = run<T>(loss, batch, kernels::cpu());
      // Micro-batches of random sizes: denominators first, merged; then each with the same scales.
      std::vector<std::size_t> cuts = {0, batch.rows};
      for (int k = 0; k < 3; ++k) cuts.push_back(random() % (batch.rows + 1));
      std::sort(cuts.begin(), cuts.end());
      const auto part = [&](std::size_t k, const auto& f) {
        const std::size_t begin = cuts[k];
        const std::size_t count = cuts[k + 1] - begin;
        const LossArguments all = batch.attributes();
        f(begin, batch.target_view().middle_rows(begin, count),
          LossArguments{all.sample_weights.subspan(begin, count), all.groups.subspan(begin, count),
                        all.mask.middle_rows(begin, count)});
      };
      LossPartial masses;
      for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
        part(k, [&](std::size_t, auto targets, const LossArguments& attributes) {
          masses += denominators(loss, targets, attributes);
        });
      }
      const std::vector<double> scales = coefficients(loss.reduction, masses);
      LossPartial total;
      const std::vector<T> logits(batch.logits.begin(), batch.logits.end());
      std::vector<T> gradient(batch.logits.size());
      for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
        part(k, [&](std::size_t begin, auto targets, const LossArguments& attributes) {
          total += equipoise::partial(
              loss, MatrixView<const T>(logits.data() + begin * labels, targets.rows, labels),
              targets, testing::with_coefficients(attributes, scales),
              LossOutputs<T>{{gradient.data() + begin * labels, targets.rows, labels}, {}});
        });
      }
      EXPECT_NEAR(equipoise::value(loss, total, scales), whole.value,
                  bound * (1 + std::fabs(whole.value)));
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        // An element's path through the kernel does not depend on its neighbours; only the
        // denominators are summed in another order.
        ASSERT_NEAR(gradient[i], whole.gradient[i], bound * (1e-3 + std::fabs(whole.gradient[i])));
      }
    });
  }
}

TEST(SigmoidLoss, PartsAddUpToTheWholeInDouble) {
  expect_parts_add_up_to_the_whole<double>(4, 1e-13);
}
TEST(SigmoidLoss, PartsAddUpToTheWholeInFloat) { expect_parts_add_up_to_the_whole<float>(5, 1e-5); }

TEST(SigmoidLoss, ReadsAndWritesAnyStrides) {
  std::mt19937_64 random(6);
  for (const std::size_t labels : {1U, 2U, 5U, 17U, 600U}) {
    const std::size_t rows = 50;
    const ElementBatch batch = make_element_batch(rows, labels, random, true);
    const auto loss = make_sigmoid_loss(63, labels, random, SigmoidFocal{}, MeanByWeight{});
    const MatrixView<const double> dense(batch.logits.data(), rows, labels);
    std::vector<double> expected(rows * labels);
    const double value = value_and_gradient(loss, dense, batch.target_view(), batch.attributes(),
                                            MatrixView<double>(expected.data(), rows, labels));

    // Transposed, spread out, and with room between the rows.
    const auto r = static_cast<std::ptrdiff_t>(rows);
    const auto c = static_cast<std::ptrdiff_t>(labels);
    const std::pair<std::ptrdiff_t, std::ptrdiff_t> layouts[] = {{1, r}, {3 * c, 3}, {2 * c, 1}};
    for (const std::pair<std::ptrdiff_t, std::ptrdiff_t>& strides : layouts) {
      std::vector<double> space(6 * rows * labels, -7.0);
      std::vector<double> target_space(6 * rows * labels, -7.0);
      std::vector<std::uint8_t> mask_space(6 * rows * labels, 7);
      std::vector<double> out(6 * rows * labels, -7.0);
      std::vector<double> losses(6 * rows * labels, -7.0);
      const auto strided = [&](auto& values) {
        return MatrixView<std::remove_reference_t<decltype(values[0])>>(
            values.data(), rows, labels, strides.first, strides.second);
      };
      const auto logits = strided(space);
      const auto targets = strided(target_space);
      const auto mask = strided(mask_space);
      const auto gradient = strided(out);
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t l = 0; l < labels; ++l) {
          logits(i, l) = dense(i, l);
          targets(i, l) = batch.target_view()(i, l);
          mask(i, l) = batch.mask[i * labels + l];
        }
      }
      const LossArguments attributes{batch.sample_weights, {}, mask};
      expect_same(
          value_and_gradient(loss, MatrixView<const double>(logits), targets, attributes, gradient),
          value);
      expect_same(equipoise::value(loss, MatrixView<const double>(logits), targets, attributes),
                  value);
      const std::vector<double> one = {1.0};
      equipoise::partial(loss, MatrixView<const double>(logits), targets,
                         testing::with_coefficients(attributes, one),
                         LossOutputs<double>{{}, strided(losses)});
      std::size_t untouched = 0;
      for (const double x : out) untouched += x == -7.0 ? 1 : 0;
      EXPECT_EQ(untouched, out.size() - rows * labels);
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t l = 0; l < labels; ++l) {
          expect_same(gradient(i, l), expected[i * labels + l]);
          ASSERT_NEAR(strided(losses)(i, l),
                      testing::reference_element_loss(loss, batch, batch.logits, i, l), 1e-13);
        }
      }
    }
  }
}

TEST(SigmoidLoss, GradientMayTakeTheLogitsPlace) {
  std::mt19937_64 random(7);
  ElementBatch batch = make_element_batch(300, 7, random, false);
  const SigmoidLoss<SigmoidFocal> loss;
  const Result<double> expected = run<double>(loss, batch, kernels::cpu());
  const MatrixView<double> both(batch.logits.data(), batch.rows, batch.labels);
  EXPECT_EQ(value_and_gradient(loss, MatrixView<const double>(both), batch.target_view(),
                               batch.attributes(), both),
            expected.value);
  EXPECT_EQ(batch.logits, expected.gradient);
}

TEST(SigmoidLoss, DoesNotDependOnThreads) {
  std::mt19937_64 random(7);
  const ElementBatch batch = make_element_batch(9000, 7, random, false);
  const auto threads = [](std::size_t blocks, const auto& f) {
    std::vector<std::thread> running;
    for (std::size_t block = blocks; block-- > 0;) running.emplace_back([&f, block] { f(block); });
    for (std::thread& thread : running) thread.join();
  };
  for_all_losses(7, [&](auto sides, auto reduction) {
    const auto loss = make_sigmoid_loss(63, 7, random, sides, reduction);
    const Result<double> serial = run<double>(loss, batch, kernels::cpu());
    const LossPartial masses = denominators(loss, batch.target_view(), batch.attributes(), threads);
    const LossPartial alone = denominators(loss, batch.target_view(), batch.attributes());
    for (std::size_t k = 0; k < masses.buckets.size(); ++k) {
      expect_same(masses.buckets[k].denominator / alone.buckets[k].denominator, 1);
      EXPECT_EQ(masses.buckets[k].valid, alone.buckets[k].valid);
    }
    const std::vector<double> scales = coefficients(loss.reduction, masses);
    std::vector<double> gradient(batch.logits.size());
    const LossPartial partial = equipoise::partial(
        loss, MatrixView<const double>(batch.logits.data(), batch.rows, batch.labels),
        batch.target_view(), testing::with_coefficients(batch.attributes(), scales),
        LossOutputs<double>{{gradient.data(), batch.rows, batch.labels}, {}}, threads);
    expect_same(equipoise::value(loss, partial, scales), serial.value);
    expect_same(gradient, serial.gradient);
  });
}

template <class T, class Loss>
double loss_of(const Loss& loss, const std::vector<T>& logits, const std::vector<int>& targets,
               std::vector<T>* gradient = nullptr, const LossArguments& attributes = {}) {
  const MatrixView<const T> z(logits.data(), logits.size(), 1);
  const MatrixView<const int> y(targets.data(), targets.size(), 1);
  if (gradient == nullptr) return equipoise::value(loss, z, y, attributes);
  gradient->assign(logits.size(), T(-7));
  return value_and_gradient(loss, z, y, attributes,
                            MatrixView<T>(gradient->data(), gradient->size(), 1));
}

TEST(SigmoidLossEdge, EmptyAndIgnoredBatches) {
  SigmoidLoss<> loss;
  EXPECT_EQ(loss_of<float>(loss, {}, {}), 0.0);
  const std::vector<std::uint8_t> mask = {0, 0, 0};
  const LossArguments attributes{{}, {}, {mask.data(), 3, 1}};
  std::vector<float> gradient;
  // Neither logits nor targets of masked elements matter.
  EXPECT_EQ(loss_of<float>(loss, {1, NAN, INFINITY}, {-100, 2, 1}, &gradient, attributes), 0.0);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0}));
  loss.empty_batch = EmptyBatch::kNaN;
  EXPECT_TRUE(detail::is_nan(loss_of<float>(loss, {}, {})));
  EXPECT_TRUE(detail::is_nan(loss_of<float>(loss, {1, 2, 3}, {0, 0, 0}, nullptr, attributes)));
  // No columns are no elements.
  EXPECT_EQ(equipoise::value(SigmoidLoss<>{}, MatrixView<const float>(nullptr, 3, 0),
                             MatrixView<const int>(nullptr, 3, 0)),
            0.0);
}

TEST(SigmoidLossEdge, ZeroTotalWeightAndNoPositives) {
  SigmoidLoss<BinaryCrossEntropy, MeanByWeight> loss;
  loss.class_weights = {0.0};
  std::vector<double> gradient;
  EXPECT_EQ(loss_of<double>(loss, {1, 2}, {0, 1}, &gradient), 0.0);
  EXPECT_EQ(gradient, (std::vector<double>{0, 0}));
  const SigmoidLoss<BinaryCrossEntropy, MeanByPositives> by_positives;
  EXPECT_EQ(loss_of<double>(by_positives, {1, 2}, {0, 0}, &gradient), 0.0);
  EXPECT_EQ(gradient, (std::vector<double>{0, 0}));
}

TEST(SigmoidLossEdge, HugeLogits) {
  std::vector<double> gradient;
  const auto expect = [&](const auto& loss, double logit, int target, double value, double slope) {
    EXPECT_EQ(loss_of<double>(loss, {logit}, {target}, &gradient), value);
    EXPECT_EQ(gradient[0], slope);
  };
  const SigmoidLoss<> bce;
  expect(bce, 1e4, 1, 0, 0);
  expect(bce, -1e4, 1, 1e4, -1);
  expect(bce, 1e4, 0, 1e4, 1);
  expect(bce, -1e4, 0, 0, 0);
  const SigmoidLoss<SigmoidFocal> focal;
  expect(focal, 1e4, 1, 0, 0);
  expect(focal, -1e4, 1, 1e4, -1);
  expect(focal, 1e4, 0, 1e4, 1);
  // p + clip is at least the clip, so the loss of a negative that is held for a positive is
  // bounded.
  const SigmoidLoss<AsymmetricFocal> asymmetric;
  expect(asymmetric, -1e4, 0, 0, 0);
  const double value = loss_of<double>(asymmetric, {1e4}, {0}, &gradient);
  EXPECT_NEAR(value, -std::pow(0.95, 4) * std::log(0.05), 1e-14);
  EXPECT_EQ(gradient[0], 0.0);
}

TEST(SigmoidLossEdge, InfiniteLogits) {
  if (kFastMath) GTEST_SKIP() << "not defined where the compiler assumes finite numbers";
  std::vector<double> gradient;
  const SigmoidLoss<> bce;
  EXPECT_EQ(loss_of<double>(bce, {kInfinity, -kInfinity}, {1, 0}, &gradient), 0.0);
  EXPECT_EQ(gradient, (std::vector<double>{0, 0}));
  EXPECT_EQ(loss_of<double>(bce, {kInfinity, -kInfinity}, {0, 1}, &gradient), kInfinity);
  EXPECT_EQ(gradient, (std::vector<double>{0.5, -0.5}));
  EXPECT_EQ(loss_of<double>(SigmoidLoss<SigmoidFocal>{}, {kInfinity, -kInfinity}, {1, 0}), 0.0);
  const double nan = detail::quiet_nan();
  EXPECT_TRUE(detail::is_nan(loss_of<double>(bce, {0, nan}, {1, 1}, &gradient)));
  EXPECT_TRUE(detail::is_nan(gradient[1]));
  EXPECT_EQ(gradient[0], -0.25);
  EXPECT_TRUE(
      detail::is_nan(loss_of<double>(SigmoidLoss<AsymmetricFocal>{}, {nan}, {0}, &gradient)));
}

TEST(SigmoidLossEdge, SmallComplementsKeepTheirBits) {
  // ln(1 + e^-40) is far below epsilon, and so is 1 - sigma(40); both keep all digits, unless the
  // compiler takes (1 + x) - 1 for x.
  std::vector<double> gradient;
  const double expected = std::log1p(std::exp(-40.0));
  EXPECT_NEAR(loss_of<double>(SigmoidLoss<>{}, {40}, {1}, &gradient), expected,
              kFastMath ? kEpsilon : 1e-14 * expected);
  EXPECT_NEAR(gradient[0] / -expected, 1, 1e-14);
  EXPECT_NEAR(loss_of<double>(SigmoidLoss<>{}, {-40}, {0}, &gradient), expected,
              kFastMath ? kEpsilon : 1e-14 * expected);
  EXPECT_NEAR(gradient[0] / expected, 1, 1e-14);
}

TEST(SigmoidLossErrors, NameTheHyperParameter) {
  const std::vector<double> logits(6, 0.0);
  const std::vector<int> targets(6, 0);
  std::vector<double> gradient(6, -7.0);
  const auto call = [&](const auto& loss) {
    return error_of([&] {
      value_and_gradient(loss, MatrixView<const double>(logits.data(), 2, 3),
                         MatrixView<const int>(targets.data(), 2, 3), {},
                         MatrixView<double>(gradient.data(), 2, 3));
    });
  };
  SigmoidLoss<> loss;
  const auto with = [&](const auto& change) {
    SigmoidLoss<> changed;
    change(changed);
    return call(changed);
  };
  EXPECT_EQ(with([](auto& l) {
              l.class_weights = {1, 2};
            }),
            "value_and_gradient(): class_weights.size() = 2, expected 3 (labels)");
  EXPECT_EQ(with([](auto& l) {
              l.class_weights = {1, 2, -1};
            }),
            "value_and_gradient(): class_weights[2] = -1, expected a finite number >= 0");
  EXPECT_EQ(with([](auto& l) {
              l.pos_weight = {1, 2};
            }),
            "value_and_gradient(): pos_weight.size() = 2, expected 3 (labels)");
  EXPECT_EQ(with([](auto& l) {
              l.pos_weight = {kInfinity, 2, 1};
            }),
            "value_and_gradient(): pos_weight[0] = inf, expected a finite number >= 0");
  EXPECT_EQ(with([](auto& l) { l.positive_weight = -1; }),
            "value_and_gradient(): positive_weight = -1, expected a finite number >= 0");
  EXPECT_EQ(with([](auto& l) { l.negative_weight = detail::quiet_nan(); }),
            "value_and_gradient(): negative_weight = nan, expected a finite number >= 0");
  EXPECT_EQ(with([](auto& l) {
              l.shift = {0, -kInfinity, 0};
            }),
            "value_and_gradient(): shift[1] = -inf, expected a finite number");
  EXPECT_EQ(with([](auto& l) { l.negative_scale = 0; }),
            "value_and_gradient(): negative_scale = 0, expected a finite number > 0");
  EXPECT_EQ(with([](auto& l) {
              l.rebalance.counts = {1, 0, 2};
            }),
            "value_and_gradient(): rebalance.counts[1] = 0, expected a finite number > 0");
  EXPECT_EQ(with([](auto& l) { l.rebalance.alpha = -1; }),
            "value_and_gradient(): rebalance.alpha = -1, expected a finite number >= 0");
  EXPECT_EQ(with([](auto& l) { l.rebalance.beta = -1; }),
            "value_and_gradient(): rebalance.beta = -1, expected a finite number >= 0");
  EXPECT_EQ(with([](auto& l) { l.rebalance.mu = kInfinity; }),
            "value_and_gradient(): rebalance.mu = inf, expected a finite number");
  SigmoidLoss<AsymmetricFocal> asymmetric;
  asymmetric.sides.clip = 1;
  EXPECT_EQ(call(asymmetric), "value_and_gradient(): sides.clip = 1, expected a number in [0, 1)");
  asymmetric.sides = {-1, 4, 0};
  EXPECT_EQ(call(asymmetric),
            "value_and_gradient(): sides.gamma_positive = -1, expected a finite number >= 0");
  asymmetric.sides = {1, -4, 0};
  EXPECT_EQ(call(asymmetric),
            "value_and_gradient(): sides.gamma_negative = -4, expected a finite number >= 0");
  SigmoidLoss<SigmoidFocal> focal;
  focal.sides.gamma = -2;
  EXPECT_EQ(call(focal), "value_and_gradient(): sides.gamma = -2, expected a finite number >= 0");
  EXPECT_EQ(gradient, std::vector<double>(6, -7.0)) << "something was written";
}

TEST(SigmoidLossErrors, NameTheElement) {
  const std::vector<double> logits(6, 0.0);
  const MatrixView<const double> z(logits.data(), 2, 3);
  const auto call = [&](const auto& targets, const LossArguments& attributes = {}) {
    using Y = std::remove_reference_t<decltype(targets[0])>;
    return error_of([&] {
      equipoise::value(SigmoidLoss<>{}, z, MatrixView<Y>(targets.data(), targets.size() / 3, 3),
                       attributes);
    });
  };
  EXPECT_EQ(call(std::vector<int>{0, 1, 0, 0, 2, -1}),
            "value(): targets[1][1] = 2, expected 0 or 1");
  EXPECT_EQ(call(std::vector<float>{0, 1, 0.5, 0, 1, 1.5}),
            "value(): targets[1][2] = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(call(std::vector<float>{0, -0.25F, 0.5, 0, 1, 1}),
            "value(): targets[0][1] = -0.25, expected a number in [0, 1]");
  EXPECT_EQ(call(std::vector<double>{detail::quiet_nan(), 1, 0.5, 0, 1, 1}),
            "value(): targets[0][0] = nan, expected a number in [0, 1]");
  EXPECT_EQ(call(std::vector<double>{-0.0, 1, 0.5, 0, 1, 1}), "nothing was thrown");
  const std::vector<int> targets(6, 0);
  EXPECT_EQ(call(std::vector<int>(3, 0)), "value(): targets.rows = 1, expected 2 (rows of logits)");
  const std::vector<double> weights = {1.0, -2.0};
  EXPECT_EQ(call(targets, {weights, {}, {}}),
            "value(): sample_weights[1] = -2, expected a finite number >= 0");
  const std::vector<std::int64_t> groups = {0, 1, 2};
  EXPECT_EQ(call(targets, {{}, groups, {}}),
            "value(): groups.size() = 3, expected 2 (rows of targets)");
  const std::vector<std::uint8_t> mask(4, 1);
  EXPECT_EQ(call(targets, {{}, {}, {mask.data(), 2, 2}}),
            "value(): mask.cols = 2, expected 3 (cols of targets)");
}

// An element without a bucket is refused before it is asked for its mass.
TEST(SigmoidLossErrors, NameTheElementWithoutABucket) {
  const std::vector<double> logits(6, 0.0);
  const std::vector<int> targets(6, 0);
  SigmoidLoss<BinaryCrossEntropy, testing::MeanPerListedClass> loss;
  loss.reduction.factors = {1, 1};
  EXPECT_EQ(error_of([&] {
              equipoise::value(loss, MatrixView<const double>(logits.data(), 2, 3),
                               MatrixView<const int>(targets.data(), 2, 3));
            }),
            "value(): bucket of element[0][2] = 2, expected less than 2");
}

TEST(SigmoidLossErrors, NameTheBucketAndTheOutput) {
  const std::vector<double> logits(6, 0.0);
  const std::vector<int> targets(6, 0);
  const MatrixView<const double> z(logits.data(), 2, 3);
  const MatrixView<const int> y(targets.data(), 2, 3);
  const std::vector<std::int64_t> groups = {0, 2};
  SigmoidLoss<BinaryCrossEntropy, MeanPerGroup> loss;
  loss.reduction.groups = 2;
  EXPECT_EQ(error_of([&] {
              equipoise::value(loss, z, y, {{}, groups, {}});
            }),
            "value(): groups[1] = 2, expected a group in [0, 2)");
  EXPECT_EQ(error_of([&] { equipoise::value(loss, z, y); }),
            "value(): groups.size() = 0, expected 2 (rows of targets)");
  SigmoidLoss<BinaryCrossEntropy, GroupDro> robust;
  robust.reduction.groups = 2;
  robust.reduction.shares = {1};
  EXPECT_EQ(error_of([&] {
              equipoise::value(robust, z, y, {{}, groups, {}});
            }),
            "value(): shares.size() = 1, expected 2 (groups)");
  // A row that is masked whole may be of any group.
  const std::vector<std::uint8_t> mask = {1, 1, 1, 0, 0, 0};
  EXPECT_EQ(error_of([&] {
              equipoise::value(loss, z, y, {{}, groups, {mask.data(), 2, 3}});
            }),
            "nothing was thrown");
  std::vector<double> gradient(6);
  EXPECT_EQ(error_of([&] {
              value_and_gradient(SigmoidLoss<>{}, z, y, {},
                                 MatrixView<double>(gradient.data(), 3, 2));
            }),
            "value_and_gradient(): gradient.rows = 3, expected 2 (rows of logits)");
  const std::vector<double> two = {1, 1};
  EXPECT_EQ(error_of([&] { equipoise::partial(SigmoidLoss<>{}, z, y, {.coefficients = two}); }),
            "partial(): coefficients.size() = 2, expected 1 (buckets of the reduction)");
}

// What float logits cannot multiply with is refused before anything is written.
TEST(SigmoidLossErrors, NameWhatTheTypeOfTheLogitsDoesNotHold) {
  const std::vector<float> logits(6, 0.0F);
  const std::vector<double> same(6, 0.0);
  const std::vector<int> targets = {0, 1, 0, 0, 0, 1};
  const MatrixView<const int> y(targets.data(), 2, 3);
  std::vector<float> gradient(6, -7.0F);
  std::vector<double> sample_weights;
  const auto call = [&](const auto& change) {
    SigmoidLoss<> loss;
    sample_weights.clear();
    change(loss);
    const LossArguments rows{sample_weights, {}, {}};
    EXPECT_TRUE(std::isfinite(
        equipoise::value(loss, MatrixView<const double>(same.data(), 2, 3), y, rows)));
    return error_of([&] {
      value_and_gradient(loss, MatrixView<const float>(logits.data(), 2, 3), y, rows,
                         MatrixView<float>(gradient.data(), 2, 3));
    });
  };
  const std::string floats =
      ", expected 0 or a number in [1.1754944e-38, 3.4028235e+38], as the type of the logits has "
      "it";
  EXPECT_EQ(call([](auto& l) {
              l.class_weights = {1, 1e39, 1};
            }),
            "value_and_gradient(): class_weights[1] = 1e+39" + floats);
  EXPECT_EQ(call([](auto& l) {
              l.pos_weight = {1, 1, 1e-46};
            }),
            "value_and_gradient(): pos_weight[2] = 1e-46" + floats);
  EXPECT_EQ(call([](auto& l) { l.positive_weight = 1e39; }),
            "value_and_gradient(): positive_weight = 1e+39" + floats);
  EXPECT_EQ(call([](auto& l) { l.negative_weight = 1e-46; }),
            "value_and_gradient(): negative_weight = 1e-46" + floats);
  EXPECT_EQ(call([](auto& l) { l.negative_scale = 1e39; }),
            "value_and_gradient(): negative_scale = 1e+39" + floats);
  EXPECT_EQ(call([&](auto&) {
              sample_weights = {1, 1e39};
            }),
            "value_and_gradient(): sample_weights[1] = 1e+39" + floats);
  EXPECT_EQ(call([](auto& l) {
              l.class_weights = {1, 1, 1e30};
              l.pos_weight = {1, 1, 1e20};
            }),
            "value_and_gradient(): weight of the positives of label[2] = 1e+50" + floats);
  EXPECT_EQ(call([&](auto& l) {
              l.class_weights = {1, 1e-30, 1};
              sample_weights = {1, 1e-20};
            }),
            "value_and_gradient(): least label weight x sample weight = 1e-50" + floats);
  // Nor is a product that vanishes in double a weight of zero.
  const std::vector<double> small(2, 1e-200);
  const LossArguments rows{small, {}, {}};
  SigmoidLoss<> vanishing;
  vanishing.class_weights = {1, 1e-200, 1};
  EXPECT_EQ(error_of([&] {
              equipoise::value(vanishing, MatrixView<const double>(same.data(), 2, 3), y, rows);
            }),
            "value(): least label weight x sample weight = 0, expected 0 or a number in "
            "[2.2250738585072014e-308, 1.7976931348623157e+308], as the type of the logits has it");
  EXPECT_EQ(
      call([](auto& l) {
        l.shift = {0, -1e39, 0};
      }),
      "value_and_gradient(): shift[1] = -1e+39, expected at most 3.4028235e+38, the most that the "
      "type of the logits has");
  EXPECT_EQ(gradient, std::vector<float>(6, -7.0F)) << "something was written";
}

TEST(SigmoidLoss, TakesAReductionByGroupAndLabel) {
  const std::vector<double> logits(6, 0.0);
  const std::vector<int> targets(6, 0);
  const MatrixView<const double> z(logits.data(), 3, 2);
  const MatrixView<const int> y(targets.data(), 3, 2);
  const std::vector<std::int64_t> groups = {0, 2, 2};
  SigmoidLoss<BinaryCrossEntropy, testing::MeanPerCell> loss;
  loss.reduction = {3, 2};
  // Each of the 4 cells has the mean ln 2. Row 0 is alone in its two.
  std::vector<double> gradient(6);
  constexpr double kBound = 8 * std::numeric_limits<double>::epsilon();
  EXPECT_NEAR(
      value_and_gradient(loss, z, y, {{}, groups, {}}, MatrixView<double>(gradient.data(), 3, 2)),
      std::log(2.0), kBound);
  EXPECT_NEAR(gradient[0], 0.5 / 4, kBound);
  EXPECT_NEAR(gradient[5], 0.5 / 8, kBound);
  EXPECT_EQ(error_of([&] { equipoise::value(loss, z, y); }),
            "value(): groups.size() = 0, expected 3 (rows of targets)");
  loss.reduction.groups = 2;
  EXPECT_EQ(error_of([&] {
              equipoise::value(loss, z, y, {{}, groups, {}});
            }),
            "value(): groups[1] = 2, expected a group in [0, 2)");
}

TEST(SigmoidLossErrors, NameThePriorAndTheCount) {
  EXPECT_EQ(error_of([] {
              initial_bias(std::vector<double>{0.5, 1.0});
            }),
            "initial_bias(): prior[1] = 1, expected a number inside (0, 1)");
  EXPECT_EQ(error_of([] { sigmoid_focal(1.5); }),
            "sigmoid_focal(): alpha = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(error_of([] {
              distribution_balanced(ClassCounts{5, 0}, 10);
            }),
            "distribution_balanced(): positives[1] = 0, expected a number inside (0, 10)");
  EXPECT_EQ(error_of([] {
              distribution_balanced(ClassCounts{5, 10}, 10);
            }),
            "distribution_balanced(): positives[1] = 10, expected a number inside (0, 10)");
  EXPECT_EQ(error_of([] {
              distribution_balanced(ClassCounts{5, 1}, 10, {.bias = -1});
            }),
            "distribution_balanced(): options.bias = -1, expected a finite number >= 0");
  EXPECT_EQ(error_of([] {
              distribution_balanced(ClassCounts{5, 1}, 10, {.negative_scale = 0});
            }),
            "distribution_balanced(): negative_scale = 0, expected a finite number > 0");
}

}  // namespace
}  // namespace equipoise
