#include "equipoise/metrics/entities.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/entity_rules.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using testing::error_of;
using testing::kReadings;
using testing::kSchemes;
using testing::Labels;
using testing::labels_of;
using testing::naive_loose;
using testing::naive_strict;
using testing::naive_tags;
using testing::NaiveEntity;
using testing::NaiveTag;
using testing::Names;
using testing::names_of;
using testing::random_labels;
using testing::tags_of;
using Offsets = std::vector<std::size_t>;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// Two sequences: in the first an entity found, one with a wrong end, one of a wrong type; in the
// second one found only by conlleval's reading.
struct Example {
  Names names = names_of(TagScheme::kIob2, {"X", "Y", "Z"});
  EntityTags tags{names};
  Labels targets = labels_of("B-X I-X O B-Y I-Y O B-X B-Y I-Y", names);
  Labels predictions = labels_of("B-X I-X O B-Y O O B-Y I-Y I-Y", names);
  Offsets offsets = {0, 7, 9};

  EntityScores scores() const {
    EntityScores result(tags);
    result.add(targets, predictions, offsets);
    return result;
  }
};

// Figures of scores that are gone, as of Accumulator::value().
TEST(EntityMetrics, OutliveTheirScores) {
  const auto figures = [] {
    EntityScores scores{EntityTags({"O", "B-a-type-with-a-long-name"})};
    scores.add(std::vector{1, 0}, std::vector{1, 1}, std::vector{0, 2});
    return scores;
  };
  const EntityMetrics strict = figures().strict();
  EXPECT_EQ(strict.types()[0], "a-type-with-a-long-name");
  EXPECT_EQ(strict.correct(0), 1);
  EXPECT_EQ(strict.predicted(0), 2);
}

TEST(EntityScores, ByHand) {
  const Example example;
  const EntityScores scores = example.scores();
  EXPECT_EQ(scores.tokens(), 9);
  EXPECT_EQ(scores.correct_tokens(), 6);
  EXPECT_NEAR(scores.token_accuracy(), 6.0 / 9, kEpsilon);

  const EntityMetrics all = scores.conlleval();
  EXPECT_EQ(all.support(0), 2);
  EXPECT_EQ(all.predicted(0), 1);
  EXPECT_EQ(all.correct(0), 1);
  EXPECT_EQ(all.support(1), 2);
  EXPECT_EQ(all.predicted(1), 3);
  EXPECT_EQ(all.correct(1), 1);
  EXPECT_EQ(all.micro_f1(), 0.5);
  EXPECT_EQ(all.precision(0), 1);
  EXPECT_EQ(all.recall(0), 0.5);
  EXPECT_NEAR(all.f1(0), 2.0 / 3, kEpsilon);
  EXPECT_NEAR(all.f1(1), 0.4, kEpsilon);
  EXPECT_NEAR(all.weighted_f1(), (2 * 2.0 / 3 + 2 * 0.4) / 4, kEpsilon);
  EXPECT_NEAR(all.weighted_precision(), (2 * 1.0 + 2 * 1.0 / 3) / 4, kEpsilon);
  EXPECT_EQ(all.weighted_recall(), 0.5);

  const EntityMetrics strict = scores.strict();
  EXPECT_EQ(strict.predicted(1), 2);
  EXPECT_EQ(strict.correct(1), 0);
  EXPECT_NEAR(strict.micro_f1(), 2.0 / 7, kEpsilon);
  EXPECT_NEAR(strict.micro_precision(), 1.0 / 3, kEpsilon);
  EXPECT_EQ(strict.micro_recall(), 0.25);
}

