// JSON files that people made: an error says where in them it lies.
#ifndef EQUIPOISE_DEMOS_QA_JSON_TEXT_H_
#define EQUIPOISE_DEMOS_QA_JSON_TEXT_H_

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace equipoise::demos {

/// A value in a JSON text and the path to it, such as data[3].paragraphs[0]: what it is not is an
/// error that names file and path. It keeps the whole text's values alive and refers to the name of
/// the file.
class JsonValue {
 public:
  /// Whether this is an object that has the key.
  bool has(std::string_view key) const;
  /// Of an object. @throws InputError unless this is one that has the key.
  JsonValue operator[](std::string_view key) const;
  /// Of an array, unchecked.
  JsonValue operator[](std::size_t i) const;
  /// The number of elements. @throws InputError unless this is an array.
  std::size_t size() const;
  /// @throws InputError unless this is a string.
  const std::string& text() const;
  /// @throws InputError unless this is true or false.
  bool flag() const;
  /// @throws InputError unless this is a whole number from 0.
  std::size_t count() const;

  const nlohmann::json& value() const { return *value_; }
  const std::string& path() const { return path_; }
  /// The text of an error here.
  std::string message(std::string_view reason) const;
  [[noreturn]] void fail(std::string_view reason) const;

 private:
  friend JsonValue parse_json(std::string_view text, std::string_view file, std::size_t line);

  JsonValue(std::shared_ptr<const nlohmann::json> value, std::string_view file, std::size_t line,
            std::string path);
  // A part of this value.
  JsonValue part(const nlohmann::json& value, std::string path) const;
  [[noreturn]] void fail_expecting(std::string_view what) const;

  std::shared_ptr<const nlohmann::json> value_;
  std::string_view file_;
  std::size_t line_;
  std::string path_;
};

/// Parses a text that is a JSON value and nothing else; a byte order mark before it is left out. It
/// is the whole file, or, of a file of JSON lines, the line of that number. O(size).
/// @throws InputError for an empty text, bytes that are not UTF-8, what is no JSON, numbers beyond
/// double, and an object in which a key stands twice, of which one would be lost.
JsonValue parse_json(std::string_view text, std::string_view file, std::size_t line = 0);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_JSON_TEXT_H_
