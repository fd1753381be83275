// How far metrics can be trusted: resampled rows, and the spread over seeds.
#ifndef EQUIPOISE_DEMOS_COMMON_UNCERTAINTY_H_
#define EQUIPOISE_DEMOS_COMMON_UNCERTAINTY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"

namespace equipoise::demos {

/// A metric that is read off a confusion matrix.
using ConfusionMetric = std::function<double(const metrics::ConfusionMatrix&)>;

/// The metric of rows whose units are taken so often. Unit u holds the rows
/// [unit_starts[u], unit_starts[u + 1]); empty: each row is one.
std::function<double(std::span<const std::uint32_t>)> resampled_confusion(
    std::span<const std::int64_t> targets, std::span<const std::int64_t> predictions,
    std::size_t classes, ConfusionMetric metric, std::vector<std::size_t> unit_starts = {});

/// The t that a variable of Student's distribution with so many degrees of freedom exceeds in
/// absolute value once in twenty times (Student 1908, "The probable error of a mean"). degrees
/// >= 1.
double student_t(std::size_t degrees);

/// The mean of a metric's values over seeds with its 95 % interval, mean +- t s / sqrt(n), where
/// these values are normal; nothing for less than two.
std::optional<metrics::Interval> mean_over_seeds(std::span<const double> values);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_UNCERTAINTY_H_
