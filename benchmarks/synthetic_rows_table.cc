// Does it help? Linear models on a table of numbers, made imbalanced, by nothing, class weights, a
// post-hoc tau, repeated rows and synthetic ones. benchmarks/synthetic_rows_table.py gives it
// tables:
//
//   synthetic_rows_table --rows=FILE --labels=FILE --imbalance=10 --seeds=40
//
// FILEs hold rows of floats, one after the other, and labels as 64-bit integers; without them it
// takes a small set of its own. Each seed takes other rows and splits them anew into training,
// validation and test rows. Every strategy has twelve settings, of which the one with the best
// macro-F1 on validation rows counts, of equal ones that of the least log-loss. It prints means
// over seeds of what the test rows say, and differences to `none` with 95 % intervals.
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "equipoise/eigen.h"
#include "equipoise/equipoise.h"

ABSL_FLAG(std::string, rows, "", "file of floats");
ABSL_FLAG(std::string, labels, "", "file of 64-bit integers");
ABSL_FLAG(double, imbalance, 10, "rows of the largest class for each of the smallest");
ABSL_FLAG(int, seeds, 40, "how many draws and splits of the rows, at least 2");
ABSL_FLAG(int, steps, 200, "of the optimiser");

namespace {

namespace eq = equipoise;
namespace resampling = equipoise::resampling;
using Labels = std::vector<std::int64_t>;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Table {
  Matrix rows;
  Labels labels;
  std::size_t classes = 0;

  eq::ClassCounts counts() const { return eq::count_labels(labels, classes); }
};

Table rows_of(const Table& table, const std::vector<std::int64_t>& numbers) {
  Table part{Matrix(static_cast<Eigen::Index>(numbers.size()), table.rows.cols()), {}, 0};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    part.rows.row(static_cast<Eigen::Index>(i)) = table.rows.row(numbers[i]);
    part.labels.push_back(table.labels[static_cast<std::size_t>(numbers[i])]);
  }
  part.classes = table.classes;
  return part;
}

// Classes by falling number of rows.
std::vector<std::size_t> by_size(const eq::ClassCounts& counts) {
  std::vector<std::size_t> order(counts.classes());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  return order;
}

// Sizes of classes fall geometrically from that of the largest.
Table made_imbalanced(const Table& table, std::uint64_t seed) {
  const eq::ClassCounts counts = table.counts();
  const std::vector<std::size_t> order = by_size(counts);
  std::vector<std::uint64_t> targets(table.classes);
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double part = static_cast<double>(rank) / static_cast<double>(order.size() - 1);
    const double due = counts[order[0]] * std::pow(absl::GetFlag(FLAGS_imbalance), -part);
    targets[order[rank]] =
        static_cast<std::uint64_t>(std::llround(std::min(due, counts[order[rank]])));
  }
  return rows_of(table, eq::sampling::resample(table.labels, targets, seed));
}

struct Parts {
  Table train, validation, test;

  Parts(const Table& table, std::uint64_t seed) {
    const auto outer = eq::splits::stratified_split(table.labels, table.classes, 0.25, seed);
    const Table rest = rows_of(table, outer.train);
    const auto inner = eq::splits::stratified_split(rest.labels, table.classes, 0.25, seed + 1);
    train = rows_of(rest, inner.train);
    validation = rows_of(rest, inner.test);
    test = rows_of(table, outer.test);
    const Eigen::RowVectorXf mean = train.rows.colwise().mean();
    const Eigen::RowVectorXf deviation = ((train.rows.rowwise() - mean).colwise().squaredNorm() /
                                          static_cast<float>(train.rows.rows()))
                                             .cwiseSqrt()
                                             .cwiseMax(1e-6f);
    for (Table* const part : {&train, &validation, &test}) {
      part->rows = (part->rows.rowwise() - mean).array().rowwise() / deviation.array();
    }
  }
};

struct Model {
  Matrix weight;
  Eigen::RowVectorXf bias;

  Matrix logits(const Matrix& rows) const { return (rows * weight).rowwise() + bias; }
};

