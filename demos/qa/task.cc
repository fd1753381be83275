#include "demos/qa/task.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/reliability.h"
#include "demos/common/report.h"
#include "demos/common/uncertainty.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/confusion.h"
#include "equipoise/metrics/grouped.h"
#include "equipoise/metrics/ranking.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using metrics::ConfusionMatrix;

std::int64_t index_of(std::span<const std::string> languages, const std::string& language) {
  const auto found = std::ranges::find(languages, language);
  return found == languages.end() ? -1 : found - languages.begin();
}

bool is_squad(const std::filesystem::path& file) {
  if (file.extension() == ".json") return true;
  const std::string text = read_file(file);
  const std::size_t first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  return first != std::string::npos && text[first] == '{';
}

// Gives a task that has its name and classes everything else.
template <class Data>
void add_parts(const QaFeatures& features, const nlohmann::json& facts, const Data& data,
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

Examples pieces_of(const PairPieces& pairs, std::span<const SentenceQuestion> questions) {
  Examples examples;
  for (const SentenceQuestion& question : questions) {
    for (const std::string& sentence : question.sentences) {
      Pieces pieces = pairs.tokenizer.encode_pair(question.text, sentence, pairs.most_pieces);
      const auto second = std::ranges::find(pieces.types, 1);
      examples.seconds.push_back(static_cast<std::size_t>(second - pieces.types.begin()));
      examples.pieces.push_back(std::move(pieces.ids));
    }
  }
  return examples;
}

constexpr std::size_t kPositive = 1;

double macro_f1(const ConfusionMatrix& matrix) { return matrix.macro_f1(); }
double positive_f1(const ConfusionMatrix& matrix) { return matrix.f1(kPositive); }
// Of the types that a language has.
double macro_f1_of_present(const ConfusionMatrix& matrix) {
  return matrix.macro_f1(metrics::Absent::kSkipUnsupported);
}

std::vector<std::int64_t> at_threshold(std::span<const double> scores, double threshold) {
  std::vector<std::int64_t> decisions;
  decisions.reserve(scores.size());
  for (const double score : scores) decisions.push_back(score >= threshold ? 1 : 0);
  return decisions;
}

// A metric of each language that has one, their mean and the lowest of those to compare.
void add_language_metrics(const QaTask& task, const std::vector<bool>& comparable,
                          const std::string& metric, const std::string& name,
                          std::span<const double> values, Metrics& measured) {
  double sum = 0;
  std::optional<double> least;
  std::size_t languages = 0;
  for (std::size_t g = 0; g < values.size(); ++g) {
    if (std::isnan(values[g])) continue;
    measured.push_back({metric, language_label(task.languages[g]), values[g]});
    if (comparable[g]) least = std::min(least.value_or(values[g]), values[g]);
    sum += values[g];
    ++languages;
  }
  measured.push_back(
      {"language_" + name, "", sum / static_cast<double>(std::max<std::size_t>(languages, 1))});
  measured.push_back({"worst_language_" + name, "", least.value_or(0)});
}

// The mean reciprocal rank of the questions of each language, and at last of all; NaN where there
// are none. The rank of the best positive of a question's sentences is the number of negatives that
// score as high or higher, plus one; questions without a positive are left out.
std::vector<double> mean_reciprocal_ranks(const QaTask& task, const Examples& part,
                                          std::span<const double> scores) {
  std::vector<double> sums(task.languages.size() + 1);
  std::vector<double> counts(sums.size());
  for (std::size_t u = 0; u < part.units(); ++u) {
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    double best = kNone;
    double rank = 1;
    for (std::size_t r = part.unit_begin(u); r < part.unit_begin(u + 1); ++r) {
      if (part.targets[r] != 0) best = std::max(best, scores[r]);
    }
    if (best == kNone) continue;
    for (std::size_t r = part.unit_begin(u); r < part.unit_begin(u + 1); ++r) {
      if (part.targets[r] == 0 && scores[r] >= best) ++rank;
    }
    for (const std::size_t g :
         {static_cast<std::size_t>(part.groups[part.unit_begin(u)]), sums.size() - 1}) {
      sums[g] += 1 / rank;
      ++counts[g];
    }
  }
  for (std::size_t g = 0; g < sums.size(); ++g) sums[g] /= counts[g];
  return sums;
}

// F1 of positives over the questions that have several sentences.
double f1_of_several(const Examples& part, std::span<const std::int64_t> decisions) {
  ConfusionMatrix matrix(2);
  for (std::size_t u = 0; u < part.units(); ++u) {
    if (part.unit_begin(u + 1) - part.unit_begin(u) < 2) continue;
    for (std::size_t r = part.unit_begin(u); r < part.unit_begin(u + 1); ++r) {
      matrix.add(part.targets[r], decisions[r]);
    }
  }
  return positive_f1(matrix);
}

// The metric of the worst language, of facts that are taken so often.
Resampled resampled_worst_language(const QaTask& task, const std::vector<std::int64_t>& decisions) {
  const std::size_t classes = task.classes.size();
  // One matrix over (language, class): a language is a block of it.
  const std::size_t languages = task.languages.size();
  std::vector<std::int64_t> targets;
  std::vector<std::int64_t> predictions;
  for (std::size_t r = 0; r < task.test.rows(); ++r) {
    const auto first = task.test.groups[r] * static_cast<std::int64_t>(classes);
    targets.push_back(first + task.test.targets[r]);
    predictions.push_back(first + decisions[r]);
  }
  const auto lowest = [languages, classes, comparable = comparable_languages(task, task.test),
                       metric = task.selects_sentences() ? positive_f1 : macro_f1_of_present](
                          const ConfusionMatrix& all) {
    double least = 1;
    for (std::size_t g = 0; g < languages; ++g) {
      if (!comparable[g]) continue;
      ConfusionMatrix own(classes);
      const std::span<double> counts = own.all_reduce_buffer();
      for (std::size_t i = 0; i < counts.size(); ++i) {
        counts[i] = all.count(g * classes + i / classes, g * classes + i % classes);
      }
      if (own.total() > 0) least = std::min(least, metric(own));
    }
    return least;
  };
  return resampled_confusion(targets, predictions, languages * classes, lowest, task.fact_starts);
}

calibrate::LogitCalibration fitted_calibration(const QaTask& task, const Logits& validation) {
  const std::vector<std::int64_t>& targets = task.validation.targets;
  const ClassCounts there = count_labels(targets, task.classes.size());
  const bool has_all =
      std::all_of(there.values().begin(), there.values().end(), [](double n) { return n > 0; });
  return has_all ? calibrate::fit_bias_corrected_temperature(validation.view(), targets)
                 : calibrate::fit_temperature(validation.view(), targets);
}

}  // namespace

