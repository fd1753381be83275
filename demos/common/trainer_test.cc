#include "demos/common/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;
using testing::Pointwise;

constexpr std::int64_t kInputs = 5;
constexpr std::int64_t kHidden = 8;
constexpr std::int64_t kClasses = 3;

// Units of one to three dense rows; the class of a row is a function of them.
class DenseSet final : public Dataset {
 public:
  explicit DenseSet(std::size_t units, std::uint64_t seed = 1) : starts_{0} {
    std::mt19937_64 random(seed);
    for (std::size_t u = 0; u < units; ++u) starts_.push_back(starts_.back() + 1 + random() % 3);
    for (std::size_t r = 0; r < starts_.back(); ++r) {
      for (std::int64_t k = 0; k < kInputs; ++k) {
        values_.push_back(static_cast<float>(random() % 17) / 8 - 1);
      }
      const float* const row = values_.data() + r * kInputs;
      targets_.push_back(row[0] > 0.5F ? 2 : row[1] + row[2] > 0 ? 1 : 0);
      weights_.push_back(static_cast<double>(1 + random() % 4) / 2);
    }
  }

  std::size_t units() const override { return starts_.size() - 1; }
  std::size_t rows(std::size_t unit) const override { return starts_[unit + 1] - starts_[unit]; }
  Batch batch(std::span<const std::size_t> units) const override {
    std::vector<float> values;
    std::vector<std::int64_t> targets;
    std::vector<double> weights;
    for (const std::size_t unit : units) {
      for (std::size_t r = starts_[unit]; r < starts_[unit + 1]; ++r) {
        values.insert(values.end(), values_.begin() + static_cast<std::ptrdiff_t>(r * kInputs),
                      values_.begin() + static_cast<std::ptrdiff_t>((r + 1) * kInputs));
        targets.push_back(targets_[r]);
        weights.push_back(weights_[r]);
      }
    }
    const auto rows = static_cast<std::int64_t>(targets.size());
    Batch batch;
    batch.inputs = {at::tensor(at::ArrayRef<float>(values), at::kFloat).view({rows, kInputs})};
    batch.targets = at::tensor(at::ArrayRef<std::int64_t>(targets), at::kLong);
    batch.weights = at::tensor(at::ArrayRef<double>(weights), at::kDouble);
    return batch;
  }
  const std::vector<std::int64_t>& targets() const { return targets_; }

  void change_a_target() { targets_[7] = (targets_[7] + 1) % kClasses; }
  void change_a_weight() { weights_[7] += 0.5; }

 private:
  std::vector<std::size_t> starts_;
  std::vector<float> values_;
  std::vector<std::int64_t> targets_;
  std::vector<double> weights_;
};

// Two layers with dropout between, and a buffer that counts the passes in training.
class DenseNetwork final : public Network {
 public:
  explicit DenseNetwork(double dropout, std::int64_t hidden = kHidden, std::uint64_t seed = 7)
      : dropout_(dropout) {
    static std::mutex one_at_a_time;  // all draw from LibTorch's one generator
    const std::lock_guard lock(one_at_a_time);
    torch::manual_seed(seed);
    first_ = register_module("first", torch::nn::Linear(kInputs, hidden));
    second_ = register_module("second", torch::nn::Linear(hidden, kClasses));
    passes_ = register_buffer("passes", torch::zeros({1}));
  }
  at::Tensor forward(const Batch& batch) override {
    modes.push_back(is_training());
    if (is_training()) passes_.add_(1);
    const at::Tensor hidden = torch::relu(first_->forward(batch.inputs[0]));
    return second_->forward(torch::dropout(hidden, dropout_, is_training()));
  }
  std::size_t classes() const override { return static_cast<std::size_t>(kClasses); }

  std::vector<bool> modes{};  // of each pass, whether it was in training

 private:
  double dropout_;
  torch::nn::Linear first_{nullptr};
  torch::nn::Linear second_{nullptr};
  at::Tensor passes_;
};

enum class Descent { kPlain, kMomentum, kAdam };

std::unique_ptr<torch::optim::Optimizer> make_optimizer(Descent descent, Network& network) {
  if (descent == Descent::kAdam) {
    return std::make_unique<torch::optim::Adam>(network.parameters(),
                                                torch::optim::AdamOptions(0.02));
  }
  return std::make_unique<torch::optim::SGD>(
      network.parameters(),
      torch::optim::SGDOptions(0.5).momentum(descent == Descent::kMomentum ? 0.9 : 0));
}

