// Trained models put to use.
#ifndef EQUIPOISE_DEMOS_QA_PREDICTION_H_
#define EQUIPOISE_DEMOS_QA_PREDICTION_H_

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "demos/common/learner.h"
#include "demos/common/task.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/scores.h"
#include "demos/qa/sentence_features.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

struct SavedModel;  // see model_file.h

/// A model with all that it needs to be used.
struct QaModel {
  QaTask task{};  ///< without rows
  std::string strategy{};
  std::variant<QuestionFeatures, SentenceFeatures, PairPieces> features;
  Decision decision{};
  std::vector<double> calibration{};  ///< a, b_0, b_1, ...: probabilities are softmax(a z + b)
  std::string test{};                 ///< fingerprint() of the rows it was tested on
  std::unique_ptr<Learner> learner{};
};

/// Makes a model of what was saved, with its encoder if it has one.
/// @throws std::invalid_argument and nlohmann::json::exception for what QaTask does not save.
QaModel use_qa_model(const SavedModel& saved,
                     const std::function<std::unique_ptr<Learner>(const LearnerShape&)>& make,
                     const std::optional<PairPieces>& pieces = std::nullopt);

/// Questions with sentences as the rows of a model that selects these.
Examples sentence_examples(const QaModel& model, std::span<const SentenceQuestion> questions);

/// A prediction for an object with `question` and, for a type, `translation` (may be missing) or,
/// for sentences, `context` and perhaps `language`, by whose rules it is cut into sentences:
///   {"question": ..., "answer_type": "yes_no", "probabilities": {"yes_no": 0.53, ...}}
///   {"question": ..., "sentences": [{"text": ..., "probability": 0.8, "is_answer": true}, ...]}
/// Types stand in the order of their scores, the decision first, and sentences by probability.
/// Probabilities are calibrated on validation; a decision that favours rare types need not be the
/// most probable one.
/// @throws nlohmann::json::exception for an object that lacks one of them, InputError for a context
/// without a sentence.
nlohmann::ordered_json predict_question(const QaModel& model, const nlohmann::json& question);

/// The same for people, a line a type or sentence; what is decided for has a star.
std::string prediction_text(const nlohmann::ordered_json& prediction);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_PREDICTION_H_
