#include "equipoise/libtorch/distributed/worker_environment.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/errors.h"

namespace equipoise::libtorch {
namespace {

using testing::error_of;

using Variables = std::map<std::string, std::string>;

WorkerEnvironment read(const Variables& variables) {
  return worker_environment([&](const char* name) -> const char* {
    const auto place = variables.find(name);
    return place == variables.end() ? nullptr : place->second.c_str();
  });
}

Variables launched() {
  return {{"RANK", "2"},
          {"WORLD_SIZE", "3"},
          {"LOCAL_RANK", "1"},
          {"MASTER_ADDR", "node0"},
          {"MASTER_PORT", "29500"}};
}

TEST(WorkerEnvironmentTest, IsWhatTheLauncherSays) {
  Variables variables = launched();
  variables["TORCHELASTIC_RESTART_COUNT"] = "4";
  const WorkerEnvironment alone = read(variables);
  EXPECT_EQ(alone.rank, 2);
  EXPECT_EQ(alone.world, 3);
  EXPECT_EQ(alone.local_rank, 1);
  EXPECT_EQ(alone.master_address, "node0");
  EXPECT_EQ(alone.master_port, 29500);
  EXPECT_FALSE(alone.has_agent_store);
  EXPECT_EQ(alone.restarts, 0);

  variables["TORCHELASTIC_USE_AGENT_STORE"] = "True";
  EXPECT_TRUE(read(variables).has_agent_store);
  EXPECT_EQ(read(variables).restarts, 4);
}

TEST(WorkerEnvironmentTest, NamesWhatIsMissingOrMalformed) {
  const auto error_with = [](const std::string& name, const std::string& value) {
    Variables variables = launched();
    variables[name] = value;
    return error_of([&] { read(variables); });
  };
  const auto error_without = [](const std::string& name) {
    Variables variables = launched();
    variables.erase(name);
    return error_of([&] { read(variables); });
  };
  EXPECT_EQ(error_without("RANK"),
            "worker_environment(): RANK = (not set), expected a rank in [0, 2]");
  EXPECT_EQ(error_without("WORLD_SIZE"),
            "worker_environment(): WORLD_SIZE = (not set), expected a number of workers in "
            "[1, 2147483647]");
  EXPECT_EQ(error_without("LOCAL_RANK"),
            "worker_environment(): LOCAL_RANK = (not set), expected a rank on this machine in "
            "[0, 2]");
  EXPECT_EQ(error_without("MASTER_ADDR"),
            "worker_environment(): MASTER_ADDR = (not set), expected a host's name or address");
  EXPECT_EQ(error_without("MASTER_PORT"),
            "worker_environment(): MASTER_PORT = (not set), expected a port in [1, 65535]");
  EXPECT_EQ(error_with("RANK", "3"),
            "worker_environment(): RANK = \"3\", expected a rank in [0, 2]");
  EXPECT_EQ(error_with("RANK", "-1"),
            "worker_environment(): RANK = \"-1\", expected a rank in [0, 2]");
  EXPECT_EQ(error_with("RANK", "1x"),
            "worker_environment(): RANK = \"1x\", expected a rank in [0, 2]");
  EXPECT_EQ(error_with("RANK", ""),
            "worker_environment(): RANK = (empty), expected a rank in [0, 2]");
  EXPECT_EQ(error_with("WORLD_SIZE", "0"),
            "worker_environment(): WORLD_SIZE = \"0\", expected a number of workers in "
            "[1, 2147483647]");
  EXPECT_EQ(error_with("MASTER_ADDR", ""),
            "worker_environment(): MASTER_ADDR = (empty), expected a host's name or address");
  EXPECT_EQ(error_with("MASTER_PORT", "65536"),
            "worker_environment(): MASTER_PORT = \"65536\", expected a port in [1, 65535]");
  EXPECT_EQ(error_with("MASTER_PORT", "99999999999999999999"),
            "worker_environment(): MASTER_PORT = \"99999999999999999999\", expected a port in "
            "[1, 65535]");
}

}  // namespace
}  // namespace equipoise::libtorch
