// The fused softmax kernel: value and gradient in one pass, one exponential an element, no
// temporary besides the gradient itself.
//
// Three paths. Rows of many classes run in short blocks with each phase finished for all rows of
// the block before the next one starts, so that phases overlap across rows and the logarithms of a
// block come as one vector. Rows of few classes are transposed, one row a lane. Targets that are
// distributions, and smoothing under a modulator other than cross-entropy, evaluate the modulator
// for every class.
#ifndef EQUIPOISE_KERNELS_SOFTMAX_KERNEL_H_
#define EQUIPOISE_KERNELS_SOFTMAX_KERNEL_H_

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "equipoise/config.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/pack.h"
#include "equipoise/loss/modulator.h"
#include "equipoise/math.h"

namespace equipoise::kernels {

// A block of rows. row_weight, smoothing, coefficient and losses have room for kMostLanes elements
// past the last row, so that the rows can be taken a vector at a time; what lies there is finite.
// The loss of row i with target y is
//   row_weight[i] m(p_y) + smoothing[i] sum_c smoothing_class_weights[c] m(p_c)
// with p the softmax of scale_c z_c + shift_c - margin_c [c = y] + pair_shift_yc + seesaw_yc; its
// gradient with respect to z is multiplied by coefficient[i]. Where there are probabilities t,
// sum_c class_weights_c t_c m(p_c) stands for m(p_y).
template <class T>
struct SoftmaxRows {
  const T* logits;
  std::ptrdiff_t logit_stride;  // from row to row; classes are contiguous
  T* gradient;                  // also the work space, so never null; may be the logits' own memory
  std::ptrdiff_t gradient_stride;
  bool wants_gradient;
  std::size_t rows;
  std::size_t classes;
  const std::int64_t* targets;       // the class, or -1 where the row is ignored
  const T* row_weight;               // [rows]
  const T* smoothing;                // [rows]; null: no smoothing
  const T* smoothing_class_weights;  // [classes]
  T smoothing_total;                 // sum of smoothing_class_weights
  const T* coefficient;              // [rows]
  const T* scale;                    // [groups, classes] or null
  const T* shift;                    // [groups, classes] or null
  const T* margin;                   // [groups, classes] or null
  const std::uint32_t* group;        // [rows]: whose terms; null: there is one group
  const T* pair_shift;               // [classes, classes] by target or null
  const T* seesaw_log_counts;        // [classes] or null
  T seesaw_mitigation;
  T seesaw_compensation;
  T seesaw_log_least;      // log of the least probability of a target
  const T* probabilities;  // or null; the row's first one, classes apart by probability_step
  std::ptrdiff_t probability_stride;
  std::ptrdiff_t probability_step;
  const T* class_weights;  // [classes] or null; of the probabilities
  T* losses;               // [rows], out; 0 where ignored
};

inline namespace EQUIPOISE_ISA_NAMESPACE {

// What phases of the wide path tell each other about the rows of a block.
template <class T>
struct RowState {
  static constexpr std::size_t kRows = 32;
  alignas(64) T maximum[kRows];
  alignas(64) T sum[kRows];            // of e^(a_c - max)
  alignas(64) T others[kRows];         // the same without the target, summed without cancellation
  alignas(64) T target_logit[kRows];   // a_y - max
  alignas(64) T target_exp[kRows];     // e^(a_y - max)
  alignas(64) T smoothing_sum[kRows];  // sum of smoothing_class_weights_c (a_c - max)
  alignas(64) T exp_factor[kRows];     // what e^(a_c - max) is multiplied by in the gradient
  alignas(64) T target_gain[kRows];    // what the gradient at the target gains besides
};

// a_c = scale_c z_c + shift_c - margin_c [c = y], written to `out`.
template <class T>
EQUIPOISE_HOST_INLINE void apply_terms(const SoftmaxRows<T>& in, const T* logits,
                                       std::int64_t target, T* out, std::size_t first = 0) {
  for (std::size_t c = 0; c < in.classes; ++c) {
    T a = logits[c];
    if (in.scale != nullptr) a *= in.scale[first + c];
    if (in.shift != nullptr) a += in.shift[first + c];
    out[c] = a;
  }
  if (in.margin != nullptr) out[target] -= in.margin[first + static_cast<std::size_t>(target)];
}

// The vectors of a row begin at 0, kLanes, 2 kLanes ..., but for the last one, which ends with the
// row and so may overlap the one before.

// A pack whose largest lane is the row's.
template <class P, class T>
EQUIPOISE_HOST_INLINE P row_maximum(const T* a, std::size_t classes) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t last = classes - kLanes;
  P first = P::load(a + last);
  P second = first;
  std::size_t c = 0;
  for (; c + kLanes < last; c += 2 * kLanes) {
    first = larger(first, P::load(a + c));
    second = larger(second, P::load(a + c + kLanes));
  }
  if (c < last) first = larger(first, P::load(a + c));
  return larger(first, second);
}

// Packs whose lanes add up to the sums of a row of exponentials.
template <class P>
struct RowSums {
  P exp;  // of e_c
  P dot;  // of smoothing_class_weights_c (a_c - max)
};

// e_c = exp(a_c - max) for a whole row, at `e`, which may be `a`.
template <class P, bool kSmooth, class T>
EQUIPOISE_HOST_INLINE RowSums<P> exponentiate(const T* a, const T* smoothing_class_weights,
                                              std::size_t classes, T maximum, T* e) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t last = classes - kLanes;
  const std::size_t overlap = (kLanes - classes % kLanes) % kLanes;
  const P top(maximum);
  const P end = P::load(a + last) - top;
  RowSums<P> sums{P(T(0)), P(T(0))};
  const auto exponentiate_at = [&](std::size_t c) EQUIPOISE_INLINE_LAMBDA {
    const P x = P::load(a + c) - top;
    if constexpr (kSmooth) sums.dot += x * P::load(smoothing_class_weights + c);
    const P e_c = exp_nonpositive(x);
    e_c.store(e + c);
    sums.exp += e_c;
  };
  std::size_t c = 0;
  for (; c + kLanes < last; c += 2 * kLanes) {
    exponentiate_at(c);
    exponentiate_at(c + kLanes);
  }
  if (c < last) exponentiate_at(c);
  if constexpr (kSmooth) {
    sums.dot += clear_first(end * P::load(smoothing_class_weights + last), overlap);
  }
  const P e_end = exp_nonpositive(end);
  e_end.store(e + last);
  sums.exp += clear_first(e_end, overlap);
  return sums;
}

