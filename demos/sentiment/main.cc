// Sentiment on imbalanced classes: one model, eleven ways to train it.
#include <absl/flags/commandlineflag.h>
#include <absl/flags/flag.h>
#include <absl/flags/reflection.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/flags.h"
#include "demos/common/input_error.h"
#include "demos/common/local_workers.h"
#include "demos/common/progress.h"
#include "demos/sentiment/classifier.h"
#include "demos/sentiment/corpus.h"
#include "demos/sentiment/distributed.h"
#include "demos/sentiment/experiment.h"
#include "demos/sentiment/report.h"
#include "demos/sentiment/saved_model.h"
#include "demos/sentiment/strategy.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"

ABSL_FLAG(std::string, backend, "eigen", "library that trains the model: eigen or libtorch");
ABSL_FLAG(std::string, device, "cpu", "where LibTorch computes: cpu or cuda");
ABSL_FLAG(
    std::string, data, "",
    "directory with labels.txt, train.tsv, test.tsv and, if there is one, dev.tsv; without it what "
    "tools/fetch_data.sh has fetched, else a synthetic corpus");
ABSL_FLAG(std::string, labels, "fine",
          "classes: fine (the file's labels) or polarity (positive, neutral, negative, ambiguous)");
ABSL_FLAG(std::string, strategy, "",
          "strategies, with commas between: none, none_tau, weights, weights_0.5, sampler, "
          "sampler_0.5, logit_adjustment, logit_adjustment_0.5, double, split, focal; without it "
          "all of them");
ABSL_FLAG(int, seeds, 3, "runs of each strategy");
ABSL_FLAG(int, epochs, 6, "epochs of a run, at most");
ABSL_FLAG(int, hidden, 0, "units of a hidden layer, LibTorch only; 0: a linear model");
ABSL_FLAG(double, rate, 0, "learning rate at the start; 0: the model's own");
ABSL_FLAG(std::string, report, "", "directory for results.csv, summary.md and pictures");
ABSL_FLAG(std::string, save, "", "file for the model that did best on validation");
ABSL_FLAG(std::string, load, "", "file with a saved model: nothing is trained");
ABSL_FLAG(std::string, predict, "", "a text: its most probable classes");
ABSL_FLAG(bool, distributed, false,
          "one training (of --strategy, by default weights_0.5) by several processes on LibTorch: "
          "starts --workers of them here, or is one of those that torchrun has started");
ABSL_FLAG(int, workers, 2, "processes of --distributed; a divisor of 64, the rows of a batch");
ABSL_FLAG(int, seed, 0, "seed of --distributed");
ABSL_FLAG(int, timeout, 30, "seconds after which --distributed gives up a worker as lost");
ABSL_FLAG(std::string, checkpoint, "", "file in which --distributed keeps how far it has come");
ABSL_FLAG(int, checkpoint_steps, 200, "batches from one checkpoint to the next");
ABSL_FLAG(bool, resume, false, "goes on from --checkpoint, with any number of workers");

