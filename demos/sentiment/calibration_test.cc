#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/sentiment/strategy.h"
#include "demos/sentiment/task.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"

namespace equipoise::demos {
namespace {

constexpr std::array kTaus = {0.0, 0.5, 1.0};
constexpr std::size_t kClasses = 3;
const ClassCounts kCounts = {900, 90, 10};

const Strategy& named(const std::string& name) {
  return *std::find_if(strategies_for(ModelKind::kAny).begin(),
                       strategies_for(ModelKind::kAny).end(),
                       [&](const Strategy& strategy) { return strategy.name == name; });
}

const MetricValue* find(const Metrics& measured, const std::string& metric,
                        const std::string& label = "") {
  const auto place = std::find_if(measured.begin(), measured.end(), [&](const MetricValue& each) {
    return each.metric == metric && each.label == label;
  });
  return place == measured.end() ? nullptr : &*place;
}
double value(const Metrics& measured, const std::string& metric, const std::string& label = "") {
  const MetricValue* const each = find(measured, metric, label);
  if (each == nullptr) throw std::invalid_argument("no metric " + metric);
  return each->value;
}

struct Rows {
  Logits logits{kClasses, {}};
  std::vector<std::int64_t> labels{};
};

std::vector<double> softmax(std::vector<double> z) {
  double sum = 0;
  for (double& each : z) sum += each = std::exp(each);
  for (double& each : z) each /= sum;
  return z;
}

// Rows whose labels are drawn from probabilities p, and whose logits are log p / temperature plus a
// term a class.
Rows random_rows(std::size_t size, const std::vector<double>& term, double temperature,
                 std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) / 9007199254740992.0; };
  Rows rows;
  for (std::size_t r = 0; r < size; ++r) {
    const std::vector<double> p = softmax({4 * uniform() + 2.5, 4 * uniform() + 1, 4 * uniform()});
    const double draw = uniform();
    rows.labels.push_back(draw < p[0] ? 0 : draw < p[0] + p[1] ? 1 : 2);
    for (std::size_t c = 0; c < kClasses; ++c) {
      rows.logits.values.push_back(static_cast<float>(std::log(p[c]) / temperature + term[c]));
    }
  }
  return rows;
}

Metrics metrics_of(const std::string& strategy, const Rows& validation, const Rows& test) {
  const Objective objective = [&] {
    std::vector<std::int64_t> labels;
    for (std::size_t c = 0; c < kClasses; ++c) {
      labels.insert(labels.end(), static_cast<std::size_t>(kCounts[c]),
                    static_cast<std::int64_t>(c));
    }
    return make_objective(named(strategy), kCounts, labels, 0, 1);
  }();
  return calibration_metrics(make_plan(named(strategy), kCounts), objective.loss, validation.logits,
                             validation.labels, test.logits, test.labels, kTaus);
}

// Mean -log of softmax(scale z + shift) at the label.
double nll_of(const Rows& rows, double scale, const std::vector<double>& shift) {
  double sum = 0;
  for (std::size_t r = 0; r < rows.labels.size(); ++r) {
    std::vector<double> z;
    for (std::size_t c = 0; c < kClasses; ++c) {
      z.push_back(scale * double{rows.logits.values[r * kClasses + c]} + shift[c]);
    }
    sum -= std::log(softmax(z)[static_cast<std::size_t>(rows.labels[r])]);
  }
  return sum / static_cast<double>(rows.labels.size());
}

