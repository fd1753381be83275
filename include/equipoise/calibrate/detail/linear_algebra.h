// Small dense systems, of the size of the number of classes.
#ifndef EQUIPOISE_CALIBRATE_DETAIL_LINEAR_ALGEBRA_H_
#define EQUIPOISE_CALIBRATE_DETAIL_LINEAR_ALGEBRA_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "equipoise/detail/check.h"

namespace equipoise::detail {

// Replaces a symmetric n x n matrix, row by row, by its Cholesky factor (below and on the
// diagonal). False unless it is positive definite to rounding.
inline bool cholesky(std::vector<double>& a, std::size_t n) {
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, a[i * n + i]);
  const double least = largest * static_cast<double>(n) * std::numeric_limits<double>::epsilon();
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j && (!is_finite(sum) || sum <= least)) return false;
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
  }
  return true;
}

// Solves L L^T x = b in place.
inline void solve_cholesky(const std::vector<double>& l, std::span<double> b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= l[i * n + k] * b[k];
    b[i] /= l[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= l[k * n + i] * b[k];
    b[i] /= l[i * n + i];
  }
}

// A = U diag(s) V^T of an n x n matrix, row by row.
struct Svd {
  std::size_t n = 0;
  std::vector<double> scaled_u;  // U diag(s), row by row
  std::vector<double> v;         // V, row by row
  std::vector<double> values;    // s, in no order

  // A x = b; values must be positive.
  std::vector<double> solve(std::span<const double> b) const {
    std::vector<double> x(n, 0.0);
    for (std::size_t k = 0; k < n; ++k) {
      double projection = 0;
      for (std::size_t i = 0; i < n; ++i) projection += scaled_u[i * n + k] * b[i];
      projection /= values[k] * values[k];
      for (std::size_t i = 0; i < n; ++i) x[i] += v[i * n + k] * projection;
    }
    return x;
  }
};

// By one-sided Jacobi rotations (Hestenes 1958), which make the columns orthogonal in pairs.
inline Svd svd(std::vector<double> a, std::size_t n) {
  Svd result{n, std::move(a), std::vector<double>(n * n, 0.0), {}};
  std::vector<double>& u = result.scaled_u;
  for (std::size_t i = 0; i < n; ++i) result.v[i * n + i] = 1;
  const auto rotate = [n](std::vector<double>& m, std::size_t p, std::size_t q, double c,
                          double s) {
    for (std::size_t i = 0; i < n; ++i) {
      const double x = m[i * n + p];
      const double y = m[i * n + q];
      m[i * n + p] = c * x - s * y;
      m[i * n + q] = s * x + c * y;
    }
  };
  constexpr int kMostSweeps = 60;
  bool rotated = n > 1;
  for (int sweep = 0; sweep < kMostSweeps && rotated; ++sweep) {
    rotated = false;
    for (std::size_t p = 0; p + 1 < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        double pp = 0;
        double qq = 0;
        double pq = 0;
        for (std::size_t i = 0; i < n; ++i) {
          pp += u[i * n + p] * u[i * n + p];
          qq += u[i * n + q] * u[i * n + q];
          pq += u[i * n + p] * u[i * n + q];
        }
        if (std::fabs(pq) <= 1e-15 * std::sqrt(pp * qq)) continue;
        rotated = true;
        const double zeta = (qq - pp) / (2 * pq);
        const double t = (zeta < 0 ? -1 : 1) / (std::fabs(zeta) + std::sqrt(1 + zeta * zeta));
        const double c = 1 / std::sqrt(1 + t * t);
        rotate(u, p, q, c, c * t);
        rotate(result.v, p, q, c, c * t);
      }
    }
  }
  for (std::size_t k = 0; k < n; ++k) {
    double square = 0;
    for (std::size_t i = 0; i < n; ++i) square += u[i * n + k] * u[i * n + k];
    result.values.push_back(std::sqrt(square));
  }
  return result;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_CALIBRATE_DETAIL_LINEAR_ALGEBRA_H_
