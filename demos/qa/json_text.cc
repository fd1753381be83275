#include "demos/qa/json_text.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;

std::string element_path(const std::string& parent, std::size_t i) {
  return parent + "[" + std::to_string(i) + "]";
}
std::string member_path(const std::string& parent, const std::string& key) {
  return parent.empty() ? key : parent + "." + key;
}

// The line of a file in which a byte stands, or of the last one if that is missing; the text begins
// in a line, 0 being the first one too.
std::size_t line_of(std::string_view text, std::size_t offset, std::size_t line) {
  if (offset == text.size() && text.ends_with('\n')) --offset;
  const std::string_view before = text.substr(0, offset);
  return std::max<std::size_t>(line, 1) +
         static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

// Of what the library says, the part that neither names the place nor cites the text, which may be
// as long as a document.
std::string reason_in(std::string_view what) {
  for (const std::string_view before : {" - ", ": ", "] "}) {
    const std::size_t at = what.find(before);
    if (at == std::string_view::npos) continue;
    what.remove_prefix(at + before.size());
    break;
  }
  for (const std::string_view after : {"; last read: ", " parsing '"}) {
    what = what.substr(0, what.find(after));
  }
  return std::string(what);
}

// Builds the value as the parser meets its parts.
class TreeBuilder : public nlohmann::json_sax<json> {
 public:
  // `line` as for parse_json().
  TreeBuilder(std::string_view text, std::string_view file, std::size_t line)
      : text_(text), file_(file), line_(line) {}

  json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(std::int64_t value) override { return add(value); }
  bool number_unsigned(std::uint64_t value) override { return add(value); }
  bool number_float(double value, const std::string& /*text*/) override { return add(value); }
  bool string(std::string& value) override { return add(std::move(value)); }
  bool binary(json::binary_t& value) override { return add(std::move(value)); }
  bool start_object(std::size_t /*size*/) override { return open(json::object()); }
  bool start_array(std::size_t /*size*/) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    auto& object = open_.back().value->get_ref<json::object_t&>();
    const auto [member, is_new] = object.try_emplace(name);
    if (!is_new) throw InputError(file_, line_, member_path(path(), name) + ": stands twice");
    open_.back().key = name;
    open_.back().member = &member->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const json::exception& error) override {
    const std::size_t read = std::min(position == 0 ? 0 : position - 1, text_.size());
    throw InputError(file_, line_of(text_, read, line_), "not JSON: " + reason_in(error.what()));
  }

 private:
  // An object or array whose end is not yet reached.
  struct Open {
    json* value;
    std::string key = {};    // of an object, the last
    json* member = nullptr;  // its value
  };

  bool add(json value) {
    place(std::move(value));
    return true;
  }
  bool open(json value) {
    open_.push_back({place(std::move(value))});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  json* place(json value) {
    json* at = &root_;
    if (!open_.empty() && open_.back().value->is_object()) {
      at = open_.back().member;
    } else if (!open_.empty()) {
      at = &open_.back().value->emplace_back();
    }
    *at = std::move(value);
    return at;
  }

  // To the innermost container that is open.
  std::string path() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < open_.size(); ++i) {
      path = open_[i].value->is_object() ? member_path(path, open_[i].key)
                                         : element_path(path, open_[i].value->size() - 1);
    }
    return path;
  }

  std::string_view text_;
  std::string_view file_;
  std::size_t line_;
  json root_;
  std::vector<Open> open_;
};

}  // namespace

JsonValue parse_json(std::string_view text, std::string_view file, std::size_t line) {
  constexpr std::string_view kByteOrderMark = "\uFEFF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (text.empty()) throw InputError(file, line_of(text, 0, line), "expected JSON, found nothing");
  if (const auto offset = first_invalid_utf8(text)) {
    const std::size_t begin = text.substr(0, *offset).rfind('\n') + 1;  // npos + 1 is 0
    throw InputError(file, line_of(text, *offset, line),
                     "byte " + std::to_string(*offset - begin + 1) + " of the line is not UTF-8");
  }
  TreeBuilder builder(text, file, line);
  json::sax_parse(text, &builder);
  return {std::make_shared<const json>(builder.take()), file, line, ""};
}

JsonValue::JsonValue(std::shared_ptr<const json> value, std::string_view file, std::size_t line,
                     std::string path)
    : value_(std::move(value)), file_(file), line_(line), path_(std::move(path)) {}

JsonValue JsonValue::part(const json& value, std::string path) const {
  return {std::shared_ptr<const json>(value_, &value), file_, line_, std::move(path)};
}

bool JsonValue::has(std::string_view key) const {
  return value_->is_object() && value_->contains(std::string(key));
}

JsonValue JsonValue::operator[](std::string_view key) const {
  if (!value_->is_object()) fail_expecting("an object");
  const std::string name(key);
  const auto member = value_->find(name);
  if (member == value_->end()) fail("there is no '" + name + "'");
  return part(*member, member_path(path_, name));
}

JsonValue JsonValue::operator[](std::size_t i) const {
  return part((*value_)[i], element_path(path_, i));
}

std::size_t JsonValue::size() const {
  if (!value_->is_array()) fail_expecting("an array");
  return value_->size();
}

const std::string& JsonValue::text() const {
  if (!value_->is_string()) fail_expecting("a string");
  return value_->get_ref<const std::string&>();
}

bool JsonValue::flag() const {
  if (!value_->is_boolean()) fail_expecting("true or false");
  return value_->get<bool>();
}

std::size_t JsonValue::count() const {
  if (!value_->is_number_unsigned()) fail_expecting("a whole number from 0");
  return value_->get<std::size_t>();
}

std::string JsonValue::message(std::string_view reason) const {
  const std::string where = path_.empty() ? "" : path_ + ": ";
  return InputError(file_, line_, where + std::string(reason)).what();
}

void JsonValue::fail(std::string_view reason) const { throw InputError(message(reason)); }

void JsonValue::fail_expecting(std::string_view what) const {
  const std::string found = value_->is_number() ? value_->dump() : value_->type_name();
  fail("expected " + std::string(what) + ", found " + found);
}

}  // namespace equipoise::demos
