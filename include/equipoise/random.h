// Random numbers as a pure function of a seed and a position: nothing to advance, nothing to save.
#ifndef EQUIPOISE_RANDOM_H_
#define EQUIPOISE_RANDOM_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/philox_blocks.h"

namespace equipoise {

namespace detail {

// The rounds are unrolled: -O2 would keep a loop, in which each round waits for the one before.
template <std::uint32_t... kRound>
constexpr EQUIPOISE_HOST_INLINE std::array<std::uint32_t, 4> philox_rounds(
    const std::array<std::uint32_t, 4>& counter, const std::array<std::uint32_t, 2>& key,
    std::integer_sequence<std::uint32_t, kRound...>) {
  std::uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  const auto round = [&](std::uint32_t number) EQUIPOISE_INLINE_LAMBDA {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c0;
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * c2;
    c0 = static_cast<std::uint32_t>(b >> 32) ^ c1 ^ (key[0] + number * 0x9E3779B9);
    c1 = static_cast<std::uint32_t>(b);
    c2 = static_cast<std::uint32_t>(a >> 32) ^ c3 ^ (key[1] + number * 0xBB67AE85);
    c3 = static_cast<std::uint32_t>(a);
  };
  (round(kRound), ...);
  return {c0, c1, c2, c3};
}

}  // namespace detail

/// The Philox4x32-10 block function: 128 bits that are a bijection of `counter` for each `key`.
/// Consecutive counters give independent, uniform words; it passes BigCrush.
/// Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3". O(1).
constexpr EQUIPOISE_HOST_INLINE std::array<std::uint32_t, 4> philox4x32(
    std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  return detail::philox_rounds(counter, key, std::make_integer_sequence<std::uint32_t, 10>());
}

namespace detail {

__extension__ typedef unsigned __int128 uint128;

// bits * n as an integer in [0, n) and a fraction in 2^-64.
struct Scaled {
  std::uint64_t integer;
  std::uint64_t fraction;
};

constexpr Scaled scale(std::uint64_t bits, std::uint64_t n) {
  const uint128 product = static_cast<uint128>(bits) * n;
  return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
}

// Lemire 2019 (arXiv:1805.10941): without the fractions below 2^64 mod n, equally many values of
// the bits lead to each integer in [0, n). The division is reached with probability n / 2^64.
constexpr bool is_unbiased(const Scaled& scaled, std::uint64_t n) {
  return scaled.fraction >= n || scaled.fraction >= (0 - n) % n;
}

// A bijection of 64 bits in which every input bit reaches every output bit (the finaliser of
// Steele, Lea & Flood 2014).
constexpr std::uint64_t mix64(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The purposes of the library's own draws, so that equal seeds in two places do not give equal
// numbers.
struct Purpose {
  static constexpr std::uint32_t kClassDraw = 0x45510001;
  static constexpr std::uint32_t kWeightedDraw = 0x45510002;
  static constexpr std::uint32_t kQuotaPhase = 0x45510003;
  static constexpr std::uint32_t kQuotaWindow = 0x45510004;
  static constexpr std::uint32_t kDeckSeed = 0x45510005;
  static constexpr std::uint32_t kDeck = 0x45510006;
  static constexpr std::uint32_t kShuffle = 0x45510007;
  static constexpr std::uint32_t kResampleOrder = 0x45510008;
  static constexpr std::uint32_t kBatchClasses = 0x45510009;
  static constexpr std::uint32_t kBatchOrder = 0x4551000a;
  static constexpr std::uint32_t kSuccessiveDraw = 0x4551000b;
  static constexpr std::uint32_t kArrival = 0x4551000c;
  static constexpr std::uint32_t kResampling = 0x4551000d;
  static constexpr std::uint32_t kEpochOrder = 0x4551000e;
  static constexpr std::uint32_t kWindowPhase = 0x4551000f;
  static constexpr std::uint32_t kBootstrap = 0x45510010;
  static constexpr std::uint32_t kReservoir = 0x45510011;
  static constexpr std::uint32_t kRecipe = 0x45510012;
  static constexpr std::uint32_t kRecipeOrder = 0x45510013;
  static constexpr std::uint32_t kRecipeDecks = 0x45510014;
  static constexpr std::uint32_t kMixedPair = 0x45510015;
  static constexpr std::uint32_t kMixedWeight = 0x45510016;
  static constexpr std::uint32_t kNoise = 0x45510017;
  static constexpr std::uint32_t kStoreOrder = 0x45510018;
  static constexpr std::uint32_t kSubsetOrder = 0x45510019;
  static constexpr std::uint32_t kSubsetDecks = 0x4551001a;
  static constexpr std::uint32_t kSubsetDraw = 0x4551001b;
  static constexpr std::uint32_t kTableRounding = 0x45510030;
  static constexpr std::uint32_t kGroupOrder = 0x45510031;
  static constexpr std::uint32_t kGroupPart = 0x45510032;
  static constexpr std::uint32_t kLabelOrder = 0x45510033;
  static constexpr std::uint32_t kRowPart = 0x45510034;
  static constexpr std::uint32_t kRepeatSeed = 0x45510035;
  static constexpr std::uint32_t kKeyPart = 0x45510036;
  static constexpr std::uint32_t kTieOrder = 0x45510037;
  static constexpr std::uint32_t kFoldOrder = 0x45510038;
};

}  // namespace detail

/// Random numbers by position: each call is a pure function of (seed, t, purpose, attempt), so any
/// thread, rank or restarted program gets the same number at the same position, in O(1).
///
/// One Philox4x32-10 block per number, keyed by the seed, at the counter (t low, t high, purpose,
/// attempt). `purpose` separates independent uses of one seed; a rejected draw is repeated with
/// the next `attempt`, so a position never uses the numbers of another.
struct CounterRandom {
  std::uint64_t seed = 0;

