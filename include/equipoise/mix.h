// From counts to mixes: the proportions in which classes or groups are to be drawn.
#ifndef EQUIPOISE_MIX_H_
#define EQUIPOISE_MIX_H_

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"

namespace equipoise {

/// A mix policy turns the masses n_c of classes (or groups: languages, domains) into the masses
/// with which to draw them, which need not sum to one. A class without mass must get none. A member
/// `require(where, size)`, if there is one, is called first to check the parameters.
template <class P>
concept MixPolicy = requires(const P& policy, std::span<const double> counts) {
  { policy(counts) } -> std::convertible_to<std::vector<double>>;
};

/// q_c = n_c / N: the proportions of the data.
struct ProportionalMix {
  std::vector<double> operator()(std::span<const double> counts) const {
    return {counts.begin(), counts.end()};
  }
  friend bool operator==(const ProportionalMix&, const ProportionalMix&) = default;
};

/// The same proportion for every class with rows.
struct UniformMix {
  std::vector<double> operator()(std::span<const double> counts) const {
    std::vector<double> result;
    for (const double n : counts) result.push_back(n > 0 ? 1 : 0);
    return result;
  }
  friend bool operator==(const UniformMix&, const UniformMix&) = default;
};

/// q_c proportional to n_c^exponent: 1 is proportional, 0 uniform. Temperature T is 1 / exponent.
/// XLM-R (Conneau et al. 2020, arXiv:1911.02116) and mT5 (Xue et al. 2021, arXiv:2010.11934) draw
/// languages with 0.3; Kang et al. 2020 (arXiv:1910.09217) classes with 0.5.
struct TemperatureMix {
  double exponent = 0.3;  ///< in [0, 1]

  std::vector<double> operator()(std::span<const double> counts) const {
    std::vector<double> result;
    for (const double n : counts) result.push_back(n > 0 ? std::pow(n, exponent) : 0);
    return result;
  }
  void require(std::string_view where, std::size_t) const {
    detail::require_between(where, "exponent", exponent, 0, 1);
  }
  friend bool operator==(const TemperatureMix&, const TemperatureMix&) = default;
};

/// How UniMax divides the budget among the classes, in the units of the counts.
struct UniMaxAllocation {
  std::vector<double> amounts;
  double unspent = 0;  ///< rest of the budget, if all classes together have too little
};

/// UniMax of Chung et al. 2023 (arXiv:2304.09151): the budget is divided equally, but no class is
/// repeated more than max_epochs times; what small classes cannot use goes to the others. Counts
/// are sizes in the unit of the budget: characters or tokens in the paper. O(C log C).
struct UniMaxMix {
  double budget = 0;      ///< > 0
  double max_epochs = 4;  ///< > 0

  /// The part of the budget that each class gets. O(C log C).
  UniMaxAllocation allocation(std::span<const double> counts) const {
    std::vector<std::size_t> order(counts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return counts[a] < counts[b]; });
    UniMaxAllocation result{std::vector<double>(counts.size()), budget};
    for (std::size_t i = 0; i < order.size(); ++i) {
      const double share = result.unspent / static_cast<double>(order.size() - i);
      const double amount = std::min(share, max_epochs * counts[order[i]]);
      result.amounts[order[i]] = amount;
      result.unspent -= amount;
    }
    result.unspent = std::max(result.unspent, 0.0);
    return result;
  }
  std::vector<double> operator()(std::span<const double> counts) const {
    return allocation(counts).amounts;
  }
  void require(std::string_view where, std::size_t) const {
    detail::require_positive(where, "budget", budget);
    detail::require_positive(where, "max_epochs", max_epochs);
  }
  friend bool operator==(const UniMaxMix&, const UniMaxMix&) = default;
};

/// q_c proportional to n_c max(1, sqrt(threshold / f_c)) with f_c = n_c / N: the repeat factors of
/// Gupta et al. 2019 (LVIS, arXiv:1908.03195) on classes; classes rarer than the threshold are
/// repeated.
struct RepeatFactorMix {
  double threshold = 0.001;  ///< in (0, 1]

  std::vector<double> operator()(std::span<const double> counts) const {
    const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
    std::vector<double> result;
    for (const double n : counts) {
      result.push_back(n > 0 ? n * std::max(1.0, std::sqrt(threshold * (total / n))) : 0);
    }
    return result;
  }
  void require(std::string_view where, std::size_t) const {
    detail::require_between(where, "threshold", threshold, 0, 1, detail::Ends::kMost);
  }
  friend bool operator==(const RepeatFactorMix&, const RepeatFactorMix&) = default;
};

/// q = (1 - progress) natural + progress uniform (Kang et al. 2020, arXiv:1910.09217): from the
/// data's own mix at 0 to a balanced one at 1, with progress = epoch / epochs or the like.
struct ProgressiveMix {
  double progress = 0;  ///< in [0, 1]

