#include "equipoise/metrics/multilabel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "equipoise/random.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using Bits = std::vector<int>;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

MatrixView<const int> rows_of(const Bits& bits, std::size_t labels) {
  return {bits.data(), bits.size() / labels, labels};
}

MultiLabelCounts counted(const Bits& targets, const Bits& predictions, std::size_t labels) {
  MultiLabelCounts counts(labels);
  counts.add(rows_of(targets, labels), rows_of(predictions, labels), -1);
  return counts;
}

TEST(MultiLabelCounts, ByHand) {
  // Rows: one of two labels found; nothing to find, nothing said; a wrong label beside the right.
  const MultiLabelCounts counts =
      counted({1, 1, 0, 0, 0, 0, 1, 0, 0}, {1, 0, 0, 0, 0, 0, 1, 0, 1}, 3);
  EXPECT_EQ(counts.total(), 3);
  EXPECT_EQ(counts.label(0), (BinaryCounts{2, 0, 0, 1}));
  EXPECT_EQ(counts.label(1), (BinaryCounts{0, 0, 1, 2}));
  EXPECT_EQ(counts.label(2), (BinaryCounts{0, 1, 0, 2}));
  EXPECT_EQ(counts.macro_f1(), 1.0 / 3);
  // Label 1 was never predicted, label 2 never there.
  EXPECT_EQ(counts.macro_precision(Absent::kSkip), 0.5);
  EXPECT_EQ(counts.macro_recall(Absent::kSkip), 0.5);
  EXPECT_EQ(counts.macro_recall(Absent::kSkipUnsupported), 0.5);
  EXPECT_TRUE(detail::is_nan(counts.macro_precision(Absent::kNaN)));
  EXPECT_EQ(counts.micro_precision(), 2.0 / 3);
  EXPECT_EQ(counts.micro_recall(), 2.0 / 3);
  EXPECT_EQ(counts.micro_f1(), 2.0 / 3);
  EXPECT_EQ(counts.weighted_f1(), 2.0 / 3);
  EXPECT_EQ(counts.precision(0), 1);
  EXPECT_EQ(counts.recall(1), 0);
  EXPECT_TRUE(detail::is_nan(counts.precision(1, Absent::kNaN)));
  EXPECT_EQ(counts.f1(2), 0);
  // F1 of rows 2/3, undefined, 2/3; Jaccard 1/2, undefined, 1/2.
  EXPECT_DOUBLE_EQ(counts.samples_f1(), (2.0 / 3 + 2.0 / 3) / 3);
  EXPECT_DOUBLE_EQ(counts.samples_f1(Absent::kOne), (2.0 / 3 + 1 + 2.0 / 3) / 3);
  EXPECT_DOUBLE_EQ(counts.samples_f1(Absent::kSkip), 2.0 / 3);
  EXPECT_TRUE(detail::is_nan(counts.samples_f1(Absent::kNaN)));
  EXPECT_DOUBLE_EQ(counts.samples_jaccard(), 1.0 / 3);
  EXPECT_EQ(counts.subset_accuracy(), 1.0 / 3);
  EXPECT_EQ(counts.hamming_loss(), 2.0 / 9);
}

TEST(MultiLabelCounts, LeaveOutIgnoredLabelsAndRows) {
  // Of the first row label 1, of the second all.
  const MultiLabelCounts counts = counted({1, -1, -1, -1}, {1, 1, 0, 1}, 2);
  EXPECT_EQ(counts.total(), 1);
  EXPECT_EQ(counts.label(0), (BinaryCounts{1, 0, 0, 0}));
  EXPECT_EQ(counts.label(1), BinaryCounts{});
  EXPECT_EQ(counts.subset_accuracy(), 1);
  EXPECT_EQ(counts.hamming_loss(), 0);
}

