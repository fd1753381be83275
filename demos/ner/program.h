// The tagging demo around its training: its flags, its data, and the use of its models.
#ifndef EQUIPOISE_DEMOS_NER_PROGRAM_H_
#define EQUIPOISE_DEMOS_NER_PROGRAM_H_

#include <absl/flags/declare.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/learner.h"
#include "demos/common/model_file.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/ner/corpus.h"
#include "demos/ner/task.h"
#include "demos/ner/token_features.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/entities.h"

ABSL_DECLARE_FLAG(std::string, predict);

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kTaggerKind = "equipoise tagger 1";

/// What --help begins with.
extern const char* const kNerUsage;

/// @throws InputError for flags that are out of range or would be set in vain.
void check_flags(const DemoFlags& flags);

/// The model that flags name: linear, bilstm, cnn or encoder.
std::string model_name(const DemoFlags& flags);

/// @throws InputError for a strategy that there is not.
std::vector<std::string> strategies_of(const DemoFlags& flags);

/// The corpus that flags name, or one that is generated.
TaggedCorpus find_corpus(const DemoFlags& flags);

/// An untrained tagger.
std::unique_ptr<Learner> make_tagger(const DemoFlags& flags, const std::string& model,
                                     const std::optional<Encoding>& encoding,
                                     const LearnerShape& shape, std::uint64_t seed);

/// A trained tagger with what it needs to be used.
struct LoadedTagger {
  std::vector<std::string> tag_names{};
  metrics::EntityTags tags{};
  std::string strategy{};
  std::vector<double> offset{};
  TokenFeatures features{};
  std::unique_ptr<Learner> learner{};

  std::vector<std::int64_t> tags_of(const Examples& examples) const {
    return calibrate::predict(learner->logits(examples).view(), offset);
  }
  std::vector<std::int64_t> tags_of(std::vector<std::string> tokens) const {
    const std::vector<std::int64_t> unknown(tokens.size(), 0);
    const TaggedSentence sentence{std::move(tokens), unknown};
    return tags_of(features.rows({&sentence, 1}));
  }
};

/// @throws InputError for a tagger that was not saved by this demo, and for flags that do not fit
/// it.
LoadedTagger use(const DemoFlags& flags, const SavedModel& saved);

/// How the tagger does on test sentences.
void print_evaluation(const DemoFlags& flags, const LoadedTagger& loaded);

/// The entities of a text, or of a JSON object a line of standard input.
void print_predictions(const DemoFlags& flags, const LoadedTagger& loaded, const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_PROGRAM_H_
