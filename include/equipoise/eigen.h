// The core and its backend on Eigen.
#ifndef EQUIPOISE_EIGEN_H_
#define EQUIPOISE_EIGEN_H_

// IWYU pragma: begin_exports
#include "equipoise/eigen/linear_loss.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/eigen/metrics.h"
#include "equipoise/eigen/overlap_loss.h"
#include "equipoise/eigen/sigmoid_loss.h"
#include "equipoise/equipoise.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_EIGEN_H_