Stream pass_over(std::size_t units, std::uint64_t seed = 5) {
  const std::vector<std::int64_t> one_class(units, 0);
  const std::vector<double> mass = {1};
  return Stream(
      sampling::ClassSampler(one_class, mass, seed, {.mode = sampling::Mode::kExactQuota}));
}

Objective objective_over(std::size_t units,
                         const std::vector<double>& class_weights = {0.5, 1, 2}) {
  SoftmaxLoss<CrossEntropy> loss;
  loss.class_weights = class_weights;
  return {loss, pass_over(units), {}, "a test"};
}

// What a training leaves.
struct Trained {
  Fit fit{};
  std::vector<Parameter> parameters{};
  std::string log{};
  std::vector<bool> modes{};
};

void expect_identical(const Trained& a, const Trained& b, const std::string& what) {
  EXPECT_EQ(a.parameters, b.parameters) << what;
  EXPECT_EQ(a.log, b.log) << what;
  EXPECT_EQ(a.fit.epoch, b.fit.epoch) << what;
  EXPECT_EQ(a.fit.score, b.fit.score) << what;
  EXPECT_EQ(a.fit.steps, b.fit.steps) << what;
  EXPECT_EQ(a.fit.validation.values, b.fit.validation.values) << what;
}

void expect_close(const Trained& a, const Trained& b, float rounding, const std::string& what) {
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    if (a.parameters[i].name == "passes") continue;  // there is one for each micro-batch
    EXPECT_THAT(a.parameters[i].values, Pointwise(FloatNear(rounding), b.parameters[i].values))
        << what << ", " << a.parameters[i].name;
  }
  EXPECT_EQ(a.fit.epoch, b.fit.epoch) << what;
  EXPECT_EQ(a.fit.steps, b.fit.steps) << what;
}

// The score of validation's logits: how many rows are right, and how surely.
double score_of(const Logits& logits, const std::vector<std::int64_t>& targets) {
  double sum = 0;
  for (std::size_t r = 0; r < targets.size(); ++r) {
    double all = 0;
    for (std::size_t c = 0; c < logits.classes; ++c) {
      all += std::exp(double{logits.values[r * logits.classes + c]});
    }
    const auto y = static_cast<std::size_t>(targets[r]);
    sum += std::exp(double{logits.values[r * logits.classes + y]}) / all;
  }
  return sum / static_cast<double>(targets.size());
}

