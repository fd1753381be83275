// One training of one strategy, scored.
#ifndef EQUIPOISE_DEMOS_NER_RUNS_H_
#define EQUIPOISE_DEMOS_NER_RUNS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "demos/common/experiment.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "demos/ner/tagger.h"
#include "demos/ner/task.h"

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kTaggerKind = "equipoise tagger 1";

struct TaggingRunOptions {
  TrainingOptions training{};
  TaggerOptions tagger{};
};

/// The rate of a neural model, and where the search for one begins for "linear": of 50, 100, 200
/// and 400 the one with the best token_macro_f1 of any strategy on the validation sentences of the
/// Broad Twitter Corpus; of 2e-3, 4e-3, 8e-3 and 16e-3 the larger of the two that do best there,
/// which are alike.
double default_rate(const std::string& model);

/// The figures of predicted tags: token_macro_f1, the mean over types of the F1 of tokens, by the
/// type of the tag alone; entity_f1 and entity_f1_conlleval, of entities in the strict and in
/// conlleval's reading; entity_macro_f1, the mean over types in the strict reading; and of each
/// type token_f1, precision, recall and f1 (entities, strict).
Figures tagging_figures(const TaggingTask& task, const TaggedPart& part,
                        std::span<const std::int64_t> tags);

/// Trains and scores a strategy. Besides, of the same model, on test, where validation has every
/// tag: token_macro_f1_em and entity_f1_em, after a prior shift by expectation-maximisation
/// (calibrated on validation by a bias-corrected temperature); and of each type tokens, its share
/// of the test tokens, and tokens_em, that share as estimated. A strategy that trains twice has
/// files of its own for the second training, their names with .head.
Run run_tagging(const TaggingTask& task, const std::string& strategy, std::uint64_t seed,
                const TaggingRunOptions& options, Progress& progress);

/// The optimiser steps of a strategy's training at most.
std::uint64_t tagging_steps(const TaggingTask& task, const std::string& strategy,
                            const TrainingOptions& options);

/// Makes a few steps of a training as runs do, and throws it away.
void train_tagging_steps(const TaggingTask& task, const TaggingRunOptions& options,
                         std::uint64_t steps);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_RUNS_H_
