// How a class counts in an average if its metric is undefined.
#ifndef EQUIPOISE_METRICS_ABSENT_H_
#define EQUIPOISE_METRICS_ABSENT_H_

namespace equipoise::metrics {

/// How a class counts in an average if its metric is 0 / 0, as for a class that is absent.
///
/// Precision is undefined for a class that was never predicted, recall for one without samples, F1
/// for one with neither, an area under a curve for one without samples or with nothing else.
///
/// If no class is left, an average that skips classes is NaN; with kZero, kOne and kNaN it is 0, 1
/// and NaN.
enum class Absent {
  kSkip,             ///< left out of the average
  kSkipUnsupported,  ///< left out, like every class without samples, whether predicted or
                     ///< not; what is still undefined counts as 0
  kZero,             ///< 0, as in scikit-learn's default
  kOne,              ///< 1
  kNaN,              ///< NaN, which makes the average NaN
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_ABSENT_H_
