// One training by several workers, each with its share of every batch.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_DISTRIBUTED_H_
#define EQUIPOISE_DEMOS_SENTIMENT_DISTRIBUTED_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iosfwd>

#include "demos/sentiment/classifier.h"
#include "demos/sentiment/experiment.h"
#include "demos/sentiment/strategy.h"

namespace equipoise::demos {

struct DistributedOptions {
  Strategy strategy;
  TrainingOptions training{};  ///< batch_size is that of all workers together
  std::uint64_t seed = 0;
  std::chrono::seconds timeout{30};    ///< how long to wait for the other workers
  std::filesystem::path checkpoint{};  ///< empty: none is written
  std::uint64_t checkpoint_steps = 200;
  bool resumes = false;  ///< goes on from the checkpoint
};

/// What a worker does: trains with the others, which a launcher has told it of in the environment,
/// and writes to `out`, if it is rank 0, the loss of every epoch and macro-F1 on validation, and
/// the figures on test. Losses and weights are those that one worker gets from the same batches,
/// rounding apart. Rank 0 replaces the checkpoint every checkpoint_steps steps and at the end of an
/// epoch; any number of workers can go on from it.
/// @throws InputError for a batch size that the workers cannot share evenly, for a checkpoint that
/// cannot be read or is of another run (naming what differs), and where the program was built
/// without LibTorch or Gloo. std::runtime_error where a worker is lost.
void run_distributed_worker(const Task& task, const DistributedOptions& options, std::ostream& out);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_DISTRIBUTED_H_
