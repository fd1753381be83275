// The meaning of entity tags.
#ifndef EQUIPOISE_METRICS_ENTITY_TAGS_H_
#define EQUIPOISE_METRICS_ENTITY_TAGS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/view.h"

namespace equipoise::metrics {

/// How tags mark where an entity begins and ends; X stands for its type (Tjong Kim Sang & Veenstra
/// 1999, "Representing text chunks").
enum class TagScheme {
  kIob1,   ///< I-X in an entity; B-X only if it follows another of type X without a gap
  kIob2,   ///< B-X where it begins, I-X in the rest; also called BIO
  kBioes,  ///< B-X, I-X ..., E-X; S-X for one token. BILOU says L-X for E-X and U-X for S-X
           ///< (Ratinov & Roth 2009, "Design challenges and misconceptions in named entity
           ///< recognition"), BMES M-X for I-X
};

/// Where the type is in a tag.
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

/// Which entities a sequence of tags contains. For well-formed sequences both readings agree.
enum class EntityReading {
  /// The rules of conlleval (Tjong Kim Sang & Buchholz 2000, "Introduction to the CoNLL-2000 shared
  /// task: chunking"), the same for all schemes: neighbours of one type are one entity, except that
  /// B-X and S-X always begin one and E-X and S-X always end one; so I-X after O begins one. The
  /// script itself does not know S-X and sees no end between E-X and B-X; its successors do.
  kConlleval,
  /// The rules of the scheme, as in seqeval's strict mode: a span that does not begin or does not
  /// end according to the scheme is not an entity. In IOB1, if B-X should have been I-X, the entity
  /// begins after it.
  kStrict,
};

/// Tokens [begin, end) of a sequence; `type` is an index into EntityTags::types().
struct Entity {
  std::size_t type = 0;
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const Entity&, const Entity&) = default;
};

}  // namespace equipoise::metrics

namespace equipoise::detail {

// A tag as the loops see it: 0 for O, else its type + 1 above two bits for the prefix.
using TagCode = std::uint32_t;
inline constexpr auto kBeginsEntity = static_cast<TagCode>(metrics::TagPrefix::kBegin);
inline constexpr auto kEndsEntity = static_cast<TagCode>(metrics::TagPrefix::kEnd);
static_assert(static_cast<TagCode>(metrics::TagPrefix::kInside) == 0 &&
              static_cast<TagCode>(metrics::TagPrefix::kSingle) == (kBeginsEntity | kEndsEntity));

constexpr bool is_same_type(TagCode a, TagCode b) { return (a ^ b) >> 2 == 0; }
constexpr std::size_t type_of(TagCode tag) { return (tag >> 2) - 1; }

// Whether in conlleval's reading an entity ends before `tag` or one begins with it.
constexpr bool is_boundary(TagCode last, TagCode tag) {
  return ((last ^ tag) >> 2 | (last & kEndsEntity) | (tag & kBeginsEntity)) != 0;
}

}  // namespace equipoise::detail

namespace equipoise::metrics {

/// The meaning of token labels: label i stands for the i-th of a list of tags such as O, B-PER,
/// I-PER, in a scheme. A type may contain hyphens: B-LOC-city is of type LOC-city. Tags without a
/// type (B, I) are of the type "_", as in seqeval.
class EntityTags {
 public:
  EntityTags() = default;

  /// O(tags x types).
  /// @throws std::invalid_argument for a name that is not a tag of the scheme, and for one that
  /// means the same as an earlier one (as E-X and L-X do).
  explicit EntityTags(std::span<const std::string> names, TagScheme scheme = TagScheme::kIob2,
                      TagLayout layout = TagLayout::kPrefix)
      : scheme_(scheme), layout_(layout) {
    constexpr std::string_view kWhere = "EntityTags";
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string_view name = names[i];
      const std::optional<TagPrefix> prefix = prefix_in(name);
      if (!prefix) detail::reject_element(kWhere, "names", i, name, expected());
      std::size_t type = 0;
      if (prefix != TagPrefix::kOutside) {
        const auto found = std::find(types_.begin(), types_.end(), type_in(name));
        type = static_cast<std::size_t>(found - types_.begin());
        if (found == types_.end()) {
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

  /// How tags mark where an entity begins and ends.
  TagScheme scheme() const { return scheme_; }
  TagLayout layout() const { return layout_; }
  /// Number of tags.
  std::size_t size() const { return codes_.size(); }
  /// The types, in order of their first tags.
  std::span<const std::string> types() const { return types_; }

  /// The prefix of a label's tag, unchecked.
  TagPrefix prefix(std::size_t label) const {
    const detail::TagCode code = codes_[label];
    return code == 0 ? TagPrefix::kOutside : static_cast<TagPrefix>(code % kPrefixes);
  }
  /// The type of a label's tag, unchecked: an index into types(); empty for O.
  std::optional<std::size_t> type(std::size_t label) const {
    const detail::TagCode code = codes_[label];
    return code == 0 ? std::nullopt : std::optional(detail::type_of(code));
  }
  /// The label of a tag of a type, unchecked; empty if the tag is not in the list. The type of O is
  /// not read.
  std::optional<std::size_t> label(TagPrefix prefix, std::size_t type = 0) const {
    const std::size_t label =
        prefix == TagPrefix::kOutside ? outside_ : labels_[place(prefix, type)];
    return label == kNone ? std::nullopt : std::optional(label);
  }

  friend bool operator==(const EntityTags&, const EntityTags&) = default;

  /// The tags as integers, for the functions that read sequences.
  std::span<const std::uint32_t> codes() const { return codes_; }

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
  // The type in the name of a tag other than O.
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

}  // namespace equipoise::metrics

#endif  // EQUIPOISE_METRICS_ENTITY_TAGS_H_
