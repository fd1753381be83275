// Streams for methods that look at all weights at once: one list of rows per epoch.
#ifndef EQUIPOISE_SAMPLING_EPOCH_STREAM_H_
#define EQUIPOISE_SAMPLING_EPOCH_STREAM_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/sampling/stream.h"

namespace equipoise::sampling {

/// A rule for an epoch: `rule(e)` is the list of the rows of epoch e, epoch_size() of them, a pure
/// function of the rule and e.
template <class R>
concept EpochRule = std::copy_constructible<R> && requires(const R& rule, std::uint64_t epoch) {
  { rule(epoch) } -> std::convertible_to<std::vector<std::int64_t>>;
  { rule.seed() } -> std::same_as<std::uint64_t>;
  { rule.epoch_size() } -> std::same_as<std::uint64_t>;
  { rule.fingerprint() } -> std::same_as<std::uint64_t>;
};

/// Turns a rule into an IndexStream. Position t is row t mod M of the list of epoch t / M, M being
/// the rule's epoch_size().
///
/// The first draw from an epoch, at any position, costs as much as making the epoch's list; further
/// draws from the same epoch are O(1). All copies of the stream share one list, 8 bytes per draw,
/// so copies that draw from different epochs in turn make it again each time. Safe for use by
/// several threads at once.
template <EpochRule R>
class EpochStream {
 public:
  explicit EpochStream(R rule) : rule_(std::move(rule)), cache_(std::make_shared<Cache>()) {}

  /// The row drawn at position t.
  std::size_t operator[](std::uint64_t t) const {
    const std::uint64_t size = rule_.epoch_size();
    return static_cast<std::size_t>((*list_of(t / size))[static_cast<std::size_t>(t % size)]);
  }

  /// out[i] = (*this)[t + i * stride] for all i.
  void fill(std::uint64_t t, std::span<std::int64_t> out, std::uint64_t stride = 1) const {
    const std::uint64_t size = rule_.epoch_size();
    std::uint64_t epoch = t / size;
    List list;
    for (std::int64_t& row : out) {
      if (!list || t / size != epoch) {
        epoch = t / size;
        list = list_of(epoch);
      }
      row = (*list)[static_cast<std::size_t>(t % size)];
      t += stride;
    }
  }

  /// The seed, epoch size and fingerprint of the rule, and the rule itself.
  std::uint64_t seed() const { return rule_.seed(); }
  std::uint64_t epoch_size() const { return rule_.epoch_size(); }
  std::uint64_t fingerprint() const { return rule_.fingerprint(); }
  const R& rule() const { return rule_; }

 private:
  using List = std::shared_ptr<const std::vector<std::int64_t>>;
  struct Cache {
    std::mutex mutex;
    std::uint64_t epoch = 0;
    List list;
  };

  List list_of(std::uint64_t epoch) const {
    const std::lock_guard<std::mutex> lock(cache_->mutex);
    if (!cache_->list || cache_->epoch != epoch) {
      cache_->list = std::make_shared<const std::vector<std::int64_t>>(rule_(epoch));
      cache_->epoch = epoch;
    }
    return cache_->list;
  }

  R rule_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_EPOCH_STREAM_H_
