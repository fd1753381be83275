#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/qa/task.h"

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class OwnQuestionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(::testing::TempDir()) /
                 ::testing::UnitTest::GetInstance()->current_test_info()->name();
    make_directory(directory_);
  }
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    write_file(directory_ / name, content);
    return directory_ / name;
  }
  template <class F>
  static std::string error_of(const F& call) {
    try {
      call();
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path directory_{};
};

TEST_F(OwnQuestionsTest, SayByTheirFilesWhatTaskTheyServe) {
  const std::filesystem::path table = write("a.tsv", "question\tlabel\nwho\tperson\n");
  const std::filesystem::path named = write("b.json", "");
  const std::filesystem::path begun = write("c", " \n{\"data\": []}");
  EXPECT_EQ(task_served_by({.train = {table}}), kAnswerType);
  EXPECT_EQ(task_served_by({.train = {named, begun}}), kSentenceSelection);
  EXPECT_EQ(task_served_by({.test = {begun}}), kSentenceSelection);
  EXPECT_EQ(error_of([&] { task_served_by({.train = {table}, .test = {begun}}); }),
            begun.string() + ":0: this is a SQuAD file, but " + table.string() + " is a table");
  EXPECT_THAT(error_of([&] { task_served_by({.train = {directory_ / "none"}}); }),
              HasSubstr("none:0: cannot be read"));
}

TEST_F(OwnQuestionsTest, OfTablesHaveTheLabelsAsTheyStand) {
  PartFiles files{.train = {write("a.tsv", "who\tperson\nwhen\tdate\nwhom\tperson\n")},
                  .validation = {write("b.tsv", "which year\tdate\n")},
                  .test = {write("c.tsv", "whose\tperson\n")}};
  const OwnFiles columns{.text = "1", .label = "2", .text_flag = "question"};
  const AnswerTypeData data = load_own_types(files, columns);
  EXPECT_THAT(data.types, ElementsAre("person", "date"));
  EXPECT_THAT(data.languages, ElementsAre(kUnnamedLanguage));
  EXPECT_EQ(data.train[1].text, "when");
  EXPECT_EQ(data.train[1].translation, "");
  EXPECT_FALSE(data.is_translated);
  const QaTask task = make_task(data);
  EXPECT_THAT(task.classes, ElementsAre("person", "date"));
  EXPECT_THAT(task.train.targets, ElementsAre(0, 1, 0));
  EXPECT_THAT(task.test.groups, ElementsAre(0));
  files.train.push_back(files.test[0]);
  EXPECT_THAT(error_of([&] { load_own_types(files, columns); }),
              EndsWith("c.tsv:0: expected one table per part; only SQuAD files can be several"));
}

TEST_F(OwnQuestionsTest, ForTestingAloneAreOfAModel) {
  const PartFiles files{.test = {write("a.csv", "question,label,tongue\nwho,person,ha\n")}};
  OwnFiles columns{.text = "question", .language = "tongue"};
  EXPECT_EQ(load_own_type_test(files, columns, {"date", "person"}, {"ha", "yo"}).test[0].language,
            "ha");
  const auto error_with = [&](const std::vector<std::string>& languages) {
    return error_of([&] { load_own_type_test(files, columns, {"person"}, languages); });
  };
  EXPECT_THAT(error_with({"yo"}), EndsWith("a.csv:2: language 'ha' does not occur in the model"));
  EXPECT_EQ(error_with({kUnnamedLanguage}), "--language: the model was trained without languages");
  columns.language = "";
  EXPECT_EQ(error_with({"ha"}), "--language: required, since the model was trained with languages");
}

}  // namespace
}  // namespace equipoise::demos
