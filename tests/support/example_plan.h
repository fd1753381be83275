// A plan that differs from the default in most of its fields.
#ifndef EQUIPOISE_TESTS_SUPPORT_EXAMPLE_PLAN_H_
#define EQUIPOISE_TESTS_SUPPORT_EXAMPLE_PLAN_H_

#include "equipoise/plan/plan.h"

namespace equipoise::testing {

inline Plan example_plan() {
  Plan plan;
  plan.counts = {90, 8, 2};
  plan.mix = {2, 1, 1};
  plan.weights = {0.5, 1, 2};
  plan.logit_terms = {{}, {-0.1, -1, -3}, {}};
  plan.label_smoothing = 0.1;
  plan.mean = MeanKind::kByWeight;
  plan.batch_size = 32;
  plan.weights_ramp = {100, 200};
  return plan;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_EXAMPLE_PLAN_H_
