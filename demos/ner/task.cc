#include "demos/ner/task.h"

#include <algorithm>
#include <span>
#include <utility>

#include "equipoise/metrics/entity_sequences.h"

namespace equipoise::demos {

namespace {

TaggedPart make_part(const metrics::EntityTags& tags,
                     const std::vector<TaggedSentence>& sentences) {
  TaggedPart part;
  part.sentences = sentences;
  for (const TaggedSentence& sentence : sentences) {
    for (const std::int64_t tag : sentence.tags) {
      part.tags.push_back(tag);
      part.types.push_back(type_of_tag(tags, tag));
    }
    part.offsets.push_back(part.tags.size());
  }
  return part;
}

std::vector<double> shares_of_spans(const metrics::EntityTags& tags, const TaggedPart& part) {
  std::vector<double> shares(part.tokens(), 1.0);
  for (std::size_t s = 0; s + 1 < part.offsets.size(); ++s) {
    const std::size_t begin = part.offsets[s];
    const std::span<const std::int64_t> own(&part.tags[begin], part.offsets[s + 1] - begin);
    for (const metrics::Entity& entity : metrics::find_entities(own, tags)) {
      for (std::size_t i = entity.begin; i < entity.end; ++i) {
        shares[begin + i] = 1.0 / static_cast<double>(entity.end - entity.begin);
      }
    }
  }
  return shares;
}

}  // namespace

std::int64_t type_of_tag(const metrics::EntityTags& tags, std::int64_t tag) {
  const auto type = tags.type(static_cast<std::size_t>(tag));
  return type ? static_cast<std::int64_t>(*type) + 1 : 0;
}

TaggingTask make_tagging_task(const TaggedCorpus& corpus) {
  TaggingTask task;
  task.tag_names = corpus.tags;
  task.tags = metrics::EntityTags(corpus.tags);
  task.train = make_part(task.tags, corpus.train);
  task.validation = make_part(task.tags, corpus.validation);
  task.test = make_part(task.tags, corpus.test);
  task.counts = count_labels(task.train.tags, task.tags.size());
  for (const double count : task.counts.values()) task.prior.push_back(std::max(count, 0.5));
  task.span_shares = shares_of_spans(task.tags, task.train);
  return task;
}

}  // namespace equipoise::demos