constexpr std::size_t kUnits = 45;  // five batches of eight and one of five
constexpr std::uint64_t kStepsAnEpoch = 6;

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override { make_directory(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  TrainingOptions options() const {
    TrainingOptions options;
    options.epochs = 4;
    options.batch_size = 8;
    options.monitor = "score";
    options.patience = 10;
    options.seed = 3;
    options.log = directory_ / "log.csv";
    return options;
  }
  std::filesystem::path checkpoint() const { return directory_ / "checkpoint"; }
  TrainingOptions with_checkpoint(std::uint64_t steps) const {
    TrainingOptions result = options();
    result.checkpoint = checkpoint();
    result.checkpoint_steps = steps;
    return result;
  }

  // A training by a network and an optimiser of its own; `before_validation(epoch)` may throw.
  struct Setup {
    double dropout = 0;
    Descent descent = Descent::kPlain;
    std::shared_ptr<const Workers> workers{};
    std::function<void(std::size_t)> before_validation = [](std::size_t) {};
    std::vector<double> scores{};  // of the epochs; empty: as validation says
    std::uint64_t stream_seed = 5;
    std::string description = "a test";
    std::int64_t hidden = kHidden;
    std::size_t units = kUnits;
    std::uint64_t network_seed = 7;
    std::function<void(DenseSet&)> change_rows = [](DenseSet&) {};
    std::vector<double> class_weights = {0.5, 1, 2};
  };
  Trained train(const TrainingOptions& with, const Setup& setup) const {
    DenseSet train_set(setup.units);
    setup.change_rows(train_set);
    const DenseSet validation_set(20, 2);
    const auto network =
        std::make_shared<DenseNetwork>(setup.dropout, setup.hidden, setup.network_seed);
    network->eval();  // as whoever had it before may have left it
    Objective objective = objective_over(setup.units, setup.class_weights);
    objective.stream = pass_over(setup.units, setup.stream_seed);
    objective.description = setup.description;
    Trainer trainer(network, make_optimizer(setup.descent, *network), with, setup.workers);
    std::ostringstream out;
    Progress progress(out, false, 1000, "steps");
    Trained result;
    result.fit = trainer.fit(
        train_set, validation_set, objective,
        [&](const Logits& logits) {
          const std::size_t epoch = looks_of(with);
          setup.before_validation(epoch);
          const double score = setup.scores.empty() ? score_of(logits, validation_set.targets())
                                                    : setup.scores.at(epoch);
          return Metrics{{"score", "", score}, {"other", "", 1 - score}};
        },
        progress);
    result.parameters = parameters_of(*network);
    if (std::filesystem::exists(with.log)) result.log = read_file(with.log);
    result.modes = network->modes;
    return result;
  }
  // The log has a line for each epoch that validation has seen.
  static std::size_t looks_of(const TrainingOptions& with) {
    if (!std::filesystem::exists(with.log)) return 0;
    return read_lines(with.log).size() - 1;
  }

  // Trains until the cut and then, as another process would, from the checkpoint on.
  Trained cut_and_resume(TrainingOptions with, Setup setup, std::uint64_t max_steps,
                         std::optional<std::size_t> epoch_that_fails) const {
    std::filesystem::remove(with.log);
    with.max_steps = max_steps;
    if (epoch_that_fails) {
      setup.before_validation = [=](std::size_t epoch) {
        if (epoch == *epoch_that_fails) throw std::runtime_error("lost");
      };
      EXPECT_THROW(train(with, setup), std::runtime_error);
    } else {
      const Trained cut = train(with, setup);
      EXPECT_EQ(cut.fit.steps, max_steps);
    }
    with.max_steps = 0;
    with.resumes = true;
    setup.before_validation = [](std::size_t) {};
    return train(with, setup);
  }

  std::string error_of(const TrainingOptions& with, const Setup& setup) const {
    try {
      train(with, setup);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("trainer_") + testing::UnitTest::GetInstance()->current_test_info()->name());
};

// Rounding of floats in the sums of 24 steps over some sixteen rows.
constexpr float kRounding = 24 * 16 * std::numeric_limits<float>::epsilon();

TEST_F(TrainerTest, MicroBatchesMakeTheStepsOfWholeBatches) {
  for (const Descent descent : {Descent::kPlain, Descent::kMomentum}) {
    const Trained whole = train(options(), {.descent = descent});
    for (const std::size_t parts : {2U, 4U, 8U}) {
      TrainingOptions cut = options();
      cut.micro_batches = parts;
      std::filesystem::remove(cut.log);
      expect_close(train(cut, {.descent = descent}), whole, kRounding, std::to_string(parts));
    }
  }
}

TEST_F(TrainerTest, LearnsAndEndsWithTheBestEpoch) {
  TrainingOptions longer = options();
  longer.epochs = 20;
  const Trained trained = train(longer, {.descent = Descent::kMomentum});
  EXPECT_EQ(trained.fit.steps, 20 * kStepsAnEpoch);
  EXPECT_GT(trained.fit.score, 0.8);  // by chance it is a third
  std::filesystem::remove(options().log);
  const Trained scripted = train(options(), {.scores = {1, 3, 2, 3}});
  EXPECT_EQ(scripted.fit.epoch, 1U);
  EXPECT_EQ(scripted.fit.score, 3);
  EXPECT_EQ(scripted.fit.steps, 4 * kStepsAnEpoch);
  TrainingOptions cut = options();
  cut.max_steps = 2 * kStepsAnEpoch;
  std::filesystem::remove(options().log);
  EXPECT_EQ(train(cut, {}).parameters, scripted.parameters);
}

TEST_F(TrainerTest, StopsInTime) {
  TrainingOptions impatient = options();
  impatient.patience = 1;
  const Trained trained = train(impatient, {.scores = {1, 3, 2, 9}});
  EXPECT_EQ(trained.fit.steps, 3 * kStepsAnEpoch);
  EXPECT_EQ(trained.fit.epoch, 1U);
}

TEST_F(TrainerTest, DropoutIsAFunctionOfTheSeedAlone) {
  const Setup setup{.dropout = 0.5};
  const Trained first = train(options(), setup);
  std::filesystem::remove(options().log);
  torch::rand({100});  // whatever else has drawn
  expect_identical(train(options(), setup), first, "the same seed");
  TrainingOptions other = options();
  other.seed = 4;
  std::filesystem::remove(options().log);
  EXPECT_NE(train(other, setup).parameters, first.parameters);
  std::filesystem::remove(options().log);
  EXPECT_NE(train(options(), {}).parameters, first.parameters);
}

TEST_F(TrainerTest, IsInTrainingModeForStepsAndInEvaluationModeForValidation) {
  const Trained trained = train(options(), {.dropout = 0.5});
  std::vector<bool> expected;
  for (int epoch = 0; epoch < 4; ++epoch) {
    expected.insert(expected.end(), kStepsAnEpoch, true);
    expected.push_back(false);
  }
  expected.push_back(false);  // validation once more, by the best epoch
  EXPECT_EQ(trained.modes, expected);
}

TEST_F(TrainerTest, LogsALineAnEpoch) {
  const Trained trained = train(options(), {});
  const std::vector<std::string> lines = read_lines(options().log);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_EQ(lines[0], "epoch,steps,rate,loss,score,other");
  double last_loss = 10;
  for (std::size_t e = 0; e < 4; ++e) {
    std::size_t epoch = 0;
    std::size_t steps = 0;
    double rate = 0;
    double loss = 0;
    double score = 0;
    ASSERT_EQ(std::sscanf(lines[e + 1].c_str(), "%zu,%zu,%lf,%lf,%lf", &epoch, &steps, &rate, &loss,
                          &score),
              5);
    EXPECT_EQ(epoch, e + 1);
    EXPECT_EQ(steps, kStepsAnEpoch * (e + 1));
    EXPECT_NEAR(rate, 0.5 * (1 - static_cast<double>(e + 1) / 4), 1e-9);
    EXPECT_LT(loss, last_loss);
    last_loss = loss;
    if (e == trained.fit.epoch) {
      EXPECT_NEAR(score, trained.fit.score, 1e-9);
    }
  }
}

// The heart of it: wherever a training is cut, it ends as if nothing had happened.
TEST_F(TrainerTest, GoesOnFromEveryStepAsIfNothingHadHappened) {
  for (const Descent descent : {Descent::kMomentum, Descent::kAdam}) {
    const Setup setup{.dropout = 0.5, .descent = descent};
    std::filesystem::remove(options().log);
    const Trained whole = train(options(), setup);
    // A step may be made again that was made after the last checkpoint.
    for (const std::uint64_t checkpoint_steps : {1U, 4U}) {
      for (std::uint64_t steps = checkpoint_steps; steps < 4 * kStepsAnEpoch; ++steps) {
        expect_identical(
            cut_and_resume(with_checkpoint(checkpoint_steps), setup, steps, std::nullopt), whole,
            "cut after " + std::to_string(steps));
      }
    }
  }
}

TEST_F(TrainerTest, GoesOnWhereValidationWasNotReached) {
  for (const Descent descent : {Descent::kMomentum, Descent::kAdam}) {
    const Setup setup{.dropout = 0.5, .descent = descent};
    std::filesystem::remove(options().log);
    const Trained whole = train(options(), setup);
    for (const std::uint64_t checkpoint_steps : {1U, 2U, 5U}) {
      for (std::size_t epoch = 0; epoch < 4; ++epoch) {
        expect_identical(cut_and_resume(with_checkpoint(checkpoint_steps), setup, 0, epoch), whole,
                         "lost before validation of " + std::to_string(epoch));
      }
    }
  }
}

TEST_F(TrainerTest, GoesOnWithMicroBatchesToo) {
  TrainingOptions parts = options();
  parts.micro_batches = 2;
  const Setup setup{.dropout = 0.5};
  const Trained whole = train(parts, setup);
  TrainingOptions cut = with_checkpoint(1);
  cut.micro_batches = 2;
  for (const std::uint64_t steps : {1U, 5U, 6U, 7U, 20U}) {
    expect_identical(cut_and_resume(cut, setup, steps, std::nullopt), whole, std::to_string(steps));
  }
}

TEST_F(TrainerTest, GoesOnWithTheBestEpochAndTheReasonToStop) {
  TrainingOptions impatient = options();
  impatient.patience = 2;
  const Setup setup{.dropout = 0.5, .scores = {1, 3, 2, 2}};
  impatient.epochs = 7;
  const Trained whole = train(impatient, setup);
  EXPECT_EQ(whole.fit.steps, 4 * kStepsAnEpoch);
  EXPECT_EQ(whole.fit.epoch, 1U);
  impatient.checkpoint = checkpoint();
  impatient.checkpoint_steps = 1;
  for (std::uint64_t steps = 1; steps <= 4 * kStepsAnEpoch; ++steps) {
    expect_identical(cut_and_resume(impatient, setup, steps, std::nullopt), whole,
                     std::to_string(steps));
  }
}

TEST_F(TrainerTest, OfAFinishedTrainingNothingIsLeftToDo) {
  const Trained whole = train(with_checkpoint(200), {.dropout = 0.5});
  TrainingOptions again = with_checkpoint(200);
  again.resumes = true;
  const Trained same = train(again, {.dropout = 0.5});
  expect_identical(same, whole, "finished");
  EXPECT_THAT(same.modes, ElementsAre(false));
}

TEST_F(TrainerTest, CheckpointsThatAreNotThereOrDamagedAreRefused) {
  TrainingOptions cut = with_checkpoint(1);
  cut.resumes = true;
  EXPECT_EQ(error_of(cut, {}), checkpoint().string() + ":0: there is no such checkpoint");
  cut.resumes = false;
  cut.max_steps = 9;
  train(cut, {});
  cut.resumes = true;
  const std::string whole = read_file(checkpoint());
  const std::string message = checkpoint().string() + ":0: not a checkpoint, or damaged";
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100}, whole.size() / 3,
                                 whole.size() / 2, whole.size() - 100, whole.size() - 1}) {
    write_file(checkpoint(), std::string_view(whole).substr(0, size));
    EXPECT_EQ(error_of(cut, {}), message) << size;
  }
  write_file(checkpoint(), "epoch,steps\n");
  EXPECT_EQ(error_of(cut, {}), message);
  write_file(checkpoint(), whole);
  cut.max_steps = 0;
  EXPECT_EQ(error_of(cut, {}), "");
}

