#include "equipoise/loss/softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/cpus.h"
#include "tests/support/errors.h"
#include "tests/support/loss_call.h"
#include "tests/support/softmax_reference.h"
#include "tests/support/users_own.h"

namespace equipoise {
namespace {

using testing::Batch;
using testing::cpus;
using testing::error_of;
using testing::kVariants;
using testing::make_batch;
using testing::make_loss;
using testing::reference_loss;
using testing::TargetKind;
using testing::Tsallis;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What an error says of a number that float does not hold.
const std::string kFloats =
    ", expected 0 or a number in [1.1754944e-38, 3.4028235e+38], as the type of the logits has it";

// Whether the compiler may assume finite numbers and reorder sums.
#ifdef __FAST_MATH__
constexpr bool kFastMath = true;
#else
constexpr bool kFastMath = false;
#endif

// Calls f with every modulator and reduction.
template <class F>
void for_all_losses(std::size_t classes, const F& f) {
  const auto with_modulator = [&](auto modulator) {
    f(modulator, MeanByCount{});
    f(modulator, MeanByWeight{});
    f(modulator, SumOverRows{});
    f(modulator, MeanPerClass{classes});
    f(modulator, MeanPerGroup{testing::kGroups});
  };
  with_modulator(CrossEntropy{});
  with_modulator(Focal{2.0});
  with_modulator(Focal{0.5});
  with_modulator(Tsallis{});
  with_modulator(poly1(1.0));
  with_modulator(poly1(Focal{2.0}, 0.5));
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

template <class T, class M, class R, class Targets>
Result<T> run_on(const SoftmaxLoss<M, R>& loss, const Batch& batch, const Targets& targets,
                 kernels::Cpu cpu) {
  const std::vector<T> logits = cast<T>(batch.logits);
  Result<T> result{0, std::vector<T>(logits.size())};
  const std::vector<double> scales =
      coefficients(loss.reduction, denominators(loss, targets, batch.classes, batch.attributes()));
  const LossPartial partial = equipoise::partial(
      loss, MatrixView<const T>(logits.data(), batch.rows, batch.classes), targets,
      testing::with_coefficients(batch.attributes(), scales),
      LossOutputs<T>{{result.gradient.data(), batch.rows, batch.classes}, {}}, testing::On{cpu});
  result.value = equipoise::value(loss, partial, scales);
  return result;
}

template <class T, class M, class R>
Result<T> run(const SoftmaxLoss<M, R>& loss, const Batch& batch, kernels::Cpu cpu,
              TargetKind kind = TargetKind::kIndices) {
  if (kind == TargetKind::kIndices) return run_on<T>(loss, batch, batch.targets, cpu);
  const std::vector<T> probabilities = cast<T>(batch.probabilities);
  const MatrixView<const T> view(probabilities.data(), batch.rows, batch.classes);
  return run_on<T>(loss, batch, ProbabilityTargets<T>{view, batch.mask}, cpu);
}

// Calls f(variant, kind) for variants that switch everything on and off, in many combinations, with
// both kinds of targets.
template <class F>
void for_variants(const F& f) {
  // Steps that no power of two divides, so that each bit changes often.
  for (unsigned variant = 0; variant < kVariants; variant += 29) f(variant, TargetKind::kIndices);
  for (unsigned variant = 0; variant < kVariants; variant += 37) {
    f(variant & ~testing::kNeedIndices, TargetKind::kProbabilities);
  }
  for (unsigned bit = 1; bit < kVariants; bit *= 2) f(bit, TargetKind::kIndices);
}

// Narrow, one vector and a bit, tails of every width.
constexpr std::size_t kClasses[] = {1, 2, 3, 5, 16, 17, 31, 32, 33, 47, 100};

TEST(SoftmaxLoss, EqualsItsDefinitionInDouble) {
  std::mt19937_64 random(1);
  for (const std::size_t classes : kClasses) {
    for_variants([&](unsigned variant, TargetKind kind) {
      const Batch batch = make_batch(1 + random() % 40, classes, random);
      for_all_losses(classes, [&](auto modulator, auto reduction) {
        const auto loss = make_loss(variant, classes, random, modulator, reduction);
        const double expected = reference_loss(loss, batch, batch.logits, kind);
        for (const kernels::Cpu cpu : cpus()) {
          // Sums of `rows` terms, each of a few roundings.
          EXPECT_NEAR(run<double>(loss, batch, cpu, kind).value, expected,
                      200 * std::numeric_limits<double>::epsilon() * (1 + std::fabs(expected)))
              << classes << " classes, variant " << variant;
        }
      });
    });
  }
}

TEST(SoftmaxLoss, GradientEqualsFiniteDifferences) {
  std::mt19937_64 random(2);
  for (const std::size_t classes : {1U, 2U, 5U, 16U, 17U, 33U}) {
    for_variants([&](unsigned variant, TargetKind kind) {
      const Batch batch = make_batch(4, classes, random, 1.5);
      for_all_losses(classes, [&](auto modulator, auto reduction) {
        const auto loss = make_loss(variant, classes, random, modulator, reduction);
        const std::vector<double> gradient =
            run<double>(loss, batch, kernels::widest_cpu(), kind).gradient;
        const std::vector<double> scales = coefficients(
            loss.reduction,
            kind == TargetKind::kIndices
                ? denominators(loss, batch.targets, batch.classes, batch.attributes())
                : denominators(loss, batch.distributions(), batch.classes, batch.attributes()));
        for (std::size_t i = random() % 3; i < batch.logits.size(); i += 3) {
          const std::size_t row = i / classes;
          if (batch.mask[row] == 0) {
            EXPECT_EQ(gradient[i], 0);
            continue;
          }
          const auto bucket = static_cast<std::size_t>(
              loss.reduction.bucket(testing::reference_row(loss, batch, row, kind)));
          // Central differences: error h^2 / 6 from the third derivative, epsilon / h from
          // rounding. Only the loss of its row depends on a logit.
          constexpr double kStep = 1e-5;
          std::vector<double> moved = batch.logits;
          const auto loss_at = [&](double step) {
            moved[i] = batch.logits[i] + step;
            return scales[bucket] *
                   testing::reference_row_loss(loss, batch, moved, row, kind, batch.logits);
          };
          const double above = loss_at(kStep);
          const double below = loss_at(-kStep);
          EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 2e-8 * (1 + std::fabs(above)))
              << classes << " classes, variant " << variant << ", element " << i;
        }
      });
    });
  }
}

TEST(SoftmaxLoss, FloatEqualsDoubleOnEveryInstructionSet) {
  std::mt19937_64 random(3);
  constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
  for (const std::size_t classes : kClasses) {
    for_variants([&](unsigned variant, TargetKind kind) {
      const Batch batch = make_batch(1 + random() % 40, classes, random);
      for_all_losses(classes, [&](auto modulator, auto reduction) {
        const auto loss = make_loss(variant, classes, random, modulator, reduction);
        const Result<double> exact = run<double>(loss, batch, kernels::widest_cpu(), kind);
        // The terms of a gradient, which may cancel, are at most the product of the largest weights
        // (of class, group and sample) and scales (of all and of the group), 2 each, and the
        // largest coefficient.
        const std::vector<double> scales = coefficients(
            loss.reduction,
            kind == TargetKind::kIndices
                ? denominators(loss, batch.targets, classes, batch.attributes())
                : denominators(loss, batch.distributions(), classes, batch.attributes()));
        const double term = 32 * *std::max_element(scales.begin(), scales.end());
        for (const kernels::Cpu cpu : cpus()) {
          const Result<float> result = run<float>(loss, batch, cpu, kind);
          // Logits reach about 20, so a probability carries some 20 epsilon of relative error.
          EXPECT_NEAR(result.value, exact.value, 200 * kEpsilon * (1 + std::fabs(exact.value)));
          for (std::size_t i = 0; i < exact.gradient.size(); ++i) {
            ASSERT_NEAR(static_cast<double>(result.gradient[i]), exact.gradient[i],
                        50 * kEpsilon * term)
                << classes << " classes, variant " << variant << ", element " << i;
          }
        }
      });
    });
  }
}

TEST(SoftmaxLoss, OneHotTargetsEqualIndices) {
  std::mt19937_64 random(9);
  for (const std::size_t classes : {1U, 4U, 20U}) {
    for (unsigned variant = 0; variant < kVariants; variant += 5) {
      Batch batch = make_batch(20, classes, random);
      batch.probabilities.assign(batch.probabilities.size(), 0.0);
      for (std::size_t i = 0; i < batch.rows; ++i) {
        if (batch.mask[i] == 0) continue;
        batch.probabilities[i * classes + static_cast<std::size_t>(batch.targets[i])] = 1;
      }
      // LibTorch's conventions differ between the two, see the test of its parity.
      const unsigned consistent = variant & ~(testing::kNeedIndices | 32);
      for_all_losses(classes, [&](auto modulator, auto reduction) {
        const auto loss = make_loss(consistent, classes, random, modulator, reduction);
        const Result<double> by_index = run<double>(loss, batch, kernels::cpu());
        const Result<double> by_probability =
            run<double>(loss, batch, kernels::cpu(), TargetKind::kProbabilities);
        constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
        EXPECT_NEAR(by_probability.value, by_index.value,
                    100 * kEpsilon * (1 + std::fabs(by_index.value)));
        for (std::size_t i = 0; i < by_index.gradient.size(); ++i) {
          ASSERT_NEAR(by_probability.gradient[i], by_index.gradient[i],
                      200 * kEpsilon * (1 + std::fabs(by_index.gradient[i])));
        }
      });
    }
  }
}

// A class's weight multiplies what its rows lose, smoothing included, and nothing else. With
// LibTorch's smoothing it does not: every row takes part of it.
TEST(SoftmaxLoss, ConsistentWeightsBelongToTheirRows) {
  std::mt19937_64 random(11);
  constexpr std::size_t kRows = 40;
  const Batch batch = make_batch(kRows, 4, random);
  SoftmaxLoss<Focal> loss;
  loss.class_weights = {1, 1, 1, 1};
  loss.label_smoothing = 0.125;
  const auto row_losses = [&] {
    std::vector<double> rows(kRows);
    const std::vector<double> ones = {1.0};
    equipoise::partial(loss, MatrixView<const double>(batch.logits.data(), kRows, 4), batch.targets,
                       {.coefficients = ones},
                       LossOutputs<double>{{}, MatrixView<double>(rows.data(), rows.size(), 1)});
    return rows;
  };
  const std::vector<double> before = row_losses();
  loss.class_weights[2] = 4;
  const std::vector<double> after = row_losses();
  loss.convention = WeightConvention::kTorch;
  const std::vector<double> as_torch = row_losses();
  std::size_t others_changed = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    EXPECT_EQ(after[i], before[i] * (batch.targets[i] == 2 ? 4 : 1));
    others_changed += batch.targets[i] != 2 && as_torch[i] != before[i] ? 1 : 0;
  }
  EXPECT_GT(others_changed, kRows / 4);
}

// By hand: with equal logits p is 1/2 each, so K = 1, and M = (2 / 8)^(1/2) = 1/2 pushes the rare
// class half as much: loss log(1 + 1/2). The other way round there is no shift.
TEST(Seesaw, SparesTheRareClass) {
  SoftmaxLoss<> loss;
  loss.seesaw = seesaw(ClassCounts{8, 2}, /*mitigation=*/0.5);
  const std::vector<double> logits = {1, 1};
  const auto value_at = [&](int target) {
    return equipoise::value(loss, MatrixView<const double>(logits.data(), 1, 2),
                            std::vector<int>{target});
  };
  EXPECT_NEAR(value_at(0), std::log(1.5), 1e-15);
  EXPECT_NEAR(value_at(1), std::log(2.0), 1e-15);
}

// By hand: p = (1/4, 3/4): the target is mistaken for a class three times as probable, so K = 9,
// and the loss is log(1 + 9 * 3) = log 28.
TEST(Seesaw, PunishesTheMistake) {
  SoftmaxLoss<> loss;
  loss.seesaw = seesaw(ClassCounts{4, 4});
  const std::vector<double> logits = {0, std::log(3.0)};
  EXPECT_NEAR(
      equipoise::value(loss, MatrixView<const double>(logits.data(), 1, 2), std::vector<int>{0}),
      std::log(28.0), 4e-15);
}

// By hand: softmax-margin with a mistake that costs log 3: log(1 + 3) from equal logits.
TEST(PairShift, IsTheSoftmaxMargin) {
  SoftmaxLoss<> loss;
  loss.pair_shift = {{0, std::log(3.0), 0, 0}};
  const std::vector<double> logits = {1, 1};
  const auto value_at = [&](int target) {
    return equipoise::value(loss, MatrixView<const double>(logits.data(), 1, 2),
                            std::vector<int>{target});
  };
  EXPECT_NEAR(value_at(0), std::log(4.0), 1e-15);
  EXPECT_NEAR(value_at(1), std::log(2.0), 1e-15);
}

TEST(Evaluation, DropsWhatBendsTraining) {
  std::mt19937_64 random(10);
  auto loss = make_loss(2 + 4 + 8 + 64 + 128 + 256 + 512, 3, random, Focal{}, SumOverRows{});
  const auto evaluated = evaluation(loss);
  EXPECT_EQ(evaluated.logit_terms, loss.logit_terms.evaluation());
  EXPECT_EQ(evaluated.group_logit_terms[2], loss.group_logit_terms[2].evaluation());
  EXPECT_TRUE(evaluated.pair_shift.values.empty() && evaluated.seesaw.counts.empty());
  EXPECT_EQ(evaluated.group_weights, loss.group_weights);
}

TEST(SoftmaxLoss, ReadsAndWritesAnyStrides) {
  std::mt19937_64 random(6);
  for (const std::size_t classes : {2U, 5U, 17U, 40U, 9000U}) {
    const std::size_t rows = classes > 1000 ? 3 : 50;
    const Batch batch = make_batch(rows, classes, random);
    SoftmaxLoss<Focal> loss;
    loss.logit_terms.scale.assign(classes, 1.5);
    std::vector<double> expected(rows * classes);
    const MatrixView<const double> dense(batch.logits.data(), rows, classes);
    const double value = value_and_gradient(loss, dense, batch.targets, {},
                                            MatrixView<double>(expected.data(), rows, classes));

    // Transposed, spread out, and upside down.
    const auto r = static_cast<std::ptrdiff_t>(rows);
    const auto c = static_cast<std::ptrdiff_t>(classes);
    const std::pair<std::ptrdiff_t, std::ptrdiff_t> layouts[] = {{1, r}, {3 * c, 3}, {2 * c, 1}};
    for (const auto& [row_stride, col_stride] : layouts) {
      std::vector<double> space(6 * rows * classes, -7.0);
      std::vector<double> out(6 * rows * classes, -7.0);
      const MatrixView<double> logits(space.data(), rows, classes, row_stride, col_stride);
      const MatrixView<double> gradient(out.data(), rows, classes, row_stride, col_stride);
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t k = 0; k < classes; ++k) logits(i, k) = dense(i, k);
      }
      EXPECT_EQ(
          value_and_gradient(loss, MatrixView<const double>(logits), batch.targets, {}, gradient),
          value);
      EXPECT_EQ(equipoise::value(loss, MatrixView<const double>(logits), batch.targets), value);
      std::size_t untouched = 0;
      for (const double x : out) untouched += x == -7.0 ? 1 : 0;
      EXPECT_EQ(untouched, out.size() - rows * classes);
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t k = 0; k < classes; ++k) {
          ASSERT_EQ(gradient(i, k), expected[i * classes + k]);
        }
      }
    }
  }
}