  /// The 128 bits of a position, as two uniform 64-bit integers.
  constexpr EQUIPOISE_HOST_INLINE std::array<std::uint64_t, 2> block(
      std::uint64_t t, std::uint32_t purpose, std::uint32_t attempt = 0) const {
    const std::array<std::uint32_t, 4> words = philox4x32(
        {static_cast<std::uint32_t>(t), static_cast<std::uint32_t>(t >> 32), purpose, attempt},
        {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
    return {words[0] | std::uint64_t{words[1]} << 32, words[2] | std::uint64_t{words[3]} << 32};
  }

  /// A uniform 64-bit integer.
  constexpr std::uint64_t bits(std::uint64_t t, std::uint32_t purpose,
                               std::uint32_t attempt = 0) const {
    return block(t, purpose, attempt)[0];
  }

  /// A uniform integer in [0, n), exactly unbiased; n >= 1 (n = 0 gives 0).
  constexpr std::uint64_t below(std::uint64_t n, std::uint64_t t, std::uint32_t purpose) const {
    EQUIPOISE_DCHECK(n > 0);
    for (std::uint32_t attempt = 0;; ++attempt) {
      const detail::Scaled draw = detail::scale(bits(t, purpose, attempt), n);
      if (n == 0 || detail::is_unbiased(draw, n)) return draw.integer;
    }
  }

  /// A uniform real in [0, 1): a multiple of 2^-53.
  constexpr double uniform(std::uint64_t t, std::uint32_t purpose) const {
    return static_cast<double>(bits(t, purpose) >> 11) * 0x1.0p-53;
  }

  friend constexpr bool operator==(const CounterRandom&, const CounterRandom&) = default;
};

namespace detail {

// Block i of `out` is random.block(t + i * stride, purpose).
EQUIPOISE_HOST_INLINE void philox_blocks(const CounterRandom& random, std::uint32_t purpose,
                                         std::uint64_t t, std::uint64_t stride,
                                         kernels::PhiloxBlocks& out,
                                         kernels::Cpu instructions = kernels::cpu()) {
  kernels::run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA {
    kernels::philox_blocks_of<width()>(random.seed, purpose, t, stride, out);
  });
}

}  // namespace detail

namespace detail {

// A stream for each size: with one seed, shuffles of two sizes are unrelated.
constexpr CounterRandom of_size(const CounterRandom& random, std::uint64_t n) {
  return {random.seed ^ mix64(n)};
}

}  // namespace detail

/// A random permutation of [0, n), evaluated at one index in O(1) time and memory.
///
/// For n < 128 swap-or-not with 32 rounds (Hoang, Morris & Rogaway 2012); from there on a Feistel
/// network of 8 rounds on Z_a x Z_b with a = ceil(sqrt n), b = ceil(n / a) (Black & Rogaway 2002),
/// walking along its cycle while the result lies outside [0, n): fewer than two evaluations on
/// average. Where n = a b with both odd, rounds are even permutations, and so is the whole.
/// Not a cipher: use it for shuffling, not for secrets.
class RandomPermutation {
 public:
  /// The empty permutation, which must not be evaluated.
  RandomPermutation() = default;