template <class P, class T>
EQUIPOISE_HOST_INLINE T row_sum(const T* e, std::size_t classes) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  P total{T(0)};
  std::size_t c = 0;
  for (; c + kLanes <= classes; c += kLanes) total += P::load(e + c);
  T result = sum(total);
  for (; c < classes; ++c) result += e[c];
  return result;
}

// The target's probability from sums of exponentials relative to the row's maximum. Where the
// target is that maximum, s = 1 + rest, and ln s alone would lose the bits of a small rest: log1p's
// correction brings them back.
template <class P>
EQUIPOISE_HOST_INLINE TargetProbability<P> target_probability(const P& logit, const P& exp_logit,
                                                              const P& rest, const P& sum,
                                                              const P& log_sum) {
  const P zero = math::like(sum, 0.0);
  const P correction = where_equal(logit, zero, (rest - (sum - 1.0)) / sum, zero);
  return {logit - (log_sum + correction), exp_logit / sum, rest / sum};
}

template <class T>
EQUIPOISE_HOST_INLINE bool has_terms(const SoftmaxRows<T>& in) {
  return in.scale != nullptr || in.shift != nullptr || in.margin != nullptr;
}

// Rows as a local, to be kept in registers: to the compiler, a store of a vector might change a
// SoftmaxRows.
template <class T>
struct MatrixRows {
  T* data;
  std::ptrdiff_t stride;
  EQUIPOISE_HOST_INLINE T* operator[](std::size_t row) const {
    return data + static_cast<std::ptrdiff_t>(row) * stride;
  }
};

template <class T>
EQUIPOISE_HOST_INLINE MatrixRows<T> gradient_rows(const SoftmaxRows<T>& in) {
  return {in.gradient, in.gradient_stride};
}