// Dense rows of few classes are read and written by whole vectors, padded ones are not; and the
// gradient may take the memory of the logits.
TEST(SoftmaxLoss, DenseRowsOfFewClassesEqualPaddedOnes) {
  std::mt19937_64 random(7);
  SoftmaxLoss<Focal, MeanByWeight> loss;
  for (std::size_t classes = 1; classes <= 17; ++classes) {
    loss.class_weights.assign(classes, 0.75);
    for (const std::size_t rows : {1U, 7U, 8U, 9U, 16U, 17U, 18U, 24U, 33U, 70U}) {
      const Batch batch = make_batch(rows, classes, random);
      std::vector<float> dense(rows * classes + 32, -7.0F);
      std::vector<float> padded(rows * (classes + 3), -7.0F);
      const auto stride = static_cast<std::ptrdiff_t>(classes + 3);
      const MatrixView<float> far(padded.data(), rows, classes, stride, 1);
      const MatrixView<float> near(dense.data(), rows, classes);
      for (std::size_t i = 0; i < rows * classes; ++i) {
        near(i / classes, i % classes) = static_cast<float>(batch.logits[i]);
        far(i / classes, i % classes) = static_cast<float>(batch.logits[i]);
      }
      std::vector<float> apart(dense.size(), -7.0F);
      const MatrixView<float> out(apart.data(), rows, classes);
      const double expected =
          value_and_gradient(loss, MatrixView<const float>(far), batch.targets, {}, far);
      EXPECT_EQ(value_and_gradient(loss, MatrixView<const float>(near), batch.targets, {}, out),
                expected);
      EXPECT_EQ(value_and_gradient(loss, MatrixView<const float>(near), batch.targets, {}, near),
                expected);
      for (std::size_t i = 0; i < rows * classes; ++i) {
        ASSERT_EQ(out(i / classes, i % classes), far(i / classes, i % classes)) << classes;
      }
      EXPECT_EQ(apart, dense);  // what lies behind the rows is untouched
    }
  }
}

