// A forecast of how a training run shows each class: exposures, repeats, batches that miss it, and
// warnings.
#ifndef EQUIPOISE_PLAN_DRY_RUN_H_
#define EQUIPOISE_PLAN_DRY_RUN_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "equipoise/detail/text.h"
#include "equipoise/plan/detail/run_forecast.h"
#include "equipoise/plan/forecast.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/plan/treatment.h"

namespace equipoise {

/// The forecast of a run: exposures_c = D q_c over all D draws. With kIndependent a class of n_c
/// rows shows n_c (1 - (1 - q_c / n_c)^D) distinct rows on average, and a batch misses it with
/// probability (1 - q_c)^B. With kExactQuota all its rows are dealt out before any repeats, so it
/// shows min(n_c, exposures_c). Slots are shuffled within an epoch, in which the class is assumed
/// to have floor or ceil of its expected count (QuotaSequence may deal up to three more or fewer),
/// so the probability of missing it is hypergeometric. O(C), times a few hundred with
/// MeanKind::kByWeight, times a few thousand with MeanKind::kPerClass.
/// @throws std::invalid_argument as ledger(), for a batch size or a number of epochs of 0, for
/// counts that sum to less than 1 without an epoch_size (such as fractions), for 2^63 draws and
/// more, and for a bound that is NaN.
inline DryRun dry_run(const Treatment& treatment, const DryRunOptions& options) {
  constexpr std::string_view kWhere = "dry_run";
  detail::RunForecast forecast(kWhere, treatment.counts.values(), options, std::nullopt);
  forecast.add(static_cast<double>(forecast.draws()), detail::exposure_of(kWhere, treatment));
  return forecast.result(ledger(treatment));
}

/// A table of the forecast, one line per class, then the warnings. `names` has one name per class,
/// in UTF-8; if it is empty, classes are numbered.
/// @throws std::invalid_argument if the number of names is not the number of classes.
inline std::string report(const DryRun& run, std::span<const std::string> names = {}) {
  detail::require_names("report", names, run.classes.size());
  detail::Table table(names, 5, /*column_width=*/11);
  table.line("class", {"exposures", "distinct", "repeats", "per batch", "batch lacks"});
  for (std::size_t c = 0; c < run.classes.size(); ++c) {
    const ClassForecast& forecast = run.classes[c];
    table.line(
        c, {detail::with_digits(forecast.exposures, 0), detail::with_digits(forecast.distinct, 0),
            detail::with_digits(forecast.repeats, 2), detail::with_digits(forecast.per_batch, 2),
            detail::with_digits(forecast.missing, 4)});
  }
  std::string text = table.text();
  text += "\n" + detail::to_text(run.steps) + " steps\n";
  for (const PlanWarning& warning : run.warnings) text += "warning: " + warning.text + "\n";
  return text;
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_DRY_RUN_H_
