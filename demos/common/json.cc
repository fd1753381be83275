#include "demos/common/json.h"

#include <algorithm>
#include <set>
#include <vector>

#include "demos/common/input_error.h"
#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;

// The line of a file in which a byte stands, or of the last one if that is missing; the text begins
// in a line, 0 being the first one too.
std::size_t line_of(std::string_view text, std::size_t offset, std::size_t line) {
  offset = std::min(offset, text.size());
  if (offset == text.size() && text.ends_with('\n')) --offset;
  const std::string_view before = text.substr(0, offset);
  return std::max<std::size_t>(line, 1) +
         static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

// Of what the library says, the part that neither names the place nor cites the text, which may be
// as long as a document.
std::string without_place(std::string_view what) {
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

}  // namespace

json parse_json(std::string_view text, std::string_view file, std::size_t line) {
  constexpr std::string_view kByteOrderMark = "\uFEFF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (text.empty()) throw InputError(file, line_of(text, 0, line), "expected JSON, found nothing");
  if (const auto offset = first_invalid_utf8(text)) {
    const std::size_t begin = text.substr(0, *offset).rfind('\n') + 1;  // npos + 1 is 0
    throw InputError(file, line_of(text, *offset, line),
                     "byte " + std::to_string(*offset - begin + 1) + " of the line is not UTF-8");
  }
  std::vector<std::set<std::string>> keys;  // of the objects whose end is not yet reached
  const auto refuse_twins = [&](int /*depth*/, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event != json::parse_event_t::key) return true;
    const auto& key = parsed.get_ref<const std::string&>();
    if (keys.back().insert(key).second) return true;
    throw InputError(file, line, "key '" + key.substr(0, 80) + "' occurs twice in an object");
  };
  try {
    return json::parse(text.begin(), text.end(), refuse_twins);
  } catch (const json::parse_error& error) {
    const std::size_t read = error.byte == 0 ? 0 : error.byte - 1;
    throw InputError(file, line_of(text, read, line), "not JSON: " + without_place(error.what()));
  } catch (const json::out_of_range& error) {
    throw InputError(file, line, "not JSON: " + without_place(error.what()));
  }
}

std::string reason_of(const json::exception& error) {
  const std::string_view what = error.what();
  const std::size_t end = what.find("] ");
  return std::string(end == std::string_view::npos ? what : what.substr(end + 2));
}

std::string text_or_none(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? "" : found->get<std::string>();
}

}  // namespace equipoise::demos