TEST(SoftmaxLoss, DoesNotDependOnThreads) {
  std::mt19937_64 random(7);
  const Batch batch = make_batch(5000, 7, random);
  const SoftmaxLoss<Focal, MeanByWeight> loss;
  const Result<double> serial = run<double>(loss, batch, kernels::cpu());
  const auto threads = [](std::size_t blocks, const auto& f) {
    std::vector<std::thread> running;
    for (std::size_t block = blocks; block-- > 0;) running.emplace_back([&f, block] { f(block); });
    for (std::thread& thread : running) thread.join();
  };
  const std::vector<double> scales = coefficients(
      loss.reduction, denominators(loss, batch.targets, batch.classes, batch.attributes()));
  std::vector<double> gradient(batch.logits.size());
  const LossPartial partial = equipoise::partial(
      loss, MatrixView<const double>(batch.logits.data(), batch.rows, batch.classes), batch.targets,
      testing::with_coefficients(batch.attributes(), scales),
      LossOutputs<double>{{gradient.data(), batch.rows, batch.classes}, {}}, threads);
  EXPECT_EQ(equipoise::value(loss, partial, scales), serial.value);
  EXPECT_EQ(gradient, serial.gradient);
}

TEST(SoftmaxLoss, RowLossesAreThoseOfTheDefinition) {
  std::mt19937_64 random(8);
  const Batch batch = make_batch(30, 4, random);
  const auto loss = make_loss(21, 4, random, Focal{}, MeanByCount{});
  std::vector<double> rows(30);
  const std::vector<double> scales = {1.0};
  equipoise::partial(loss, MatrixView<const double>(batch.logits.data(), 30, 4), batch.targets,
                     testing::with_coefficients(batch.attributes(), scales),
                     LossOutputs<double>{{}, MatrixView<double>(rows.data(), rows.size(), 1)});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_NEAR(rows[i], testing::reference_row_loss(loss, batch, batch.logits, i), 1e-13);
  }
}

