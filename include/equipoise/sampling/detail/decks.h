// Shuffling without memory: windows of slots, and the rows of a class as decks of cards.
#ifndef EQUIPOISE_SAMPLING_DETAIL_DECKS_H_
#define EQUIPOISE_SAMPLING_DETAIL_DECKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "equipoise/random.h"

namespace equipoise::detail {

// The permutation of a class's deck number `number`, of `size` cards.
inline RandomPermutation deck_order(const CounterRandom& random, std::size_t c,
                                    std::uint64_t number, std::uint64_t size) {
  return RandomPermutation(size, CounterRandom{random.bits(c, Purpose::kDeckSeed)}, number,
                           Purpose::kDeck);
}

// Deals the rows of each class like a deck of cards, which is dealt out before it is shuffled anew.
// The orders of the decks last dealt from are remembered, one in each of kPlaces places.
template <std::size_t kPlaces>
class Decks {
 public:
  explicit Decks(const CounterRandom& random) : random_(random) {}

  // Which of the `size` >= 1 rows of class c is the card of a rank, counted from the first deck on.
  std::uint64_t operator()(std::size_t c, std::uint64_t rank, std::uint64_t size) {
    return order(c, rank / size, size)(rank % size);
  }

  // The order of a class's deck number `number`; until it is asked for another.
  const RandomPermutation& order(std::size_t c, std::uint64_t number, std::uint64_t size) {
    std::optional<Deck>& deck = decks_[(c * 7 + number) % kPlaces];
    if (!deck || deck->class_index != c || deck->number != number) {
      deck.emplace(Deck{c, number, deck_order(random_, c, number, size)});
    }
    return deck->order;
  }

 private:
  struct Deck {
    std::size_t class_index;
    std::uint64_t number;
    RandomPermutation order;
  };

  CounterRandom random_;
  std::array<std::optional<Deck>, kPlaces> decks_;
};

// Positions shuffled within windows of equal size; the order of the last window is remembered.
class ShuffledWindows {
 public:
  ShuffledWindows(const CounterRandom& random, std::uint64_t size, std::uint32_t purpose)
      : random_(random), size_(size), purpose_(purpose) {}

  // Where in its window position t goes.
  std::uint64_t place(std::uint64_t t) { return order(t / size_)(t % size_); }

  // out[i] = place(t + i * stride) for all i.
  void places(std::uint64_t t, std::uint64_t stride, std::span<std::uint64_t> out) {
    for (std::size_t end = 0; end < out.size();) {
      const std::size_t begin = end;
      const std::uint64_t number = t / size_;
      for (; end < out.size() && t / size_ == number; ++end, t += stride) out[end] = t % size_;
      order(number).evaluate(out.subspan(begin, end - begin));
    }
  }

 private:
  const RandomPermutation& order(std::uint64_t number) {
    if (!window_ || window_->first != number) {
      window_.emplace(number, RandomPermutation(size_, random_, number, purpose_));
    }
    return window_->second;
  }

  CounterRandom random_;
  std::uint64_t size_;
  std::uint32_t purpose_;
  std::optional<std::pair<std::uint64_t, RandomPermutation>> window_;
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SAMPLING_DETAIL_DECKS_H_
