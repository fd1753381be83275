#include "equipoise/libtorch/metrics/entities.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "equipoise/metrics/entities.h"
#include "equipoise/metrics/entity_tags.h"
#include "tests/support/metric_batches.h"

namespace equipoise::libtorch {
namespace {

using testing::Tokens;

TEST(EntityAccumulator, EqualsTheCoreOnPaddedBatches) {
  const metrics::EntityTags tags{"O", "B-PER", "I-PER", "B-LOC", "I-LOC"};
  for (std::int64_t seed = 0; seed < 20; ++seed) {
    const Tokens data(seed);
    const at::Tensor predictions = data.logits.argmax(-1);
    metrics::EntityScores expected(tags);
    expected.add(data.labels(), Tokens::vector_of(predictions),
                 std::vector<std::size_t>{0, 10, 20, 30, 40, 50, 60}, -100);
    Accumulator<metrics::EntityScores> by_tag(tags);
    Accumulator<metrics::EntityScores> by_logits(tags);
    for (std::int64_t sentence = 0; sentence < 6; ++sentence) {
      by_tag.add(data.targets[sentence].to(at::kInt), predictions[sentence], -100);
    }
    by_logits.add(data.targets.narrow(0, 0, 2), data.logits.narrow(0, 0, 2), -100);
    by_logits.add(data.targets.narrow(0, 2, 4), data.logits.narrow(0, 2, 4), -100);
    EXPECT_EQ(by_tag.value(), expected);
    EXPECT_EQ(by_logits.value(), expected);
    by_logits.reset();
    EXPECT_EQ(by_logits.value(), metrics::EntityScores(tags));
  }
  Accumulator<metrics::EntityScores> none(tags);
  none.add(at::zeros({0, 7}, at::kLong), at::zeros({0, 7}, at::kLong));
  EXPECT_EQ(none.value().tokens(), 0);
}

}  // namespace
}  // namespace equipoise::libtorch
