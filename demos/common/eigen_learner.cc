#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>

#include "demos/common/learner.h"
#include "equipoise/eigen/loss.h"
#include "equipoise/eigen/sigmoid_loss.h"

namespace equipoise::demos {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class M, class R>
std::pair<double, Matrix> value_and_gradient(const SoftmaxLoss<M, R>& loss, const Matrix& logits,
                                             const UnitRows& rows) {
  auto result = eigen::value_and_gradient(loss, logits, rows.targets,
                                          LossArguments{rows.weights, rows.groups});
  return {result.value, std::move(result.gradient)};
}

template <class S, class R>
std::pair<double, Matrix> value_and_gradient(const SigmoidLoss<S, R>& loss, const Matrix& logits,
                                             const UnitRows& rows) {
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
    return Descent(*this, train, validation, objective, options).run(validate, progress);
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

  class Descent final : public TrainingLoop {
   public:
    Descent(EigenLearner& model, const Examples& train, const Examples& validation,
            const Objective& objective, const TrainingOptions& options)
        : TrainingLoop(objective, options), model_(model), train_(train), validation_(validation) {}

   private:
    bool train_epoch(std::uint64_t epoch, std::uint64_t first, std::uint64_t last,
                     Progress& progress) override {
      const std::uint64_t size = objective_.stream.epoch_size();
      for (std::uint64_t i = first; i < last; ++i) {
        const std::uint64_t begin = epoch * size + i * options_.batch_size;
        const double loss = step(begin, std::min(begin + options_.batch_size, (epoch + 1) * size));
        if (!count(loss, progress)) return false;
      }
      return true;
    }
    // On the draws [begin, end) of the stream; returns its loss.
    double step(std::uint64_t begin, std::uint64_t end) {
      std::vector<std::size_t> units;
      for (std::uint64_t t = begin; t < end; ++t) units.push_back(objective_.stream[t]);
      const UnitRows rows(train_, units);
      const auto [value, gradient] = std::visit(
          [&](const auto& loss) {
            return value_and_gradient(loss, model_.forward(train_.features, rows.rows), rows);
          },
          loss_at(objective_, steps_));
      model_.descend(train_.features, rows.rows, gradient,
                     static_cast<float>(options_.rate * rate_share()));
      return value;
    }
    Logits validation_logits() override { return model_.logits(validation_); }
    std::vector<Parameter> parameters() const override { return model_.parameters(); }
    void set_parameters(const std::vector<Parameter>& parameters) override {
      model_.set_parameters(parameters);
    }

    EigenLearner& model_;
    const Examples& train_;
    const Examples& validation_;
  };

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
};

}  // namespace

std::unique_ptr<Learner> make_eigen_learner(const LearnerShape& shape) {
  return std::make_unique<EigenLearner>(shape);
}

}  // namespace equipoise::demos