TEST(MultiLabelCounts, WithoutRowsFollowTheRule) {
  for (const MultiLabelCounts& counts : {MultiLabelCounts(), MultiLabelCounts(3)}) {
    EXPECT_EQ(counts.total(), 0);
    EXPECT_EQ(counts.macro_f1(), 0);
    EXPECT_EQ(counts.micro_f1(), 0);
    EXPECT_EQ(counts.samples_f1(), 0);
    EXPECT_EQ(counts.samples_f1(Absent::kOne), 1);
    for (const Absent absent : {Absent::kSkip, Absent::kSkipUnsupported, Absent::kNaN}) {
      EXPECT_TRUE(detail::is_nan(counts.samples_jaccard(absent)));
      EXPECT_TRUE(detail::is_nan(counts.macro_f1(absent)));
    }
    EXPECT_EQ(counts.micro_f1(Absent::kOne), 1);
    EXPECT_EQ(counts.weighted_f1(Absent::kOne), 1);
    EXPECT_EQ(counts.subset_accuracy(), 0);
    EXPECT_TRUE(detail::is_nan(counts.hamming_loss()));
    EXPECT_EQ(counts.weighted_f1(), 0);
  }
}

TEST(MultiLabelCounts, EqualTheDefinitionsAndMerge) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const CounterRandom random{seed};
    std::uint64_t t = 0;
    const auto labels = static_cast<std::size_t>(1 + random.below(6, t++, 1));
    const std::uint64_t rows = random.below(40, t++, 1);
    Bits targets;
    Bits predictions;
    for (std::uint64_t i = 0; i < rows * labels; ++i) {
      targets.push_back(random.below(4, t++, 1) == 0 ? 1 : 0);
      predictions.push_back(random.below(3, t++, 1) == 0 ? 1 : 0);
    }
    const MultiLabelCounts whole = counted(targets, predictions, labels);
    double subset = 0;
    double f1 = 0;
    for (std::uint64_t r = 0; r < rows; ++r) {
      double hits = 0;
      double sum = 0;
      bool equal = true;
      for (std::size_t l = 0; l < labels; ++l) {
        const int target = targets[r * labels + l];
        const int prediction = predictions[r * labels + l];
        hits += target * prediction;
        sum += target + prediction;
        equal = equal && target == prediction;
      }
      subset += equal ? 1 : 0;
      f1 += sum > 0 ? 2 * hits / sum : 0;
    }
    const double size = rows > 0 ? static_cast<double>(rows) : 1;
    EXPECT_NEAR(whole.samples_f1(), f1 / size, 8 * kEpsilon);
    EXPECT_NEAR(whole.subset_accuracy(), subset / size, kEpsilon);
    // In two parts, the second first.
    const auto cut = static_cast<std::ptrdiff_t>(seed % (rows + 1) * labels);
    MultiLabelCounts merged;
    merged += counted({targets.begin() + cut, targets.end()},
                      {predictions.begin() + cut, predictions.end()}, labels);
    merged += counted({targets.begin(), targets.begin() + cut},
                      {predictions.begin(), predictions.begin() + cut}, labels);
    for (std::size_t l = 0; l < labels; ++l) EXPECT_EQ(merged.label(l), whole.label(l));
    EXPECT_NEAR(merged.samples_jaccard(), whole.samples_jaccard(), 8 * kEpsilon);
  }
}

TEST(MultiLabelCounts, RefuseBadInputAndStayAsTheyWere) {
  MultiLabelCounts counts(2);
  const auto error = [&](const Bits& targets, const Bits& predictions, std::size_t labels) {
    return error_of(
        [&] { counts.add(rows_of(targets, labels), rows_of(predictions, labels), -1); });
  };
  EXPECT_EQ(error({1, 0, 2, 0}, {1, 0, 1, 0}, 2),
            "MultiLabelCounts::add(): targets(1, 0) = 2, expected 0 or 1");
  EXPECT_EQ(error({1, 0}, {1, -1}, 2),
            "MultiLabelCounts::add(): predictions(0, 1) = -1, expected 0 or 1");
  EXPECT_EQ(error({1, 0}, {1, 0, 1, 0}, 2),
            "MultiLabelCounts::add(): predictions.rows = 2, expected 1 (rows of targets)");
  EXPECT_EQ(error({1, 0, 1}, {1, 0, 1}, 3),
            "MultiLabelCounts::add(): targets.cols = 3, expected 2 (labels)");
  EXPECT_THAT(error_of([&] { counts += MultiLabelCounts(3); }),
              HasSubstr("expected 2 (labels on the left)"));
  EXPECT_EQ(counts, MultiLabelCounts(2));
}

}  // namespace
}  // namespace equipoise::metrics
