#include "equipoise/resampling/instance_hardness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::resampling {
namespace {

using ::testing::ElementsAre;
using testing::error_of;

const std::vector<float> kProbabilities = {0.5f, 0.9f, 0.1f, 0.5f, 0.3f, 0.7f};
const std::vector<int> kLabels = {0, 0, 1, 0, 1, 0};

TEST(InstanceHardness, KeepsTheEasiestRows) {
  const auto kept = [](std::uint64_t zero, std::uint64_t one) {
    return instance_hardness_threshold(kProbabilities, kLabels,
                                       std::vector<std::uint64_t>{zero, one});
  };
  EXPECT_THAT(kept(1, 1), ElementsAre(1, 4));
  EXPECT_THAT(kept(2, 2), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(kept(3, 0), ElementsAre(0, 1, 3, 5));  // 0.5 twice
  EXPECT_THAT(kept(0, 0), ElementsAre());
}

TEST(InstanceHardnessErrors, NameWhatIsWrong) {
  const std::vector<std::uint64_t> targets = {5, 1};
  EXPECT_EQ(error_of([&] { instance_hardness_threshold(kProbabilities, kLabels, targets); }),
            "instance_hardness_threshold(): targets[0] = 5, expected at most 4, the rows of the "
            "class");
  EXPECT_EQ(
      error_of([&] {
        instance_hardness_threshold(std::vector<float>{1.5f}, std::vector<int>{0}, targets);
      }),
      "instance_hardness_threshold(): own_probabilities[0] = 1.5, expected a number in [0, 1]");
  EXPECT_EQ(error_of([&] {
              instance_hardness_threshold(std::vector<float>{}, std::vector<int>{0}, targets);
            }),
            "instance_hardness_threshold(): own_probabilities.size() = 0, expected 1 (labels)");
}

}  // namespace
}  // namespace equipoise::resampling
