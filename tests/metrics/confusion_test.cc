#include "equipoise/metrics/confusion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

ConfusionMatrix matrix_of(const std::vector<int>& targets, const std::vector<int>& predictions,
                          std::size_t classes) {
  ConfusionMatrix matrix(classes);
  matrix.add(targets, predictions);
  return matrix;
}

// Targets 0 0 1 1, predictions 0 0 1 2; class 2 has no sample.
TEST(ConfusionMatrix, EqualsTheHandComputedFigures) {
  const ConfusionMatrix m = matrix_of({0, 0, 1, 1}, {0, 0, 1, 2}, 3);
  EXPECT_EQ(m.precision(1), 1.0);
  EXPECT_EQ(m.recall(1), 0.5);
  EXPECT_NEAR(m.f1(1), 2.0 / 3, kEpsilon);
  EXPECT_EQ(m.precision(2), 0.0);
  EXPECT_EQ(m.f1(2), 0.0);
  EXPECT_EQ(m.accuracy(), 0.75);
  EXPECT_EQ(m.micro_f1(), 0.75);
  EXPECT_NEAR(m.macro_f1(), (1 + 2.0 / 3) / 3, kEpsilon);
  EXPECT_EQ(m.balanced_accuracy(), 0.75);
  EXPECT_EQ(m.g_mean(), 0.0);
  EXPECT_NEAR(m.macro_recall(Absent::kZero), 0.5, kEpsilon);
  EXPECT_NEAR(m.macro_recall(Absent::kOne), 2.5 / 3, kEpsilon);
  EXPECT_NEAR(m.macro_recall(Absent::kSkip), 0.75, kEpsilon);
  EXPECT_TRUE(detail::is_nan(m.macro_recall(Absent::kNaN)));
  EXPECT_NEAR(m.weighted_f1(), (2 * 1.0 + 2 * 2.0 / 3) / 4, kEpsilon);
  EXPECT_NEAR(m.weighted_precision(), 1.0, kEpsilon);
  // c = 3, s = 4, p = (2, 1, 1), t = (2, 2, 0): (12 - 6) / sqrt((16 - 6)(16 - 8)).
  EXPECT_NEAR(m.mcc(), 6 / std::sqrt(80.0), kEpsilon);
}

TEST(ConfusionMatrix, AnAbsentClassIsSkippedOnlyIfNeverPredicted) {
  const ConfusionMatrix m = matrix_of({0, 1}, {0, 1}, 3);
  EXPECT_EQ(m.macro_f1(Absent::kSkip), 1.0);
  EXPECT_NEAR(m.macro_f1(), 2.0 / 3, kEpsilon);
}

// The same data: recalls 1, 1/2 and 0 / 0; F1s 1, 2/3, 0; precisions 1, 1, 0.
TEST(ConfusionMatrix, AverageOverSupportedClassesAlone) {
  const ConfusionMatrix m = matrix_of({0, 0, 1, 1}, {0, 0, 1, 2}, 4);
  EXPECT_NEAR(m.macro_f1(Absent::kSkipUnsupported), 2.5 / 3, kEpsilon);
  EXPECT_NEAR(m.macro_f1(Absent::kSkip), 5.0 / 9, kEpsilon);
  EXPECT_NEAR(m.macro_f1(Absent::kOne), 2.0 / 3, kEpsilon);
  EXPECT_EQ(m.macro_precision(Absent::kSkipUnsupported), 1.0);
  EXPECT_EQ(m.macro_recall(Absent::kSkipUnsupported), 0.75);
  // A class with samples that was never predicted stays in, as 0.
  EXPECT_EQ(matrix_of({0, 1}, {0, 0}, 3).macro_precision(Absent::kSkipUnsupported), 0.25);
}

