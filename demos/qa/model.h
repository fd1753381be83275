// Models of this demo: made, loaded and put to use.
#ifndef EQUIPOISE_DEMOS_QA_MODEL_H_
#define EQUIPOISE_DEMOS_QA_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "demos/common/demo_flags.h"
#include "demos/common/learner.h"
#include "demos/common/model_file.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/qa/prediction.h"
#include "demos/qa/qa_flags.h"

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kQaModelKind = "equipoise qa model 2";

/// @throws InputError for a model that was not saved by this demo, and for flags that do not fit
/// it.
QaModel use(const DemoFlags& flags, const SavedModel& saved);

/// Prints how a model does on the test questions: those that it was tested on, unless they are of a
/// file that was given for that.
void evaluate(const DemoFlags& flags, const QaFlags& own, const QaModel& model);

/// What --predict says, before anything is trained for it; standard input is read later.
/// @throws InputError for what the task cannot answer.
void check_question(const std::string& text, const std::string& task);

/// Prints the prediction for that question, or for each line of standard input.
void print_predictions(const DemoFlags& flags, const QaModel& model, const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_MODEL_H_
