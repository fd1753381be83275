// How far a mean over few seeds can be trusted.
#ifndef EQUIPOISE_DEMOS_COMMON_OVER_SEEDS_H_
#define EQUIPOISE_DEMOS_COMMON_OVER_SEEDS_H_

#include <cstddef>
#include <optional>
#include <span>

#include "equipoise/metrics/bootstrap.h"

namespace equipoise::demos {

/// The t that a variable of Student's distribution with so many degrees of freedom exceeds in
/// absolute value once in twenty times (Student 1908, "The probable error of a mean"). degrees
/// >= 1.
double student_t(std::size_t degrees);

/// The mean of a figure's values over seeds with its 95 % interval, mean +- t s / sqrt(n), where
/// these values are normal; nothing for less than two.
std::optional<metrics::Interval> mean_over_seeds(std::span<const double> values);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_OVER_SEEDS_H_
