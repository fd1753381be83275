#include "equipoise/metrics/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;
using Numbers = std::vector<double>;

MatrixView<const double> rows_of(const Numbers& p, std::size_t classes) {
  return {p.data(), p.size() / classes, classes};
}

TEST(Calibration, ByHand) {
  // Two bins: (0, .5] and (.5, 1].
  const Numbers p = {0.9, 0.1, 0.8, 0.2, 0.5, 0.5, 0.3, 0.7};
  const std::vector<int> targets = {0, 1, 1, 1};
  Calibration calibration(2, 2);
  calibration.add(rows_of(p, 2), targets);
  EXPECT_EQ(calibration.total(), 4);
  // Top labels: .9 true, .8 false, .7 true above; .5 (the first of two) false below.
  const ReliabilityBin high = calibration.top_label_bin(1);
  EXPECT_EQ(high.count, 3);
  EXPECT_NEAR(high.confidence, 0.8, 1e-15);
  EXPECT_NEAR(high.frequency, 2.0 / 3, 1e-15);
  EXPECT_EQ(calibration.top_label_bin(0).count, 1);
  EXPECT_NEAR(calibration.ece(), (std::fabs(2 - 2.4) + 0.5) / 4, 1e-15);
  EXPECT_NEAR(calibration.maximum_error(), 0.5, 1e-15);
  // Class 1: .1, .2, .5 of which two came true; .7, true.
  EXPECT_NEAR(calibration.ece(1), (std::fabs(2 - 0.8) + 0.3) / 4, 1e-15);
  EXPECT_NEAR(calibration.ece(0), (std::fabs(0 - 0.8) + std::fabs(1 - 1.7)) / 4, 1e-15);
  EXPECT_NEAR(calibration.class_wise_ece(), (calibration.ece(0) + calibration.ece(1)) / 2, 1e-15);
  EXPECT_NEAR(calibration.nll(),
              -(std::log(0.9) + std::log(0.2) + std::log(0.5) + std::log(0.7)) / 4, 1e-15);
  EXPECT_NEAR(calibration.brier(), 2 * (0.01 + 0.64 + 0.25 + 0.09) / 4, 1e-15);
}

TEST(Calibration, BinsAreOpenBelowAndClosedAbove) {
  Calibration calibration(2, 4);
  calibration.add(rows_of({0, 1, 0.25, 0.75, 0.5, 0.5}, 2), std::vector<int>{1, 1, 1});
  const auto counts = [&](std::size_t c) {
    std::vector<double> result;
    for (std::size_t b = 0; b < 4; ++b) result.push_back(calibration.bin(c, b).count);
    return result;
  };
  EXPECT_EQ(counts(0), (Numbers{2, 1, 0, 0}));
  EXPECT_EQ(counts(1), (Numbers{0, 1, 1, 1}));
}

TEST(Calibration, AveragesByARuleForWhatIsAbsent) {
  // Class 2 has no samples.
  Calibration calibration(3);
  calibration.add(rows_of({0.6, 0.3, 0.1, 0.5, 0.3, 0.2}, 3), std::vector<int>{0, 1});
  const double all = (calibration.ece(0) + calibration.ece(1) + calibration.ece(2)) / 3;
  for (const Absent absent : {Absent::kSkip, Absent::kZero, Absent::kOne, Absent::kNaN}) {
    EXPECT_NEAR(calibration.class_wise_ece(absent), all, 1e-15);
  }
  EXPECT_NEAR(calibration.class_wise_ece(Absent::kSkipUnsupported),
              (calibration.ece(0) + calibration.ece(1)) / 2, 1e-15);
  const Calibration empty(3);
  EXPECT_TRUE(detail::is_nan(empty.class_wise_ece(Absent::kSkipUnsupported)));
  EXPECT_EQ(empty.class_wise_ece(Absent::kZero), 0);
  EXPECT_EQ(empty.class_wise_ece(Absent::kOne), 1);
  EXPECT_TRUE(detail::is_nan(empty.class_wise_ece(Absent::kNaN)));
}

struct Case {
  std::size_t classes;
  Numbers probabilities{};
  std::vector<std::int64_t> targets{};
};

Case random_case(std::uint64_t seed) {
  const CounterRandom random{seed};
  std::uint64_t t = 0;
  Case result{1 + static_cast<std::size_t>(random.below(5, t++, 1))};
  const std::uint64_t rows = random.below(60, t++, 1);
  for (std::uint64_t r = 0; r < rows; ++r) {
    Numbers p;
    for (std::size_t c = 0; c < result.classes; ++c) p.push_back(0.01 + random.uniform(t++, 1));
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    for (const double value : p) result.probabilities.push_back(value / sum);
    const std::int64_t y = static_cast<std::int64_t>(random.below(result.classes + 1, t++, 1));
    result.targets.push_back(y == static_cast<std::int64_t>(result.classes) ? -100 : y);
  }
  return result;
}

// By the definition: rows sorted into bins, one after the other.
double ece_by_definition(const Case& data, std::size_t bins) {
  double sum = 0;
  double total = 0;
  for (std::size_t b = 0; b < bins; ++b) {
    double count = 0;
    double confidence = 0;
    double correct = 0;
    for (std::size_t r = 0; r < data.targets.size(); ++r) {
      if (data.targets[r] == -100) continue;
      const auto begin = data.probabilities.begin() + static_cast<std::ptrdiff_t>(r * data.classes);
      const auto end = begin + static_cast<std::ptrdiff_t>(data.classes);
      const auto top = std::max_element(begin, end);
      const auto size = static_cast<double>(bins);
      if (*top <= static_cast<double>(b) / size || *top > static_cast<double>(b + 1) / size)
        continue;
      count += 1;
      confidence += *top;
      correct += top - begin == data.targets[r] ? 1 : 0;
    }
    total += count;
    if (count > 0) sum += count * std::fabs(correct / count - confidence / count);
  }
  return total > 0 ? sum / total : 0;
}

