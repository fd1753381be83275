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

#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

using Questions = std::vector<AfriqaQuestion>;

Questions take(const Questions& questions, const std::vector<std::int64_t>& indices) {
  Questions taken;
  for (const std::int64_t index : indices) {
    taken.push_back(questions[static_cast<std::size_t>(index)]);
  }
  return taken;
}

// A fifth of each type in each language.
splits::Split fifth_of(const Questions& questions, const std::vector<std::string>& names) {
  constexpr double kShare = 0.2;
  constexpr std::uint64_t kSeed = 1;
  std::vector<std::int64_t> types;
  std::vector<std::int64_t> languages;
  for (const AfriqaQuestion& question : questions) {
    types.push_back(static_cast<std::int64_t>(question.type));
    languages.push_back(std::find(names.begin(), names.end(), question.language) - names.begin());
  }
  splits::SplitOptions options;
  options.shuffle = false;
  options.min_train_rows = 1;
  return splits::stratified_split(types, splits::RowGroups(languages, names.size()),
                                  answer_type_names().size(), kShare, kSeed, options);
}

void require_all_types(const Questions& questions, const path& directory, const char* part) {
  for (std::size_t t = 0; t < answer_type_names().size(); ++t) {
    const bool is_there = std::any_of(questions.begin(), questions.end(), [t](const auto& each) {
      return static_cast<std::size_t>(each.type) == t;
    });
    if (is_there) continue;
    throw InputError(
        directory.string(), 0,
        absl::StrCat("no question for ", part, " has an answer of type ", answer_type_names()[t]));
  }
}

// Texts with a mark before and behind, which become words of their own.
std::vector<std::string> marked(std::span<const AfriqaQuestion> questions,
                                std::string AfriqaQuestion::*text) {
  std::vector<std::string> texts;
  for (const AfriqaQuestion& question : questions) {
    texts.push_back(absl::StrCat("^ ", question.*text, " $"));
  }
  return texts;
}

// Appends to a row of `rows` the row of others, their columns moved; n-grams of characters and of
// words are each made a vector of length one.
void append(const SparseRows& others, std::size_t row, std::int32_t offset, SparseRows& rows) {
  const auto columns = others.columns_of(row);
  const auto values = others.values_of(row);
  const auto middle = static_cast<std::size_t>(
      std::lower_bound(columns.begin(), columns.end(), kCharacterBuckets) - columns.begin());
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
  const splits::Split split = fifth_of(all, data.languages);
  data.train = take(all, split.train);
  data.validation = take(all, split.test);
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

QuestionFeatures::QuestionFeatures(std::span<const AfriqaQuestion> training)
    : question_(ngram_counts(marked(training, &AfriqaQuestion::text))),
      translation_(ngram_counts(marked(training, &AfriqaQuestion::translation))) {}

QuestionFeatures::QuestionFeatures(const nlohmann::json& facts)
    : question_(tf_idf_from(facts.at("question_idf"))),
      translation_(tf_idf_from(facts.at("translation_idf"))) {}

nlohmann::json QuestionFeatures::facts() const {
  return {{"question_idf", to_block(question_.idf())},
          {"translation_idf", to_block(translation_.idf())}};
}

SparseRows QuestionFeatures::operator()(std::span<const AfriqaQuestion> questions) const {
  const SparseRows of_text = question_(ngram_counts(marked(questions, &AfriqaQuestion::text)));
  const SparseRows of_translation =
      translation_(ngram_counts(marked(questions, &AfriqaQuestion::translation)));
  SparseRows rows;
  for (std::size_t r = 0; r < questions.size(); ++r) {
    append(of_text, r, 0, rows);
    append(of_translation, r, kTextColumns, rows);
    rows.starts.push_back(rows.columns.size());
  }
  return rows;
}

}  // namespace equipoise::demos
