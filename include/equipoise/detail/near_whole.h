// Ratios of counts, whose products and quotients ought to be whole numbers.
#ifndef EQUIPOISE_DETAIL_NEAR_WHOLE_H_
#define EQUIPOISE_DETAIL_NEAR_WHOLE_H_

#include <cmath>
#include <limits>

namespace equipoise::detail {

// The whole number next to x >= 0 where x is within four epsilon of it, relatively; else x. A ratio
// k / n in double times n is off from k by one epsilon at most, so that its floor may be k - 1.
inline double near_whole(double x) {
  const double whole = std::round(x);
  return std::abs(x - whole) <= 4 * std::numeric_limits<double>::epsilon() * x ? whole : x;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_NEAR_WHOLE_H_
