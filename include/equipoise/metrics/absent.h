// What a class counts as in an average where it has no figure.
#ifndef EQUIPOISE_METRICS_ABSENT_H_
#define EQUIPOISE_METRICS_ABSENT_H_

namespace equipoise::metrics {

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

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_ABSENT_H_
