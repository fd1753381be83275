// How many rows of a class the options let the test part have.
#ifndef EQUIPOISE_SPLITS_DETAIL_BOUNDS_H_
#define EQUIPOISE_SPLITS_DETAIL_BOUNDS_H_

#include <algorithm>
#include <cstdint>

#include "equipoise/splits/split.h"

namespace equipoise::detail {

// What a class may give to the test part.
constexpr std::uint64_t testable_rows(std::uint64_t count, const splits::SplitOptions& options) {
  return count - std::min(count, options.min_train_rows);
}

// What it has to give: never its only row.
constexpr std::uint64_t tested_rows(std::uint64_t count, const splits::SplitOptions& options) {
  const std::uint64_t kept = std::max<std::uint64_t>(options.min_train_rows, 1);
  return std::min(options.min_test_rows, count - std::min(count, kept));
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_BOUNDS_H_
