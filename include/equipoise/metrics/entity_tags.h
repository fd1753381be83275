// Entities in tag sequences: what tags mean, the spans that they mark, and where they are
// ill-formed.
#ifndef EQUIPOISE_METRICS_ENTITY_TAGS_H_
#define EQUIPOISE_METRICS_ENTITY_TAGS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/detail/offsets.h"
#include "equipoise/view.h"

namespace equipoise {

/// How tags mark where an entity begins and ends; X stands for its type (Tjong Kim Sang & Veenstra
/// 1999, "Representing text chunks").
enum class TagScheme {
  kIob1,   ///< I-X in an entity; B-X only where it follows another of type X without a gap
  kIob2,   ///< B-X where it begins, I-X in the rest; also called BIO
  kBioes,  ///< B-X, I-X ..., E-X; S-X for one token. BILOU says L-X for E-X and U-X for S-X
           ///< (Ratinov & Roth 2009, "Design challenges and misconceptions in named entity
           ///< recognition"), BMES M-X for I-X
};

/// Where in a tag its type stands.
enum class TagLayout : std::uint8_t {
  kPrefix,  ///< B-PER
  kSuffix,  ///< PER-B
};

/// The place in an entity that a tag stands for.
enum class TagPrefix : std::uint8_t {
  kInside,   ///< I or M: neither first nor last, or, in IOB1, first
  kBegin,    ///< B: first
  kEnd,      ///< E or L: last
  kSingle,   ///< S or U: first and last
  kOutside,  ///< O: in no entity
};

/// Which entities a sequence of tags holds. Of well-formed sequences both readings say the same.
enum class EntityReading {
  /// The rules of conlleval (Tjong Kim Sang & Buchholz 2000, "Introduction to the CoNLL-2000 shared
  /// task: chunking"), the same for all schemes: neighbours of one type are one entity, except that
  /// B-X and S-X always begin one and E-X and S-X always end one; so I-X after O begins one. The
  /// script itself knows no S-X and no end between E-X and B-X; its successors do.
  kConlleval,
  /// The rules of the scheme, as in seqeval's strict mode: what does not begin or does not end as
  /// the scheme has it is no entity. In IOB1, if B-X should have been I-X, the entity begins after
  /// it.
  kStrict,
};

/// Tokens [begin, end) of a sequence; `type` is an index into EntityTags::types().
struct Entity {
  std::size_t type = 0;
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const Entity&, const Entity&) = default;
};

namespace detail {

// A tag as the loops see it: 0 for O, else its type + 1 above two bits for the prefix.
using TagCode = std::uint32_t;
inline constexpr auto kBeginsEntity = static_cast<TagCode>(TagPrefix::kBegin);
inline constexpr auto kEndsEntity = static_cast<TagCode>(TagPrefix::kEnd);
static_assert(static_cast<TagCode>(TagPrefix::kInside) == 0 &&
              static_cast<TagCode>(TagPrefix::kSingle) == (kBeginsEntity | kEndsEntity));

constexpr bool is_same_type(TagCode a, TagCode b) { return (a ^ b) >> 2 == 0; }
constexpr std::size_t type_of(TagCode tag) { return (tag >> 2) - 1; }

// Whether in conlleval's reading an entity ends before `tag` or one begins with it.
constexpr bool is_boundary(TagCode last, TagCode tag) {
  return ((last ^ tag) >> 2 | (last & kEndsEntity) | (tag & kBeginsEntity)) != 0;
}

}  // namespace detail

/// The meaning of token labels: label i stands for the i-th of a list of tags such as O, B-PER,
/// I-PER, in a scheme. A type may hold hyphens: B-LOC-city is of type LOC-city. Tags without a type
/// (B, I) are of the type "_", as in seqeval.
class EntityTags {
 public:
  EntityTags() = default;

