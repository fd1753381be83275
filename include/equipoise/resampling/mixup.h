// Mixup, Remix and Balanced-MixUp: rows between two rows, with labels between theirs.
#ifndef EQUIPOISE_RESAMPLING_MIXUP_H_
#define EQUIPOISE_RESAMPLING_MIXUP_H_

#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/sampling/stream.h"
#include "equipoise/view.h"

namespace equipoise::resampling {

/// A row between two others with a label between theirs. The row is that of `recipe`; of its label
/// the base's class has label_weight, and the neighbour's class the rest.
struct MixedRecipe {
  Recipe recipe{};
  double label_weight = 1;

  friend constexpr bool operator==(const MixedRecipe&, const MixedRecipe&) = default;
};

/// What a label policy is asked: the weight of the base's row in the mixed row, and the rows of the
/// two classes.
struct MixedPair {
  double weight;
  double base_rows;
  double neighbour_rows;
};

/// A label policy: the weight of the base's class in the label. Where it has `require(where)`, that
/// is called first; a `fingerprint()` becomes part of the stream's.
template <class P>
concept MixedLabelPolicy = requires(const P& policy, const MixedPair& pair) {
  { policy(pair) } -> std::convertible_to<double>;
};

/// Labels mixed as the rows are: Mixup of Zhang et al. 2018 (arXiv:1710.09412).
struct ProportionalLabels {
  double operator()(const MixedPair& pair) const { return pair.weight; }
  friend bool operator==(const ProportionalLabels&, const ProportionalLabels&) = default;
};

/// Remix of Chou et al. 2020 (arXiv:2007.03943): of two classes whose rows are in a proportion of
/// kappa or more, the smaller has the label alone as long as the larger has less than tau of the
/// row.
struct RemixLabels {
  double kappa = 3;  ///< >= 1
  double tau = 0.5;  ///< in [0, 1]

  double operator()(const MixedPair& pair) const {
    if (pair.base_rows >= kappa * pair.neighbour_rows && pair.weight < tau) return 0;
    if (pair.neighbour_rows >= kappa * pair.base_rows && 1 - pair.weight < tau) return 1;
    return pair.weight;
  }
  void require(std::string_view where) const {
    detail::require_finite(where, "kappa", kappa);
    if (kappa < 1) detail::reject(where, "kappa", kappa, "at least 1");
    detail::require_between(where, "tau", tau, 0, 1);
  }
  std::uint64_t fingerprint() const {
    return detail::Fingerprint()
        .add(std::bit_cast<std::uint64_t>(kappa))
        .add(std::bit_cast<std::uint64_t>(tau))
        .value();
  }
  friend bool operator==(const RemixLabels&, const RemixLabels&) = default;
};

/// The two parameters of a Beta distribution, each in [1e-6, 4].
struct BetaParameters {
  double a = 1;
  double b = 1;

  friend bool operator==(const BetaParameters&, const BetaParameters&) = default;
};

}  // namespace equipoise::resampling

namespace equipoise::detail {

// A draw from Beta(a, b) at a position, as a multiple of 2^-24: Joehnk 1964, in logarithms, for
// U^(1 / a) may be less than any double. Rounded so coarsely that the last digit of a platform's
// logarithms makes a difference once in some hundred million draws.
inline double beta_draw(const CounterRandom& random, std::uint64_t t,
                        const resampling::BetaParameters& beta) {
  const auto log_of = [](std::uint64_t bits) {
    return std::log((static_cast<double>(bits >> 11) + 1) * 0x1.0p-53);
  };
  for (std::uint32_t attempt = 0;; ++attempt) {
    const auto [first, second] = random.block(t, Purpose::kMixedWeight, attempt);
    const double x = log_of(first) / beta.a;
    const double y = log_of(second) / beta.b;
    if (std::exp(x) + std::exp(y) > 1) continue;
    return std::nearbyint(0x1.0p24 / (1 + std::exp(y - x))) * 0x1.0p-24;
  }
}

}  // namespace equipoise::detail

namespace equipoise::resampling {

/// A sampling::DrawStream of mixed recipes: at position t a row that the one stream draws there and
/// one that the other does, with a weight from Beta(a, b) for the first.
///
/// - Mixup: two streams of one mix and other seeds, Beta(alpha, alpha), alpha from 0.1 to 1.
/// - Remix: the same with RemixLabels.
/// - Balanced-MixUp of Galdran et al. 2021 (arXiv:2109.09850): the first stream with the mix of the
///   data, the second with a uniform one, Beta(1, alpha). The paper's Beta(alpha, 1) is that of the
///   weight of the balanced rows, here the second's; alpha is 0.1 to 0.3 there.
///
/// A pure function of (seed, t), so it shards and resumes as its two streams do; an epoch is that
/// of the first. O(1) and two draws a position, at worst 70 tries in the mean, for Beta(4, 4).
template <sampling::IndexStream First, sampling::IndexStream Second,
          MixedLabelPolicy Labels = ProportionalLabels>
class MixupStream {
 public:
  /// Rows of the streams have `labels`, which are counted and kept, 4 bytes a row.
  /// @throws std::invalid_argument for a label that is no class, for parameters out of range, and
  /// where both streams have one seed: streams of other mixes too then draw many rows alike.
  template <LabelRange R>
  EQUIPOISE_HOST_INLINE MixupStream(First first, Second second, const R& labels,
                                    std::size_t classes, const BetaParameters& beta,
                                    std::uint64_t seed, Labels policy = {})
      : first_(std::move(first)),
        second_(std::move(second)),
        random_{seed},
        beta_(beta),
        policy_(std::move(policy)),
        counts_(count_labels(labels, classes)) {
    for (const auto& label : as_span(labels)) of_row_.push_back(static_cast<std::uint32_t>(label));
    detail::require_between(kWhere, "beta.a", beta.a, 1e-6, 4);
    detail::require_between(kWhere, "beta.b", beta.b, 1e-6, 4);
    if constexpr (requires { policy_.require(kWhere); }) policy_.require(kWhere);
    if (first_.seed() == second_.seed()) {
      detail::reject(kWhere, "second.seed()", second_.seed(),
                     "another than the first stream's, or both draw many rows alike");
    }
  }

