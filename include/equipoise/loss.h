// All losses, their policies, arguments and outputs.
#ifndef EQUIPOISE_LOSS_H_
#define EQUIPOISE_LOSS_H_

// IWYU pragma: begin_exports
#include "equipoise/loss/arguments.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/overlap_policies.h"
#include "equipoise/loss/overlap_terms.h"
#include "equipoise/loss/rebalance.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/loss/softmax.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_LOSS_H_
