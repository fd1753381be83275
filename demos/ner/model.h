// Taggers of this demo: loaded and put to use.
#ifndef EQUIPOISE_DEMOS_NER_MODEL_H_
#define EQUIPOISE_DEMOS_NER_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/model_file.h"
#include "demos/ner/tagger.h"
#include "demos/ner/task.h"

namespace equipoise::demos {

/// A trained tagger with what it needs to be used.
struct LoadedTagger {
  TaggingTask task{};  ///< the tags alone
  std::string strategy{};
  std::vector<double> offset{};
  std::unique_ptr<Tagger> tagger{};

  std::vector<std::int64_t> tags_of(const TaggedPart& part) const;
};

/// @throws InputError for a model that was not saved by this demo, and for flags that do not fit
/// it; `file` stands for it in errors.
LoadedTagger use(const DemoFlags& flags, const SavedModel& saved, const std::string& file);

/// Prints how the tagger does on test sentences.
void print_evaluation(const DemoFlags& flags, const LoadedTagger& loaded);

/// Prints the entities of the text of --predict, or of a JSON object a line of standard input.
void print_predictions(const DemoFlags& flags, const LoadedTagger& loaded, const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_MODEL_H_