// Where logits are once the terms are applied.
template <class T>
EQUIPOISE_HOST_INLINE MatrixRows<const T> logit_rows(const SoftmaxRows<T>& in) {
  if (has_terms(in)) return {in.gradient, in.gradient_stride};
  return {in.logits, in.logit_stride};
}

// First phase: terms and maxima.
template <class P, class T>
EQUIPOISE_HOST_INLINE void find_maxima(const SoftmaxRows<T>& in, std::size_t begin,
                                       std::size_t count, RowState<T>& state) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  if (has_terms(in)) {
    for (std::size_t row = begin; row < begin + count; ++row) {
      if (in.targets[row] < 0) continue;
      apply_terms(in, in.logits + static_cast<std::ptrdiff_t>(row) * in.logit_stride,
                  in.targets[row], gradient_rows(in)[row]);
    }
  }
  const std::size_t classes = in.classes;
  const MatrixRows<const T> logits = logit_rows(in);
  const auto join = [](const P& a, const P& b) EQUIPOISE_INLINE_LAMBDA { return larger(a, b); };
  for (std::size_t first = 0; first < count; first += kLanes) {
    const std::size_t rows = std::min(kLanes, count - first);
    P maxima[kLanes];
    for (std::size_t i = 0; i < kLanes; ++i) {
      const bool counts = i < rows && in.targets[begin + first + i] >= 0;
      maxima[i] = counts ? row_maximum<P>(logits[begin + first + i], classes) : P(T(0));
    }
    join_rows(maxima, join).store(state.maximum + first);
  }
}

// The sum of a row's exponentials without that of the target.
template <class P, class T>
EQUIPOISE_HOST_INLINE T sum_without(T* e, std::size_t classes, std::int64_t target) {
  const T kept = e[target];
  e[target] = 0;
  const T result = row_sum<P>(e, classes);
  e[target] = kept;
  return result;
}

// Second phase: exponentials at their place in the gradient, sums into the state.
template <class P, bool kSmooth, class M, class T>
EQUIPOISE_HOST_INLINE void sum_exponentials(const SoftmaxRows<T>& in, std::size_t begin,
                                            std::size_t count, RowState<T>& state) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t classes = in.classes;
  const T* const smoothing_class_weights = in.smoothing_class_weights;
  const MatrixRows<const T> logits = logit_rows(in);
  const MatrixRows<T> exponentials = gradient_rows(in);
  const auto add = [](const P& a, const P& b) EQUIPOISE_INLINE_LAMBDA { return a + b; };
  for (std::size_t first = 0; first < count; first += kLanes) {
    const std::size_t rows = std::min(kLanes, count - first);
    P sums[kLanes];
    P dots[kLanes];
    for (std::size_t i = rows; i < kLanes; ++i) sums[i] = dots[i] = P(T(1));
    const T* const targets_exp = state.target_exp + first;
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t row = begin + first + i;
      const std::int64_t y = in.targets[row];
      sums[i] = dots[i] = P(T(1));
      if (y < 0) continue;
      const T* const a = logits[row];
      T* const e = exponentials[row];
      const T maximum = state.maximum[first + i];
      state.target_logit[first + i] = a[y] - maximum;
      const RowSums<P> of_row =
          exponentiate<P, kSmooth>(a, smoothing_class_weights, classes, maximum, e);
      sums[i] = of_row.exp;
      if constexpr (kSmooth) dots[i] = of_row.dot;
      state.target_exp[first + i] = e[y];
    }
    const P sum = join_rows(sums, add);
    sum.store(state.sum + first);
    if constexpr (kSmooth) join_rows(dots, add).store(state.smoothing_sum + first);
    // Subtracting cancels where the target dominates; cross-entropy alone does not mind.
    (sum - P::load(targets_exp)).store(state.others + first);
    for (std::size_t i = 0; !std::same_as<M, CrossEntropy> && i < rows; ++i) {
      const std::size_t row = begin + first + i;
      if (in.targets[row] < 0 || 2 * targets_exp[i] <= state.sum[first + i]) continue;
      state.others[first + i] = sum_without<P>(exponentials[row], classes, in.targets[row]);
    }
  }
}

