// The whole core: it needs only the standard library, and nothing to link.
#ifndef EQUIPOISE_EQUIPOISE_H_
#define EQUIPOISE_EQUIPOISE_H_

// IWYU pragma: begin_exports
#include "equipoise/calibrate.h"
#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss.h"
#include "equipoise/math.h"
#include "equipoise/metrics.h"
#include "equipoise/mix.h"
#include "equipoise/pair_shift.h"
#include "equipoise/plan.h"
#include "equipoise/random.h"
#include "equipoise/reduction.h"
#include "equipoise/resampling.h"
#include "equipoise/sampling.h"
#include "equipoise/schedule.h"
#include "equipoise/splits.h"
#include "equipoise/version.h"
#include "equipoise/view.h"
#include "equipoise/weights.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_EQUIPOISE_H_
