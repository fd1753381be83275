// Percentile intervals of resampled rows, and of pairs of systems on them.
#ifndef EQUIPOISE_METRICS_DETAIL_BOOTSTRAP_H_
#define EQUIPOISE_METRICS_DETAIL_BOOTSTRAP_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/counts.h"
#include "equipoise/detail/check.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/detail/row_draws.h"
#include "equipoise/metrics/interval.h"
#include "equipoise/random.h"
#include "equipoise/view.h"

namespace equipoise::detail {

// The function that users called, and what its options say.
struct BootstrapCall {
  std::string_view where;
  std::size_t resamples;
  double confidence;
  std::uint64_t seed;
  bool within_classes;
  std::uint32_t pseudo_rows;
};

inline void require_bootstrap(const BootstrapCall& call, std::size_t rows) {
  const std::string_view where = call.where;
  if (rows == 0) reject(where, "rows", rows, "at least 1");
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    reject(where, "rows", rows, "less than 2^32");
  }
  if (call.resamples == 0) reject(where, "options.resamples", 0, "at least 1");
  require_between(where, "options.confidence", call.confidence, 0, 1, Ends::kNeither);
}

inline double require_estimate(std::string_view where, double estimate) {
  require_finite(where, "statistic of all rows", estimate);
  return estimate;
}
inline double require_resampled(std::string_view where, std::size_t b, double value) {
  if (!is_finite(value)) {
    reject_element(where, "statistic of resamples", b, value, "a finite number");
  }
  return value;
}

// The quantiles of values, which it sorts.
inline metrics::Interval percentiles(double estimate, std::vector<double>& values,
                                     double confidence) {
  std::sort(values.begin(), values.end());
  const double tail = (1 - confidence) / 2 * static_cast<double>(values.size() - 1);
  return {estimate, order_statistic(values, tail, false), order_statistic(values, tail, true)};
}

// The interval of a statistic of how often each row is taken.
template <class F>
metrics::Interval bootstrap(const BootstrapCall& call, const RowDraws& rows, const F& statistic) {
  std::vector<std::uint32_t> multiplicity(rows.rows(), 1);
  const auto value = [&] { return static_cast<double>(statistic(std::span(multiplicity))); };
  const double estimate = require_estimate(call.where, value());
  const CounterRandom random{call.seed};
  std::vector<double> values;
  values.reserve(call.resamples);
  for (std::size_t b = 0; b < call.resamples; ++b) {
    std::fill(multiplicity.begin(), multiplicity.end(), 0u);
    rows.draw(random, b, [&](std::size_t row, std::uint64_t) { ++multiplicity[row]; });
    values.push_back(require_resampled(call.where, b, value()));
  }
  return percentiles(estimate, values, call.confidence);
}

// Two coins, one for each system.
enum class Coin : std::uint8_t { kFirst = 1, kSecond = 2 };

// A row of a resample, or a pseudo-row of its class and on which coins it is right.
struct Draw {
  std::size_t row;
  std::uint8_t heads = 0;
  bool is_pseudo = false;
};

// The targets and how resamples of them are drawn.
class ClassDraws {
 public:
  template <class L>
  ClassDraws(const BootstrapCall& call, std::span<const L> targets, std::size_t classes)
      : random_{call.seed},
        pseudo_rows_(call.pseudo_rows),
        rows_(call.within_classes ? RowDraws(targets) : RowDraws(targets.size())),
        support_(classes, 0) {
    targets_.reserve(targets.size());
    for (const L target : targets) {
      targets_.push_back(static_cast<std::size_t>(target));
      ++support_[targets_.back()];
    }
    // First every row once, which is what estimates are of.
    for (std::size_t r = 0; r < targets_.size(); ++r) draws_.push_back({r});
  }

  std::span<const std::size_t> targets() const { return targets_; }
  std::span<const Draw> draws() const { return draws_; }

