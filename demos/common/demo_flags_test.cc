#include "demos/common/demo_flags.h"

#include <absl/flags/commandlineflag.h>
#include <absl/flags/reflection.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/program.h"

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

const std::vector<std::string> kKnown = {"none", "weights", "focal"};

TEST(ChooseStrategies, AreAllWhereNoneIsNamed) { EXPECT_EQ(choose_strategies({}, kKnown), kKnown); }

TEST(ChooseStrategies, KeepTheOrderInWhichTheyAreNamed) {
  EXPECT_THAT(choose_strategies({"focal", "none"}, kKnown), ElementsAre("focal", "none"));
}

TEST(ChooseStrategies, UnknownAndRepeatedNamesAreErrorsThatListWhatThereIs) {
  const auto error = [](const std::vector<std::string>& wanted) -> std::string {
    try {
      choose_strategies(wanted, kKnown);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  };
  EXPECT_EQ(error({"none", "smote"}),
            "--strategy: there is no strategy 'smote', expected none, weights, focal");
  EXPECT_THAT(error({"none", ""}), HasSubstr("there is no strategy ''"));
  EXPECT_EQ(error({"focal", "none", "focal"}), "--strategy: 'focal' is listed twice");
}

TEST(Announcement, MakesTwoStepsAndThenAFewMore) {
  const auto steps_for = [](std::uint64_t steps_per_run) {
    std::vector<std::uint64_t> steps;
    announcement(1, steps_per_run, [&](std::uint64_t n) { steps.push_back(n); });
    return steps;
  };
  EXPECT_THAT(steps_for(10), ElementsAre(2, 7));
  EXPECT_THAT(steps_for(2000), ElementsAre(2, 22));
  EXPECT_THAT(steps_for(1000000), ElementsAre(2, 52));
}

TEST(Announcement, SaysTimeAndRuns) {
  const auto nothing = [](std::uint64_t) {};
  constexpr const char* kTime = "About [0-9]+ (s|min) at most for ";
  EXPECT_THAT(announcement(1, 10, nothing),
              MatchesRegex(std::string(kTime) + "1 run, if the machine is no busier than now."));
  EXPECT_THAT(announcement(33, 10, nothing),
              MatchesRegex(std::string(kTime) + "33 runs, if the machine is no busier than now."));
}

// What a program with the common flags does.
struct Ran {
  int code = 0;
  std::string err{};
  std::string out{};
  bool was_called = false;
  DemoFlags flags{};
};

class RunDemo : public testing::Test {
 protected:
  void SetUp() override {
    make_directory(directory_);
    unsetenv("RANK");
    unsetenv("BUILD_WORKING_DIRECTORY");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static Ran run(
      std::vector<std::string> arguments,
      const std::function<void(const DemoFlags&)>& demo = [](const DemoFlags&) {}) {
    arguments.insert(arguments.begin(), "demo");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    Ran ran;
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    ran.code =
        run_demo(static_cast<int>(argv.size()), argv.data(), "Usage.", [&](const DemoFlags& flags) {
          ran.was_called = true;
          ran.flags = flags;
          demo(flags);
        });
    for (const auto& [name, flag] : absl::GetAllFlags()) {
      std::string error;
      if (flag->CurrentValue() != flag->DefaultValue())
        flag->ParseFrom(flag->DefaultValue(), &error);
    }
    ran.err = testing::internal::GetCapturedStderr();
    ran.out = testing::internal::GetCapturedStdout();
    return ran;
  }
  static std::string error_of(const std::vector<std::string>& arguments) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_FALSE(ran.was_called);
    return ran.err;
  }

  const std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("run_demo_") + testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(RunDemo, HasDefaults) {
  const Ran ran = run({}, [](const DemoFlags& flags) {
    EXPECT_EQ(flags.out, &std::cout);
    EXPECT_EQ(flags.workers, nullptr);
  });
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.flags.backend, "eigen");
  EXPECT_EQ(ran.flags.device, "cpu");
  EXPECT_THAT(ran.flags.strategies, IsEmpty());
  EXPECT_EQ(ran.flags.seeds, 3U);
  EXPECT_FALSE(ran.flags.has_epochs);
  EXPECT_TRUE(ran.flags.is_first);
  EXPECT_TRUE(ran.flags.data.empty());
  const TrainingOptions& training = ran.flags.training;
  EXPECT_EQ(training.epochs, TrainingOptions().epochs);
  EXPECT_EQ(training.rate, 0);
  EXPECT_EQ(training.batch_size, TrainingOptions().batch_size);
  EXPECT_EQ(training.micro_batches, 1U);
  EXPECT_EQ(training.clip_norm, 0);
  EXPECT_EQ(training.monitor, "macro_f1");
  EXPECT_EQ(training.patience, 2U);
  EXPECT_TRUE(training.log.empty());
  EXPECT_TRUE(training.checkpoint.empty());
  EXPECT_FALSE(training.resumes);
}

TEST(SetRate, SearchesForLinearModelsWhereNothingIsSaidOrWritten) {
  DemoFlags flags;
  flags.training.rate = 0;
  ExperimentOptions experiment;
  set_rate(flags, 40, /*is_linear=*/true, experiment);
  EXPECT_EQ(experiment.rate, 40);
  EXPECT_TRUE(experiment.searches_rate);
  set_rate(flags, 0.008, /*is_linear=*/false, experiment);
  EXPECT_FALSE(experiment.searches_rate);
  flags.training.rate = 3;
  set_rate(flags, 40, /*is_linear=*/true, experiment);
  EXPECT_EQ(experiment.rate, 3);
  EXPECT_FALSE(experiment.searches_rate);
  flags.training.rate = 0;
  flags.training.log = "log.csv";
  set_rate(flags, 40, /*is_linear=*/true, experiment);
  EXPECT_EQ(experiment.rate, 40);
  EXPECT_FALSE(experiment.searches_rate);
}

TEST_F(RunDemo, PassesOnWhatTheFlagsSay) {
  const std::string log = directory_ / "log.csv";
  const std::string checkpoint = directory_ / "checkpoint";
  const Ran ran =
      run({"--backend=libtorch", "--strategy=focal", "--seeds=1", "--epochs=9", "--rate=0.5",
           "--micro_batches=4", "--clip=1.5", "--monitor=accuracy", "--patience=7", "--log=" + log,
           "--checkpoint=" + checkpoint, "--checkpoint_steps=11", "--resume", "--data=some"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.flags.backend, "libtorch");
  EXPECT_THAT(ran.flags.strategies, ElementsAre("focal"));
  EXPECT_EQ(ran.flags.seeds, 1U);
  EXPECT_TRUE(ran.flags.has_epochs);
  EXPECT_EQ(ran.flags.data, "some");
  const TrainingOptions& training = ran.flags.training;
  EXPECT_EQ(training.epochs, 9U);
  EXPECT_EQ(training.rate, 0.5);
  EXPECT_EQ(training.micro_batches, 4U);
  EXPECT_EQ(training.clip_norm, 1.5);
  EXPECT_EQ(training.monitor, "accuracy");
  EXPECT_EQ(training.patience, 7U);
  EXPECT_EQ(training.log, log);
  EXPECT_EQ(training.checkpoint, checkpoint);
  EXPECT_EQ(training.checkpoint_steps, 11U);
  EXPECT_TRUE(training.resumes);
  EXPECT_THAT(run({"--strategy=a,b"}).flags.strategies, ElementsAre("a", "b"));
}

TEST_F(RunDemo, RefusesWhatIsOutOfRange) {
  EXPECT_THAT(error_of({"--backend=cuda"}), StartsWith("--backend=cuda: expected one of eigen, "));
  EXPECT_THAT(error_of({"--device=tpu"}), StartsWith("--device=tpu: expected one of cpu, cuda"));
  EXPECT_THAT(error_of({"--seeds=0"}), StartsWith("--seeds=0: expected a number from 1"));
  EXPECT_THAT(error_of({"--epochs=-1"}), StartsWith("--epochs=-1: expected a number from 0"));
  EXPECT_THAT(error_of({"--patience=0"}), StartsWith("--patience=0: expected a number from 1"));
  EXPECT_THAT(error_of({"--rate=-1"}), StartsWith("--rate=-1: expected a number from 0"));
  EXPECT_THAT(error_of({"--rate=nan"}), StartsWith("--rate=nan: expected a number from 0"));
  EXPECT_THAT(error_of({"--micro_batches=0"}), StartsWith("--micro_batches=0: expected"));
  EXPECT_THAT(error_of({"--workers=0"}), StartsWith("--workers=0: expected a number from 1 to 64"));
  EXPECT_THAT(error_of({"--timeout=0"}), StartsWith("--timeout=0: expected a number from 1"));
  EXPECT_THAT(error_of({"--checkpoint_steps=0"}), StartsWith("--checkpoint_steps=0: expected"));
  for (const char* clip : {"-2", "-0.5", "nan", "1e+07"}) {
    EXPECT_EQ(error_of({"--backend=libtorch", std::string("--clip=") + clip}),
              std::string("--clip=") + clip + ": expected -1 or a number from 0 to 1e+06\n");
  }
}

TEST_F(RunDemo, RefusesWhatWouldBeInVain) {
  for (const char* flag : {"--device=cuda", "--threads=2", "--micro_batches=2", "--clip=1",
                           "--checkpoint=x", "--checkpoint_steps=7", "--resume", "--distributed"}) {
    EXPECT_THAT(error_of({flag, "--strategy=a", "--seeds=1"}),
                HasSubstr(": needs --backend=libtorch"))
        << flag;
  }
  EXPECT_EQ(error_of({"--backend=libtorch", "--workers=4"}), "--workers: needs --distributed\n");
  EXPECT_EQ(error_of({"--backend=libtorch", "--timeout=4"}), "--timeout: needs --distributed\n");
  EXPECT_EQ(error_of({"--backend=libtorch", "--resume"}), "--resume: needs --checkpoint\n");
  EXPECT_EQ(error_of({"--backend=libtorch", "--checkpoint_steps=7"}),
            "--checkpoint_steps: needs --checkpoint\n");
  for (const char* flag :
       {"--strategy=a", "--seeds=1", "--epochs=2", "--rate=1", "--monitor=x", "--patience=3",
        "--report=x", "--save=x", "--log=x", "--backend=libtorch --clip=1"}) {
    const std::string text = flag;
    std::vector<std::string> arguments = {"--load=model"};
    if (const std::size_t space = text.find(' '); space != std::string::npos) {
      arguments.push_back(text.substr(0, space));
      arguments.push_back(text.substr(space + 1));
    } else {
      arguments.push_back(text);
    }
    EXPECT_THAT(error_of(arguments),
                HasSubstr(": cannot be combined with --load, which trains nothing"))
        << flag;
  }
}

TEST_F(RunDemo, RefusesDefaultsThatWouldBeInVainToo) {
  EXPECT_EQ(error_of({"--load=model", "--seeds=3"}),
            "--seeds: cannot be combined with --load, which trains nothing\n");
  EXPECT_EQ(error_of({"--threads=1"}), "--threads: needs --backend=libtorch\n");
  EXPECT_EQ(error_of({"--backend=libtorch", "--workers=2"}), "--workers: needs --distributed\n");
  EXPECT_EQ(run({"--backend=libtorch", "--threads=1", "--seeds=3"}).code, 0);
  EXPECT_EQ(run({"--load=model"}).code, 0);
}

TEST_F(RunDemo, BatchesThatCannotBeCutAreNoticedFirst) {
  EXPECT_EQ(error_of({"--backend=libtorch", "--micro_batches=3"}),
            "--micro_batches=3: a batch of 64 cannot be divided into 3 equal parts\n");
  EXPECT_EQ(error_of({"--backend=libtorch", "--distributed", "--workers=16", "--micro_batches=8"}),
            "--micro_batches=8 with --workers=16: a batch of 64 cannot be divided into 128 equal "
            "parts\n");
  EXPECT_EQ(run({"--backend=libtorch", "--micro_batches=64"}).code, 0);
  setenv("RANK", "1", 1);  // a launcher's number counts, and not --workers
  setenv("WORLD_SIZE", "6", 1);
  EXPECT_EQ(
      error_of({"--backend=libtorch", "--distributed"}),
      "--micro_batches=1 with --workers=6: a batch of 64 cannot be divided into 6 equal parts\n");
  unsetenv("RANK");
  unsetenv("WORLD_SIZE");
}

TEST_F(RunDemo, PathsAtWhichOneCannotLookAreTheUsersErrors) {
  const std::string name(5000, 'x');
  EXPECT_EQ(error_of({"--save=" + name + "/y"}), name + ":0: File name too long\n");
  const Ran ran = run({"--data=" + name}, [](const DemoFlags& flags) {
    ADD_FAILURE() << std::filesystem::exists(flags.data / "y");
  });
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, name + "/y:0: File name too long\n");
}

TEST_F(RunDemo, WorkersComputeOnTheProcessor) {
  EXPECT_EQ(
      error_of({"--backend=libtorch", "--distributed", "--device=cuda"}),
      "--device=cuda: cannot be combined with --distributed, whose workers compute on the CPU\n");
}

TEST_F(RunDemo, LogsAndCheckpointsAreOfOneTraining) {
  const std::string rest =
      ": belongs to a single training run: needs one --strategy and --seeds=1\n";
  EXPECT_EQ(error_of({"--log=x"}), "--log" + rest);
  EXPECT_EQ(error_of({"--log=x", "--strategy=a"}), "--log" + rest);
  EXPECT_EQ(error_of({"--log=x", "--seeds=1"}), "--log" + rest);
  EXPECT_EQ(error_of({"--log=x", "--strategy=a,b", "--seeds=1"}), "--log" + rest);
  EXPECT_EQ(error_of({"--backend=libtorch", "--checkpoint=x", "--strategy=a"}),
            "--checkpoint" + rest);
  EXPECT_EQ(run({"--log=x", "--strategy=a", "--seeds=1"}).code, 0);
}

TEST_F(RunDemo, FilesNeedTheirDirectory) {
  for (const char* flag : {"save", "log", "checkpoint"}) {
    const std::string prefix = std::string("--") + flag + "=";
    const std::vector<std::string> rest = {"--backend=libtorch", "--strategy=a", "--seeds=1"};
    std::vector<std::string> arguments = rest;
    const std::string nowhere = directory_ / "nowhere" / "file";
    arguments.push_back(prefix + nowhere);
    EXPECT_EQ(error_of(arguments),
              nowhere + ":0: there is no directory " + (directory_ / "nowhere").string() + "\n");
    arguments.back() = prefix + directory_.string();
    EXPECT_EQ(error_of(arguments),
              directory_.string() + ":0: expected a file name, but this is a directory\n");
  }
}

TEST_F(RunDemo, ErrorsBecomeExitCodes) {
  const Ran input = run({}, [](const DemoFlags&) { throw InputError("file", 3, "wrong"); });
  EXPECT_EQ(input.code, 2);
  EXPECT_EQ(input.err, "file:3: wrong\n");
  const Ran other = run({}, [](const DemoFlags&) { throw std::runtime_error("lost"); });
  EXPECT_EQ(other.code, 1);
  EXPECT_EQ(other.err, "lost\n");
  const Ran logic = run({}, [](const DemoFlags&) { throw std::logic_error("odd"); });
  EXPECT_EQ(logic.code, 1);
  EXPECT_EQ(logic.err, "odd\n");
}

TEST_F(RunDemo, SaysWhereATrainingCanGoOn) {
  const std::string checkpoint = directory_ / "checkpoint";
  const std::vector<std::string> arguments = {"--backend=libtorch", "--strategy=a", "--seeds=1",
                                              "--checkpoint=" + checkpoint};
  const Ran lost = run(arguments, [](const DemoFlags&) { throw std::runtime_error("lost"); });
  EXPECT_EQ(lost.code, 1);
  EXPECT_EQ(lost.err, "lost\n  --resume continues from " + checkpoint + "\n");
  const Ran input = run(arguments, [](const DemoFlags&) { throw InputError("wrong"); });
  EXPECT_EQ(input.err, "wrong\n");
}

TEST_F(RunDemo, HelpListsTheFlagsAndRunsNothing) {
  const Ran ran = run({"--help", "--seeds=0"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_FALSE(ran.was_called);
  EXPECT_THAT(ran.out, StartsWith("Usage.\n"));
  EXPECT_THAT(ran.out, HasSubstr("\n  --report: "));
}

TEST_F(RunDemo, IsAloneWithoutTheFlagWhateverALauncherSays) {
  setenv("RANK", "1", 1);
  setenv("WORLD_SIZE", "2", 1);
  const Ran ran = run({});
  unsetenv("RANK");
  unsetenv("WORLD_SIZE");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.flags.is_first);
  EXPECT_EQ(ran.flags.workers, nullptr);
}

TEST_F(RunDemo, PathsAreTheUsers) {
  setenv("BUILD_WORKING_DIRECTORY", directory_.c_str(), 1);
  const Ran ran = run({"--data=some", "--report=/absolute", "--load=model"});
  const Ran training = run({"--data=some", "--report=/absolute", "--save=model"});
  unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_THAT(ran.err, HasSubstr("--report: cannot be combined with --load"));
  EXPECT_EQ(training.flags.data, directory_ / "some");
  EXPECT_EQ(training.flags.report, "/absolute");
  EXPECT_EQ(training.flags.save, directory_ / "model");
}

TEST_F(RunDemo, FlagsCanBeAskedFor) {
  run({"--seeds=1"}, [](const DemoFlags&) {
    EXPECT_TRUE(is_set("seeds"));
    EXPECT_FALSE(is_set("epochs"));
    EXPECT_FALSE(is_set("no_such_flag"));
    EXPECT_NO_THROW(refuse_flags({"epochs", "rate"}, "reason"));
    try {
      refuse_flags({"epochs", "seeds"}, "this is the reason");
      ADD_FAILURE();
    } catch (const InputError& failure) {
      EXPECT_STREQ(failure.what(), "--seeds: this is the reason");
    }
  });
  EXPECT_FALSE(is_set("seeds"));
}

TEST_F(RunDemo, DataLieWhereTheFlagSaysOrInTheWorkspace) {
  DemoFlags flags;
  setenv("BUILD_WORKSPACE_DIRECTORY", directory_.c_str(), 1);
  EXPECT_TRUE(data_directory(flags).empty());
  make_directory(directory_ / "data");
  EXPECT_EQ(data_directory(flags), directory_ / "data");
  flags.data = "elsewhere";
  EXPECT_EQ(data_directory(flags), "elsewhere");
  unsetenv("BUILD_WORKSPACE_DIRECTORY");
}

TEST(MakeProgress, IsSilentUnlessThisIsTheFirstWorker) {
  std::ostringstream out;
  DemoFlags flags;
  flags.out = &out;
  flags.is_first = false;
  testing::internal::CaptureStderr();
  make_progress(flags, 10)->note("a line");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  flags.is_first = true;
  testing::internal::CaptureStderr();
  make_progress(flags, 10)->note("a line");
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("a line\n"));
}

}  // namespace
}  // namespace equipoise::demos
