#include "demos/common/demo_flags.h"

#include <absl/flags/commandlineflag.h>
#include <absl/flags/flag.h>
#include <absl/flags/reflection.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <span>
#include <stdexcept>
#include <thread>

#include "demos/common/files.h"
#include "demos/common/flags.h"

ABSL_FLAG(std::string, data, "",
          "directory with the data; by default what tools/fetch_data.sh has fetched, "
          "otherwise a small generated data set");
ABSL_FLAG(std::string, backend, "eigen", "library that trains the model: eigen or libtorch");
ABSL_FLAG(std::string, device, "cpu",
          "where LibTorch computes: cpu or cuda; with --distributed only cpu");
ABSL_FLAG(int, threads, 1,
          "number of threads for LibTorch; models this small gain little from more");
ABSL_FLAG(std::string, strategy, "",
          "strategies to train, separated by commas; by default all of them");
ABSL_FLAG(int, seeds, 3, "number of training runs per strategy");
ABSL_FLAG(int, epochs, 0, "maximum number of epochs per run; 0: the demo's default");
ABSL_FLAG(double, rate, 0,
          "initial learning rate; 0: the model's default or, for a linear model, the best "
          "of up to five on validation data, for each strategy");
ABSL_FLAG(int, micro_batches, 1,
          "number of parts that each batch is processed in, LibTorch only: saves memory and "
          "gives the same result up to rounding; dropout draws different numbers");
ABSL_FLAG(double, clip, -1,
          "maximum norm of a step's gradient, LibTorch only; 0: no limit; -1: the model's default");
ABSL_FLAG(std::string, monitor, "",
          "validation metric that chooses the epoch; by default the one that strategies are "
          "compared by");
ABSL_FLAG(int, patience, 2, "a run stops after this many epochs in a row without an improvement");
ABSL_FLAG(std::string, report, "", "directory for results.csv, summary.md and pictures");
ABSL_FLAG(std::string, save, "", "file for the model that did best on validation data");
ABSL_FLAG(std::string, load, "", "file with a saved model; nothing is trained");
ABSL_FLAG(std::string, log, "", "CSV file with one line per epoch; for a single strategy and seed");
ABSL_FLAG(std::string, checkpoint, "",
          "file for the state of the training run, LibTorch only; for a single strategy and seed");
ABSL_FLAG(int, checkpoint_steps, 200, "number of steps between checkpoints");
ABSL_FLAG(bool, resume, false,
          "continues from --checkpoint as if the run had not been interrupted; with a "
          "different number of --workers or --micro_batches up to rounding, and dropout "
          "draws different numbers");
ABSL_FLAG(bool, distributed, false,
          "trains with several processes, LibTorch only: starts --workers of them here, "
          "unless torchrun has started this one");
ABSL_FLAG(int, workers, 2, "number of processes for --distributed");
ABSL_FLAG(int, timeout, 30, "seconds after which --distributed regards a worker as lost");

