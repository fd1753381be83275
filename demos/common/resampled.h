// Figures of resampled rows, for bootstraps over predictions.
#ifndef EQUIPOISE_DEMOS_COMMON_RESAMPLED_H_
#define EQUIPOISE_DEMOS_COMMON_RESAMPLED_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "equipoise/metrics/confusion.h"

namespace equipoise::demos {

/// A figure that is read off a confusion matrix.
using ConfusionFigure = std::function<double(const metrics::ConfusionMatrix&)>;

/// The figure of rows whose units are taken so often. Unit u holds the rows
/// [unit_starts[u], unit_starts[u + 1]); empty: each row is one.
std::function<double(std::span<const std::uint32_t>)> resampled_confusion(
    std::span<const std::int64_t> targets, std::span<const std::int64_t> predictions,
    std::size_t classes, ConfusionFigure figure, std::vector<std::size_t> unit_starts = {});

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_RESAMPLED_H_
