#include "equipoise/metrics/entity_sequences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/metrics/entity_tags.h"
#include "tests/support/entity_rules.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::kReadings;
using testing::kSchemes;
using testing::Labels;
using testing::labels_of;
using testing::may_follow;
using testing::naive_loose;
using testing::naive_strict;
using testing::naive_tags;
using testing::NaiveEntity;
using testing::NaiveTag;
using testing::Names;
using testing::names_of;
using testing::random_labels;
using testing::tags_of;
using testing::text_of;
using Offsets = std::vector<std::size_t>;

// Entities as text, X[0,2) Y[3,4), of tags as text; "?" is ignored.
std::string found(std::string_view text, TagScheme scheme, EntityReading reading) {
  const EntityTags tags = tags_of(scheme);
  std::string result;
  for (const Entity& e :
       find_entities(labels_of(text, names_of(scheme)), tags, reading, kIgnoreIndex)) {
    result += (result.empty() ? "" : " ") + tags.types()[e.type] + "[" + std::to_string(e.begin) +
              "," + std::to_string(e.end) + ")";
  }
  return result;
}
std::string loose(std::string_view text, TagScheme scheme) {
  return found(text, scheme, EntityReading::kConlleval);
}
std::string strict(std::string_view text, TagScheme scheme) {
  return found(text, scheme, EntityReading::kStrict);
}

TEST(FindEntities, OfWellFormedTags) {
  for (const EntityReading reading : kReadings) {
    EXPECT_EQ(found("I-X I-X O I-X B-X I-X I-Y", TagScheme::kIob1, reading),
              "X[0,2) X[3,4) X[4,6) Y[6,7)");
    EXPECT_EQ(found("B-X I-X O B-X B-X I-X B-Y", TagScheme::kIob2, reading),
              "X[0,2) X[3,4) X[4,6) Y[6,7)");
    EXPECT_EQ(found("B-X E-X O S-X B-X I-X E-X S-Y", TagScheme::kBioes, reading),
              "X[0,2) X[3,4) X[4,7) Y[7,8)");
  }
}

TEST(FindEntities, OfIllFormedTags) {
  constexpr TagScheme kIob1 = TagScheme::kIob1;
  constexpr TagScheme kIob2 = TagScheme::kIob2;
  constexpr TagScheme kBioes = TagScheme::kBioes;
  EXPECT_EQ(loose("O I-X I-X B-Y I-X", kIob2), "X[1,3) Y[3,4) X[4,5)");
  EXPECT_EQ(strict("O I-X I-X B-Y I-X", kIob2), "Y[3,4)");
  EXPECT_EQ(loose("B-X O I-X E-X B-X B-X E-X E-X", kBioes), "X[0,1) X[2,4) X[4,5) X[5,7) X[7,8)");
  EXPECT_EQ(strict("B-X O I-X E-X B-X B-X E-X E-X", kBioes), "X[5,7)");
  EXPECT_EQ(loose("S-X E-X S-X I-X S-X", kBioes), "X[0,1) X[1,2) X[2,3) X[3,4) X[4,5)");
  EXPECT_EQ(strict("S-X E-X S-X I-X S-X", kBioes), "X[0,1) X[2,3) X[4,5)");
  EXPECT_EQ(strict("B-X I-Y E-Y", kBioes), "");
  // A B-X that follows no X begins nothing in IOB1, yet the I-X after it does.
  EXPECT_EQ(loose("O B-X I-X I-X", kIob1), "X[1,4)");
  EXPECT_EQ(strict("O B-X I-X I-X", kIob1), "X[2,4)");
  EXPECT_EQ(strict("O B-X O I-X B-Y", kIob1), "X[3,4)");
  // A B-Y ends a run of I-X, but not a B-X.
  EXPECT_EQ(strict("I-X B-X B-Y", kIob1), "X[0,1)");
  EXPECT_EQ(strict("I-X B-X I-X B-Y", kIob1), "X[0,1) X[1,3)");
}

TEST(FindEntities, LeaveOutIgnoredTokens) {
  EXPECT_EQ(loose("? B-X ? I-X ? ? O ? B-Y ?", TagScheme::kIob2), "X[1,4) Y[8,9)");
  EXPECT_EQ(strict("? B-X ? I-X ? E-X ?", TagScheme::kBioes), "X[1,6)");
  EXPECT_EQ(strict("B-X ? I-X", TagScheme::kIob1), "X[2,3)");
  EXPECT_EQ(loose("? ?", TagScheme::kIob1), "");
}