// Adam on all rows at once, with a penalty of l2 / 2 |weight|^2.
Model train(const Table& table, const std::vector<double>& class_weights, float l2) {
  const auto classes = static_cast<Eigen::Index>(table.classes);
  Matrix all(table.rows.rows(), table.rows.cols() + 1);
  all << table.rows, Eigen::VectorXf::Ones(table.rows.rows());
  Matrix weight = Matrix::Zero(all.cols(), classes);
  Matrix first = weight;
  Matrix second = weight;
  const eq::SoftmaxLoss<> loss{.class_weights = class_weights};
  for (int step = 1; step <= absl::GetFlag(FLAGS_steps); ++step) {
    const Matrix logits = all * weight;
    const auto [value, gradient] = eq::eigen::value_and_gradient(loss, logits, table.labels);
    Matrix slope = all.transpose() * gradient;
    slope.topRows(all.cols() - 1) += l2 * weight.topRows(all.cols() - 1);
    first = 0.9f * first + 0.1f * slope;
    second = 0.99f * second + 0.01f * slope.cwiseAbs2();
    const float rate = 0.05f * std::sqrt(1 - std::pow(0.99f, static_cast<float>(step))) /
                       (1 - std::pow(0.9f, static_cast<float>(step)));
    weight.array() -= rate * first.array() / (second.array().sqrt() + 1e-8f);
  }
  return {weight.topRows(all.cols() - 1), weight.bottomRows(1)};
}

// n_max^s n_c^(1 - s) rows of each class.
std::vector<std::uint64_t> targets_of(const eq::ClassCounts& counts, double strength) {
  const double most = *std::max_element(counts.values().begin(), counts.values().end());
  std::vector<std::uint64_t> targets;
  for (std::size_t c = 0; c < counts.classes(); ++c) {
    targets.push_back(
        static_cast<std::uint64_t>(std::llround(counts[c] * std::pow(most / counts[c], strength))));
  }
  return targets;
}

// A class for which a policy finds no border, or no neighbours, remains as it is.
template <class Policy>
Table with_synthetic_rows(const Table& table, const Policy& policy, double strength) {
  const std::vector<std::uint64_t> targets = targets_of(table.counts(), strength);
  auto groups = resampling::original_rows(table.labels, table.classes);
  const std::size_t natural = groups.size();
  for (std::size_t c = 0; c < table.classes; ++c) {
    std::vector<std::uint64_t> of_class;
    for (std::size_t d = 0; d < table.classes; ++d) of_class.push_back(groups[d].rows);
    of_class[c] = targets[c];
    try {
      for (auto& group : policy(eq::eigen::view(table.rows), table.labels, of_class)) {
        groups.push_back(std::move(group));
      }
    } catch (const std::invalid_argument&) {
      continue;
    }
  }
  if (groups.size() == natural) return table;
  const resampling::RecipeStream stream(std::move(groups), /*seed=*/1);
  const std::vector<resampling::Recipe> recipes = stream.epoch(0);
  return {eq::eigen::synthesize(recipes, table.rows),
          resampling::labels_of(std::span(recipes), table.labels), table.classes};
}

// What a setting says of some rows; `offset` is added to logits before decisions, `correction` is
// what takes the prior of training out of them.
struct Candidate {
  Model model;
  std::vector<double> offset;
  std::vector<double> correction;

  eq::metrics::ConfusionMatrix decisions(const Table& part) const {
    eq::metrics::ConfusionMatrix matrix(part.classes);
    const Matrix logits = model.logits(part.rows);
    matrix.add(part.labels, eq::calibrate::predict(eq::eigen::view(logits), offset));
    return matrix;
  }
  Matrix corrected(const Table& part) const {
    Matrix logits = model.logits(part.rows);
    for (std::size_t c = 0; c < correction.size(); ++c) {
      logits.col(static_cast<Eigen::Index>(c)).array() += static_cast<float>(correction[c]);
    }
    return logits;
  }
};

eq::metrics::Calibration calibration(const Matrix& logits, const Table& part,
                                     const eq::calibrate::LogitCalibration& of_logits = {}) {
  std::vector<double> values = of_logits.probabilities(eq::eigen::view(logits));
  eq::metrics::Calibration result(part.classes);
  result.add(eq::MatrixView<const double>(values.data(), part.labels.size(), part.classes),
             part.labels);
  return result;
}

constexpr std::array<double, 4> kStrengths = {0.25, 0.5, 0.75, 1};
constexpr std::array<float, 3> kPenalties = {1e-4f, 1e-3f, 1e-2f};

