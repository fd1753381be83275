// Metrics of batches of tensors: the common template of all accumulators.
#ifndef EQUIPOISE_LIBTORCH_METRICS_ACCUMULATOR_H_
#define EQUIPOISE_LIBTORCH_METRICS_ACCUMULATOR_H_

namespace equipoise::libtorch {

/// A metric summed over batches of tensors. CPU tensors are added to the core's metric at once.
/// Tensors on another device are reduced there, to as many numbers as the metric has, without a
/// synchronisation or an upload; value() reads these numbers once. Tensors of one accumulator may
/// be on the CPU and on at most one other device.
///
/// Shapes are those of the metric, with any dimensions for the rows: targets [...] and logits [...,
/// C], such as N x T and N x T x C for tokens. On devices other than the CPU invalid values
/// (targets, probabilities, NaN) are found only by value(), which throws from then on until
/// reset(). Half types are converted to float. Nothing takes part in autograd.
///
/// Areas and entities are not sums: the device keeps the data that value() needs from each batch, 1
/// byte and a score per label and row, or 16 bytes per token.
///
/// Each metric's header has the accumulator of that metric: confusion.h, calibration.h, ranking.h
/// and entities.h.
template <class Metric>
class Accumulator;

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_ACCUMULATOR_H_
