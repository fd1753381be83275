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

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "equipoise/calibrate.h"
#include "equipoise/counts.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/random.h"
#include "equipoise/resampling/adasyn.h"
#include "equipoise/resampling/borderline_smote.h"
#include "equipoise/resampling/edited_neighbours.h"
#include "equipoise/resampling/near_miss.h"
#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smote.h"
#include "equipoise/resampling/tomek_links.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/weighted_sampler.h"

namespace {

struct Allocations {
  std::size_t count = 0;
  std::size_t bytes = 0;
  std::size_t largest = 0;
  std::size_t in_use = 0;  // of what was requested since, where the system tells
  std::size_t peak = 0;
};

Allocations so_far;  // since the start of the current measurement

std::size_t size_of(void* memory) {
#if defined(__GLIBC__)
  return malloc_usable_size(memory);
#else
  static_cast<void>(memory);
  return 0;
#endif
}

void* counted(void* memory, std::size_t size) {
  if (memory == nullptr) throw std::bad_alloc();
  ++so_far.count;
  so_far.bytes += size;
  so_far.largest = std::max(so_far.largest, size);
  so_far.in_use += size_of(memory);
  so_far.peak = std::max(so_far.peak, so_far.in_use);
  return memory;
}

// What was requested before the measurement does not count.
void release(void* memory) {
  so_far.in_use -= std::min(so_far.in_use, size_of(memory));
  std::free(memory);
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
[[gnu::noinline]] void operator delete(void* memory) noexcept { release(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { release(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  release(memory);
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

#if defined(__GLIBC__)
// Blocks are a little larger than what is asked for.
TEST(Counting, SeesThePeak) {
  const std::vector<double> before(1000);
  const Allocations seen = allocations_of([&] {
    for (int i = 0; i < 3; ++i) {
      std::vector<double> copy = before;
      copy.back() = i;
      use(copy.data());
    }
    const std::vector<double> first(100);
    const std::vector<double> second(1500);
    use(first.data() + second.size());
  });
  EXPECT_GE(seen.peak, 12800U);
  EXPECT_LE(seen.peak, 12800U + 100);
}
#endif

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

#if defined(__GLIBC__)
// 2000 rows of 512 floats, every tenth of class 1.
struct RowsOfTwoClasses {
  std::vector<float> values = std::vector<float>(2000 * 512);
  std::vector<std::int64_t> labels = std::vector<std::int64_t>(2000);

  RowsOfTwoClasses() {
    const CounterRandom random{.seed = 3};
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(random.uniform(i, /*purpose=*/1));
    }
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 10 == 0 ? 1 : 0;
  }
  MatrixView<const float> rows() const { return {values.data(), 2000, 512}; }
};

// Whatever looks for neighbours takes a copy of the rows at most, and what neighbours take: here
// 100 bytes for each of k = 5 a row, and a megabyte for blocks. A second copy would be 4 MB.
TEST(Resampling, TakesACopyOfTheRowsAndNeighboursAtMost) {
  const RowsOfTwoClasses data;
  const std::vector<std::uint64_t> more = {1800, 1800};
  const std::vector<std::uint64_t> fewer = {200, 200};
  const std::size_t rows = data.values.size() * sizeof(float);
  const auto expect_little = [&](const char* name, std::size_t most, const auto& f) {
    EXPECT_LE(allocations_of(f).peak, most + 100 * 2000 * 5 + (std::size_t{1} << 20)) << name;
  };
  expect_little("SMOTE", rows / 10,
                [&] { use(resampling::Smote{}(data.rows(), data.labels, more).size()); });
  expect_little("ADASYN", rows,
                [&] { use(resampling::Adasyn{}(data.rows(), data.labels, more).size()); });
  const resampling::BorderlineSmote borderline{.no_danger = resampling::NoDanger::kSkip};
  expect_little("Borderline-SMOTE", rows,
                [&] { use(borderline(data.rows(), data.labels, more).size()); });
  expect_little("Tomek links", rows,
                [&] { use(resampling::TomekLinks{}(data.rows(), data.labels, 2).size()); });
  expect_little("edited neighbours", rows,
                [&] { use(resampling::EditedNeighbours{}(data.rows(), data.labels, 2).size()); });
  expect_little("NearMiss", rows,
                [&] { use(resampling::NearMiss{}(data.rows(), data.labels, fewer).size()); });
}
#endif

// Recipes are drawn, and rows made of them, without any memory but that of the result.
TEST(Resampling, DrawsRecipesAndMakesRowsWithoutAllocating) {
  resampling::RecipeGroup turns{.class_index = 0, .rows = 700, .k = 1};
  for (std::size_t i = 0; i < 300; ++i) {
    turns.bases.push_back(i);
    turns.neighbours.push_back((i + 1) % 300);
  }
  resampling::RecipeGroup counts{.class_index = 1, .rows = 30, .bases = {1, 2}};
  counts.rows_of_base = {10, 20};
  const resampling::RecipeStream stream({turns, counts}, /*seed=*/1);
  const std::vector<float> values(300 * 4);
  std::vector<resampling::Recipe> batch(1000);
  std::vector<float> made(batch.size() * 4);
  const Allocations seen = allocations_of([&] {
    for (std::uint64_t t = 0; t < 300; ++t) use(stream[t * t].base);
    stream.fill(/*t=*/12345, batch);
    resampling::synthesize(batch, MatrixView<const float>(values.data(), 300, 4),
                           MatrixView<float>(made.data(), batch.size(), 4));
  });
  EXPECT_EQ(seen.count, 0U);
}

}  // namespace
}  // namespace equipoise
