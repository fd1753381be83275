// The whole core: the standard library alone, nothing to link.
#ifndef EQUIPOISE_EQUIPOISE_H_
#define EQUIPOISE_EQUIPOISE_H_

// IWYU pragma: begin_exports
#include "equipoise/accumulation.h"
#include "equipoise/calibrate.h"
#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/group_dro.h"
#include "equipoise/logit_terms.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/math.h"
#include "equipoise/metrics/bootstrap.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/mix.h"
#include "equipoise/pair_shift.h"
#include "equipoise/random.h"
#include "equipoise/reduction.h"
#include "equipoise/sampling/alias_table.h"
#include "equipoise/sampling/balanced_batches.h"
#include "equipoise/sampling/cells.h"
#include "equipoise/sampling/class_resampler.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/epoch_stream.h"
#include "equipoise/sampling/quota.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/sampling/target_counts.h"
#include "equipoise/sampling/weighted_sampler.h"
#include "equipoise/sampling/without_replacement.h"
#include "equipoise/splits.h"
#include "equipoise/version.h"
#include "equipoise/view.h"
#include "equipoise/weights.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_EQUIPOISE_H_
