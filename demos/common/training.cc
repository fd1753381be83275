#include "demos/common/training.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cmath>
#include <system_error>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {

TrainingOptions of_head(TrainingOptions training) {
  if (!training.log.empty()) training.log += ".head";
  if (!training.checkpoint.empty()) training.checkpoint += ".head";
  training.resumes = training.resumes && std::filesystem::exists(training.checkpoint);
  return training;
}

void forget_head(const TrainingOptions& training) {
  if (training.checkpoint.empty() || training.resumes) return;
  std::error_code error;
  std::filesystem::remove(of_head(training).checkpoint, error);
}

double metric_of(const Metrics& measured, std::string_view metric) {
  std::string known;
  for (const MetricValue& each : measured) {
    if (!each.label.empty()) continue;
    if (each.metric == metric) return each.value;
    absl::StrAppend(&known, known.empty() ? "" : ", ", each.metric);
  }
  throw InputError(absl::StrCat("--monitor=", std::string(metric), ": expected one of ", known));
}

const Logits& require_finite(const Logits& logits, const TrainingOptions& options) {
  for (const float logit : logits.values) {
    if (std::isfinite(logit)) continue;
    throw InputError(absl::StrCat("--rate=", options.rate, ": training diverged: a logit is ",
                                  logit, "; use a lower rate"));
  }
  return logits;
}

std::uint64_t steps_per_epoch(std::uint64_t epoch_size, const TrainingOptions& options) {
  return (epoch_size + options.batch_size - 1) / options.batch_size;
}

double falling_rate(std::uint64_t step, std::uint64_t epoch_size, const TrainingOptions& options) {
  const auto steps = static_cast<double>(steps_per_epoch(epoch_size, options) * options.epochs);
  const double rising = std::floor(options.warmup * steps);
  const auto done = static_cast<double>(step);
  return done < rising ? (done + 1) / rising : (steps - done) / (steps - rising);
}

Fit TrainingLoop::run(const Validate& validate, Progress& progress) {
  start();
  progress.advance(steps_);
  const std::uint64_t steps = steps_per_epoch(objective_.stream.epoch_size(), options_);
  std::uint64_t epoch = epochs_seen_;
  for (; epoch < options_.epochs; ++epoch) {
    if (epoch > 0 && stopping_.stops_after(epoch - 1)) break;
    // A checkpoint may lie between the last step of an epoch and the look at validation.
    const std::uint64_t first = steps_ - epoch * steps;
    if (first < steps && !train_epoch(epoch, first, steps, progress)) return {.steps = steps_};
    if (validate) look_at_validation(epoch, validate);
    loss_sum_ = 0;
    epochs_seen_ = epoch + 1;
    end_epoch();
  }
  progress.skip((options_.epochs - epoch) * steps);
  if (!best_.empty()) set_parameters(best_);
  return {stopping_.best(), stopping_.score(), validation_logits(), steps_};
}

bool TrainingLoop::count(double loss, Progress& progress) {
  loss_sum_ += loss;
  ++steps_;
  progress.advance(1);
  end_step();
  return options_.max_steps == 0 || steps_ < options_.max_steps;
}

void TrainingLoop::look_at_validation(std::uint64_t epoch, const Validate& validate) {
  const Metrics measured = validate(require_finite(validation_logits(), options_));
  add_to_log(epoch, measured);
  const double score = metric_of(measured, options_.monitor);
  const bool is_last = epoch + 1 == options_.epochs;
  if ((has_set_in(objective_, steps_) || is_last) && stopping_.improves(epoch, score)) {
    best_ = parameters();
  }
}

// The steps that were made, the rate, the mean loss of the steps, the metrics of all together.
void TrainingLoop::add_to_log(std::uint64_t epoch, const Metrics& measured) {
  const auto steps = static_cast<double>(steps_per_epoch(objective_.stream.epoch_size(), options_));
  std::string names = "epoch,steps,rate,loss";
  std::string values = absl::StrFormat("%d,%d,%.9g,%.9g", epoch + 1, steps_, rate_ * rate_share(),
                                       loss_sum_ / steps);
  for (const MetricValue& each : measured) {
    if (!each.label.empty()) continue;
    absl::StrAppend(&names, ",", each.metric);
    absl::StrAppendFormat(&values, ",%.9g", each.value);
  }
  if (log_.empty()) log_ = names + "\n";
  log_ += values + "\n";
  if (writes_log() && !options_.log.empty()) write_file(options_.log, log_);
}

}  // namespace equipoise::demos
