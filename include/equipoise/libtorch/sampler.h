// Index streams as samplers of LibTorch's data loaders.
#ifndef EQUIPOISE_LIBTORCH_SAMPLER_H_
#define EQUIPOISE_LIBTORCH_SAMPLER_H_

#include <ATen/core/ivalue.h>
#include <torch/data/samplers/base.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/plan/plan.h"
#include "equipoise/plan/text.h"
#include "equipoise/sampling/stream.h"

namespace equipoise::libtorch {
namespace detail {

// The parameter type of a member function with one parameter.
template <class>
struct ParameterOf;
template <class C, class A>
struct ParameterOf<void (C::*)(A)> {
  using type = A;
};

}  // namespace detail

/// Turns an IndexStream into a sampler for torch::data::make_data_loader, one epoch at a time.
///
/// A sampler is a handle: copies share one position. So it can be queried and moved while a loader,
/// which makes a copy, draws from it, and the loader cannot lose the position:
/// - Loaders fetch batches ahead. The position counts indices consumed, not indices issued: call
///   consume(n) after a batch of n, or loop over batches(loader, sampler), which does it.
/// - Loaders call reset() at the start of every loop. It goes back to the position consumed, or on
///   to the next epoch if all of the epoch had been issued.
/// - save() stores the position consumed, load() goes there, and the next loop of a loader
///   continues from it. The position counts over all workers, so a different number of workers may
///   continue. Given a Plan, save() stores it too and load() rejects a different one.
///
/// Each worker makes a sampler with its own shard of the same stream. Not safe for use by several
/// threads at once; loaders draw indices in the thread that loops.
template <sampling::IndexStream S>
class StreamSampler : public torch::data::samplers::Sampler<> {
  using Base = torch::data::samplers::Sampler<>;
  // LibTorch 1.13 has c10::optional here, 2.x std::optional.
  using OptionalSize = typename detail::ParameterOf<decltype(&Base::reset)>::type;
  using OptionalBatch = decltype(std::declval<Base&>().next(1));

 public:
  /// Starts at the first epoch. See shard_positions() for the positions of a shard in an epoch.
  /// @throws std::invalid_argument for a rank outside [0, world).
  explicit StreamSampler(S stream, const sampling::Shard& shard = {},
                         sampling::Tail tail = sampling::Tail::kExtend)
      : state_(std::make_shared<State>(std::move(stream), shard, tail)) {
    equipoise::detail::require_shard("StreamSampler", shard);
    set_epoch(0);
  }

  /// Called by loaders; see above. O(1).
  /// @throws std::invalid_argument for a new size: the stream fixes the size.
  // NOLINTNEXTLINE(google-default-arguments): as the base class has it
  void reset(OptionalSize new_size = {}) override {
    if (new_size) {
      equipoise::detail::reject("StreamSampler::reset", "new_size", *new_size,
                                "none: the stream fixes the size of an epoch");
    }
    State& state = *state_;
    // load() may place a worker where it has no positions left but others have a few.
    const bool has_to_wait = state.is_placed && state.consumed < state.end;
    if (state.left_after(state.issued) == 0 && !has_to_wait) {
      start_epoch(state.epoch + 1, state.next_epoch());
    }
    rewind();
  }

  /// The next indices of this shard, at most batch_size; none at the end of the epoch.
  OptionalBatch next(std::size_t batch_size) override {
    State& state = *state_;
    state.is_placed = false;
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>(batch_size, state.left_after(state.issued)));
    if (size == 0) return {};
    std::vector<std::size_t> indices(size);
    const std::uint64_t begin = state.issued + state.shard.rank;
    if constexpr (requires(std::span<std::int64_t> out) { state.stream.fill(begin, out, begin); }) {
      buffer_.resize(size);
      state.stream.fill(begin, buffer_, state.shard.world);
      std::copy(buffer_.begin(), buffer_.end(), indices.begin());
    } else {
      for (std::size_t i = 0; i < size; ++i) {
        indices[i] = static_cast<std::size_t>(state.stream[begin + i * state.shard.world]);
      }
    }
    state.issued = state.after(state.issued, size);
    state.batch_ends.push_back(state.issued);
    return indices;
  }

  /// Records that `n` more of the issued indices have been used. O(1) for whole batches.
  /// @throws std::invalid_argument for more than were issued.
  void consume(std::size_t n) {
    State& state = *state_;
    const std::uint64_t pending =
        equipoise::detail::share_of_shard(state.issued - state.consumed, state.shard);
    if (n > pending) {
      equipoise::detail::reject(
          "StreamSampler::consume", "n", n,
          "at most " + equipoise::detail::to_text(pending) + " (issued and not yet consumed)");
    }
    state.consumed = std::min(state.after(state.consumed, n), state.issued);
    while (!state.batch_ends.empty() && state.batch_ends.front() <= state.consumed) {
      state.batch_ends.pop_front();
    }
  }

