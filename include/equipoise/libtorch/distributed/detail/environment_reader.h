// The variables of an environment as text and integers, with an error where they are missing.
#ifndef EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_ENVIRONMENT_READER_H_
#define EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_ENVIRONMENT_READER_H_

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "equipoise/libtorch/distributed/detail/errors.h"

namespace equipoise::libtorch::detail {

// The variables of an environment that tell a worker who it is.
template <class Lookup>
class EnvironmentReader {
 public:
  EnvironmentReader(const char* where, const Lookup& lookup) : where_(where), lookup_(lookup) {}

  std::string text(const char* name, std::string_view expected) const {
    const char* const value = lookup_(name);
    if (value == nullptr) reject(where_, name, "(not set)", expected);
    if (*value == '\0') reject(where_, name, "(empty)", expected);
    return value;
  }

  int integer(const char* name, int least, int most, std::string_view of_what) const {
    const std::string expected =
        std::string(of_what) + " in [" + std::to_string(least) + ", " + std::to_string(most) + "]";
    const std::string value = text(name, expected);
    int number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || *end != '\0' || number < least || number > most) {
      reject(where_, name, "\"" + value + "\"", expected);
    }
    return number;
  }

 private:
  const char* where_;
  const Lookup& lookup_;
};

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DISTRIBUTED_DETAIL_ENVIRONMENT_READER_H_
