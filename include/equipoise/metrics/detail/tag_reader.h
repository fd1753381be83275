// Reads entities out of tag sequences.
#ifndef EQUIPOISE_METRICS_DETAIL_TAG_READER_H_
#define EQUIPOISE_METRICS_DETAIL_TAG_READER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "equipoise/config.h"
#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::detail {

// Reads a sequence token by token, in both readings. After the last token comes O.
class TagReader {
 public:
  explicit TagReader(metrics::TagScheme scheme) : scheme_(scheme) {}

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
    if (scheme_ == metrics::TagScheme::kIob1) return !is_marked || is_same_type(last_, tag);
    return is_marked;
  }
  bool may_end(TagCode tag) const {
    if (scheme_ == metrics::TagScheme::kBioes) return (last_ & kEndsEntity) != 0;
    return scheme_ == metrics::TagScheme::kIob2 || (last_ & tag & kBeginsEntity) == 0 ||
           is_same_type(last_, tag);
  }

  metrics::TagScheme scheme_;
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

// The tokens [begin, end) of `labels`: a sequence, or all of them. Errors name `where`.
template <class L>
struct TagSequence {
  std::string_view where;
  std::span<const L> labels;
  const metrics::EntityTags& tags;
  std::optional<std::int64_t> ignore_index;
  std::size_t begin;
  std::size_t end;
};

// f(code, i) for the tokens that are not ignored, then f(0, end).
template <class L, class F>
void for_each_tag(const TagSequence<L>& in, const F& f) {
  for (std::size_t i = in.begin; i < in.end; ++i) {
    if (is_ignored(in.labels[i], in.ignore_index)) continue;
    f(in.tags.codes()[tag_index(in.where, "labels", in.labels, i, in.tags.size(), in.ignore_index)],
      i);
  }
  f(TagCode{0}, in.end);
}

// f(entity) for the entities of the sequence, in order.
template <class L, class F>
void for_each_entity(const TagSequence<L>& in, metrics::EntityReading reading, const F& f) {
  TagReader reader(in.tags.scheme());
  std::size_t after_last = in.begin;
  for_each_tag(in, [&](TagCode tag, std::size_t i) {
    if (reader.ends_before(tag)) {
      const std::size_t type = type_of(reader.last());
      if (reading == metrics::EntityReading::kConlleval) {
        f(metrics::Entity{type, reader.begin(), after_last});
      } else if (reader.is_strict_before(tag)) {
        f(metrics::Entity{type, reader.strict_begin(), after_last});
      }
    }
    reader.take(tag, i);
    after_last = i + 1;
  });
}

// The prefix of a token that is or is not the first and the last of its entity; `touches`, whether
// the token before is of an entity of the same type.
constexpr metrics::TagPrefix prefix_of(metrics::TagScheme scheme, bool is_first, bool is_last,
                                       bool touches) {
  if (scheme == metrics::TagScheme::kIob1) {
    return is_first && touches ? metrics::TagPrefix::kBegin : metrics::TagPrefix::kInside;
  }
  if (scheme == metrics::TagScheme::kIob2 || !is_last) {
    return is_first ? metrics::TagPrefix::kBegin : metrics::TagPrefix::kInside;
  }
  return is_first ? metrics::TagPrefix::kSingle : metrics::TagPrefix::kEnd;
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_DETAIL_TAG_READER_H_