template <class T>
double loss_of(const std::vector<T>& logits, const std::vector<int>& targets,
               std::vector<T>* gradient = nullptr, EmptyBatch empty = EmptyBatch::kZero) {
  SoftmaxLoss<> loss;
  loss.empty_batch = empty;
  const std::size_t classes = targets.empty() ? 2 : logits.size() / targets.size();
  const MatrixView<const T> z(logits.data(), targets.size(), classes);
  if (gradient == nullptr) return equipoise::value(loss, z, targets);
  gradient->assign(logits.size(), T(-7));
  return value_and_gradient(loss, z, targets, {},
                            MatrixView<T>(gradient->data(), targets.size(), classes));
}

TEST(SoftmaxLossEdge, EmptyAndIgnoredBatches) {
  EXPECT_EQ(loss_of<float>({}, {}), 0.0);
  EXPECT_TRUE(detail::is_nan(loss_of<float>({}, {}, nullptr, EmptyBatch::kNaN)));
  std::vector<float> gradient;
  EXPECT_EQ(loss_of<float>({1, NAN, 3, INFINITY}, {-100, -100}, &gradient), 0.0);
  EXPECT_EQ(gradient, (std::vector<float>{0, 0, 0, 0}));
  EXPECT_TRUE(detail::is_nan(loss_of<float>({1, 2}, {-100}, nullptr, EmptyBatch::kNaN)));
}

// Without classes no target is valid, and ignored rows have nothing to be written.
TEST(SoftmaxLossEdge, NoColumns) {
  EXPECT_EQ(loss_of<double>({}, {-100, -100}), 0.0);
  EXPECT_TRUE(detail::is_nan(loss_of<double>({}, {-100}, nullptr, EmptyBatch::kNaN)));
  EXPECT_EQ(error_of([] {
              loss_of<double>({}, {-100, 0});
            }),
            "value(): targets[1] = 0, expected a class in [0, 0) or the ignore index -100");
}