  /// O(tags).
  /// @throws std::invalid_argument for a name that is no tag of the scheme, and for one that says
  /// the same as an earlier one (E-X and L-X do).
  explicit EntityTags(std::span<const std::string> names, TagScheme scheme = TagScheme::kIob2,
                      TagLayout layout = TagLayout::kPrefix)
      : scheme_(scheme), layout_(layout) {
    constexpr std::string_view kWhere = "EntityTags";
    std::map<std::string_view, std::size_t> types;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string_view name = names[i];
      const std::optional<TagPrefix> prefix = prefix_in(name);
      if (!prefix) detail::reject_element(kWhere, "names", i, name, expected());
      std::size_t type = 0;
      if (prefix != TagPrefix::kOutside) {
        type = types.try_emplace(type_in(name), types.size()).first->second;
        if (type == types_.size()) {
          types_.emplace_back(type_in(name));
          labels_.insert(labels_.end(), kPrefixes, kNone);
        }
      }
      std::size_t& label = prefix == TagPrefix::kOutside ? outside_ : labels_[place(*prefix, type)];
      if (label != kNone) {
        detail::reject_element(kWhere, "names", i, name,
                               "another tag than names[" + detail::to_text(label) + "]");
      }
      label = i;
      codes_.push_back(prefix == TagPrefix::kOutside
                           ? 0
                           : static_cast<detail::TagCode>(place(*prefix, type + 1)));
    }
  }
  EntityTags(std::initializer_list<std::string> names, TagScheme scheme = TagScheme::kIob2,
             TagLayout layout = TagLayout::kPrefix)
      : EntityTags(std::span<const std::string>(names.begin(), names.size()), scheme, layout) {}

  TagScheme scheme() const { return scheme_; }
  TagLayout layout() const { return layout_; }
  /// Number of tags.
  std::size_t size() const { return codes_.size(); }
  /// The types, in order of their first tags.
  std::span<const std::string> types() const { return types_; }

  /// Of a label, unchecked.
  TagPrefix prefix(std::size_t label) const {
    const detail::TagCode code = codes_[label];
    return code == 0 ? TagPrefix::kOutside : static_cast<TagPrefix>(code % kPrefixes);
  }
  /// An index into types(); none for O.
  std::optional<std::size_t> type(std::size_t label) const {
    const detail::TagCode code = codes_[label];
    return code == 0 ? std::nullopt : std::optional(detail::type_of(code));
  }
  /// The label of a tag of a type, unchecked; none if the tag is not in the list. The type of O is
  /// not read.
  std::optional<std::size_t> label(TagPrefix prefix, std::size_t type = 0) const {
    const std::size_t label =
        prefix == TagPrefix::kOutside ? outside_ : labels_[place(prefix, type)];
    return label == kNone ? std::nullopt : std::optional(label);
  }

  friend bool operator==(const EntityTags&, const EntityTags&) = default;

  /// What the functions below read instead of names.
  std::span<const detail::TagCode> codes() const { return codes_; }

 private:
  static constexpr std::size_t kPrefixes = 4;
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  static std::size_t place(TagPrefix prefix, std::size_t type) {
    return kPrefixes * type + static_cast<std::size_t>(prefix);
  }

  std::optional<TagPrefix> prefix_in(std::string_view name) const {
    if (name == "O") return TagPrefix::kOutside;
    if (name.empty() || name.size() == 2) return std::nullopt;
    const bool is_first = layout_ == TagLayout::kPrefix;
    const char letter = is_first ? name.front() : name.back();
    if (name.size() > 1 && name[is_first ? 1 : name.size() - 2] != '-') return std::nullopt;
    if (letter == 'B') return TagPrefix::kBegin;
    if (letter == 'I') return TagPrefix::kInside;
    if (scheme_ != TagScheme::kBioes) return std::nullopt;
    if (letter == 'M') return TagPrefix::kInside;
    if (letter == 'E' || letter == 'L') return TagPrefix::kEnd;
    if (letter == 'S' || letter == 'U') return TagPrefix::kSingle;
    return std::nullopt;
  }
  // Of a tag other than O.
  std::string_view type_in(std::string_view name) const {
    if (name.size() == 1) return "_";
    return layout_ == TagLayout::kPrefix ? name.substr(2) : name.substr(0, name.size() - 2);
  }
  std::string expected() const {
    const bool is_long = scheme_ == TagScheme::kBioes;
    if (layout_ == TagLayout::kSuffix) {
      return is_long ? "O or B, I (M), E (L) or S (U), alone or after a type and a hyphen"
                     : "O or B or I, alone or after a type and a hyphen";
    }
    return is_long ? "O or B, I (M), E (L) or S (U), alone or before a hyphen and a type"
                   : "O or B or I, alone or before a hyphen and a type";
  }

  TagScheme scheme_ = TagScheme::kIob2;
  TagLayout layout_ = TagLayout::kPrefix;
  std::vector<std::string> types_;
  std::vector<detail::TagCode> codes_;  // of each label
  std::vector<std::size_t> labels_;     // of each prefix of each type
  std::size_t outside_ = kNone;         // the label of O
};

