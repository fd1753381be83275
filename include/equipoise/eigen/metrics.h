// Metrics of Eigen matrices, without a copy.
#ifndef EQUIPOISE_EIGEN_METRICS_H_
#define EQUIPOISE_EIGEN_METRICS_H_

#include <Eigen/Core>

#include "equipoise/config.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/view.h"

namespace equipoise::eigen {

namespace detail {

// Contiguous vectors are passed as they are, other matrices as views.
template <class A>
decltype(auto) metric_argument(const A& argument) {
  if constexpr (DirectlyAccessible<A> && !ContiguousRange<A>) {
    return view(argument);
  } else {
    return (argument);
  }
}

}  // namespace detail

/// metric.add(arguments...) with matrices and arrays, row- or column-major, maps, references and
/// blocks as its views; vectors also serve as its ranges:
///
///   ConfusionMatrix confusion(classes);
///   eigen::add(confusion, targets, predictions);   // vectors of integers
///   Calibration calibration(classes);
///   eigen::add(calibration, probabilities, targets);
///   LabelScores<float> scores(classes);
///   eigen::add(scores, logits, targets);
/// @throws std::invalid_argument as the metric's add().
template <class Metric, class... Arguments>
void add(Metric& metric, const Arguments&... arguments) {
  metric.add(detail::metric_argument(arguments)...);
}

}  // namespace equipoise::eigen

#endif  // EQUIPOISE_EIGEN_METRICS_H_