TEST(SoftmaxLossEdge, OtherIgnoreIndices) {
  const std::vector<double> logits = {1, 2, 3, 4};
  for (const std::int64_t ignored :
       {std::int64_t{-1}, std::int64_t{255}, std::numeric_limits<std::int64_t>::min()}) {
    SoftmaxLoss<> loss;
    loss.ignore_index = ignored;
    std::vector<double> gradient(4, -7.0);
    const double value = value_and_gradient(loss, MatrixView<const double>(logits.data(), 2, 2),
                                            std::vector<std::int64_t>{ignored, 0}, {},
                                            MatrixView<double>(gradient.data(), 2, 2));
    EXPECT_NEAR(value, std::log1p(std::exp(1.0)), 4 * std::numeric_limits<double>::epsilon());
    EXPECT_EQ(gradient[0], 0.0);
    EXPECT_EQ(gradient[1], 0.0);
    EXPECT_NE(gradient[2], 0.0);
  }
}

TEST(SoftmaxLossEdge, ZeroTotalWeight) {
  SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
  loss.class_weights = {0.0, 1.0};
  const std::vector<double> logits = {1, 2};
  std::vector<double> gradient(2, -7.0);
  const auto call = [&] {
    return value_and_gradient(loss, MatrixView<const double>(logits.data(), 1, 2),
                              std::vector<int>{0}, {}, MatrixView<double>(gradient.data(), 1, 2));
  };
  EXPECT_EQ(call(), 0.0);
  EXPECT_EQ(gradient, (std::vector<double>{0, 0}));
  loss.empty_batch = EmptyBatch::kNaN;
  EXPECT_TRUE(detail::is_nan(call()));
}

// Zero times an infinite loss, too; a weight of zero says that the row does not matter.
TEST(SoftmaxLossEdge, ARowOfWeightZeroAddsNothing) {
  if (kFastMath) GTEST_SKIP() << "not defined where the compiler assumes finite numbers";
  for (const std::size_t classes : {3U, 20U}) {
    std::vector<double> logits(2 * classes, 0.5);
    logits[classes] = -kInfinity;
    const std::vector<int> targets = {1, 0};
    SoftmaxLoss<Focal> loss;
    loss.class_weights.assign(classes, 1.0);
    loss.class_weights[0] = 0;
    std::vector<double> gradient(2 * classes, -7);
    const auto call = [&](const auto& y) {
      return value_and_gradient(loss, MatrixView<const double>(logits.data(), 2, classes), y, {},
                                MatrixView<double>(gradient.data(), 2, classes));
    };
    const double by_index = call(targets);
    // Half the loss of the first row: the second one counts as a row.
    const double p = 1.0 / static_cast<double>(classes);
    EXPECT_NEAR(by_index, -0.5 * (1 - p) * (1 - p) * std::log(p), 1e-15);
    const std::vector<double> by_index_gradient = gradient;
    EXPECT_EQ(
        std::count(gradient.begin() + static_cast<std::ptrdiff_t>(classes), gradient.end(), 0.0),
        classes);
    std::vector<double> one_hot(2 * classes, 0.0);
    one_hot[1] = one_hot[classes] = 1;
    EXPECT_NEAR(call(ProbabilityTargets<double>{{one_hot.data(), 2, classes}, {}}), by_index,
                1e-15);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      EXPECT_NEAR(gradient[i], by_index_gradient[i], 1e-15);
    }
  }
}

TEST(SoftmaxLossEdge, ASingleClassHasNoLoss) {
  std::vector<double> gradient;
  EXPECT_EQ(loss_of<double>({3, -1e4}, {0, 0}, &gradient), 0.0);
  EXPECT_EQ(gradient, (std::vector<double>{0, 0}));
}

TEST(SoftmaxLossEdge, HugeLogits) {
  for (const std::size_t classes : {2U, 40U}) {
    std::vector<double> logits(classes, 0.0);
    std::vector<double> gradient;
    logits[0] = 1e4;
    EXPECT_EQ(loss_of<double>(logits, {0}, &gradient), 0.0);
    EXPECT_EQ(gradient[0], 0.0);
    EXPECT_EQ(loss_of<double>(logits, {1}, &gradient), 1e4);
    EXPECT_EQ(gradient[0], 1.0);
    EXPECT_EQ(gradient[1], -1.0);
  }
}

TEST(SoftmaxLossEdge, InfiniteLogits) {
  if (kFastMath) GTEST_SKIP() << "not defined where the compiler assumes finite numbers";
  for (const std::size_t classes : {3U, 40U}) {
    std::vector<double> logits(classes, 1.0);
    std::vector<double> gradient;
    logits[2] = -kInfinity;  // a class that cannot be: the loss is that of the others
    EXPECT_NEAR(loss_of<double>(logits, {0}, &gradient), std::log(static_cast<double>(classes - 1)),
                1e-15);
    EXPECT_EQ(gradient[2], 0.0);
    EXPECT_EQ(loss_of<double>(logits, {2}, &gradient), kInfinity);
    EXPECT_EQ(gradient[2], -1.0);
    std::vector<double> focal_gradient(classes);
    EXPECT_EQ(value_and_gradient(
                  SoftmaxLoss<Focal>{}, MatrixView<const double>(logits.data(), 1, classes),
                  std::vector<int>{2}, {}, MatrixView<double>(focal_gradient.data(), 1, classes)),
              kInfinity);
    EXPECT_EQ(focal_gradient, gradient);  // (1 - p)^2 is 1
    logits[2] = kInfinity;
    EXPECT_TRUE(detail::is_nan(loss_of<double>(logits, {0})));
    logits[2] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(detail::is_nan(loss_of<double>(logits, {0}, &gradient)));
    EXPECT_TRUE(detail::is_nan(gradient[0]));
    logits.assign(classes, -kInfinity);
    EXPECT_TRUE(detail::is_nan(loss_of<double>(logits, {0}, &gradient)));
    EXPECT_TRUE(detail::is_nan(gradient[0]));
  }
}

