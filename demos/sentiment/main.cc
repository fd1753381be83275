// Sentiment on imbalanced classes: one model, several ways to train it.
#include <absl/flags/flag.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "demos/common/demo_flags.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/sentiment/program.h"
#include "demos/sentiment/task.h"

namespace equipoise::demos {

namespace {

constexpr std::size_t kMostPieces = 48;  // that an encoder reads of a text

// The rate is that at which runs, or the search for a rate, begin: of 10, 20, 40, 80 for the linear
// model and of 5, 10, 20 with 128 units the one with the best macro-F1 of any strategy on
// GoEmotions' validation rows; for several labels of 500, 1000, 2000 and 4000.
ModelDefaults defaults_of(std::size_t hidden, bool has_encoder, bool several) {
  const std::string model = has_encoder   ? "an encoder with a linear head,"
                            : hidden == 0 ? "linear"
                                          : absl::StrCat("a hidden layer of ", hidden, " units");
  return {.text = absl::StrCat(model, several ? " with a sigmoid a label" : " softmax", " on ",
                               has_encoder ? "pieces of words" : "hashed n-grams"),
          .rate = several       ? 1000.0
                  : hidden == 0 ? 40.0
                                : 10.0,
          .is_linear = hidden == 0};
}

std::shared_ptr<const SavedModel> train(const DemoFlags& flags) {
  const auto hidden = static_cast<std::size_t>(absl::GetFlag(FLAGS_hidden));
  const std::optional<Encoding> encoding = encoding_of_flags(kMostPieces);
  const Corpus corpus = find_corpus(flags);
  const std::unique_ptr<TextTask> task =
      encoding ? make_task(corpus, encoding->tokenizer, encoding->most_pieces) : make_task(corpus);
  if (encoding) task->facts.update(facts_of(*encoding));
  task->shape.hidden = hidden;
  task->facts["hidden"] = hidden;
  return compare(flags, *task, choose_strategies(flags.strategies, known_strategies()),
                 make_model(flags, encoding,
                            defaults_of(hidden, encoding.has_value(), corpus.has_several_labels)));
}

void run(const DemoFlags& flags) {
  check_flags(flags);
  choose_strategies(flags.strategies, known_strategies());  // what is wrong with them is said first
  const std::string text = absl::GetFlag(FLAGS_predict);
  run_program(
      flags,
      {.kind = kModelKind,
       .predict = text,
       .train = [&] { return train(flags); },
       .evaluate = [&](const SavedModel& saved) { print_evaluation(flags, use(flags, saved)); },
       .answer =
           [&](const SavedModel& saved) { print_predictions(flags, use(flags, saved), text); },
       .export_parts =
           [](const SavedModel& saved) { export_encoder(saved.facts, saved.parameters); }});
}

}  // namespace

}  // namespace equipoise::demos

int main(int argc, char** argv) {
  return equipoise::demos::run_demo(argc, argv, equipoise::demos::kSentimentUsage,
                                    equipoise::demos::run);
}