TEST(ConfusionMatrix, GMeanFollowsTheRuleForAbsentClasses) {
  const ConfusionMatrix m = matrix_of({0, 0, 1, 1}, {0, 0, 1, 2}, 3);
  EXPECT_EQ(m.g_mean(Absent::kZero), 0.0);
  EXPECT_NEAR(m.g_mean(Absent::kSkip), std::sqrt(0.5), kEpsilon);
  EXPECT_NEAR(m.g_mean(Absent::kSkipUnsupported), std::sqrt(0.5), kEpsilon);
  EXPECT_NEAR(m.g_mean(Absent::kOne), std::cbrt(0.5), kEpsilon);
  EXPECT_TRUE(detail::is_nan(m.g_mean(Absent::kNaN)));
  EXPECT_TRUE(detail::is_nan(matrix_of({0}, {1}, 2).g_mean(Absent::kNaN)));
}

TEST(ConfusionMatrix, GMeanOfManyClassesDoesNotUnderflow) {
  ConfusionMatrix m(1000);
  for (int c = 0; c < 1000; ++c) {
    m.add(c, c);
    m.add(c, (c + 1) % 1000);
    m.add(c, (c + 2) % 1000);
  }
  EXPECT_NEAR(m.g_mean(), 1.0 / 3, 1000 * kEpsilon);  // their product is 3^-1000
}

TEST(ConfusionMatrix, GMeanIsZeroWhereAClassIsNeverFound) {
  EXPECT_EQ(matrix_of({0, 0, 1}, {0, 0, 0}, 2).g_mean(), 0.0);
}

TEST(ConfusionMatrix, OfNothingFollowsTheRule) {
  for (const std::size_t classes : std::vector<std::size_t>{0, 1, 3}) {
    const ConfusionMatrix m(classes);
    for (const double figure :
         {m.accuracy(), m.macro_f1(), m.weighted_f1(), m.g_mean(), m.mcc(), m.kappa()}) {
      EXPECT_EQ(figure, 0.0);
    }
    for (const Absent absent : {Absent::kSkip, Absent::kSkipUnsupported, Absent::kNaN}) {
      EXPECT_TRUE(detail::is_nan(m.macro_f1(absent)));
      EXPECT_TRUE(detail::is_nan(m.g_mean(absent)));
    }
    EXPECT_TRUE(detail::is_nan(m.balanced_accuracy()));
    EXPECT_EQ(m.weighted_recall(Absent::kOne), 1);
    EXPECT_EQ(m.micro_f1(Absent::kOne), 1);
  }
}

// Sums of weights of any size, whose products leave the range of doubles. By powers of two, so that
// nothing is rounded otherwise.
TEST(ConfusionMatrix, AgreementDoesNotDependOnTheScale) {
  const ConfusionMatrix m = matrix_of({0, 0, 0, 1, 1, 2}, {0, 0, 1, 1, 2, 2}, 3);
  for (const double scale : {0x1p-565, 0x1p+531}) {  // about 1e-170 and 1e160
    ConfusionMatrix scaled = m;
    for (double& count : scaled.all_reduce_buffer()) count *= scale;
    EXPECT_EQ(scaled.mcc(), m.mcc());
    EXPECT_EQ(scaled.kappa(), m.kappa());
    EXPECT_EQ(scaled.kappa(KappaWeights::kQuadratic), m.kappa(KappaWeights::kQuadratic));
    EXPECT_EQ(scaled.macro_f1(), m.macro_f1());
  }
}

// What is nearly all of one class leaves its square in every sum.
TEST(ConfusionMatrix, MccOfManySamplesOfOneClassLosesNothing) {
  for (const double many : {1e3, 1e9, 1e12, 1e15}) {
    ConfusionMatrix two(2);
    const std::vector<double> counts = {many, 1, 1, 1};
    std::copy(counts.begin(), counts.end(), two.all_reduce_buffer().begin());
    // tp tn - fp fn over the root of (tp + fp) (tp + fn) (tn + fp) (tn + fn).
    EXPECT_NEAR(two.mcc(), (many - 1) / (2 * (many + 1)), 1e-15);
    EXPECT_NEAR(two.one_vs_rest(1).mcc(), two.mcc(), 1e-15);
    EXPECT_NEAR(two.kappa(), two.mcc(), 1e-15);
  }
  ConfusionMatrix huge(2);
  const std::vector<double> counts = {1e60, 1e60, 1e60, 2e60};
  std::copy(counts.begin(), counts.end(), huge.all_reduce_buffer().begin());
  EXPECT_NEAR(huge.mcc(), 1.0 / 6, 1e-15);
  EXPECT_NEAR(huge.one_vs_rest(0).mcc(), 1.0 / 6, 1e-15);
}

