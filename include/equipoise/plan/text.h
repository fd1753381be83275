// The text of a plan: for files that people write, and for checkpoints.
#ifndef EQUIPOISE_PLAN_TEXT_H_
#define EQUIPOISE_PLAN_TEXT_H_

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/plan/plan.h"
#include "equipoise/schedule.h"

namespace equipoise {

/// The MeanKind or sampling::Mode of that name; empty for any other word.
template <class E>
requires(std::same_as<E, MeanKind> ||
         std::same_as<E, sampling::Mode>) std::optional<E> from_name(std::string_view name) {
  const std::span<const std::string_view> names = names_of(E());
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<E>(found - names.begin());
}

namespace detail {

// The words of a field in the text.
inline std::vector<std::string> words_of(const std::vector<double>& values) {
  std::vector<std::string> words;
  words.reserve(values.size());
  for (const double value : values) words.push_back(to_text(with_one_zero(value)));
  return words;
}
inline std::vector<std::string> words_of(double value) { return {to_text(with_one_zero(value))}; }
inline std::vector<std::string> words_of(std::uint64_t value) { return {to_text(value)}; }
inline std::vector<std::string> words_of(const RampSchedule& ramp) {
  return {to_text(ramp.begin), to_text(ramp.end)};
}
template <NamedEnumeration E>
std::vector<std::string> words_of(E value) {
  return {std::string(name_of(value))};
}

// Reads the words of one line of a plan.
class PlanLine {
 public:
  PlanLine(std::size_t number, std::string_view name, std::vector<std::string_view> words)
      : number_(number), name_(name), words_(std::move(words)) {}

  void read(std::vector<double>& values) const {
    values.assign(words_.size(), 0.0);
    for (std::size_t i = 0; i < words_.size(); ++i) number(i, values[i]);
  }
  void read(double& value) const { single(value); }
  void read(std::uint64_t& value) const { single(value); }
  void read(RampSchedule& ramp) const {
    require_words(2);
    number(0, ramp.begin);
    number(1, ramp.end);
    ramp.require("parse_plan", where(1));
  }
  template <NamedEnumeration E>
  void read(E& value) const {
    require_words(1);
    const std::optional<E> named = from_name<E>(words_[0]);
    if (!named) reject("parse_plan", where(0), words_[0], choices_of(value));
    value = *named;
  }

 private:
  std::string where(std::size_t word) const {
    return "line " + to_text(number_) + ", " + name_ + "[" + to_text(word) + "]";
  }
  void require_words(std::size_t count) const {
    if (words_.size() == count) return;
    reject("parse_plan", "line " + to_text(number_) + ", words of " + name_, words_.size(),
           to_text(count));
  }
  template <class T>
  void single(T& value) const {
    require_words(1);
    number(0, value);
  }
  template <class T>
  void number(std::size_t i, T& value) const {
    const std::string_view word = words_[i];
    const std::from_chars_result end =
        std::from_chars(word.data(), word.data() + word.size(), value);
    if (end.ec == std::errc() && end.ptr == word.data() + word.size()) return;
    reject("parse_plan", where(i), word,
           std::is_integral_v<T> ? "an integer in [0, 2^64)" : "a number");
  }

  std::size_t number_;
  std::string name_;
  std::vector<std::string_view> words_;
};

inline std::vector<std::string_view> split_words(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

}  // namespace detail

/// A plan as text: one line per field, with its name and its values separated by blanks; empty
/// fields are left out. parse_plan() reads it back exactly, except that zeros lose their sign.
/// @throws std::invalid_argument for a mean or a sampling mode that is not an enumerator.
inline std::string to_text(const Plan& plan) {
  std::string text;
  detail::for_each_field(plan, [&](std::string_view name, const auto& field) {
    const std::vector<std::string> words = detail::words_of(field);
    if (words.empty()) return;
    text += name;
    for (const std::string& word : words) text.append(" ").append(word);
    text += '\n';
  });
  return text;
}

/// Reads a plan: lines with the name of a field and its values, in any order; fields that are left
/// out keep their defaults. A # begins a comment. O(size of the text).
/// @throws std::invalid_argument, naming the line, for a field that is unknown or occurs twice and
/// for a value that cannot be read; and for a plan that is not valid: no counts, sizes that differ,
/// masses that are negative, not finite or all zero, a class without rows whose mass is not 0, a
/// label smoothing outside [0, 1], a ramp that ends before it begins, and independent draws from a
/// mix with a ramp.
inline Plan parse_plan(std::string_view text) {
  constexpr std::string_view kWhere = "parse_plan";
  Plan plan;
  std::vector<std::string_view> seen;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    line = line.substr(0, line.find('#'));
    std::vector<std::string_view> words = detail::split_words(line);
    if (words.empty()) continue;
    const std::string_view name = words[0];
    words.erase(words.begin());
    const std::string where = "line " + detail::to_text(number);
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      detail::reject(kWhere, where, name, "each field once");
    }
    seen.push_back(name);
    bool known = false;
    detail::for_each_field(plan, [&](std::string_view field_name, auto& field) {
      if (field_name != name) return;
      known = true;
      detail::PlanLine(number, name, words).read(field);
    });
    if (!known) detail::reject(kWhere, where, name, "the name of a field of a plan");
  }
  detail::require_plan(kWhere, plan);
  return plan;
}

/// Rejects a plan that differs from that of a checkpoint.
/// @throws std::invalid_argument for plans that differ, naming the first field and element that
/// differs, with both values.
inline void require_same_plan(const Plan& saved, const Plan& now) {
  constexpr std::string_view kWhere = "require_same_plan";
  std::vector<std::vector<std::string>> before;
  detail::for_each_field(saved, [&](std::string_view, const auto& field) {
    before.push_back(detail::words_of(field));
  });
  std::size_t i = 0;
  detail::for_each_field(now, [&](std::string_view name, const auto& field) {
    const std::vector<std::string>& old_words = before[i++];
    const std::vector<std::string> words = detail::words_of(field);
    detail::require_size(kWhere, name, words.size(), old_words.size(), "as saved");
    for (std::size_t k = 0; k < words.size(); ++k) {
      if (words[k] == old_words[k]) continue;
      detail::reject_element(kWhere, name, k, words[k], old_words[k] + ", as saved");
    }
  });
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_TEXT_H_
