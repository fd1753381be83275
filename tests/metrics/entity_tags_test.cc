#include "equipoise/metrics/entity_tags.h"

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

#include "equipoise/metrics/entity_sequences.h"
#include "tests/support/entity_rules.h"
#include "tests/support/errors.h"

namespace equipoise::metrics {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::kReadings;
using testing::Names;

TEST(EntityTags, SayWhatNamesMean) {
  const EntityTags tags({"I-PER", "O", "B-LOC-city", "I-LOC-city", "B-PER"});
  EXPECT_EQ(tags.size(), 5u);
  EXPECT_EQ(tags.scheme(), TagScheme::kIob2);
  EXPECT_THAT(tags.types(), ElementsAre("PER", "LOC-city"));
  EXPECT_EQ(tags.prefix(0), TagPrefix::kInside);
  EXPECT_EQ(tags.prefix(1), TagPrefix::kOutside);
  EXPECT_EQ(tags.prefix(4), TagPrefix::kBegin);
  EXPECT_EQ(tags.type(0), 0u);
  EXPECT_EQ(tags.type(1), std::nullopt);
  EXPECT_EQ(tags.type(3), 1u);
  EXPECT_EQ(tags.label(TagPrefix::kBegin, 1), 2u);
  EXPECT_EQ(tags.label(TagPrefix::kOutside), 1u);
  EXPECT_EQ(tags.label(TagPrefix::kSingle, 0), std::nullopt);
  EXPECT_EQ(EntityTags({"B-X"}).label(TagPrefix::kOutside), std::nullopt);
}

TEST(EntityTags, BilouIsBioesByOtherLetters) {
  const EntityTags bilou({"O", "B-X", "I-X", "L-X", "U-X"}, TagScheme::kBioes);
  const EntityTags bioes({"O", "B-X", "I-X", "E-X", "S-X"}, TagScheme::kBioes);
  EXPECT_EQ(bilou, bioes);
  EXPECT_EQ(bilou.prefix(3), TagPrefix::kEnd);
  EXPECT_EQ(bilou.prefix(4), TagPrefix::kSingle);
}

TEST(EntityTags, BmesIsBioesWithMForI) {
  const EntityTags bmes({"O", "B-X", "M-X", "E-X", "S-X"}, TagScheme::kBioes);
  EXPECT_EQ(bmes, EntityTags({"O", "B-X", "I-X", "E-X", "S-X"}, TagScheme::kBioes));
  EXPECT_THAT(find_entities(std::vector<int>{1, 2, 2, 3, 4}, bmes, EntityReading::kStrict),
              ElementsAre(Entity{0, 0, 4}, Entity{0, 4, 5}));
}

TEST(EntityTags, WithoutATypeAreOfOne) {
  for (const TagLayout layout : {TagLayout::kPrefix, TagLayout::kSuffix}) {
    const EntityTags tags({"B", "I", "O"}, TagScheme::kIob2, layout);
    EXPECT_THAT(tags.types(), ElementsAre("_"));
    EXPECT_EQ(tags.prefix(0), TagPrefix::kBegin);
    EXPECT_EQ(tags.prefix(2), TagPrefix::kOutside);
    for (const EntityReading reading : kReadings) {
      EXPECT_THAT(find_entities(std::vector<int>{0, 1, 0, 2, 0}, tags, reading),
                  ElementsAre(Entity{0, 0, 2}, Entity{0, 2, 3}, Entity{0, 4, 5}));
    }
  }
  EXPECT_THAT(EntityTags({"B", "E", "M", "S"}, TagScheme::kBioes).types(), ElementsAre("_"));
}

TEST(EntityTags, MayHaveTheirTypeFirst) {
  const EntityTags tags({"O", "PER-B", "PER-I", "LOC-city-B"}, TagScheme::kIob2,
                        TagLayout::kSuffix);
  EXPECT_THAT(tags.types(), ElementsAre("PER", "LOC-city"));
  EXPECT_EQ(tags.layout(), TagLayout::kSuffix);
  EXPECT_EQ(tags.prefix(2), TagPrefix::kInside);
  EXPECT_EQ(tags.label(TagPrefix::kBegin, 1), 3u);
  EXPECT_THAT(find_entities(std::vector<int>{1, 2, 0, 3}, tags, EntityReading::kStrict),
              ElementsAre(Entity{0, 0, 2}, Entity{1, 3, 4}));
  // Into tags of the other layout, and the name of one that is missing there.
  const EntityTags bioes({"O", "B-PER", "E-PER", "S-LOC-city"}, TagScheme::kBioes);
  const std::vector<int> offsets = {0, 4};
  EXPECT_THAT(convert_tags(std::vector<int>{1, 2, 0, 3}, offsets, tags, bioes),
              ElementsAre(1, 2, 0, 3));
  EXPECT_THAT(convert_tags(std::vector<int>{3, 3, 0, 3}, offsets, bioes, tags),
              ElementsAre(3, 3, 0, 3));
  EXPECT_EQ(error_of([&] {
              convert_tags(std::vector<int>{1, 2, 2, 3}, offsets, tags, bioes);
            }),
            "convert_tags(): labels[1] = I-PER, expected a tag of to");
}

TEST(EntityTags, RefuseWhatIsNoTag) {
  const auto error = [](const Names& names, TagScheme scheme) {
    return error_of([&] { EntityTags(names, scheme); });
  };
  for (const std::string name :
       {"", "X", "o", "E", "M", "B-", "BI", "B_X", "b-X", "O-X", "E-X", "U-X", "X-B"}) {
    EXPECT_EQ(error({"O", name}, TagScheme::kIob2),
              "EntityTags(): names[1] = " + name +
                  ", expected O or B or I, alone or before a hyphen and a type");
  }
  EXPECT_EQ(
      error({"O", "W-X"}, TagScheme::kBioes),
      "EntityTags(): names[1] = W-X, expected O or B, I (M), E (L) or S (U), alone or before a "
      "hyphen and a type");
  EXPECT_EQ(
      error_of([] {
        EntityTags({"O", "B-PER"}, TagScheme::kIob2, TagLayout::kSuffix);
      }),
      "EntityTags(): names[1] = B-PER, expected O or B or I, alone or after a type and a hyphen");
  EXPECT_EQ(
      error_of([] { EntityTags({"PER-X"}, TagScheme::kBioes, TagLayout::kSuffix); }),
      "EntityTags(): names[0] = PER-X, expected O or B, I (M), E (L) or S (U), alone or after a "
      "type and a hyphen");
  EXPECT_EQ(error({"B", "B-_"}, TagScheme::kIob2),
            "EntityTags(): names[1] = B-_, expected another tag than names[0]");
  EXPECT_EQ(error({"I-X", "M-X"}, TagScheme::kBioes),
            "EntityTags(): names[1] = M-X, expected another tag than names[0]");
  EXPECT_EQ(error({"O", "E-X", "L-X"}, TagScheme::kBioes),
            "EntityTags(): names[2] = L-X, expected another tag than names[1]");
  EXPECT_EQ(error({"O", "B-X", "O"}, TagScheme::kIob1),
            "EntityTags(): names[2] = O, expected another tag than names[0]");
}

}  // namespace
}  // namespace equipoise::metrics
