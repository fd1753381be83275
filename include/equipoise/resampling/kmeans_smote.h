// KMeans-SMOTE: SMOTE within clusters, the more rows the sparser a cluster is.
#ifndef EQUIPOISE_RESAMPLING_KMEANS_SMOTE_H_
#define EQUIPOISE_RESAMPLING_KMEANS_SMOTE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/resampling/detail/class_lists.h"
#include "equipoise/resampling/detail/missing_rows.h"
#include "equipoise/resampling/detail/squared_distance.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// KMeans-SMOTE of Douzas, Bacao & Last 2018 ("Improving imbalanced learning through a heuristic
/// oversampling method based on k-means and SMOTE", arXiv:1711.00837), given the clusters. Of a
/// class those clusters are used that hold more than k of its rows and in which its fraction is at
/// least the threshold. Such a cluster, with n rows of the class at a mean distance m, gets rows in
/// proportion to its sparsity m^exponent / n, rounded up; in it SMOTE goes on. Shares hold where
/// m^exponent is beyond the range of a double, too; where they are near an integer, the last digit
/// of a platform's powers may decide about a row.
///
/// As imbalanced-learn has it; the paper's threshold is one on the ratio of the classes' rows, and
/// its exponent the number of columns.
struct KMeansSmote {
  std::size_t k = 2;
  /// In [0, 1]; without it half of the class's fraction of all rows that are to be made.
  std::optional<double> threshold = std::nullopt;
  /// >= 0; without it 0.16 log_1.6(n)^1.8.
  std::optional<double> exponent = std::nullopt;

  /// One group for each cluster that is used. clusters[i] is the cluster of row i, from 0 on. As
  /// many distances as there are pairs of rows of a class in a cluster.
  /// @throws std::invalid_argument as Smote, for a cluster number below 0 or beyond 2^31, an
  /// exponent that is negative or not finite, and for a class that is to have more rows and has no
  /// cluster with enough of them.
  template <FloatElement T, LabelRange R, LabelRange K,
            NeighbourSearch<std::remove_const_t<T>> S = ExactNeighbours>
  EQUIPOISE_HOST_INLINE std::vector<RecipeGroup> operator()(const MatrixView<T>& rows,
                                                            const R& labels, const K& clusters,
                                                            std::span<const std::uint64_t> targets,
                                                            const S& search = {}) const {
    if (threshold) detail::require_between(kWhere, "threshold", *threshold, 0, 1);
    if (exponent) detail::require_not_negative(kWhere, "exponent", *exponent);
    const std::vector<std::vector<std::size_t>> members = members_of(as_span(clusters), rows.rows);
    const auto view = detail::const_view(rows);
    std::uint64_t total = 0;
    detail::for_each_missing(kWhere, rows, labels, targets,
                             [&](std::size_t, std::uint64_t missing, const detail::ClassLists&)
                                 EQUIPOISE_INLINE_LAMBDA { total += missing; });
    std::vector<RecipeGroup> groups;
    detail::for_each_missing(
        kWhere, rows, labels, targets,
        [&](std::size_t c, std::uint64_t missing, const detail::ClassLists& lists)
            EQUIPOISE_INLINE_LAMBDA {
              const double least =
                  threshold.value_or(static_cast<double>(missing) / static_cast<double>(total) / 2);
              std::vector<RecipeGroup> own = used_clusters(members, c, lists, least);
              for (RecipeGroup& group : own) {  // first, for a search looks for NaN
                detail::set_neighbours_within(group, view, group.bases, k, search);
              }
              share_out(view, missing, own);
              for (RecipeGroup& group : own) groups.push_back(std::move(group));
            });
    return groups;
  }

  friend bool operator==(const KMeansSmote&, const KMeansSmote&) = default;

 private:
  static constexpr std::string_view kWhere = "KMeansSmote";

