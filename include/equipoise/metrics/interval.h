// A metric and how far it may be off.
#ifndef EQUIPOISE_METRICS_INTERVAL_H_
#define EQUIPOISE_METRICS_INTERVAL_H_

namespace equipoise::metrics {

/// A metric and the bounds of its confidence interval.
struct Interval {
  double estimate = 0;
  double lower = 0;
  double upper = 0;

  friend bool operator==(const Interval&, const Interval&) = default;
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_INTERVAL_H_