TEST(ConfusionMatrix, MccOfOnePredictedClassIsZero) {
  EXPECT_EQ(matrix_of({0, 1, 1}, {1, 1, 1}, 2).mcc(), 0.0);
  EXPECT_NEAR(matrix_of({0, 1, 1}, {0, 1, 1}, 2).mcc(), 1.0, kEpsilon);
  EXPECT_NEAR(matrix_of({0, 1}, {1, 0}, 2).mcc(), -1.0, kEpsilon);
}

TEST(ConfusionMatrix, EqualsANaiveCountAndMerges) {
  std::mt19937_64 random(1);
  for (const std::size_t classes : std::vector<std::size_t>{1, 2, 3, 10, 100, 128, 129, 200}) {
    for (const std::size_t size : std::vector<std::size_t>{0, 1, 100, 255, 256, 257, 20000}) {
      std::vector<int> targets(size);
      std::vector<std::uint8_t> predictions(size);
      ConfusionMatrix one_by_one(classes);
      for (std::size_t i = 0; i < size; ++i) {
        targets[i] = static_cast<int>(random() % classes);
        predictions[i] = static_cast<std::uint8_t>(random() % classes);
        if (random() % 5 == 0) {
          targets[i] = -100;
          predictions[i] = 255;
        } else {
          one_by_one.add(targets[i], predictions[i]);
        }
      }
      ConfusionMatrix whole(classes);
      whole.add(targets, predictions, -100);
      EXPECT_EQ(whole, one_by_one);
      const std::size_t cut = random() % (size + 1);
      ConfusionMatrix first(classes);
      ConfusionMatrix second(classes);
      first.add(std::span(targets).first(cut), std::span(predictions).first(cut), -100);
      second.add(std::span(targets).subspan(cut), std::span(predictions).subspan(cut), -100);
      first += second;
      EXPECT_EQ(first, whole);
    }
  }
}

// Each figure from its definition, over all samples again.
TEST(ConfusionMatrix, FiguresEqualTheirDefinitions) {
  std::mt19937_64 random(2);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t classes = 1 + random() % 6;
    const std::size_t size = 1 + random() % 30;
    std::vector<int> t(size);
    std::vector<int> p(size);
    for (std::size_t i = 0; i < size; ++i) {
      t[i] = static_cast<int>(random() % classes);
      p[i] = random() % 2 == 0 ? t[i] : static_cast<int>(random() % classes);
    }
    const ConfusionMatrix m = matrix_of(t, p, classes);
    double covariance_tp = 0;
    double covariance_tt = 0;
    double covariance_pp = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      double hits = 0;
      double support = 0;
      double predicted = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const bool is = t[i] == static_cast<int>(c);
        const bool said = p[i] == static_cast<int>(c);
        hits += is && said ? 1 : 0;
        support += is ? 1 : 0;
        predicted += said ? 1 : 0;
      }
      EXPECT_EQ(m.support(c), support);
      EXPECT_EQ(m.predicted(c), predicted);
      const double precision = predicted > 0 ? hits / predicted : 0;
      const double recall = support > 0 ? hits / support : 0;
      EXPECT_EQ(m.precision(c), precision);
      EXPECT_EQ(m.recall(c), recall);
      const double f1 = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
      EXPECT_NEAR(m.f1(c), f1, 4 * kEpsilon);
      // Gorodkin's definition: the correlation of the indicator matrices.
      const auto n = static_cast<double>(size);
      covariance_tp += hits / n - support / n * predicted / n;
      covariance_tt += support / n - support / n * support / n;
      covariance_pp += predicted / n - predicted / n * predicted / n;
    }
    const double scale = std::sqrt(covariance_tt * covariance_pp);
    EXPECT_NEAR(m.mcc(), scale > 1e-12 ? covariance_tp / scale : 0, 1e-12);
  }
}