namespace detail {

// Reads a sequence token by token, in both readings. After the last token comes O.
class TagReader {
 public:
  explicit TagReader(TagScheme scheme) : scheme_(scheme) {}

  TagCode last() const { return last_; }
  // Where the entity that the last token is in begins.
  std::size_t begin() const { return begin_; }
  std::size_t strict_begin() const { return strict_begin_; }

  // Whether `tag` only goes on with what there is, so that move_to() does for take(). What comes
  // after B never does, for the sake of IOB1.
  bool goes_on(TagCode tag) const {
    return ((last_ ^ tag) >> 2 | (last_ & (kBeginsEntity | kEndsEntity)) | (tag & kBeginsEntity)) ==
           0;
  }
  void move_to(TagCode tag) { last_ = tag; }

  // Whether an entity ends before `tag`.
  bool ends_before(TagCode tag) const { return last_ != 0 && is_boundary(last_, tag); }
  // Whether that is an entity of the strict reading too.
  bool is_strict_before(TagCode tag) const { return strict_begin_ != kNowhere && may_end(tag); }
  // Whether `tag` cannot follow the last one.
  bool breaks_before(TagCode tag) const {
    return is_boundary(last_, tag) && ((last_ != 0 && !may_end(tag)) || !may_begin(tag));
  }

  // Takes token i, whatever it is.
  void take(TagCode tag, std::size_t i) {
    if (is_boundary(last_, tag)) {
      begin_ = i;
      strict_begin_ = may_begin(tag) ? i : kNowhere;
    } else if ((last_ & kBeginsEntity) != 0 && strict_begin_ == kNowhere) {
      strict_begin_ = i;  // I-X after a B-X that begins nothing, which only IOB1 has
    }
    last_ = tag;
  }

 private:
  static constexpr std::size_t kNowhere = std::numeric_limits<std::size_t>::max();

  // At a boundary: what the scheme says of its two sides.
  bool may_begin(TagCode tag) const {
    if (tag == 0) return true;
    const bool is_marked = (tag & kBeginsEntity) != 0;
    if (scheme_ == TagScheme::kIob1) return !is_marked || is_same_type(last_, tag);
    return is_marked;
  }
  bool may_end(TagCode tag) const {
    if (scheme_ == TagScheme::kBioes) return (last_ & kEndsEntity) != 0;
    return scheme_ == TagScheme::kIob2 || (last_ & tag & kBeginsEntity) == 0 ||
           is_same_type(last_, tag);
  }