  /// Records that one more of the issued batches has been used up. O(1).
  /// @throws std::invalid_argument if everything issued has been consumed.
  void consume_batch() {
    State& state = *state_;
    if (state.batch_ends.empty()) {
      equipoise::detail::invalid_argument(
          "StreamSampler::consume_batch(): no batch is issued and not yet consumed");
    }
    state.consumed = state.batch_ends.front();
    state.batch_ends.pop_front();
  }

  /// Goes to the start of an epoch. Works on any copy, between the loops of a loader.
  void set_epoch(std::uint64_t epoch) {
    const State& state = *state_;
    start_epoch(epoch, epoch * equipoise::detail::epoch_stride(state.stream.epoch_size(),
                                                               state.shard.world, state.tail));
    rewind();
    state_->is_placed = true;
  }

  /// The current epoch, from 0.
  std::uint64_t epoch() const { return state_->epoch; }

  /// The position in the stream up to which all workers have consumed, if they keep step.
  std::uint64_t position() const { return state_->consumed; }

  /// The number of indices of this shard in a whole epoch.
  std::uint64_t size() const {
    const State& state = *state_;
    return equipoise::detail::share_of_shard(
        equipoise::detail::span_of_shards(state.stream.epoch_size(), state.shard.world, state.tail),
        state.shard);
  }

  /// The stream that is sampled from.
  const S& stream() const { return state_->stream; }

  /// Stores the position and the stream's identity. Costs as much as stream().fingerprint().
  void save(torch::serialize::OutputArchive& archive) const override {
    const State& state = *state_;
    const std::array<std::uint64_t, kFields> values{state.stream.seed(),
                                                    state.stream.epoch_size(),
                                                    state.stream.fingerprint(),
                                                    state.epoch,
                                                    state.begin,
                                                    state.consumed};
    for (std::size_t i = 0; i < kFields; ++i) {
      archive.write(kNames[i], c10::IValue(static_cast<std::int64_t>(values[i])));
    }
  }

  /// The same with the plan that the training follows, as text.
  /// @throws std::invalid_argument for a plan that is not valid; see parse_plan().
  void save(torch::serialize::OutputArchive& archive, const Plan& plan) const {
    equipoise::detail::require_plan("StreamSampler::save", plan);
    save(archive);
    archive.write(kPlan, c10::IValue(equipoise::to_text(plan)));
  }

  /// Goes to a stored position, in this handle and all its copies. Nothing changes on failure. A
  /// stored plan is ignored.
  /// @throws std::invalid_argument if the archive is of a stream with another seed, epoch size or
  /// fingerprint, naming what differs; c10::Error if it is not of a sampler.
  void load(torch::serialize::InputArchive& archive) override {
    std::array<std::uint64_t, kFields> values{};
    for (std::size_t i = 0; i < kFields; ++i) {
      c10::IValue value;
      archive.read(kNames[i], value);
      values[i] = static_cast<std::uint64_t>(value.toInt());
    }
    const auto [seed, epoch_size, fingerprint, epoch, begin, consumed] = values;
    State& state = *state_;
    require_equal("seed", seed, state.stream.seed(), "the stream's");
    require_equal("epoch_size", epoch_size, state.stream.epoch_size(), "the stream's");
    require_equal("fingerprint", fingerprint, state.stream.fingerprint(),
                  "the stream's: labels, weights or options differ");
    start_epoch(epoch, begin);
    // If the number of workers differs, the rest of the epoch is divided again.
    state.consumed = consumed;
    state.end = consumed + (consumed < begin + epoch_size
                                ? equipoise::detail::span_of_shards(begin + epoch_size - consumed,
                                                                    state.shard.world, state.tail)
                                : 0);
    rewind();
    state.is_placed = true;
  }

  /// The same for a training run with a plan: it rejects any plan that differs in any field from
  /// the one it was stored with, even if the stream would be the same.
  /// @throws std::invalid_argument as load() without a plan and require_same_plan(), which names
  /// what differs, and for an archive that was saved without a plan.
  void load(torch::serialize::InputArchive& archive, const Plan& plan) {
    c10::IValue stored;
    if (!archive.try_read(kPlan, stored)) {
      equipoise::detail::invalid_argument(
          "StreamSampler::load(): the archive holds no plan: it was saved without one");
    }
    require_same_plan(parse_plan(stored.toStringRef()), plan);
    load(archive);
  }

 private:
  static constexpr const char* kPlan = "plan";
  static constexpr std::size_t kFields = 6;
  static constexpr std::array<const char*, kFields> kNames{"seed",  "epoch_size", "fingerprint",
                                                           "epoch", "begin",      "consumed"};