// One label that is no class, anywhere in the data, whether it is counted in blocks or one by one.
TEST(ConfusionMatrix, FindsAnyInvalidLabel) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t classes : {1, 3, 4, 100, 130}) {
    for (const std::size_t size : std::vector<std::size_t>{10, 256, 700, 11000}) {
      for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
        for (const std::int64_t wrong : {std::int64_t{-1}, classes, classes * classes, kLeast,
                                         kMost, kLeast + classes, std::int64_t{-100}}) {
          ConfusionMatrix m(static_cast<std::size_t>(classes));
          const std::vector<std::int64_t> good(size, classes - 1);
          std::vector<std::int64_t> bad = good;
          bad[at] = wrong;
          const std::string end = "[" + std::to_string(at) + "] = " + std::to_string(wrong) +
                                  ", expected a class in [0, " + std::to_string(classes) + ")";
          EXPECT_EQ(error_of([&] { m.add(bad, good); }), "ConfusionMatrix::add(): targets" + end);
          EXPECT_EQ(error_of([&] { m.add(good, bad); }),
                    "ConfusionMatrix::add(): predictions" + end);
          EXPECT_EQ(m, ConfusionMatrix(static_cast<std::size_t>(classes)));
          m.add(bad, bad, wrong);
          EXPECT_EQ(m.total(), static_cast<double>(size - 1));
        }
      }
    }
  }
}

TEST(ConfusionMatrix, AddsToWhatIsThere) {
  ConfusionMatrix m(2);
  m.add(1, 0);
  m.add(std::vector<int>(300, 1), std::vector<int>(300, 0));
  m.add(std::vector<int>{1}, std::vector<int>{0});
  EXPECT_EQ(m.count(1, 0), 302.0);
  EXPECT_EQ(m.total(), 302.0);
  for (double& n : m.all_reduce_buffer()) n *= 2;
  EXPECT_EQ(m.predicted(0), 604.0);
  ConfusionMatrix sum;
  sum += m;
  EXPECT_EQ(sum, m);
  sum += ConfusionMatrix();
  EXPECT_EQ(sum, m);
}

TEST(ConfusionMatrix, RefusesWithoutAddingAnything) {
  ConfusionMatrix m(2);
  const auto error = [&](const std::vector<int>& t, const std::vector<int>& p) {
    return error_of([&] { m.add(t, p, -100); });
  };
  EXPECT_EQ(
      error({0, 1, 2}, {0, 1, 1}),
      "ConfusionMatrix::add(): targets[2] = 2, expected a class in [0, 2) or the ignore index "
      "-100");
  EXPECT_EQ(error({0, -100, 1}, {0, 7, -1}),
            "ConfusionMatrix::add(): predictions[2] = -1, expected a class in [0, 2)");
  EXPECT_EQ(error({0}, {}), "ConfusionMatrix::add(): predictions.size() = 0, expected 1 (targets)");
  EXPECT_EQ(m.total(), 0.0);
  EXPECT_EQ(error_of([&] { m.add(0, 5); }),
            "ConfusionMatrix::add(): prediction = 5, expected a class in [0, 2)");
  EXPECT_EQ(error_of([&] { m += ConfusionMatrix(3); }),
            "ConfusionMatrix::operator+=(): other.size() = 3, expected 2 (classes on the left)");
}

TEST(Report, HasTheLayoutThatPeopleKnow) {
  const ConfusionMatrix m = matrix_of({0, 1, 2, 2, 2}, {0, 0, 2, 2, 1}, 3);
  const std::vector<std::string> names = {"class 0", "class 1", "class 2"};
  EXPECT_EQ(report(m, names),
            "              precision    recall  f1-score   support\n"
            "\n"
            "     class 0       0.50      1.00      0.67         1\n"
            "     class 1       0.00      0.00      0.00         1\n"
            "     class 2       1.00      0.67      0.80         3\n"
            "\n"
            "    accuracy                           0.60         5\n"
            "   macro avg       0.50      0.56      0.49         5\n"
            "weighted avg       0.70      0.60      0.61         5\n");
  EXPECT_EQ(error_of([&] { report(m, std::vector<std::string>{"a"}); }),
            "report(): names.size() = 1, expected 3 (classes)");
  EXPECT_EQ(error_of([&] { report(m, {}, 8); }),
            "report(): digits = 8, expected a number in [0, 7]");
}

