// Powers of two that bring numbers of any size near 1, so that their products stay in range.
#ifndef EQUIPOISE_DETAIL_SCALE_H_
#define EQUIPOISE_DETAIL_SCALE_H_

#include <algorithm>
#include <cmath>

namespace equipoise::detail {

// The power of two that x >= 0 is to be multiplied by to lie in [1/2, 1), as far as it is a normal
// number; 1 for 0. The product is exact.
inline double unit_of(double x) {
  int exponent = 0;
  if (x > 0) std::frexp(x, &exponent);
  return std::ldexp(1.0, std::clamp(-exponent, -1022, 1023));
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_SCALE_H_
