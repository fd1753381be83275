// Entities in tag sequences: finding the spans, finding ill-formed tags, and converting schemes.
#ifndef EQUIPOISE_METRICS_ENTITY_SEQUENCES_H_
#define EQUIPOISE_METRICS_ENTITY_SEQUENCES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/offsets.h"
#include "equipoise/metrics/detail/tag_reader.h"
#include "equipoise/metrics/entity_tags.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// The entities of one sequence, in order. Tokens whose label is the ignore index are left out as
/// if they were not there: those inside an entity are in its span, those around it are not.
/// O(tokens).
/// @throws std::invalid_argument for a label that is neither a tag nor the ignore index, naming the
/// first, and for an ignore index that is a tag.
template <LabelRange R>
std::vector<Entity> find_entities(const R& labels, const EntityTags& tags,
                                  EntityReading reading = EntityReading::kConlleval,
                                  std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "find_entities";
  const auto values = as_span(labels);
  detail::require_ignore_index_is_no_class(kWhere, tags.size(), ignore_index);
  std::vector<Entity> entities;
  detail::for_each_entity(
      detail::TagSequence<ElementOf<R>>{kWhere, values, tags, ignore_index, 0, values.size()},
      reading, [&](const Entity& entity) { entities.push_back(entity); });
  return entities;
}

/// n_k = number of entities of type k, each counted once however many tokens it has. Sequence s
/// holds labels[offsets[s], offsets[s + 1]). O(tokens + types).
/// @throws std::invalid_argument as find_entities(), and for offsets that do not start at 0, that
/// decrease, or that do not end at labels.size().
template <LabelRange R, LabelRange O>
ClassCounts count_entities(const R& labels, const O& offsets, const EntityTags& tags,
                           EntityReading reading = EntityReading::kConlleval,
                           std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "count_entities";
  const auto values = as_span(labels);
  const auto bounds = as_span(offsets);
  detail::require_offsets(kWhere, bounds, values.size());
  detail::require_ignore_index_is_no_class(kWhere, tags.size(), ignore_index);
  std::vector<double> entities(tags.types().size(), 0.0);
  for (std::size_t s = 1; s < bounds.size(); ++s) {
    const detail::TagSequence<ElementOf<R>> sequence{kWhere,
                                                     values,
                                                     tags,
                                                     ignore_index,
                                                     static_cast<std::size_t>(bounds[s - 1]),
                                                     static_cast<std::size_t>(bounds[s])};
    detail::for_each_entity(sequence, reading,
                            [&](const Entity& entity) { ++entities[entity.type]; });
  }
  return ClassCounts(entities);
}

/// Where a sequence breaks the rules of its scheme: a tag that cannot follow its predecessor, or,
/// in BIOES, an entity without an end.
struct TagBreaks {
  std::size_t count = 0;
  /// The token before which the first break lies, or the number of tokens for a break at the end;
  /// empty if the sequence is well-formed.
  std::optional<std::size_t> first = std::nullopt;

  friend bool operator==(const TagBreaks&, const TagBreaks&) = default;
};

/// The breaks of one sequence, in which tokens whose label is the ignore index are left out as if
/// they were not there. Without breaks both readings find the same entities. O(tokens).
/// @throws std::invalid_argument as find_entities().
template <LabelRange R>
TagBreaks find_tag_breaks(const R& labels, const EntityTags& tags,
                          std::optional<std::int64_t> ignore_index = std::nullopt) {
  constexpr std::string_view kWhere = "find_tag_breaks";
  const auto values = as_span(labels);
  detail::require_ignore_index_is_no_class(kWhere, tags.size(), ignore_index);
  detail::TagReader reader(tags.scheme());
  TagBreaks breaks;
  const auto take = [&](detail::TagCode tag, std::size_t i) {
    if (reader.breaks_before(tag) && breaks.count++ == 0) breaks.first = i;
    reader.move_to(tag);
  };
  detail::for_each_tag(
      detail::TagSequence<ElementOf<R>>{kWhere, values, tags, ignore_index, 0, values.size()},
      take);
  return breaks;
}

/// The same entities in other tags, such as IOB1 converted to BIOES: read as conlleval does,
/// written in the scheme of `to`, so that ill-formed sequences become well-formed. Types are
/// matched by name; ignored labels stay. O(tokens + types^2).
/// @throws std::invalid_argument as count_entities(), and if `to` lacks a tag that is needed.
template <LabelRange R, LabelRange O>
std::vector<std::int64_t> convert_tags(const R& labels, const O& offsets, const EntityTags& from,
                                       const EntityTags& to,
                                       std::optional<std::int64_t> ignore_index = std::nullopt) {
  using detail::TagCode;
  constexpr std::string_view kWhere = "convert_tags";
  const auto values = as_span(labels);
  const auto bounds = as_span(offsets);
  detail::require_offsets(kWhere, bounds, values.size());
  detail::require_ignore_index_is_no_class(kWhere, std::max(from.size(), to.size()), ignore_index);

  std::vector<std::optional<std::size_t>> type_in_to;
  for (const std::string& name : from.types()) {
    const auto at = std::find(to.types().begin(), to.types().end(), name);
    type_in_to.push_back(at == to.types().end()
                             ? std::nullopt
                             : std::optional(static_cast<std::size_t>(at - to.types().begin())));
  }
  const auto label_of = [&](TagCode tag, TagPrefix prefix, std::size_t i) {
    std::optional<std::size_t> label;
    if (tag == 0) {
      label = to.label(TagPrefix::kOutside);
    } else if (const auto& type = type_in_to[detail::type_of(tag)]) {
      label = to.label(prefix, *type);
    }
    if (!label) {
      constexpr std::string_view kLetters = "IBES";
      std::string name = "O";
      if (tag != 0) {
        const std::string& type = from.types()[detail::type_of(tag)];
        const char letter = kLetters[static_cast<std::size_t>(prefix)];
        name = to.layout() == TagLayout::kPrefix ? letter + ("-" + type) : type + '-' + letter;
      }
      detail::reject_element(kWhere, "labels", i, name, "a tag of to");
    }
    return static_cast<std::int64_t>(*label);
  };

  std::vector<std::int64_t> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) result[i] = static_cast<std::int64_t>(values[i]);
  for (std::size_t s = 1; s < bounds.size(); ++s) {
    const auto begin = static_cast<std::size_t>(bounds[s - 1]);
    const auto end = static_cast<std::size_t>(bounds[s]);
    // Sets the tag at `at`, whose prefix depends on the next one.
    TagCode tag = 0;
    std::size_t at = end;
    bool is_first = false;
    bool touches = false;
    const auto take = [&](TagCode next, std::size_t i) {
      const bool is_boundary = detail::is_boundary(tag, next);
      if (at != end) {
        const TagPrefix prefix = detail::prefix_of(to.scheme(), is_first, is_boundary, touches);
        result[at] = label_of(tag, prefix, at);
      }
      is_first = is_boundary;
      touches = detail::is_same_type(tag, next);
      tag = next;
      at = i;
    };
    detail::for_each_tag(
        detail::TagSequence<ElementOf<R>>{kWhere, values, from, ignore_index, begin, end}, take);
  }
  return result;
}

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_ENTITY_SEQUENCES_H_
