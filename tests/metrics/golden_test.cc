// Against scikit-learn, imbalanced-learn and torchmetrics: tests/golden/metrics.py writes what they
// say.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "equipoise/metrics/calibration.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/label_scores.h"
#include "equipoise/metrics/multilabel.h"
#include "equipoise/metrics/ranking.h"

namespace equipoise::metrics {
namespace {

using nlohmann::json;
using Labels = std::vector<std::int64_t>;
using Numbers = std::vector<double>;
// Both sides round sums of some dozen terms.
constexpr double kBound = 100 * std::numeric_limits<double>::epsilon();
// torchmetrics sums in single precision.
constexpr double kFloatBound = 100 * std::numeric_limits<float>::epsilon();

const json& golden() {
  static const json values = json::parse(std::ifstream("tests/golden/metrics.json"));
  return values;
}

// Null stands for NaN.
void expect_golden(const json& expected, double actual, const std::string& what,
                   double bound = kBound) {
  SCOPED_TRACE(what);
  if (expected.is_null()) {
    EXPECT_TRUE(std::isnan(actual)) << actual;
  } else {
    EXPECT_NEAR(actual, expected.get<double>(), bound);
  }
}

TEST(Golden, Confusion) {
  ASSERT_EQ(golden().at("confusion").size(), 60);
  for (const json& expected : golden().at("confusion")) {
    const std::size_t classes = expected.at("classes");
    ConfusionMatrix matrix(classes);
    matrix.add(expected.at("targets").get<Labels>(), expected.at("predictions").get<Labels>());
    for (std::size_t c = 0; c < classes; ++c) {
      expect_golden(expected.at("precision")[c], matrix.precision(c), "precision");
      expect_golden(expected.at("recall")[c], matrix.recall(c), "recall");
      expect_golden(expected.at("f1")[c], matrix.f1(c), "f1");
    }
    const auto expect = [&](const char* name, double actual) {
      expect_golden(expected.at(name), actual, name);
    };
    expect("macro_precision", matrix.macro_precision());
    expect("macro_recall", matrix.macro_recall());
    expect("macro_f1", matrix.macro_f1());
    expect("macro_f1_ones", matrix.macro_f1(Absent::kOne));
    expect("macro_f1_skipped", matrix.macro_f1(Absent::kSkip));
    expect("weighted_precision", matrix.weighted_precision());
    expect("weighted_f1", matrix.weighted_f1());
    expect("accuracy", matrix.accuracy());
    expect("balanced_accuracy", matrix.balanced_accuracy());
    expect("mcc", matrix.mcc());
    // scikit-learn has no kappa where all samples and predictions are of one class; here it is 0.
    const auto kappa = [&](const char* name, KappaWeights weights) {
      expect_golden(expected.at(name).is_null() ? json(0.0) : expected.at(name),
                    matrix.kappa(weights), name);
    };
    kappa("kappa", KappaWeights::kNone);
    kappa("kappa_linear", KappaWeights::kLinear);
    kappa("kappa_quadratic", KappaWeights::kQuadratic);
    expect("g_mean", matrix.g_mean());
  }
}

TEST(Golden, RankingAndCalibration) {
  ASSERT_EQ(golden().at("ranking").size(), 40);
  for (const json& expected : golden().at("ranking")) {
    const std::size_t classes = expected.at("classes");
    const auto targets = expected.at("targets").get<Labels>();
    const auto scores = expected.at("scores").get<Numbers>();
    const MatrixView<const double> view(scores.data(), targets.size(), classes);
    LabelScores<double> sample(classes);
    sample.add(view, targets);
    bool complete = true;
    for (std::size_t c = 0; c < classes; ++c) {
      expect_golden(expected.at("roc_auc")[c], sample.roc_auc(c), "roc_auc");
      expect_golden(expected.at("average_precision")[c], sample.average_precision(c),
                    "average_precision");
      complete = complete && !expected.at("roc_auc")[c].is_null();
    }
    expect_golden(expected.at("micro_average_precision"), sample.pooled().average_precision(),
                  "micro_average_precision");
    if (complete) {
      expect_golden(expected.at("macro_roc_auc"), sample.macro_roc_auc(), "macro_roc_auc");
      expect_golden(expected.at("weighted_roc_auc"), sample.weighted_roc_auc(), "weighted");
      expect_golden(expected.at("macro_roc_auc_torchmetrics"), sample.macro_roc_auc(),
                    "macro_roc_auc_torchmetrics", kFloatBound);
    }
    Calibration calibration(classes, expected.at("bins").get<std::size_t>());
    calibration.add(view, targets);
    expect_golden(expected.at("log_loss"), calibration.nll(), "log_loss");
    expect_golden(expected.at("brier"), calibration.brier(), "brier");
    expect_golden(expected.at("ece_torchmetrics"), calibration.ece(), "ece", kFloatBound);
  }
}

TEST(Golden, SeveralLabelsARow) {
  ASSERT_EQ(golden().at("multilabel").size(), 40);
  for (const json& expected : golden().at("multilabel")) {
    const std::size_t labels = expected.at("labels");
    const auto targets = expected.at("targets").get<Labels>();
    const auto predictions = expected.at("predictions").get<Labels>();
    const auto scores = expected.at("scores").get<Numbers>();
    const std::size_t rows = targets.size() / labels;
    const MatrixView<const std::int64_t> truth(targets.data(), rows, labels);
    MultiLabelCounts counts(labels);
    counts.add(truth, MatrixView<const std::int64_t>(predictions.data(), rows, labels));
    const auto expect = [&](const char* name, double actual) {
      if (labels > 1 || !expected.at(name).is_null()) {
        expect_golden(expected.at(name), actual, name);
      }
    };
    expect("macro_f1", counts.macro_f1());
    expect("micro_f1", counts.micro_f1());
    expect("micro_precision", counts.micro_precision());
    expect("weighted_f1", counts.weighted_f1());
    expect("samples_f1", counts.samples_f1());
    expect("samples_jaccard", counts.samples_jaccard());
    expect("subset_accuracy", counts.subset_accuracy());
    expect("hamming_loss", counts.hamming_loss());
    LabelScores<double> sample(labels);
    sample.add(MatrixView<const double>(scores.data(), rows, labels), truth);
    for (std::size_t l = 0; l < labels; ++l) {
      expect_golden(expected.at("roc_auc")[l], sample.roc_auc(l), "roc_auc");
      expect_golden(expected.at("average_precision")[l], sample.average_precision(l),
                    "average_precision");
    }
  }
}

}  // namespace
}  // namespace equipoise::metrics
