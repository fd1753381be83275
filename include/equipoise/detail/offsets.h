// Rows of several labels each: row i holds labels[offsets[i], offsets[i + 1]).
#ifndef EQUIPOISE_DETAIL_OFFSETS_H_
#define EQUIPOISE_DETAIL_OFFSETS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "equipoise/detail/check.h"

namespace equipoise::detail {

// Offsets start at 0, never fall, and end at `size`.
template <class O>
void require_offsets(std::string_view where, std::span<const O> offsets, std::size_t size) {
  if (offsets.empty()) reject(where, "offsets.size()", 0, "at least 1");
  if (offsets[0] != 0) reject_element(where, "offsets", 0, offsets[0], "0");
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    if (offsets[i] < offsets[i - 1]) {
      reject_element(where, "offsets", i, offsets[i],
                     "at least its predecessor " + to_text(offsets[i - 1]));
    }
  }
  if (static_cast<std::uint64_t>(offsets.back()) != size) {
    reject_element(where, "offsets", offsets.size() - 1, offsets.back(),
                   to_text(size) + " (labels)");
  }
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_DETAIL_OFFSETS_H_
