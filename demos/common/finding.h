// What a reader of files finds, is not refused, and has to be told.
#ifndef EQUIPOISE_DEMOS_COMMON_FINDING_H_
#define EQUIPOISE_DEMOS_COMMON_FINDING_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "demos/common/input_error.h"

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

  /// For what is left out of a file: `count` of `total` things, such as rows, and a remedy.
  /// @throws InputError where they are more than one in a hundred, that names the first of them:
  /// what remains is then hardly what the file says.
  void require_few(std::size_t total, std::string_view things, std::string_view remedy) const {
    if (count * 100 <= total) return;
    throw InputError(first + "; " + std::to_string(count) + " of " + std::to_string(total) + " " +
                     std::string(things) +
                     " are like this, and more than 1 % is not left out: " + std::string(remedy));
  }
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_FINDING_H_