  std::vector<double> operator()(std::span<const double> counts) const {
    const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
    const auto present = static_cast<double>(
        std::count_if(counts.begin(), counts.end(), [](double n) { return n > 0; }));
    std::vector<double> result;
    for (const double n : counts) {
      result.push_back(n > 0 ? (1 - progress) * (n / total) + progress / present : 0);
    }
    return result;
  }
  void require(std::string_view where, std::size_t) const {
    detail::require_between(where, "progress", progress, 0, 1);
  }
  friend bool operator==(const ProgressiveMix&, const ProgressiveMix&) = default;
};

/// Given masses, one per class.
struct ExplicitMix {
  std::vector<double> masses{};

  std::vector<double> operator()(std::span<const double>) const { return masses; }
  void require(std::string_view where, std::size_t size) const {
    detail::require_size(where, "masses", masses.size(), size, "classes");
    detail::require_masses(where, "masses", masses);
  }
  friend bool operator==(const ExplicitMix&, const ExplicitMix&) = default;
};

namespace detail {

// Scales masses to sum to one; returns false if they cannot be. Divides by the largest first, since
// the sum of finite masses may be infinite.
inline bool normalize(std::span<double> masses) {
  double most = 0;
  for (const double mass : masses) most = std::max(most, mass);
  if (!(most > 0)) return false;
  double sum = 0;
  for (double& mass : masses) sum += mass /= most;
  for (double& mass : masses) mass /= sum;
  return true;
}

inline void require_some_mass(std::string_view where, std::string_view argument,
                              std::span<const double> masses) {
  require_masses(where, argument, masses);
  if (std::any_of(masses.begin(), masses.end(), [](double mass) { return mass > 0; })) return;
  reject(where, "sum of " + std::string(argument), 0, "a positive one");
}

template <MixPolicy P>
std::vector<double> mix_of(std::string_view where, std::string_view argument,
                           std::span<const double> counts, const P& policy) {
  require_some_mass(where, argument, counts);
  if constexpr (requires { policy.require(where, counts.size()); }) {
    policy.require(where, counts.size());
  }
  std::vector<double> result = policy(counts);
  require_size(where, "policy(counts)", result.size(), counts.size(), "classes");
  for (std::size_t c = 0; c < result.size(); ++c) {
    if (!is_finite(result[c]) || result[c] < 0 || (counts[c] == 0 && result[c] > 0)) {
      reject_element(where, "policy(counts)", c, result[c],
                     counts[c] == 0 ? "0, since there is nothing to draw" : "a finite number >= 0");
    }
  }
  if (!normalize(result)) reject(where, "sum of policy(counts)", 0, "a positive one");
  return result;
}

}  // namespace detail

/// The proportions q_c, which sum to one, that a policy computes from the masses of classes or
/// groups: the input of ClassSampler. A class without rows gets 0. O(C), UniMax O(C log C).
/// @throws std::invalid_argument for counts that are negative, not finite or all zero, for a
/// policy's number out of range, and for a policy that draws from a class without rows.
template <MixPolicy P>
std::vector<double> mix(std::span<const double> counts, const P& policy) {
  return detail::mix_of("mix", "counts", counts, policy);
}
template <MixPolicy P>
std::vector<double> mix(const ClassCounts& counts, const P& policy) {
  return mix(counts.values(), policy);
}

/// Proportions of the cells of a table, q_{g,c} = q_g q_{c|g}, as G x C numbers, group by group:
/// one policy divides among groups by their totals, another among the classes within each group. A
/// group without rows gets 0. For a sampler of cells see cell_labels(). O(G C).
/// @throws std::invalid_argument as mix().
template <MixPolicy P, MixPolicy Q>
std::vector<double> mix_table(const GroupedCounts& counts, const P& group_policy,
                              const Q& class_policy) {
  constexpr std::string_view kWhere = "mix_table";
  std::vector<double> totals;
  for (std::size_t g = 0; g < counts.groups(); ++g) totals.push_back(counts.group(g).total());
  const std::vector<double> groups =
      detail::mix_of(kWhere, "totals of groups", totals, group_policy);
  std::vector<double> result;
  for (std::size_t g = 0; g < counts.groups(); ++g) {
    std::vector<double> own(counts.classes(), 0.0);
    if (totals[g] > 0) {
      own = detail::mix_of(kWhere, "counts of group " + detail::to_text(g),
                           counts.group(g).values(), class_policy);
    }
    for (const double share : own) result.push_back(groups[g] * share);
  }
  return result;
}

/// Options of rake().
struct RakeOptions {
  /// How far a marginal of the result may be from its target, both normalised to sum to one.
  double tolerance = 1e-12;
  std::size_t max_iterations = 10000;
};

