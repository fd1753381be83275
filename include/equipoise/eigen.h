// The core and its backend on Eigen.
#ifndef EQUIPOISE_EIGEN_H_
#define EQUIPOISE_EIGEN_H_

#if !__has_include(<Eigen/Core>)
#error "Eigen's headers were not found: compile with -isystem EIGEN, or link equipoise::eigen"
#endif

// IWYU pragma: begin_exports
#include "equipoise/eigen/linear_loss.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/eigen/metrics.h"
#include "equipoise/eigen/neighbours.h"
#include "equipoise/eigen/overlap_loss.h"
#include "equipoise/eigen/resampling.h"
#include "equipoise/eigen/sigmoid_loss.h"
#include "equipoise/equipoise.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_EIGEN_H_
