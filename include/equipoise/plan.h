// One value that configures sampler and loss, and predicts their combined effect before training.
#ifndef EQUIPOISE_PLAN_H_
#define EQUIPOISE_PLAN_H_

// IWYU pragma: begin_exports
#include "equipoise/plan/dry_run.h"
#include "equipoise/plan/forecast.h"
#include "equipoise/plan/ledger.h"
#include "equipoise/plan/plan.h"
#include "equipoise/plan/synthetic_rows.h"
#include "equipoise/plan/text.h"
#include "equipoise/plan/treatment.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_PLAN_H_