namespace equipoise::demos {
namespace {

constexpr const char* kUsage =
    "Trains one text classifier in eleven ways on imbalanced classes and compares them.\n"
    "  bazel run -c opt //demos/sentiment -- --data=DIR --report=DIR\n"
    "  bazel run -c opt //demos/sentiment -- --strategy=none,weights_0.5 --save=FILE\n"
    "  bazel run -c opt //demos/sentiment -- --load=FILE --predict=\"thanks a lot\"\n"
    "  bazel run -c opt //demos/sentiment -- --distributed --checkpoint=FILE";

Granularity granularity() {
  return absl::GetFlag(FLAGS_labels) == "fine" ? Granularity::kFine : Granularity::kPolarity;
}

bool is_set(const char* name) {
  const absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(name);
  return flag->CurrentValue() != flag->DefaultValue();
}

// Flags that would be passed in vain.
void refuse_flags(std::initializer_list<const char*> names, const std::string& reason) {
  for (const char* name : names) {
    if (is_set(name)) throw InputError(absl::StrCat("--", name, ": ", reason));
  }
}

// A loaded model is not trained.
void check_flags_with_load() {
  refuse_flags({"strategy", "report", "save", "seeds", "epochs", "hidden", "rate"},
               "not with --load, which takes --predict, --data, --labels, --backend and --device");
}

void check_flags_with_distributed() {
  refuse_flags({"backend", "device", "seeds", "report", "save", "load", "predict"},
               "not with --distributed, which takes --strategy, --data, --labels, --epochs, "
               "--hidden, --rate, --workers, --seed, --timeout, --checkpoint, --checkpoint_steps "
               "and --resume");
  require_between("workers", absl::GetFlag(FLAGS_workers), 1, 64);
  require_between("seed", absl::GetFlag(FLAGS_seed), 0, 1000000);
  require_between("timeout", absl::GetFlag(FLAGS_timeout), 1, 86400);
  require_between("checkpoint_steps", absl::GetFlag(FLAGS_checkpoint_steps), 1, 1000000);
  const std::size_t batch = TrainingOptions().batch_size;
  if (const auto workers = static_cast<std::size_t>(absl::GetFlag(FLAGS_workers));
      batch % workers != 0) {
    throw InputError(absl::StrCat("--workers=", workers, ": expected a divisor of ", batch,
                                  ", the rows of a batch"));
  }
  if (absl::GetFlag(FLAGS_resume) && absl::GetFlag(FLAGS_checkpoint).empty()) {
    throw InputError("--resume: needs --checkpoint");
  }
}

void check_flags() {
  const std::vector<std::string> backends = {"eigen", "libtorch"};
  const std::vector<std::string> devices = {"cpu", "cuda"};
  const std::vector<std::string> labels = {"fine", "polarity"};
  require_choice("backend", absl::GetFlag(FLAGS_backend), backends);
  require_choice("device", absl::GetFlag(FLAGS_device), devices);
  require_choice("labels", absl::GetFlag(FLAGS_labels), labels);
  require_between("seeds", absl::GetFlag(FLAGS_seeds), 1, 1000);
  require_between("epochs", absl::GetFlag(FLAGS_epochs), 1, 1000);
  require_between("hidden", absl::GetFlag(FLAGS_hidden), 0, 4096);
  if (const double rate = absl::GetFlag(FLAGS_rate); !(rate >= 0 && rate <= 1e4)) {
    throw InputError(absl::StrCat("--rate=", rate, ": expected a number from 0 to 10000"));
  }
  if (const std::string save = absl::GetFlag(FLAGS_save); !save.empty()) {
    const std::filesystem::path directory = user_path(save).parent_path();
    if (!directory.empty() && !std::filesystem::is_directory(directory)) {
      throw InputError(save, 0, "there is no directory " + directory.string());
    }
    if (std::filesystem::is_directory(user_path(save))) {
      throw InputError(save, 0, "expected a name for a file, this is a directory");
    }
  }
  if (absl::GetFlag(FLAGS_distributed)) {
    check_flags_with_distributed();
    return;
  }
  refuse_flags({"workers", "seed", "timeout", "checkpoint", "checkpoint_steps", "resume"},
               "needs --distributed");
  if (absl::GetFlag(FLAGS_backend) == "libtorch") return;
  if (absl::GetFlag(FLAGS_device) != "cpu") {
    throw InputError("--device=cuda: needs --backend=libtorch");
  }
  if (absl::GetFlag(FLAGS_hidden) != 0) {
    throw InputError("--hidden: needs --backend=libtorch");
  }
}

Corpus find_corpus() {
  if (const std::string data = absl::GetFlag(FLAGS_data); !data.empty()) {
    return load_corpus(corpus_directory(user_path(data)), granularity());
  }
  const char* const workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  const std::filesystem::path fetched =
      corpus_directory(std::filesystem::path(workspace == nullptr ? "." : workspace) / "data");
  return std::filesystem::exists(fetched / "labels.txt") ? load_corpus(fetched, granularity())
                                                         : synthetic_corpus(granularity());
}

// `hidden` is the flag's in training and the file's in prediction.
std::unique_ptr<Classifier> make_classifier(std::size_t classes, TrainingOptions options,
                                            std::uint64_t seed) {
  if (absl::GetFlag(FLAGS_backend) == "eigen") return make_eigen_classifier(classes, options);
  return make_libtorch_classifier(classes, options, absl::GetFlag(FLAGS_device), seed);
}

std::unique_ptr<Classifier> make_classifier(const TrainedModel& model) {
  if (model.hidden != 0 && absl::GetFlag(FLAGS_backend) == "eigen") {
    throw InputError("--load: this model has a hidden layer and needs --backend=libtorch");
  }
  TrainingOptions options;
  options.hidden = model.hidden;
  std::unique_ptr<Classifier> classifier = make_classifier(model.classes.size(), options, 0);
  try {
    classifier->set_parameters(model.parameters);
  } catch (const std::invalid_argument& error) {
    throw InputError("--load: " + std::string(error.what()));
  }
  return classifier;
}

// The five most probable classes; the offset of a post-hoc correction moves the probabilities.
void print_prediction(const TrainedModel& model, const std::string& text) {
  const std::vector<std::string> texts = {text};
  const SparseRows features = TfIdf(model.idf)(ngram_counts(texts));
  const Logits logits = make_classifier(model)->logits(features);
  std::vector<double> scores(logits.values.begin(), logits.values.end());
  for (std::size_t c = 0; c < model.offset.size(); ++c) scores[c] += model.offset[c];
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - scores[order[0]]);
  std::cout << "\"" << text << "\"\n";
  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < std::min(kShown, order.size()); ++i) {
    std::cout << absl::StrFormat("  %5.1f %%  %s\n",
                                 100 * std::exp(scores[order[i]] - scores[order[0]]) / sum,
                                 model.classes[order[i]]);
  }
}

