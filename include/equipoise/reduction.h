// From the losses of rows to one number: reductions, the effect that class weights keep under their
// means, group DRO, and steps whose batch comes in parts.
#ifndef EQUIPOISE_REDUCTION_H_
#define EQUIPOISE_REDUCTION_H_

// IWYU pragma: begin_exports
#include "equipoise/reduction/accumulated_step.h"
#include "equipoise/reduction/group_dro.h"
#include "equipoise/reduction/mean.h"
#include "equipoise/reduction/reduction.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_REDUCTION_H_
