#include "equipoise/loss/overlap.h"

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

#include "equipoise/loss/softmax.h"
#include "equipoise/reduction/reduction.h"
#include "tests/support/cpus.h"
#include "tests/support/errors.h"
#include "tests/support/loss_call.h"

namespace equipoise {
namespace {

using testing::cpus;
using testing::error_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

#ifdef __FAST_MATH__
constexpr bool kFastMath = true;
#else
constexpr bool kFastMath = false;
#endif

// A user's policy, without anything but its call operator: 1 - TP / (TP + FP + FN).
struct Jaccard {
  template <class T>
  OverlapValue<T> operator()(const OverlapTerms<T>& sums) const {
    const T all = math::max(sums.tp + sums.fp + sums.fn, 1e-30);
    const T kept = sums.tp / all / all;
    const T missed = (sums.fp + sums.fn) / all;
    return {missed, {-missed / all, kept, kept}};
  }
};

// ---- The losses as their papers write them: of the intersection I, the predicted mass P and the
// target mass T of each class.

struct Masses {
  double intersection = 0;
  double predicted = 0;
  double target = 0;
};

template <class Policy>
Masses element_masses(const Policy& policy, double p, double t) {
  if constexpr (std::same_as<Policy, Dice>) {
    if (policy.squared) return {p * t, p * p, t * t};
  }
  if constexpr (std::same_as<Policy, SelfAdjustingDice>) {
    const double f = std::pow(1 - p, policy.alpha) * p;
    return {f * t, f, t};
  }
  return {p * t, p, t};
}

double class_loss(const Dice& d, const Masses& m) {
  return 1 - (2 * m.intersection + d.smoothing) / (m.predicted + m.target + d.smoothing);
}
double class_loss(const SelfAdjustingDice& d, const Masses& m) {
  return class_loss(Dice{d.smoothing}, m);
}
double class_loss(const Tversky& t, const Masses& m) {
  const double kept = m.intersection + t.smoothing;
  return 1 -
         kept / (kept + t.fp * (m.predicted - m.intersection) + t.fn * (m.target - m.intersection));
}
double class_loss(const FocalTversky& t, const Masses& m) {
  return std::pow(class_loss(Tversky{t.fp, t.fn, t.smoothing}, m), t.power);
}
double class_loss(const Jaccard&, const Masses& m) {
  return 1 - m.intersection / (m.predicted + m.target - m.intersection);
}

template <class Policy>
double reference_value(const OverlapLoss<Policy>& loss, const std::vector<Masses>& masses) {
  double total = 0;
  double value = 0;
  double intersection = 0;
  double all = 0;
  for (std::size_t c = 0; c < masses.size(); ++c) {
    if (loss.absent_class == AbsentOverlapClass::kSkip && masses[c].target == 0) continue;
    const double weight = loss.class_weights.empty() ? 1 : loss.class_weights[c];
    if (weight == 0) continue;
    total += weight;
    if constexpr (std::same_as<Policy, GeneralisedDice>) {
      const double v =
          weight * std::pow(std::max(masses[c].target, loss.policy.least_mass), -loss.policy.power);
      intersection += v * masses[c].intersection;
      all += v * (masses[c].predicted + masses[c].target);
    } else {
      value += weight * class_loss(loss.policy, masses[c]);
    }
  }
  if (total == 0) return 0;
  if constexpr (std::same_as<Policy, GeneralisedDice>) {
    return 1 - (2 * intersection + loss.policy.smoothing) / (all + loss.policy.smoothing);
  }
  return value / total;
}

// ---- Batches.

enum class Kind { kIndices, kMatrix };

struct Batch {
  std::size_t rows;
  std::size_t classes;
  std::vector<double> logits;
  std::vector<std::int64_t> targets;
  std::vector<double> matrix;
  std::vector<std::uint8_t> mask;
  std::vector<double> weights;
};

// Values are exact in float. Weights are 0 at times, and the last class is absent at times.
Batch make_batch(std::size_t rows, std::size_t classes, std::mt19937_64& random,
                 double spread = 2.0) {
  Batch batch{rows, classes, {}, {}, {}, {}, {}};
  std::normal_distribution<double> normal(0.0, spread);
  std::uniform_real_distribution<double> uniform(0.25, 1.0);
  const std::size_t used = classes - (classes > 1 && random() % 2 == 0 ? 1 : 0);
  for (std::size_t i = 0; i < rows; ++i) {
    const bool ignored = random() % 7 == 0;
    batch.targets.push_back(ignored ? kIgnoreIndex : static_cast<std::int64_t>(random() % used));
    batch.mask.push_back(ignored ? 0 : 1);
    batch.weights.push_back(random() % 9 == 0 ? 0.0 : std::round(64 * uniform(random)) / 32);
    for (std::size_t c = 0; c < classes; ++c) {
      batch.logits.push_back(static_cast<double>(static_cast<float>(normal(random))));
      const double soft = random() % 4 == 0 ? std::round(64 * uniform(random)) / 64
                                            : static_cast<double>(random() % 2);
      batch.matrix.push_back(c < used ? soft : 0.0);
    }
  }
  return batch;
}

std::vector<double> probabilities(std::span<const double> z, OverlapActivation activation) {
  std::vector<double> p;
  if (activation == OverlapActivation::kSigmoid) {
    for (const double x : z) p.push_back(1 / (1 + std::exp(-x)));
    return p;
  }
  const double top = *std::max_element(z.begin(), z.end());
  double sum = 0;
  for (const double x : z) sum += std::exp(x - top);
  for (const double x : z) p.push_back(std::exp(x - top) / sum);
  return p;
}

template <class Policy>
double reference_loss(const OverlapLoss<Policy>& loss, const Batch& batch, Kind kind,
                      const std::vector<double>& logits) {
  std::vector<Masses> masses(batch.classes);
  for (std::size_t i = 0; i < batch.rows; ++i) {
    if (batch.mask[i] == 0) continue;
    const std::vector<double> p =
        probabilities(std::span(logits).subspan(i * batch.classes, batch.classes), loss.activation);
    for (std::size_t c = 0; c < batch.classes; ++c) {
      const double t = kind == Kind::kMatrix
                           ? batch.matrix[i * batch.classes + c]
                           : (static_cast<std::int64_t>(c) == batch.targets[i] ? 1.0 : 0.0);
      const Masses own = element_masses(loss.policy, p[c], t);
      masses[c].intersection += batch.weights[i] * own.intersection;
      masses[c].predicted += batch.weights[i] * own.predicted;
      masses[c].target += batch.weights[i] * own.target;
    }
  }
  return reference_value(loss, masses);
}

template <class T>
std::vector<T> cast(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

// Calls f(targets) with the targets of the kind, of rows [begin, begin + count).
template <class T, class F>
void with_targets(const Batch& batch, Kind kind, std::size_t begin, std::size_t count, const F& f) {
  if (kind == Kind::kIndices) return f(std::span(batch.targets).subspan(begin, count));
  const std::vector<T> matrix = cast<T>(batch.matrix);
  f(ProbabilityTargets<T>{{matrix.data() + begin * batch.classes, count, batch.classes},
                          std::span(batch.mask).subspan(begin, count)});
}

template <class T>
struct Result {
  double value = 0;
  std::vector<T> gradient;
};

// Both passes over the parts of a batch between the cuts.
template <class T, class Policy, class ParallelFor = SerialFor>
Result<T> run(const OverlapLoss<Policy>& loss, const Batch& batch, Kind kind,
              const std::vector<std::size_t>& cuts, kernels::Cpu cpu = kernels::cpu(),
              const ParallelFor& parallel_for = {}) {
  const std::vector<T> logits = cast<T>(batch.logits);
  Result<T> result{0, std::vector<T>(logits.size(), T(-7))};
  const auto for_parts = [&](const auto& f) {
    for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
      const std::size_t begin = cuts[k];
      const std::size_t count = cuts[k + 1] - begin;
      with_targets<T>(batch, kind, begin, count, [&](const auto& targets) {
        f(MatrixView<const T>(logits.data() + begin * batch.classes, count, batch.classes), targets,
          std::span<const double>(batch.weights).subspan(begin, count), begin);
      });
    }
  };
  OverlapSums sums;
  for_parts([&](MatrixView<const T> z, const auto& targets, std::span<const double> weights,
                std::size_t) {
    sums += equipoise::partial(loss, z, targets, {weights}, testing::On{cpu, parallel_for});
  });
  const OverlapResult whole = value_and_slopes(loss, sums);
  result.value = whole.value;
  for_parts([&](MatrixView<const T> z, const auto& targets, std::span<const double> weights,
                std::size_t begin) {
    equipoise::gradient(loss, z, targets, {weights},
                        {whole.slopes, MatrixView<T>(result.gradient.data() + begin * batch.classes,
                                                     z.rows, z.cols)},
                        testing::On{cpu, parallel_for});
  });
  return result;
}

template <class T, class Policy>
Result<T> run(const OverlapLoss<Policy>& loss, const Batch& batch, Kind kind,
              kernels::Cpu cpu = kernels::cpu()) {
  return run<T>(loss, batch, kind, {0, batch.rows}, cpu);
}

// Calls f(loss, kind) with every policy, activation, kind of targets and rule.
template <class F>
void for_all_losses(std::size_t classes, std::mt19937_64& random, const F& f) {
  const auto with_policy = [&](const auto& policy) {
    for (const OverlapActivation activation :
         {OverlapActivation::kSoftmax, OverlapActivation::kSigmoid}) {
      for (const Kind kind : {Kind::kIndices, Kind::kMatrix}) {
        for (const AbsentOverlapClass absent :
             {AbsentOverlapClass::kSkip, AbsentOverlapClass::kCount}) {
          OverlapLoss<std::remove_cvref_t<decltype(policy)>> loss;
          loss.policy = policy;
          loss.activation = activation;
          loss.absent_class = absent;
          if (random() % 2 == 0) {
            for (std::size_t c = 0; c < classes; ++c) {
              loss.class_weights.push_back(static_cast<double>(random() % 5) / 2);
            }
          }
          f(loss, kind);
        }
      }
    }
  };
  with_policy(Dice{});
  with_policy(Dice{0.25, true});
  with_policy(Tversky{});
  with_policy(FocalTversky{});
  with_policy(FocalTversky{0.5, 0.25, 2.0, 0.5});
  with_policy(GeneralisedDice{});
  with_policy(GeneralisedDice{1.0, 0.5, 0.25});
  with_policy(SelfAdjustingDice{});
  with_policy(SelfAdjustingDice{0.3, 0.5});
  with_policy(SelfAdjustingDice{0.0});
  with_policy(Jaccard{});
}

// One vector and a bit, tails of every width.
constexpr std::size_t kClasses[] = {1, 2, 3, 5, 9, 17, 33};

TEST(OverlapLoss, EqualsItsDefinitionInDouble) {
  std::mt19937_64 random(1);
  for (const std::size_t classes : kClasses) {
    for (int repeat = 0; repeat < 4; ++repeat) {
      const Batch batch = make_batch(1 + random() % 40, classes, random);
      for_all_losses(classes, random, [&](const auto& loss, Kind kind) {
        const double expected = reference_loss(loss, batch, kind, batch.logits);
        for (const kernels::Cpu cpu : cpus()) {
          // Sums of up to 40 terms, and 1 - x cancels in the reference; its power at worst takes
          // the root of the error, where the loss itself is next to zero.
          const double epsilon = 100 * std::numeric_limits<double>::epsilon();
          EXPECT_NEAR(run<double>(loss, batch, kind, cpu).value, expected,
                      expected < 1e-6 ? std::pow(epsilon, 0.75) : epsilon / 1e-2)
              << classes << " classes";
        }
      });
    }
  }
}

TEST(OverlapLoss, GradientEqualsFiniteDifferences) {
  std::mt19937_64 random(2);
  for (const std::size_t classes : {1U, 2U, 5U, 17U}) {
    for (int repeat = 0; repeat < 4; ++repeat) {
      const Batch batch = make_batch(5, classes, random, 1.5);
      for_all_losses(classes, random, [&](const auto& loss, Kind kind) {
        const std::vector<double> gradient =
            run<double>(loss, batch, kind, kernels::widest_cpu()).gradient;
        for (std::size_t i = random() % 3; i < batch.logits.size(); i += 3) {
          // Central differences: error h^2 / 6 from the third derivative, epsilon / h from
          // rounding.
          constexpr double kStep = 1e-5;
          std::vector<double> moved = batch.logits;
          moved[i] += kStep;
          const double above = reference_loss(loss, batch, kind, moved);
          moved[i] -= 2 * kStep;
          const double below = reference_loss(loss, batch, kind, moved);
          EXPECT_NEAR(gradient[i], (above - below) / (2 * kStep), 2e-9)
              << classes << " classes, element " << i;
        }
      });
    }
  }
}

TEST(OverlapLoss, FloatEqualsDoubleOnEveryInstructionSet) {
  std::mt19937_64 random(3);
  constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
  for (const std::size_t classes : kClasses) {
    const Batch batch = make_batch(1 + random() % 40, classes, random);
    for_all_losses(classes, random, [&](const auto& loss, Kind kind) {
      const Result<double> exact = run<double>(loss, batch, kind);
      for (const kernels::Cpu cpu : cpus()) {
        const Result<float> result = run<float>(loss, batch, kind, cpu);
        // A probability carries the rounding of its logit, of size 10 at most. The root of a loss
        // next to zero (a single class) is less exact.
        EXPECT_NEAR(result.value, exact.value,
                    exact.value < 1e-6 ? std::pow(kEpsilon, 0.75) : 100 * kEpsilon);
        for (std::size_t i = 0; i < exact.gradient.size(); ++i) {
          ASSERT_NEAR(static_cast<double>(result.gradient[i]), exact.gradient[i], 100 * kEpsilon)
              << classes << " classes, element " << i;
        }
      }
    });
  }
}

template <class T>
void expect_parts_equal_the_whole(double tolerance) {
  std::mt19937_64 random(4);
  for (int repeat = 0; repeat < 60; ++repeat) {
    const std::size_t classes = 1 + random() % 20;
    const Batch batch = make_batch(1 + random() % 60, classes, random);
    std::vector<std::size_t> cuts = {0, batch.rows};
    for (int k = 0; k < 3; ++k) cuts.push_back(random() % (batch.rows + 1));
    std::sort(cuts.begin(), cuts.end());
    for_all_losses(classes, random, [&](const auto& loss, Kind kind) {
      const Result<T> whole = run<T>(loss, batch, kind);
      const Result<T> parts = run<T>(loss, batch, kind, cuts);
      EXPECT_NEAR(parts.value, whole.value, tolerance * std::fabs(whole.value));
      double largest = 0;
      for (const T x : whole.gradient)
        largest = std::max(largest, std::fabs(static_cast<double>(x)));
      for (std::size_t i = 0; i < whole.gradient.size(); ++i) {
        ASSERT_NEAR(parts.gradient[i], whole.gradient[i], tolerance * largest);
      }
    });
  }
}

TEST(OverlapLoss, PartsAddUpToTheWholeInDouble) { expect_parts_equal_the_whole<double>(1e-12); }
TEST(OverlapLoss, PartsAddUpToTheWholeInFloat) { expect_parts_equal_the_whole<float>(1e-5); }

// What happens without merged sums.
TEST(OverlapLoss, MeanOfTheLossesOfPartsIsNotThatOfTheWhole) {
  std::mt19937_64 random(5);
  const Batch batch = make_batch(64, 3, random);
  const OverlapLoss<> loss;
  double mean = 0;
  for (std::size_t begin = 0; begin < 64; begin += 4) {
    mean += equipoise::value(loss, MatrixView<const double>(batch.logits.data() + begin * 3, 4, 3),
                             std::span(batch.targets).subspan(begin, 4)) /
            16;
  }
  const double whole =
      equipoise::value(loss, MatrixView<const double>(batch.logits.data(), 64, 3), batch.targets);
  EXPECT_GT(std::fabs(mean - whole), 0.1 * whole);
}

TEST(OverlapLoss, DoesNotDependOnThreads) {
  std::mt19937_64 random(6);
  const Batch batch = make_batch(5000, 7, random);
  const auto threads = [](std::size_t blocks, const auto& f) {
    std::vector<std::thread> running;
    for (std::size_t block = blocks; block-- > 0;) running.emplace_back([&f, block] { f(block); });
    for (std::thread& thread : running) thread.join();
  };
  for (const Kind kind : {Kind::kIndices, Kind::kMatrix}) {
    const OverlapLoss<Tversky> loss;
    const Result<float> serial = run<float>(loss, batch, kind);
    const Result<float> parallel =
        run<float>(loss, batch, kind, {0, batch.rows}, kernels::cpu(), threads);
    EXPECT_EQ(parallel.value, serial.value);
    EXPECT_EQ(parallel.gradient, serial.gradient);
  }
}

TEST(OverlapLoss, ReadsAndWritesAnyStrides) {
  std::mt19937_64 random(7);
  for (const std::size_t classes : {2U, 17U}) {
    const std::size_t rows = 50;
    const Batch batch = make_batch(rows, classes, random);
    for (const Kind kind : {Kind::kIndices, Kind::kMatrix}) {
      const OverlapLoss<Tversky> loss;
      const Result<double> dense = run<double>(loss, batch, kind);
      const auto r = static_cast<std::ptrdiff_t>(rows);
      const auto c = static_cast<std::ptrdiff_t>(classes);
      const std::pair<std::ptrdiff_t, std::ptrdiff_t> layouts[] = {{1, r}, {3 * c, 3}, {2 * c, 1}};
      for (const auto& [row_stride, col_stride] : layouts) {
        std::vector<double> space(3 * rows * classes);
        std::vector<double> target_space(space.size());
        std::vector<double> out(space.size(), -7.0);
        const MatrixView<double> logits(space.data(), rows, classes, row_stride, col_stride);
        const MatrixView<double> matrix(target_space.data(), rows, classes, row_stride, col_stride);
        const MatrixView<double> gradient(out.data(), rows, classes, row_stride, col_stride);
        for (std::size_t i = 0; i < rows; ++i) {
          for (std::size_t k = 0; k < classes; ++k) {
            logits(i, k) = batch.logits[i * classes + k];
            matrix(i, k) = batch.matrix[i * classes + k];
          }
        }
        const MatrixView<const double> z = logits;
        if (kind == Kind::kIndices) {
          EXPECT_EQ(value_and_gradient(loss, z, batch.targets, {batch.weights}, gradient),
                    dense.value);
        } else {
          const ProbabilityTargets<double> targets{matrix, batch.mask};
          EXPECT_EQ(value_and_gradient(loss, z, targets, {batch.weights}, gradient), dense.value);
        }
        std::size_t untouched = 0;
        for (const double x : out) untouched += x == -7.0 ? 1 : 0;
        EXPECT_EQ(untouched, out.size() - rows * classes);
        for (std::size_t i = 0; i < rows; ++i) {
          for (std::size_t k = 0; k < classes; ++k) {
            ASSERT_EQ(gradient(i, k), dense.gradient[i * classes + k]);
          }
        }
      }
    }
  }
}

// ---- Values by hand: two rows, two classes, equal logits, so that p = 1/2 everywhere; both
// targets are class 0. Class 0: TP = 1, FP = 0, FN = 1. Class 1: TP = 0, FP = 1, FN = 0.

template <class Policy>
double by_hand(const Policy& policy, AbsentOverlapClass absent = AbsentOverlapClass::kSkip) {
  OverlapLoss<Policy> loss;
  loss.policy = policy;
  loss.absent_class = absent;
  const std::vector<double> logits = {3, 3, -1, -1};
  return equipoise::value(loss, MatrixView<const double>(logits.data(), 2, 2),
                          std::vector<int>{0, 0});
}

TEST(OverlapLossByHand, Dice) {
  EXPECT_DOUBLE_EQ(by_hand(Dice{0.0}), 1.0 / 3);        // 1 - 2 / 3
  EXPECT_DOUBLE_EQ(by_hand(Dice{1.0}), 1.0 / 4);        // 1 - 3 / 4
  EXPECT_DOUBLE_EQ(by_hand(Dice{0.0, true}), 1.0 / 5);  // 1 - 2 / (1/2 + 2)
  EXPECT_DOUBLE_EQ(by_hand(Dice{1.0}, AbsentOverlapClass::kCount), (1.0 / 4 + 1.0 / 2) / 2);
}

TEST(OverlapLossByHand, Tversky) {
  EXPECT_DOUBLE_EQ(by_hand(Tversky{0.25, 0.75, 0.0}), 0.75 / 1.75);
  EXPECT_DOUBLE_EQ(by_hand(Tversky{0.25, 0.75, 1.0}, AbsentOverlapClass::kCount),
                   (0.75 / 2.75 + 0.25 / 1.25) / 2);
  EXPECT_DOUBLE_EQ(by_hand(FocalTversky{0.25, 0.75, 0.5, 0.0}), std::sqrt(0.75 / 1.75));
  EXPECT_DOUBLE_EQ(by_hand(Tversky{0.5, 0.5, 0.5}), by_hand(Dice{1.0}));
  EXPECT_DOUBLE_EQ(by_hand(FocalTversky{0.3, 0.7, 1.0, 1.0}), by_hand(Tversky{0.3, 0.7, 1.0}));
}

TEST(OverlapLossByHand, GeneralisedDice) {
  EXPECT_DOUBLE_EQ(by_hand(GeneralisedDice{}), 1.0 / 3);  // one class alone is Dice
  // v = (1/4, 1): 1 - 2/4 / (3/4 + 1).
  EXPECT_DOUBLE_EQ(by_hand(GeneralisedDice{}, AbsentOverlapClass::kCount), 1 - 0.5 / 1.75);
  // Micro-averaged: 1 - 2 / (3 + 1).
  EXPECT_DOUBLE_EQ(by_hand(GeneralisedDice{0.0}, AbsentOverlapClass::kCount), 0.5);
}

TEST(OverlapLossByHand, SelfAdjustingDice) {
  // f = 1/4: 1 - (2 * 1/2 + 1) / (1/2 + 2 + 1) over the set, 1 - (2/4 + 1) / (1/4 + 2) by example.
  EXPECT_DOUBLE_EQ(by_hand(SelfAdjustingDice{}), 1 - 2 / 3.5);
  const std::vector<double> logits = {3, 3, -1, -1};
  EXPECT_DOUBLE_EQ(
      equipoise::value(SoftmaxLoss<SelfAdjustingDice>{},
                       MatrixView<const double>(logits.data(), 2, 2), std::vector<int>{0, 1}),
      1 - 1.5 / 2.25);
}

TEST(OverlapLossByHand, ClassWeightsAndExclusion) {
  OverlapLoss<> loss;
  loss.policy.smoothing = 0;
  const std::vector<double> logits = {0, 0, 0, 0, 0, 0};
  // p = 1/2; one row of class 0, two of class 1: Dice losses 1 - 1 / (3/2 + 1), 1 - 2 / (3/2 + 2).
  const auto value = [&] {
    return equipoise::value(loss, MatrixView<const double>(logits.data(), 3, 2),
                            std::vector<int>{0, 1, 1});
  };
  EXPECT_DOUBLE_EQ(value(), (3.0 / 5 + 3.0 / 7) / 2);
  loss.class_weights = {3, 1};
  EXPECT_DOUBLE_EQ(value(), (9.0 / 5 + 3.0 / 7) / 4);
  loss.class_weights = {0, 2};
  EXPECT_DOUBLE_EQ(value(), 3.0 / 7);
}

// ---- The per-example form.

TEST(SelfAdjustingDice, ExamplesMergeLikeOtherRowLosses) {
  std::mt19937_64 random(8);
  const Batch batch = make_batch(40, 5, random);
  SoftmaxLoss<SelfAdjustingDice, MeanByWeight> loss;
  loss.modulator.alpha = 0.5;
  const LossArguments rows{batch.weights, {}};
  std::vector<double> whole(batch.logits.size());
  const double value =
      value_and_gradient(loss, MatrixView<const double>(batch.logits.data(), 40, 5), batch.targets,
                         rows, MatrixView<double>(whole.data(), 40, 5));
  double expected = 0;
  double mass = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    if (batch.mask[i] == 0) continue;
    const double p =
        probabilities(std::span(batch.logits).subspan(i * 5, 5),
                      OverlapActivation::kSoftmax)[static_cast<std::size_t>(batch.targets[i])];
    const double f = std::sqrt(1 - p) * p;
    expected += batch.weights[i] * (1 - (2 * f + 1) / (f + 2));
    mass += batch.weights[i];
  }
  EXPECT_NEAR(value, expected / mass, 1e-14);

