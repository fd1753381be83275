// Taggers of this demo: made, loaded and put to use.
#ifndef EQUIPOISE_DEMOS_NER_MODEL_H_
#define EQUIPOISE_DEMOS_NER_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/model_file.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/ner/ner_flags.h"
#include "demos/ner/token_features.h"
#include "equipoise/metrics/entity_tags.h"

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kTaggerKind = "equipoise tagger 1";

/// A trained tagger with what it needs to be used.
struct LoadedTagger {
  std::vector<std::string> tag_names{};
  metrics::EntityTags tags{};
  std::string strategy{};
  std::vector<double> offset{};
  TokenFeatures features{};
  std::unique_ptr<Learner> learner{};

  std::vector<std::int64_t> tags_of(const Examples& examples) const;
};

/// An untrained tagger: "linear", "bilstm", "cnn", or an encoder if there is one.
/// @throws InputError for a neural model without LibTorch, and where there is no such device.
std::unique_ptr<Learner> make_tagger(const DemoFlags& flags, const std::string& model,
                                     const std::optional<Encoding>& encoding,
                                     const LearnerShape& shape, std::uint64_t seed);

/// @throws InputError for a model that was not saved by this demo, and for flags that do not fit
/// it.
LoadedTagger use(const DemoFlags& flags, const SavedModel& saved);

/// Prints how the tagger does on test sentences.
void print_evaluation(const DemoFlags& flags, const LoadedTagger& loaded);

/// Prints the entities of the text of --predict, or of a JSON object a line of standard input.
void print_predictions(const DemoFlags& flags, const LoadedTagger& loaded, const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_MODEL_H_