std::vector<double> log_ratio(const eq::ClassCounts& counts, const eq::ClassCounts& trained) {
  std::vector<double> result;
  for (std::size_t c = 0; c < counts.classes(); ++c) {
    result.push_back(std::log(counts[c] / trained[c]));
  }
  return result;
}

using Candidates = std::vector<Candidate>;
using Strategy = std::function<Candidates(const Table&)>;

Candidates none(const Table& table) {
  Candidates result;
  for (int i = 0; i < 12; ++i) {
    const float l2 = 1e-5f * std::pow(10.0f, static_cast<float>(i) * 4 / 11);
    result.push_back({train(table, {}, l2), {}, {}});
  }
  return result;
}

Candidates posthoc_tau(const Table& table) {
  Candidates result;
  for (const float l2 : kPenalties) {
    const Model model = train(table, {}, l2);
    for (const double tau : kStrengths) {
      result.push_back({model, eq::calibrate::posthoc_offset(table.counts().values(), tau), {}});
    }
  }
  return result;
}

Candidates weights(const Table& table) {
  Candidates result;
  for (const double strength : kStrengths) {
    const auto values = eq::class_weights(table.counts(), eq::PowerWeights{.exponent = strength});
    std::vector<double> correction;
    correction.reserve(values.size());
    for (const double weight : values) correction.push_back(-std::log(weight));
    for (const float l2 : kPenalties) {
      result.push_back({train(table, values, l2), {}, correction});
    }
  }
  return result;
}

// Of rows that make(table, strength) gives.
template <class Make>
Candidates oversampled(const Table& table, const Make& make) {
  Candidates result;
  for (const double strength : kStrengths) {
    const Table more = make(table, strength);
    const std::vector<double> correction = log_ratio(table.counts(), more.counts());
    for (const float l2 : kPenalties) result.push_back({train(more, {}, l2), {}, correction});
  }
  return result;
}

template <class Policy>
Strategy synthetic(const Policy& policy) {
  return [policy](const Table& table) {
    return oversampled(table, [&](const Table& rows, double strength) {
      return with_synthetic_rows(rows, policy, strength);
    });
  };
}

Candidates repeated(const Table& table) {
  return oversampled(table, [](const Table& rows, double strength) {
    return rows_of(rows, eq::sampling::resample(rows.labels, targets_of(rows.counts(), strength),
                                                /*seed=*/1));
  });
}

const std::vector<std::pair<std::string, Strategy>>& strategies() {
  using resampling::FewRows;
  static const std::vector<std::pair<std::string, Strategy>> all = {
      {"none", none},
      {"post-hoc tau", posthoc_tau},
      {"class weights", weights},
      {"repeated rows", repeated},
      {"SMOTE", synthetic(resampling::Smote{.few_rows = FewRows::kClip})},
      {"Borderline-SMOTE", synthetic(resampling::BorderlineSmote{.few_rows = FewRows::kClip})},
      {"ADASYN", synthetic(resampling::Adasyn{.few_rows = FewRows::kClip})},
  };
  return all;
}

// On test rows; the last two once the prior is taken out and a temperature fitted on validation
// rows, where these have one.
constexpr std::array<const char*, 7> kFigures = {
    "macro-F1", "rare recall", "ECE", "Brier", "log-loss", "ECE, fitted", "log-loss, fitted"};
using Figures = std::array<double, kFigures.size()>;

Figures figures_of(const Candidate& chosen, const Parts& parts) {
  const auto decided = chosen.decisions(parts.test);
  const std::vector<std::size_t> order = by_size(parts.train.counts());
  const std::size_t rare = std::max<std::size_t>(order.size() / 3, 1);
  double recall = 0;
  for (std::size_t i = order.size() - rare; i < order.size(); ++i) {
    recall += decided.recall(order[i]) / static_cast<double>(rare);
  }
  const auto raw = calibration(chosen.model.logits(parts.test.rows), parts.test);
  auto fit = eq::calibrate::fit_temperature(eq::eigen::view(chosen.corrected(parts.validation)),
                                            parts.validation.labels);
  if (!fit.converged) fit = {};  // separable: the prior alone
  const auto fitted = calibration(chosen.corrected(parts.test), parts.test, fit);
  return {decided.macro_f1(), recall,       raw.ece(),   raw.brier(),
          raw.nll(),          fitted.ece(), fitted.nll()};
}

