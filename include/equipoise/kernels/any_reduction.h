// A reduction behind pointers to functions.
#ifndef EQUIPOISE_KERNELS_ANY_REDUCTION_H_
#define EQUIPOISE_KERNELS_ANY_REDUCTION_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "equipoise/detail/check.h"
#include "equipoise/detail/fits.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/loss/arguments.h"
#include "equipoise/reduction/reduction.h"

namespace equipoise::kernels {

// Refuses coefficients of another number of buckets, and what is no number in T, that of the
// logits: it would turn every gradient into NaN, or into nothing.
template <class T>
void require_coefficients(std::string_view where, std::span<const double> coefficients,
                          std::size_t buckets) {
  detail::require_size(where, "coefficients", coefficients.size(), buckets,
                       "buckets of the reduction");
  for (std::size_t k = 0; k < coefficients.size(); ++k) {
    if (detail::is_finite(coefficients[k]) && detail::fits<T>(coefficients[k])) continue;
    detail::reject_element(where, "coefficients", k, coefficients[k], detail::range_of_type<T>());
  }
}

// What every row adds to the denominator of the only bucket, where that is known of the reduction.
enum class RowMass { kUnknown, kOne, kWeight, kPositive };

template <class R>
constexpr RowMass mass_of() {
  if (std::same_as<R, MeanByCount> || std::same_as<R, SumOverRows>) return RowMass::kOne;
  if (std::same_as<R, MeanByWeight>) return RowMass::kWeight;
  return std::same_as<R, MeanByPositives> ? RowMass::kPositive : RowMass::kUnknown;
}

// The value of a whole batch, or what stands for it where nothing was averaged.
inline double value_of_whole(EmptyBatch empty, const LossPartial& partial,
                             std::span<const double> coefficients) {
  const bool nothing = std::all_of(coefficients.begin(), coefficients.end(),
                                   [](double coefficient) { return coefficient == 0; });
  if (nothing && empty == EmptyBatch::kNaN) return detail::quiet_nan();
  return value(partial, coefficients);
}

inline namespace EQUIPOISE_ISA_NAMESPACE {

// A reduction of any type, which takes some rows at a time, so that what uses it is compiled once.
// It refers to the reduction that it is made of.
class AnyReduction {
 public:
  template <LossReduction R>
  static AnyReduction of(const R& reduction) {
    AnyReduction result;
    result.self_ = &reduction;
    result.buckets_ = &buckets_of<R>;
    result.groups_ = &groups_of<R>;
    result.needs_groups_ = detail::kNeedsGroups<R>;
    result.mass_ = mass_of<R>();
    result.place_ = &place_rows<R>;
    result.coefficients_ = &coefficients_of<R>;
    return result;
  }

  // These two ask the reduction: after its require().
  std::size_t buckets() const { return buckets_(self_); }
  RowMass mass() const { return mass_; }
  bool needs_groups() const { return needs_groups_; }
  std::size_t groups() const { return groups_(self_); }

  // The bucket of each row, and what it adds to the denominator if there is such a bucket.
  void place(std::span<const ReductionRow<>> rows, std::size_t* buckets, double* masses) const {
    place_(self_, rows, buckets, masses);
  }
  std::vector<double> coefficients(const LossPartial& denominators) const {
    return coefficients_(self_, denominators);
  }

 private:
  template <class R>
  static std::size_t buckets_of(const void* self) {
    return static_cast<std::size_t>(static_cast<const R*>(self)->buckets());
  }
  template <class R>
  static std::size_t groups_of(const void* self) {
    if constexpr (detail::kNeedsGroups<R>) {
      return static_cast<std::size_t>(static_cast<const R*>(self)->group_count());
    } else {
      return 0;
    }
  }
  template <class R>
  static void place_rows(const void* self, std::span<const ReductionRow<>> rows,
                         std::size_t* buckets, double* masses) {
    const R& reduction = *static_cast<const R*>(self);
    const std::size_t count = buckets_of<R>(self);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = detail::row_for<R>(rows[i]);
      buckets[i] = static_cast<std::size_t>(reduction.bucket(row));
      masses[i] = buckets[i] < count ? static_cast<double>(reduction.mass(row)) : 0.0;
    }
  }
  template <class R>
  static std::vector<double> coefficients_of(const void* self, const LossPartial& denominators) {
    return equipoise::coefficients(*static_cast<const R*>(self), denominators);
  }

  AnyReduction() = default;

  const void* self_ = nullptr;
  std::size_t (*buckets_)(const void*) = nullptr;
  std::size_t (*groups_)(const void*) = nullptr;
  bool needs_groups_ = false;
  RowMass mass_ = RowMass::kUnknown;
  void (*place_)(const void*, std::span<const ReductionRow<>>, std::size_t*, double*) = nullptr;
  std::vector<double> (*coefficients_)(const void*, const LossPartial&) = nullptr;
};

inline std::vector<double> coefficients(const AnyReduction& reduction,
                                        const LossPartial& denominators) {
  return reduction.coefficients(denominators);
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_ANY_REDUCTION_H_
