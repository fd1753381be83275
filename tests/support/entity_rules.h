// Tag sequences as text and as labels, and their entities by plain rules on text.
#ifndef EQUIPOISE_TESTS_SUPPORT_ENTITY_RULES_H_
#define EQUIPOISE_TESTS_SUPPORT_ENTITY_RULES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::testing {

using Labels = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

inline constexpr std::array kSchemes = {metrics::TagScheme::kIob1, metrics::TagScheme::kIob2,
                                        metrics::TagScheme::kBioes};
inline constexpr std::array kReadings = {metrics::EntityReading::kConlleval,
                                         metrics::EntityReading::kStrict};

inline Names names_of(metrics::TagScheme scheme, const Names& types = {"X", "Y"}) {
  Names names = {"O"};
  for (const std::string& type : types) {
    for (const char prefix : std::string(scheme == metrics::TagScheme::kBioes ? "BIES" : "BI")) {
      names.push_back(prefix + ("-" + type));
    }
  }
  return names;
}
inline metrics::EntityTags tags_of(metrics::TagScheme scheme, const Names& types = {"X", "Y"}) {
  return metrics::EntityTags(names_of(scheme, types), scheme);
}

// "B-X I-X O" as labels.
inline Labels labels_of(std::string_view text, const Names& names) {
  Labels labels;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find(' '), text.size());
    const std::string name(text.substr(0, size));
    text.remove_prefix(std::min(size + 1, text.size()));
    const auto at = std::find(names.begin(), names.end(), name);
    labels.push_back(at == names.end() ? kIgnoreIndex : at - names.begin());
  }
  return labels;
}
inline std::string text_of(const Labels& labels, const Names& names) {
  std::string text;
  for (const std::int64_t label : labels) {
    text += (text.empty() ? "" : " ");
    text += label == kIgnoreIndex ? "?" : names[static_cast<std::size_t>(label)];
  }
  return text;
}

// The readings once more, as plain rules on text.
struct NaiveTag {
  char prefix;
  std::string type;
};
using NaiveEntity = std::tuple<std::string, std::size_t, std::size_t>;  // type, begin, end

inline std::vector<NaiveTag> naive_tags(const Labels& labels, const Names& names) {
  std::vector<NaiveTag> tags;
  for (const std::int64_t label : labels) {
    const std::string& name = names[static_cast<std::size_t>(label)];
    tags.push_back({name[0], name == "O" ? "" : name.substr(2)});
  }
  return tags;
}

inline std::vector<NaiveEntity> naive_loose(const std::vector<NaiveTag>& tags) {
  const auto is = [](const NaiveTag& tag, std::string_view prefixes) {
    return prefixes.find(tag.prefix) != std::string_view::npos;
  };
  const auto starts = [&](const NaiveTag& last, const NaiveTag& tag) {
    if (is(tag, "O")) return false;
    return is(tag, "BS") || is(last, "OES") || last.type != tag.type;
  };
  const auto ends = [&](const NaiveTag& last, const NaiveTag& tag) {
    if (is(last, "O")) return false;
    return is(last, "ES") || is(tag, "OBS") || last.type != tag.type;
  };
  std::vector<NaiveEntity> entities;
  const NaiveTag outside = {'O', ""};
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= tags.size(); ++i) {
    const NaiveTag& last = i == 0 ? outside : tags[i - 1];
    const NaiveTag& tag = i == tags.size() ? outside : tags[i];
    if (ends(last, tag)) entities.emplace_back(last.type, begin, i);
    if (starts(last, tag)) begin = i;
  }
  return entities;
}

inline std::vector<NaiveEntity> naive_strict(const std::vector<NaiveTag>& tags,
                                             metrics::TagScheme scheme) {
  const auto at = [&](std::size_t i) { return i < tags.size() ? tags[i] : NaiveTag{'O', ""}; };
  const auto is = [&](std::size_t i, char prefix, const std::string& type) {
    return at(i).prefix == prefix && at(i).type == type;
  };
  std::vector<NaiveEntity> entities;
  std::size_t i = 0;
  while (i < tags.size()) {
    const auto [prefix, type] = tags[i];
    const std::string last_type = i == 0 ? "" : tags[i - 1].type;
    std::size_t end = i + 1;
    bool found = false;
    if (scheme == metrics::TagScheme::kIob1) {
      // An I that goes on with an entity is not met here: it was taken together with that.
      found = prefix == 'I' || (prefix == 'B' && last_type == type);
      while (is(end, 'I', type)) ++end;
      const bool is_one_b = prefix == 'B' && end == i + 1;
      if (is_one_b && at(end).prefix == 'B' && at(end).type != type) found = false;
    } else if (scheme == metrics::TagScheme::kIob2) {
      found = prefix == 'B';
      while (is(end, 'I', type)) ++end;
    } else if (prefix == 'S') {
      found = true;
    } else if (prefix == 'B') {
      while (is(end, 'I', type)) ++end;
      found = is(end, 'E', type);
      if (found) ++end;
    }
    if (found) entities.emplace_back(type, i, end);
    // After a first tag that makes no entity, the next one may.
    i = found ? end : i + 1;
  }
  return entities;
}

inline bool may_follow(const NaiveTag& last, const NaiveTag& tag, metrics::TagScheme scheme) {
  const bool same = last.type == tag.type;
  const std::string_view open = "BI";
  const bool is_open = open.find(last.prefix) != std::string_view::npos;
  switch (scheme) {
    case metrics::TagScheme::kIob1:
      return tag.prefix != 'B' || (is_open && same);
    case metrics::TagScheme::kIob2:
      return tag.prefix != 'I' || (is_open && same);
    default:
      return is_open == (tag.prefix == 'I' || tag.prefix == 'E') && (!is_open || same);
  }
}

inline Labels random_labels(std::mt19937_64& random, const Names& names, std::size_t size) {
  Labels labels(size);
  const std::size_t stay = random() % 3;
  for (std::size_t i = 0; i < size; ++i) {
    const bool goes_on = i > 0 && random() % 3 < stay;
    std::size_t label = random() % names.size();
    if (goes_on && labels[i - 1] != 0) {  // another tag of the type, for longer entities
      const std::string type = names[static_cast<std::size_t>(labels[i - 1])].substr(2);
      while (names[label] == "O" || names[label].substr(2) != type) label = random() % names.size();
    }
    labels[i] = static_cast<std::int64_t>(label);
  }
  return labels;
}

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_ENTITY_RULES_H_
