// The whole core: the standard library alone, nothing to link.
#ifndef EQUIPOISE_EQUIPOISE_H_
#define EQUIPOISE_EQUIPOISE_H_

// IWYU pragma: begin_exports
#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/math.h"
#include "equipoise/reduction.h"
#include "equipoise/version.h"
#include "equipoise/view.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_EQUIPOISE_H_
