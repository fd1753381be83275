// What policies that leave rows out have in common.
#ifndef EQUIPOISE_RESAMPLING_CLEANING_H_
#define EQUIPOISE_RESAMPLING_CLEANING_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/sampling/target_counts.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// A cleaning policy says which rows remain, by their numbers, ascending: policy(rows, labels,
/// classes), with a search for neighbours as a fourth argument if it is not to be ExactNeighbours.
/// Which classes may lose rows is a member of the policy, by the names that undersampling has for
/// them: by default all but the smallest; of equally small classes the first.
template <class P, class T = float>
concept CleaningPolicy = requires(const P& policy, MatrixView<const T> rows,
                                  std::span<const std::int64_t> labels, std::size_t classes) {
  { policy(rows, labels, classes) } -> std::same_as<std::vector<std::int64_t>>;
};

/// Classes that may lose rows.
using CleanedClasses = sampling::Undersampling;

}  // namespace equipoise::resampling

namespace equipoise::detail {

// Numbers of rows as results have them.
inline std::vector<std::int64_t> to_indices(std::span<const std::size_t> rows) {
  std::vector<std::int64_t> result;
  result.reserve(rows.size());
  for (const std::size_t row : rows) result.push_back(static_cast<std::int64_t>(row));
  return result;
}

// Those of `rows` for which goes[i] is not set.
inline std::vector<std::size_t> remaining(std::span<const std::size_t> rows,
                                          const std::vector<bool>& goes) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!goes[i]) result.push_back(rows[i]);
  }
  return result;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_CLEANING_H_