Figures best(const Candidates& candidates, const Parts& parts) {
  std::size_t chosen = 0;
  std::pair<double, double> most{-1, 0};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Matrix logits = candidates[i].corrected(parts.validation);
    const std::pair<double, double> score{candidates[i].decisions(parts.validation).macro_f1(),
                                          -calibration(logits, parts.validation).nll()};
    if (score > most) {
      most = score;
      chosen = i;
    }
  }
  return figures_of(candidates[chosen], parts);
}

struct MeanOfSeeds {
  double mean = 0;
  double half_width = 0;  // of a 95 % interval by the normal distribution

  explicit MeanOfSeeds(const std::vector<double>& values) {
    const auto n = static_cast<double>(values.size());
    for (const double value : values) mean += value / n;
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    half_width = 1.96 * std::sqrt(squares / (n - 1) / n);
  }
};

void print(const std::vector<std::vector<Figures>>& by_strategy) {
  std::printf("| strategy |");
  for (const char* const name : kFigures) std::printf(" %s |", name);
  std::printf("\n|---|");
  for (std::size_t i = 0; i < kFigures.size(); ++i) std::printf("--:|");
  for (std::size_t s = 0; s < by_strategy.size(); ++s) {
    std::printf("\n| %s |", strategies()[s].first.c_str());
    for (std::size_t f = 0; f < kFigures.size(); ++f) {
      std::vector<double> own;
      std::vector<double> apart;
      for (std::size_t seed = 0; seed < by_strategy[s].size(); ++seed) {
        own.push_back(by_strategy[s][seed][f]);
        apart.push_back(own.back() - by_strategy[0][seed][f]);
      }
      const MeanOfSeeds difference(apart);
      std::printf(" %.3f", MeanOfSeeds(own).mean);
      if (s > 0) std::printf(" (%+.3f ± %.3f)", difference.mean, difference.half_width);
      std::printf(" |");
    }
  }
  std::printf("\n");
}

template <class T>
std::vector<T> read(const std::string& name) {
  std::ifstream file(name, std::ios::binary | std::ios::ate);
  if (!file) return {};
  std::vector<T> values(static_cast<std::size_t>(file.tellg()) / sizeof(T));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(T)));
  return values;
}

// Three clouds of 60 rows.
void small_set(std::vector<float>& values, Labels& labels) {
  const eq::CounterRandom random{.seed = 1};
  for (std::uint64_t i = 0; i < 180; ++i) {
    labels.push_back(static_cast<std::int64_t>(i % 3));
    for (std::uint64_t c = 0; c < 4; ++c) {
      const double x = random.uniform(4 * i + c, /*purpose=*/1) + (i % 3 == c ? 0.5 : 0);
      values.push_back(static_cast<float>(x));
    }
  }
}

int run() {
  auto values = read<float>(absl::GetFlag(FLAGS_rows));
  auto labels = read<std::int64_t>(absl::GetFlag(FLAGS_labels));
  if (absl::GetFlag(FLAGS_rows).empty()) small_set(values, labels);
  const int seeds = absl::GetFlag(FLAGS_seeds);
  if (labels.empty() || values.size() % labels.size() != 0 || seeds < 2) {
    std::cerr << "--rows, --labels: not as many numbers for each label; --seeds: at least 2\n";
    return 2;
  }
  Table table;
  table.rows = Eigen::Map<const Matrix>(values.data(), static_cast<Eigen::Index>(labels.size()),
                                        static_cast<Eigen::Index>(values.size() / labels.size()));
  table.classes = static_cast<std::size_t>(*std::max_element(labels.begin(), labels.end())) + 1;
  table.labels = std::move(labels);
  std::vector<std::vector<Figures>> by_strategy(strategies().size());
  for (int seed = 0; seed < seeds; ++seed) {
    const auto number = static_cast<std::uint64_t>(seed);
    const Parts parts(made_imbalanced(table, number), 2 * number);
    for (std::size_t s = 0; s < by_strategy.size(); ++s) {
      by_strategy[s].push_back(best(strategies()[s].second(parts.train), parts));
    }
    std::fprintf(stderr, "%d of %d seeds\n", seed + 1, seeds);
  }
  print(by_strategy);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    absl::SetProgramUsageMessage("Compares ways to train on an imbalanced table.");
    absl::ParseCommandLine(argc, argv);
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
