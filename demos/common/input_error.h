// What is wrong with a file that somebody gave a demo.
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

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_INPUT_ERROR_H_