// Precisions 1, 1/3, 0 / 0 of X, Y, Z; recalls 1/2, 1/2, 0 / 0; F1s 2/3, 2/5, 0 / 0.
TEST(EntityScores, AveragesFollowTheRuleForAbsentTypes) {
  const Example example;
  const EntityScores scores = example.scores();
  const EntityMetrics f = scores.conlleval();
  const double sum = 2.0 / 3 + 2.0 / 5;
  EXPECT_NEAR(f.macro_f1(), sum / 3, kEpsilon);
  EXPECT_NEAR(f.macro_f1(Absent::kZero), sum / 3, kEpsilon);
  EXPECT_NEAR(f.macro_f1(Absent::kOne), (sum + 1) / 3, kEpsilon);
  EXPECT_NEAR(f.macro_f1(Absent::kSkip), sum / 2, kEpsilon);
  EXPECT_NEAR(f.macro_f1(Absent::kSkipUnsupported), sum / 2, kEpsilon);
  EXPECT_TRUE(detail::is_nan(f.macro_f1(Absent::kNaN)));
  EXPECT_NEAR(f.macro_precision(), 4.0 / 9, kEpsilon);
  EXPECT_NEAR(f.macro_precision(Absent::kSkip), 2.0 / 3, kEpsilon);
  EXPECT_NEAR(f.macro_recall(Absent::kOne), 2.0 / 3, kEpsilon);
  EXPECT_EQ(f.f1(2), 0);
  EXPECT_EQ(f.precision(2, Absent::kOne), 1);
  EXPECT_TRUE(detail::is_nan(f.recall(2, Absent::kSkip)));

  // Predicted but not there: F1 is 0, and only kSkipUnsupported leaves it out.
  EntityScores more = scores;
  const std::size_t z = *example.tags.label(TagPrefix::kBegin, 2);
  more.add(Labels{0}, std::vector<std::size_t>{z}, Offsets{0, 1});
  EXPECT_NEAR(more.conlleval().macro_f1(Absent::kSkip), sum / 3, kEpsilon);
  EXPECT_NEAR(more.conlleval().macro_f1(Absent::kSkipUnsupported), sum / 2, kEpsilon);
}

TEST(EntityScores, OfNothingFollowTheRule) {
  EntityScores empty(tags_of(TagScheme::kBioes));
  empty.add(Labels{}, Labels{}, Offsets{0});
  empty.add(Labels{}, Labels{}, Offsets{0, 0, 0});
  empty.add(Labels{-100, -100}, Labels{55, -1}, Offsets{0, 1, 2}, -100);
  EntityScores outside(tags_of(TagScheme::kBioes));
  outside.add(Labels{0, 0}, Labels{0, 0}, Offsets{0, 2});
  for (const EntityScores& scores : {EntityScores(), empty, outside}) {
    for (const EntityReading reading : kReadings) {
      const EntityMetrics f = scores.figures(reading);
      for (const double figure :
           {f.micro_precision(), f.micro_recall(), f.micro_f1(), f.macro_precision(),
            f.macro_recall(), f.macro_f1(), f.weighted_precision(), f.weighted_recall(),
            f.weighted_f1(), f.correct(), f.predicted(), f.support()}) {
        EXPECT_EQ(figure, 0.0);
      }
      EXPECT_TRUE(detail::is_nan(f.macro_f1(Absent::kSkip)));
      EXPECT_EQ(f.weighted_f1(Absent::kOne), 1);
    }
  }
  EXPECT_EQ(empty.token_accuracy(), 0);
  EXPECT_EQ(outside.token_accuracy(), 1);
  EXPECT_EQ(outside.conlleval().micro_f1(Absent::kOne), 1);
  EXPECT_EQ(conlleval_report(empty),
            "processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n");
}

struct Data {
  Labels targets, predictions;
  Offsets offsets = {0};

  std::size_t sequences() const { return offsets.size() - 1; }
  void add(const Labels& truth, const Labels& predicted) {
    targets.insert(targets.end(), truth.begin(), truth.end());
    predictions.insert(predictions.end(), predicted.begin(), predicted.end());
    offsets.push_back(targets.size());
  }
  Labels of(const Labels& labels, std::size_t s) const {
    const auto begin = labels.begin();
    return {begin + static_cast<std::ptrdiff_t>(offsets[s]),
            begin + static_cast<std::ptrdiff_t>(offsets[s + 1])};
  }
  EntityScores scores(const EntityTags& tags) const {
    EntityScores result(tags);
    result.add(targets, predictions, offsets, kIgnoreIndex);
    return result;
  }
};