  template <class K>
  static std::vector<std::vector<std::size_t>> members_of(std::span<const K> clusters,
                                                          std::size_t rows) {
    detail::require_size(kWhere, "clusters", clusters.size(), rows, "rows");
    std::map<std::size_t, std::vector<std::size_t>> members;  // numbers may be few and high
    for (std::size_t i = 0; i < clusters.size(); ++i) {
      if (!std::in_range<std::uint32_t>(clusters[i]) || clusters[i] >> 30 > 1) {
        detail::reject_element(kWhere, "clusters", i, clusters[i], "a number in [0, 2^31)");
      }
      members[static_cast<std::size_t>(clusters[i])].push_back(i);
    }
    std::vector<std::vector<std::size_t>> result;
    result.reserve(members.size());
    for (auto& [number, rows_of_cluster] : members) result.push_back(std::move(rows_of_cluster));
    return result;
  }

  std::vector<RecipeGroup> used_clusters(const std::vector<std::vector<std::size_t>>& members,
                                         std::size_t c, const detail::ClassLists& lists,
                                         double least) const {
    std::vector<RecipeGroup> groups;
    for (const std::vector<std::size_t>& cluster : members) {
      RecipeGroup group{.class_index = c};
      for (const std::size_t row : cluster) {
        if (lists.class_of(row) == c) group.bases.push_back(row);
      }
      const double fraction =
          static_cast<double>(group.bases.size()) / static_cast<double>(cluster.size());
      if (group.bases.size() > k && fraction >= least) groups.push_back(std::move(group));
    }
    if (groups.empty()) {
      detail::reject(kWhere, "clusters to make rows of class " + detail::to_text(c) + " in", 0,
                     "at least 1, with more than k = " + detail::to_text(k) +
                         " rows of the class and a fraction of " + detail::to_text(least));
    }
    return groups;
  }

  // m^power / n of a cluster.
  struct Sparsity {
    double mean;
    double power;
    double rows;

    double value() const { return std::pow(mean, power) / rows; }
    // The logarithm of that, of 0 the lowest number.
    double logarithm() const {
      if (power == 0) return -std::log(rows);
      if (!(mean > 0)) return std::numeric_limits<double>::lowest();
      return power * std::log(mean) - std::log(rows);
    }
  };

  template <class T>
  Sparsity sparsity(const MatrixView<const T>& rows, std::span<const std::size_t> own) const {
    double sum = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        sum += 2 * std::sqrt(detail::squared_distance(rows, own[i], own[j]));
      }
    }
    const auto n = static_cast<double>(own.size());
    const double power = exponent.value_or(std::pow(std::log(n) / std::log(1.6), 1.8) * 0.16);
    return {n > 1 ? sum / (n * n - n) : 0, power, n};
  }

  // What sparsities are in proportion to: themselves, or where some are too large or too small for
  // that, their ratios to the largest.
  static std::vector<double> weights_of(const std::vector<Sparsity>& sparsities) {
    std::vector<double> weights;
    weights.reserve(sparsities.size());
    double sum = 0;
    bool has_range = true;
    for (const Sparsity& sparsity : sparsities) {
      weights.push_back(sparsity.value());
      sum += weights.back();
      has_range = has_range &&
                  (weights.back() >= std::numeric_limits<double>::min() || !(sparsity.mean > 0));
    }
    if (has_range && detail::is_finite(sum)) return weights;
    for (std::size_t g = 0; g < weights.size(); ++g) weights[g] = sparsities[g].logarithm();
    const double largest = *std::max_element(weights.begin(), weights.end());
    for (double& weight : weights) weight = weight < largest ? std::exp(weight - largest) : 1;
    return weights;
  }

  // Equal shares where the rows of all clusters are equal, so that none is sparse.
  template <class T>
  void share_out(const MatrixView<const T>& rows, std::uint64_t missing,
                 std::vector<RecipeGroup>& groups) const {
    std::vector<Sparsity> sparsities;
    sparsities.reserve(groups.size());
    for (const RecipeGroup& group : groups) sparsities.push_back(sparsity(rows, group.bases));
    std::vector<double> weights = weights_of(sparsities);
    double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    if (!(sum > 0)) {
      weights.assign(groups.size(), 1);
      sum = static_cast<double>(groups.size());
    }
    for (std::size_t g = 0; g < groups.size(); ++g) {
      groups[g].rows =
          static_cast<std::uint64_t>(std::ceil(static_cast<double>(missing) * (weights[g] / sum)));
    }
  }
};

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_KMEANS_SMOTE_H_