/// Raking (iterative proportional fitting, Deming & Stephan 1940): the table q_{g,c} = r_g n_{g,c}
/// s_c whose marginals over classes and over groups are the targets at once, as G x C numbers that
/// sum to one. Among all tables with these marginals it is the nearest to the counts in
/// Kullback-Leibler divergence (Csiszar 1975); odds ratios stay those of the counts, and cells
/// without rows stay empty.
///
/// Targets are masses, each normalised to one. O(G C) per iteration; it takes more iterations the
/// less room the empty cells leave.
/// @throws std::invalid_argument for sizes that differ, for masses that are negative, not finite or
/// all zero, and if no table with these empty cells has these marginals; the error names the
/// marginal furthest from its target.
inline std::vector<double> rake(const GroupedCounts& counts, std::span<const double> group_targets,
                                std::span<const double> class_targets,
                                const RakeOptions& options = {}) {
  constexpr std::string_view kWhere = "rake";
  const std::size_t groups = counts.groups();
  const std::size_t classes = counts.classes();
  detail::require_size(kWhere, "group_targets", group_targets.size(), groups, "groups");
  detail::require_size(kWhere, "class_targets", class_targets.size(), classes, "classes");
  detail::require_some_mass(kWhere, "group_targets", group_targets);
  detail::require_some_mass(kWhere, "class_targets", class_targets);
  detail::require_positive(kWhere, "options.tolerance", options.tolerance);
  std::vector<double> of_group(group_targets.begin(), group_targets.end());
  std::vector<double> of_class(class_targets.begin(), class_targets.end());
  detail::normalize(of_group);
  detail::normalize(of_class);
  std::vector<double> table;
  for (std::size_t g = 0; g < groups; ++g) {
    for (const double n : counts.group(g).values()) table.push_back(n);
  }
  if (!detail::normalize(table)) detail::reject(kWhere, "sum of counts", 0, "a positive one");

  // Scales each row or column of the table to its target; returns the one that was furthest from
  // it.
  struct Worst {
    std::size_t line = 0;
    double sum = 0;
    double error = 0;
  };
  const auto fit = [&](std::span<const double> targets, std::size_t step, std::size_t length,
                       std::size_t stride) {
    Worst worst;
    for (std::size_t i = 0; i < targets.size(); ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < length; ++j) sum += table[i * step + j * stride];
      if (const double error = std::fabs(sum - targets[i]); error > worst.error) {
        worst = {i, sum, error};
      }
      const double factor = sum > 0 ? targets[i] / sum : 0;
      for (std::size_t j = 0; j < length; ++j) table[i * step + j * stride] *= factor;
    }
    return worst;
  };
  Worst by_group;
  Worst by_class;
  for (std::size_t iteration = 0; iteration < options.max_iterations; ++iteration) {
    by_group = fit(of_group, classes, classes, 1);
    by_class = fit(of_class, 1, groups, classes);
    // The classes are exact now; the next iteration shows how far that has moved the groups.
    if (iteration > 0 && std::max(by_group.error, by_class.error) <= options.tolerance) {
      return table;
    }
  }
  const bool is_group = by_group.error > by_class.error;
  const Worst& worst = is_group ? by_group : by_class;
  detail::reject_element(kWhere, is_group ? "marginal of group" : "marginal of class", worst.line,
                         worst.sum,
                         detail::to_text((is_group ? of_group : of_class)[worst.line]) +
                             ", which the cells without rows do not allow");
}

/// The proportions nearest to the given ones with which `draws` draws repeat no class more than
/// max_epochs times. Where q_c draws > max_epochs n_c, class c gets the proportion max_epochs n_c /
/// draws, and the excess goes to the other classes in proportion. O(C^2) at worst.
/// @throws std::invalid_argument for sizes that differ, masses that are negative, not finite or all
/// zero, draws or max_epochs that are not positive, and if all classes together have too few rows.
inline std::vector<double> capped_mix(std::span<const double> counts,
                                      std::span<const double> proportions, double draws,
                                      double max_epochs) {
  constexpr std::string_view kWhere = "capped_mix";
  detail::require_size(kWhere, "proportions", proportions.size(), counts.size(), "classes");
  detail::require_masses(kWhere, "counts", counts);
  detail::require_some_mass(kWhere, "proportions", proportions);
  detail::require_positive(kWhere, "draws", draws);
  detail::require_positive(kWhere, "max_epochs", max_epochs);
  std::vector<double> q(proportions.begin(), proportions.end());
  detail::normalize(q);
  const std::vector<double> wanted = q;
  std::vector<bool> is_capped(q.size());
  for (bool changed = true; changed;) {
    changed = false;
    double left = 1;
    double free = 0;
    for (std::size_t c = 0; c < q.size(); ++c) {
      if (is_capped[c]) {
        left -= q[c];
      } else {
        free += wanted[c];
      }
    }
    if (free == 0 && left > 1e-12) {
      detail::reject(kWhere, "draws", draws,
                     "at most max_epochs times the rows of the classes drawn");
    }
    for (std::size_t c = 0; c < q.size(); ++c) {
      if (is_capped[c] || wanted[c] == 0) continue;
      q[c] = wanted[c] / free * left;
      const double cap = max_epochs * counts[c] / draws;
      if (q[c] <= cap) continue;
      q[c] = cap;
      is_capped[c] = changed = true;
    }
  }
  return q;
}

}  // namespace equipoise

#endif  // EQUIPOISE_MIX_H_
