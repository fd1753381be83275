// Metrics of tensors: the core's metrics on the CPU; sums on any other device, read once.
#ifndef EQUIPOISE_LIBTORCH_METRICS_H_
#define EQUIPOISE_LIBTORCH_METRICS_H_

// IWYU pragma: begin_exports
#include "equipoise/libtorch/metrics/accumulator.h"
#include "equipoise/libtorch/metrics/calibration.h"
#include "equipoise/libtorch/metrics/confusion.h"
#include "equipoise/libtorch/metrics/entities.h"
#include "equipoise/libtorch/metrics/ranking.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_LIBTORCH_METRICS_H_