// Some tokens ignored, for which anything is predicted.
Data random_data(std::mt19937_64& random, const Names& names) {
  Data data;
  const std::size_t sequences = random() % 8;
  const std::size_t error = random() % 4;
  for (std::size_t s = 0; s < sequences; ++s) {
    Labels truth = random_labels(random, names, random() % 15);
    Labels predicted = truth;
    for (std::size_t i = 0; i < truth.size(); ++i) {
      if (random() % 8 < error) {
        predicted[i] = static_cast<std::int64_t>(random() % names.size());
      }
      if (random() % 6 == 0) {
        truth[i] = kIgnoreIndex;
        if (random() % 2 == 0) predicted[i] = 1000;
      }
    }
    data.add(truth, predicted);
  }
  return data;
}

TEST(EntityScores, EqualTheRules) {
  std::mt19937_64 random(3);
  for (int repeat = 0; repeat < 1500; ++repeat) {
    const TagScheme scheme = kSchemes[random() % 3];
    const Names names = names_of(scheme, repeat % 2 == 0 ? Names{"X"} : Names{"X", "Y", "Z"});
    const EntityTags tags(names, scheme);
    const Data data = random_data(random, names);
    const EntityScores scores = data.scores(tags);
    double tokens = 0;
    double correct_tokens = 0;
    for (const EntityReading reading : kReadings) {
      std::set<std::pair<std::size_t, NaiveEntity>> truth;
      std::set<std::pair<std::size_t, NaiveEntity>> predicted;
      tokens = correct_tokens = 0;
      for (std::size_t s = 0; s < data.sequences(); ++s) {
        const Labels all_truth = data.of(data.targets, s);
        const Labels all_predicted = data.of(data.predictions, s);
        Labels kept_truth;
        Labels kept_predicted;
        for (std::size_t i = 0; i < all_truth.size(); ++i) {
          if (all_truth[i] == kIgnoreIndex) continue;
          kept_truth.push_back(all_truth[i]);
          kept_predicted.push_back(all_predicted[i]);
          correct_tokens += all_truth[i] == all_predicted[i] ? 1 : 0;
        }
        tokens += static_cast<double>(kept_truth.size());
        const auto read = [&](const Labels& labels, auto& entities) {
          const std::vector<NaiveTag> naive = naive_tags(labels, names);
          for (const NaiveEntity& entity : reading == EntityReading::kStrict
                                               ? naive_strict(naive, scheme)
                                               : naive_loose(naive)) {
            entities.emplace(s, entity);
          }
        };
        read(kept_truth, truth);
        read(kept_predicted, predicted);
      }
      for (std::size_t k = 0; k < tags.types().size(); ++k) {
        const auto size = [&](const auto& entities, const auto& condition) {
          return static_cast<double>(
              std::count_if(entities.begin(), entities.end(), [&](const auto& entity) {
                return std::get<0>(entity.second) == tags.types()[k] && condition(entity);
              }));
        };
        const auto any = [](const auto&) { return true; };
        const EntityMetrics f = scores.figures(reading);
        EXPECT_EQ(f.support(k), size(truth, any));
        EXPECT_EQ(f.predicted(k), size(predicted, any));
        EXPECT_EQ(f.correct(k),
                  size(truth, [&](const auto& entity) { return predicted.count(entity) > 0; }));
        const double p = f.precision(k);
        const double r = f.recall(k);
        EXPECT_NEAR(f.f1(k), p + r > 0 ? 2 * p * r / (p + r) : 0, 4 * kEpsilon);
      }
    }
    EXPECT_EQ(scores.tokens(), tokens);
    EXPECT_EQ(scores.correct_tokens(), correct_tokens);
  }
}

