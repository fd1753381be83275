// A tagged corpus as models see it.
#ifndef EQUIPOISE_DEMOS_NER_TASK_H_
#define EQUIPOISE_DEMOS_NER_TASK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "demos/ner/corpus.h"
#include "equipoise/counts.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::demos {

/// Sentences, and the tags of their tokens one after the other.
struct TaggedPart {
  std::vector<TaggedSentence> sentences;
  std::vector<std::int64_t> tags;       ///< of tokens
  std::vector<std::int64_t> types;      ///< of tokens: 0 for O, k + 1 for type k
  std::vector<std::size_t> offsets{0};  ///< sentence s has the tokens [offsets[s], offsets[s + 1])

  std::size_t tokens() const { return tags.size(); }
};

struct TaggingTask {
  std::vector<std::string> tag_names;
  metrics::EntityTags tags;
  ClassCounts counts;                 ///< of the tags of training tokens
  std::vector<double> prior{};        ///< the same, but at least a half: a tag may not occur
  std::vector<double> span_shares{};  ///< of training tokens: 1 / length of its entity; 1 for O
  TaggedPart train;
  TaggedPart validation;
  TaggedPart test;

  std::size_t types() const { return tags.types().size(); }
};

TaggingTask make_tagging_task(const TaggedCorpus& corpus);

/// The type of a tag: 0 for O, k + 1 for type k.
std::int64_t type_of_tag(const metrics::EntityTags& tags, std::int64_t tag);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_TASK_H_
