// Loss kernels for devices whose threads share the work: what a team of threads does with one row,
// and one thread with one element. A team of one runs on the host.
#ifndef EQUIPOISE_KERNELS_TEAM_H_
#define EQUIPOISE_KERNELS_TEAM_H_

#include <cmath>
#include <cstdint>
#include <limits>

#include "equipoise/config.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/math.h"

// For what a device's threads run: a policy that is host code alone is an error there, not a
// warning.
#if defined(__CUDA_ARCH__)
#define EQUIPOISE_DEVICE_INLINE __device__ EQUIPOISE_HOST_INLINE
#else
#define EQUIPOISE_DEVICE_INLINE EQUIPOISE_HOST_INLINE
#endif

namespace equipoise::kernels {

/// A float as a field for modulators: constants in double are rounded to it.
struct DeviceFloat {
  float value;

  EQUIPOISE_INLINE explicit DeviceFloat(float value_) : value(value_) {}
  EQUIPOISE_INLINE explicit DeviceFloat(double value_) : value(static_cast<float>(value_)) {}

  friend EQUIPOISE_INLINE DeviceFloat operator+(DeviceFloat a, DeviceFloat b) {
    return DeviceFloat(a.value + b.value);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator-(DeviceFloat a, DeviceFloat b) {
    return DeviceFloat(a.value - b.value);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator*(DeviceFloat a, DeviceFloat b) {
    return DeviceFloat(a.value * b.value);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator/(DeviceFloat a, DeviceFloat b) {
    return DeviceFloat(a.value / b.value);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator-(DeviceFloat a) { return DeviceFloat(-a.value); }
  friend EQUIPOISE_INLINE DeviceFloat operator+(DeviceFloat a, double b) {
    return a + DeviceFloat(b);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator-(DeviceFloat a, double b) {
    return a - DeviceFloat(b);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator*(DeviceFloat a, double b) {
    return a * DeviceFloat(b);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator/(DeviceFloat a, double b) {
    return a / DeviceFloat(b);
  }
  friend EQUIPOISE_INLINE DeviceFloat operator+(double a, DeviceFloat b) {
    return DeviceFloat(a) + b;
  }
  friend EQUIPOISE_INLINE DeviceFloat operator-(double a, DeviceFloat b) {
    return DeviceFloat(a) - b;
  }
  friend EQUIPOISE_INLINE DeviceFloat operator*(double a, DeviceFloat b) {
    return DeviceFloat(a) * b;
  }
  friend EQUIPOISE_INLINE DeviceFloat operator/(double a, DeviceFloat b) {
    return DeviceFloat(a) / b;
  }
};

}  // namespace equipoise::kernels

template <>
struct equipoise::math::Operations<equipoise::kernels::DeviceFloat> {
  using DeviceFloat = equipoise::kernels::DeviceFloat;
  static EQUIPOISE_INLINE DeviceFloat exp(DeviceFloat x) { return DeviceFloat(::expf(x.value)); }
  static EQUIPOISE_INLINE DeviceFloat log(DeviceFloat x) { return DeviceFloat(::logf(x.value)); }
  static EQUIPOISE_INLINE DeviceFloat pow(DeviceFloat x, double exponent) {
    return DeviceFloat(::powf(x.value, static_cast<float>(exponent)));
  }
  static EQUIPOISE_INLINE DeviceFloat max(DeviceFloat x, double bound) {
    return x.value > static_cast<float>(bound) ? x : DeviceFloat(bound);
  }
  static EQUIPOISE_INLINE DeviceFloat step(DeviceFloat x) {
    return DeviceFloat(x.value > 0 ? 1.0F : 0.0F);
  }
  static EQUIPOISE_INLINE DeviceFloat like(DeviceFloat, double value) { return DeviceFloat(value); }
};

namespace equipoise::kernels {

static_assert(math::Field<DeviceFloat>);

/// A row for a softmax loss: a_c = scale_c z_c + shift_c, less the margin at the target. Pointers
/// that are null stand for none.
template <class T>
struct TeamRow {
  const T* logits;
  std::int64_t classes;
  std::int64_t target;  // a class
  const float* scale = nullptr;
  const float* shift = nullptr;
  const float* margin = nullptr;

  EQUIPOISE_DEVICE_INLINE float scale_of(std::int64_t c) const {
    return scale == nullptr ? 1.0F : scale[c];
  }
  EQUIPOISE_DEVICE_INLINE float operator[](std::int64_t c) const {
    float a = static_cast<float>(logits[c]) * scale_of(c);
    if (shift != nullptr) a += shift[c];
    return margin != nullptr && c == target ? a - margin[c] : a;
  }
};

// What std::numeric_limits has is host code.
inline constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

/// The largest of some numbers and the sum of e^(number - largest), which join to those of all. A
/// NaN or +infinity among them makes the sum NaN.
struct LargestAndSum {
  float largest = kMinusInfinity;
  float sum = 0;

  friend EQUIPOISE_DEVICE_INLINE LargestAndSum join(const LargestAndSum& a,
                                                    const LargestAndSum& b) {
    const float most = a.largest > b.largest ? a.largest : b.largest;
    const auto scaled = [&](const LargestAndSum& part) {
      return part.sum == 0 ? 0.0F : part.sum * ::expf(part.largest - most);
    };
    return {most, scaled(a) + scaled(b)};
  }
};

/// The number of one logit: -infinity adds nothing.
EQUIPOISE_DEVICE_INLINE LargestAndSum of_one(float a) {
  if (a == kMinusInfinity) return {};
  return {a, a - a + 1.0F};
}

/// The logarithm of sum_c e^(a_c), in two parts: together they would have lost the digits of a
/// small one beside a large one.
struct LogSum {
  float largest;
  float rest;

  /// a less the logarithm, for one of the a_c; NaN stays.
  EQUIPOISE_DEVICE_INLINE float below(float a) const {
    const float difference = (a - largest) - rest;
    return difference > 0 ? 0.0F : difference;
  }
};

/// log sum_c e^(a_c) of a row by a team: threads `rank()` of `size()`, whose `reduce(value)` joins
/// the values of all and gives the result to each.
template <class Team, class T>
EQUIPOISE_DEVICE_INLINE LogSum log_sum_exp(const Team& team, const TeamRow<T>& row) {
  LargestAndSum own;
  for (std::int64_t c = team.rank(); c < row.classes; c += team.size()) {
    own = join(own, of_one(row[c]));
  }
  const LargestAndSum all = team.reduce(own);
  return {all.largest, ::logf(all.sum)};
}

/// The value of a row and its slope in the logarithm of the target's probability.
template <class M, class T>
EQUIPOISE_DEVICE_INLINE ValueAndSlope<DeviceFloat> modulated(const M& modulator,
                                                             const TeamRow<T>& row,
                                                             const LogSum& log_sum) {
  const float log_p = log_sum.below(row[row.target]);
  return modulator(TargetProbability<DeviceFloat>{DeviceFloat(log_p), DeviceFloat(::expf(log_p)),
                                                  DeviceFloat(-::expm1f(log_p))});
}

/// Writes slope ([c = target] - p_c) scale_c; zeros where the slope is, whatever the logits are.
template <class Team, class T>
EQUIPOISE_DEVICE_INLINE void write_gradient(const Team& team, const TeamRow<T>& row,
                                            const LogSum& log_sum, float slope, T* gradient) {
  for (std::int64_t c = team.rank(); c < row.classes; c += team.size()) {
    const float p = slope == 0 ? 0.0F : ::expf(log_sum.below(row[c]));
    const float hit = c == row.target ? 1.0F : 0.0F;
    gradient[c] = static_cast<T>(slope == 0 ? 0.0F : slope * (hit - p) * row.scale_of(c));
  }
}

/// An element of a sigmoid loss.
struct TeamElement {
  float logit;
  float target;    // in [0, 1]
  float positive;  // what the value of the positive side is multiplied by, but for the target
  float negative;  // that of the negative side, but for 1 - target
};

/// The value of an element and its derivative with respect to the logit. A side of weight zero adds
/// nothing, whatever its (perhaps infinite) value.
template <class Positive, class Negative>
EQUIPOISE_DEVICE_INLINE ValueAndSlope<float> sigmoid_element(const Positive& positive,
                                                             const Negative& negative,
                                                             const TeamElement& element) {
  const float z = element.logit;
  const float tail = ::expf(z > 0 ? -z : z);  // e^-|z|
  const float larger = 1.0F / (1.0F + tail);
  const float smaller = tail / (1.0F + tail);
  const float p = z > 0 ? larger : smaller;
  const float q = z > 0 ? smaller : larger;
  const float log_larger = -::log1pf(tail);
  const float log_smaller = log_larger - (z > 0 ? z : -z);
  const float log_p = z > 0 ? log_larger : log_smaller;
  const float log_q = z > 0 ? log_smaller : log_larger;
  ValueAndSlope<float> result{0, 0};
  const float above = element.positive * element.target;
  if (above != 0) {
    const auto side = positive(
        TargetProbability<DeviceFloat>{DeviceFloat(log_p), DeviceFloat(p), DeviceFloat(q)});
    result.value += above * side.value.value;
    result.slope += above * side.slope.value * q;
  }
  const float below = element.negative * (1.0F - element.target);
  if (below != 0) {
    const auto side = negative(
        TargetProbability<DeviceFloat>{DeviceFloat(log_q), DeviceFloat(q), DeviceFloat(p)});
    result.value += below * side.value.value;
    result.slope -= below * side.slope.value * p;
  }
  return result;
}

/// A team of one thread.
struct TeamOfOne {
  EQUIPOISE_DEVICE_INLINE std::int64_t rank() const { return 0; }
  EQUIPOISE_DEVICE_INLINE std::int64_t size() const { return 1; }
  EQUIPOISE_DEVICE_INLINE LargestAndSum reduce(const LargestAndSum& own) const { return own; }
};

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_TEAM_H_
