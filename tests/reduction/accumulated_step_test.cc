#include "equipoise/reduction/accumulated_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

#include "equipoise/loss/softmax.h"
#include "equipoise/reduction/group_dro.h"
#include "tests/support/errors.h"
#include "tests/support/loss_call.h"
#include "tests/support/softmax_reference.h"

namespace equipoise {
namespace {

using testing::Batch;
using testing::error_of;
using testing::kVariants;
using testing::make_batch;
using testing::make_loss;
using testing::TargetKind;

static_assert(AllReduceSum<SingleRank> && LossReduction<GroupDro>);

template <class T>
struct Result {
  double value = 0;
  std::vector<T> gradient;
};

// A batch in the type of its logits, and parts of it.
template <class T>
struct Rows {
  const Batch& batch;
  TargetKind kind = TargetKind::kIndices;
  std::vector<T> logits{batch.logits.begin(), batch.logits.end()};
  std::vector<T> probabilities{batch.probabilities.begin(), batch.probabilities.end()};

  MatrixView<const T> logits_of(std::size_t begin, std::size_t count) const {
    return {logits.data() + begin * batch.classes, count, batch.classes};
  }
  // f(targets), in the kind wanted.
  template <class F>
  auto with_targets(std::size_t begin, std::size_t count, const F& f) const {
    if (kind == TargetKind::kIndices) return f(std::span(batch.targets).subspan(begin, count));
    return f(
        ProbabilityTargets<T>{{probabilities.data() + begin * batch.classes, count, batch.classes},
                              std::span(batch.mask).subspan(begin, count)});
  }
  LossArguments attributes_of(std::size_t begin, std::size_t count) const {
    return {std::span(batch.sample_weights).subspan(begin, count),
            std::span(batch.groups).subspan(begin, count)};
  }
};

template <class T, class Loss>
Result<T> whole_batch(const Loss& loss, const Rows<T>& rows) {
  Result<T> result{0, std::vector<T>(rows.logits.size())};
  const std::size_t n = rows.batch.rows;
  result.value = rows.with_targets(0, n, [&](const auto& targets) {
    return value_and_gradient(loss, rows.logits_of(0, n), targets, rows.attributes_of(0, n),
                              MatrixView<T>(result.gradient.data(), n, rows.batch.classes));
  });
  return result;
}

// Where the parts of `rows` rows begin and end; some may be empty.
std::vector<std::size_t> random_cuts(std::size_t rows, std::size_t parts, std::mt19937_64& random) {
  std::vector<std::size_t> cuts = {0, rows};
  while (cuts.size() <= parts) cuts.push_back(random() % (rows + 1));
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

template <class T, class Loss, class Step>
void expect_parts(const Loss& loss, const Rows<T>& rows, std::span<const std::size_t> cuts,
                  Step& step) {
  for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
    const std::size_t count = cuts[k + 1] - cuts[k];
    step.expect(rows.with_targets(cuts[k], count, [&](const auto& targets) {
      return denominators(loss, targets, rows.batch.classes, rows.attributes_of(cuts[k], count));
    }));
  }
}

// One thread a block, or two blocks, in whatever order they come.
struct Threads {
  template <class F>
  void operator()(std::size_t blocks, const F& f) const {
    std::vector<std::thread> threads;
    for (std::size_t first = 0; first < blocks; first += 2) {
      threads.emplace_back([&f, first, blocks] {
        if (first + 1 < blocks) f(first + 1);
        f(first);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
};

template <class T, class Loss, class Step, class ParallelFor = SerialFor>
void add_parts(const Loss& loss, const Rows<T>& rows, std::span<const std::size_t> cuts, Step& step,
               std::vector<T>& gradient, const ParallelFor& parallel_for = {}) {
  const std::size_t classes = rows.batch.classes;
  for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
    const std::size_t count = cuts[k + 1] - cuts[k];
    const MatrixView<T> out(gradient.data() + cuts[k] * classes, count, classes);
    step.add(rows.with_targets(cuts[k], count, [&](const auto& targets) {
      return equipoise::partial(
          loss, rows.logits_of(cuts[k], count), targets,
          testing::with_coefficients(rows.attributes_of(cuts[k], count), step.coefficients()),
          LossOutputs<T>{out, {}}, parallel_for);
    }));
  }
}

template <class T, class Loss, class ParallelFor = SerialFor>
Result<T> in_micro_batches(const Loss& loss, const Rows<T>& rows, std::span<const std::size_t> cuts,
                           const ParallelFor& parallel_for = {}) {
  Result<T> result{0, std::vector<T>(rows.logits.size())};
  AccumulatedStep step(loss.reduction);
  expect_parts(loss, rows, cuts, step);
  add_parts(loss, rows, cuts, step, result.gradient, parallel_for);
  result.value = step.value();
  return result;
}

// Adds up what ranks that run one after the other hand in.
void sum_over(std::vector<std::span<double>> buffers) {
  for (std::size_t i = 0; i < buffers[0].size(); ++i) {
    double sum = 0;
    for (const std::span<double> buffer : buffers) sum += buffer[i];
    for (const std::span<double> buffer : buffers) buffer[i] = sum;
  }
}

// Each part is a rank, with two micro-batches of its own.
template <class T, class Loss>
Result<T> on_ranks(const Loss& loss, const Rows<T>& rows, std::span<const std::size_t> cuts) {
  Result<T> result{0, std::vector<T>(rows.logits.size())};
  std::vector<AccumulatedStep<std::remove_cvref_t<decltype(loss.reduction)>>> ranks;
  std::vector<std::vector<std::size_t>> own;
  for (std::size_t r = 0; r + 1 < cuts.size(); ++r) {
    own.push_back({cuts[r], (cuts[r] + cuts[r + 1]) / 2, cuts[r + 1]});
    expect_parts(loss, rows, own[r], ranks.emplace_back(loss.reduction));
  }
  const auto all_reduce = [&](auto&& member) {
    std::vector<std::span<double>> buffers;
    for (auto& rank : ranks) {
      member(rank, [&](std::span<double> buffer) { buffers.push_back(buffer); });
    }
    sum_over(buffers);
  };
  all_reduce([](auto& rank, const auto& f) { rank.reduce_expected(f); });
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    add_parts(loss, rows, own[r], ranks[r], result.gradient);
  }
  all_reduce([](auto& rank, const auto& f) { rank.reduce_added(f); });
  result.value = ranks[0].value();
  for (auto& rank : ranks) EXPECT_EQ(rank.value(), result.value);
  return result;
}

// The relative error of the whole gradient, and of the value. `term` bounds the terms of which an
// element of the gradient is the difference: where they cancel, their rounding remains.
template <class T>
void expect_equal(const Result<T>& actual, const Result<T>& expected, double term,
                  const char* what) {
  constexpr double kBound = std::is_same_v<T, float> ? 1e-5 : 1e-12;
  double squared_error = 0;
  double squared = 0;
  for (std::size_t i = 0; i < expected.gradient.size(); ++i) {
    const double error = static_cast<double>(actual.gradient[i]) - expected.gradient[i];
    squared_error += error * error;
    squared += static_cast<double>(expected.gradient[i]) * expected.gradient[i];
  }
  const double rounding = 8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * term;
  EXPECT_LE(std::sqrt(squared_error), kBound * std::sqrt(squared) + rounding) << what;
  EXPECT_LE(std::fabs(actual.value - expected.value), kBound * std::fabs(expected.value)) << what;
}

template <class F>
void for_reductions(std::size_t classes, std::mt19937_64& random, const F& f) {
  f(MeanByCount{});
  f(MeanByWeight{});
  f(MeanByPositives{});
  f(SumOverRows{});
  f(MeanPerClass{classes});
  f(MeanPerGroup{testing::kGroups});
  const double first = 0.1 + 0.3 * static_cast<double>(random() % 100) / 100;
  f(GroupDro{.groups = testing::kGroups, .shares = {first, 0.5, 0.5 - first}});
}

// The whole batch against parts of it, for a loss of each modulator and reduction.
template <class T>
void expect_parts_equal_the_whole(const Batch& batch, std::mt19937_64& random) {
  const std::vector<std::size_t> cuts = random_cuts(batch.rows, 1 + random() % 6, random);
  const auto kind = static_cast<TargetKind>(random() % 2);
  auto variant = static_cast<unsigned>(random() % kVariants);
  if (kind == TargetKind::kProbabilities) variant &= ~testing::kNeedIndices;
  const auto with_modulator = [&](auto modulator) {
    for_reductions(batch.classes, random, [&](auto reduction) {
      const auto loss = make_loss(variant, batch.classes, random, modulator, reduction);
      const Rows<T> rows{batch, kind};
      const Result<T> whole = whole_batch(loss, rows);
      // The largest weights (of class, group and sample) and scales are 2 each.
      const std::vector<double> scales = rows.with_targets(0, batch.rows, [&](const auto& targets) {
        return coefficients(reduction,
                            denominators(loss, targets, batch.classes, batch.attributes()));
      });
      const double term = 32 * *std::max_element(scales.begin(), scales.end());
      expect_equal(in_micro_batches(loss, rows, cuts), whole, term, "micro-batches");
      expect_equal(in_micro_batches(loss, rows, cuts, Threads{}), whole, term, "threads");
      expect_equal(on_ranks(loss, rows, cuts), whole, term, "ranks");
    });
  };
  with_modulator(CrossEntropy{});
  with_modulator(Focal{2.0});
}

template <class T>
void expect_parts_equal_the_whole(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int repeat = 0; repeat < 250; ++repeat) {
    const std::size_t classes = 1 + random() % 40;
    expect_parts_equal_the_whole<T>(make_batch(1 + random() % 60, classes, random), random);
  }
  // Of several blocks.
  for (int repeat = 0; repeat < 4; ++repeat) {
    const std::size_t classes = 1 + random() % 20;
    expect_parts_equal_the_whole<T>(make_batch(2000 + random() % 3000, classes, random), random);
  }
}

TEST(AccumulatedStep, PartsEqualTheWholeInDouble) { expect_parts_equal_the_whole<double>(1); }
TEST(AccumulatedStep, PartsEqualTheWholeInFloat) { expect_parts_equal_the_whole<float>(2); }

// What the usual mean of the micro-batches' means does instead.
TEST(AccumulatedStep, MeanOfMeansIsFarFromTheWhole) {
  std::mt19937_64 random(5);
  const std::vector<double> prior = {0.9, 0.05, 0.03, 0.015, 0.005};
  std::discrete_distribution<int> label(prior.begin(), prior.end());
  Batch batch = make_batch(256 * 16, 5, random, 1.0);
  batch.sample_weights.clear();
  batch.groups.clear();
  for (std::int64_t& y : batch.targets) y = label(random);
  SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
  for (const double p : prior) loss.class_weights.push_back(1 / p);
  std::vector<double> whole(batch.logits.size());
  value_and_gradient(loss, MatrixView<const double>(batch.logits.data(), batch.rows, 5),
                     batch.targets, {}, MatrixView<double>(whole.data(), batch.rows, 5));
  double squared_error = 0;
  double squared = 0;
  for (std::size_t begin = 0; begin < batch.rows; begin += 16) {
    std::vector<double> gradient(16 * 5);
    value_and_gradient(loss, MatrixView<const double>(batch.logits.data() + begin * 5, 16, 5),
                       std::span(batch.targets).subspan(begin, 16), {},
                       MatrixView<double>(gradient.data(), 16, 5));
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      squared_error += std::pow(gradient[i] / 256 - whole[begin * 5 + i], 2);
      squared += std::pow(whole[begin * 5 + i], 2);
    }
  }
  // By how much depends on the sample; what no rounding explains is a hundred times less.
  EXPECT_GT(std::sqrt(squared_error / squared), 0.25);
}

// By hand: -ln(1/2) for each row, weights 1 and 3.
TEST(AccumulatedStep, DefersTheScaleOfOneBucket) {
  SoftmaxLoss<CrossEntropy, MeanByWeight> loss;
  loss.class_weights = {1, 3};
  const std::vector<double> logits = {0, 0};
  const std::vector<double> ones = {1.0};
  LossPartial total;
  std::vector<double> gradient(4);
  for (const int target : {0, 1}) {
    total += equipoise::partial(loss, MatrixView<const double>(logits.data(), 1, 2),
                                std::vector<int>{target}, {.coefficients = ones},
                                LossOutputs<double>{{gradient.data() + 2 * target, 1, 2}, {}});
  }
  const double scale = deferred_scale(loss.reduction, total);
  EXPECT_EQ(scale, 0.25);
  EXPECT_NEAR(scale * total.buckets[0].numerator, std::log(2.0),
              2 * std::numeric_limits<double>::epsilon());
  EXPECT_EQ(scale * gradient[0], -0.125);
  EXPECT_EQ(scale * gradient[2], 0.375);
  EXPECT_EQ(error_of([] {
              deferred_scale(MeanPerClass{2}, LossPartial{{{}, {}}});
            }),
            "deferred_scale(): reduction.buckets() = 2, expected 1: take the denominators before "
            "the backward pass");
}

TEST(AccumulationErrors, NoticeWhatIsMissing) {
  AccumulatedStep step(MeanByCount{});
  step.expect(LossPartial{{{0, 3, 3}}});
  step.add(LossPartial{{{1, 2, 2}}});
  EXPECT_EQ(error_of([&] { step.value(); }),
            "AccumulatedStep(): rows added to bucket[0] = 2, expected 3");
  EXPECT_EQ(error_of([&] { step.reduce_added(SingleRank{}); }),
            "AccumulatedStep(): rows added to bucket[0] = 2, expected 3");
  AccumulatedStep other = step;
  other.add(LossPartial{{{2, 2, 1}}});
  EXPECT_EQ(error_of([&] { other.value(); }),
            "AccumulatedStep(): mass added to bucket[0] = 4, expected 3");
  step.add(LossPartial{{{2, 1, 1}}});
  EXPECT_EQ(step.value(), 1.0);
  EXPECT_EQ(error_of([&] {
              step.expect(LossPartial{{{0, 1, 1}}});
            }),
            "AccumulatedStep::expect(): rows = 1, expected none: the coefficients are in use");
}

TEST(AccumulatedStep, OfNothingIsZero) {
  AccumulatedStep step(MeanByWeight{});
  EXPECT_EQ(step.value(), 0.0);
}

}  // namespace
}  // namespace equipoise