TEST_F(TrainerTest, CheckpointsOfOtherTrainingsAreRefusedByWhatDiffers) {
  TrainingOptions cut = with_checkpoint(1);
  cut.max_steps = 9;
  train(cut, {});
  const std::string before = read_file(checkpoint());
  cut.resumes = true;
  const auto error_with = [&](const std::function<void(TrainingOptions&, Setup&)>& change) {
    TrainingOptions changed = cut;
    Setup setup;
    change(changed, setup);
    const std::string text = error_of(changed, setup);
    EXPECT_THAT(text, HasSubstr(":0: this is the checkpoint of another training ("));
    return text;
  };
  using Options = TrainingOptions;
  const auto both = [](const std::string& found, const std::string& expected) {
    return testing::AllOf(HasSubstr(found), HasSubstr(expected));
  };
  EXPECT_THAT(error_with([](Options& o, Setup&) { o.seed = 4; }),
              both("(seed 3,", "expected seed 4,"));
  EXPECT_THAT(error_with([](Options& o, Setup&) { o.epochs = 5; }), both("epochs 4,", "epochs 5,"));
  EXPECT_THAT(error_with([](Options& o, Setup&) { o.batch_size = 4; }),
              both("batch size 8,", "batch size 4,"));
  EXPECT_THAT(error_with([](Options& o, Setup&) { o.clip_norm = 1.5; }),
              both("clip 0,", "clip 1.5,"));
  EXPECT_THAT(error_with([](Options& o, Setup&) { o.monitor = "other"; }),
              both("monitor score,", "monitor other,"));
  EXPECT_THAT(error_with([](Options& o, Setup&) { o.patience = 1; }),
              both("patience 10\n", "patience 1\n"));
  EXPECT_THAT(error_with([](Options&, Setup& s) { s.descent = Descent::kAdam; }),
              both("rate 0.5,", "rate 0.02,"));
  EXPECT_THAT(error_with([](Options&, Setup& s) { s.description = "another"; }),
              both("\na test)", "\nanother"));
  EXPECT_THAT(error_with([](Options&, Setup& s) { s.stream_seed = 6; }),
              both("with seed 5,", "with seed 6,"));
  EXPECT_THAT(error_with([](Options&, Setup& s) { s.hidden = 9; }),
              both("first.weight 8x5", "first.weight 9x5"));
  const auto stream_of = [](std::size_t units) {
    return "stream " + std::to_string(pass_over(units).fingerprint());
  };
  EXPECT_THAT(error_with([](Options&, Setup& s) { s.units = kUnits + 1; }),
              both(stream_of(kUnits), stream_of(kUnits + 1)));
  // Data of the same size, and a loss of the same name: targets and weights tell them apart.
  const auto number_after = [](const std::string& text, const std::string& name) {
    const std::size_t begin = text.find(name, text.find("expected")) + name.size();
    return text.substr(begin, text.find_first_of(",\n", begin) - begin);
  };
  std::set<std::string> targets = {
      number_after(error_with([](Options& o, Setup&) { o.seed = 4; }), "data ")};
  std::set<std::string> weights = {
      number_after(error_with([](Options& o, Setup&) { o.seed = 4; }), "class weights ")};
  targets.insert(number_after(
      error_with([](Options&, Setup& s) { s.change_rows = &DenseSet::change_a_target; }), "data "));
  targets.insert(number_after(
      error_with([](Options&, Setup& s) { s.change_rows = &DenseSet::change_a_weight; }), "data "));
  EXPECT_EQ(targets.size(), 3U);
  weights.insert(number_after(error_with([](Options&, Setup& s) {
                                s.class_weights = {0.5, 1, 2.5};
                              }),
                              "class weights "));
  weights.insert(
      number_after(error_with([](Options&, Setup& s) { s.class_weights = {}; }), "class weights "));
  EXPECT_EQ(weights.size(), 3U);
  EXPECT_EQ(read_file(checkpoint()), before);  // nothing has been written over it
}

