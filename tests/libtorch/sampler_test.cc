#include "equipoise/libtorch/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/data/dataloader.h>
#include <torch/data/datasets/base.h>

#include <cstdint>
#include <functional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/plan/plan.h"
#include "equipoise/plan/text.h"
#include "equipoise/sampling/balanced_batches.h"
#include "equipoise/sampling/class_resampler.h"
#include "equipoise/sampling/class_sampler.h"
#include "equipoise/sampling/epoch_stream.h"
#include "equipoise/sampling/resampling.h"
#include "equipoise/sampling/scheduled_sampler.h"
#include "equipoise/sampling/weighted_sampler.h"
#include "equipoise/sampling/without_replacement.h"

namespace equipoise::libtorch {
namespace {

using ::testing::HasSubstr;

// A stream that shows its positions, without a fast way to fill a batch.
struct Counting {
  std::uint64_t size = 10;
  std::size_t operator[](std::uint64_t t) const { return static_cast<std::size_t>(t); }
  std::uint64_t seed() const { return 1; }
  std::uint64_t epoch_size() const { return size; }
  std::uint64_t fingerprint() const { return size; }
};

using Indices = std::vector<std::size_t>;

// Rows are their own indices.
struct Rows : torch::data::datasets::BatchDataset<Rows, Indices> {
  Indices get_batch(c10::ArrayRef<std::size_t> indices) override { return indices.vec(); }
  decltype(std::declval<torch::data::datasets::BatchDataset<Rows, Indices>>().size()) size()
      const override {
    return 100;
  }
};

template <class S>
auto make_loader(const StreamSampler<S>& sampler, std::size_t workers, bool ordered = true) {
  return torch::data::make_data_loader(
      Rows{}, sampler,
      torch::data::DataLoaderOptions().batch_size(7).workers(workers).enforce_ordering(ordered));
}

// One loop over a loader, or its first batches.
template <class Loader, class S>
Indices loop(Loader& loader, const StreamSampler<S>& sampler, std::size_t most_batches = 1000) {
  Indices seen;
  std::size_t count = 0;
  for (const Indices& batch : batches(loader, sampler)) {
    seen.insert(seen.end(), batch.begin(), batch.end());
    if (++count == most_batches) break;
  }
  return seen;
}

template <class S>
std::string saved(const StreamSampler<S>& sampler) {
  torch::serialize::OutputArchive archive;
  sampler.save(archive);
  std::stringstream stream;
  archive.save_to(stream);
  return stream.str();
}

template <class S>
void restore(StreamSampler<S>& sampler, const std::string& text) {
  std::stringstream stream(text);
  torch::serialize::InputArchive archive;
  archive.load_from(stream);
  sampler.load(archive);
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no exception";
}

sampling::ClassSampler make_stream(std::uint64_t seed = 42, std::uint64_t epoch_size = 50,
                                   double last_proportion = 3) {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 100; ++i) labels.push_back(i % 10 == 0 ? 1 : 0);
  return sampling::ClassSampler(
      labels, std::vector<double>{1, last_proportion}, seed,
      {.mode = sampling::Mode::kExactQuota, .epoch_size = epoch_size, .window = 14});
}

TEST(StreamSamplerTest, LoopsAreConsecutiveEpochs) {
  const sampling::ClassSampler stream = make_stream();
  for (const std::size_t workers : {0u, 1u, 2u}) {
    const StreamSampler<sampling::ClassSampler> sampler(stream);
    auto loader = make_loader(sampler, workers);
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      const Indices seen = loop(loader, sampler);
      ASSERT_EQ(seen.size(), 50u);
      for (std::uint64_t i = 0; i < 50; ++i) ASSERT_EQ(seen[i], stream[epoch * 50 + i]);
      EXPECT_EQ(sampler.epoch(), epoch);
    }
  }
}