  const std::vector<double> scales =
      coefficients(loss.reduction, denominators(loss, batch.targets, 5, rows));
  LossPartial total;
  for (std::size_t begin = 0; begin < 40; begin += 8) {
    std::vector<double> part(40);
    total += equipoise::partial(
        loss, MatrixView<const double>(batch.logits.data() + begin * 5, 8, 5),
        std::span(batch.targets).subspan(begin, 8),
        testing::with_coefficients(LossArguments{std::span(batch.weights).subspan(begin, 8), {}},
                                   scales),
        LossOutputs<double>{{part.data(), 8, 5}, {}});
    for (std::size_t i = 0; i < part.size(); ++i) {
      EXPECT_NEAR(part[i], whole[begin * 5 + i], 1e-15);
    }
  }
  EXPECT_NEAR(equipoise::value(loss, total, scales), value, 1e-14);
}

// ---- Edges.

template <class T, class Policy>
Result<T> call(const OverlapLoss<Policy>& loss, const std::vector<T>& logits,
               const std::vector<int>& targets, std::size_t classes,
               const std::vector<double>& weights = {}) {
  Result<T> result{0, std::vector<T>(logits.size(), T(-7))};
  result.value =
      value_and_gradient(loss, MatrixView<const T>(logits.data(), targets.size(), classes), targets,
                         {weights}, MatrixView<T>(result.gradient.data(), targets.size(), classes));
  return result;
}

TEST(OverlapLossEdge, EmptyAndIgnoredSets) {
  OverlapLoss<> loss;
  EXPECT_EQ(call<double>(loss, {}, {}, 3).value, 0.0);
  EXPECT_EQ(call<float>(loss, {}, {}, 0).value, 0.0);
  for (const AbsentOverlapClass absent : {AbsentOverlapClass::kSkip, AbsentOverlapClass::kCount}) {
    loss.absent_class = absent;
    loss.empty_batch = EmptyBatch::kZero;
    const Result<double> ignored = call<double>(loss, {1, kNan, kInfinity, 2}, {-100, -100}, 2);
    EXPECT_EQ(ignored.value, 0.0);
    EXPECT_EQ(ignored.gradient, (std::vector<double>{0, 0, 0, 0}));
    const Result<double> weightless = call<double>(loss, {kNan, 1}, {1}, 2, {0.0});
    EXPECT_EQ(weightless.value, 0.0);
    EXPECT_EQ(weightless.gradient, (std::vector<double>{0, 0}));
    loss.empty_batch = EmptyBatch::kNaN;
    EXPECT_TRUE(detail::is_nan(call<double>(loss, {}, {}, 3).value));
    const Result<double> nan = call<double>(loss, {1, 2}, {-100}, 2);
    EXPECT_TRUE(detail::is_nan(nan.value));
    EXPECT_EQ(nan.gradient, (std::vector<double>{0, 0}));
  }
  loss.absent_class = AbsentOverlapClass::kSkip;
  loss.class_weights = {0, 0};
  EXPECT_TRUE(detail::is_nan(call<double>(loss, {1, 2}, {1}, 2).value)) << "no class counts";
}

TEST(OverlapLossEdge, ASingleClassHasNoLoss) {
  OverlapLoss<FocalTversky> loss;
  for (const double smoothing : {0.0, 1.0}) {
    loss.policy.smoothing = smoothing;
    const Result<double> result = call<double>(loss, {3, -1e4}, {0, 0}, 1);
    EXPECT_EQ(result.value, 0.0);
    EXPECT_EQ(result.gradient, (std::vector<double>{0, 0}));
  }
}

TEST(OverlapLossEdge, AnAbsentClassIsSkippedOrCounts) {
  OverlapLoss<> loss;
  loss.policy.smoothing = 0;
  // p = 1/2; class 0 of TP = 1/2, FN = 1/2, loss 1/3; class 1 of FP = 1/2, loss 1.
  Result<double> result = call<double>(loss, {0, 0}, {0}, 2);
  EXPECT_DOUBLE_EQ(result.value, 1.0 / 3);
  EXPECT_LT(result.gradient[0], 0) << "the class that is there gains";
  loss.absent_class = AbsentOverlapClass::kCount;
  EXPECT_DOUBLE_EQ(call<double>(loss, {0, 0}, {0}, 2).value, 2.0 / 3);
  OverlapLoss<GeneralisedDice> pooled;
  pooled.absent_class = AbsentOverlapClass::kCount;
  EXPECT_DOUBLE_EQ(call<double>(pooled, {0, 0}, {0}, 2).value, 0.5);
}

template <class T>
void expect_defined_at_huge_logits() {
  const auto expect = [](const auto& policy) {
    OverlapLoss<std::remove_cvref_t<decltype(policy)>> loss;
    loss.policy = policy;
    for (const OverlapActivation activation :
         {OverlapActivation::kSoftmax, OverlapActivation::kSigmoid}) {
      loss.activation = activation;
      for (const T size : {T(1e4), T(-1e4), T(20), T(40)}) {
        for (const int target : {0, 1}) {
          const Result<T> result = call<T>(loss, {size, 0, 0, size}, {target, target}, 2);
          EXPECT_TRUE(detail::is_finite(result.value));
          for (const T x : result.gradient) EXPECT_TRUE(detail::is_finite(x));
          const Result<T> sure = call<T>(loss, {size, -size, -size, size}, {0, 1}, 2);
          if (size > 30 && !std::same_as<decltype(policy), const SelfAdjustingDice&>) {
            EXPECT_NEAR(sure.value, 0.0, 1e-7);
          }
          for (const T x : sure.gradient) EXPECT_TRUE(detail::is_finite(x));
        }
      }
    }
  };
  expect(Dice{});
  expect(Dice{0.0, true});
  expect(Tversky{0.3, 0.7, 0.0});
  expect(FocalTversky{0.3, 0.7, 0.75, 0.0});
  expect(GeneralisedDice{});
  expect(SelfAdjustingDice{0.01, 0.0});
}

TEST(OverlapLossEdge, HugeLogits) {
  expect_defined_at_huge_logits<double>();
  expect_defined_at_huge_logits<float>();
}

// Near a perfect prediction 1 - p is far below epsilon, and yet loss and gradient have all digits:
// Tversky loss q / (1 + q), its derivative in the logit -q + O(q^2), with q = e^-40 / (1 + e^-40).
TEST(OverlapLossEdge, SmallComplementsKeepTheirBits) {
  if (kFastMath) GTEST_SKIP() << "the compiler may take (1 + x) - 1 for x";
  const double q = std::exp(-40.0);
  OverlapLoss<Tversky> loss;
  loss.policy = {1.0, 1.0, 0.0};
  for (const OverlapActivation activation :
       {OverlapActivation::kSoftmax, OverlapActivation::kSigmoid}) {
    loss.activation = activation;
    loss.class_weights = {1, 0};
    const Result<double> result = call<double>(loss, {40, 0}, {0}, 2);
    EXPECT_NEAR(result.value / q, 1, 1e-14);
    EXPECT_NEAR(result.gradient[0] / q, -1, 1e-14);
  }
  // (1 - p)^alpha p has slope -alpha q^alpha there, although its derivative in p is infinite.
  OverlapLoss<SelfAdjustingDice> adjusting;
  adjusting.policy = {0.5, 0.0};
  adjusting.class_weights = {1, 0};
  const Result<double> result = call<double>(adjusting, {40, 0}, {0}, 2);
  // 1 - 2 f / (f + 1) with f = q^(1/2): derivative -2 / (1 + f)^2 f', f' = -f / 2.
  const double f = std::sqrt(q);
  EXPECT_NEAR(result.gradient[0] / f, 1 / std::pow(1 + f, 2), 1e-14);
  EXPECT_NEAR(result.gradient[1] / f, -1 / std::pow(1 + f, 2), 1e-14);
}

TEST(OverlapLossEdge, InfiniteAndNaNLogits) {
  if (kFastMath) GTEST_SKIP() << "not defined where the compiler assumes finite numbers";
  OverlapLoss<> loss;
  // A class that cannot be: the loss is that of the other two.
  const Result<double> impossible = call<double>(loss, {0, 0, -kInfinity}, {0}, 3);
  EXPECT_DOUBLE_EQ(impossible.value, 1 - 2.0 / 2.5);
  EXPECT_EQ(impossible.gradient[2], 0.0);
  for (const double broken : {kInfinity, kNan}) {
    for (const AbsentOverlapClass absent :
         {AbsentOverlapClass::kSkip, AbsentOverlapClass::kCount}) {
      loss.absent_class = absent;
      const Result<double> result = call<double>(loss, {broken, 0, 0, 1}, {1, 0}, 2);
      EXPECT_TRUE(detail::is_nan(result.value));
      for (const double x : result.gradient) EXPECT_TRUE(detail::is_nan(x));
    }
  }
  loss.activation = OverlapActivation::kSigmoid;
  loss.absent_class = AbsentOverlapClass::kSkip;
  EXPECT_EQ(call<double>(loss, {kInfinity, -kInfinity}, {0}, 2).value, 0.0);
  EXPECT_TRUE(detail::is_nan(call<double>(loss, {kNan, 0}, {0}, 2).value));
}

TEST(OverlapLossErrors, NameWhatIsWrong) {
  const std::vector<double> logits(6, 0.0);
  std::vector<double> gradient(6, -7.0);
  OverlapLoss<> loss;
  std::vector<int> targets = {0, 2};
  std::vector<double> weights;
  const auto message = [&] {
    return error_of([&] {
      value_and_gradient(loss, MatrixView<const double>(logits.data(), 2, 3), targets, {weights},
                         MatrixView<double>(gradient.data(), 2, 3));
    });
  };
  targets = {0, 3};
  EXPECT_EQ(
      message(),
      "value_and_gradient(): targets[1] = 3, expected a class in [0, 3) or the ignore index -100");
  targets = {0};
  EXPECT_EQ(message(), "value_and_gradient(): targets.size() = 1, expected 2 (rows of logits)");
  targets = {0, 2};
  weights = {1, -1};
  EXPECT_EQ(message(),
            "value_and_gradient(): sample_weights[1] = -1, expected a finite number >= 0");
  weights = {1};
  EXPECT_EQ(message(),
            "value_and_gradient(): sample_weights.size() = 1, expected 2 (rows of logits)");
  weights.clear();
  loss.class_weights = {1, 2};
  EXPECT_EQ(message(), "value_and_gradient(): class_weights.size() = 2, expected 3 (classes)");
  loss.class_weights = {1, 2, kNan};
  EXPECT_EQ(message(),
            "value_and_gradient(): class_weights[2] = nan, expected a finite number >= 0");
  loss.class_weights.clear();
  loss.policy.smoothing = -1;
  EXPECT_EQ(message(), "value_and_gradient(): dice.smoothing = -1, expected a finite number >= 0");
  loss.policy.smoothing = 1;
  EXPECT_EQ(gradient, std::vector<double>(6, -7.0)) << "something was written";
  const MatrixView<const double> view(logits.data(), 2, 3);
  EXPECT_EQ(error_of([&] {
              value_and_gradient(loss, view, targets, {},
                                 MatrixView<double>(gradient.data(), 3, 2));
            }),
            "value_and_gradient(): gradient.rows = 3, expected 2 (rows of logits)");
  EXPECT_EQ(error_of([&] {
              equipoise::gradient(
                  loss, view, targets, {},
                  {OverlapResult{0, {}}.slopes, MatrixView<double>(gradient.data(), 2, 3)});
            }),
            "gradient(): slopes.size() = 0, expected 3 (classes)");
  EXPECT_EQ(error_of([&] {
              equipoise::partial(loss, view, std::vector<int>{-1, 0});
            }),
            "partial(): targets[0] = -1, expected a class in [0, 3) or the ignore index -100");
}

TEST(OverlapLossErrors, NameWhatTheTypeOfTheLogitsDoesNotHold) {
  const std::vector<float> logits(6, 0.0F);
  const MatrixView<const float> view(logits.data(), 2, 3);
  const std::vector<int> targets = {0, 2};
  std::vector<float> gradient(6, -7.0F);
  OverlapLoss<> loss;
  const auto message = [&](const std::vector<double>& weights) {
    return error_of([&] {
      value_and_gradient(loss, view, targets, {weights}, MatrixView<float>(gradient.data(), 2, 3));
    });
  };
  const std::string floats =
      ", expected 0 or a number in [1.1754944e-38, 3.4028235e+38], as the type of the logits has "
      "it";
  EXPECT_EQ(message({1, 1e39}), "value_and_gradient(): sample_weights[1] = 1e+39" + floats);
  EXPECT_EQ(message({1e-46, 1}), "value_and_gradient(): sample_weights[0] = 1e-46" + floats);
  EXPECT_EQ(error_of([&] {
              equipoise::partial(loss, view, targets, {std::vector<double>{1e39, 1}});
            }),
            "partial(): sample_weights[0] = 1e+39" + floats);
  // Slopes of sums that small are no floats.
  EXPECT_EQ(error_of([&] {
              equipoise::gradient(loss, view, targets, {},
                                  {OverlapResult{0, {{1e39, 0, 0}, {0, 0, 0}, {0, 0, 0}}}.slopes,
                                   MatrixView<float>(gradient.data(), 2, 3)});
            }),
            "gradient(): slope of class[0] = 1e+39, expected a number that is finite in "
            "the type of the logits");
  EXPECT_EQ(gradient, std::vector<float>(6, -7.0F)) << "something was written";
  // Class weights are taken in double, each as its part of their sum.
  const std::vector<double> none;
  const double plain = equipoise::value(loss, view, targets);
  loss.class_weights = {1e39, 1e39, 1e39};
  EXPECT_NEAR(equipoise::value(loss, view, targets), plain, 1e-15);
  loss.class_weights = {1e308, 1e308, 0};
  EXPECT_EQ(message(none),
            "value_and_gradient(): sum of class_weights = inf, expected a finite number");
}

TEST(OverlapLossErrors, NameTheMatrixAndTheHyperParameter) {
  const std::vector<double> logits(4, 0.0);
  const std::vector<double> matrix = {0.5, 0.5, -0.25, 1};
  const std::vector<double> large = {0.5, 1.5, 0, 1};
  const std::vector<std::uint8_t> mask = {1};
  const MatrixView<const double> view(logits.data(), 2, 2);
  const auto message = [&](const ProbabilityTargets<double>& targets) {
    return error_of([&] { equipoise::value(OverlapLoss<>{}, view, targets); });
  };
  EXPECT_EQ(message({{matrix.data(), 2, 2}, {}}),
            "value(): targets.probabilities[1][0] = -0.25, expected a number in [0, 1]");
  EXPECT_EQ(message({{large.data(), 2, 2}, {}}),
            "value(): targets.probabilities[0][1] = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(message({{matrix.data(), 2, 1}, {}}),
            "value(): targets.probabilities.cols = 1, expected 2 (classes)");
  EXPECT_EQ(message({{matrix.data(), 2, 2}, mask}),
            "value(): targets.mask.size() = 1, expected 2 (rows of targets.probabilities)");
  const auto refuse = [](const auto& policy) {
    OverlapLoss<std::remove_cvref_t<decltype(policy)>> loss;
    loss.policy = policy;
    return error_of([&] { value_and_slopes(loss, OverlapSums{}); });
  };
  EXPECT_EQ(refuse(Tversky{-1}),
            "value_and_slopes(): tversky.fp = -1, expected a finite number >= 0");
  EXPECT_EQ(refuse(Tversky{1, kNan}),
            "value_and_slopes(): tversky.fn = nan, expected a finite number >= 0");
  EXPECT_EQ(refuse(Tversky{1, 1, -2}),
            "value_and_slopes(): tversky.smoothing = -2, expected a finite number >= 0");
  EXPECT_EQ(refuse(FocalTversky{1, 1, -2}),
            "value_and_slopes(): focal_tversky.power = -2, expected a finite number >= 0");
  EXPECT_EQ(refuse(GeneralisedDice{2, 0, 0}),
            "value_and_slopes(): generalised_dice.least_mass = 0, expected a finite number > 0");
  EXPECT_EQ(refuse(SelfAdjustingDice{kInfinity}),
            "value_and_slopes(): self_adjusting_dice.alpha = inf, expected a finite number >= 0");
}

}  // namespace
}  // namespace equipoise
