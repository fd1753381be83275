// JSON that people made: errors say where in it they lie.
#ifndef EQUIPOISE_DEMOS_COMMON_JSON_H_
#define EQUIPOISE_DEMOS_COMMON_JSON_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace equipoise::demos {

/// Parses a text that is a JSON value and nothing else; a byte order mark before it is left out. It
/// is the whole file, or, of a file of JSON lines, the line of that number. O(size).
/// @throws InputError for an empty text, bytes that are not UTF-8, what is not JSON, numbers beyond
/// double, and an object in which a key occurs twice, of which one would be lost.
nlohmann::json parse_json(std::string_view text, std::string_view file, std::size_t line = 0);

/// What the library says of a value that is missing or of another type, without the number of the
/// error: "(/data/0) key 'id' not found".
std::string reason_of(const nlohmann::json::exception& error);

/// A string member that may be missing or null; empty then.
std::string text_or_none(const nlohmann::json& object, const char* key);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_JSON_H_
