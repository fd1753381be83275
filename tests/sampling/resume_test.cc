// A program that is killed anywhere and begins anew goes on as if nothing had happened.

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "equipoise/equipoise.h"

namespace equipoise::sampling {
namespace {

using Rows = std::vector<std::int64_t>;

constexpr std::uint64_t kSeed = 77;
constexpr int kKills = 10000;

std::vector<std::int64_t> labels() {
  std::vector<std::int64_t> result;
  for (int i = 0; i < 90; ++i) result.push_back(i % 9 == 0 ? 2 : i % 4 == 0 ? 1 : 0);
  return result;
}

std::vector<double> weights() {
  std::vector<double> result;
  for (int i = 0; i < 60; ++i) result.push_back(i % 7 == 0 ? 0 : 1 + i % 5);
  return result;
}

struct BalancedLater {
  std::vector<double> operator()(std::uint64_t t) const {
    return t < 100 ? std::vector<double>{5, 2, 1} : std::vector<double>{1, 1, 1};
  }
};

// What a program writes to its checkpoint, and reads from it.
std::string to_text(const Cursor& cursor) {
  std::ostringstream out;
  out << cursor.seed << ' ' << cursor.position << ' ' << cursor.fingerprint;
  return out.str();
}
Cursor from_text(const std::string& text) {
  Cursor cursor;
  std::istringstream(text) >> cursor.seed >> cursor.position >> cursor.fingerprint;
  return cursor;
}

// Each life makes its stream from scratch, draws a random number of batches for the workers of that
// life, and leaves its cursor. Together the lives must have drawn what one stream draws.
template <class Make>
void kill_and_resume(const Make& make) {
  std::mt19937_64 random(5);
  const auto uninterrupted = make();
  std::string checkpoint = to_text(cursor_at(uninterrupted, 0));
  for (int life = 0; life < kKills; ++life) {
    const auto stream = make();
    const std::uint64_t begin = resume(stream, from_text(checkpoint));
    const std::uint64_t world = 1 + random() % 4;
    const std::uint64_t each = random() % 12;
    for (std::uint64_t rank = 0; rank < world; ++rank) {
      Rows rows(static_cast<std::size_t>(each));
      stream.fill(begin + rank, rows, world);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        ASSERT_EQ(rows[i], static_cast<std::int64_t>(uninterrupted[begin + rank + i * world]));
      }
    }
    checkpoint = to_text(cursor_at(stream, begin + world * each));
  }
}

TEST(KillAndResume, ClassSampler) {
  kill_and_resume([] { return ClassSampler(labels(), std::vector<double>{1, 1, 1}, kSeed); });
}
TEST(KillAndResume, ClassSamplerWithExactQuota) {
  kill_and_resume([] {
    return ClassSampler(labels(), std::vector<double>{1, 1, 1}, kSeed,
                        {.mode = Mode::kExactQuota, .window = 8});
  });
}
TEST(KillAndResume, ClassResampler) {
  kill_and_resume([] {
    return ClassResampler(labels(), undersampling_targets(count_labels(labels(), 3)), kSeed);
  });
}
TEST(KillAndResume, BalancedBatchSampler) {
  kill_and_resume([] {
    return BalancedBatchSampler(labels(), 3, kSeed, {.classes_per_batch = 2, .rows_per_class = 4});
  });
}
TEST(KillAndResume, WeightedSampler) {
  kill_and_resume([] { return WeightedSampler(weights(), kSeed); });
}
TEST(KillAndResume, WithoutReplacement) {
  kill_and_resume([] { return EpochStream(WithoutReplacement(weights(), 20, kSeed)); });
}
TEST(KillAndResume, SystematicResampling) {
  kill_and_resume([] { return EpochStream(SystematicResampling(weights(), 40, kSeed)); });
}
TEST(KillAndResume, ResidualResampling) {
  kill_and_resume([] { return EpochStream(ResidualResampling(weights(), 40, kSeed)); });
}
TEST(KillAndResume, ScheduledSampler) {
  kill_and_resume(
      [] { return ScheduledSampler(labels(), 3, BalancedLater{}, kSeed, {.window = 16}); });
}

}  // namespace
}  // namespace equipoise::sampling
