// After training: from the outputs of a network to probabilities under a prior, and to decisions.
#ifndef EQUIPOISE_CALIBRATE_H_
#define EQUIPOISE_CALIBRATE_H_

// IWYU pragma: begin_exports
#include "equipoise/calibrate/decisions.h"
#include "equipoise/calibrate/logit_offset.h"
#include "equipoise/calibrate/posterior.h"
#include "equipoise/calibrate/prior_shift.h"
#include "equipoise/calibrate/sigmoid_offset.h"
#include "equipoise/calibrate/temperature.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_CALIBRATE_H_