  void draw(std::size_t b) {
    constexpr std::uint64_t kPseudoRows = std::uint64_t{1} << 63;
    draws_.clear();
    rows_.draw(random_, b, [&](std::size_t row, std::uint64_t position) {
      Draw& drawn = draws_.emplace_back(Draw{row});
      if (pseudo_rows_ == 0) return;
      // One of the class's rows and pseudo-rows, and of the four ways that two coins fall.
      const std::uint64_t all = support_[targets_[row]] + pseudo_rows_;
      const std::uint64_t which =
          random_.below(4 * all, position | kPseudoRows, Purpose::kBootstrap);
      drawn.is_pseudo = which / 4 < pseudo_rows_;
      drawn.heads = static_cast<std::uint8_t>(which % 4);
    });
  }

 private:
  CounterRandom random_;
  std::uint64_t pseudo_rows_;
  RowDraws rows_;
  std::vector<std::size_t> targets_;
  std::vector<std::uint64_t> support_;  // rows of each class
  std::vector<Draw> draws_;
};

template <class L>
void require_classes(std::string_view where, std::string_view argument, std::span<const L> labels,
                     std::size_t classes) {
  for (const L label : labels) {
    if (is_class(label, classes)) continue;
    reject_first_invalid(where, argument, labels, classes, std::nullopt);
  }
}

// What every system is scored on.
template <class L>
void require_targets(const BootstrapCall& call, std::span<const L> targets, std::size_t classes) {
  require_bootstrap(call, targets.size());
  require_classes(call.where, "targets", targets, classes);
}

// The metric of resampled rows, a number read off a confusion matrix, averaged over the runs of a
// system.
template <class F>
class ResampledRuns {
 public:
  ResampledRuns(std::string_view where, std::size_t classes, const F& metric)
      : where_(where), metric_(metric), matrix_(classes) {}

  template <class L, class Predictions>
  void add(std::string_view argument, std::span<const L> targets, const Predictions& run) {
    const auto predictions = as_span(run);
    require_size(where_, argument, predictions.size(), targets.size(), "targets");
    require_classes(where_, argument, predictions, matrix_.classes());
    std::vector<std::size_t>& labels = runs_.emplace_back();
    labels.reserve(predictions.size());
    for (const auto label : predictions) labels.push_back(static_cast<std::size_t>(label));
  }

  template <class L, class Runs>
  void add_all(std::string_view argument, std::span<const L> targets, const Runs& runs) {
    if (as_span(runs).empty()) reject(where_, std::string(argument) + ".size()", 0, "at least 1");
    for (std::size_t r = 0; r < as_span(runs).size(); ++r) {
      add(std::string(argument) + "[" + to_text(r) + "]", targets, as_span(runs)[r]);
    }
  }

  std::span<const std::vector<std::size_t>> runs() const { return runs_; }

  // Of the rows drawn; with a coin, pseudo-rows count as such, those that are wrong as
  // wrong[target].
  double mean(const ClassDraws& rows, std::optional<Coin> coin,
              std::span<const std::size_t> wrong) {
    const std::span<const std::size_t> targets = rows.targets();
    double sum = 0;
    for (const std::vector<std::size_t>& run : runs_) {
      const std::span<double> counts = matrix_.all_reduce_buffer();
      std::fill(counts.begin(), counts.end(), 0.0);
      for (const Draw& draw : rows.draws()) {
        const std::size_t target = targets[draw.row];
        std::size_t prediction = run[draw.row];
        if (coin && draw.is_pseudo) {
          const bool is_right = (draw.heads & static_cast<std::uint8_t>(*coin)) != 0;
          prediction = is_right ? target : wrong[target];
        }
        counts[target * matrix_.classes() + prediction] += 1;
      }
      sum += static_cast<double>(metric_(static_cast<const metrics::ConfusionMatrix&>(matrix_)));
    }
    return sum / static_cast<double>(runs_.size());
  }

