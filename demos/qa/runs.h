// One training of one strategy, scored.
#ifndef EQUIPOISE_DEMOS_QA_RUNS_H_
#define EQUIPOISE_DEMOS_QA_RUNS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "demos/common/experiment.h"
#include "demos/common/learner.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "demos/qa/scores.h"
#include "demos/qa/strategy.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kQaModelKind = "equipoise qa model 2";

struct QaRunOptions {
  TrainingOptions training{};
  /// Makes an untrained model.
  std::function<std::unique_ptr<Learner>(const LearnerShape& shape, std::uint64_t seed)>
      make_learner;
};

/// Where the search for a rate begins: of types at 40, of sentences at 2. There, of 5 to 160 and of
/// 0.5 to 4, a rate that all strategies share does best on validation, to .002.
double default_rate(std::string_view task);

/// Trains for some epochs as runs do, each scored on validation, and throws it away.
void train_epochs(const QaTask& task, const QaRunOptions& options, std::uint64_t epochs);

/// The same for some steps, and nothing is scored.
void train_steps(const QaTask& task, const QaRunOptions& options, std::uint64_t steps);

/// Trains and scores a strategy; the groups are the languages. Test figures include those of
/// calibration.
Run run_qa_strategy(const QaTask& task, const QaStrategy& strategy, std::uint64_t seed,
                    const QaRunOptions& options, Progress& progress);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_RUNS_H_
