// Classes in exact proportion: the class of a slot, and how many earlier slots have the same class.
#ifndef EQUIPOISE_SAMPLING_QUOTA_H_
#define EQUIPOISE_SAMPLING_QUOTA_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/random.h"
#include "equipoise/sampling/alias_table.h"
#include "equipoise/sampling/detail/integer_masses.h"

namespace equipoise::sampling {

/// An infinite sequence of classes in which every stretch of slots, and so every prefix and every
/// window, holds each class c within 3.36 of its expectation, length * q_c / sum(q). Independent
/// draws deviate by about the square root of the length instead.
///
/// It is a Huffman tree over the classes. A node deals its slots 0, 1, 2, ... like a Bresenham
/// line: of the first t slots its left child, of relative mass p, gets floor(t p + u), with u a
/// random phase. So the k-th slot of each subtree is known without going through those before it.
///
/// The bound: of n consecutive slots of a node each child gets its proportion of n with an error of
/// less than one. Going down from the root, where there is no error, each step multiplies the error
/// so far by the child's relative mass and adds its own. So a class of mass w, below nodes of
/// masses P_1 < P_2 < ... < P_k less the root, deviates by less than 1 + w / P_1 + ... + w / P_k.
/// In a Huffman tree P_1 > w, P_2 >= P_1 + w and P_{i+2} >= P_{i+1} + P_i, since the lightest nodes
/// are merged first (Katona & Nemetz 1976). Hence C classes deviate by less than the sum of
/// the first C - 1 reciprocal Fibonacci numbers, 1 + 1 + 1/2 + 1/3 + 1/5 + ...: 1 for two classes,
/// 2 for three, 2.5 for four, 3.3599 for any number. Masses near (tiny, 1, 1, 1, 2, 3, 5, 8) come
/// near it. In addition, masses are rounded to integers that sum to 2^62, which shifts the counts
/// in n slots by less than C n / 2^60.
class QuotaSequence {
 public:
  /// The class of a slot, and the number of slots before it that have the same class.
  struct Slot {
    std::size_t class_index;
    std::uint64_t rank;

    friend constexpr bool operator==(const Slot&, const Slot&) = default;
  };

  /// Phases come from `random`. O(C log C).
  /// @throws std::invalid_argument for a proportion that is negative, NaN or infinite, and for
  /// proportions that are empty or all zero.
  QuotaSequence(std::span<const double> proportions, const CounterRandom& random)
      : QuotaSequence(masses_of("QuotaSequence", proportions), random) {}

  /// Slot t of the sequence. Takes as many steps as the class's Huffman code has digits: about
  /// log2(sum(q) / q_c).
  Slot operator[](std::uint64_t t) const {
    std::int64_t node = root_;
    while (node >= 0) {
      const Node& split = nodes_[static_cast<std::size_t>(node)];
      const std::uint64_t left_before = split.left_of_first(t);
      if (split.left_of_first(t + 1) > left_before) {
        t = left_before;
        node = split.left;
      } else {
        t -= left_before;
        node = split.right;
      }
    }
    return {static_cast<std::size_t>(-1 - node), t};
  }

 private:
  friend class ClassSampler;

  // A child is a node, or -1 - c for class c.
  struct Node {
    std::uint64_t share;  // of the left child, in 2^-63
    std::uint64_t phase;  // in 2^-63
    std::int64_t left;
    std::int64_t right;

    std::uint64_t left_of_first(std::uint64_t t) const {
      return static_cast<std::uint64_t>((static_cast<detail::uint128>(t) * share + phase) >> 63);
    }
  };

  static std::vector<std::uint64_t> masses_of(std::string_view where,
                                              std::span<const double> proportions) {
    return detail::integer_masses(where, "proportions", proportions, std::uint64_t{1} << 62);
  }

  QuotaSequence(const std::vector<std::uint64_t>& masses, const CounterRandom& random) {
    // Equal masses are ordered by their index, so that the tree is the same everywhere.
    using Item = std::pair<std::uint64_t, std::int64_t>;
    const auto after = [](const Item& a, const Item& b) { return b < a; };
    std::vector<Item> lightest;  // a heap
    for (std::size_t c = 0; c < masses.size(); ++c) {
      if (masses[c] != 0) lightest.push_back({masses[c], -1 - static_cast<std::int64_t>(c)});
    }
    std::make_heap(lightest.begin(), lightest.end(), after);
    const auto pop = [&] {
      std::pop_heap(lightest.begin(), lightest.end(), after);
      const Item item = lightest.back();
      lightest.pop_back();
      return item;
    };
    while (lightest.size() > 1) {
      const auto [left_mass, left] = pop();
      const auto [right_mass, right] = pop();
      const std::uint64_t mass = left_mass + right_mass;
      const auto share =
          static_cast<std::uint64_t>((static_cast<detail::uint128>(left_mass) << 63) / mass);
      const std::uint64_t phase = random.bits(nodes_.size(), detail::Purpose::kQuotaPhase) >> 1;
      nodes_.push_back({share, phase, left, right});
      lightest.push_back({mass, static_cast<std::int64_t>(nodes_.size()) - 1});
      std::push_heap(lightest.begin(), lightest.end(), after);
    }
    root_ = lightest.front().second;
  }

  std::vector<Node> nodes_;
  std::int64_t root_ = 0;
};

}  // namespace equipoise::sampling

#endif  // EQUIPOISE_SAMPLING_QUOTA_H_
