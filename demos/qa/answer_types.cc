#include "demos/qa/answer_types.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>

#include "demos/common/model_file.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

using Questions = std::vector<AfriqaQuestion>;

// Takes a fifth of each type in each language out of the questions.
Questions take_fifth(Questions& questions, const std::vector<std::string>& names) {
  constexpr double kShare = 0.2;
  constexpr std::uint64_t kSeed = 1;
  std::vector<std::int64_t> types;
  std::vector<std::int64_t> languages;
  for (const AfriqaQuestion& question : questions) {
    types.push_back(static_cast<std::int64_t>(question.type));
    languages.push_back(std::ranges::find(names, question.language) - names.begin());
  }
  splits::SplitOptions options;
  options.shuffle = false;
  options.min_train_rows = 1;
  const splits::Split split =
      splits::stratified_split(types, splits::RowGroups(languages, names.size()),
                               answer_type_names().size(), kShare, kSeed, options);
  const auto take = [&](const std::vector<std::int64_t>& indices) {
    Questions taken;
    for (const std::int64_t i : indices) taken.push_back(questions[static_cast<std::size_t>(i)]);
    return taken;
  };
  Questions fifth = take(split.test);
  questions = take(split.train);
  return fifth;
}

void require_all_types(const Questions& questions, const path& directory, const char* part) {
  for (std::size_t t = 0; t < answer_type_names().size(); ++t) {
    const bool is_there = std::ranges::any_of(
        questions, [t](const auto& each) { return static_cast<std::size_t>(each.type) == t; });
    if (is_there) continue;
    throw InputError(
        directory.string(), 0,
        absl::StrCat("no question for ", part, " has an answer of type ", answer_type_names()[t]));
  }
}

// At most one table a part.
OwnFiles with_tables(const PartFiles& files, OwnFiles columns) {
  const auto table_of = [](const std::vector<path>& part) {
    if (part.size() <= 1) return part.empty() ? path() : part.front();
    throw InputError(part[1].string(), 0,
                     "expected one table per part; only SQuAD files can be several");
  };
  columns.train = table_of(files.train);
  columns.validation = table_of(files.validation);
  columns.test = table_of(files.test);
  return columns;
}

Questions questions_of(LabelledTexts rows) {
  Questions questions;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    questions.push_back({rows.languages[i].empty() ? kUnnamedLanguage : rows.languages[i],
                         std::move(rows.texts[i]), "",
                         static_cast<AnswerType>(rows.labels[i].front())});
  }
  return questions;
}

// N-grams of texts with a mark before and behind, which become words of their own.
SparseRows counts_of(std::span<const AfriqaQuestion> questions, std::string AfriqaQuestion::*text) {
  std::vector<std::string> texts;
  for (const AfriqaQuestion& question : questions) {
    texts.push_back(absl::StrCat("^ ", question.*text, " $"));
  }
  return ngram_counts(texts);
}

// Appends to a row of `rows` the row of others, their columns moved; n-grams of characters and of
// words are each made a vector of length one.
void append(const SparseRows& others, std::size_t row, std::int32_t offset, SparseRows& rows) {
  const auto columns = others.columns_of(row);
  const auto values = others.values_of(row);
  const auto middle = static_cast<std::size_t>(
      std::ranges::lower_bound(columns, kCharacterBuckets) - columns.begin());
  for (const auto& [begin, end] :
       {std::pair(std::size_t{0}, middle), std::pair(middle, columns.size())}) {
    double squares = 0;
    for (std::size_t k = begin; k < end; ++k) squares += double{values[k]} * double{values[k]};
    const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
    for (std::size_t k = begin; k < end; ++k) {
      rows.columns.push_back(columns[k] + offset);
      rows.values.push_back(values[k] * scale);
    }
  }
}

TfIdf tf_idf_from(const nlohmann::json& block) {
  std::vector<float> idf = from_block(block);
  if (idf.size() != std::size_t{kTextColumns}) {
    throw std::invalid_argument("idf of another number of columns");
  }
  return TfIdf(std::move(idf));
}

}  // namespace

