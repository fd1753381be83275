#include "demos/qa/task.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>

#include "demos/common/report.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

std::int64_t index_of(std::span<const std::string> languages, const std::string& language) {
  const auto found = std::find(languages.begin(), languages.end(), language);
  return found == languages.end() ? -1 : found - languages.begin();
}

template <class Features, class Data>
void add_parts(const Features& features, const nlohmann::json& facts, const Data& data,
               QaTask& task) {
  task.description = data.description;
  task.languages = data.languages;
  task.train = make_examples(features, data.train, task.languages);
  task.train.unit_starts.clear();  // samplers draw rows
  task.validation = make_examples(features, data.validation, task.languages);
  task.test = make_examples(features, data.test, task.languages);
  task.counts = count_grouped(task.train.targets, task.train.groups, task.languages.size(),
                              task.classes.size());
  task.shape.classes = task.classes.size();
  task.facts = {
      {"task", task.name}, {"classes", task.classes},          {"languages", task.languages},
      {"features", facts}, {"translated", task.is_translated}, {"test", fingerprint(task.test)}};
}

Examples with_targets(Examples examples, std::span<const SentenceQuestion> questions,
                      std::span<const std::string> languages) {
  examples.unit_starts.push_back(0);
  for (const SentenceQuestion& question : questions) {
    const std::size_t rows = question.sentences.size();
    for (std::size_t i = 0; i < rows; ++i) {
      examples.targets.push_back(i < question.is_answer.size() ? question.is_answer[i] : 0);
      examples.groups.push_back(index_of(languages, question.language));
    }
    examples.unit_starts.push_back(examples.unit_starts.back() + rows);
  }
  return examples;
}

// Where the rows of each fact begin, and their number; questions of one stand together.
std::vector<std::size_t> fact_starts(const std::vector<SentenceQuestion>& questions) {
  std::vector<std::size_t> starts;
  std::size_t rows = 0;
  for (std::size_t q = 0; q < questions.size(); ++q) {
    const bool goes_on =
        q > 0 && questions[q].fact >= 0 && questions[q].fact == questions[q - 1].fact;
    if (!goes_on) starts.push_back(rows);
    rows += questions[q].sentences.size();
  }
  starts.push_back(rows);
  return starts;
}

template <class Features>
QaTask selection_task(const SentenceData& data, const Features& features,
                      const nlohmann::json& facts) {
  QaTask task;
  task.name = kSentenceSelection;
  task.classes = {"other", "positive"};
  add_parts(features, facts, data, task);
  task.fact_starts = fact_starts(data.test);
  return task;
}

}  // namespace

QaTask make_task(const AnswerTypeData& data) {
  QaTask task;
  task.name = kAnswerType;
  task.classes = data.types;
  task.is_translated = data.is_translated;
  task.shape.columns = kQuestionColumns;
  const QuestionFeatures features(data.train);
  add_parts(features, features.facts(), data, task);
  return task;
}

QaTask make_task(const SentenceData& data) {
  const SentenceFeatures features(data.train);
  QaTask task = selection_task(data, features, features.facts());
  task.shape.columns = kSentenceColumns;
  return task;
}

QaTask make_task(const SentenceData& data, const PairPieces& pieces, const nlohmann::json& facts) {
  return selection_task(data, pieces, facts);
}

Examples make_examples(const QuestionFeatures& features, std::span<const AfriqaQuestion> questions,
                       std::span<const std::string> languages) {
  Examples examples;
  examples.features = features(questions);
  for (const AfriqaQuestion& question : questions) {
    examples.targets.push_back(static_cast<std::int64_t>(question.type));
    examples.groups.push_back(index_of(languages, question.language));
  }
  return examples;
}

Examples PairPieces::operator()(std::span<const SentenceQuestion> questions) const {
  Examples examples;
  for (const SentenceQuestion& question : questions) {
    for (const std::string& sentence : question.sentences) {
      Pieces pieces = tokenizer.encode_pair(question.text, sentence, most_pieces);
      const auto second = std::find(pieces.types.begin(), pieces.types.end(), 1);
      examples.seconds.push_back(static_cast<std::size_t>(second - pieces.types.begin()));
      examples.pieces.push_back(std::move(pieces.ids));
    }
  }
  return examples;
}

Examples make_examples(const SentenceFeatures& features,
                       std::span<const SentenceQuestion> questions,
                       std::span<const std::string> languages) {
  return with_targets({.features = features(questions)}, questions, languages);
}

Examples make_examples(const PairPieces& pieces, std::span<const SentenceQuestion> questions,
                       std::span<const std::string> languages) {
  return with_targets(pieces(questions), questions, languages);
}

std::string fingerprint(const Examples& examples) {
  const std::string numbers =
      absl::StrCat(absl::StrJoin(examples.targets, " "), "; ", absl::StrJoin(examples.groups, " "),
                   "; ", absl::StrJoin(examples.unit_starts, " "));
  return absl::StrFormat("%d questions, %d rows, digest %016x", examples.units(),
                         examples.targets.size(), splits::fnv1a64(numbers));
}

std::vector<std::size_t> languages_by_size(const QaTask& task) {
  std::vector<double> rows;
  for (std::size_t g = 0; g < task.languages.size(); ++g) {
    rows.push_back(task.counts.group(g).total());
  }
  return by_falling(rows);
}

std::string language_label(const std::string& language) { return "lang=" + language; }

}  // namespace equipoise::demos