// Left after each batch of the second epoch, a loader of make()'s stream is taken up by another.
template <class Make>
void expect_restored_to_go_on(const Make& make) {
  using S = decltype(make());
  const StreamSampler<S> reference(make());
  auto reference_loader = make_loader(reference, 0);
  Indices whole;
  for (int epoch = 0; epoch < 3; ++epoch) {
    const Indices seen = loop(reference_loader, reference);
    whole.insert(whole.end(), seen.begin(), seen.end());
  }
  for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_EQ(whole[i], make()[i]);
  const auto batches_per_epoch = static_cast<std::size_t>((make().epoch_size() + 6) / 7);
  for (const std::size_t workers : {0u, 2u}) {
    for (std::size_t stop = 1; stop <= batches_per_epoch; ++stop) {
      const StreamSampler<S> first(make());
      auto loader = make_loader(first, workers);
      Indices seen = loop(loader, first);
      const Indices part = loop(loader, first, stop);  // the loader has fetched more
      seen.insert(seen.end(), part.begin(), part.end());

      StreamSampler<S> second(make());
      restore(second, saved(first));
      auto second_loader = make_loader(second, workers);
      while (seen.size() < whole.size()) {
        const Indices rest = loop(second_loader, second);
        seen.insert(seen.end(), rest.begin(), rest.end());
      }
      EXPECT_EQ(seen, whole) << workers << " threads, " << stop << " batches";
    }
  }
}

std::vector<std::int64_t> some_labels() {
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 40; ++i) labels.push_back(i % 5 == 0 ? 1 : 0);
  return labels;
}

TEST(StreamSamplerTest, RestoredItGoesOnWhereItWasLeft) {
  expect_restored_to_go_on([] { return make_stream(); });
}

// Each of the other samplers serves a loader as well.
TEST(StreamSamplerTest, RestoredItGoesOnWithAnyStream) {
  const std::vector<double> weights = {1, 0, 2, 5, 3, 1, 1, 4};
  const auto balanced_later = [](std::uint64_t t) {
    return t < 30 ? std::vector<double>{4, 1} : std::vector<double>{1, 1};
  };
  expect_restored_to_go_on(
      [&] { return sampling::WeightedSampler(weights, 1, {.epoch_size = 25}); });
  expect_restored_to_go_on([] {
    return sampling::ClassResampler(some_labels(), std::vector<std::uint64_t>{8, 12}, 2);
  });
  expect_restored_to_go_on([&] {
    return sampling::ScheduledSampler(some_labels(), 2, balanced_later, 3,
                                      {.epoch_size = 30, .window = 8});
  });
  expect_restored_to_go_on(
      [&] { return sampling::EpochStream(sampling::WithoutReplacement(weights, 5, 4)); });
  expect_restored_to_go_on(
      [&] { return sampling::EpochStream(sampling::SystematicResampling(weights, 17, 5)); });
  expect_restored_to_go_on(
      [&] { return sampling::EpochStream(sampling::ResidualResampling(weights, 17, 6)); });
  Plan plan;
  plan.counts = {32, 8};
  plan.mix = {1, 1};
  plan.mix_ramp = {1, 3};
  plan.batch_size = 7;
  expect_restored_to_go_on([&] { return scheduled_sampler(plan, some_labels(), 7); });
}

// A batch of the loader that is as large as a batch of the sampler is one.
TEST(StreamSamplerTest, BalancedBatchesStayWhole) {
  const std::vector<std::int64_t> labels = some_labels();
  const sampling::BalancedBatchSampler stream(labels, 2, 7,
                                              {.classes_per_batch = 2, .rows_per_class = 3});
  const StreamSampler<sampling::BalancedBatchSampler> sampler(stream);
  auto loader = torch::data::make_data_loader(
      Rows{}, sampler,
      torch::data::DataLoaderOptions().batch_size(static_cast<std::size_t>(stream.batch_size())));
  std::size_t seen = 0;
  for (const Indices& batch : batches(loader, sampler)) {
    int of_class_one = 0;
    for (const std::size_t row : batch) of_class_one += labels[row] == 1 ? 1 : 0;
    EXPECT_EQ(of_class_one, 3);
    EXPECT_EQ(batch.size(), 6u);
    ++seen;
  }
  EXPECT_EQ(seen * 6, stream.epoch_size());
}

TEST(StreamSamplerTest, AnAbandonedLoopIsTakenUpAgain) {
  const StreamSampler<Counting> sampler(Counting{30});
  auto loader = make_loader(sampler, 0);
  EXPECT_EQ(loop(loader, sampler, 2).back(), 13u);
  EXPECT_EQ(sampler.position(), 14u);
  const Indices rest = loop(loader, sampler);
  EXPECT_EQ(rest.front(), 14u);
  EXPECT_EQ(rest.back(), 29u);
  EXPECT_EQ(loop(loader, sampler).front(), 30u);
}