  TagScheme scheme_;
  TagCode last_ = 0;
  std::size_t begin_ = 0;
  std::size_t strict_begin_ = kNowhere;
};

// A label as an index into tags, checked.
template <class L>
std::size_t tag_index(std::string_view where, std::string_view argument, std::span<const L> labels,
                      std::size_t i, std::size_t tags, std::optional<std::int64_t> ignore_index) {
  if (!is_class(labels[i], tags)) {
    reject_element(where, argument, i, labels[i], class_range(tags, ignore_index));
  }
  return static_cast<std::size_t>(labels[i]);
}

// f(code, i) for tokens [begin, end) that are not ignored, then f(0, end).
template <class L, class F>
void for_each_tag(std::string_view where, std::span<const L> labels, std::size_t begin,
                  std::size_t end, const EntityTags& tags, std::optional<std::int64_t> ignore_index,
                  const F& f) {
  for (std::size_t i = begin; i < end; ++i) {
    if (is_ignored(labels[i], ignore_index)) continue;
    f(tags.codes()[tag_index(where, "labels", labels, i, tags.size(), ignore_index)], i);
  }
  f(TagCode{0}, end);
}

// f(entity) for the entities of the sequence that is labels[begin, end), in order.
template <class L, class F>
void for_each_entity(std::string_view where, std::span<const L> labels, std::size_t begin,
                     std::size_t end, const EntityTags& tags, EntityReading reading,
                     std::optional<std::int64_t> ignore_index, const F& f) {
  TagReader reader(tags.scheme());
  std::size_t after_last = begin;
  for_each_tag(where, labels, begin, end, tags, ignore_index, [&](TagCode tag, std::size_t i) {
    if (reader.ends_before(tag)) {
      const std::size_t type = type_of(reader.last());
      if (reading == EntityReading::kConlleval) {
        f(Entity{type, reader.begin(), after_last});
      } else if (reader.is_strict_before(tag)) {
        f(Entity{type, reader.strict_begin(), after_last});
      }
    }
    reader.take(tag, i);
    after_last = i + 1;
  });
}

// The prefix of a token that is or is not the first and the last of its entity; `touches`, whether
// the token before is of an entity of the same type.
constexpr TagPrefix prefix_of(TagScheme scheme, bool is_first, bool is_last, bool touches) {
  if (scheme == TagScheme::kIob1) {
    return is_first && touches ? TagPrefix::kBegin : TagPrefix::kInside;
  }
  if (scheme == TagScheme::kIob2 || !is_last) {
    return is_first ? TagPrefix::kBegin : TagPrefix::kInside;
  }
  return is_first ? TagPrefix::kSingle : TagPrefix::kEnd;
}

}  // namespace detail

/// The entities of one sequence, in order. Tokens whose label is the ignore index are left out as
/// if they were not there: inside an entity they lie in its span, around it they do not.
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
  detail::for_each_entity(kWhere, values, 0, values.size(), tags, reading, ignore_index,
                          [&](const Entity& entity) { entities.push_back(entity); });
  return entities;
}

/// n_k = number of entities of type k, each as one however many tokens it has. Sequence s holds
/// labels[offsets[s], offsets[s + 1]). O(tokens + types).
/// @throws std::invalid_argument as find_entities(), and for offsets that do not start at 0, fall,
/// or end elsewhere than at labels.size().
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
    detail::for_each_entity(kWhere, values, static_cast<std::size_t>(bounds[s - 1]),
                            static_cast<std::size_t>(bounds[s]), tags, reading, ignore_index,
                            [&](const Entity& entity) { ++entities[entity.type]; });
  }
  return ClassCounts(entities);
}

/// Where a sequence is not what its scheme says: a tag that cannot follow its predecessor, or, in
/// BIOES, an entity without an end.
struct TagBreaks {
  std::size_t count = 0;
  /// The token before which the first break lies, the number of tokens for one at the end; none
  /// where the sequence is well-formed.
  std::optional<std::size_t> first = std::nullopt;

  friend bool operator==(const TagBreaks&, const TagBreaks&) = default;
};

/// The breaks of one sequence, tokens whose label is the ignore index left out as if they were not
/// there. Without breaks both readings find the same entities. O(tokens).
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
  detail::for_each_tag(kWhere, values, 0, values.size(), tags, ignore_index, take);
  return breaks;
}

/// The same entities in other tags, such as IOB1 into BIOES: read as conlleval does, written as the
/// scheme of `to` asks, so that ill-formed sequences come out well-formed. Types are matched by
/// name; ignored labels stay. O(tokens + types^2).
/// @throws std::invalid_argument as count_entities(), and where `to` lacks a tag that is needed.
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
    // The token at `at`, whose prefix depends on the next one.
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
    detail::for_each_tag(kWhere, values, begin, end, from, ignore_index, take);
  }
  return result;
}

}  // namespace equipoise

#endif  // EQUIPOISE_METRICS_ENTITY_TAGS_H_