TEST(FindEntities, EqualTheRulesOnAllShortAndManyLongSequences) {
  std::mt19937_64 random(1);
  for (const TagScheme scheme : kSchemes) {
    const Names names = names_of(scheme);
    const EntityTags tags(names, scheme);
    const auto expect_equal = [&](const Labels& labels) {
      SCOPED_TRACE(text_of(labels, names));
      const std::vector<NaiveTag> naive = naive_tags(labels, names);
      for (const EntityReading reading : kReadings) {
        std::vector<NaiveEntity> entities;
        for (const Entity& e : find_entities(labels, tags, reading)) {
          entities.emplace_back(tags.types()[e.type], e.begin, e.end);
        }
        EXPECT_EQ(entities, reading == EntityReading::kStrict ? naive_strict(naive, scheme)
                                                              : naive_loose(naive));
      }
      TagBreaks breaks;
      const NaiveTag outside = {'O', ""};
      for (std::size_t i = 0; i <= naive.size(); ++i) {
        const NaiveTag& last = i == 0 ? outside : naive[i - 1];
        if (may_follow(last, i == naive.size() ? outside : naive[i], scheme)) continue;
        if (breaks.count++ == 0) breaks.first = i;
      }
      EXPECT_EQ(find_tag_breaks(labels, tags), breaks);
      if (breaks.count == 0) {
        EXPECT_EQ(find_entities(labels, tags, EntityReading::kStrict),
                  find_entities(labels, tags, EntityReading::kConlleval));
      }
    };
    for (std::size_t size = 0; size <= 4; ++size) {
      Labels labels(size, 0);
      for (bool more = true; more;) {
        expect_equal(labels);
        more = false;
        for (std::size_t i = 0; i < size && !more; ++i) {
          labels[i] = (labels[i] + 1) % static_cast<std::int64_t>(names.size());
          more = labels[i] != 0;
        }
      }
    }
    for (int repeat = 0; repeat < 300; ++repeat) {
      expect_equal(random_labels(random, names, random() % 40));
    }
  }
}

TEST(FindTagBreaks, ByHand) {
  const auto breaks = [](std::string_view text, TagScheme scheme) {
    return find_tag_breaks(labels_of(text, names_of(scheme)), tags_of(scheme), kIgnoreIndex);
  };
  EXPECT_EQ(breaks("", TagScheme::kBioes), TagBreaks{});
  EXPECT_EQ(breaks("I-X B-X I-Y", TagScheme::kIob1), TagBreaks{});
  EXPECT_EQ(breaks("I-X B-Y O B-X", TagScheme::kIob1), (TagBreaks{2, 1}));
  EXPECT_EQ(breaks("I-X B-X I-Y I-Y", TagScheme::kIob2), (TagBreaks{2, 0}));
  EXPECT_EQ(breaks("S-X B-X I-X", TagScheme::kBioes), (TagBreaks{1, 3}));
  EXPECT_EQ(breaks("B-X I-Y E-Y", TagScheme::kBioes), (TagBreaks{1, 1}));
  EXPECT_EQ(breaks("B-X ? E-X ? E-X ?", TagScheme::kBioes), (TagBreaks{1, 4}));
}

TEST(CountEntities, CountEachOnce) {
  const Names names = names_of(TagScheme::kIob2);
  const EntityTags tags(names);
  const Labels labels = labels_of("B-X I-X I-X O B-Y ? I-X I-X B-X", names);
  const ClassCounts counts =
      count_entities(labels, Offsets{0, 3, 7, 9}, tags, EntityReading::kConlleval, kIgnoreIndex);
  EXPECT_THAT(counts.values(), ElementsAre(4, 1));  // I-X on both sides of a sequence's end
  EXPECT_EQ(counts.rows(), 5);
  EXPECT_THAT(
      count_entities(labels, Offsets{0, 3, 7, 9}, tags, EntityReading::kStrict, -100).values(),
      ElementsAre(2, 1));
  EXPECT_THAT(count_entities(Labels{}, Offsets{0}, tags).values(), ElementsAre(0, 0));
}

TEST(ConvertTags, ByHand) {
  const std::array<std::string, 3> forms = {
      "I-X I-X B-X O I-Y I-X I-X I-X",  //
      "B-X I-X B-X O B-Y B-X I-X I-X",  //
      "B-X E-X S-X O S-Y B-X I-X E-X",
  };
  for (std::size_t a = 0; a < 3; ++a) {
    for (std::size_t b = 0; b < 3; ++b) {
      const Names from = names_of(kSchemes[a]);
      const Names to = names_of(kSchemes[b], {"Y", "Z", "X"});
      const Labels result =
          convert_tags(labels_of(forms[a], from), Offsets{0, 8}, EntityTags(from, kSchemes[a]),
                       EntityTags(to, kSchemes[b]));
      EXPECT_EQ(text_of(result, to), forms[b]);
    }
  }
}