  // Positions in the stream, over all workers.
  struct State {
    S stream;
    sampling::Shard shard;
    sampling::Tail tail;
    std::uint64_t epoch = 0;
    std::uint64_t begin = 0;                 // of the epoch
    std::uint64_t end = 0;                   // of the positions that all workers together take
    std::uint64_t consumed = 0;              // everything before is used
    std::uint64_t issued = 0;                // everything before is handed out
    bool is_placed = false;                  // by set_epoch() or load(), and not read since
    std::deque<std::uint64_t> batch_ends{};  // of the batches between

    State(S stream_, const sampling::Shard& shard_, sampling::Tail tail_)
        : stream(std::move(stream_)), shard(shard_), tail(tail_) {}

    // The start of a worker's next index, `n` of its indices further.
    std::uint64_t after(std::uint64_t position, std::uint64_t n) const {
      return std::min(position + n * shard.world, end);
    }
    // The number of indices of the epoch that a worker at a position has left.
    std::uint64_t left_after(std::uint64_t position) const {
      return equipoise::detail::share_of_shard(end - position, shard);
    }
    std::uint64_t next_epoch() const {
      return tail == sampling::Tail::kExtend ? end : begin + stream.epoch_size();
    }
  };

  void start_epoch(std::uint64_t epoch, std::uint64_t begin) {
    State& state = *state_;
    state.epoch = epoch;
    state.begin = state.consumed = begin;
    state.end = begin + equipoise::detail::span_of_shards(state.stream.epoch_size(),
                                                          state.shard.world, state.tail);
  }

  void rewind() {
    state_->issued = state_->consumed;
    state_->batch_ends.clear();
  }

  static void require_equal(std::string_view name, std::uint64_t stored, std::uint64_t expected,
                            std::string_view whose) {
    if (stored == expected) return;
    equipoise::detail::reject(
        "StreamSampler::load", "archive's " + std::string(name), stored,
        equipoise::detail::to_text(expected) + " (" + std::string(whose) + ")");
  }

  std::shared_ptr<State> state_;
  std::vector<std::int64_t> buffer_;
};

/// The batches of one loop over a data loader; see batches().
template <class Loader, class Sampler>
class ConsumedBatches {
 public:
  /// The loader's batches, each consumed when it is first accessed.
  class Iterator {
    using Wrapped = decltype(std::declval<Loader&>().begin());

   public:
    using iterator_category = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = std::remove_reference_t<decltype(*std::declval<Wrapped&>())>;
    using reference = value_type&;
    using pointer = value_type*;

    Iterator(Wrapped wrapped, Sampler sampler)
        : wrapped_(std::move(wrapped)), sampler_(std::move(sampler)) {}

    reference operator*() {
      reference batch = *wrapped_;
      if (!consumed_) sampler_.consume_batch();
      consumed_ = true;
      return batch;
    }
    pointer operator->() { return &**this; }
    Iterator& operator++() {
      ++wrapped_;
      consumed_ = false;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.wrapped_ == b.wrapped_;
    }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

   private:
    Wrapped wrapped_;
    Sampler sampler_;
    bool consumed_ = false;
  };

  ConsumedBatches(Loader& loader, Sampler sampler)
      : loader_(&loader), sampler_(std::move(sampler)) {}

  Iterator begin() { return Iterator(loader_->begin(), sampler_); }
  Iterator end() { return Iterator(loader_->end(), sampler_); }

 private:
  Loader* loader_;
  Sampler sampler_;
};

/// A range over the batches of a loader that draws from `sampler` or a copy: each batch counts as
/// consumed as soon as the loop body has it, so a position saved at the end of the body, or after
/// leaving the loop, is behind the batches that were seen.
/// @throws std::invalid_argument for a loader with several threads that do not keep batches in
/// order: the batches consumed would then not correspond to a position in the stream.
template <class Loader, sampling::IndexStream S>
requires requires(Loader& loader) { loader.options(); }
ConsumedBatches<Loader, StreamSampler<S>> batches(Loader& loader, const StreamSampler<S>& sampler) {
  if (!loader.options().enforce_ordering && loader.options().workers > 1) {
    equipoise::detail::reject("batches", "loader.options().enforce_ordering", "false",
                              "true, with more than one thread");
  }
  return {loader, sampler};
}

/// The same for what torch::data::make_data_loader() returns.
template <class Loader, sampling::IndexStream S>
ConsumedBatches<Loader, StreamSampler<S>> batches(const std::unique_ptr<Loader>& loader,
                                                  const StreamSampler<S>& sampler) {
  return batches(*loader, sampler);
}

}  // namespace equipoise::libtorch

#endif  // EQUIPOISE_LIBTORCH_SAMPLER_H_
