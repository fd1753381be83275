// Goodness of fit for tests of random draws.
#ifndef EQUIPOISE_TESTS_SUPPORT_STATISTICS_H_
#define EQUIPOISE_TESTS_SUPPORT_STATISTICS_H_

#include <cmath>
#include <cstddef>
#include <limits>

namespace equipoise::testing {

// P(X >= x) for a chi-squared variable X: the regularised upper incomplete gamma function
// Q(degrees / 2, x / 2), by its series below the mode and by Lentz's continued fraction above
// (Abramowitz & Stegun 6.5.29 and 6.5.31).
inline double chi_squared_upper_tail(double x, double degrees) {
  if (x <= 0) return 1;
  const double a = degrees / 2;
  const double z = x / 2;
  const double scale = std::exp(a * std::log(z) - z - std::lgamma(a));
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  if (z < a + 1) {
    double term = 1 / a;
    double sum = term;
    for (double k = a + 1; term > sum * kEpsilon; k += 1) sum += term *= z / k;
    return 1 - scale * sum;
  }
  double b = z + 1 - a;
  double c = std::numeric_limits<double>::max();
  double d = 1 / b;
  double fraction = d;
  for (double i = 1;; i += 1) {
    const double numerator = -i * (i - a);
    b += 2;
    d = 1 / (numerator * d + b);
    c = b + numerator / c;
    fraction *= c * d;
    if (std::abs(c * d - 1) < 4 * kEpsilon) return scale * fraction;
  }
}

// The p-value of observed counts against expected ones. A cell without expectation must be empty
// (else 0) and is no degree of freedom; `constraints` is the number of linear relations that
// counts and expectations share, one if just their sums agree.
template <class Observed, class Expected>
double chi_squared_p_value(const Observed& observed, const Expected& expected,
                           double constraints = 1) {
  double statistic = 0;
  double cells = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    const auto seen = static_cast<double>(observed[i]);
    const auto due = static_cast<double>(expected[i]);
    if (due == 0) {
      if (seen != 0) return 0;
      continue;
    }
    statistic += (seen - due) * (seen - due) / due;
    cells += 1;
  }
  return chi_squared_upper_tail(statistic, cells - constraints);
}

// Seeds are fixed, so a test of a sound generator either always passes or never does; a p-value
// below this one says that it is not sound.
inline constexpr double kImplausible = 1e-4;

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_STATISTICS_H_