// Third phase, one row a lane: losses, and the two numbers that make the gradient.
template <class P, bool kSmooth, class M, class T>
EQUIPOISE_HOST_INLINE void weigh_rows(const SoftmaxRows<T>& in, const M& modulator,
                                      std::size_t begin, std::size_t count, RowState<T>& state) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  for (std::size_t slot = 0; slot < count; slot += kLanes) {
    const P s = P::load(state.sum + slot);
    const P log_s = log(s);
    const TargetProbability<P> target =
        target_probability(P::load(state.target_logit + slot), P::load(state.target_exp + slot),
                           P::load(state.others + slot), s, log_s);
    const ValueAndSlope<P> result = modulator(target);
    const P h = P::load(in.row_weight + begin + slot);
    const P c = P::load(in.coefficient + begin + slot);
    P loss = h * result.value;
    P common = -(h * result.slope);
    const P direct = h * result.slope * c;
    if constexpr (kSmooth) {
      const P total(in.smoothing_total);
      const P b = P::load(in.smoothing + begin + slot);
      loss += b * (total * log_s - P::load(state.smoothing_sum + slot));
      common += b * total;
    }
    loss.store(in.losses + begin + slot);
    (common * c / s).store(state.exp_factor + slot);
    direct.store(state.target_gain + slot);
  }
}

// Last phase of one row: exponentials become the gradient.
template <class P, bool kSmooth, class T>
EQUIPOISE_HOST_INLINE void finish_row(const SoftmaxRows<T>& in, std::size_t row, std::size_t slot,
                                      const RowState<T>& state) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t classes = in.classes;
  const T* const smoothing_class_weights = in.smoothing_class_weights;
  const std::size_t last = classes - kLanes;
  T* const g = gradient_rows(in)[row];
  const P common(state.exp_factor[slot]);
  P b{T(0)};
  P end = P::load(g + last) * common;
  if constexpr (kSmooth) {
    b = P(in.smoothing[row] * in.coefficient[row]);
    end = end - b * P::load(smoothing_class_weights + last);
  }
  for (std::size_t c = 0; c < last; c += kLanes) {
    P x = P::load(g + c) * common;
    if constexpr (kSmooth) x = x - b * P::load(smoothing_class_weights + c);
    x.store(g + c);
  }
  end.store(g + last);
  g[in.targets[row]] += state.target_gain[slot];
  if (in.scale != nullptr) {
    for (std::size_t c = 0; c < classes; ++c) g[c] *= in.scale[c];
  }
}

template <class T>
EQUIPOISE_HOST_INLINE void clear_row(const SoftmaxRows<T>& in, std::size_t row) {
  std::fill_n(gradient_rows(in)[row], in.classes, T(0));
}

// Rows of more classes than a vector has lanes.
template <class P, bool kSmooth, class M, class T>
EQUIPOISE_HOST_INLINE void softmax_wide(const SoftmaxRows<T>& in, const M& modulator) {
  // A block's exponentials should still be in the first-level cache when they are read again.
  constexpr std::size_t kCached = 8192 * 4 / sizeof(T);
  const std::size_t block = std::clamp<std::size_t>(kCached / in.classes, 1, RowState<T>::kRows);
  // Slots that a block leaves alone keep what an earlier one put there; nobody looks at their
  // results.
  RowState<T> state;
  for (std::size_t slot = 0; slot < RowState<T>::kRows; ++slot) {
    state.sum[slot] = state.target_exp[slot] = 1;
    state.others[slot] = state.target_logit[slot] = state.smoothing_sum[slot] = 0;
  }
  for (std::size_t begin = 0; begin < in.rows; begin += block) {
    const std::size_t count = std::min(block, in.rows - begin);
    find_maxima<P>(in, begin, count, state);
    sum_exponentials<P, kSmooth, M>(in, begin, count, state);
    weigh_rows<P, kSmooth>(in, modulator, begin, count, state);
    for (std::size_t slot = 0; slot < count; ++slot) {
      if (in.targets[begin + slot] < 0) {
        in.losses[begin + slot] = 0;
        if (in.wants_gradient) clear_row(in, begin + slot);
      } else if (in.wants_gradient) {
        finish_row<P, kSmooth>(in, begin + slot, slot, state);
      }
    }
  }
}

// The logits of a vector of rows, and later their gradient: lane i of column c is row i's class c.
template <class P, class T>
struct Columns {
  static constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  alignas(64) T at[kLanes][kLanes] = {};