  /// The permutation of [0, n) that belongs to position t of a random stream. Permutations of two
  /// sizes at one position are unrelated. n = 0 gives the empty permutation.
  explicit RandomPermutation(std::uint64_t n, const CounterRandom& random, std::uint64_t t = 0,
                             std::uint32_t purpose = detail::Purpose::kShuffle)
      : n_(n) {
    const CounterRandom own = detail::of_size(random, n);
    if (n < kSmall) {
      keys_[0] = own.bits(t, purpose);
      return;
    }
    a_ = ceil_sqrt(n);
    b_ = (n + a_ - 1) / a_;
    for (std::uint32_t r = 0; r < kFeistelRounds; r += 2) {
      const std::array<std::uint64_t, 2> block = own.block(t, purpose, r / 2);
      keys_[r] = block[0];
      keys_[r + 1] = block[1];
    }
  }

  /// The size, n.
  std::uint64_t size() const { return n_; }

  /// Where index i goes; i < n, unchecked.
  std::uint64_t operator()(std::uint64_t i) const {
    EQUIPOISE_DCHECK(i < n_);
    if (n_ < kSmall) return swap_or_not(i);
    return walked(feistel(i));
  }

  /// indices[i] = (*this)(indices[i]) for all i, some three times as fast as one by one: the rounds
  /// of one index do not wait for those of others.
  void evaluate(std::span<std::uint64_t> indices) const {
    evaluate(indices, [&](std::size_t) -> const RandomPermutation& { return *this; });
  }

  /// The same by as many permutations as there are indices: indices[i] = orders[i](indices[i]).
  static void evaluate(std::span<const RandomPermutation> orders,
                       std::span<std::uint64_t> indices) {
    EQUIPOISE_DCHECK(orders.size() == indices.size());
    evaluate(indices, [&](std::size_t i) -> const RandomPermutation& { return orders[i]; });
  }

 private:
  static constexpr std::uint64_t kSmall = 128;
  static constexpr std::uint32_t kFeistelRounds = 8;
  static constexpr std::uint64_t kSwapRounds = 32;

  // The floating-point root is only a first guess, from above.
  static std::uint64_t ceil_sqrt(std::uint64_t n) {
    constexpr std::uint64_t kLargest = std::uint64_t{1} << 32;
    std::uint64_t root = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(n))) + 2;
    if (root > kLargest) root = kLargest;
    while ((root - 1) * (root - 1) >= n) --root;
    return root;
  }

  // Each round pairs x with k - x for a random k and swaps the pair or does not.
  std::uint64_t swap_or_not(std::uint64_t x) const {
    for (std::uint64_t round = 1; round <= kSwapRounds; ++round) {
      const std::uint64_t key = detail::mix64(keys_[0] + round * 0x9e3779b97f4a7c15u);
      std::uint64_t partner = detail::scale(key, n_).integer + n_ - x;
      if (partner >= n_) partner -= n_;
      const std::uint64_t pair = partner > x ? partner : x;
      if (detail::mix64(pair ^ detail::mix64(key)) >> 63 != 0) x = partner;
    }
    return x;
  }

  // Of x = left + a right.
  struct Coordinates {
    std::uint64_t left;
    std::uint64_t right;
  };

  // Each round turns one coordinate by a random function of the other; these are rounds r and r
  // + 1.
  void two_rounds(std::uint32_t r, Coordinates& x) const {
    x.left += detail::scale(detail::mix64(x.right ^ keys_[r]), a_).integer;
    x.left -= x.left >= a_ ? a_ : 0;
    x.right += detail::scale(detail::mix64(x.left ^ keys_[r + 1]), b_).integer;
    x.right -= x.right >= b_ ? b_ : 0;
  }

