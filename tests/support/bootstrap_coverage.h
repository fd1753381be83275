// How often bootstrap intervals of macro-F1 hold its true value, by simulation.
#ifndef EQUIPOISE_TESTS_SUPPORT_BOOTSTRAP_COVERAGE_H_
#define EQUIPOISE_TESTS_SUPPORT_BOOTSTRAP_COVERAGE_H_

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/interval.h"

namespace equipoise::testing {

// Test sets of so many rows of each class and two systems. System a takes a row of class t for t
// with its recall, else for another class in proportion to that one's rows; b decides half of the
// rows as a did and the others by its own recalls.
struct TestSets {
  std::vector<std::size_t> rows;
  std::vector<double> recalls_a;
  std::vector<double> recalls_b;
  // Whether each row's class is drawn, in proportion to `rows`, until each class has one.
  bool draws_classes = false;

  std::size_t classes() const { return rows.size(); }
  double total() const {
    return static_cast<double>(std::accumulate(rows.begin(), rows.end(), std::size_t{0}));
  }
  // The probability that system a, or what is b's own in b, takes a row of class t for class p.
  double probability(const std::vector<double>& recalls, std::size_t t, std::size_t p) const {
    if (t == p) return recalls[t];
    const double others = total() - static_cast<double>(rows[t]);
    return (1 - recalls[t]) * static_cast<double>(rows[p]) / others;
  }
};

struct TestSet {
  std::vector<std::size_t> targets, a, b;
};

class TestSetGenerator {
 public:
  TestSetGenerator(const TestSets& sets, std::uint64_t seed) : sets_(sets), random_(seed) {}

  TestSet next() {
    TestSet set;
    for (const std::size_t t : targets()) {
      set.targets.push_back(t);
      set.a.push_back(prediction(sets_.recalls_a, t));
      set.b.push_back(uniform() < 0.5 ? set.a.back() : prediction(sets_.recalls_b, t));
    }
    return set;
  }

 private:
  // The same on every platform, unlike std::uniform_real_distribution.
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

  std::vector<std::size_t> targets() {
    std::vector<std::size_t> result;
    for (std::size_t t = 0; t < sets_.classes(); ++t) {
      result.insert(result.end(), sets_.rows[t], t);
    }
    if (!sets_.draws_classes) return result;
    const std::vector<std::size_t> all = result;
    for (std::size_t found = 0; found < sets_.classes();) {
      std::vector<bool> has(sets_.classes(), false);
      found = 0;
      for (std::size_t& t : result) {
        t = all[static_cast<std::size_t>(uniform() * static_cast<double>(all.size()))];
        found += has[t] ? 0 : 1;
        has[t] = true;
      }
    }
    return result;
  }

  std::size_t prediction(const std::vector<double>& recalls, std::size_t t) {
    double left = uniform();
    std::size_t p = 0;
    while (p + 1 < sets_.classes() && left >= sets_.probability(recalls, t, p)) {
      left -= sets_.probability(recalls, t, p++);
    }
    return p;
  }

  const TestSets& sets_;
  std::mt19937_64 random_;
};

// Macro-F1 of a and of b on all rows there could be.
inline double true_macro_f1(const TestSets& sets, bool of_b) {
  metrics::ConfusionMatrix matrix(sets.classes());
  for (std::size_t t = 0; t < sets.classes(); ++t) {
    for (std::size_t p = 0; p < sets.classes(); ++p) {
      const double of_a = sets.probability(sets.recalls_a, t, p);
      const double own = sets.probability(sets.recalls_b, t, p);
      matrix.all_reduce_buffer()[t * sets.classes() + p] =
          static_cast<double>(sets.rows[t]) * (of_b ? (of_a + own) / 2 : of_a);
    }
  }
  return matrix.macro_f1();
}

// The share of test sets whose intervals hold the truth, and how wide they are on average.
struct Coverage {
  double one = 0;
  double difference = 0;
  double width_of_one = 0;
  double width_of_difference = 0;
};

// With interval(set, repeat, wants_difference).
template <class F>
Coverage coverage_by(const TestSets& sets, std::size_t repeats, const F& interval) {
  constexpr std::uint64_t kSeed = 20240117;
  TestSetGenerator generator(sets, kSeed);
  const double truth = true_macro_f1(sets, false);
  const double gain = truth - true_macro_f1(sets, true);
  Coverage coverage;
  const double one = 1 / static_cast<double>(repeats);
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    const TestSet set = generator.next();
    const metrics::Interval of_one = interval(set, repeat, false);
    const metrics::Interval of_both = interval(set, repeat, true);
    coverage.one += of_one.lower <= truth && truth <= of_one.upper ? one : 0;
    coverage.difference += of_both.lower <= gain && gain <= of_both.upper ? one : 0;
    coverage.width_of_one += (of_one.upper - of_one.lower) * one;
    coverage.width_of_difference += (of_both.upper - of_both.lower) * one;
  }
  return coverage;
}

// Of bootstrap() and paired_bootstrap() with options; every repeat has a seed of its own.
inline Coverage coverage_of(const TestSets& sets, std::size_t repeats,
                            metrics::BootstrapOptions options,
                            metrics::Absent absent = metrics::Absent::kZero) {
  const auto macro_f1 = [absent](const metrics::ConfusionMatrix& m) { return m.macro_f1(absent); };
  return coverage_by(sets, repeats, [&](const TestSet& set, std::size_t repeat, bool is_paired) {
    options.seed = repeat;
    const std::size_t classes = sets.classes();
    return is_paired
               ? metrics::paired_bootstrap(set.targets, set.a, set.b, classes, macro_f1, options)
               : metrics::bootstrap(set.targets, set.a, classes, macro_f1, options);
  });
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_BOOTSTRAP_COVERAGE_H_