  /// The recipe at position t.
  /// @throws std::invalid_argument where a stream draws a row without a label.
  MixedRecipe operator[](std::uint64_t t) const {
    const std::size_t base = checked("first", t, first_[t]);
    const std::size_t neighbour = checked("second", t, second_[t]);
    const double weight = detail::beta_draw(random_, t, beta_);
    const MixedPair pair{weight, counts_[of_row_[base]], counts_[of_row_[neighbour]]};
    return {{base, neighbour, 1 - weight}, policy_(pair)};
  }

  /// out[i] = (*this)[t + i * stride] for all i.
  void fill(std::uint64_t t, std::span<MixedRecipe> out, std::uint64_t stride = 1) const {
    for (std::size_t i = 0; i < out.size(); ++i, t += stride) out[i] = (*this)[t];
  }

  /// The seed of the weights; the streams have their own.
  std::uint64_t seed() const { return random_.seed; }
  /// Pairs in an epoch: as many as the first stream has rows in one.
  std::uint64_t epoch_size() const { return first_.epoch_size(); }
  /// A digest of both streams, their seeds, the labels and the parameters, not of those of the
  /// label policy. As costly as those of the streams, and O(N).
  std::uint64_t fingerprint() const {
    detail::Fingerprint digest;
    digest.add(first_.fingerprint()).add(second_.fingerprint());
    digest.add(first_.seed()).add(second_.seed());
    digest.add(std::bit_cast<std::uint64_t>(beta_.a)).add(std::bit_cast<std::uint64_t>(beta_.b));
    if constexpr (requires { policy_.fingerprint(); }) digest.add(policy_.fingerprint());
    return digest.add_all(of_row_).value();
  }

 private:
  static constexpr std::string_view kWhere = "MixupStream";

  std::size_t checked(std::string_view stream, std::uint64_t t, std::size_t row) const {
    if (row < of_row_.size()) return row;
    detail::reject_element(kWhere, stream, static_cast<std::size_t>(t), row,
                           "a row below labels.size() = " + detail::to_text(of_row_.size()));
  }

  First first_;
  Second second_;
  CounterRandom random_;
  BetaParameters beta_;
  Labels policy_;
  ClassCounts counts_;
  std::vector<std::uint32_t> of_row_{};
};

/// The recipes of rows, for synthesize().
inline std::vector<Recipe> recipes_of(std::span<const MixedRecipe> mixed) {
  std::vector<Recipe> recipes;
  recipes.reserve(mixed.size());
  for (const MixedRecipe& each : mixed) recipes.push_back(each.recipe);
  return recipes;
}

/// Writes the labels of mixed recipes as probabilities, which softmax losses take as targets:
/// out(i, c) is the weight of class c in label i. `out` is mixed.size() x C, C being the number of
/// classes. O(n C).
/// @throws std::invalid_argument where `out` has another number of rows, and for rows without a
/// label and labels that are no class.
template <LabelRange R, FloatElement T>
void mixed_targets(std::span<const MixedRecipe> mixed, const R& labels, const MatrixView<T>& out) {
  constexpr std::string_view kWhere = "mixed_targets";
  const auto values = as_span(labels);
  detail::require_count(kWhere, "out.rows", out.rows, mixed.size(), "recipes");
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    for (const std::size_t row : {mixed[i].recipe.base, mixed[i].recipe.neighbour}) {
      if (row >= values.size()) {
        detail::reject_element(kWhere, "mixed", i, row,
                               "a row below labels.size() = " + detail::to_text(values.size()));
      }
      if (!detail::is_class(values[row], out.cols)) {
        detail::reject_element(kWhere, "labels", row, values[row],
                               "a class in [0, " + detail::to_text(out.cols) + ")");
      }
    }
  }
  for (std::size_t i = 0; i < mixed.size(); ++i) {
    for (std::size_t c = 0; c < out.cols; ++c) out(i, c) = 0;
    const auto weight = static_cast<T>(mixed[i].label_weight);
    out(i, static_cast<std::size_t>(values[mixed[i].recipe.base])) += weight;
    out(i, static_cast<std::size_t>(values[mixed[i].recipe.neighbour])) += 1 - weight;
  }
}

}  // namespace equipoise::resampling

#endif  // EQUIPOISE_RESAMPLING_MIXUP_H_