  static constexpr std::size_t kLeastWidth = 16 / sizeof(T);

  // Rows are read and written kWidth >= classes elements at a time, several rows in a pack where
  // that is wider, and transposed in squares.
  template <std::size_t kWidth, std::size_t... kRow>
  EQUIPOISE_HOST_INLINE void read_rows(const T* from, std::size_t classes,
                                       std::index_sequence<kRow...>) {
    if constexpr (kWidth < kLanes) {
      if (classes > kWidth) {
        return read_rows<2 * kWidth>(from, classes, std::make_index_sequence<2 * kWidth>());
      }
    }
    P x[kWidth] = {load_rows<T, kLanes, kWidth>(from + kRow * classes, classes)...};
    transpose(x);
    (x[kRow].store(at[kRow]), ...);
  }
  // The first `count` rows; what a vector writes behind its row the next row overwrites.
  template <std::size_t kWidth, std::size_t... kRow>
  EQUIPOISE_HOST_INLINE void write_rows(T* to, std::size_t classes, std::size_t& count,
                                        std::index_sequence<kRow...>) const {
    if constexpr (kWidth < kLanes) {
      if (classes > kWidth) {
        return write_rows<2 * kWidth>(to, classes, count, std::make_index_sequence<2 * kWidth>());
      }
    }
    count = kLanes - (kWidth - 1) / classes;
    P x[kWidth] = {P::load(at[kRow])...};
    transpose(x);
    write_blocks<kWidth>(x, to, classes, count, std::make_index_sequence<kLanes>());
  }
  template <std::size_t kWidth, std::size_t... kRow>
  EQUIPOISE_HOST_INLINE static void write_blocks(const P (&x)[kWidth], T* to, std::size_t classes,
                                                 std::size_t count, std::index_sequence<kRow...>) {
    ((kRow < count ? block_of<kWidth, kRow / kWidth>(x[kRow % kWidth]).store(to + kRow * classes)
                   : void()),
     ...);
  }

  // Whether rows [begin, begin + kLanes) lie so that whole vectors of them can be read and written:
  // one behind the other, with rows behind them that a vector may run into.
  EQUIPOISE_HOST_INLINE static bool fits(const SoftmaxRows<T>& in, std::size_t begin) {
    const auto classes = static_cast<std::ptrdiff_t>(in.classes);
    return in.logit_stride == classes && in.gradient_stride == classes &&
           in.rows > begin + kLanes && (in.rows - begin - kLanes) * in.classes >= kLanes;
  }

  EQUIPOISE_HOST_INLINE void read(const SoftmaxRows<T>& in, std::size_t begin, std::size_t rows,
                                  bool by_vectors) {
    const T* const logits = in.logits + static_cast<std::ptrdiff_t>(begin) * in.logit_stride;
    if (by_vectors) {
      read_rows<kLeastWidth>(logits, in.classes, std::make_index_sequence<kLeastWidth>());
      return;
    }
    for (std::size_t i = 0; i < rows; ++i) {
      const T* const row = logits + static_cast<std::ptrdiff_t>(i) * in.logit_stride;
      for (std::size_t c = 0; c < in.classes; ++c) at[c][i] = row[c];
    }
  }

  EQUIPOISE_HOST_INLINE void write(const SoftmaxRows<T>& in, std::size_t begin, std::size_t rows,
                                   bool by_vectors) const {
    T* const gradient = in.gradient + static_cast<std::ptrdiff_t>(begin) * in.gradient_stride;
    std::size_t first = 0;
    if (by_vectors) {
      // The last ones have to end with their row.
      write_rows<kLeastWidth>(gradient, in.classes, first, std::make_index_sequence<kLeastWidth>());
    }
    for (std::size_t i = first; i < rows; ++i) {
      T* const row = gradient + static_cast<std::ptrdiff_t>(i) * in.gradient_stride;
      for (std::size_t c = 0; c < in.classes; ++c) row[c] = at[c][i];
    }
  }
};