TEST(StreamSamplerTest, SetEpochReachesTheLoadersCopy) {
  const sampling::ClassSampler stream = make_stream();
  StreamSampler<sampling::ClassSampler> sampler(stream);
  auto loader = make_loader(sampler, 2);
  sampler.set_epoch(5);
  const Indices seen = loop(loader, sampler);
  ASSERT_EQ(seen.size(), 50u);
  for (std::uint64_t i = 0; i < 50; ++i) EXPECT_EQ(seen[i], stream[250 + i]);
  EXPECT_EQ(sampler.epoch(), 5u);
}

TEST(StreamSamplerTest, ShardsTakeEveryPositionOnce) {
  for (const sampling::Tail tail :
       {sampling::Tail::kExtend, sampling::Tail::kDrop, sampling::Tail::kUneven}) {
    for (std::uint64_t world = 1; world <= 12; ++world) {
      std::multiset<std::size_t> seen;
      for (std::uint64_t rank = 0; rank < world; ++rank) {
        StreamSampler<Counting> sampler(Counting{}, sampling::Shard{rank, world}, tail);
        for (int epoch = 0; epoch < 2; ++epoch) {
          if (epoch > 0) sampler.reset();
          std::uint64_t size = 0;
          while (const auto batch = sampler.next(3)) {
            seen.insert(batch->begin(), batch->end());
            size += batch->size();
          }
          EXPECT_EQ(size, sampler.size());
        }
      }
      const std::uint64_t span = tail == sampling::Tail::kUneven ? 10
                                 : tail == sampling::Tail::kDrop ? 10 / world * world
                                                                 : (10 + world - 1) / world * world;
      std::multiset<std::size_t> expected;
      for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
        for (std::uint64_t i = 0; i < span; ++i) {
          expected.insert(epoch * (tail == sampling::Tail::kExtend ? span : 10) + i);
        }
      }
      EXPECT_EQ(seen, expected) << world << " workers";
    }
  }
}

TEST(StreamSamplerTest, AnotherNumberOfWorkersMayContinue) {
  std::multiset<std::size_t> seen;
  std::string archive;
  for (std::uint64_t rank = 0; rank < 2; ++rank) {
    StreamSampler<Counting> sampler(Counting{20}, sampling::Shard{rank, 2});
    const auto batch = *sampler.next(4);
    seen.insert(batch.begin(), batch.end());
    sampler.consume_batch();
    archive = saved(sampler);
  }
  for (std::uint64_t rank = 0; rank < 5; ++rank) {
    StreamSampler<Counting> sampler(Counting{20}, sampling::Shard{rank, 5});
    restore(sampler, archive);
    sampler.reset();
    while (const auto batch = sampler.next(2)) seen.insert(batch->begin(), batch->end());
  }
  std::multiset<std::size_t> expected;  // 12 positions were left, which five workers make 15
  for (std::size_t t = 0; t < 23; ++t) expected.insert(t);
  EXPECT_EQ(seen, expected);
}

// Eight of ten positions are consumed when five workers take over: two of them have one more, and
// the others an empty loop, before all of them begin the next epoch.
TEST(StreamSamplerTest, AWorkerWithNothingLeftWaitsForTheEpochToEnd) {
  StreamSampler<Counting> first(Counting{10}, sampling::Shard{}, sampling::Tail::kUneven);
  first.next(8);
  first.consume_batch();
  const std::string archive = saved(first);
  for (std::uint64_t rank = 0; rank < 5; ++rank) {
    StreamSampler<Counting> sampler(Counting{10}, sampling::Shard{rank, 5},
                                    sampling::Tail::kUneven);
    restore(sampler, archive);
    const auto loader = make_loader(sampler, 0);
    EXPECT_EQ(loop(loader, sampler), rank < 2 ? Indices{8 + rank} : Indices{});
    EXPECT_EQ(sampler.epoch(), 0u);
    EXPECT_EQ(loop(loader, sampler), (Indices{10 + rank, 15 + rank}));
    EXPECT_EQ(sampler.epoch(), 1u);
  }
}

TEST(StreamSamplerTest, FastFillAndSingleDrawsAgree) {
  const sampling::WeightedSampler stream(std::vector<double>{1, 0, 2, 5}, 8, {.epoch_size = 100});
  StreamSampler<sampling::WeightedSampler> sampler(stream, sampling::Shard{1, 3});
  const auto batch = *sampler.next(20);
  for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(batch[i], stream[1 + 3 * i]);
}

