#include "demos/qa/own_data.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

bool is_squad(const path& file) {
  if (file.extension() == ".json") return true;
  const std::string text = read_file(file);
  const std::size_t first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return first != std::string::npos && text[first] == '{';
}

// At most one table a part.
path table_of(const std::vector<path>& files) {
  if (files.size() > 1) {
    throw InputError(files[1].string(), 0,
                     "expected one table per part; only SQuAD files can be several");
  }
  return files.empty() ? path() : files.front();
}

OwnFiles tables_of(const OwnQuestions& own) {
  OwnFiles tables = own.columns;
  tables.train = table_of(own.files.train);
  tables.validation = table_of(own.files.validation);
  tables.test = table_of(own.files.test);
  return tables;
}

std::vector<AfriqaQuestion> questions_of(LabelledTexts rows) {
  std::vector<AfriqaQuestion> questions;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    questions.push_back({rows.languages[i].empty() ? kUnnamedLanguage : rows.languages[i],
                         std::move(rows.texts[i]), "",
                         static_cast<AnswerType>(rows.labels[i].front())});
  }
  return questions;
}

}  // namespace

std::string_view task_served_by(const PartFiles& files) {
  const path* first = nullptr;
  bool is_first_squad = false;
  for (const auto* part : {&files.train, &files.validation, &files.test}) {
    for (const path& file : *part) {
      const bool is_one = is_squad(file);
      if (first == nullptr) {
        first = &file;
        is_first_squad = is_one;
      }
      if (is_one == is_first_squad) continue;
      throw InputError(file.string(), 0,
                       absl::StrCat("this is ", is_one ? "a SQuAD file" : "a table", ", but ",
                                    first->string(), " is ", is_one ? "a table" : "a SQuAD file"));
    }
  }
  return is_first_squad ? kSentenceSelection : kAnswerType;
}

AnswerTypeData load_own_types(const OwnQuestions& own) {
  Corpus corpus = load_files(tables_of(own));
  AnswerTypeData data{std::move(corpus.description), std::move(corpus.languages),
                      questions_of(std::move(corpus.train)),
                      questions_of(std::move(corpus.validation)),
                      questions_of(std::move(corpus.test))};
  if (data.languages.empty()) data.languages = {kUnnamedLanguage};
  data.types = std::move(corpus.classes);
  data.is_translated = false;
  return data;
}

AnswerTypeData load_own_type_test(const OwnQuestions& own, const std::vector<std::string>& types,
                                  const std::vector<std::string>& languages) {
  const OwnFiles tables = tables_of(own);
  const bool has_languages = languages.front() != kUnnamedLanguage;
  if (has_languages != !tables.language.empty()) {
    throw InputError(has_languages
                         ? "--language: required, since the model was trained with languages"
                         : "--language: the model was trained without languages");
  }
  AnswerTypeData data;
  data.languages = languages;
  data.types = types;
  data.test = questions_of(load_rows(tables.test, tables, types, "the model",
                                     has_languages ? languages : std::vector<std::string>()));
  data.description = absl::StrCat(tables.test.string(), ": ", data.test.size(), " questions.");
  return data;
}

}  // namespace equipoise::demos