TEST(Calibration, OfProbabilitiesAsTheyAreIsThatOfTheSoftmax) {
  // Four rows, the first class sure to .75, .75, .65 and .25.
  Logits logits{2, {}};
  for (const double p : {0.75, 0.75, 0.65, 0.25}) {
    logits.values.push_back(static_cast<float>(std::log(p)));
    logits.values.push_back(static_cast<float>(std::log(1 - p)));
  }
  const std::vector<std::int64_t> labels = {0, 1, 0, 1};
  const std::vector<std::int64_t> training = {0, 0, 0, 1};
  const ClassCounts counts = {3, 1};
  const Objective objective = make_objective(named("none"), counts, training, 0, 1);
  const Metrics measured = calibration_metrics(make_plan(named("none"), counts), objective.loss,
                                               logits, labels, logits, labels, kTaus);
  // Three rows are sure to .75, of which two are right; one to .65, which is right.
  EXPECT_NEAR(value(measured, "ece_raw"), 0.75 * (0.75 - 2 / 3.0) + 0.25 * 0.35, 1e-6);
  EXPECT_NEAR(value(measured, "nll_raw"),
              -(std::log(0.75) + std::log(0.25) + std::log(0.65) + std::log(0.75)) / 4, 1e-6);
  // The first class: .75 twice, once it is true; .65, and it is; .25, and it is not. The second
  // one is the rest.
  EXPECT_NEAR(value(measured, "class_wise_ece_raw"), (2 * 0.25 + 0.35 + 0.25) / 4, 1e-6);
  EXPECT_NEAR(value(measured, "confidence_raw", "12"), 0.75, 1e-6);  // 11 / 15 to 12 / 15
  EXPECT_NEAR(value(measured, "frequency_raw", "12"), 2 / 3.0, 1e-6);
  EXPECT_NEAR(value(measured, "frequency_raw", "10"), 1, 1e-6);
  EXPECT_EQ(find(measured, "frequency_raw", "11"), nullptr);  // no row is that sure
}

TEST(Calibration, OfNothingIsTheSameAsItIsAndNominal) {
  const Rows validation = random_rows(500, {0, 0, 0}, 1, 1);
  const Rows test = random_rows(500, {0, 0, 0}, 1, 2);
  for (const char* strategy : {"none", "none_tau"}) {
    const Metrics measured = metrics_of(strategy, validation, test);
    for (const char* metric : {"ece_", "class_wise_ece_", "nll_"}) {
      EXPECT_DOUBLE_EQ(value(measured, std::string(metric) + "raw"),
                       value(measured, std::string(metric) + "nominal"));
    }
    EXPECT_NEAR(value(measured, "nll_raw"), nll_of(test, 1, {0, 0, 0}), 1e-6);
    EXPECT_EQ(find(measured, "realised_share"), nullptr);  // there is no offset to share
    EXPECT_EQ(find(measured, "realised_share_lower"), nullptr);
  }
}

// What each treatment adds to the logits, as a formula of the counts.
TEST(Calibration, NominalUndoesTheTreatment) {
  const Rows validation = random_rows(500, {0, 0, 0}, 1, 1);
  const Rows test = random_rows(500, {0, 0, 0}, 1, 2);
  for (const Strategy& strategy : strategies_for(ModelKind::kAny)) {
    if (strategy.focal) continue;
    // In favour of rare classes by (1 / n)^tau of all parts together; the loss whose logits are
    // shifted in training makes logits that lack the prior.
    const double tau = strategy.weight_tau + strategy.sampler_tau + strategy.adjustment_tau;
    std::vector<double> shift;
    for (std::size_t c = 0; c < kClasses; ++c) shift.push_back(tau * std::log(kCounts[c]));
    EXPECT_NEAR(value(metrics_of(strategy.name, validation, test), "nll_nominal"),
                nll_of(test, 1, shift), 1e-5)
        << strategy.name;
  }
}

TEST(Calibration, FittedFindsTheTemperature) {
  const Rows validation = random_rows(5000, {0, 0, 0}, 0.5, 1);  // twice too sure
  const Rows test = random_rows(5000, {0, 0, 0}, 0.5, 2);
  const Metrics measured = metrics_of("none", validation, test);
  EXPECT_NEAR(value(measured, "nll_fitted"), nll_of(test, 0.5, {0, 0, 0}), 2e-3);
  EXPECT_LT(value(measured, "nll_fitted"), value(measured, "nll_raw") - 0.02);
  EXPECT_NEAR(value(measured, "temperature"), 2, 0.1);
  EXPECT_LT(value(measured, "ece_fitted"), 0.02);
  EXPECT_GT(value(measured, "ece_raw"), 0.05);
}

