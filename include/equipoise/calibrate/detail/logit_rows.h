// Rows of logits: what they must be, their softmax and their argmax.
#ifndef EQUIPOISE_CALIBRATE_DETAIL_LOGIT_ROWS_H_
#define EQUIPOISE_CALIBRATE_DETAIL_LOGIT_ROWS_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/view.h"

namespace equipoise::detail {

template <class T>
void require_no_nan(std::string_view where, const MatrixView<T>& logits) {
  for (std::size_t r = 0; r < logits.rows; ++r) {
    for (std::size_t c = 0; c < logits.cols; ++c) {
      if (!is_nan(static_cast<double>(logits(r, c)))) continue;
      reject_cell(where, "logits", r, c, logits(r, c), "a number");
    }
  }
}

// Rows of which a softmax exists: a class may be ruled out by a logit of minus infinity.
template <class T>
void require_softmax_exists(std::string_view where, const MatrixView<T>& logits) {
  for (std::size_t r = 0; r < logits.rows; ++r) {
    std::size_t ruled_out = 0;
    for (std::size_t c = 0; c < logits.cols; ++c) {
      const auto z = static_cast<double>(logits(r, c));
      ruled_out += is_minus_infinity(z) ? 1 : 0;
      if (is_finite(z) || is_minus_infinity(z)) continue;
      reject_cell(where, "logits", r, c, logits(r, c), "a number below infinity");
    }
    if (ruled_out < logits.cols) continue;
    reject(where, "largest of row " + to_text(r) + " of logits", -infinity(), "a finite number");
  }
}

// Logits to probabilities, in place.
inline void softmax(std::span<double> row) {
  double most = row[0];
  for (const double value : row) most = std::max(most, value);
  double total = 0;
  for (double& value : row) total += value = std::exp(value - most);
  for (double& value : row) value /= total;
}

// argmax_c logits(r, c) + strength offset_c, the lowest c among equals.
template <class T>
void argmax_rows(const MatrixView<T>& logits, std::span<const double> offset, double strength,
                 std::vector<std::int64_t>& predictions) {
  for (std::size_t r = 0; r < logits.rows; ++r) {
    std::size_t best = 0;
    double most = 0;
    for (std::size_t c = 0; c < logits.cols; ++c) {
      const double z =
          static_cast<double>(logits(r, c)) + (offset.empty() ? 0.0 : strength * offset[c]);
      if (c == 0 || z > most) {
        best = c;
        most = z;
      }
    }
    predictions[r] = static_cast<std::int64_t>(best);
  }
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_CALIBRATE_DETAIL_LOGIT_ROWS_H_