// Rows of at most as many classes as a vector has lanes, one row a lane.
template <class P, class M, class T>
EQUIPOISE_HOST_INLINE void softmax_narrow(const SoftmaxRows<T>& in, const M& modulator) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t classes = in.classes;
  const P zero{T(0)};
  Columns<P, T> columns;
  auto& a = columns.at;
  for (std::size_t begin = 0; begin < in.rows; begin += kLanes) {
    const std::size_t lanes = std::min(kLanes, in.rows - begin);
    const bool by_vectors = Columns<P, T>::fits(in, begin);
    columns.read(in, begin, lanes, by_vectors);
    alignas(64) T targets[kLanes];
    for (std::size_t i = 0; i < lanes; ++i) targets[i] = static_cast<T>(in.targets[begin + i]);
    for (std::size_t i = lanes; i < kLanes; ++i) targets[i] = -1;
    const P y = P::load(targets);
    const auto of_counted = [&](const P& x)
                                EQUIPOISE_INLINE_LAMBDA { return P(y.v < zero.v ? zero.v : x.v); };
    P top = zero;
    for (std::size_t c = 0; c < classes; ++c) {
      P x = P::load(a[c]);
      if (in.scale != nullptr) x = x * P(in.scale[c]);
      if (in.shift != nullptr) x = x + P(in.shift[c]);
      if (in.margin != nullptr) x = x - where_equal(y, P(T(c)), P(in.margin[c]), zero);
      top = c == 0 ? x : larger(top, x);
      x.store(a[c]);
    }
    P rest = zero;
    P exp_target = zero;
    P logit = zero;
    P dot = zero;
    for (std::size_t c = 0; c < classes; ++c) {
      const P x = P::load(a[c]) - top;
      const P e = exp_nonpositive(x);
      e.store(a[c]);
      const P index{T(c)};
      rest += where_equal(y, index, zero, e);
      exp_target += where_equal(y, index, e, zero);
      logit = where_equal(y, index, x, logit);
      if (in.smoothing != nullptr) dot += x * P(in.smoothing_class_weights[c]);
    }
    const P s = rest + exp_target;
    const P log_s = log(s);
    const ValueAndSlope<P> result =
        modulator(target_probability(logit, exp_target, rest, s, log_s));
    const P h = P::load(in.row_weight + begin);
    const P b = in.smoothing != nullptr ? P::load(in.smoothing + begin) : zero;
    const P scaled = P::load(in.coefficient + begin);
    P loss = h * result.value;
    P common = -(h * result.slope);
    if (in.smoothing != nullptr) {
      const P total(in.smoothing_total);
      loss += b * (total * log_s - dot);
      common += b * total;
    }
    of_counted(loss).store(in.losses + begin);
    if (!in.wants_gradient) continue;
    common = common * scaled / s;
    const P direct = h * result.slope * scaled;
    for (std::size_t c = 0; c < classes; ++c) {
      P g = P::load(a[c]) * common + where_equal(y, P(T(c)), direct, zero);
      if (in.smoothing != nullptr) g = g - b * scaled * P(in.smoothing_class_weights[c]);
      if (in.scale != nullptr) g = g * P(in.scale[c]);
      of_counted(g).store(a[c]);
    }
    columns.write(in, begin, lanes, by_vectors);
  }
}

// The weight with which class c of a row goes through the modulator.
template <class T>
EQUIPOISE_HOST_INLINE T target_weight(const SoftmaxRows<T>& in, std::size_t row, std::size_t c) {
  T weight = 0;
  if (in.probabilities != nullptr) {
    weight = in.row_weight[row] *
             in.probabilities[static_cast<std::ptrdiff_t>(row) * in.probability_stride +
                              static_cast<std::ptrdiff_t>(c) * in.probability_step];
    if (in.class_weights != nullptr) weight *= in.class_weights[c];
  } else if (static_cast<std::int64_t>(c) == in.targets[row]) {
    weight = in.row_weight[row];
  }
  return in.smoothing == nullptr ? weight
                                 : weight + in.smoothing[row] * in.smoothing_class_weights[c];
}

