// Whether probabilities can be believed: the metrics of a run.
#ifndef EQUIPOISE_DEMOS_COMMON_RELIABILITY_H_
#define EQUIPOISE_DEMOS_COMMON_RELIABILITY_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "demos/common/experiment.h"
#include "demos/common/training.h"

namespace equipoise::demos {

inline constexpr std::size_t kReliabilityBins = 15;

/// Appends ece_WAY, class_wise_ece_WAY, nll_WAY (nats a row) and a reliability diagram:
/// confidence_WAY, frequency_WAY and predictions_WAY with the number of the bin, from 1, as the
/// label, bins with rows only. `probabilities` are rows of `classes`. With a class, ece and diagram
/// are those of this class; without, those of the top label.
void add_reliability(const std::string& way, std::span<const double> probabilities,
                     std::size_t classes, std::span<const std::int64_t> targets, Metrics& measured,
                     std::optional<std::size_t> of_class = std::nullopt);

/// Whether a run has a metric on test.
bool has_metric(const Run& run, std::string_view metric, std::string_view label = "");

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_RELIABILITY_H_