TEST_F(TrainerTest, BatchesThatCannotBeCutAreErrors) {
  TrainingOptions odd = options();
  odd.micro_batches = 3;
  EXPECT_EQ(error_of(odd, {}),
            "a batch of 8 cannot be divided equally among 1 workers with 3 micro-batches each");
  odd.batch_size = 9;
  EXPECT_EQ(error_of(odd, {}), "");
}

TEST_F(TrainerTest, ABoundOnTheGradientBoundsTheStep) {
  const std::vector<Parameter> start = parameters_of(DenseNetwork(0));
  const auto step_of = [&](double clip) {
    TrainingOptions one = options();
    one.max_steps = 1;
    one.clip_norm = clip;
    const Trained trained = train(one, {});
    std::vector<double> step;
    for (std::size_t i = 0; i < start.size(); ++i) {
      if (start[i].name == "passes") continue;
      for (std::size_t k = 0; k < start[i].values.size(); ++k) {
        step.push_back(double{trained.parameters[i].values[k]} - double{start[i].values[k]});
      }
    }
    return step;
  };
  const auto length_of = [](const std::vector<double>& step) {
    double squares = 0;
    for (const double each : step) squares += each * each;
    return std::sqrt(squares);
  };
  const std::vector<double> whole = step_of(0);
  const double length = length_of(whole);  // of half the gradient, by the rate
  ASSERT_GT(length, 0.1);
  const std::vector<double> bounded = step_of(0.05);
  EXPECT_NEAR(length_of(bounded), 0.5 * 0.05, 1e-6);
  for (std::size_t k = 0; k < whole.size(); ++k) {  // in the same direction
    EXPECT_NEAR(bounded[k], whole[k] * 0.5 * 0.05 / length, 1e-6);
  }
  EXPECT_EQ(step_of(2.1 * length), whole);
}