TEST(ConvertTags, KeepSequencesAndIgnoredTokensApart) {
  const Names iob = names_of(TagScheme::kIob1);
  const Names bilou = {"U-Y", "L-Y", "I-Y", "B-Y", "O", "U-X", "L-X", "I-X", "B-X"};
  const Labels labels = labels_of("? I-X ? I-X ? I-X O ?", iob);
  const Labels result =
      convert_tags(labels, std::array{0, 5, 5, 8}, EntityTags(iob, TagScheme::kIob1),
                   EntityTags(bilou, TagScheme::kBioes), kIgnoreIndex);
  EXPECT_EQ(text_of(result, bilou), "? B-X ? L-X ? U-X O ?");
}

// Whatever the tags, the entities of conlleval's reading stay, and the result has no breaks.
TEST(ConvertTags, KeepTheEntitiesAndRepairTheTags) {
  std::mt19937_64 random(2);
  for (int repeat = 0; repeat < 2000; ++repeat) {
    const TagScheme a = kSchemes[random() % 3];
    const TagScheme b = kSchemes[random() % 3];
    const EntityTags from = tags_of(a);
    const EntityTags to = tags_of(b);
    const Labels labels = random_labels(random, names_of(a), random() % 12);
    const Labels result = convert_tags(labels, Offsets{0, labels.size()}, from, to);
    EXPECT_EQ(find_entities(result, to), find_entities(labels, from));
    EXPECT_EQ(find_tag_breaks(result, to), TagBreaks{});
    if (find_tag_breaks(labels, from).count == 0) {
      EXPECT_EQ(convert_tags(result, Offsets{0, labels.size()}, to, from), labels);
    }
  }
}

TEST(EntityErrors, NameTheFunctionTheLabelAndItsIndex) {
  const EntityTags tags = tags_of(TagScheme::kIob2);
  EXPECT_EQ(error_of([&] {
              find_entities(Labels{0, 5}, tags);
            }),
            "find_entities(): labels[1] = 5, expected a class in [0, 5)");
  EXPECT_EQ(error_of([&] { find_entities(Labels{}, tags, EntityReading::kStrict, 0); }),
            "find_entities(): ignore_index = 0, expected a number outside [0, 5)");
  EXPECT_EQ(error_of([&] { find_tag_breaks(Labels{-1}, tags, -2); }),
            "find_tag_breaks(): labels[0] = -1, expected a class in [0, 5) or the ignore index -2");
  EXPECT_EQ(error_of([&] {
              count_entities(Labels{1, 7}, Offsets{0, 1, 2}, tags);
            }),
            "count_entities(): labels[1] = 7, expected a class in [0, 5)");
  EXPECT_EQ(error_of([&] {
              count_entities(Labels{1, 1}, Offsets{0, 1}, tags);
            }),
            "count_entities(): offsets[1] = 1, expected 2 (labels)");
  const auto convert = [&](const Labels& labels, const Names& names, TagScheme scheme,
                           std::optional<std::int64_t> ignore_index = std::nullopt) {
    return error_of([&] {
      convert_tags(labels, Offsets{0, labels.size()}, tags, EntityTags(names, scheme),
                   ignore_index);
    });
  };
  EXPECT_EQ(convert({0, 6}, {"O"}, TagScheme::kIob1),
            "convert_tags(): labels[1] = 6, expected a class in [0, 5)");
  EXPECT_EQ(convert({0, 1, 2}, {"O", "B-X"}, TagScheme::kBioes),
            "convert_tags(): labels[2] = E-X, expected a tag of to");
  EXPECT_EQ(convert({0, 3}, {"O", "B-X"}, TagScheme::kBioes),
            "convert_tags(): labels[1] = S-Y, expected a tag of to");
  EXPECT_EQ(convert({0}, {"B-X"}, TagScheme::kIob2),
            "convert_tags(): labels[0] = O, expected a tag of to");
  EXPECT_EQ(convert({0}, names_of(TagScheme::kBioes), TagScheme::kBioes, 7),
            "convert_tags(): ignore_index = 7, expected a number outside [0, 9)");
}

}  // namespace
}  // namespace equipoise::metrics