void print_evaluation(const TrainedModel& model, const Corpus& corpus) {
  if (corpus.classes != model.classes) {
    throw InputError("--load: the model's classes are not those of the data; see --labels");
  }
  const SparseRows features = TfIdf(model.idf)(ngram_counts(corpus.test.texts));
  ConfusionMatrix matrix(model.classes.size());
  matrix.add(corpus.test.labels,
             predict(make_classifier(model)->logits(features).view(), model.offset));
  std::cout << corpus.description << "\n\nTest rows, strategy " << model.strategy << ":\n\n"
            << report(matrix, model.classes, 3);
}

TrainingOptions training_options() {
  const double rate = absl::GetFlag(FLAGS_rate);
  TrainingOptions options;
  options.epochs = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_epochs));
  options.hidden = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_hidden));
  options.rate = rate > 0 ? rate : default_rate(options.hidden);
  return options;
}

TrainedModel train(const Corpus& corpus) {
  ExperimentOptions options;
  options.strategies = parse_strategies(absl::GetFlag(FLAGS_strategy));
  options.seeds = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_seeds));
  options.training = training_options();
  const std::size_t classes = corpus.classes.size();
  options.make_classifier = [&](std::uint64_t seed) {
    return make_classifier(classes, options.training, seed);
  };
  options.make_classifier(0);  // an impossible device is noticed before anything is written
  const std::filesystem::path directory = user_path(absl::GetFlag(FLAGS_report));
  if (!absl::GetFlag(FLAGS_report).empty()) make_directory(directory);

  const std::string header =
      absl::StrCat(corpus.description, "\nModel: ",
                   options.training.hidden == 0
                       ? "linear softmax"
                       : absl::StrCat("a hidden layer of ", options.training.hidden, " units"),
                   " on hashed n-grams, learning rate ", options.training.rate, ", trained with ",
                   absl::GetFlag(FLAGS_backend), ".");
  std::cout << header << std::endl;
  const Task task = make_task(corpus);
  std::cout << '\n' << ledger_table(task, options.strategies) << std::endl;
  Progress progress(options.strategies.size() * options.seeds * options.training.epochs *
                        batches_per_epoch(task.train.labels.size(), options.training),
                    "batches");
  Results results = run_experiment(task, options, progress);
  std::cout << '\n' << summary(task, results) << std::endl;
  if (!absl::GetFlag(FLAGS_report).empty()) {
    std::cout << write_report(header, task, results, directory) << std::endl;
  }
  return std::move(results.model);
}

void train_as_worker() {
  DistributedOptions options;
  const std::string names = absl::GetFlag(FLAGS_strategy);
  const std::vector<Strategy> strategies = parse_strategies(names.empty() ? "weights_0.5" : names);
  if (strategies.size() != 1 || strategies[0].posthoc) {
    throw InputError(absl::StrCat("--strategy=", names,
                                  ": --distributed takes one, and no post-hoc correction"));
  }
  options.strategy = strategies[0];
  options.training = training_options();
  options.seed = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_seed));
  options.timeout = std::chrono::seconds(absl::GetFlag(FLAGS_timeout));
  if (const std::string file = absl::GetFlag(FLAGS_checkpoint); !file.empty()) {
    options.checkpoint = user_path(file);
  }
  options.checkpoint_steps = static_cast<std::uint64_t>(absl::GetFlag(FLAGS_checkpoint_steps));
  options.resumes = absl::GetFlag(FLAGS_resume);
  const Task task = make_task(find_corpus());
  try {
    run_distributed_worker(task, options, std::cout);
  } catch (const InputError&) {
    throw;
  } catch (const std::runtime_error& error) {
    if (options.checkpoint.empty()) throw;
    throw std::runtime_error(
        absl::StrCat(error.what(), "\n  --resume goes on from ", options.checkpoint.string()));
  }
}

void run() {
  if (!absl::GetFlag(FLAGS_load).empty()) check_flags_with_load();
  const std::string load = absl::GetFlag(FLAGS_load);
  const std::string text = absl::GetFlag(FLAGS_predict);
  TrainedModel model;
  if (load.empty()) {
    parse_strategies(absl::GetFlag(FLAGS_strategy));  // before the data, which take longer
    model = train(find_corpus());
  } else {
    model = load_model(user_path(load));
    if (text.empty()) print_evaluation(model, find_corpus());
  }
  if (const std::string save = absl::GetFlag(FLAGS_save); !save.empty()) {
    save_model(model, user_path(save));
    std::cout << "Model of strategy " << model.strategy << ": " << save << std::endl;
  }
  if (!text.empty()) print_prediction(model, text);
}

}  // namespace
}  // namespace equipoise::demos

int main(int argc, char** argv) {
  try {
    const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
    if (!equipoise::demos::parse_flags(arguments, equipoise::demos::kUsage)) return 0;
    equipoise::demos::check_flags();
    if (!absl::GetFlag(FLAGS_distributed)) {
      equipoise::demos::run();
    } else if (equipoise::demos::is_worker()) {
      equipoise::demos::train_as_worker();
    } else {
      return equipoise::demos::run_local_workers(absl::GetFlag(FLAGS_workers), arguments);
    }
    return 0;
  } catch (const equipoise::demos::InputError& error) {
    std::cerr << error.what() << std::endl;
    return equipoise::demos::kInputErrorExitCode;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
