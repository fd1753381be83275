// Whether a strategy's probabilities can be believed, and what its ledger says beforehand.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_CALIBRATION_H_
#define EQUIPOISE_DEMOS_SENTIMENT_CALIBRATION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "demos/sentiment/classifier.h"
#include "demos/sentiment/strategy.h"
#include "equipoise/counts.h"
#include "equipoise/ledger.h"
#include "equipoise/metrics/bootstrap.h"

namespace equipoise::demos {

/// What an objective does to the classes of the training rows.
Ledger ledger_of(const Objective& objective, const ClassCounts& counts);

/// How calibrated probabilities of rows are.
struct ProbabilityScores {
  double ece = 0;             ///< of the top label, 15 bins
  double class_wise_ece = 0;  ///< the mean over classes
  double nll = 0;             ///< in nats a row
};

/// A run's probabilities on test, three ways.
struct CalibrationScores {
  ProbabilityScores raw{};      ///< softmax of the logits
  ProbabilityScores nominal{};  ///< posterior(): the treatment undone as the ledger has it
  ProbabilityScores fitted{};   ///< that with the temperature and share that fit validation best
  std::optional<Interval> realised_share{};  ///< of the nominal offset; none where there is none
  /// Macro-F1 of the fitted probabilities, by argmax log p - tau log prior with the tau that is
  /// best on validation.
  double rule_macro_f1 = 0;
  double rule_tau = 0;
};

/// Scores the test logits of a model; whatever is chosen or fitted, is on validation.
CalibrationScores score_calibration(const Objective& objective, const ClassCounts& counts,
                                    const Logits& validation,
                                    std::span<const std::int64_t> validation_labels,
                                    const Logits& test, std::span<const std::int64_t> test_labels,
                                    std::span<const double> taus);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_CALIBRATION_H_
