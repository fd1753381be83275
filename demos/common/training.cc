#include "demos/common/training.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cmath>
#include <filesystem>
#include <system_error>

#include "demos/common/csv.h"
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

double figure_of(const Figures& figures, std::string_view metric) {
  std::string known;
  for (const Figure& figure : figures) {
    if (!figure.label.empty()) continue;
    if (figure.metric == metric) return figure.value;
    absl::StrAppend(&known, known.empty() ? "" : ", ", figure.metric);
  }
  throw InputError(absl::StrCat("--monitor=", std::string(metric), ": expected one of ", known));
}

const Logits& require_finite(const Logits& logits, const TrainingOptions& options) {
  for (const float logit : logits.values) {
    if (std::isfinite(logit)) continue;
    throw InputError(absl::StrCat("--rate=", options.rate, ": the training diverged, a logit is ",
                                  logit, "; take a smaller rate"));
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

std::string log_header(const Figures& figures) {
  std::string line = "epoch,steps,rate,loss";
  for (const Figure& figure : figures) {
    if (figure.label.empty()) absl::StrAppend(&line, ",", csv_field(figure.metric));
  }
  return line + "\n";
}

std::string log_line(std::uint64_t epoch, std::uint64_t steps, double rate, double loss,
                     const Figures& figures) {
  std::string line = absl::StrFormat("%d,%d,%.9g,%.9g", epoch + 1, steps, rate, loss);
  for (const Figure& figure : figures) {
    if (figure.label.empty()) absl::StrAppendFormat(&line, ",%.9g", figure.value);
  }
  return line + "\n";
}

}  // namespace equipoise::demos
