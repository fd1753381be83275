// For each of many rows the few least of the numbers that are offered to it.
#ifndef EQUIPOISE_RESAMPLING_DETAIL_NEAREST_LISTS_H_
#define EQUIPOISE_RESAMPLING_DETAIL_NEAREST_LISTS_H_

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "equipoise/config.h"

namespace equipoise::detail {

// Lists of at most `most` entries, ascending by value and then by index.
template <class T>
class NearestLists {
 public:
  struct Entry {
    T value;
    std::size_t index;

    friend bool operator<(const Entry& a, const Entry& b) {
      return a.value < b.value || (a.value == b.value && a.index < b.index);
    }
  };

  NearestLists(std::size_t lists, std::size_t most)
      : most_(most),
        entries_(lists * most),
        sizes_(lists),
        thresholds_(lists + std::size_t{kPadding}, std::numeric_limits<T>::max()) {
    std::fill(thresholds_.end() - kPadding, thresholds_.end(), std::numeric_limits<T>::lowest());
  }

  // A value at or above a list's threshold need not be offered to it: the largest number until the
  // list is full. kPadding more follow, for lists that there are not, which no value is below.
  static constexpr std::ptrdiff_t kPadding = 64;
  const T* thresholds() const { return thresholds_.data(); }

  std::span<const Entry> operator[](std::size_t list) const {
    return {entries_.data() + list * most_, sizes_[list]};
  }
  bool is_full(std::size_t list) const { return sizes_[list] == most_; }

  void offer(std::size_t list, T value, std::size_t index) {
    const Entry entry{value, index};
    Entry* const first = entries_.data() + list * most_;
    std::size_t& size = sizes_[list];
    if (size == most_) {
      if (!(entry < first[size - 1])) return;
      --size;
    }
    std::size_t place = size++;
    for (; place > 0 && entry < first[place - 1]; --place) first[place] = first[place - 1];
    first[place] = entry;
    if (size == most_) thresholds_[list] = first[size - 1].value;
  }

 private:
  std::size_t most_;
  std::vector<Entry> entries_;
  std::vector<std::size_t> sizes_;
  std::vector<T> thresholds_;
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_DETAIL_NEAREST_LISTS_H_
