#include "demos/ner/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "equipoise/metrics/entity_sequences.h"

namespace equipoise::demos {
namespace {

using std::filesystem::path;
using testing::ElementsAre;
using testing::HasSubstr;

class CorpusTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  path write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((directory_ / name).parent_path());
    write_file(directory_ / name, text);
    return directory_ / name;
  }
  static std::string error_of(const PartFiles& files, const ConllOptions& options = {}) {
    try {
      load_tagged_corpus(files, options);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  path directory_;
};

TEST_F(CorpusTest, ReadsThreePartsWithTheTagsOfTraining) {
  const PartFiles files{{write("a", "Ann\tB-PER\n\nin\tO\nRome\tB-LOC\n"), write("b", "x\tO\n")},
                        {write("d", "Bob\tB-PER\n")},
                        {write("t", "to\tO\nOslo\tB-LOC\n")}};
  const TaggedCorpus corpus = load_tagged_corpus(files, {});
  EXPECT_THAT(corpus.tags, ElementsAre("O", "B-PER", "I-PER", "B-LOC", "I-LOC"));
  EXPECT_EQ(corpus.train.size(), 3U);
  EXPECT_THAT(corpus.test[0].tags, ElementsAre(0, 3));
  EXPECT_THAT(corpus.description, HasSubstr("trained on a, b, validated on d, tested on t."));
  EXPECT_THAT(corpus.description,
              HasSubstr("3 training, 1 validation and 1 test sentences, 2 entity types."));
}

TEST_F(CorpusTest, RefusesTypesThatTrainingLacksAndPartsWithoutFiles) {
  const PartFiles files{{write("a", "Ann\tB-PER\n")},
                        {write("d", "Bob\tB-PER\n")},
                        {write("t", "to\tO\nAcme\tB-ORG\n")}};
  EXPECT_THAT(error_of(files), HasSubstr("t:2: "));
  PartFiles without = files;
  without.validation.clear();
  EXPECT_EQ(error_of(without), "--dev: a file is needed");
}

TEST_F(CorpusTest, CountsFlawsOrRefusesThem) {
  const PartFiles files{{write("a", "Ann\tB-PER\nbroken\n\nto\tO\nRome\tI-PER\n")},
                        {write("d", "Bob\tB-PER\n")},
                        {write("t", "x\tB-PER\n")}};
  EXPECT_THAT(load_tagged_corpus(files, {.flaws = Flaws::kSkip}).description,
              HasSubstr("1 malformed row"));
  EXPECT_THAT(error_of(files),
              HasSubstr("a:2: expected a tag in column 2, found 1 column; 1 of 4 "));
  ConllOptions strict;
  strict.flaws = Flaws::kRefuse;
  EXPECT_THAT(error_of(files, strict), HasSubstr("a:2: "));
}

TEST_F(CorpusTest, ReadsEachFileInItsOwnScheme) {
  const PartFiles files{{write("a", "Ann\tS-PER\n\nNew\tB-LOC\nYork\tE-LOC\n")},
                        {write("d", "Bob\tB-PER\nLee\tI-PER\n")},
                        {write("t", "Ann\tU-PER\n")}};
  const TaggedCorpus corpus = load_tagged_corpus(files, {});
  EXPECT_THAT(corpus.tags, ElementsAre("O", "B-PER", "I-PER", "B-LOC", "I-LOC"));
  EXPECT_THAT(corpus.train[1].tags, ElementsAre(3, 4));
  EXPECT_THAT(corpus.validation[0].tags, ElementsAre(1, 2));
  EXPECT_THAT(corpus.test[0].tags, ElementsAre(1));
  EXPECT_THAT(
      corpus.description,
      testing::ContainsRegex("2 files with tags converted to IOB2, the first .*a:0: BIOES"));
}

TEST_F(CorpusTest, RefusesPartsWithoutEntities) {
  const path with = write("with", "Ann\tB-PER\n");
  const path without = write("without", "x\tO\n\ny\tO\n");
  EXPECT_THAT(error_of({{without}, {with}, {with}}),
              HasSubstr("without:0: all tags of --train are O"));
  EXPECT_THAT(error_of({{with, without}, {without, without}, {with}}),
              HasSubstr("without:0: all tags of --dev are O"));
  EXPECT_THAT(error_of({{with}, {with}, {without}}), HasSubstr("all tags of --test are O"));
}

TEST_F(CorpusTest, FindsCorporaByName) {
  EXPECT_TRUE(find_files("btc", directory_).train.empty());
  for (const char* name : {"a", "b", "e", "g", "h", "f"}) {
    write("ner/btc/" + std::string(name) + ".conll", "x\tO\n");
  }
  const PartFiles files = find_files("btc", directory_);
  ASSERT_EQ(files.train.size(), 4U);
  EXPECT_EQ(files.validation[0].filename(), "h.conll");
  EXPECT_EQ(files.test[0].filename(), "f.conll");
  EXPECT_EQ(find_files("btc", directory_ / "ner").train.size(), 4U);
  EXPECT_EQ(find_files("btc", directory_ / "ner" / "btc").train.size(), 4U);
  EXPECT_TRUE(find_files("wnut17", directory_).train.empty());
}

TEST(SyntheticTaggedCorpus, IsImbalancedWellFormedAndAlwaysTheSame) {
  const TaggedCorpus corpus = synthetic_tagged_corpus();
  EXPECT_EQ(corpus.train, synthetic_tagged_corpus().train);
  EXPECT_THAT(corpus.description, testing::StartsWith("No data: a small synthetic corpus"));
  std::vector<std::size_t> entities(4, 0);
  for (const TaggedSentence& sentence : corpus.train) {
    ASSERT_EQ(sentence.tokens.size(), sentence.tags.size());
    EXPECT_EQ(metrics::find_tag_breaks(sentence.tags, metrics::EntityTags(corpus.tags)).count, 0U);
    for (const std::int64_t tag : sentence.tags) ++entities[static_cast<std::size_t>(tag + 1) / 2];
  }
  EXPECT_GT(entities[0], 4 * (entities[1] + entities[2] + entities[3]));
  EXPECT_GT(entities[1], 4 * entities[3]);
  EXPECT_GT(entities[3], 50U);
}

}  // namespace
}  // namespace equipoise::demos
