#include "equipoise/calibrate/detail/linear_algebra.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/random.h"

namespace equipoise::detail {
namespace {

std::vector<double> random_matrix(std::size_t n, std::uint64_t seed) {
  const CounterRandom random{seed};
  std::vector<double> a;
  for (std::size_t i = 0; i < n * n; ++i) a.push_back(random.uniform(i, 1) - 0.5);
  return a;
}

TEST(Cholesky, SolvesPositiveDefiniteSystems) {
  for (std::size_t n = 1; n <= 12; ++n) {
    const std::vector<double> b = random_matrix(n, n);
    std::vector<double> a(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t k = 0; k < n; ++k) a[i * n + j] += b[i * n + k] * b[j * n + k];
      }
      a[i * n + i] += 0.1;
    }
    std::vector<double> x(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) x[i] += a[i * n + j] * static_cast<double>(j + 1);
    }
    ASSERT_TRUE(cholesky(a, n));
    solve_cholesky(a, x);
    for (std::size_t j = 0; j < n; ++j) EXPECT_NEAR(x[j], static_cast<double>(j + 1), 1e-11) << n;
  }
}

TEST(Cholesky, RefusesWhatIsNotPositiveDefinite) {
  std::vector<double> singular = {1, 1, 1, 1};
  EXPECT_FALSE(cholesky(singular, 2));
  std::vector<double> indefinite = {1, 2, 2, 1};
  EXPECT_FALSE(cholesky(indefinite, 2));
  std::vector<double> nan = {std::nan(""), 0, 0, 1};
  EXPECT_FALSE(cholesky(nan, 2));
}

TEST(Svd, SolvesAndKnowsTheSingularValues) {
  for (std::size_t n = 1; n <= 12; ++n) {
    const std::vector<double> a = random_matrix(n, 100 + n);
    const Svd factors = svd(a, n);
    // The sum of their squares is that of the elements, and U diag(s) V^T is the matrix.
    double of_elements = 0;
    for (const double x : a) of_elements += x * x;
    double of_values = 0;
    for (const double s : factors.values) of_values += s * s;
    EXPECT_NEAR(of_values, of_elements, 1e-13 * of_elements);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < n; ++k) {
          sum += factors.scaled_u[i * n + k] * factors.v[j * n + k];
        }
        EXPECT_NEAR(sum, a[i * n + j], 1e-14);
      }
    }
    std::vector<double> b(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) b[i] += a[i * n + j];
    }
    const double least = *std::min_element(factors.values.begin(), factors.values.end());
    for (const double x : factors.solve(b)) EXPECT_NEAR(x, 1, 1e-14 / least * 10) << n;
  }
}

TEST(Svd, FindsASingularValueOfZero) {
  const Svd factors = svd({1, 2, 2, 4}, 2);
  const auto [least, most] = std::minmax_element(factors.values.begin(), factors.values.end());
  EXPECT_NEAR(*least, 0, 1e-15);
  EXPECT_NEAR(*most, 5, 1e-14);
}

}  // namespace
}  // namespace equipoise::detail