std::string_view task_served_by(const PartFiles& files) {
  std::vector<std::filesystem::path> all = files.train;
  all.insert(all.end(), files.validation.begin(), files.validation.end());
  all.insert(all.end(), files.test.begin(), files.test.end());
  const bool is_first_squad = !all.empty() && is_squad(all.front());
  const auto kind = [](bool is_one) { return is_one ? "a SQuAD file" : "a table"; };
  for (const std::filesystem::path& file : all) {
    if (is_squad(file) == is_first_squad) continue;
    throw InputError(file.string(), 0,
                     absl::StrCat("this is ", kind(!is_first_squad), ", but ", all.front().string(),
                                  " is ", kind(is_first_squad)));
  }
  return is_first_squad ? kSentenceSelection : kAnswerType;
}

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

QaTask make_task(const SentenceData& data, const std::optional<PairPieces>& pieces,
                 const nlohmann::json& facts) {
  QaTask task;
  task.name = kSentenceSelection;
  task.classes = {"other", "positive"};
  if (pieces) {
    add_parts(*pieces, facts, data, task);
  } else {
    task.shape.columns = kSentenceColumns;
    const SentenceFeatures features(data.train);
    add_parts(features, features.facts(), data, task);
  }
  // Where the rows of each fact begin; questions of one stand together.
  std::size_t rows = 0;
  std::int64_t fact = -1;
  for (const SentenceQuestion& question : data.test) {
    if (question.fact < 0 || question.fact != fact) task.fact_starts.push_back(rows);
    fact = question.fact;
    rows += question.sentences.size();
  }
  task.fact_starts.push_back(rows);
  return task;
}