TEST(EntityScores, PartsInAnyOrderMergeIntoTheWhole) {
  std::mt19937_64 random(4);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const TagScheme scheme = kSchemes[random() % 3];
    const EntityTags tags = tags_of(scheme);
    const Data data = random_data(random, names_of(scheme));
    std::vector<std::size_t> order(data.sequences());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    std::vector<Data> parts(1 + random() % 4);
    Data shuffled;
    for (const std::size_t s : order) {
      parts[random() % parts.size()].add(data.of(data.targets, s), data.of(data.predictions, s));
      shuffled.add(data.of(data.targets, s), data.of(data.predictions, s));
    }
    EntityScores merged;
    EntityScores reduced(tags);
    EntityScores in_turn(tags);
    for (const Data& part : parts) {
      EntityScores scores = part.scores(tags);
      merged += scores;
      in_turn.add(part.targets, part.predictions, part.offsets, kIgnoreIndex);
      const std::span<double> sums = reduced.all_reduce_buffer();
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += scores.all_reduce_buffer()[i];
    }
    merged += EntityScores();
    const EntityScores whole = data.scores(tags);
    EXPECT_EQ(merged, whole);
    EXPECT_EQ(reduced, whole);
    EXPECT_EQ(in_turn, whole);
    EXPECT_EQ(shuffled.scores(tags), whole);
  }
}

// A padded batch of narrow types is the same as sequences of their own lengths.
TEST(EntityScores, PaddingDoesNotCount) {
  const Example example;
  constexpr std::size_t kLength = 9;
  std::vector<std::int8_t> targets(2 * kLength, -1);
  std::vector<std::uint8_t> predictions(2 * kLength, 3);
  for (std::size_t s = 0; s < 2; ++s) {
    for (std::size_t i = example.offsets[s]; i < example.offsets[s + 1]; ++i) {
      const std::size_t at = s * kLength + i - example.offsets[s];
      targets[at] = static_cast<std::int8_t>(example.targets[i]);
      predictions[at] = static_cast<std::uint8_t>(example.predictions[i]);
    }
  }
  EntityScores scores(example.tags);
  scores.add(targets, predictions, std::array<int, 3>{0, kLength, 2 * kLength}, -1);
  EXPECT_EQ(scores, example.scores());
}

TEST(EntityScores, RefuseWithoutAddingAnything) {
  const EntityTags tags = tags_of(TagScheme::kIob2);
  EntityScores scores(tags);
  scores.add(Labels{1, 2}, Labels{1, 2}, Offsets{0, 2});
  const EntityScores before = scores;
  const auto error = [&](const Labels& targets, const Labels& predictions, const Labels& offsets,
                         std::optional<std::int64_t> ignore_index = -100) {
    return error_of([&] { scores.add(targets, predictions, offsets, ignore_index); });
  };
  EXPECT_EQ(error({1, 2}, {1}, {0, 2}),
            "EntityScores::add(): predictions.size() = 1, expected 2 (targets)");
  EXPECT_EQ(error({1, 2, 5}, {1, 2, 0}, {0, 3}),
            "EntityScores::add(): targets[2] = 5, expected a class in [0, 5) or the ignore index "
            "-100");
  EXPECT_EQ(error({1, -100, 2}, {1, 9, -1}, {0, 1, 3}),
            "EntityScores::add(): predictions[2] = -1, expected a class in [0, 5)");
  EXPECT_EQ(error({1, -100}, {1, 1}, {0, 2}, std::nullopt),
            "EntityScores::add(): targets[1] = -100, expected a class in [0, 5)");
  EXPECT_EQ(error({1}, {1}, {0, 1}, 4),
            "EntityScores::add(): ignore_index = 4, expected a number outside [0, 5)");
  EXPECT_EQ(error({1}, {1}, {}), "EntityScores::add(): offsets.size() = 0, expected at least 1");
  EXPECT_EQ(error({1}, {1}, {1, 1}), "EntityScores::add(): offsets[0] = 1, expected 0");
  EXPECT_EQ(error({1}, {1}, {0, 1, 0}),
            "EntityScores::add(): offsets[2] = 0, expected at least its predecessor 1");
  EXPECT_EQ(error({1}, {1}, {0, 2}), "EntityScores::add(): offsets[1] = 2, expected 1 (labels)");
  EXPECT_EQ(scores, before);
  EntityScores none;
  EXPECT_EQ(error_of([&] {
              none.add(Labels{0}, Labels{0}, Offsets{0, 1});
            }),
            "EntityScores::add(): targets[0] = 0, expected a class in [0, 0)");
}

