// What a reader of files finds, is not refused, and has to be told.
#ifndef EQUIPOISE_DEMOS_COMMON_FINDING_H_
#define EQUIPOISE_DEMOS_COMMON_FINDING_H_

#include <cstddef>
#include <string>

namespace equipoise::demos {

/// How often something was found, and the first of it: "FILE:LINE: reason".
struct Finding {
  std::size_t count = 0;
  std::string first{};

  Finding& operator+=(const Finding& more) {
    if (count == 0) first = more.first;
    count += more.count;
    return *this;
  }

  /// "; 3 WHAT, the first FILE:LINE: reason", or nothing where nothing was found.
  std::string text(const std::string& what) const {
    if (count == 0) return "";
    return "; " + std::to_string(count) + " " + what + ", the first " + first;
  }
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_FINDING_H_