// What is frozen may have gradients of an earlier training: they are no part of the head's.
TEST_F(TrainerTest, FrozenParametersHaveNoPartInTheBoundOnTheGradient) {
  const DenseSet train_set(kUnits);
  const auto fit_with = [&](const std::shared_ptr<DenseNetwork>& network, bool head_alone) {
    std::vector<at::Tensor> trained;
    for (const auto& item : network->named_parameters()) {
      if (head_alone && item.key().starts_with("first")) {
        item.value().set_requires_grad(false);
      } else {
        trained.push_back(item.value());
      }
    }
    TrainingOptions with = options();
    with.log.clear();
    with.clip_norm = 0.05;
    Trainer trainer(
        network, std::make_unique<torch::optim::SGD>(trained, torch::optim::SGDOptions(0.5)), with);
    std::ostringstream out;
    Progress progress(out, false, 1000, "steps");
    trainer.fit(train_set, train_set, objective_over(kUnits), {}, progress);
  };
  const auto network = std::make_shared<DenseNetwork>(0);
  fit_with(network, false);
  const at::Tensor gradient = network->named_parameters()["first.weight"].grad();
  ASSERT_GT(gradient.abs().sum().item<double>(), 0);
  const at::Tensor before = gradient.clone();
  const auto cleared = std::make_shared<DenseNetwork>(0);
  set_parameters_of(*cleared, parameters_of(*network));
  fit_with(network, true);
  fit_with(cleared, true);
  EXPECT_EQ(parameters_of(*network), parameters_of(*cleared));
  EXPECT_TRUE(gradient.equal(before));
}