TEST(EntityScores, RefuseToMergeOthers) {
  EntityScores scores(tags_of(TagScheme::kIob2));
  const auto error = [&](const EntityTags& other) {
    return error_of([&] { scores += EntityScores(other); });
  };
  EXPECT_EQ(
      error(tags_of(TagScheme::kIob2, {"X"})),
      "EntityScores::operator+=(): types of other.size() = 1, expected 2 (types on the left)");
  EXPECT_EQ(error(tags_of(TagScheme::kIob2, {"X", "Z"})),
            "EntityScores::operator+=(): types of other[1] = Z, expected Y as on the left");
  EXPECT_EQ(error(tags_of(TagScheme::kIob1)),
            "EntityScores::operator+=(): scheme of other = IOB1, expected IOB2 as on the left");
  // Other labels for the same tags are no obstacle.
  EXPECT_EQ(error(EntityTags({"B-X", "I-X", "B-Y", "I-Y", "O"})), "nothing was thrown");
}

TEST(EntityReport, HasTheLayoutThatPeopleKnow) {
  const Example example;
  const EntityScores scores = example.scores();
  EXPECT_EQ(report(scores.conlleval()),
            "              precision    recall  f1-score   support\n"
            "\n"
            "           X       1.00      0.50      0.67         2\n"
            "           Y       0.33      0.50      0.40         2\n"
            "           Z       0.00      0.00      0.00         0\n"
            "\n"
            "   micro avg       0.50      0.50      0.50         4\n"
            "   macro avg       0.44      0.33      0.36         4\n"
            "weighted avg       0.67      0.50      0.53         4\n");
  EXPECT_NE(report(scores.strict(), 3).find("micro avg      0.333     0.250     0.286         4\n"),
            std::string::npos);
  EXPECT_EQ(error_of([&] { report(scores.strict(), -1); }),
            "report(): digits = -1, expected a number in [0, 7]");
}

TEST(EntityReport, AlignsTypesByCharacters) {
  const EntityTags tags({"O", "B-f\u00fcnfundsiebzig", "I-f\u00fcnfundsiebzig"});
  EXPECT_NE(report(EntityScores(tags).strict())
                .find("\nf\u00fcnfundsiebzig       0.00      0.00      0.00         0\n"),
            std::string::npos);
}

// By name, absent types left out.
TEST(EntityReport, OfConlleval) {
  const Names names = names_of(TagScheme::kIob2, {"PER", "MISC", "LOC"});
  EntityScores scores{EntityTags(names)};
  scores.add(labels_of("B-PER I-PER O B-LOC O O", names),
             labels_of("B-PER I-PER O B-PER O O", names), Offsets{0, 6});
  EXPECT_EQ(conlleval_report(scores),
            "processed 6 tokens with 2 phrases; found: 2 phrases; correct: 1.\n"
            "accuracy:  83.33%; precision:  50.00%; recall:  50.00%; FB1:  50.00\n"
            "              LOC: precision:   0.00%; recall:   0.00%; FB1:   0.00  0\n"
            "              PER: precision:  50.00%; recall: 100.00%; FB1:  66.67  2\n");
}

}  // namespace
}  // namespace equipoise::metrics
