// The core's headers, a modulator of a user's own, and the row algorithm as CUDA code.
#include "equipoise/equipoise.h"
#include "equipoise/kernels/team.h"

namespace {

struct Tsallis {
  double s = 0.7;

  template <class T>
  EQUIPOISE_INLINE equipoise::ValueAndSlope<T> operator()(
      const equipoise::TargetProbability<T>& target) const {
    const T power = equipoise::math::pow(target.p, s);
    return {(1.0 - power) * (1.0 / s), -power};
  }
};

template <class M>
__global__ void softmax_row(const M modulator, const equipoise::kernels::TeamRow<float> row,
                            float* value, float* gradient) {
#if defined(__CUDA_ARCH__)
  using namespace equipoise::kernels;
  const LogSum log_sum = log_sum_exp(TeamOfOne(), row);
  const auto result = modulated(modulator, row, log_sum);
  *value = result.value.value;
  write_gradient(TeamOfOne(), row, log_sum, result.slope.value, gradient);
#endif
}

}  // namespace

int main() {
  const equipoise::kernels::TeamRow<float> row{nullptr, 0, 0};
  softmax_row<<<1, 1>>>(Tsallis(), row, nullptr, nullptr);
  softmax_row<<<1, 1>>>(equipoise::Focal(), row, nullptr, nullptr);
  softmax_row<<<1, 1>>>(equipoise::poly1(), row, nullptr, nullptr);
}