TEST_F(TrainerTest, WithoutALookAtValidationTheLastEpochIsKept) {
  const DenseSet train_set(kUnits);
  const auto seeing = train(options(), {.scores = {0, 1, 2, 3}});
  const auto network = std::make_shared<DenseNetwork>(0);
  Trainer trainer(network, make_optimizer(Descent::kPlain, *network), with_checkpoint(5));
  std::ostringstream out;
  Progress progress(out, false, 1000, "steps");
  EXPECT_EQ(trainer.fit(train_set, train_set, objective_over(kUnits), {}, progress).steps,
            4 * kStepsAnEpoch);
  EXPECT_EQ(parameters_of(*network), seeing.parameters);
}

TEST(Predict, IsInEvaluationModeAndIndependentOfChunks) {
  DenseNetwork network(0.5);
  network.train();
  const DenseSet data(700);
  const Logits all = predict(network, data, at::kCPU);
  EXPECT_EQ(all.classes, 3U);
  EXPECT_TRUE(network.is_training());
  EXPECT_THAT(network.modes, ElementsAre(false, false, false));
  network.eval();
  std::vector<float> one_by_one;
  const torch::NoGradGuard no_gradient;
  for (std::size_t u = 0; u < data.units(); ++u) {
    const at::Tensor logits = network.forward(data.batch(std::vector{u}));
    ASSERT_EQ(logits.size(0), static_cast<std::int64_t>(data.rows(u)));
    one_by_one.insert(one_by_one.end(), logits.data_ptr<float>(),
                      logits.data_ptr<float>() + logits.numel());
  }
  EXPECT_THAT(all.values, Pointwise(FloatNear(1e-6F), one_by_one));
  EXPECT_EQ(predict(network, data, at::kCPU).values, all.values);
  EXPECT_FALSE(network.is_training());
  EXPECT_TRUE(predict(network, DenseSet(0), at::kCPU).values.empty());
}

TEST(Parameters, OfNetworksHaveBuffersAndCanBeTakenBack) {
  DenseNetwork network(0);
  std::vector<Parameter> parameters = parameters_of(network);
  std::vector<std::string> names;
  for (const Parameter& parameter : parameters) names.push_back(parameter.name);
  EXPECT_THAT(names,
              ElementsAre("first.weight", "first.bias", "second.weight", "second.bias", "passes"));
  EXPECT_THAT(parameters[0].shape, ElementsAre(kHidden, kInputs));
  parameters[4].values[0] = 12;
  parameters[1].values[3] = -0.25F;
  set_parameters_of(network, parameters);
  EXPECT_EQ(parameters_of(network), parameters);
  parameters[0].shape = {kInputs, kHidden};
  EXPECT_THROW(set_parameters_of(network, parameters), std::invalid_argument);
}

TEST(DeviceOf, KnowsTheProcessor) { EXPECT_EQ(device_of("cpu"), at::Device(at::kCPU)); }

// Workers as threads of this process, which wait for each other at each operation.
class Team {
 public:
  explicit Team(std::size_t size) : barrier_(static_cast<std::ptrdiff_t>(size)), places_(size) {}

  // Sums what all put in, in the order of their ranks; each gets the sum.
  std::vector<double> sum(std::size_t rank, std::vector<double> own) {
    places_[rank] = std::move(own);
    barrier_.arrive_and_wait();
    std::vector<double> total(places_[0].size(), 0.0);
    for (const std::vector<double>& each : places_) {
      for (std::size_t i = 0; i < total.size(); ++i) total[i] += each.at(i);
    }
    barrier_.arrive_and_wait();
    return total;
  }
  std::size_t size() const { return places_.size(); }

