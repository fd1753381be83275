#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <utility>

#include "demos/sentiment/classifier.h"
#include "equipoise/eigen/loss.h"

namespace equipoise::demos {

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

class EigenClassifier final : public Classifier {
 public:
  EigenClassifier(std::size_t classes, const TrainingOptions& options)
      : options_(options),
        weight_(Matrix::Zero(kTextColumns, static_cast<Eigen::Index>(classes))),
        bias_(Matrix::Zero(1, static_cast<Eigen::Index>(classes))) {}

  void train_epoch(const Examples& examples, const Objective& objective, const ClassSampler& stream,
                   std::uint64_t epoch, const std::function<void()>& on_batch) override {
    const std::size_t rows = examples.labels.size();
    std::vector<std::int64_t> batch;
    std::vector<std::int64_t> targets;
    for (std::size_t begin = 0; begin < rows; begin += options_.batch_size) {
      batch.resize(std::min(options_.batch_size, rows - begin));
      stream.fill(epoch * rows + begin, batch);
      targets.clear();
      for (const std::int64_t row : batch) {
        targets.push_back(examples.labels[static_cast<std::size_t>(row)]);
      }
      const Matrix gradient = std::visit(
          [&](const auto& loss) {
            return eigen::value_and_gradient(loss, forward(examples.features, batch), targets)
                .gradient;
          },
          objective.loss);
      const std::uint64_t step =
          epoch * batches_per_epoch(rows, options_) + begin / options_.batch_size;
      descend(examples.features, batch, gradient, falling_rate(step, rows, options_));
      on_batch();
    }
  }

  Logits logits(const SparseRows& features) const override {
    std::vector<std::int64_t> all(features.rows());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int64_t>(i);
    const Matrix values = forward(features, all);
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
    return {std::move(name), static_cast<std::size_t>(matrix.rows()),
            static_cast<std::size_t>(matrix.cols()),
            std::vector<float>(matrix.data(), matrix.data() + matrix.size())};
  }

  Matrix forward(const SparseRows& features, std::span<const std::int64_t> rows) const {
    Matrix logits = bias_.replicate(static_cast<Eigen::Index>(rows.size()), 1);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto columns = features.columns_of(static_cast<std::size_t>(rows[i]));
      const auto values = features.values_of(static_cast<std::size_t>(rows[i]));
      auto out = logits.row(static_cast<Eigen::Index>(i));
      for (std::size_t k = 0; k < columns.size(); ++k) {
        out.noalias() += values[k] * weight_.row(columns[k]);
      }
    }
    return logits;
  }

  void descend(const SparseRows& features, std::span<const std::int64_t> rows,
               const Matrix& gradient, double share) {
    const auto rate = static_cast<float>(options_.rate * share);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto columns = features.columns_of(static_cast<std::size_t>(rows[i]));
      const auto values = features.values_of(static_cast<std::size_t>(rows[i]));
      const auto slope = gradient.row(static_cast<Eigen::Index>(i));
      for (std::size_t k = 0; k < columns.size(); ++k) {
        weight_.row(columns[k]).noalias() -= (rate * values[k]) * slope;
      }
    }
    bias_ -= static_cast<float>(kBiasRate * options_.rate * share) * gradient.colwise().sum();
  }

  TrainingOptions options_;
  Matrix weight_;  // kTextColumns x C
  Matrix bias_;    // 1 x C
};

}  // namespace

void require_same_shapes(const std::vector<Parameter>& given, const std::vector<Parameter>& own) {
  const auto same = [](const Parameter& a, const Parameter& b) {
    return a.name == b.name && a.rows == b.rows && a.cols == b.cols &&
           a.values.size() == b.values.size();
  };
  if (!std::equal(given.begin(), given.end(), own.begin(), own.end(), same)) {
    throw std::invalid_argument("set_parameters(): names or shapes are not those of this model");
  }
}

std::unique_ptr<Classifier> make_eigen_classifier(std::size_t classes,
                                                  const TrainingOptions& options) {
  return std::make_unique<EigenClassifier>(classes, options);
}

}  // namespace equipoise::demos