Examples make_examples(const QaFeatures& features, std::span<const AfriqaQuestion> questions,
                       std::span<const std::string> languages) {
  Examples examples;
  examples.features = std::get<QuestionFeatures>(features)(questions);
  for (const AfriqaQuestion& question : questions) {
    examples.targets.push_back(static_cast<std::int64_t>(question.type));
    examples.groups.push_back(index_of(languages, question.language));
  }
  return examples;
}

Examples make_examples(const QaFeatures& features, std::span<const SentenceQuestion> questions,
                       std::span<const std::string> languages) {
  const auto* const pairs = std::get_if<PairPieces>(&features);
  Examples examples = pairs != nullptr
                          ? pieces_of(*pairs, questions)
                          : Examples{.features = std::get<SentenceFeatures>(features)(questions)};
  examples.unit_starts.push_back(0);
  for (const SentenceQuestion& question : questions) {
    const std::size_t rows = question.sentences.size();
    std::vector<std::int64_t> targets = question.is_answer;  // none of a question to predict
    targets.resize(rows, 0);
    examples.targets.insert(examples.targets.end(), targets.begin(), targets.end());
    examples.groups.resize(examples.groups.size() + rows, index_of(languages, question.language));
    examples.unit_starts.push_back(examples.unit_starts.back() + rows);
  }
  return examples;
}

Decision QaTask::choose(const std::string& strategy, const Logits& logits) const {
  Decision decision;
  if (selects_sentences()) {
    const std::vector<double> scores = sentence_scores(logits);
    const double threshold =
        calibrate::choose_threshold(std::span<const double>(scores),
                                    std::span<const std::int64_t>(validation.targets),
                                    [](const metrics::BinaryCounts& each) { return each.f1(); })
            .threshold;
    decision.thresholds = {threshold};
    decision.choice = absl::StrFormat("at %.2f", 1 / (1 + std::exp(-threshold)));
  } else if (strategy == "none_tau") {
    const ClassCounts prior = class_counts();
    const double tau = calibrate::choose_tau(logits.view(), validation.targets, prior.values(),
                                             std::span<const double>(kTaus), macro_f1)
                           .tau;
    decision.offset = calibrate::posthoc_offset(prior.values(), tau);
    decision.choice = absl::StrFormat("tau %.3g", tau);
  }
  return decision;
}

std::vector<std::int64_t> decide(const QaTask& task, const Logits& logits,
                                 const Decision& decision) {
  if (task.selects_sentences()) {
    return at_threshold(sentence_scores(logits), decision.thresholds.front());
  }
  return calibrate::predict(logits.view(), decision.offset);
}

std::vector<double> sentence_scores(const Logits& logits) {
  const MatrixView<const float> rows = logits.view();
  std::vector<double> scores;
  scores.reserve(rows.rows);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    scores.push_back(double{rows(r, kPositive)} - double{rows(r, 0)});
  }
  return scores;
}