namespace equipoise::demos {

namespace {

std::uint64_t number(const absl::Flag<int>& flag) {
  return static_cast<std::uint64_t>(absl::GetFlag(flag));
}

void require_file_name(const std::string& name) {
  if (name.empty()) return;
  const std::filesystem::path directory = user_path(name).parent_path();
  if (!directory.empty() && !std::filesystem::is_directory(directory)) {
    throw InputError(name, 0, "there is no directory " + directory.string());
  }
  if (std::filesystem::is_directory(user_path(name))) {
    throw InputError(name, 0, "expected a file name, but this is a directory");
  }
}

void check_one_run() {
  const std::string strategy = absl::GetFlag(FLAGS_strategy);
  if (strategy.empty() || absl::StrContains(strategy, ",") || absl::GetFlag(FLAGS_seeds) != 1) {
    throw InputError(
        absl::StrCat("--", is_set("log") ? "log" : "checkpoint",
                     ": belongs to a single training run: needs one --strategy and --seeds=1"));
  }
}

// How many processes train together: those that are to be started, or that a launcher says.
int count_workers() {
  if (!absl::GetFlag(FLAGS_distributed)) return 1;
  const char* const world = std::getenv("WORLD_SIZE");
  int count = 0;
  if (is_worker() && world != nullptr && absl::SimpleAtoi(world, &count) && count > 0) return count;
  return absl::GetFlag(FLAGS_workers);
}

void check_flags(std::size_t batch_size) {
  require_choice("backend", absl::GetFlag(FLAGS_backend), {"eigen", "libtorch"});
  require_choice("device", absl::GetFlag(FLAGS_device), {"cpu", "cuda"});
  require_between("threads", absl::GetFlag(FLAGS_threads), 1, 1024);
  require_between("seeds", absl::GetFlag(FLAGS_seeds), 1, 1000);
  require_between("epochs", absl::GetFlag(FLAGS_epochs), 0, 1000);
  require_between("micro_batches", absl::GetFlag(FLAGS_micro_batches), 1, 1024);
  require_between("patience", absl::GetFlag(FLAGS_patience), 1, 1000);
  require_between("checkpoint_steps", absl::GetFlag(FLAGS_checkpoint_steps), 1, 1000000);
  require_between("workers", absl::GetFlag(FLAGS_workers), 1, 64);
  require_between("timeout", absl::GetFlag(FLAGS_timeout), 1, 86400);
  require_between("rate", absl::GetFlag(FLAGS_rate), 0.0, 1e6);
  const double clip = absl::GetFlag(FLAGS_clip);
  if (clip != -1 && !(clip >= 0 && clip <= 1e6)) {
    throw InputError(absl::StrCat("--clip=", clip, ": expected -1 or a number from 0 to 1e+06"));
  }
  for (const std::string& name :
       {absl::GetFlag(FLAGS_save), absl::GetFlag(FLAGS_log), absl::GetFlag(FLAGS_checkpoint)}) {
    require_file_name(name);
  }
  if (is_set("load")) {
    refuse_flags(
        {"strategy", "seeds", "epochs", "rate", "micro_batches", "clip", "monitor", "patience",
         "report", "save", "log", "checkpoint", "checkpoint_steps", "resume", "distributed"},
        "cannot be combined with --load, which trains nothing");
  }
  if (absl::GetFlag(FLAGS_backend) != "libtorch") {
    refuse_flags({"device", "threads", "micro_batches", "clip", "checkpoint", "checkpoint_steps",
                  "resume", "distributed"},
                 "needs --backend=libtorch");
  }
  if (!absl::GetFlag(FLAGS_distributed)) {
    refuse_flags({"workers", "timeout"}, "needs --distributed");
  } else {
    if (absl::GetFlag(FLAGS_device) == "cuda") {
      throw InputError(
          "--device=cuda: cannot be combined with --distributed, whose workers compute on the CPU");
    }
    if (is_set("predict"))
      refuse_flags({"distributed"}, "cannot be combined with --predict; use --save first");
  }
  if (!is_set("checkpoint")) refuse_flags({"checkpoint_steps", "resume"}, "needs --checkpoint");
  if (is_set("log") || is_set("checkpoint")) check_one_run();
  require_batch(batch_size);
}

DemoFlags read_flags(std::size_t batch_size) {
  DemoFlags flags;
  flags.data = user_path(absl::GetFlag(FLAGS_data));
  flags.backend = absl::GetFlag(FLAGS_backend);
  flags.device = absl::GetFlag(FLAGS_device);
  flags.strategies = absl::StrSplit(absl::GetFlag(FLAGS_strategy), ',');
  if (absl::GetFlag(FLAGS_strategy).empty()) flags.strategies.clear();
  flags.seeds = number(FLAGS_seeds);
  flags.report = user_path(absl::GetFlag(FLAGS_report));
  flags.save = user_path(absl::GetFlag(FLAGS_save));
  flags.load = user_path(absl::GetFlag(FLAGS_load));
  flags.has_epochs = absl::GetFlag(FLAGS_epochs) > 0;
  TrainingOptions& training = flags.training;
  training.batch_size = batch_size;
  if (flags.has_epochs) training.epochs = number(FLAGS_epochs);
  training.rate = absl::GetFlag(FLAGS_rate);
  training.micro_batches = number(FLAGS_micro_batches);
  training.clip_norm = std::max(absl::GetFlag(FLAGS_clip), 0.0);
  if (is_set("monitor")) training.monitor = absl::GetFlag(FLAGS_monitor);
  training.patience = number(FLAGS_patience);
  training.log = user_path(absl::GetFlag(FLAGS_log));
  training.checkpoint = user_path(absl::GetFlag(FLAGS_checkpoint));
  training.checkpoint_steps = number(FLAGS_checkpoint_steps);
  training.resumes = absl::GetFlag(FLAGS_resume);
  return flags;
}

void run(const std::function<void(const DemoFlags&)>& demo, std::size_t batch_size) {
  std::ostream silent(nullptr);  // writes nothing
  DemoFlags flags = read_flags(batch_size);
  set_threads(absl::GetFlag(FLAGS_threads));
  // Without the flag this is alone, whatever a launcher's environment says.
  if (absl::GetFlag(FLAGS_distributed)) {
    flags.workers = connect_workers(std::chrono::seconds(absl::GetFlag(FLAGS_timeout)));
    flags.is_first = std::string_view(std::getenv("RANK")) == "0";
  }
  flags.out = flags.is_first ? &std::cout : &silent;
  if (!flags.is_first) {
    flags.report.clear();
    flags.save.clear();
  }
  try {
    demo(flags);
  } catch (const InputError&) {
    throw;
  } catch (const std::runtime_error& error) {
    if (flags.training.checkpoint.empty()) throw;
    throw std::runtime_error(absl::StrCat(error.what(), "\n  --resume continues from ",
                                          flags.training.checkpoint.string()));
  }
}

}  // namespace

int run_demo(int argc, char** argv, std::string_view usage,
             const std::function<void(const DemoFlags&)>& demo, std::size_t batch_size) {
  try {
    const std::span<char* const> arguments(argv, static_cast<std::size_t>(argc));
    if (!parse_flags(arguments, usage)) return 0;
    check_flags(batch_size);
    if (absl::GetFlag(FLAGS_distributed) && !is_worker()) {
      return run_local_workers(absl::GetFlag(FLAGS_workers), arguments);
    }
    run(demo, batch_size);
    return 0;
  } catch (const InputError& error) {
    std::cerr << error.what() << std::endl;
    return kInputErrorExitCode;
  } catch (const std::filesystem::filesystem_error& error) {
    // A path of the user's at which one cannot even look: too long a name, or no permission.
    std::cerr << error.path1().string() << ":0: " << error.code().message() << std::endl;
    return kInputErrorExitCode;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}

bool is_set(const char* name) {
  const absl::CommandLineFlag* const flag = absl::FindCommandLineFlag(name);
  return flag != nullptr && flag->CurrentValue() != flag->DefaultValue();
}

void refuse_flags(std::initializer_list<const char*> names, const std::string& reason) {
  for (const char* name : names) {
    if (was_given(name)) throw InputError(absl::StrCat("--", name, ": ", reason));
  }
}

void require_batch(std::size_t batch_size) {
  const int workers = count_workers();
  const int micro_batches = absl::GetFlag(FLAGS_micro_batches);
  const std::size_t parts =
      static_cast<std::size_t>(workers) * static_cast<std::size_t>(micro_batches);
  if (batch_size % parts == 0) return;
  throw InputError(absl::StrCat("--micro_batches=", micro_batches,
                                workers == 1 ? "" : absl::StrCat(" with --workers=", workers),
                                ": a batch of ", batch_size, " cannot be divided into ", parts,
                                " equal parts"));
}

std::vector<std::string> choose_strategies(const std::vector<std::string>& wanted,
                                           const std::vector<std::string>& known) {
  if (wanted.empty()) return known;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (std::find(known.begin(), known.end(), wanted[i]) == known.end()) {
      throw InputError(absl::StrCat("--strategy: there is no strategy '", wanted[i], "', expected ",
                                    absl::StrJoin(known, ", ")));
    }
    const auto here = wanted.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(wanted.begin(), here, wanted[i]) != here) {
      throw InputError(absl::StrCat("--strategy: '", wanted[i], "' is listed twice"));
    }
  }
  return wanted;
}

Flaws flaws_named(const std::string& name) {
  require_choice("flaws", name, {"repair", "skip", "refuse"});
  return name == "repair" ? Flaws::kRepair : name == "skip" ? Flaws::kSkip : Flaws::kRefuse;
}

std::filesystem::path data_directory(const DemoFlags& flags) {
  if (!flags.data.empty()) return flags.data;
  const char* const workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  const std::filesystem::path fetched =
      std::filesystem::path(workspace == nullptr ? "." : workspace) / "data";
  return std::filesystem::is_directory(fetched) ? fetched : std::filesystem::path();
}

void set_rate(const DemoFlags& flags, double own, bool is_linear, ExperimentOptions& experiment) {
  const TrainingOptions& training = flags.training;
  experiment.rate = training.rate > 0 ? training.rate : own;
  experiment.searches_rate =
      is_linear && !(training.rate > 0) && training.log.empty() && training.checkpoint.empty();
}

std::unique_ptr<Progress> make_progress(const DemoFlags& flags, std::uint64_t steps) {
  if (flags.is_first) return std::make_unique<Progress>(steps, "steps");
  return std::make_unique<Progress>(*flags.out, false, steps, "steps");
}

}  // namespace equipoise::demos