// Targets t_c = target_weight(), each class through the modulator: loss sum_c t_c m(p_c), gradient
// t_j m'(p_j) - p_j sum_c t_c m'(p_c) with m' the slope in log p.
template <class P, class M, class T>
EQUIPOISE_HOST_INLINE void softmax_distributions(const SoftmaxRows<T>& in, const M& modulator) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  const std::size_t classes = in.classes;
  for (std::size_t row = 0; row < in.rows; ++row) {
    T* const e = in.gradient + static_cast<std::ptrdiff_t>(row) * in.gradient_stride;
    in.losses[row] = 0;
    if (in.targets[row] < 0) {
      if (in.wants_gradient) clear_row(in, row);
      continue;
    }
    apply_terms(in, in.logits + static_cast<std::ptrdiff_t>(row) * in.logit_stride, in.targets[row],
                e);
    std::size_t top = 0;
    for (std::size_t c = 1; c < classes; ++c) top = e[c] > e[top] ? c : top;
    const T maximum = e[top];
    T rest = 0;  // of all classes but the largest, whose e is 1
    for (std::size_t c = 0; c < classes; c += kLanes) {
      alignas(64) T chunk[kLanes] = {};
      const std::size_t lanes = std::min(kLanes, classes - c);
      for (std::size_t i = 0; i < lanes; ++i) chunk[i] = e[c + i];
      exp(P::load(chunk) - P(maximum)).store(chunk);
      for (std::size_t i = 0; i < lanes; ++i) rest += c + i == top ? T(0) : chunk[i];
    }
    const P s(T(1) + rest);
    const P log_s = log(s) + (P(rest) - (s - 1.0)) / s;
    // Two passes over the classes, values first: the gradient needs the sum of all slopes.
    T loss = 0;
    T slopes = 0;
    for (int pass = 0; pass < (in.wants_gradient ? 2 : 1); ++pass) {
      for (std::size_t c = 0; c < classes; c += kLanes) {
        alignas(64) T logit[kLanes] = {};
        alignas(64) T weight[kLanes] = {};
        alignas(64) T complement[kLanes] = {};
        const std::size_t lanes = std::min(kLanes, classes - c);
        for (std::size_t i = 0; i < lanes; ++i) {
          logit[i] = e[c + i] - maximum;
          weight[i] = target_weight(in, row, c + i);
        }
        TargetProbability<P> t;
        t.log_p = P::load(logit) - log_s;
        t.p = exp(P::load(logit)) / s;
        t.q = 1.0 - t.p;
        if (top >= c && top < c + lanes) {
          t.q.store(complement);
          complement[top - c] = rest / s.v[0];
          t.q = P::load(complement);
        }
        const ValueAndSlope<P> result = modulator(t);
        alignas(64) T values[kLanes];
        alignas(64) T slope[kLanes];
        alignas(64) T p[kLanes];
        const P w = P::load(weight);
        (w * result.value).store(values);
        (w * result.slope).store(slope);
        t.p.store(p);
        for (std::size_t i = 0; i < lanes; ++i) {
          if (pass == 0) {
            // A class of weight zero adds nothing, whatever its (perhaps infinite) value.
            if (weight[i] != 0) {
              loss += values[i];
              slopes += slope[i];
            }
          } else {
            const T own = weight[i] != 0 ? slope[i] : T(0);
            const T scale = in.scale != nullptr ? in.scale[c + i] : T(1);
            e[c + i] = in.coefficient[row] * (own - p[i] * slopes) * scale;
          }
        }
      }
    }
    in.losses[row] = loss;
  }
}

// log sum_c e^(a_c).
template <class P, class T>
EQUIPOISE_HOST_INLINE T log_sum_exp(const T* a, std::size_t classes) {
  constexpr std::size_t kLanes = sizeof(P) / sizeof(T);
  T maximum = a[0];
  for (std::size_t c = 1; c < classes; ++c) maximum = a[c] > maximum ? a[c] : maximum;
  P sums{T(0)};
  for (std::size_t c = 0; c < classes; c += kLanes) {
    alignas(64) T chunk[kLanes];
    const std::size_t lanes = std::min(kLanes, classes - c);
    for (std::size_t i = 0; i < kLanes; ++i) {
      chunk[i] = i < lanes ? a[c + i] - maximum : T(FloatFormat<T>::kLeastExp - 1);
    }
    sums += exp_nonpositive(P::load(chunk));
  }
  return maximum + log(P(sum(sums))).v[0];
}

