// What a user can take from a table: the strategy, what it costs, and the lines of code.
#ifndef EQUIPOISE_DEMOS_COMMON_ADVICE_H_
#define EQUIPOISE_DEMOS_COMMON_ADVICE_H_

#include <string>

#include "demos/common/experiment.h"

namespace equipoise::demos {

/// A softmax loss, its class weights as an expression; what is empty or zero is left out.
struct SoftmaxCode {
  std::string modulator{};  ///< "equipoise::Focal"
  std::string class_weights{};
  double adjustment_tau = 0;
};

/// C++ lines that make it, `loss`. An adjustment takes `counts`, a ClassCounts.
std::string softmax_code(const SoftmaxCode& loss);

/// The weights n^-tau of such counts; `more` is further arguments, with a comma before them.
std::string power_weights_code(double tau, const std::string& more = "",
                               const std::string& counts = "counts");

/// Lines that draw classes in proportion to n^(1 - tau): `mass` and `sampler`, of `labels`,
/// `counts` and `seed`.
std::string class_sampler_code(double tau);

/// Lines that make a sampler, and say how it is drawn from.
std::string batch_sampler_code(const std::string& labels);

/// Lines that make the offset of a post-hoc correction of `prior`, its tau the one in "tau 0.75".
std::string posthoc_code(const std::string& choice, const std::string& prior = "counts.values()");

/// The metrics ece_raw and ece_fitted of the best strategy beside the baseline's; `fitted` says
/// with what probabilities are fitted.
std::string cost_in_calibration(const Results& results, const ExperimentOptions& options,
                                const std::string& fitted);

/// The flag of the strategy that is best on validation, its gain on test, its cost, and its code.
std::string advice(const Results& results, const ExperimentOptions& options,
                   const std::string& cost, const std::string& code);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_ADVICE_H_