TEST(SoftmaxLossEdge, SmallComplementsKeepTheirBits) {
  // ln(1 + e^-40) is far below epsilon, yet the slope at the other class has all digits, and so has
  // the loss of few classes, unless the compiler takes (1 + x) - 1 for x.
  for (const std::size_t classes : {2U, 20U}) {
    std::vector<double> logits(classes, -1e4);
    logits[0] = 40;
    logits[1] = 0;
    std::vector<double> gradient;
    const double expected = std::log1p(std::exp(-40.0));
    const bool exact = classes == 2 && !kFastMath;
    EXPECT_NEAR(loss_of<double>(logits, {0}, &gradient), expected,
                exact ? 1e-14 * expected : std::numeric_limits<double>::epsilon());
    EXPECT_NEAR(gradient[1] / std::exp(-40.0), 1, 1e-14);
  }
}

TEST(SoftmaxLossErrors, NameWhatIsWrong) {
  const std::vector<double> logits(6, 0.0);
  const std::vector<int> targets = {0, 2};
  std::vector<double> gradient(6, -7.0);
  SoftmaxLoss<> loss;
  const auto call = [&] {
    return error_of([&] {
      value_and_gradient(loss, MatrixView<const double>(logits.data(), 2, 3), targets, {},
                         MatrixView<double>(gradient.data(), 2, 3));
    });
  };
  loss.class_weights = {1, 2};
  EXPECT_EQ(call(), "value_and_gradient(): class_weights.size() = 2, expected 3 (classes)");
  loss.class_weights = {1, 2, -0.5};
  EXPECT_EQ(call(), "value_and_gradient(): class_weights[2] = -0.5, expected a finite number >= 0");
  loss.class_weights.clear();
  loss.label_smoothing = 1.5;
  EXPECT_EQ(call(), "value_and_gradient(): label_smoothing = 1.5, expected a number in [0, 1]");
  loss.label_smoothing = 0;
  loss.logit_terms.shift = {0, kInfinity, 0};
  EXPECT_EQ(call(), "value_and_gradient(): logit_terms.shift[1] = inf, expected a finite number");
  EXPECT_EQ(gradient, std::vector<double>(6, -7.0)) << "something was written";
}

// A row without a bucket is refused before it is asked for its mass.
TEST(SoftmaxLossErrors, NameTheRowWithoutABucket) {
  const std::vector<double> logits(6, 0.0);
  const std::vector<int> targets = {1, 2};
  SoftmaxLoss<CrossEntropy, testing::MeanPerListedClass> loss;
  loss.reduction.factors = {1, 1};
  EXPECT_EQ(error_of([&] {
              equipoise::value(loss, MatrixView<const double>(logits.data(), 2, 3), targets);
            }),
            "value(): bucket of row[1] = 2, expected less than 2");
}

TEST(SoftmaxLossErrors, NameTheTarget) {
  const std::vector<double> logits(6, 0.0);
  std::vector<double> gradient(6);
  const auto call = [&](const std::vector<int>& targets, const LossArguments& rows) {
    return error_of([&] {
      value_and_gradient(SoftmaxLoss<>{}, MatrixView<const double>(logits.data(), 2, 3), targets,
                         rows, MatrixView<double>(gradient.data(), 2, 3));
    });
  };
  EXPECT_EQ(
      call({0, 3}, {}),
      "value_and_gradient(): targets[1] = 3, expected a class in [0, 3) or the ignore index -100");
  EXPECT_EQ(
      call({-1, 0}, {}),
      "value_and_gradient(): targets[0] = -1, expected a class in [0, 3) or the ignore index -100");
  EXPECT_EQ(call({0}, {}), "value_and_gradient(): targets.size() = 1, expected 2 (rows of logits)");
  const std::vector<double> weights = {1.0, std::numeric_limits<double>::quiet_NaN()};
  EXPECT_EQ(call({0, 1}, {weights, {}}),
            "value_and_gradient(): sample_weights[1] = nan, expected a finite number >= 0");
}

TEST(SoftmaxLossErrors, NameTheMissingGroupsAndTheCoefficient) {
  const std::vector<float> logits(4, 0.0F);
  const std::vector<int> targets = {0, 1};
  const MatrixView<const float> z(logits.data(), 2, 2);
  SoftmaxLoss<CrossEntropy, MeanPerGroup> grouped;
  grouped.reduction.groups = 2;
  EXPECT_EQ(error_of([&] { equipoise::value(grouped, z, targets); }),
            "value(): groups.size() = 0, expected 2 (targets)");
  const std::vector<std::int64_t> groups = {-1, 1};
  EXPECT_EQ(error_of([&] {
              equipoise::value(grouped, z, targets, {{}, groups});
            }),
            "value(): groups[0] = -1, expected a group in [0, 2)");
  // 1e50 is no float: the gradient would be infinity times zero; 1e-50 is nothing.
  for (const auto& [coefficient, text] :
       {std::pair{1e50, "1e+50"}, {1e-50, "1e-50"}, {kInfinity, "inf"}}) {
    const std::vector<double> coefficients = {coefficient};
    EXPECT_EQ(error_of([&] {
                equipoise::partial(SoftmaxLoss<>{}, z, targets, {.coefficients = coefficients});
              }),
              "partial(): coefficients[0] = " + std::string(text) + kFloats);
  }
}