TEST(Report, AlignsNamesByCharactersNotBytes) {
  const ConfusionMatrix m = matrix_of({0, 1, 1}, {0, 1, 0}, 2);
  EXPECT_EQ(report(m, std::vector<std::string>{"f\u00fcnfundsiebzig", "x"}, 3),
            "                precision    recall  f1-score   support\n"
            "\n"
            "f\u00fcnfundsiebzig      0.500     1.000     0.667         1\n"
            "             x      1.000     0.500     0.667         2\n"
            "\n"
            "      accuracy                          0.667         3\n"
            "     macro avg      0.750     0.750     0.667         3\n"
            "  weighted avg      0.833     0.667     0.667         3\n");
  EXPECT_NE(report(m).find("\n           0       0.50      1.00      0.67         1\n"),
            std::string::npos);
}

TEST(ConfusionMatrix, OneClassAgainstTheOthers) {
  const ConfusionMatrix matrix = matrix_of({0, 0, 1, 2, 2, 2}, {0, 1, 1, 2, 0, 0}, 3);
  EXPECT_EQ(matrix.one_vs_rest(0), (BinaryCounts{1, 2, 1, 2}));
  EXPECT_EQ(matrix.one_vs_rest(1), (BinaryCounts{1, 1, 0, 4}));
  EXPECT_EQ(matrix.one_vs_rest(2), (BinaryCounts{1, 0, 2, 3}));
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(matrix.one_vs_rest(c).f1(), matrix.f1(c));
    EXPECT_EQ(matrix.one_vs_rest(c).total(), 6);
  }
}

TEST(ConfusionMatrix, KappaByHand) {
  // Cohen's own kind of table: 20 and 15 agreed, of 50; expected by chance (25 30 + 25 20) / 50.
  ConfusionMatrix matrix(2);
  std::vector<int> targets;
  std::vector<int> predictions;
  const auto add = [&](int target, int prediction, int times) {
    targets.insert(targets.end(), static_cast<std::size_t>(times), target);
    predictions.insert(predictions.end(), static_cast<std::size_t>(times), prediction);
  };
  add(0, 0, 20);
  add(0, 1, 5);
  add(1, 0, 10);
  add(1, 1, 15);
  matrix.add(targets, predictions);
  EXPECT_NEAR(matrix.kappa(), (0.7 - 0.5) / (1 - 0.5), 1e-15);
  // With two classes all disagreements are equally far apart.
  EXPECT_NEAR(matrix.kappa(KappaWeights::kLinear), 0.4, 1e-15);
  EXPECT_NEAR(matrix.kappa(KappaWeights::kQuadratic), 0.4, 1e-15);
}

TEST(ConfusionMatrix, KappaWeighsHowFarApartClassesAre) {
  // Samples 0, 1, 2, 2; predictions 0, 2, 2, 0.
  ConfusionMatrix matrix(3);
  matrix.add(std::vector<int>{0, 1, 2, 2}, std::vector<int>{0, 2, 2, 0});
  // Supports 1, 1, 2 and predictions 2, 0, 2: the distances |t - p|^k times both, over 4.
  EXPECT_NEAR(matrix.kappa(), 1 - 2.0 / ((2.0 + 4 + 4) / 4), 1e-15);
  EXPECT_NEAR(matrix.kappa(KappaWeights::kLinear), 1 - 3.0 / ((4.0 + 4 + 8) / 4), 1e-15);
  EXPECT_NEAR(matrix.kappa(KappaWeights::kQuadratic), 1 - 5.0 / ((8.0 + 4 + 16) / 4), 1e-15);
}

TEST(ConfusionMatrix, KappaOfOneClassIsZero) {
  ConfusionMatrix matrix(2);
  EXPECT_EQ(matrix.kappa(), 0);
  matrix.add(1, 1);
  EXPECT_EQ(matrix.kappa(), 0);
}

}  // namespace
}  // namespace equipoise::metrics