TEST(Calibration, FittedFindsTheShareOfTheOffsetThatWasRealised) {
  for (const char* strategy : {"weights", "sampler", "logit_adjustment", "weights_0.5"}) {
    const double tau = std::string(strategy) == "weights_0.5" ? 0.5 : 1;
    for (const double share : {1.0, 0.5}) {
      std::vector<double> term;
      for (std::size_t c = 0; c < kClasses; ++c) {
        term.push_back(-share * tau * std::log(kCounts[c]));
      }
      const Rows validation = random_rows(5000, term, 1, 1);
      const Rows test = random_rows(5000, term, 1, 2);
      const Metrics measured = metrics_of(strategy, validation, test);
      // Fixed rows: of others, one interval in twenty would miss.
      EXPECT_LE(value(measured, "realised_share_lower"), share) << strategy;
      EXPECT_GE(value(measured, "realised_share_upper"), share) << strategy;
      EXPECT_NEAR(value(measured, "realised_share"), share, 0.1) << strategy;
      std::vector<double> undone;
      for (const double each : term) undone.push_back(-each);
      EXPECT_NEAR(value(measured, "nll_fitted"), nll_of(test, 1, undone), 2e-3) << strategy;
      if (share == 0.5) {
        EXPECT_LT(value(measured, "nll_fitted"), value(measured, "nll_nominal")) << strategy;
      }
    }
  }
}

TEST(Calibration, FitsOnValidationOnly) {
  const Rows validation = random_rows(500, {0, 0, 0}, 0.5, 1);
  const Rows test = random_rows(500, {0, 0, 0}, 0.5, 2);
  Rows other = test;
  std::reverse(other.labels.begin(), other.labels.end());
  const Metrics measured = metrics_of("weights", validation, test);
  const Metrics others = metrics_of("weights", validation, other);
  for (const char* metric : {"temperature", "realised_share", "rule_tau"}) {
    EXPECT_EQ(value(measured, metric), value(others, metric)) << metric;
  }
  EXPECT_NE(value(measured, "nll_fitted"), value(others, "nll_fitted"));
}

TEST(Calibration, TheRuleTakesTheTauThatIsBestOnValidation) {
  const Rows validation = random_rows(400, {0, 0, 0}, 0.7, 3);
  const Rows test = random_rows(400, {0, 0, 0}, 0.7, 4);
  const double scale =
      calibrate::fit_temperature(validation.logits.view(), validation.labels).scale;
  const auto macro_f1 = [&](const Rows& rows, double tau) {
    metrics::ConfusionMatrix matrix(kClasses);
    for (std::size_t r = 0; r < rows.labels.size(); ++r) {
      std::vector<double> z;
      for (std::size_t c = 0; c < kClasses; ++c) {
        z.push_back(scale * double{rows.logits.values[r * kClasses + c]} -
                    tau * std::log(kCounts[c] / kCounts.total()));
      }
      matrix.add(std::vector{rows.labels[r]},
                 std::vector{std::max_element(z.begin(), z.end()) - z.begin()});
    }
    return matrix.macro_f1();
  };
  double best = -1;
  double best_tau = -1;
  for (const double tau : kTaus) {
    if (const double score = macro_f1(validation, tau); score > best) {
      best = score;
      best_tau = tau;
    }
  }
  const Metrics measured = metrics_of("none", validation, test);
  EXPECT_GT(best_tau, 0);  // or there would be little to see
  EXPECT_EQ(value(measured, "rule_tau"), best_tau);
  EXPECT_NEAR(value(measured, "rule_macro_f1"), macro_f1(test, best_tau), 1e-12);
}

}  // namespace
}  // namespace equipoise::demos
