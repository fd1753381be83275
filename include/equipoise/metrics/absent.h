// What a class counts as in an average where it has no figure.
#ifndef EQUIPOISE_METRICS_ABSENT_H_
#define EQUIPOISE_METRICS_ABSENT_H_

#include <cstddef>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"

namespace equipoise {

/// What a class counts as in an average where its figure is 0 / 0: a class that is absent.
///
/// Precision is undefined for a class that was never predicted, recall for one without samples, F1
/// for one with neither, an area under a curve for one without samples or with nothing else.
///
/// An average that takes in no class is NaN where classes are skipped, for nothing is known of it;
/// with kZero, kOne and kNaN it is 0, 1 and NaN.
enum class Absent {
  kSkip,             ///< left out of the average
  kSkipUnsupported,  ///< left out, and with it every class without samples, were it predicted or
                     ///< not; what then is undefined is 0
  kZero,             ///< 0, as in scikit-learn's default
  kOne,              ///< 1
  kNaN,              ///< NaN, which makes the average NaN
};

namespace detail {

// What an undefined figure of one class is; NaN also where averages would skip it.
inline double undefined_figure(Absent absent) {
  if (absent == Absent::kOne) return 1;
  if (absent == Absent::kZero || absent == Absent::kSkipUnsupported) return 0;
  return quiet_nan();
}

inline double ratio(double part, double whole, Absent absent) {
  return whole > 0 ? part / whole : undefined_figure(absent);
}

// What an average is that takes in no class.
inline double undefined_average(Absent absent) {
  return absent == Absent::kSkipUnsupported ? quiet_nan() : undefined_figure(absent);
}

// The mean of figure(c), NaN where it is undefined, over the classes that the rule takes in.
// is_supported(c): whether the class has samples.
template <class Figure, class Supported>
double mean_figure(std::size_t classes, Absent absent, const Figure& figure,
                   const Supported& is_supported) {
  double sum = 0;
  double taken = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    if (absent == Absent::kSkipUnsupported && !is_supported(c)) continue;
    const double value = figure(c);
    const bool defined = !is_nan(value);
    if (!defined && absent == Absent::kSkip) continue;
    if (!defined && absent == Absent::kNaN) return value;
    sum += defined ? value : undefined_figure(absent);
    taken += 1;
  }
  return taken > 0 ? sum / taken : undefined_average(absent);
}

}  // namespace detail
}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_ABSENT_H_
