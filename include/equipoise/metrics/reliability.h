// Bins of predicted probabilities, and how often the predictions come true.
#ifndef EQUIPOISE_METRICS_RELIABILITY_H_
#define EQUIPOISE_METRICS_RELIABILITY_H_

namespace equipoise::metrics {

/// The predictions in one bin of a reliability diagram.
struct ReliabilityBin {
  double count = 0;       ///< predictions
  double confidence = 0;  ///< their mean probability; 0 without predictions
  double frequency = 0;   ///< the fraction of them that came true; 0 without predictions
};

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_RELIABILITY_H_