// Adds log(M_yc K_yc) to every class but the target y; see equipoise::Seesaw.
template <class P, class T>
EQUIPOISE_HOST_INLINE void apply_seesaw(const SoftmaxRows<T>& in, std::size_t target, T* a) {
  const T total = log_sum_exp<P>(a, in.classes);
  const T own = a[target];
  const T log_p = own - total > in.seesaw_log_least ? own - total : in.seesaw_log_least;
  const T own_log_count = in.seesaw_log_counts[target];
  for (std::size_t c = 0; c < in.classes; ++c) {
    const T rarer = in.seesaw_log_counts[c] - own_log_count;
    const T surer = a[c] - total - log_p;
    a[c] += in.seesaw_mitigation * (rarer < 0 ? rarer : T(0)) +
            in.seesaw_compensation * (surer > 0 ? surer : T(0));
  }
  a[target] = own;
}

// Where the terms of a row's group begin.
template <class T>
EQUIPOISE_HOST_INLINE std::size_t first_term(const SoftmaxRows<T>& in, std::size_t row) {
  return in.group == nullptr ? 0 : in.group[row] * in.classes;
}

// Terms that differ from row to row: puts the logits after them where the gradient will be.
template <std::size_t kBytes, class T>
EQUIPOISE_HOST_INLINE void apply_terms_of_rows(const SoftmaxRows<T>& in) {
  using P = Pack<T, kBytes / sizeof(T)>;
  for (std::size_t row = 0; row < in.rows; ++row) {
    if (in.targets[row] < 0) {
      clear_row(in, row);
      continue;
    }
    const auto target = static_cast<std::size_t>(in.targets[row]);
    T* const a = in.gradient + static_cast<std::ptrdiff_t>(row) * in.gradient_stride;
    apply_terms(in, in.logits + static_cast<std::ptrdiff_t>(row) * in.logit_stride, in.targets[row],
                a, first_term(in, row));
    for (std::size_t c = 0; in.pair_shift != nullptr && c < in.classes; ++c) {
      a[c] += in.pair_shift[target * in.classes + c];
    }
    if (in.seesaw_log_counts != nullptr) apply_seesaw<P>(in, target, a);
  }
}

// What the chain rule asks of the scales that apply_terms_of_rows() applied.
template <class T>
EQUIPOISE_HOST_INLINE void scale_gradient_of_rows(const SoftmaxRows<T>& in) {
  if (in.scale == nullptr || !in.wants_gradient) return;
  for (std::size_t row = 0; row < in.rows; ++row) {
    T* const g = in.gradient + static_cast<std::ptrdiff_t>(row) * in.gradient_stride;
    const T* const scale = in.scale + first_term(in, row);
    for (std::size_t c = 0; c < in.classes; ++c) g[c] *= scale[c];
  }
}

// The kernel of a modulator of type M.
template <class M, class T>
void softmax_kernel(const SoftmaxRows<T>& given, const void* modulator_, Cpu instructions) {
#if !defined(__CUDA_ARCH__)
  const M& modulator = *static_cast<const M*>(modulator_);
  SoftmaxRows<T> in = given;
  const bool by_row =
      in.group != nullptr || in.pair_shift != nullptr || in.seesaw_log_counts != nullptr;
  if (by_row) {
    run_kernel(instructions,
               [&](auto width) EQUIPOISE_INLINE_LAMBDA { apply_terms_of_rows<width()>(in); });
    in.logits = in.gradient;
    in.logit_stride = in.gradient_stride;
    in.scale = in.shift = in.margin = nullptr;
  }
  const bool dense =
      in.probabilities != nullptr || (in.smoothing != nullptr && !std::same_as<M, CrossEntropy>);
  if constexpr (detail::require_modulator_on<M, Pack<T, 16 / sizeof(T)>>()) {
    run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA {
      using P = Pack<T, width() / sizeof(T)>;
      if (dense) {
        softmax_distributions<P>(in, modulator);
      } else if (in.classes <= width() / sizeof(T)) {
        softmax_narrow<P>(in, modulator);
      } else if (in.smoothing != nullptr) {
        softmax_wide<P, true>(in, modulator);
      } else {
        softmax_wide<P, false>(in, modulator);
      }
    });
  }
  if (by_row) scale_gradient_of_rows(given);
#endif
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::kernels

#endif  // EQUIPOISE_KERNELS_SOFTMAX_KERNEL_H_
