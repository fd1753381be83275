// Models of this demo: made, loaded and put to use.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_MODEL_H_
#define EQUIPOISE_DEMOS_SENTIMENT_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/features.h"
#include "demos/common/learner.h"
#include "demos/common/model_file.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/sentiment/sentiment_flags.h"
#include "demos/sentiment/task.h"

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kModelKind = "equipoise sentiment model 2";

/// A trained model with what it needs to be used.
struct LoadedModel {
  std::vector<std::string> classes;
  TfIdf tf_idf;
  std::optional<Encoding> encoding;
  std::vector<double> offset;
  std::vector<double> thresholds;
  std::string strategy;
  std::unique_ptr<Learner> learner;

  Examples examples(const std::vector<std::string>& texts) const;
  bool has_several_labels() const { return !thresholds.empty(); }
};

/// @throws InputError for a model that was not saved by this demo, and for flags that do not fit
/// it. --encoder is of this model, or it is of another one.
LoadedModel use(const DemoFlags& flags, const SavedModel& saved, bool obeys_encoder = true);

/// Prints how the model does on test rows, and what it gains over the one of --against.
void print_evaluation(const DemoFlags& flags, const SentimentFlags& own, const LoadedModel& model);

/// Prints the classes of the text of --predict, or of a JSON object a line of standard input.
void print_predictions(const DemoFlags& flags, const LoadedModel& model, const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_MODEL_H_
