// The text of the error that a call ends with.
#ifndef EQUIPOISE_TESTS_SUPPORT_ERRORS_H_
#define EQUIPOISE_TESTS_SUPPORT_ERRORS_H_

#include <stdexcept>
#include <string>

namespace equipoise::testing {

/// What std::invalid_argument says that f throws.
template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// What std::runtime_error says that f throws.
template <class F>
std::string runtime_error_of(const F& f) {
  try {
    f();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_ERRORS_H_