 private:
  std::string_view where_;
  const F& metric_;
  std::vector<std::vector<std::size_t>> runs_;  // predictions
  metrics::ConfusionMatrix matrix_;             // of one run and resample
};

// For each class the other one that is predicted most often, the first of equals.
class WrongClasses {
 public:
  explicit WrongClasses(std::size_t classes) : predicted_(classes, 0) {}

  void count(std::span<const std::vector<std::size_t>> runs) {
    for (const std::vector<std::size_t>& run : runs) {
      for (const std::size_t label : run) ++predicted_[label];
    }
  }
  // With a single class there is no wrong one.
  std::vector<std::size_t> find() const {
    std::vector<std::size_t> wrong(predicted_.size(), 0);
    for (std::size_t t = 0; t < wrong.size(); ++t) {
      wrong[t] = t == 0 && wrong.size() > 1 ? 1 : 0;
      for (std::size_t c = 0; c < wrong.size(); ++c) {
        if (c != t && predicted_[c] > predicted_[wrong[t]]) wrong[t] = c;
      }
    }
    return wrong;
  }

 private:
  std::vector<std::uint64_t> predicted_;
};

// The interval of value(rows, coin of the first system, coin of the second): the span of the
// percentile intervals without and with pseudo-rows. Each resample takes the coins both ways, so
// that swapping two systems negates the difference exactly.
template <class F>
metrics::Interval class_bootstrap(const BootstrapCall& call, ClassDraws& rows, const F& value) {
  const double estimate = require_estimate(call.where, value(std::nullopt, std::nullopt));
  const bool smooths = call.pseudo_rows > 0;
  std::vector<double> values;
  std::vector<double> smoothed;
  values.reserve(call.resamples);
  smoothed.reserve(smooths ? 2 * call.resamples : 0);
  for (std::size_t b = 0; b < call.resamples; ++b) {
    rows.draw(b);
    values.push_back(require_resampled(call.where, b, value(std::nullopt, std::nullopt)));
    if (!smooths) continue;
    smoothed.push_back(require_resampled(call.where, b, value(Coin::kFirst, Coin::kSecond)));
    smoothed.push_back(require_resampled(call.where, b, value(Coin::kSecond, Coin::kFirst)));
  }
  metrics::Interval interval = percentiles(estimate, values, call.confidence);
  if (smooths) {
    const metrics::Interval wide = percentiles(estimate, smoothed, call.confidence);
    interval.lower = std::min(interval.lower, wide.lower);
    interval.upper = std::max(interval.upper, wide.upper);
  }
  return interval;
}

template <class L, class F>
metrics::Interval of_one(const BootstrapCall& call, std::span<const L> targets,
                         ResampledRuns<F>& system, std::size_t classes) {
  ClassDraws rows(call, targets, classes);
  WrongClasses wrong(classes);
  wrong.count(system.runs());
  return class_bootstrap(
      call, rows, [&, instead = wrong.find()](std::optional<Coin> coin, std::optional<Coin>) {
        return system.mean(rows, coin, instead);
      });
}

template <class L, class F>
metrics::Interval difference(const BootstrapCall& call, std::span<const L> targets,
                             ResampledRuns<F>& a, ResampledRuns<F>& b, std::size_t classes) {
  ClassDraws rows(call, targets, classes);
  WrongClasses wrong(classes);
  wrong.count(a.runs());
  wrong.count(b.runs());
  const bool are_equal =
      std::equal(a.runs().begin(), a.runs().end(), b.runs().begin(), b.runs().end());
  return class_bootstrap(
      call, rows, [&, instead = wrong.find()](std::optional<Coin> of_a, std::optional<Coin> of_b) {
        return a.mean(rows, of_a, instead) - b.mean(rows, are_equal ? of_a : of_b, instead);
      });
}

}  // namespace equipoise::detail

#endif  // EQUIPOISE_METRICS_DETAIL_BOOTSTRAP_H_