// What float logits cannot multiply with, or have added, is refused before anything is written.
TEST(SoftmaxLossErrors, NameWhatTheTypeOfTheLogitsDoesNotHold) {
  const std::vector<float> logits(6, 0.0F);
  const std::vector<double> same(6, 0.0);
  const std::vector<int> targets = {0, 1};
  std::vector<float> gradient(6, -7.0F);
  std::vector<double> sample_weights;
  std::vector<std::int64_t> groups;
  const auto call = [&](const auto& change) {
    SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
    sample_weights.clear();
    groups.clear();
    change(loss);
    const LossArguments rows{sample_weights, groups};
    // Double has no trouble with any of them.
    EXPECT_TRUE(std::isfinite(
        equipoise::value(loss, MatrixView<const double>(same.data(), 2, 3), targets, rows)));
    return error_of([&] {
      value_and_gradient(loss, MatrixView<const float>(logits.data(), 2, 3), targets, rows,
                         MatrixView<float>(gradient.data(), 2, 3));
    });
  };
  EXPECT_EQ(call([](auto& l) {
              l.class_weights = {1, 1e39, 1};
            }),
            "value_and_gradient(): class_weights[1] = 1e+39" + kFloats);
  EXPECT_EQ(call([](auto& l) {
              l.class_weights = {1, 1e-46, 1};
            }),
            "value_and_gradient(): class_weights[1] = 1e-46" + kFloats);
  EXPECT_EQ(call([&](auto&) {
              sample_weights = {1e39, 1};
            }),
            "value_and_gradient(): sample_weights[0] = 1e+39" + kFloats);
  EXPECT_EQ(call([&](auto& l) {
              l.group_weights = {1, 1e-46};
              groups = {0, 1};
            }),
            "value_and_gradient(): group_weights[1] = 1e-46" + kFloats);
  // Each of them is a float; their product is none.
  EXPECT_EQ(call([&](auto& l) {
              l.class_weights = {1e30, 1, 1};
              sample_weights = {1e20, 1};
            }),
            "value_and_gradient(): weight of row[0] = 1e+50" + kFloats);
  EXPECT_EQ(call([&](auto& l) {
              l.class_weights = {1e-30, 1, 1};
              sample_weights = {1e-20, 1};
            }),
            "value_and_gradient(): weight of row[0] = 1e-50" + kFloats);
  constexpr const char* kMost =
      ", expected at most 3.4028235e+38, the most that the type of the logits has";
  EXPECT_EQ(call([](auto& l) {
              l.logit_terms.shift = {0, 0, -1e39};
            }),
            std::string("value_and_gradient(): logit_terms.shift[2] = -1e+39") + kMost);
  EXPECT_EQ(call([](auto& l) {
              l.logit_terms.scale = {1, 1e39, 1};
            }),
            std::string("value_and_gradient(): logit_terms.scale[1] = 1e+39") + kMost);
  EXPECT_EQ(call([](auto& l) {
              l.logit_terms.margin = {1e39, 0, 0};
            }),
            std::string("value_and_gradient(): logit_terms.margin[0] = 1e+39") + kMost);
  EXPECT_EQ(call([](auto& l) { l.pair_shift.values = {0, 1e39, 0, 0, 0, 0, 0, 0, 0}; }),
            std::string("value_and_gradient(): pair_shift.values[1] = 1e+39") + kMost);
  EXPECT_EQ(gradient, std::vector<float>(6, -7.0F)) << "something was written";
  // The extremes do not meet in a row.
  EXPECT_EQ(call([&](auto& l) {
              l.class_weights = {1e30, 1, 1e-30};
              sample_weights = {1, 1e20};
            }),
            "nothing was thrown");
}

// By hand, of zero logits, where each row's loss is ln 2 times its weight, the mean over the cells
// is ln 2 whatever the weights. Row 1 alone is in its cell; its gradient is that of one of 3 cells.
TEST(SoftmaxLoss, TakesAReductionByGroupAndClass) {
  const std::vector<double> logits(8, 0.0);
  const MatrixView<const double> z(logits.data(), 4, 2);
  const std::vector<int> targets = {0, 1, 0, 0};
  const std::vector<std::int64_t> groups = {0, 1, 2, 2};
  SoftmaxLoss<CrossEntropy, testing::MeanPerCell> loss;
  loss.reduction = {3, 2};
  loss.group_weights = {1, 5, 7};  // as many as there are groups, not cells
  std::vector<double> gradient(8);
  const double value =
      value_and_gradient(loss, z, targets, {{}, groups}, MatrixView<double>(gradient.data(), 4, 2));
  constexpr double kBound = 8 * std::numeric_limits<double>::epsilon();
  EXPECT_NEAR(value, std::log(2.0), kBound);
  const std::vector<double> expected = {-0.5 / 3,  0.5 / 3,  0.5 / 3,   -0.5 / 3,
                                        -0.25 / 3, 0.25 / 3, -0.25 / 3, 0.25 / 3};
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(gradient[i], expected[i], kBound) << i;
  EXPECT_EQ(error_of([&] { equipoise::value(loss, z, targets); }),
            "value(): groups.size() = 0, expected 4 (targets)");
  loss.group_weights.clear();
  loss.reduction.groups = 2;
  EXPECT_EQ(error_of([&] {
              equipoise::value(loss, z, targets, {{}, groups});
            }),
            "value(): groups[2] = 2, expected a group in [0, 2)");
  EXPECT_EQ(error_of([&] { equipoise::value(loss, z, targets); }),
            "value(): groups.size() = 0, expected 4 (targets)");
  loss.reduction.groups = 0;  // forgotten
  EXPECT_EQ(error_of([&] {
              equipoise::value(loss, z, targets, {{}, groups});
            }),
            "value(): groups[0] = 0, expected a group in [0, 0)");
}