Metrics QaTask::measure(const Examples& part, const Logits& logits,
                        const Decision& decision) const {
  const std::vector<std::int64_t> decisions = decide(*this, logits, decision);
  metrics::Grouped<ConfusionMatrix> by_language(languages.size(), ConfusionMatrix(classes.size()));
  by_language.add_rows(part.groups, [&](ConfusionMatrix& matrix, std::size_t r) {
    matrix.add(part.targets[r], decisions[r]);
  });
  const ConfusionMatrix matrix = by_language.total();
  const std::vector<bool> comparable = comparable_languages(*this, part);
  const auto add_class = [&](std::size_t c, Metrics& measured) {
    measured.push_back({"precision", classes[c], matrix.precision(c)});
    measured.push_back({"recall", classes[c], matrix.recall(c)});
    measured.push_back({"f1", classes[c], matrix.f1(c)});
  };
  if (!selects_sentences()) {
    Metrics measured = {{"accuracy", "", matrix.accuracy()},
                        {"macro_f1", "", matrix.macro_f1()},
                        {"balanced_accuracy", "", matrix.balanced_accuracy()}};
    for (std::size_t c = 0; c < classes.size(); ++c) add_class(c, measured);
    add_language_metrics(*this, comparable, "accuracy", "accuracy",
                         by_language.figures([](const ConfusionMatrix& m) { return m.accuracy(); }),
                         measured);
    add_language_metrics(*this, comparable, "macro_f1", "f1",
                         by_language.figures(macro_f1_of_present), measured);
    return measured;
  }
  const std::vector<double> scores = sentence_scores(logits);
  ConfusionMatrix at_half(2);
  at_half.add(part.targets, at_threshold(scores, 0));
  std::vector<double> ranks = mean_reciprocal_ranks(*this, part, scores);
  Metrics measured = {{"positive_f1", "", positive_f1(matrix)},
                      {"positive_f1_half", "", positive_f1(at_half)},
                      {"positive_f1_several", "", f1_of_several(part, decisions)},
                      {"mrr", "", std::isnan(ranks.back()) ? 0 : ranks.back()},
                      {"average_precision", "", metrics::average_precision(scores, part.targets)}};
  ranks.pop_back();
  add_class(kPositive, measured);
  add_language_metrics(*this, comparable, "f1", "f1", by_language.figures(positive_f1), measured);
  add_language_metrics(*this, comparable, "mrr", "mrr", ranks, measured);
  return measured;
}

std::vector<bool> comparable_languages(const QaTask& task, const Examples& part) {
  std::vector<std::set<std::int64_t>> classes(task.languages.size());
  for (std::size_t r = 0; r < part.targets.size(); ++r) {
    classes[static_cast<std::size_t>(part.groups[r])].insert(part.targets[r]);
  }
  const auto has_all = [&](const auto& own) { return own.size() == task.classes.size(); };
  const bool needs_all = !task.selects_sentences() && std::ranges::any_of(classes, has_all);
  std::vector<bool> comparable;
  comparable.reserve(classes.size());
  for (const auto& own : classes) comparable.push_back(needs_all ? has_all(own) : !own.empty());
  return comparable;
}

void QaTask::describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const {
  const std::vector<std::int64_t> decisions = decide(*this, trained.test, trained.decision);
  run.resampled = resampled_confusion(test.targets, decisions, classes.size(),
                                      selects_sentences() ? positive_f1 : macro_f1, fact_starts);
  run.confusion = ConfusionMatrix(classes.size());
  run.confusion.add(test.targets, decisions);
  run.second = resampled_worst_language(*this, decisions);

  const calibrate::LogitCalibration fitted = fitted_calibration(*this, trained.validation);
  const auto add = [&](const char* way, const calibrate::LogitCalibration& calibration) {
    add_reliability(way, calibration.probabilities(trained.test.view()), classes.size(),
                    test.targets, run.test,
                    selects_sentences() ? std::optional(kPositive) : std::nullopt);
  };
  add("raw", {});
  add("fitted", fitted);
  std::vector<double> scale_and_bias = {fitted.scale};
  scale_and_bias.insert(scale_and_bias.end(), fitted.bias.begin(), fitted.bias.end());
  scale_and_bias.resize(classes.size() + 1, 0.0);  // without biases
  model_facts["offset"] = trained.decision.offset;
  model_facts["threshold"] = selects_sentences() ? trained.decision.thresholds.front() : 0.0;
  model_facts["calibration"] = scale_and_bias;
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
