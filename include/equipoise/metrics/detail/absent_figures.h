// What becomes of a class without a figure, and means over classes.
#ifndef EQUIPOISE_METRICS_DETAIL_ABSENT_FIGURES_H_
#define EQUIPOISE_METRICS_DETAIL_ABSENT_FIGURES_H_

#include <cstddef>

#include "equipoise/detail/check.h"
#include "equipoise/metrics/absent.h"

namespace equipoise::detail {

// What an undefined figure of one class is; NaN also where averages would skip it.
inline double undefined_figure(metrics::Absent absent) {
  if (absent == metrics::Absent::kOne) return 1;
  if (absent == metrics::Absent::kZero || absent == metrics::Absent::kSkipUnsupported) return 0;
  return quiet_nan();
}

inline double ratio(double part, double whole, metrics::Absent absent) {
  return whole > 0 ? part / whole : undefined_figure(absent);
}

// What an average is that takes in no class.
inline double undefined_average(metrics::Absent absent) {
  return absent == metrics::Absent::kSkipUnsupported ? quiet_nan() : undefined_figure(absent);
}

// The mean of figure(c), NaN where it is undefined, over the classes that the rule takes in.
// is_supported(c): whether the class has samples.
template <class Figure, class Supported>
double mean_figure(std::size_t classes, metrics::Absent absent, const Figure& figure,
                   const Supported& is_supported) {
  double sum = 0;
  double taken = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    if (absent == metrics::Absent::kSkipUnsupported && !is_supported(c)) continue;
    const double value = figure(c);
    const bool defined = !is_nan(value);
    if (!defined && absent == metrics::Absent::kSkip) continue;
    if (!defined && absent == metrics::Absent::kNaN) return value;
    sum += defined ? value : undefined_figure(absent);
    taken += 1;
  }
  return taken > 0 ? sum / taken : undefined_average(absent);
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_DETAIL_ABSENT_FIGURES_H_
