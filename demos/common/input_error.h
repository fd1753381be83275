// What is wrong with files that somebody gave a demo: errors, and defects that are only counted.
#ifndef EQUIPOISE_DEMOS_COMMON_INPUT_ERROR_H_
#define EQUIPOISE_DEMOS_COMMON_INPUT_ERROR_H_

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace equipoise::demos {

/// An error in a file or a flag, to be shown as it is: "FILE:LINE: reason". Programs end with exit
/// code kInputErrorExitCode, before they have written anything.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;

  /// Lines count from 1; 0 stands for the file as a whole.
  InputError(std::string_view file, std::size_t line, std::string_view reason)
      : std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " +
                           std::string(reason)) {}
};

inline constexpr int kInputErrorExitCode = 2;

/// How the known defects of files are treated.
enum class Flaws {
  kRepair,  ///< they are repaired and counted; what cannot be is an error where it is more than 1 %
  kSkip,    ///< the same, but what cannot be repaired is left out and counted, however much it is
  kRefuse,  ///< any defect is an error
};

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

#endif  // EQUIPOISE_DEMOS_COMMON_INPUT_ERROR_H_
