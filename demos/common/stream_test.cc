#include "demos/common/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "equipoise/sampling/class_sampler.h"

namespace equipoise::demos {
namespace {

static_assert(sampling::IndexStream<Stream>);

const std::vector<std::int64_t> kLabels = {0, 0, 0, 1, 0, 2, 1};
const std::vector<double> kProportions = {1, 1, 1};

TEST(Stream, IsTheSamplerThatItHolds) {
  for (const sampling::Mode mode : {sampling::Mode::kIndependent, sampling::Mode::kExactQuota}) {
    const sampling::ClassSampler sampler(kLabels, kProportions, 9,
                                         {.mode = mode, .epoch_size = 12});
    const Stream stream(sampler);
    EXPECT_EQ(stream.seed(), 9U);
    EXPECT_EQ(stream.epoch_size(), 12U);
    EXPECT_EQ(stream.fingerprint(), sampler.fingerprint());
    for (std::uint64_t t = 0; t < 60; ++t) EXPECT_EQ(stream[t], sampler[t]) << t;
  }
}

// The square of its position, and whether it is still there.
struct Squares {
  std::shared_ptr<int> owner;

  std::int32_t operator[](std::uint64_t t) const { return static_cast<std::int32_t>(t * t); }
  std::uint64_t seed() const { return 1; }
  std::uint64_t epoch_size() const { return 2; }
  std::uint64_t fingerprint() const { return 3; }
};

TEST(Stream, HoldsAnyStreamAndCopiesShareIt) {
  const auto owner = std::make_shared<int>(0);
  auto first = std::make_unique<Stream>(Squares{owner});
  EXPECT_EQ(owner.use_count(), 2);
  Stream second = *first;
  const Stream third(second);  // NOLINT(performance-unnecessary-copy-initialization): is the test
  EXPECT_EQ(owner.use_count(), 2);
  first.reset();
  EXPECT_EQ(second[7], 49U);
  EXPECT_EQ(third[8], 64U);
  second = Stream(sampling::ClassSampler(kLabels, kProportions, 4));
  EXPECT_EQ(second.seed(), 4U);
  EXPECT_EQ(third.seed(), 1U);
}

}  // namespace
}  // namespace equipoise::demos