TEST(Calibration, EqualsTheDefinitionAndMerges) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Case data = random_case(seed);
    const std::size_t bins = 1 + seed % 15;
    const MatrixView<const double> view = rows_of(data.probabilities, data.classes);
    Calibration whole(data.classes, bins);
    whole.add(view, data.targets, -100);
    if (whole.total() == 0) continue;  // nothing is defined
    EXPECT_NEAR(whole.ece(), ece_by_definition(data, bins), 1e-13) << seed;
    // In two parts, the second first.
    const std::size_t cut = seed % (data.targets.size() + 1);
    const auto part = [&](std::size_t begin, std::size_t end) {
      Calibration result(data.classes, bins);
      result.add(MatrixView<const double>(data.probabilities.data() + begin * data.classes,
                                          end - begin, data.classes),
                 std::span(data.targets).subspan(begin, end - begin), -100);
      return result;
    };
    Calibration merged;
    merged += part(cut, data.targets.size());
    merged += part(0, cut);
    EXPECT_EQ(merged.total(), whole.total());
    EXPECT_NEAR(merged.ece(), whole.ece(), 1e-13);
    EXPECT_NEAR(merged.class_wise_ece(), whole.class_wise_ece(), 1e-13);
    EXPECT_NEAR(merged.nll(), whole.nll(), 1e-13 * (1 + whole.nll()));
    EXPECT_NEAR(merged.brier(), whole.brier(), 1e-13);
  }
}

TEST(Calibration, OfFrequenciesIsZero) {
  // Of ten rows with probability .3, three come true.
  Numbers p;
  std::vector<int> targets;
  for (int i = 0; i < 10; ++i) {
    p.insert(p.end(), {0.3, 0.7});
    targets.push_back(i < 3 ? 0 : 1);
  }
  Calibration calibration(2);
  calibration.add(rows_of(p, 2), targets);
  EXPECT_NEAR(calibration.ece(), 0, 1e-15);
  EXPECT_NEAR(calibration.class_wise_ece(), 0, 1e-15);
}

TEST(Calibration, WithoutRowsIsUndefinedAndAnImpossibleTargetInfinite) {
  Calibration calibration(2);
  for (const double error : {calibration.ece(), calibration.ece(1), calibration.maximum_error(),
                             calibration.nll(), calibration.brier(), calibration.class_wise_ece(),
                             Calibration().class_wise_ece(), Calibration().nll()}) {
    EXPECT_TRUE(detail::is_nan(error));
  }
  calibration.add(rows_of({1, 0}, 2), std::vector<int>{1});
  EXPECT_EQ(calibration.nll(), detail::infinity());
}

TEST(Calibration, TakesTheSumOfARowAsToldFor) {
  const Numbers rounded = {0.5, 0.50390625};
  Calibration calibration(2);
  const auto error = [&](double tolerance) {
    return error_of([&] {
      calibration.add(MatrixView<const double>(rounded.data(), 1, 2), std::vector<int>{0}, {},
                      tolerance);
    });
  };
  EXPECT_EQ(error(1e-3),
            "Calibration::add(): sum of row 0 of probabilities = 1.00390625, expected 1");
  EXPECT_EQ(error(detail::quiet_nan()),
            "Calibration::add(): sum_tolerance = nan, expected a finite number >= 0");
  EXPECT_EQ(error(4e-3), "nothing was thrown");
  EXPECT_EQ(calibration.total(), 1);
}

TEST(Calibration, RefusesBadInputAndStaysAsItWas) {
  Calibration calibration(2);
  calibration.add(rows_of({0.5, 0.5}, 2), std::vector<int>{0});
  const Calibration before = calibration;
  const auto error = [&](const Numbers& p, const std::vector<int>& targets) {
    return error_of([&] { calibration.add(rows_of(p, 2), targets); });
  };
  EXPECT_EQ(error({0.5, 0.5, 0.5, 0.6}, {0, 0}),
            "Calibration::add(): sum of row 1 of probabilities = 1.1, expected 1");
  EXPECT_EQ(error({0.5, 0.5, 1.5, -0.5}, {0, 0}),
            "Calibration::add(): probabilities(1, 1) = -0.5, expected a finite number >= 0");
  EXPECT_EQ(error({0.5, 0.5}, {2}),
            "Calibration::add(): targets[0] = 2, expected a class in [0, 2)");
  EXPECT_EQ(error({0.5, 0.5}, {0, 0}),
            "Calibration::add(): targets.size() = 2, expected 1 (rows of probabilities)");
  EXPECT_EQ(error_of([&] { calibration += Calibration(3); }),
            "Calibration::operator+=(): other.size() = 3, expected 2 (classes on the left)");
  EXPECT_EQ(error_of([] { Calibration(2, 0); }),
            "Calibration(): bins = 0, expected a number in [1, 2^20]");
  EXPECT_EQ(calibration, before);
}

}  // namespace
}  // namespace equipoise::metrics
