// One training of one strategy, scored.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_RUNS_H_
#define EQUIPOISE_DEMOS_SENTIMENT_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "demos/common/experiment.h"
#include "demos/common/learner.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kModelKind = "equipoise sentiment model 2";

struct RunOptions {
  TrainingOptions training{};
  std::size_t hidden = 0;
  nlohmann::json facts{};  ///< what models have to know besides; empty: the features are n-grams
  /// Makes an untrained model.
  std::function<std::unique_ptr<Learner>(const LearnerShape& shape, std::uint64_t seed)>
      make_learner;
};

/// The rate at which trainings, or the search for a rate, begin: of 10, 20, 40, 80 for the linear
/// model and of 5, 10, 20 with 128 units the one with the best macro-F1 of any strategy on
/// GoEmotions' validation rows; for several labels of 500, 1000, 2000 and 4000.
double default_rate(std::size_t hidden, bool has_several_labels);

/// Makes a few steps of a training as runs do, and throws it away.
void train_steps(const Task& task, const RunOptions& options, std::uint64_t steps);

/// The figures of predicted classes: accuracy, macro_f1, balanced_accuracy, rare_recall and
/// rare_precision (means over the rare classes), and precision, recall and f1 of each class.
Figures class_figures(const Task& task, const Examples& part,
                      std::span<const std::int64_t> predictions);

/// Trains and scores a strategy for texts with one label. Test figures include those of
/// calibration.
Run run_strategy(const Task& task, const Strategy& strategy, std::uint64_t seed,
                 const RunOptions& options, Progress& progress);

/// The same for texts with several labels. A label is predicted where its probability reaches the
/// label's own threshold, that with the best F1 on validation: macro_f1 and micro_f1; besides there
/// are those at one threshold for all labels, the best on validation (_shared), and at a half
/// (_half), and macro_average_precision, which has no threshold. f1, precision, recall and
/// average_precision of each label are by their own thresholds.
Run run_multilabel(const Task& task, const std::string& strategy, std::uint64_t seed,
                   const RunOptions& options, Progress& progress);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_RUNS_H_
