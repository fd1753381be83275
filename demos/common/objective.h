// What a training aims at: a loss, and the sampler that draws for it.
#ifndef EQUIPOISE_DEMOS_COMMON_OBJECTIVE_H_
#define EQUIPOISE_DEMOS_COMMON_OBJECTIVE_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "equipoise/loss/modulator.h"
#include "equipoise/loss/overlap.h"
#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/sigmoid_modulators.h"
#include "equipoise/loss/softmax.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/schedule.h"

namespace equipoise::demos {

/// An IndexStream whose kind is known when the program runs: strategies differ in their samplers.
/// Copies share the sampler.
class Stream {
 public:
  template <class S>
  requires(!std::same_as<S, Stream> && sampling::IndexStream<S>) explicit Stream(S stream)
      : seed_(stream.seed()), epoch_size_(stream.epoch_size()), fingerprint_(stream.fingerprint()) {
    at_ = [shared = std::make_shared<const S>(std::move(stream))](std::uint64_t t) {
      return static_cast<std::size_t>((*shared)[t]);
    };
  }

  std::size_t operator[](std::uint64_t t) const { return at_(t); }
  std::uint64_t seed() const { return seed_; }
  std::uint64_t epoch_size() const { return epoch_size_; }
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  std::uint64_t seed_;
  std::uint64_t epoch_size_;
  std::uint64_t fingerprint_;
  std::function<std::size_t(std::uint64_t)> at_{};
};

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
inline bool has_set_in(const Objective& objective, std::uint64_t steps) {
  return steps > objective.weights_ramp.end;
}

/// The class weights of the loss at an optimiser step, and the loss with them.
std::vector<double> class_weights_at(const Objective& objective, std::uint64_t step);
Loss loss_at(const Objective& objective, std::uint64_t step);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_OBJECTIVE_H_