  std::uint64_t feistel(std::uint64_t i) const {
    Coordinates x{i % a_, i / a_};
    for (std::uint32_t r = 0; r < kFeistelRounds; r += 2) two_rounds(r, x);
    return x.left + a_ * x.right;
  }

  std::uint64_t walked(std::uint64_t i) const {
    while (i >= n_) i = feistel(i);
    return i;
  }

  // In lockstep. Where n is small both coordinates remain 0 and do not count.
  template <class OrderOf>
  static void evaluate(std::span<std::uint64_t> indices, const OrderOf& order_of) {
    constexpr std::size_t kLanes = 64;
    std::array<Coordinates, kLanes> lanes;
    for (std::size_t begin = 0; begin < indices.size(); begin += kLanes) {
      const std::size_t size = std::min(kLanes, indices.size() - begin);
      for (std::size_t i = 0; i < size; ++i) {
        const std::uint64_t index = indices[begin + i];
        const RandomPermutation& order = order_of(begin + i);
        EQUIPOISE_DCHECK(index < order.n_);
        lanes[i] =
            order.n_ < kSmall ? Coordinates{0, 0} : Coordinates{index % order.a_, index / order.a_};
      }
      for (std::uint32_t r = 0; r < kFeistelRounds; r += 2) {
        for (std::size_t i = 0; i < size; ++i) order_of(begin + i).two_rounds(r, lanes[i]);
      }
      for (std::size_t i = 0; i < size; ++i) {
        const RandomPermutation& order = order_of(begin + i);
        std::uint64_t& index = indices[begin + i];
        index = order.n_ < kSmall ? order.swap_or_not(index)
                                  : order.walked(lanes[i].left + order.a_ * lanes[i].right);
      }
    }
  }

  std::uint64_t n_ = 0;
  std::uint64_t a_ = 0;
  std::uint64_t b_ = 0;
  std::array<std::uint64_t, kFeistelRounds> keys_{};
};

/// The integers [0, n) in random order: a Fisher-Yates shuffle in which all orders are equally
/// likely, as far as a 64-bit seed allows; the orders of two sizes are unrelated. The same on every
/// platform. O(n), two swaps per Philox block.
/// @throws std::invalid_argument if Index cannot hold n - 1.
template <class Index>
EQUIPOISE_HOST_INLINE std::vector<Index> shuffled_indices(
    std::size_t n, const CounterRandom& random, std::uint32_t purpose = detail::Purpose::kShuffle) {
  if (n != 0 && !std::in_range<Index>(n - 1)) {
    detail::reject("shuffled_indices", "n", n, "a number of indices that the type holds");
  }
  std::vector<Index> order(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = static_cast<Index>(i);
  const CounterRandom local = detail::of_size(random, n);
  // Half i % 2 of block i / 2 gives the position that i is swapped with; a rejected draw uses the
  // same half of the next attempt's block.
  const auto place = [&](std::size_t i, std::uint64_t bits) {
    detail::Scaled partner = detail::scale(bits, i + 1);
    for (std::uint32_t attempt = 1; !detail::is_unbiased(partner, i + 1); ++attempt) {
      partner = detail::scale(local.block(i / 2, purpose, attempt)[i % 2], i + 1);
    }
    std::swap(order[i], order[static_cast<std::size_t>(partner.integer)]);
  };
  kernels::PhiloxBlocks blocks;
  for (std::size_t end = n / 2 + n % 2; end > 0;) {  // from the last block down
    const std::size_t begin = end - std::min(end, kernels::PhiloxBlocks::kBlocks);
    detail::philox_blocks(local, purpose, begin, 1, blocks);
    for (std::size_t b = end; b-- > begin;) {
      if (2 * b + 1 < n) place(2 * b + 1, blocks.second[b - begin]);
      place(2 * b, blocks.first[b - begin]);
    }
    end = begin;
  }
  return order;
}

}  // namespace equipoise

#endif  // EQUIPOISE_RANDOM_H_
