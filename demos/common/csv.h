// Fields of comma-separated values.
#ifndef EQUIPOISE_DEMOS_COMMON_CSV_H_
#define EQUIPOISE_DEMOS_COMMON_CSV_H_

#include <string>
#include <string_view>

namespace equipoise::demos {

/// A field as RFC 4180 wants it: in double quotes, inner ones doubled, if it holds a comma, a quote
/// or a line end.
inline std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field += '"';
    field += c;
  }
  return field + '"';
}

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_CSV_H_
