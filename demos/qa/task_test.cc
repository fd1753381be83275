#include "demos/qa/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace equipoise::demos {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

AnswerTypeData types() {
  AnswerTypeData data;
  data.languages = {"hau", "yor"};
  data.train = {{"hau", "a", "who", AnswerType::kText},
                {"yor", "b", "who", AnswerType::kText},
                {"yor", "c", "is it", AnswerType::kYesNo},
                {"yor", "d", "why", AnswerType::kNoAnswer},
                {"yor", "e", "when", AnswerType::kNumberDate}};
  data.validation = {{"yor", "f", "did it", AnswerType::kYesNo}};
  data.test = {{"hau", "g", "how", AnswerType::kNoAnswer}};
  return data;
}

SentenceData sentences() {
  SentenceData data;
  data.languages = {"de", "en"};
  data.train = {{"Who?", "en", {"One.", "Two.", "Three."}, {0, 1, 0}},
                {"Wer?", "de", {"Eins.", "Zwei."}, {1, 0}}};
  data.validation = {{"What?", "en", {"Some.", "More."}, {0, 1}}};
  data.test = {{"Was?", "de", {"Etwas.", "Mehr.", "Noch."}, {0, 0, 1}},
               {"When?", "en", {"Now."}, {1}}};
  return data;
}

TEST(Task, OfTypesHasARowAQuestion) {
  const QaTask task = make_task(types());
  EXPECT_EQ(task.name, "answer_type");
  EXPECT_FALSE(task.selects_sentences());
  EXPECT_THAT(task.classes, ElementsAre("text", "no_answer", "number_date", "yes_no"));
  EXPECT_EQ(task.shape.columns, kQuestionColumns);
  EXPECT_THAT(task.train.targets, ElementsAre(0, 0, 3, 1, 2));
  EXPECT_THAT(task.train.groups, ElementsAre(0, 1, 1, 1, 1));
  EXPECT_THAT(task.test.targets, ElementsAre(1));
  EXPECT_EQ(task.test.units(), 1U);
  EXPECT_EQ(task.counts.group(1)[3], 1);
  EXPECT_EQ(task.class_counts()[0], 2);
}

// [CLS] question [SEP] sentence [SEP], rows in the order of the sentences.
TEST(Task, OfSentencesForAnEncoderHasPairs) {
  const WordPiece tokenizer("tests/golden/encoder/vocab.txt");
  SentenceData data = sentences();
  data.train = {{"who sat", "en", {"the cat sat", "on"}, {1, 0}}};
  const QaTask task = make_task(data, PairPieces{tokenizer, 20}, {{"most_pieces", 20}});
  ASSERT_EQ(task.train.rows(), 2U);
  EXPECT_EQ(task.train.pieces[1], tokenizer.encode_pair("who sat", "on", 20).ids);
  EXPECT_EQ(task.train.seconds[0], task.train.seconds[1]);
  EXPECT_EQ(task.train.pieces[0].size(), task.train.seconds[0] + 4);  // three words and a mark
  EXPECT_THAT(task.train.targets, ElementsAre(1, 0));
  EXPECT_TRUE(task.train.unit_starts.empty());
  EXPECT_EQ(task.test.units(), 2U);
  EXPECT_EQ(task.facts.at("features").at("most_pieces"), 20);
}

TEST(Task, OfSentencesHasARowASentenceAndQuestionsAsUnits) {
  const QaTask task = make_task(sentences());
  EXPECT_EQ(task.name, "sentence_selection");
  EXPECT_TRUE(task.selects_sentences());
  EXPECT_THAT(task.classes, ElementsAre("other", "positive"));
  EXPECT_EQ(task.shape.columns, kSentenceColumns);
  EXPECT_THAT(task.train.targets, ElementsAre(0, 1, 0, 1, 0));
  EXPECT_THAT(task.train.groups, ElementsAre(1, 1, 1, 0, 0));
  EXPECT_THAT(task.train.unit_starts, IsEmpty());
  EXPECT_THAT(task.test.unit_starts, ElementsAre(0, 3, 4));
  EXPECT_THAT(task.test.groups, ElementsAre(0, 0, 0, 1));
  EXPECT_EQ(task.counts.group(1)[0], 2);
  EXPECT_EQ(task.counts.group(0)[1], 1);
}

TEST(Task, ResamplesQuestionsOfAFactTogether) {
  SentenceData data = sentences();
  EXPECT_THAT(make_task(data).fact_starts, ElementsAre(0, 3, 4));  // -1 is no fact
  data.test[0].fact = data.test[1].fact = 7;
  data.test.push_back({"Wo?", "de", {"Hier.", "Dort."}, {1, 0}, 8});
  const QaTask task = make_task(data);
  EXPECT_THAT(task.fact_starts, ElementsAre(0, 4, 6));
  EXPECT_EQ(task.resampled_units(), 2U);
  EXPECT_EQ(task.test.units(), 3U);
  EXPECT_EQ(make_task(types()).resampled_units(), 1U);
}

TEST(Fingerprint, TellsTestPartsApart) {
  SentenceData data = sentences();
  const std::string first = fingerprint(make_task(data).test);
  EXPECT_THAT(first, testing::StartsWith("2 questions, 4 rows, digest "));
  EXPECT_EQ(fingerprint(make_task(sentences()).test), first);
  data.test[0].is_answer = {1, 0, 0};
  EXPECT_NE(fingerprint(make_task(data).test), first);
  EXPECT_NE(fingerprint(make_task(types()).test), first);
}

TEST(Task, SortsLanguagesBySize) {
  EXPECT_THAT(languages_by_size(make_task(types())), ElementsAre(1, 0));
  EXPECT_THAT(languages_by_size(make_task(sentences())), ElementsAre(1, 0));
}

TEST(MakeExamples, HasNoGroupForLanguagesThatAreNotInTheList) {
  const SentenceData data = sentences();
  const std::vector<std::string> languages = {"en"};
  const Examples examples = make_examples(SentenceFeatures(data.train), data.test, languages);
  EXPECT_THAT(examples.groups, ElementsAre(-1, -1, -1, 0));
}

TEST(LanguageLabel, SaysWhatItIs) { EXPECT_EQ(language_label("sw"), "lang=sw"); }

}  // namespace
}  // namespace equipoise::demos
