// What the fuzz targets share: a property that does not hold ends the program, so that the fuzzer
// keeps the input.
#ifndef EQUIPOISE_TESTS_FUZZ_PROPERTIES_H_
#define EQUIPOISE_TESTS_FUZZ_PROPERTIES_H_

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "demos/common/input_error.h"

namespace equipoise::demos {

inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return size == 0 ? std::string_view()
                   : std::string_view(reinterpret_cast<const char*>(data), size);
}

/// The number of lines, which end as split_lines() has it; the last one need not end.
inline std::size_t count_lines(std::string_view text) {
  std::size_t ends = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const bool goes_on = rest.starts_with("\r\n") || rest.starts_with("\r\r\n");
    ends += rest[0] == '\n' || (rest[0] == '\r' && !goes_on) ? 1 : 0;
  }
  return ends + (text.empty() || text.ends_with('\n') || text.ends_with('\r') ? 0 : 1);
}

/// What read() makes of a text that stands in `file`; nothing if it refuses it. Then the error must
/// be an InputError that names the file and one of its lines, or line 0.
template <class F>
auto result_of(const F& read, std::string_view text, const std::string& file)
    -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    require(message.starts_with(file + ":"), "an error names its file");
    const std::string rest(message.substr(file.size() + 1));
    std::size_t line = 0;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), line);
    require(failure == std::errc() && *end == ':', "an error names a line");
    require(line <= std::max<std::size_t>(count_lines(text), 1), "an error's line is in the file");
    require(message.size() < file.size() + 1000, "an error is short");
    return std::nullopt;
  }
}

}  // namespace equipoise::demos

#endif  // EQUIPOISE_TESTS_FUZZ_PROPERTIES_H_