TEST(StreamSamplerTest, ConsumeCountsThisWorkersIndices) {
  StreamSampler<Counting> sampler(Counting{20}, sampling::Shard{0, 2});
  ASSERT_TRUE(sampler.next(4));
  ASSERT_TRUE(sampler.next(3));
  sampler.consume(4);
  EXPECT_EQ(sampler.position(), 8u);
  EXPECT_EQ(message_of([&] { sampler.consume(4); }),
            "StreamSampler::consume(): n = 4, expected at most 3 (issued and not yet consumed)");
  sampler.consume_batch();
  EXPECT_EQ(sampler.position(), 14u);
  EXPECT_EQ(message_of([&] { sampler.consume_batch(); }),
            "StreamSampler::consume_batch(): no batch is issued and not yet consumed");
}

TEST(StreamSamplerTest, LoadNamesWhatDiffers) {
  const std::string archive = saved(StreamSampler<sampling::ClassSampler>(make_stream()));
  const auto message = [&](const sampling::ClassSampler& stream) {
    StreamSampler<sampling::ClassSampler> sampler(stream);
    return message_of([&] { restore(sampler, archive); });
  };
  EXPECT_EQ(message(make_stream()), "no exception");
  EXPECT_EQ(message(make_stream(43)),
            "StreamSampler::load(): archive's seed = 42, expected 43 (the stream's)");
  EXPECT_EQ(message(make_stream(42, 51)),
            "StreamSampler::load(): archive's epoch_size = 50, expected 51 (the stream's)");
  EXPECT_THAT(message(make_stream(42, 50, 4)),
              HasSubstr("(the stream's: labels, weights or options differ)"));
}

// A plan says more than the stream that is drawn: one with other weights draws the same rows.
TEST(StreamSamplerTest, LoadRefusesAnotherPlan) {
  Plan plan;
  plan.counts = {32, 8};
  plan.mix = {1, 1};
  plan.weights = {1, 2};
  StreamSampler<sampling::ClassSampler> first(class_sampler(plan, some_labels(), 7));
  ASSERT_TRUE(first.next(5));
  first.consume_batch();
  const auto restored = [](const std::string& text, const Plan& now) {
    StreamSampler<sampling::ClassSampler> sampler(class_sampler(now, some_labels(), 7));
    std::stringstream stream(text);
    torch::serialize::InputArchive archive;
    archive.load_from(stream);
    const std::string message = message_of([&] { sampler.load(archive, now); });
    return std::pair{message, sampler.position()};
  };
  torch::serialize::OutputArchive archive;
  first.save(archive, plan);
  std::stringstream stream;
  archive.save_to(stream);
  EXPECT_EQ(restored(stream.str(), plan), std::pair(std::string("no exception"), std::uint64_t{5}));
  Plan heavier = plan;
  heavier.weights[1] = 3;
  EXPECT_EQ(restored(stream.str(), heavier),
            std::pair(std::string("require_same_plan(): weights[1] = 3, expected 2, as saved"),
                      std::uint64_t{0}));
  // Who does not ask for the plan need not have one.
  StreamSampler<sampling::ClassSampler> second(class_sampler(heavier, some_labels(), 7));
  restore(second, stream.str());
  EXPECT_EQ(second.position(), 5u);
  EXPECT_EQ(restored(saved(first), plan).first,
            "StreamSampler::load(): the archive holds no plan: it was saved without one");
  plan.mix = {1};
  EXPECT_EQ(message_of([&] {
              torch::serialize::OutputArchive unused;
              first.save(unused, plan);
            }),
            "StreamSampler::save(): plan.mix.size() = 1, expected 2 (classes)");
}

TEST(StreamSamplerTest, RefusesWhatItCannotDo) {
  EXPECT_EQ(message_of([] {
              StreamSampler<Counting>(Counting{}, sampling::Shard{2, 2});
            }),
            "StreamSampler(): shard.rank = 2, expected a rank in [0, 2)");
  StreamSampler<Counting> sampler(Counting{});
  EXPECT_EQ(message_of([&] { sampler.reset(5); }),
            "StreamSampler::reset(): new_size = 5, expected none: the stream fixes the size of an "
            "epoch");
  auto unordered = make_loader(sampler, 2, false);
  EXPECT_EQ(message_of([&] { batches(unordered, sampler); }),
            "batches(): loader.options().enforce_ordering = false, expected true, with more than "
            "one thread");
}

}  // namespace
}  // namespace equipoise::libtorch
