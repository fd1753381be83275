// Questions in many languages, where both classes and languages differ in size: one model a task,
// several ways to train it.
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "demos/common/demo_flags.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/qa/program.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kMostPieces = 128;  // that an encoder reads of a question and a sentence

QaTask find_task(const DemoFlags& flags, const QaFlags& own,
                 const std::optional<Encoding>& encoding) {
  if (!own.selects_sentences()) return make_task(find_answer_types(flags, own));
  return make_task(find_sentences(flags, own), pieces_of(encoding),
                   encoding ? facts_of(*encoding) : nlohmann::json());
}

std::string model_text(const QaTask& task, bool has_encoder) {
  if (has_encoder) {
    return "an encoder with a linear head, softmax on question and sentence as a pair";
  }
  return absl::StrCat("linear softmax on ",
                      task.selects_sentences() ? "what question and sentence have in common"
                      : task.is_translated     ? "hashed n-grams of question and translation"
                                               : "hashed n-grams");
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags, const QaFlags& own) {
  check_question(own.predict, own.task);
  const std::optional<Encoding> encoding = encoding_of_flags(kMostPieces);
  const QaTask task = find_task(flags, own, encoding);
  // The search for a rate begins there, where, of 5 to 160 and of 0.5 to 4, a rate that all
  // strategies share does best on validation, to .002.
  const double rate = task.selects_sentences() ? 2 : 40;
  return compare(
      flags, task, suited_strategies(flags, own, task),
      make_model(flags, encoding, {.text = model_text(task, encoding.has_value()), .rate = rate}));
}

void run(const DemoFlags& flags) {
  const QaFlags own = read_qa_flags(flags);
  run_program(
      flags, {.kind = kQaModelKind,
              .predict = own.predict,
              .train = [&] { return train(flags, own); },
              .evaluate = [&](const SavedModel& saved) { evaluate(flags, own, use(flags, saved)); },
              .answer =
                  [&](const SavedModel& saved) {
                    print_predictions(flags, use(flags, saved), own.predict);
                  },
              .export_parts =
                  [](const SavedModel& saved) {
                    export_encoder(saved.facts.at("features"), saved.parameters);
                  }});
}

}  // namespace

}  // namespace equipoise::demos

int main(int argc, char** argv) {
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kQaUsage, equipoise::demos::run);
}