// No distribution is one over no classes: the rows do not count.
TEST(SoftmaxLoss, DistributionsOverNoClassesAreNoTargets) {
  const MatrixView<const double> z(nullptr, 3, 0);
  const ProbabilityTargets<double> targets{MatrixView<const double>(nullptr, 3, 0), {}};
  SoftmaxLoss<CrossEntropy, MeanPerClass> loss;
  EXPECT_EQ(equipoise::value(loss, z, targets), 0.0);
  loss.empty_batch = EmptyBatch::kNaN;
  EXPECT_TRUE(detail::is_nan(equipoise::value(loss, z, targets)));
  SoftmaxLoss<> by_count;
  EXPECT_EQ(denominators(by_count, targets, 0).buckets[0].valid, 0.0);
  by_count.empty_batch = EmptyBatch::kNaN;
  EXPECT_TRUE(detail::is_nan(equipoise::value(by_count, z, targets)));
}

TEST(SoftmaxLossErrors, NameTheModulatorsNumber) {
  const std::vector<double> logits(2, 0.0);
  const auto call = [&](auto modulator) {
    SoftmaxLoss<decltype(modulator)> loss;
    loss.modulator = modulator;
    return error_of([&] {
      equipoise::value(loss, MatrixView<const double>(logits.data(), 1, 2), std::vector<int>{0});
    });
  };
  EXPECT_EQ(call(Focal{-1}), "value(): gamma = -1, expected a finite number >= 0");
  EXPECT_EQ(call(PolyCrossEntropy<Focal>{{1}, kInfinity, 2}),
            "value(): epsilon = inf, expected a finite number");
  EXPECT_EQ(call(PolyCrossEntropy<Focal>{{1}, 1, 0.5}),
            "value(): power = 0.5, expected a finite number >= 1");
  EXPECT_EQ(call(poly1(Focal{-2})), "value(): gamma = -2, expected a finite number >= 0");
}

TEST(SoftmaxLossErrors, NameTheGroupTheShiftAndTheDistribution) {
  const std::vector<double> logits(4, 0.0);
  const std::vector<std::int64_t> groups = {0, 2};
  const std::vector<double> bad = {0.5, 0.5, -0.25, 1.25};
  const std::vector<std::uint8_t> mask = {1};
  std::vector<double> gradient(4);
  SoftmaxLoss<> loss;
  LossArguments rows;
  const auto call = [&](const auto& targets) {
    return error_of([&] {
      value_and_gradient(loss, MatrixView<const double>(logits.data(), 2, 2), targets, rows,
                         MatrixView<double>(gradient.data(), 2, 2));
    });
  };
  const std::vector<int> targets = {0, 1};
  ProbabilityTargets<double> distributions{{bad.data(), 2, 2}, {}};
  EXPECT_EQ(
      call(distributions),
      "value_and_gradient(): targets.probabilities[1][0] = -0.25, expected a finite number >= 0");
  distributions.mask = mask;
  EXPECT_EQ(
      call(distributions),
      "value_and_gradient(): targets.mask.size() = 1, expected 2 (rows of targets.probabilities)");
  loss.logit_terms.margin = {1, 1};
  EXPECT_EQ(
      call(distributions),
      "value_and_gradient(): logit_terms.margin.size() = 2, expected 0: it needs index targets");
  loss.logit_terms.margin.clear();
  loss.group_weights = {1, 2};
  EXPECT_EQ(call(targets), "value_and_gradient(): groups.size() = 0, expected 2 (targets)");
  rows.groups = groups;
  EXPECT_EQ(call(targets), "value_and_gradient(): groups[1] = 2, expected a group in [0, 2)");
  const std::vector<int> second_ignored = {0, static_cast<int>(kIgnoreIndex)};
  EXPECT_EQ(call(second_ignored), "nothing was thrown");
  loss.group_logit_terms.resize(3);
  EXPECT_EQ(call(targets),
            "value_and_gradient(): group_weights.size() = 2, expected 3 (groups of the loss)");
  loss.group_logit_terms.clear();
  loss.group_weights.clear();
  loss.pair_shift.values = {0, 1, 2};
  EXPECT_EQ(call(targets),
            "value_and_gradient(): pair_shift.values.size() = 3, expected 4 (classes squared)");
  loss.pair_shift.values = {0, 1, kInfinity, 0};
  EXPECT_EQ(call(targets),
            "value_and_gradient(): pair_shift.values[2] = inf, expected a finite number");
  loss.pair_shift.values.clear();
  loss.seesaw.counts = {1, -2};
  EXPECT_EQ(call(targets),
            "value_and_gradient(): seesaw.counts[1] = -2, expected a finite number >= 0");
  loss.seesaw.counts = {1, 2};
  loss.seesaw.least_probability = 0;
  EXPECT_EQ(call(targets),
            "value_and_gradient(): seesaw.least_probability = 0, expected a number in (0, 1]");
  loss.seesaw.least_probability = 1;
  loss.seesaw.mitigation = -1;
  EXPECT_EQ(call(targets),
            "value_and_gradient(): seesaw.mitigation = -1, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise
