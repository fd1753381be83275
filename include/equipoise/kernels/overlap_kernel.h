// The two passes of an overlap loss over a block of rows, in packs of whatever the processor has.
#ifndef EQUIPOISE_KERNELS_OVERLAP_KERNEL_H_
#define EQUIPOISE_KERNELS_OVERLAP_KERNEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/pack.h"
#include "equipoise/kernels/softmax_kernel.h"
#include "equipoise/loss/overlap_policies.h"
#include "equipoise/loss/overlap_terms.h"
#include "equipoise/view.h"

namespace equipoise::kernels {

template <class P, class T>
EQUIPOISE_HOST_INLINE ElementTerms<T> element_terms(const P& policy,
                                                    const OverlapElement<T>& element) {
  if constexpr (requires { policy.element(element); }) {
    return policy.element(element);
  } else {
    return detail::plain_terms(element);
  }
}

// What the kernels need of a policy: nothing where its rows add the plain terms, so that all such
// policies share one kernel.
struct PlainElements {};
inline constexpr PlainElements kPlainElements;
template <class P>
const auto& elements_of(const P& policy) {
  if constexpr (requires(const OverlapElement<double>& element) { policy.element(element); }) {
    return policy;
  } else {
    return kPlainElements;
  }
}

// A block of rows.
template <class T>
struct OverlapRows {
  MatrixView<const T> logits;
  const std::int64_t* targets;        // the class, or any number where there are probabilities
  MatrixView<const T> probabilities;  // targets that are distributions, or without data
  const T* weights;                   // [rows]; 0 where ignored
  bool sigmoid;
};

// Sums or slopes of the classes: TP, FP and FN each in an array of its own, with room for
// kMostLanes more.
template <class T>
struct OverlapArrays {
  std::size_t stride;
  std::vector<T> values;

  explicit OverlapArrays(std::size_t classes)
      : stride(classes + kMostLanes), values(3 * stride, T(0)) {}
  T* tp() { return values.data(); }
  T* fp() { return values.data() + stride; }
  T* fn() { return values.data() + 2 * stride; }
  const T* tp() const { return values.data(); }
  const T* fp() const { return values.data() + stride; }
  const T* fn() const { return values.data() + 2 * stride; }
};

template <class T>
inline constexpr T kLaneNumbers[kMostLanes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                               8, 9, 10, 11, 12, 13, 14, 15};

// Up to this many classes tiles have one row a lane.
inline constexpr std::size_t kNarrowClasses = 16;
static_assert(kNarrowClasses <= kMostLanes);

// Of the two work spaces of a kernel, each: a tile of either kind.
constexpr std::size_t overlap_space(std::size_t classes) {
  return classes + kMostLanes * kMostLanes;
}

inline namespace EQUIPOISE_ISA_NAMESPACE {

// A few rows in packs. Of few classes, kLanes rows, one a lane, and a pack for each class; of many
// classes (kWide), one row, and its classes side by side, padded to whole packs. What holds for a
// row is in one lane of a pack, or in all.
template <class P, class T>
struct OverlapTile {
  static constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  T* values;         // exponentials relative to the row's maximum; or, for the sigmoid, logits
  P inverse_sum;     // of the exponentials
  P tied;            // how many classes are the most probable one
  P top_complement;  // 1 - p of it, without cancellation
  P targets;         // classes; in float exact up to 2^24
  P weights;
};

template <class P, bool kWide, class T>
EQUIPOISE_HOST_INLINE std::size_t tile_packs(std::size_t classes) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  return kWide ? (classes + kLanes - 1) / kLanes : classes;
}

// Over all classes of a row, from what was added up, or compared, pack by pack.
template <bool kWide, class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> over_classes(const Pack<T, kLanes>& sums) {
  if constexpr (kWide) {
    return Pack<T, kLanes>(sum(sums));
  } else {
    return sums;
  }
}
template <bool kWide, class T, std::size_t kLanes>
EQUIPOISE_HOST_INLINE Pack<T, kLanes> largest_of_classes(const Pack<T, kLanes>& maxima) {
  if constexpr (kWide) {
    return Pack<T, kLanes>(largest(maxima));
  } else {
    return maxima;
  }
}

// The logits of the row `begin`, padded by what no class comes near.
template <class P, class T>
EQUIPOISE_HOST_INLINE void load_row(const OverlapRows<T>& in, std::size_t begin,
                                    OverlapTile<P, T>& tile) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const std::size_t classes = in.logits.cols;
  const T* const row = in.logits.data + static_cast<std::ptrdiff_t>(begin) * in.logits.row_stride;
  std::size_t c = 0;
  if (in.logits.col_stride == 1) {
    // In packs, as it is read: narrower stores would have to reach the cache first.
    for (; c + kLanes <= classes; c += kLanes) P::load(row + c).store(tile.values + c);
  }
  for (; c < classes; ++c) {
    tile.values[c] = row[static_cast<std::ptrdiff_t>(c) * in.logits.col_stride];
  }
  for (std::size_t i = 0; i < kLanes; ++i) {
    tile.values[classes + i] = std::numeric_limits<T>::lowest();
  }
  tile.targets = P(static_cast<T>(in.targets[begin]));
  tile.weights = P(in.weights[begin]);
}

// The logits of `lanes` rows from `begin` on; rows that do not count are zero.
template <class P, class T>
EQUIPOISE_HOST_INLINE void load_rows(const OverlapRows<T>& in, std::size_t begin, std::size_t lanes,
                                     OverlapTile<P, T>& tile) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const std::size_t classes = in.logits.cols;
  alignas(64) T targets[kLanes];
  alignas(64) T weights[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    weights[i] = i < lanes ? in.weights[begin + i] : T(0);
    targets[i] = i < lanes ? static_cast<T>(in.targets[begin + i]) : T(-1);
    T* const out = tile.values + i;
    if (weights[i] == 0) {
      for (std::size_t c = 0; c < classes; ++c) out[c * kLanes] = 0;
      continue;
    }
    const T* const row =
        in.logits.data + static_cast<std::ptrdiff_t>(begin + i) * in.logits.row_stride;
    for (std::size_t c = 0; c < classes; ++c) {
      out[c * kLanes] = row[static_cast<std::ptrdiff_t>(c) * in.logits.col_stride];
    }
  }
  tile.targets = P::load(targets);
  tile.weights = P::load(weights);
}

// Exponentials and their sums. Those of the most probable classes are exactly 1; summing the others
// apart keeps the bits of a small complement.
template <class P, bool kWide, class T>
EQUIPOISE_HOST_INLINE void exponentiate_tile(std::size_t packs, OverlapTile<P, T>& tile) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const P zero{T(0)};
  const P one{T(1)};
  P top = P::load(tile.values);
  for (std::size_t k = 1; k < packs; ++k) top = larger(top, P::load(tile.values + k * kLanes));
  top = largest_of_classes<kWide>(top);
  P rest = zero;
  P tied = zero;
  for (std::size_t k = 0; k < packs; ++k) {
    const P e = exp_nonpositive(P::load(tile.values + k * kLanes) - top);
    e.store(tile.values + k * kLanes);
    rest += where_equal(e, one, zero, e);
    tied += where_equal(e, one, one, zero);
  }
  rest = over_classes<kWide>(rest);
  tile.tied = over_classes<kWide>(tied);
  tile.inverse_sum = one / (rest + tile.tied);
  tile.top_complement = (rest + (tile.tied - one)) * tile.inverse_sum;
}

// p and 1 - p of pack k.
template <class P, bool kSigmoid, class T>
EQUIPOISE_HOST_INLINE void tile_probability(const OverlapTile<P, T>& tile, std::size_t k, P& p,
                                            P& q) {
  const P x = P::load(tile.values + k * OverlapTile<P, T>::kLanes);
  const P one{T(1)};
  if constexpr (kSigmoid) {
    const P e = exp_nonpositive(-larger(x, -x));
    const P large = one / (one + e);
    const P small = e * large;
    p = P(x.v > typename P::Lanes{} ? large.v : small.v);
    q = P(x.v > typename P::Lanes{} ? small.v : large.v);
  } else {
    p = x * tile.inverse_sum;
    q = where_equal(x, one, tile.top_complement, one - p);
  }
}

// The targets of pack k.
template <class P, bool kWide, class T>
EQUIPOISE_HOST_INLINE P tile_target(const OverlapRows<T>& in, const OverlapTile<P, T>& tile,
                                    std::size_t begin, std::size_t lanes, std::size_t k) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  const std::size_t first = kWide ? k * kLanes : k;
  if (in.probabilities.data == nullptr) {
    P index{T(first)};
    if constexpr (kWide) index += P::load(kLaneNumbers<T>);
    return where_equal(tile.targets, index, P(T(1)), P(T(0)));
  }
  const T* const from = in.probabilities.data +
                        static_cast<std::ptrdiff_t>(begin) * in.probabilities.row_stride +
                        static_cast<std::ptrdiff_t>(first) * in.probabilities.col_stride;
  alignas(64) T t[kLanes] = {};
  if constexpr (kWide) {
    const std::size_t count = std::min(kLanes, in.logits.cols - first);
    if (count == kLanes && in.probabilities.col_stride == 1) return P::load(from);
    for (std::size_t i = 0; i < count; ++i) {
      t[i] = from[static_cast<std::ptrdiff_t>(i) * in.probabilities.col_stride];
    }
  } else {
    for (std::size_t i = 0; i < lanes; ++i) {
      if (in.weights[begin + i] == 0) continue;  // what is there may be anything
      t[i] = from[static_cast<std::ptrdiff_t>(i) * in.probabilities.row_stride];
    }
  }
  return P::load(t);
}

// Adds pack k to the sums, in double.
template <bool kWide, std::size_t kLanes>
EQUIPOISE_HOST_INLINE void add_in_double(const Pack<double, kLanes>& a, std::size_t k,
                                         double* sums) {
  if constexpr (kWide) {
    (Pack<double, kLanes>::load(sums + k * kLanes) + a).store(sums + k * kLanes);
  } else {
    sums[k] += sum(a);
  }
}
template <bool kWide, std::size_t kLanes>
EQUIPOISE_HOST_INLINE void add_in_double(const Pack<float, kLanes>& a, std::size_t k,
                                         double* sums) {
  using Half = Pack<double, kLanes / 2>;
  constexpr std::make_index_sequence<kLanes / 2> kHalf;
  const Half low(__builtin_convertvector(low_half(a, kHalf).v, typename Half::Lanes));
  const Half high(__builtin_convertvector(high_half(a, kHalf).v, typename Half::Lanes));
  if constexpr (kWide) {
    add_in_double<true>(low, 2 * k, sums);
    add_in_double<true>(high, 2 * k + 1, sums);
  } else {
    add_in_double<false>(low + high, k, sums);
  }
}

template <class P, bool kWide, bool kSigmoid, class T>
EQUIPOISE_HOST_INLINE void prepare_tile(const OverlapRows<T>& in, std::size_t begin,
                                        std::size_t lanes, OverlapTile<P, T>& tile) {
  if constexpr (kWide) {
    load_row(in, begin, tile);
  } else {
    load_rows(in, begin, lanes, tile);
  }
  if constexpr (!kSigmoid) {
    exponentiate_tile<P, kWide>(tile_packs<P, kWide, T>(in.logits.cols), tile);
  }
}

// First pass: adds the block's rows to the sums of the classes.
template <class P, bool kWide, bool kSigmoid, class Policy, class T>
EQUIPOISE_HOST_INLINE void add_overlap(const OverlapRows<T>& in, const Policy& policy, T* space,
                                       OverlapArrays<double>& sums) {
  constexpr std::size_t kPack = OverlapTile<P, T>::kLanes;
  constexpr std::size_t kStep = kWide ? 1 : kPack;
  const std::size_t packs = tile_packs<P, kWide, T>(in.logits.cols);
  const bool by_index = in.probabilities.data == nullptr;
  OverlapTile<P, T> tile;
  tile.values = space;
  for (std::size_t begin = 0; begin < in.logits.rows; begin += kStep) {
    if (kWide && in.weights[begin] == 0) continue;
    const std::size_t lanes = std::min(kStep, in.logits.rows - begin);
    prepare_tile<P, kWide, kSigmoid>(in, begin, lanes, tile);
    for (std::size_t k = 0; k < packs; ++k) {
      OverlapElement<P> element;
      tile_probability<P, kSigmoid>(tile, k, element.p, element.q);
      element.t = tile_target<P, kWide>(in, tile, begin, lanes, k);
      const ElementTerms<P> terms = element_terms(policy, element);
      add_in_double<kWide>(tile.weights * terms.value.fp, k, sums.fp());
      // One pack alone holds the class of the row.
      if (kWide && by_index && k != static_cast<std::size_t>(in.targets[begin]) / kPack) continue;
      add_in_double<kWide>(tile.weights * terms.value.tp, k, sums.tp());
      add_in_double<kWide>(tile.weights * terms.value.fn, k, sums.fn());
    }
  }
}

// Pack k of what each class has.
template <class P, bool kWide, class T>
EQUIPOISE_HOST_INLINE P class_pack(const T* values, std::size_t k) {
  if constexpr (kWide) {
    return P::load(values + k * OverlapTile<P, T>::kLanes);
  } else {
    return P(values[k]);
  }
}

// Writes the tile's rows at `g` to the gradient, zeros where a row does not count.
template <class P, bool kWide, class T>
EQUIPOISE_HOST_INLINE void store_rows(const OverlapRows<T>& in, const T* g, std::size_t begin,
                                      std::size_t lanes, const MatrixView<T>& gradient) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  constexpr std::size_t kFromClass = kWide ? 1 : kLanes;
  for (std::size_t i = 0; i < lanes; ++i) {
    T* const out = gradient.data + static_cast<std::ptrdiff_t>(begin + i) * gradient.row_stride;
    const bool counts = in.weights[begin + i] != 0;
    std::size_t c = 0;
    if (kWide && counts && gradient.col_stride == 1) {
      for (; c + kLanes <= gradient.cols; c += kLanes) P::load(g + c).store(out + c);
    }
    for (; c < gradient.cols; ++c) {
      out[static_cast<std::ptrdiff_t>(c) * gradient.col_stride] =
          counts ? g[c * kFromClass + i] : T(0);
    }
  }
}

// Second pass: the gradient of the block's rows from the slopes of the sums; `space` is that of two
// tiles.
//
// With g_c the derivative with respect to p_c, that with respect to logit k is
// p_k (g_k - sum_c g_c p_c) for the softmax, in which g of the most probable class may be taken
// from all g: it is then exact where that class leaves the others next to nothing.
template <class P, bool kWide, bool kSigmoid, class Policy, class T>
EQUIPOISE_HOST_INLINE void write_overlap_gradient(const OverlapRows<T>& in, const Policy& policy,
                                                  const OverlapArrays<T>& slopes, T* space,
                                                  const MatrixView<T>& gradient) {
  constexpr std::size_t kLanes = OverlapTile<P, T>::kLanes;
  constexpr std::size_t kStep = kWide ? 1 : kLanes;
  const std::size_t packs = tile_packs<P, kWide, T>(in.logits.cols);
  const P zero{T(0)};
  const P one{T(1)};
  OverlapTile<P, T> tile;
  tile.values = space;
  T* const g = space + overlap_space(in.logits.cols);
  for (std::size_t begin = 0; begin < in.logits.rows; begin += kStep) {
    const std::size_t lanes = std::min(kStep, in.logits.rows - begin);
    if (kWide && in.weights[begin] == 0) {
      store_rows<P, kWide>(in, g, begin, lanes, gradient);
      continue;
    }
    prepare_tile<P, kWide, kSigmoid>(in, begin, lanes, tile);
    P top_g = zero;
    for (std::size_t k = 0; k < packs; ++k) {
      OverlapElement<P> element;
      tile_probability<P, kSigmoid>(tile, k, element.p, element.q);
      element.t = tile_target<P, kWide>(in, tile, begin, lanes, k);
      const ElementTerms<P> terms = element_terms(policy, element);
      P of_p = terms.slope.tp * class_pack<P, kWide>(slopes.tp(), k) +
               terms.slope.fp * class_pack<P, kWide>(slopes.fp(), k) +
               terms.slope.fn * class_pack<P, kWide>(slopes.fn(), k);
      of_p = of_p * tile.weights;
      if constexpr (kSigmoid) {
        of_p = of_p * element.p * element.q;
      } else {
        top_g += where_equal(P::load(tile.values + k * kLanes), one, of_p, zero);
        element.p.store(tile.values + k * kLanes);
      }
      of_p.store(g + k * kLanes);
    }
    if constexpr (!kSigmoid) {
      top_g = over_classes<kWide>(top_g) / tile.tied;
      P mean = zero;
      for (std::size_t k = 0; k < packs; ++k) {
        const P of_p = P::load(g + k * kLanes) - top_g;
        mean += of_p * P::load(tile.values + k * kLanes);
        of_p.store(g + k * kLanes);
      }
      mean = over_classes<kWide>(mean);
      for (std::size_t k = 0; k < packs; ++k) {
        const P p = P::load(tile.values + k * kLanes);
        (p * (P::load(g + k * kLanes) - mean)).store(g + k * kLanes);
      }
    }
    store_rows<P, kWide>(in, g, begin, lanes, gradient);
  }
}

// The first pass of a policy of type E; see add_overlap().
template <class E, class T>
void overlap_sums_kernel(const OverlapRows<T>& in, const void* policy_, T* space,
                         OverlapArrays<double>& sums, Cpu instructions) {
#if !defined(__CUDA_ARCH__)
  const E& policy = *static_cast<const E*>(policy_);
  const bool wide = in.logits.cols > kNarrowClasses;
  run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA {
    using P = Pack<T, width() / sizeof(T)>;
    if (wide && in.sigmoid) return add_overlap<P, true, true>(in, policy, space, sums);
    if (wide) return add_overlap<P, true, false>(in, policy, space, sums);
    if (in.sigmoid) return add_overlap<P, false, true>(in, policy, space, sums);
    add_overlap<P, false, false>(in, policy, space, sums);
  });
#endif
}

// The second one; see write_overlap_gradient().
template <class E, class T>
void overlap_gradient_kernel(const OverlapRows<T>& in, const void* policy_,
                             const OverlapArrays<T>& slopes, T* space,
                             const MatrixView<T>& gradient, Cpu instructions) {
#if !defined(__CUDA_ARCH__)
  const E& policy = *static_cast<const E*>(policy_);
  const bool wide = in.logits.cols > kNarrowClasses;
  run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA {
    using P = Pack<T, width() / sizeof(T)>;
    if (wide && in.sigmoid) {
      return write_overlap_gradient<P, true, true>(in, policy, slopes, space, gradient);
    }
    if (wide) return write_overlap_gradient<P, true, false>(in, policy, slopes, space, gradient);
    if (in.sigmoid) {
      return write_overlap_gradient<P, false, true>(in, policy, slopes, space, gradient);
    }
    write_overlap_gradient<P, false, false>(in, policy, slopes, space, gradient);
  });
#endif
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_OVERLAP_KERNEL_H_
