// Metrics of batches of tensors: what every accumulator has in common.
#ifndef EQUIPOISE_LIBTORCH_METRICS_ACCUMULATOR_H_
#define EQUIPOISE_LIBTORCH_METRICS_ACCUMULATOR_H_

namespace equipoise::libtorch {

/// A metric summed over batches of tensors. CPU tensors go into the core's metric at once. Those of
/// another device are reduced there, to as many numbers as the metric has, without a
/// synchronisation or an upload; value() reads them once. Tensors of one accumulator lie on the CPU
/// and on at most one device.
///
/// Shapes are as the metric has them, with any dimensions for the rows: targets [...] and logits
/// [..., C], such as N x T and N x T x C of tokens. On devices other than the CPU wrong values
/// (targets, probabilities, NaN) are found by value() alone, which throws from then on until
/// reset(). Half types are taken as float. Nothing of it has a gradient.
///
/// Areas and entities are not sums: of their batches the device keeps what value() needs, 1 byte
/// and a score per label and row, or 16 bytes per token.
///
/// Each metric's header has the accumulator of that metric: confusion.h, calibration.h, ranking.h
/// and entities.h.
template <class Metric>
class Accumulator;

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_METRICS_ACCUMULATOR_H_
