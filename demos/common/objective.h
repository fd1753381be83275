// What a training aims at: a loss, and the sampler that draws for it.
#ifndef EQUIPOISE_DEMOS_COMMON_OBJECTIVE_H_
#define EQUIPOISE_DEMOS_COMMON_OBJECTIVE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "demos/common/stream.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/schedule.h"

namespace equipoise::demos {

/// The losses that the demos train with.
using Loss = std::variant<SoftmaxLoss<CrossEntropy>, SoftmaxLoss<Focal>,
                          SoftmaxLoss<SelfAdjustingDice>, SigmoidLoss<BinaryCrossEntropy>,
                          SigmoidLoss<SigmoidFocal>, SigmoidLoss<AsymmetricFocal>>;

struct Objective {
  Loss loss;
  Stream stream;
  /// How the class weights of the loss set in, over optimiser steps: deferred re-weighting.
  RampSchedule weights_ramp{};
  /// What makes this objective differ from others, for checkpoints: the plan as text, say.
  std::string description{};
  /// How many rows each class is to have with those of SMOTE, which stand behind the given ones,
  /// class by class; empty: none are made. Of frozen states alone.
  std::vector<std::uint64_t> smote_targets{};
};

/// Whether a model that has made so many steps is one that this objective makes: class weights that
/// are deferred have set in before its last step.
bool has_set_in(const Objective& objective, std::uint64_t steps);

/// The class weights of the loss at an optimiser step.
std::vector<double> class_weights_at(const Objective& objective, std::uint64_t step);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_OBJECTIVE_H_