 private:
  std::barrier<> barrier_;
  std::vector<std::vector<double>> places_;
};

class Member final : public Workers {
 public:
  Member(std::shared_ptr<Team> team, std::size_t rank) : team_(std::move(team)), rank_(rank) {}

  sampling::Shard shard() const override { return {rank_, team_->size()}; }
  void sum(std::span<double> numbers) const override {
    const std::vector<double> total = team_->sum(rank_, {numbers.begin(), numbers.end()});
    std::copy(total.begin(), total.end(), numbers.begin());
  }
  at::Tensor sum(const at::Tensor& numbers) const override {
    const at::Tensor flat = numbers.to(at::kDouble).reshape({-1}).contiguous();
    const double* const data = flat.data_ptr<double>();
    std::vector<double> total = team_->sum(rank_, {data, data + flat.numel()});
    return at::tensor(at::ArrayRef<double>(total), at::kDouble).view(numbers.sizes());
  }
  void broadcast(const std::vector<at::Tensor>& tensors) const override {
    const torch::NoGradGuard no_gradient;
    for (const at::Tensor& tensor : tensors) {
      const at::Tensor share = rank_ == 0 ? tensor.detach() : at::zeros_like(tensor);
      tensor.copy_(sum(share));
    }
  }
  void sum_gradients(const std::vector<at::Tensor>& parameters) const override {
    for (const at::Tensor& parameter : parameters) {
      const at::Tensor own =
          parameter.grad().defined() ? parameter.grad() : at::zeros_like(parameter);
      parameter.mutable_grad() = sum(own).to(at::kFloat);
    }
  }

 private:
  std::shared_ptr<Team> team_;
  std::size_t rank_;
};

class TeamTest : public TrainerTest {
 protected:
  // The training of each of so many workers.
  std::vector<Trained> train_together(std::size_t size, const TrainingOptions& with,
                                      const Setup& setup) const {
    const auto team = std::make_shared<Team>(size);
    std::vector<Trained> results(size);
    std::vector<std::thread> threads;
    for (std::size_t rank = 0; rank < size; ++rank) {
      threads.emplace_back([&, rank] {
        TrainingOptions own = with;
        if (rank > 0) own.log = directory_ / ("unwritten_" + std::to_string(rank));
        Setup own_setup = setup;
        own_setup.workers = std::make_shared<Member>(team, rank);
        own_setup.network_seed += rank;  // the first one's is for all
        results[rank] = train(own, own_setup);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::size_t rank = 1; rank < size; ++rank) {
      EXPECT_FALSE(std::filesystem::exists(directory_ / ("unwritten_" + std::to_string(rank))));
    }
    return results;
  }
};

// 45 units make a last batch of five: of eight workers, three have nothing to do with it.
TEST_F(TeamTest, WorkersMakeTheStepsOfOneAlone) {
  const Trained alone = train(options(), {.descent = Descent::kMomentum});
  for (const std::size_t size : {2U, 4U, 8U}) {
    for (const std::size_t parts : {1U, 2U}) {
      if (size * parts > 8) continue;
      std::filesystem::remove(options().log);
      TrainingOptions cut = options();
      cut.micro_batches = parts;
      const std::vector<Trained> all = train_together(size, cut, {.descent = Descent::kMomentum});
      for (const Trained& each : all) {
        expect_close(each, alone, kRounding, std::to_string(size) + " workers");
        EXPECT_EQ(each.fit.validation.values, all[0].fit.validation.values);
      }
      EXPECT_EQ(std::count(all[0].log.begin(), all[0].log.end(), '\n'), 5);
    }
  }
}

TEST_F(TeamTest, AnyNumberOfThemGoesOn) {
  const Trained alone = train(options(), {});
  for (const std::size_t before : {1U, 2U, 4U}) {
    for (const std::size_t after : {1U, 2U, 4U}) {
      for (const std::uint64_t steps : {3U, 6U, 10U}) {
        std::filesystem::remove(options().log);
        TrainingOptions cut = with_checkpoint(1);
        cut.max_steps = steps;
        train_together(before, cut, {});
        cut.max_steps = 0;
        cut.resumes = true;
        for (const Trained& each : train_together(after, cut, {})) {
          expect_close(each, alone, kRounding,
                       std::to_string(before) + " workers, then " + std::to_string(after));
        }
      }
    }
  }
}

}  // namespace
}  // namespace equipoise::demos
