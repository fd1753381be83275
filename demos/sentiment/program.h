// The sentiment demo around its training: its flags, its data, and the use of its models.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_PROGRAM_H_
#define EQUIPOISE_DEMOS_SENTIMENT_PROGRAM_H_

#include <absl/flags/declare.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/features.h"
#include "demos/common/learner.h"
#include "demos/common/model_file.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/sentiment/corpus.h"
#include "demos/sentiment/task.h"

ABSL_DECLARE_FLAG(int, hidden);
ABSL_DECLARE_FLAG(std::string, predict);

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kModelKind = "equipoise sentiment model 2";

/// What --help begins with.
extern const char* const kSentimentUsage;

/// @throws InputError for flags that are out of range or would be set in vain.
void check_flags(const DemoFlags& flags);

/// The names of the strategies that the flags allow.
std::vector<std::string> known_strategies();

/// The corpus that flags name, or one that is generated.
Corpus find_corpus(const DemoFlags& flags);

/// A trained model with what it needs to be used.
struct LoadedModel {
  std::vector<std::string> classes;
  TfIdf tf_idf;
  std::optional<Encoding> encoding;
  std::vector<double> offset;
  std::vector<double> thresholds;
  std::string strategy;
  std::unique_ptr<Learner> learner;

  Examples examples(const std::vector<std::string>& texts) const {
    return encoding ? make_examples(encoding->tokenizer, encoding->most_pieces, texts)
                    : make_examples(tf_idf, texts);
  }
  bool has_several_labels() const { return !thresholds.empty(); }
};

/// --encoder is of this model, or it is of another one.
/// @throws InputError for a model that was not saved by this demo, and for flags that do not fit
/// it.
LoadedModel use(const DemoFlags& flags, const SavedModel& saved, bool obeys_encoder = true);

/// How the model does on test rows, and what it gains over the one of --against.
void print_evaluation(const DemoFlags& flags, const LoadedModel& model);

/// The classes of a text, or of a JSON object a line of standard input.
void print_predictions(const DemoFlags& flags, const LoadedModel& model, const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_PROGRAM_H_