path afriqa_directory(const path& data) {
  for (const path& candidate : {data, data / "afriqa", data / "qa" / "afriqa"}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(candidate, error)) {
      if (entry.path().filename().string().starts_with("queries.afriqa.")) return candidate;
    }
  }
  return data;
}

AnswerTypeData load_answer_types(const path& directory, bool skips_damaged) {
  Finding damaged;
  Finding* const found = skips_damaged ? &damaged : nullptr;
  const Questions all = read_afriqa(directory, "train", found);
  AnswerTypeData data;
  data.test = read_afriqa(directory, "dev", found);
  constexpr std::size_t kLeastRows = 10;
  if (all.size() < kLeastRows) {
    throw InputError(directory.string(), 0,
                     "too few training questions to take a fifth of them for validation");
  }
  std::set<std::string> languages;
  for (const AfriqaQuestion& question : all) languages.insert(question.language);
  data.languages = {languages.begin(), languages.end()};
  data.train = all;
  data.validation = take_fifth(data.train, data.languages);
  const std::size_t known = drop_known(all, data.test);
  const std::size_t repeated = drop_known(data.train, data.validation);
  require_all_types(data.train, directory, "training");
  require_all_types(data.test, directory, "testing");
  if (data.validation.empty()) {
    throw InputError(directory.string(), 0, "no question is left for validation");
  }
  data.description = absl::StrCat(
      directory.string(), ": ", data.train.size(), " training, ", data.validation.size(),
      " validation (a fifth of the training files, stratified by language and type) and ",
      data.test.size(), " test questions (the dev files), ", data.languages.size(), " languages, ",
      answer_type_names().size(), " types of answers.\nLeft out: ", known, " test and ", repeated,
      " validation questions that stand in another part", damaged.text("damaged lines"), ".");
  return data;
}

AnswerTypeData load_own_types(const PartFiles& files, OwnFiles columns) {
  Corpus corpus = load_files(with_tables(files, std::move(columns)));
  AnswerTypeData data{std::move(corpus.description), std::move(corpus.languages),
                      questions_of(std::move(corpus.train)),
                      questions_of(std::move(corpus.validation)),
                      questions_of(std::move(corpus.test))};
  if (data.languages.empty()) data.languages = {kUnnamedLanguage};
  data.types = std::move(corpus.classes);
  data.is_translated = false;
  return data;
}

AnswerTypeData load_own_type_test(const PartFiles& files, OwnFiles columns,
                                  const std::vector<std::string>& types,
                                  const std::vector<std::string>& languages) {
  const OwnFiles tables = with_tables(files, std::move(columns));
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

QuestionFeatures::QuestionFeatures(std::span<const AfriqaQuestion> training)
    : question_(counts_of(training, &AfriqaQuestion::text)),
      translation_(counts_of(training, &AfriqaQuestion::translation)) {}

QuestionFeatures::QuestionFeatures(const nlohmann::json& facts)
    : question_(tf_idf_from(facts.at("question_idf"))),
      translation_(tf_idf_from(facts.at("translation_idf"))) {}

nlohmann::json QuestionFeatures::facts() const {
  return {{"question_idf", to_block(question_.idf())},
          {"translation_idf", to_block(translation_.idf())}};
}

SparseRows QuestionFeatures::operator()(std::span<const AfriqaQuestion> questions) const {
  const SparseRows of_text = question_(counts_of(questions, &AfriqaQuestion::text));
  const SparseRows of_translation =
      translation_(counts_of(questions, &AfriqaQuestion::translation));
  SparseRows rows;
  for (std::size_t r = 0; r < questions.size(); ++r) {
    append(of_text, r, 0, rows);
    append(of_translation, r, kTextColumns, rows);
    rows.starts.push_back(rows.columns.size());
  }
  return rows;
}

}  // namespace equipoise::demos
