// Calls that reach the kernels, compiled by each file of the test under its own name.
#ifndef EQUIPOISE_TESTS_ISA_KERNELS_H_
#define EQUIPOISE_TESTS_ISA_KERNELS_H_

#include <cmath>
#include <vector>

#include "equipoise/equipoise.h"

/// Whether counting and losses give the right results, compiled for a recent processor and for any.
bool right_on_recent_processors();
bool right_on_every_processor();

#define EQUIPOISE_TEST_KERNELS(name)                                                          \
  bool name() {                                                                               \
    std::vector<int> labels(5000, 1);                                                         \
    std::vector<float> logits(5000 * 20, 0.0F);                                               \
    std::vector<float> slopes(5000 * 20);                                                     \
    const equipoise::MatrixView<const float> view(logits.data(), 5000, 20);                   \
    const equipoise::MatrixView<float> out(slopes.data(), 5000, 20);                          \
    const double loss = equipoise::value(equipoise::SoftmaxLoss<>{}, view, labels);           \
    const equipoise::LossPartial part =                                                       \
        equipoise::partial(equipoise::SoftmaxLoss<>{}, view, labels, {}, {out, {}});          \
    const double focal =                                                                      \
        equipoise::value(equipoise::SoftmaxLoss<equipoise::Focal>{}, view, labels);           \
    const double binary =                                                                     \
        equipoise::value_and_gradient(equipoise::SigmoidLoss<>{}, view, view, {}, out);       \
    const equipoise::OverlapLoss<> overlap;                                                   \
    const double dice = equipoise::value(overlap, view, labels);                              \
    const equipoise::OverlapResult whole =                                                    \
        equipoise::value_and_slopes(overlap, equipoise::partial(overlap, view, labels));      \
    equipoise::gradient(overlap, view, labels, {}, {whole.slopes, out});                      \
    const double log20 = std::log(20.0);                                                      \
    /* One class is there, with 5000 targets and a twentieth of each prediction. */           \
    return equipoise::count_labels(labels, 3)[1] == 5000 && std::fabs(loss - log20) < 1e-5 && \
           std::fabs(part.buckets[0].numerator / 5000 - log20) < 1e-5 &&                      \
           std::fabs(focal - 0.95 * 0.95 * log20) < 1e-5 &&                                   \
           std::fabs(binary - std::log(2.0)) < 1e-5 &&                                        \
           std::fabs(dice - (1 - 0.1 / 1.05)) < 1e-3 && whole.value == dice && slopes[1] < 0; \
  }

#endif  // EQUIPOISE_TESTS_ISA_KERNELS_H_
