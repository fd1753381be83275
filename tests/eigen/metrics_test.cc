#include "equipoise/eigen/metrics.h"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/metrics/multilabel.h"
#include "equipoise/metrics/multilabel_calibration.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/view.h"

namespace equipoise {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// A row of a column-major matrix has data() and size(), but its elements lie apart.
static_assert(ContiguousRange<Eigen::VectorXi>);
static_assert(ContiguousRange<Eigen::Map<const Eigen::VectorXi>>);
static_assert(!ContiguousRange<decltype(Eigen::MatrixXi().row(0))>);
static_assert(ContiguousRange<decltype(Eigen::MatrixXi().col(0))>);
static_assert(!ContiguousRange<Eigen::Map<Eigen::VectorXi, 0, Eigen::InnerStride<>>>);
static_assert(!ContiguousRange<Eigen::MatrixXi>);

TEST(Add, TakesVectorsOfLabels) {
  Eigen::VectorXi targets(4);
  targets << 0, 1, 1, -1;
  Eigen::MatrixXi predictions(4, 2);
  predictions << 9, 0, 9, 1, 9, 0, 9, 0;
  metrics::ConfusionMatrix confusion(2);
  eigen::add(confusion, targets, predictions.col(1), -1);
  EXPECT_EQ(confusion.count(0, 0), 1);
  EXPECT_EQ(confusion.count(1, 1), 1);
  EXPECT_EQ(confusion.count(1, 0), 1);
  EXPECT_EQ(confusion.total(), 3);
}

TEST(Add, TakesMatricesInEitherOrderAndBlocks) {
  const std::vector<double> values = {0.7, 0.2, 0.1, 0.3, 0.3, 0.4, 0.25, 0.5, 0.25};
  const std::vector<int> targets = {0, 2, 0};
  const RowMajor rows = Eigen::Map<const RowMajor>(values.data(), 3, 3);
  const Eigen::MatrixXd cols = rows;
  Eigen::MatrixXd wide = Eigen::MatrixXd::Constant(5, 4, 7.0);
  wide.block(1, 1, 3, 3) = rows;
  const MatrixView<const double> view(values.data(), 3, 3);

  metrics::Calibration calibration(3);
  calibration.add(view, targets);
  metrics::LabelScores<double> scores(3);
  scores.add(view, targets);
  const auto check = [&](const auto& matrix) {
    metrics::Calibration calibration_here(3);
    eigen::add(calibration_here, matrix, targets);
    EXPECT_EQ(calibration_here, calibration);
    metrics::LabelScores<double> scores_here(3);
    eigen::add(scores_here, matrix, targets);
    EXPECT_EQ(scores_here, scores);
  };
  check(rows);
  check(cols);
  check(wide.block(1, 1, 3, 3));
}

TEST(Add, TakesMatricesOfSeveralLabels) {
  Eigen::MatrixXi targets(2, 2);
  targets << 1, 0, 1, 1;
  Eigen::Array<bool, Eigen::Dynamic, Eigen::Dynamic> predictions(2, 2);
  predictions << true, true, false, true;
  metrics::MultiLabelCounts counts(2);
  eigen::add(counts, targets, predictions);
  EXPECT_EQ(counts.label(0), (metrics::BinaryCounts{1, 0, 1, 0}));
  EXPECT_EQ(counts.label(1), (metrics::BinaryCounts{1, 1, 0, 0}));
  Eigen::MatrixXf probabilities(2, 2);
  probabilities << 0.75F, 0.25F, 0.5F, 1.0F;
  metrics::MultiLabelCalibration calibration(2);
  eigen::add(calibration, probabilities, targets);
  EXPECT_EQ(calibration.brier(0), (0.0625 + 0.25) / 2);
  metrics::LabelScores<float> scores(2);
  eigen::add(scores, probabilities, targets);
  EXPECT_EQ(scores.roc_auc(1), 1);
}

}  // namespace
}  // namespace equipoise
