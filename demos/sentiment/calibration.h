// Whether a strategy's probabilities can be believed.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_CALIBRATION_H_
#define EQUIPOISE_DEMOS_SENTIMENT_CALIBRATION_H_

#include <cstdint>
#include <span>

#include "demos/common/examples.h"
#include "demos/common/objective.h"
#include "demos/common/training.h"
#include "equipoise/plan/plan.h"

namespace equipoise::demos {

/// How calibrated the probabilities of test rows are, in three ways: `raw`, the softmax of the
/// logits; `nominal`, posterior(), which undoes the treatment as the ledger has it; `fitted`, that
/// with the temperature and the share of the ledger's offset that fit validation best. Of each way
/// the metrics of add_reliability().
///
/// temperature is what the fitted way divides logits by, more than 1 where they are too sure;
/// realised_share, realised_share_lower and realised_share_upper are of the nominal offset, where
/// there is one; rule_macro_f1 is that of the fitted probabilities by argmax log p - tau log prior,
/// with the rule_tau of `taus` that is best on validation.
Metrics calibration_metrics(const Plan& plan, const Loss& loss, const Logits& validation,
                            std::span<const std::int64_t> validation_labels, const Logits& test,
                            std::span<const std::int64_t> test_labels,
                            std::span<const double> taus);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_CALIBRATION_H_
