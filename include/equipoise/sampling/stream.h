// The concept of all samplers: infinite sequences of indices, which are sharded over ranks and
// resumed from a position.
#ifndef EQUIPOISE_SAMPLING_STREAM_H_
#define EQUIPOISE_SAMPLING_STREAM_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"

namespace equipoise::sampling {

/// An infinite sequence of draws, cut into epochs: draw i of epoch e stands at position
/// t = e * epoch_size() + i. `stream[t]` is a pure function of the stream and t, so seeking is free
/// and ranks and threads need no communication. `fingerprint()` tells configurations apart (labels,
/// weights, options; not the seed).
template <class S>
concept DrawStream = std::copy_constructible<S> && requires(const S& stream, std::uint64_t t) {
  stream[t];
  { stream.seed() } -> std::same_as<std::uint64_t>;
  { stream.epoch_size() } -> std::same_as<std::uint64_t>;
  { stream.fingerprint() } -> std::same_as<std::uint64_t>;
};

/// A stream whose draws are row indices.
template <class S>
concept IndexStream = DrawStream<S> && requires(const S& stream, std::uint64_t t) {
  { stream[t] } -> std::convertible_to<std::size_t>;
};

/// One of `world` workers: it takes every world-th position of a range, starting with its rank.
struct Shard {
  std::uint64_t rank = 0;
  std::uint64_t world = 1;

  friend constexpr bool operator==(const Shard&, const Shard&) = default;
};

/// What happens to the positions that do not divide evenly by the number of workers. No position is
/// ever taken twice.
enum class Tail {
  /// The epoch goes on with further draws until all workers have equally many: for training.
  kExtend,
  /// The last few positions of the epoch are left out.
  kDrop,
  /// Every position is taken once; low ranks have one more: for evaluation.
  kUneven,
};

/// The positions begin, begin + stride, ..., `size` of them.
struct Positions {
  std::uint64_t begin = 0;
  std::uint64_t stride = 1;
  std::uint64_t size = 0;

  /// Position i, unchecked.
  constexpr std::uint64_t operator[](std::uint64_t i) const { return begin + i * stride; }

  friend constexpr bool operator==(const Positions&, const Positions&) = default;
};

}  // namespace equipoise::sampling

namespace equipoise::detail {

inline void require_shard(std::string_view where, const sampling::Shard& shard) {
  if (shard.world == 0) reject(where, "shard.world", shard.world, "at least 1");
  require_rank(where, "shard.rank", shard.rank, shard.world);
}

// The number of positions, out of `length`, that all workers together take.
constexpr std::uint64_t span_of_shards(std::uint64_t length, std::uint64_t world,
                                       sampling::Tail tail) {
  const std::uint64_t rest = length % world;
  if (tail == sampling::Tail::kUneven || rest == 0) return length;
  return tail == sampling::Tail::kDrop ? length - rest : length + (world - rest);
}

// The distance between the starts of consecutive epochs: a lengthened epoch moves its successors.
constexpr std::uint64_t epoch_stride(std::uint64_t epoch_size, std::uint64_t world,
                                     sampling::Tail tail) {
  return tail == sampling::Tail::kExtend ? span_of_shards(epoch_size, world, tail) : epoch_size;
}

// The number of positions of a shard in a range of `span`.
constexpr std::uint64_t share_of_shard(std::uint64_t span, const sampling::Shard& shard) {
  return span <= shard.rank ? 0 : (span - shard.rank - 1) / shard.world + 1;
}

// A 64-bit digest of integers, in their order.
class Fingerprint {
 public:
  constexpr Fingerprint& add(std::uint64_t value) {
    state_ = mix64((state_ ^ value) * 0x9e3779b97f4a7c15u + 1);
    return *this;
  }
  template <class Values>
  constexpr Fingerprint& add_all(const Values& values) {
    add(values.size());
    for (const auto& value : values) add(static_cast<std::uint64_t>(value));
    return *this;
  }
  constexpr std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x4571;
};

}  // namespace equipoise::detail

namespace equipoise::sampling {

/// The positions of one epoch that a shard takes. With Tail::kExtend the epoch is lengthened to a
/// multiple of the number of workers, and the next epoch starts behind it. The shards of an epoch
/// are disjoint and together cover it, except the positions that kDrop leaves out. O(1).
/// @throws std::invalid_argument for a rank outside [0, world).
inline Positions shard_positions(std::uint64_t epoch_size, std::uint64_t epoch, const Shard& shard,
                                 Tail tail = Tail::kExtend) {
  detail::require_shard("shard_positions", shard);
  const std::uint64_t span = detail::span_of_shards(epoch_size, shard.world, tail);
  const std::uint64_t begin = epoch * detail::epoch_stride(epoch_size, shard.world, tail);
  return {begin + shard.rank, shard.world, detail::share_of_shard(span, shard)};
}

/// A place in a stream: all that a checkpoint has to hold. `position` counts over all workers, so a
/// cursor is valid for any number of them.
struct Cursor {
  std::uint64_t seed = 0;
  std::uint64_t position = 0;
  std::uint64_t fingerprint = 0;

  friend constexpr bool operator==(const Cursor&, const Cursor&) = default;
};

/// The cursor of a position. Costs as much as stream.fingerprint().
template <DrawStream S>
Cursor cursor_at(const S& stream, std::uint64_t position) {
  return {stream.seed(), position, stream.fingerprint()};
}

/// The position at which to go on with a stream that is equal to the one the cursor was taken from.
/// @throws std::invalid_argument if the seeds or the fingerprints differ, saying which.
template <DrawStream S>
std::uint64_t resume(const S& stream, const Cursor& cursor) {
  if (cursor.seed != stream.seed()) {
    detail::reject("resume", "cursor.seed", cursor.seed,
                   "the seed of the stream, " + detail::to_text(stream.seed()));
  }
  if (cursor.fingerprint != stream.fingerprint()) {
    detail::reject("resume", "cursor.fingerprint", cursor.fingerprint,
                   detail::to_text(stream.fingerprint()) +
                       ": labels, weights or options are not those the cursor was taken with");
  }
  return cursor.position;
}

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_STREAM_H_
