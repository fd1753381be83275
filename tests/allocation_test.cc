// What the library's functions take from the heap: this program counts every request.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <numeric>
#include <span>
#include <vector>

#include "equipoise/calibrate.h"
#include "equipoise/counts.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/random.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/weighted_sampler.h"

namespace {

struct Allocations {
  std::size_t count = 0;
  std::size_t bytes = 0;
  std::size_t largest = 0;
};

Allocations so_far;  // since the start of the current measurement

void* counted(void* memory, std::size_t size) {
  if (memory == nullptr) throw std::bad_alloc();
  ++so_far.count;
  so_far.bytes += size;
  so_far.largest = std::max(so_far.largest, size);
  return memory;
}

}  // namespace

// The forms for arrays call these. Inlined, they would seem to g++ to be two that do not belong
// together.
[[gnu::noinline]] void* operator new(std::size_t size) {
  return counted(std::malloc(size == 0 ? 1 : size), size);
}
// AddressSanitizer has one of its own, whose memory is not free()'s.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return operator new(size);
}
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(to, (size + to - 1) / to * to), size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace equipoise {
namespace {

template <class F>
Allocations allocations_of(const F& f) {
  so_far = {};
  f();
  return so_far;
}

// Keeps a result, so that no call can be left out.
template <class T>
void use(const T& value) {
  volatile T kept = value;
  static_cast<void>(kept);
}

std::vector<std::int64_t> cyclic_labels(std::size_t rows, std::size_t classes) {
  std::vector<std::int64_t> labels(rows);
  for (std::size_t i = 0; i < rows; ++i) labels[i] = static_cast<std::int64_t>(i % classes);
  return labels;
}

TEST(Counting, SeesRequestsOfEveryForm) {
  struct alignas(128) Wide {
    char bytes[128];
  };
  const Allocations seen = allocations_of([] {
    const std::vector<double> plain(100);
    const std::vector<Wide> aligned(3);
    use(plain.data());
    use(aligned.data());
  });
  EXPECT_EQ(seen.count, 2U);
  EXPECT_EQ(seen.bytes, 800U + 3 * 128);
  EXPECT_EQ(seen.largest, 800U);
}

TEST(RandomNumbers, AllocateNothing) {
  const Allocations seen = allocations_of([] {
    const CounterRandom random{.seed = 1};
    for (const std::uint64_t n : {5U, 100U, 1000U}) {
      const RandomPermutation order(n, random, /*t=*/3);
      for (std::uint64_t i = 0; i < n; ++i) use(order(i) + random.below(n, i, /*purpose=*/1));
    }
  });
  EXPECT_EQ(seen.count, 0U);
}

// Single draws and whole batches of a stream.
template <class Stream>
Allocations allocations_of_draws(const Stream& stream) {
  std::vector<std::int64_t> batch(1000);
  return allocations_of([&] {
    for (std::uint64_t t = 0; t < 300; ++t) use(stream[t * t]);
    stream.fill(/*t=*/12345, batch);
    stream.fill(/*t=*/7, batch, /*stride=*/3);
  });
}

TEST(Samplers, DrawWithoutAllocating) {
  const std::vector<std::int64_t> labels = cyclic_labels(2000, 5);
  const std::vector<double> proportions = {1, 2, 3, 4, 1e-3};
  for (const sampling::Mode mode : {sampling::Mode::kIndependent, sampling::Mode::kExactQuota}) {
    for (const std::uint64_t window : {32U, 1000U}) {
      const sampling::ClassSampler sampler(labels, proportions, /*seed=*/1,
                                           {.mode = mode, .window = window});
      EXPECT_EQ(allocations_of_draws(sampler).count, 0U);
    }
  }
  std::vector<double> weights(2000);
  std::iota(weights.begin(), weights.end(), 0.0);
  EXPECT_EQ(allocations_of_draws(sampling::WeightedSampler(weights, /*seed=*/1)).count, 0U);
}

TEST(Counts, TakeMemoryForTheClassesAlone) {
  for (const std::size_t classes : {4U, 300U}) {
    const auto bytes = [&](std::size_t rows) {
      const std::vector<std::int64_t> labels = cyclic_labels(rows, classes);
      return allocations_of([&] { use(count_labels(labels, classes).total()); }).bytes;
    };
    EXPECT_EQ(bytes(20'000), bytes(40'000));
  }
}

TEST(Confusion, TakesMemoryForTheClassesAlone) {
  const std::size_t classes = 6;
  const auto bytes = [&](std::size_t rows) {
    const std::vector<std::int64_t> labels = cyclic_labels(rows, classes);
    metrics::ConfusionMatrix matrix(classes);
    return allocations_of([&] { matrix.add(labels, labels); }).bytes;
  };
  EXPECT_EQ(bytes(20'000), bytes(40'000));
}

TEST(Confusion, FiguresAllocateNothing) {
  metrics::ConfusionMatrix matrix(3);
  const Allocations seen = allocations_of([&] {
    matrix.add(2, 1);
    use(matrix.precision(0) + matrix.recall(1) + matrix.f1(2) + matrix.accuracy());
    use(matrix.macro_f1(metrics::Absent::kSkip) + matrix.weighted_f1() +
        matrix.balanced_accuracy());
    use(matrix.g_mean() + matrix.mcc());
  });
  EXPECT_EQ(seen.count, 0U);
}

TEST(Bootstrap, ResamplesWithoutAllocating) {
  const std::vector<std::int64_t> targets = cyclic_labels(200, 4);
  const std::vector<std::int64_t> a = cyclic_labels(200, 3);
  const std::vector<std::int64_t> b = cyclic_labels(200, 2);
  const auto count = [&](std::size_t resamples) {
    return allocations_of([&] {
             use(metrics::paired_bootstrap(
                     targets, a, b, 4,
                     [](const metrics::ConfusionMatrix& m) { return m.macro_f1(); },
                     {.resamples = resamples})
                     .estimate);
           })
        .count;
  };
  EXPECT_EQ(count(10), count(100));
}

TEST(Predict, AllocatesThePredictions) {
  const std::vector<double> logits(300, 0.0);
  const std::vector<double> offset(3, 1.0);
  const Allocations seen = allocations_of([&] {
    use(calibrate::predict(MatrixView<const double>(logits.data(), 100, 3), offset).data());
  });
  EXPECT_EQ(seen.count, 1U);
  EXPECT_EQ(seen.bytes, 100 * sizeof(std::int64_t));
}

struct LossCase {
  std::size_t rows;
  std::size_t classes;
  bool wants_gradient;
  bool column_major;
};

template <class T>
Allocations allocations_of_loss(const LossCase& c) {
  const std::vector<T> logits(c.rows * c.classes, T(0));
  std::vector<T> gradient(logits.size());
  const std::vector<std::int64_t> targets = cyclic_labels(c.rows, c.classes);
  const SoftmaxLoss<> loss;
  const LossPartial whole = denominators(loss, targets, c.classes);
  const std::vector<double> scales = coefficients(loss.reduction, whole);
  const auto view = [&](auto* data) {
    const auto rows = static_cast<std::ptrdiff_t>(c.rows);
    const auto classes = static_cast<std::ptrdiff_t>(c.classes);
    return c.column_major ? MatrixView(data, c.rows, c.classes, 1, rows)
                          : MatrixView(data, c.rows, c.classes, classes, 1);
  };
  const MatrixView<const T> in = view(logits.data());
  const LossOutputs<T> outputs{c.wants_gradient ? view(gradient.data()) : MatrixView<T>{}, {}};
  return allocations_of([&] {
    use(value(equipoise::partial(loss, in, targets, {.coefficients = scales}, outputs), scales));
  });
}

TEST(SoftmaxLoss, AllocatesNothingOfTheSizeOfTheLogits) {
  // What is left: sums of each block of rows, and where rows do not lie as the kernel takes them or
  // nobody wants the gradient, work space that stays in a first-level cache.
  constexpr std::size_t kWorkSpace = std::size_t{1} << 16;
  for (const bool wants_gradient : {true, false}) {
    for (const bool column_major : {true, false}) {
      for (const std::size_t classes : {3U, 40U, 1000U}) {
        const LossCase c{4096, classes, wants_gradient, column_major};
        EXPECT_LE(allocations_of_loss<double>(c).largest, kWorkSpace);
        EXPECT_LE(allocations_of_loss<float>(c).largest, kWorkSpace);
      }
    }
  }
}

TEST(SoftmaxLoss, WritesItsGradientInPlace) {
  // One block of rows: the sums of the call, of the block and of the targets, whatever the classes.
  for (const std::size_t classes : {3U, 40U, 128U}) {
    const Allocations seen = allocations_of_loss<double>({512, classes, true, false});
    EXPECT_LE(seen.count, 4U) << classes;
    EXPECT_LE(seen.bytes, 4 * sizeof(LossTally)) << classes;
  }
}

// The largest request of a sigmoid and of an overlap loss with gradient.
template <class T>
std::size_t largest_of_other_losses(std::size_t rows, std::size_t classes) {
  const std::vector<T> logits(rows * classes, T(0));
  std::vector<T> gradient(logits.size());
  const std::vector<std::int64_t> targets = cyclic_labels(rows, classes);
  const MatrixView<const T> in(logits.data(), rows, classes);
  const MatrixView<T> out(gradient.data(), rows, classes);
  return allocations_of([&] {
           use(value_and_gradient(SigmoidLoss<SigmoidFocal>{}, in, in, {}, out));
           use(value_and_gradient(OverlapLoss<>{}, in, targets, {}, out));
         })
      .largest;
}

TEST(OtherLosses, AllocateNothingOfTheSizeOfTheLogits) {
  constexpr std::size_t kWorkSpace = std::size_t{1} << 16;
  for (const std::size_t classes : {1U, 40U, 1000U}) {
    EXPECT_LE(largest_of_other_losses<float>(4096, classes), kWorkSpace) << classes;
    EXPECT_LE(largest_of_other_losses<double>(4096, classes), kWorkSpace) << classes;
  }
}

}  // namespace
}  // namespace equipoise
