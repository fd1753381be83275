// The core and its backend on LibTorch. Each header under libtorch/ includes less of LibTorch.
#ifndef EQUIPOISE_LIBTORCH_H_
#define EQUIPOISE_LIBTORCH_H_

#if !__has_include(<torch/nn/module.h>)
#error "LibTorch not found: -isystem DIR/include -isystem DIR/include/torch/csrc/api/include"
#endif

// IWYU pragma: begin_exports
#include "equipoise/equipoise.h"
#include "equipoise/libtorch/accumulation.h"
#include "equipoise/libtorch/arguments.h"
#include "equipoise/libtorch/heads.h"
#include "equipoise/libtorch/linear_loss.h"
#include "equipoise/libtorch/loss.h"
#include "equipoise/libtorch/metrics.h"
#include "equipoise/libtorch/module.h"
#include "equipoise/libtorch/neighbours.h"
#include "equipoise/libtorch/overlap_loss.h"
#include "equipoise/libtorch/overlap_module.h"
#include "equipoise/libtorch/resampling.h"
#include "equipoise/libtorch/sampler.h"
#include "equipoise/libtorch/sigmoid_loss.h"
#include "equipoise/libtorch/sigmoid_module.h"
#include "equipoise/libtorch/tensor_math.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_LIBTORCH_H_
