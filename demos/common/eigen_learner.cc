#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "demos/common/files.h"
#include "demos/common/learner.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/eigen/sigmoid_loss.h"

namespace equipoise::demos {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Some rows of examples, as losses take them.
struct Rows {
  std::vector<std::size_t> index;
  std::vector<std::int64_t> targets;
  std::vector<std::int64_t> groups;
  std::vector<double> weights;

  // The rows of units, one after the other.
  void assign(const Examples& examples, std::span<const std::size_t> units) {
    index.clear();
    targets.clear();
    groups.clear();
    weights.clear();
    const std::size_t width = std::max<std::size_t>(examples.labels, 1);
    for (const std::size_t unit : units) {
      for (std::size_t r = examples.unit_begin(unit); r < examples.unit_begin(unit + 1); ++r) {
        index.push_back(r);
        const auto begin = examples.targets.begin() + static_cast<std::ptrdiff_t>(r * width);
        targets.insert(targets.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
        if (!examples.groups.empty()) groups.push_back(examples.groups[r]);
        if (!examples.weights.empty()) weights.push_back(examples.weights[r]);
      }
    }
  }
};

template <class M, class R>
std::pair<double, Matrix> value_and_gradient(const SoftmaxLoss<M, R>& loss, const Matrix& logits,
                                             const Rows& rows) {
  auto result = eigen::value_and_gradient(loss, logits, rows.targets,
                                          LossArguments{rows.weights, rows.groups});
  return {result.value, std::move(result.gradient)};
}

template <class S, class R>
std::pair<double, Matrix> value_and_gradient(const SigmoidLoss<S, R>& loss, const Matrix& logits,
                                             const Rows& rows) {
  using Targets = Eigen::Matrix<std::int64_t, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Targets> targets(rows.targets.data(), logits.rows(), logits.cols());
  auto result = eigen::value_and_gradient(loss, logits, targets,
                                          LossArguments{rows.weights, rows.groups, {}});
  return {result.value, std::move(result.gradient)};
}

class EigenLearner final : public Learner {
 public:
  explicit EigenLearner(const LearnerShape& shape)
      : weight_(Matrix::Zero(static_cast<Eigen::Index>(shape.columns),
                             static_cast<Eigen::Index>(shape.classes))),
        bias_(Matrix::Zero(1, static_cast<Eigen::Index>(shape.classes))) {}

  Fit fit(const Examples& train, const Examples& validation, const Objective& objective,
          const TrainingOptions& options, const Validate& validate, Progress& progress) override {
    const std::uint64_t epoch_size = objective.stream.epoch_size();
    const std::uint64_t steps = steps_per_epoch(epoch_size, options);
    EarlyStopping stopping(options.patience);
    Fit fit;
    std::pair<Matrix, Matrix> best;
    std::string log;
    for (std::uint64_t epoch = 0; epoch < options.epochs; ++epoch) {
      double sum = 0;
      for (std::uint64_t i = 0; i < steps; ++i) {
        const std::uint64_t begin = epoch * epoch_size + i * options.batch_size;
        const std::uint64_t end = std::min(begin + options.batch_size, (epoch + 1) * epoch_size);
        sum += step(train, objective, begin, end, fit.steps,
                    options.rate * falling_rate(fit.steps, epoch_size, options));
        progress.advance(1);
        ++fit.steps;
        if (options.max_steps > 0 && fit.steps >= options.max_steps) return fit;
      }
      if (!validate) continue;
      Logits logits = this->logits(validation);
      const Figures figures = validate(require_finite(logits, options));
      if (log.empty()) log = log_header(figures);
      log += log_line(epoch, fit.steps, options.rate * falling_rate(fit.steps, epoch_size, options),
                      sum / static_cast<double>(steps), figures);
      if (!options.log.empty()) write_file(options.log, log);
      const double score = figure_of(figures, options.monitor);
      const bool is_last = epoch + 1 == options.epochs;
      if ((has_set_in(objective, fit.steps) || is_last) && stopping.improves(epoch, score)) {
        fit.validation = std::move(logits);
        best = {weight_, bias_};
      }
      if (stopping.stops_after(epoch)) {
        progress.skip((options.epochs - 1 - epoch) * steps);
        break;
      }
    }
    fit.epoch = stopping.best();
    fit.score = stopping.score();
    if (validate) std::tie(weight_, bias_) = std::move(best);
    return fit;
  }

  Logits logits(const Examples& examples) const override {
    std::vector<std::size_t> all(examples.rows());
    std::iota(all.begin(), all.end(), std::size_t{0});
    const Matrix values = forward(examples.features, all);
    return {static_cast<std::size_t>(bias_.cols()),
            std::vector<float>(values.data(), values.data() + values.size())};
  }

  std::vector<Parameter> parameters() const override {
    return {to_parameter("weight", weight_), to_parameter("bias", bias_)};
  }

  void set_parameters(const std::vector<Parameter>& parameters) override {
    require_same_shapes(parameters, this->parameters());
    std::copy(parameters[0].values.begin(), parameters[0].values.end(), weight_.data());
    std::copy(parameters[1].values.begin(), parameters[1].values.end(), bias_.data());
  }

 private:
  static Parameter to_parameter(std::string name, const Matrix& matrix) {
    return {std::move(name),
            {matrix.rows(), matrix.cols()},
            std::vector<float>(matrix.data(), matrix.data() + matrix.size())};
  }

  // One step on the draws [begin, end) of the stream; returns its loss.
  double step(const Examples& train, const Objective& objective, std::uint64_t begin,
              std::uint64_t end, std::uint64_t number, double rate) {
    units_.clear();
    for (std::uint64_t t = begin; t < end; ++t) units_.push_back(objective.stream[t]);
    rows_.assign(train, units_);
    const auto [value, gradient] = std::visit(
        [&](auto loss) {
          loss.class_weights = class_weights_at(objective, number);
          return value_and_gradient(loss, forward(train.features, rows_.index), rows_);
        },
        objective.loss);
    descend(train.features, rows_.index, gradient, static_cast<float>(rate));
    return value;
  }

  Matrix forward(const SparseRows& features, std::span<const std::size_t> rows) const {
    Matrix logits = bias_.replicate(static_cast<Eigen::Index>(rows.size()), 1);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto columns = features.columns_of(rows[i]);
      const auto values = features.values_of(rows[i]);
      auto out = logits.row(static_cast<Eigen::Index>(i));
      for (std::size_t k = 0; k < columns.size(); ++k) {
        out.noalias() += values[k] * weight_.row(columns[k]);
      }
    }
    return logits;
  }

  void descend(const SparseRows& features, std::span<const std::size_t> rows,
               const Matrix& gradient, float rate) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto columns = features.columns_of(rows[i]);
      const auto values = features.values_of(rows[i]);
      const auto slope = gradient.row(static_cast<Eigen::Index>(i));
      for (std::size_t k = 0; k < columns.size(); ++k) {
        weight_.row(columns[k]).noalias() -= (rate * values[k]) * slope;
      }
    }
    bias_ -= static_cast<float>(kBiasRate) * rate * gradient.colwise().sum();
  }

  Matrix weight_;  // features x C
  Matrix bias_;    // 1 x C
  std::vector<std::size_t> units_;
  Rows rows_;
};

}  // namespace

std::unique_ptr<Learner> make_eigen_learner(const LearnerShape& shape) {
  return std::make_unique<EigenLearner>(shape);
}

}  // namespace equipoise::demos
