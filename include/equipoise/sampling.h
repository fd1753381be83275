// All samplers.
#ifndef EQUIPOISE_SAMPLING_H_
#define EQUIPOISE_SAMPLING_H_

// IWYU pragma: begin_exports
#include "equipoise/sampling/alias_table.h"
#include "equipoise/sampling/balanced_batches.h"
#include "equipoise/sampling/balanced_subsets.h"
#include "equipoise/sampling/cells.h"
#include "equipoise/sampling/class_resampler.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/epoch_length.h"
#include "equipoise/sampling/epoch_stream.h"
#include "equipoise/sampling/importance.h"
#include "equipoise/sampling/quota.h"
#include "equipoise/sampling/realised_counts.h"
#include "equipoise/sampling/repeat_factors.h"
#include "equipoise/sampling/resampling.h"
#include "equipoise/sampling/reservoir.h"
#include "equipoise/sampling/scheduled_sampler.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/sampling/target_counts.h"
#include "equipoise/sampling/weighted_sampler.h"
#include "equipoise/sampling/without_replacement.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_SAMPLING_H_
