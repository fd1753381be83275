#include "demos/qa/squad.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/qa/json_text.h"

namespace equipoise::demos {

namespace {

// An answer as the text has it, and where it stands by each unit.
struct Candidate {
  JsonValue value;
  std::size_t question;
  std::size_t answer;                // of the question
  std::optional<std::size_t> start;  // nothing where it is not known
  std::array<std::optional<TextRange>, kOffsetUnits.size()> at{};
};

bool is_blank(const JsonValue& text) {
  return text.value().is_null() || without_space_around(text.text()).empty();
}

std::string id_of(const JsonValue& id) {
  if (id.value().is_number_integer()) return id.value().dump();
  return id.text();
}

// Nothing where the place is not known.
std::optional<std::size_t> start_of(const JsonValue& start) {
  const nlohmann::json& value = start.value();
  if (value.is_null() || (!value.is_number_unsigned() && value == -1)) return std::nullopt;
  // As pandas writes a column of whole numbers in which some are missing.
  constexpr double kMost = 1e9;
  if (value.is_number_float() && value >= 0.0 && value <= kMost) {
    const double number = value.get<double>();
    if (number == std::floor(number)) return static_cast<std::size_t>(number);
  }
  return start.count();
}

class SquadParser {
 public:
  explicit SquadParser(const SquadOptions& options) : options_(options) {}

  SquadText parse(const JsonValue& root) {
    const JsonValue articles = root.value().is_array() ? root : root["data"];
    for (std::size_t a = 0; a < articles.size(); ++a) take_article(articles[a], a);
    SquadReport& report = result_.report;
    report.articles = articles.size();
    report.contexts = result_.contexts.size();
    report.questions = result_.questions.size();
    if (result_.questions.empty()) root.fail("there is no question");
    // Some other name for them, most likely.
    if (first_without_ && !has_answers_) first_without_->fail("there is no 'answers'");
    report.unit = unit_of_most();
    for (const Candidate& candidate : candidates_) place(candidate);
    for (const SquadQuestion& question : result_.questions) {
      report.answers += question.answers.size();
      if (question.answers.empty()) ++report.without_answers;
    }
    return std::move(result_);
  }

 private:
  void take_article(const JsonValue& article, std::size_t number) {
    if (!article.has("paragraphs") && article.has("context")) {  // a row of a table
      const AnswerFinder finder(article["context"].text());
      take_question(article, finder);
      result_.contexts.push_back({article["context"].text(), number});
      return;
    }
    const JsonValue paragraphs = article["paragraphs"];
    for (std::size_t p = 0; p < paragraphs.size(); ++p) {
      const JsonValue paragraph = paragraphs[p];
      const AnswerFinder finder(paragraph["context"].text());
      const JsonValue questions = paragraph["qas"];
      for (std::size_t q = 0; q < questions.size(); ++q) take_question(questions[q], finder);
      result_.contexts.push_back({paragraph["context"].text(), number});
    }
  }

  void take_question(const JsonValue& value, const AnswerFinder& finder) {
    SquadQuestion question{
        id_of(value["id"]), value["question"].text(), result_.contexts.size(), {}};
    if (!ids_.insert(question.id).second) {
      constexpr std::string_view kReason = "an earlier question has the same id";
      if (options_.repeated_ids == RepeatedIds::kRefuse) value["id"].fail(kReason);
      add(result_.report.repeated_ids, value["id"], kReason);
    }
    result_.questions.push_back(std::move(question));
    const std::size_t before = candidates_.size();
    is_impossible_ = value.has("is_impossible") && !value["is_impossible"].value().is_null() &&
                     value["is_impossible"].flag();
    if (value.has("answers")) {
      has_answers_ = true;
      take_answers(value["answers"], finder);
    } else if (!is_impossible_ && !first_without_) {
      first_without_ = value;
    }
    if (!is_impossible_ || candidates_.size() == before) return;
    take_flaw(result_.report.impossible, value, "is_impossible is true, but there is an answer");
    candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(before), candidates_.end());
    result_.questions.back().answers.clear();
  }

  void take_answers(const JsonValue& answers, const AnswerFinder& finder) {
    if (answers.value().is_null()) return;
    if (!answers.value().is_object()) {
      for (std::size_t i = 0; i < answers.size(); ++i) {
        take_answer(answers[i], answers[i]["text"], answers[i]["answer_start"], finder);
      }
      return;
    }
    const JsonValue texts = answers["text"];
    const JsonValue starts = answers["answer_start"];
    if (!texts.value().is_array()) return take_answer(answers, texts, starts, finder);
    if (texts.size() != starts.size()) {
      answers.fail(std::to_string(texts.size()) + " texts, but " + std::to_string(starts.size()) +
                   " places");
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      take_answer(texts[i], texts[i], starts[i], finder);
    }
  }

  // Of an answer with a text and a place; `value` is what errors name.
  void take_answer(const JsonValue& value, const JsonValue& text, const JsonValue& start,
                   const AnswerFinder& finder) {
    SquadQuestion& question = result_.questions.back();
    Candidate candidate{value, result_.questions.size() - 1, question.answers.size(),
                        start_of(start)};
    if (is_blank(text)) {
      if (candidate.start && !is_impossible_) {
        take_flaw(result_.report.blank, value, "the answer is empty");
      }
      return;
    }
    question.answers.push_back({text.text()});
    find_places(question.answers.back().text, finder, candidate);
    candidates_.push_back(std::move(candidate));
  }

  // By each unit: the answer itself, or, where that is at none of them, an equivalent.
  static void find_places(std::string_view answer, const AnswerFinder& finder,
                          Candidate& candidate) {
    if (!candidate.start) return;
    bool is_found = false;
    for (std::size_t u = 0; u < kOffsetUnits.size(); ++u) {
      candidate.at[u] = finder.exact_at(answer, *candidate.start, kOffsetUnits[u]);
      is_found = is_found || candidate.at[u];
    }
    for (std::size_t u = 0; u < kOffsetUnits.size() && !is_found; ++u) {
      candidate.at[u] = finder.equivalent_at(answer, *candidate.start, kOffsetUnits[u]);
    }
  }

  // The unit by which most answers stand at their places; the first of several.
  OffsetUnit unit_of_most() const {
    std::array<std::size_t, kOffsetUnits.size()> counts{};
    for (const Candidate& candidate : candidates_) {
      for (std::size_t u = 0; u < counts.size(); ++u) counts[u] += candidate.at[u] ? 1 : 0;
    }
    return kOffsetUnits[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) -
                                                 counts.begin())];
  }

  void place(const Candidate& candidate) {
    SquadQuestion& question = result_.questions[candidate.question];
    SquadAnswer& answer = question.answers[candidate.answer];
    const std::string_view context = result_.contexts[question.context].text;
    std::optional<TextRange> range = candidate.at[static_cast<std::size_t>(result_.report.unit)];
    if (range) {
      if (context.substr(range->begin, range->end - range->begin) != answer.text) {
        add(result_.report.respelled, candidate.value,
            "the context writes the answer with other spaces or accents");
      }
    } else {
      range = place_misplaced(candidate, answer.text, context);
    }
    if (!range) return;
    answer.begin = range->begin;
    answer.text = context.substr(range->begin, range->end - range->begin);
  }

  std::optional<TextRange> place_misplaced(const Candidate& candidate, std::string_view answer,
                                           std::string_view context) {
    SquadReport& report = result_.report;
    for (std::size_t u = 0; u < kOffsetUnits.size(); ++u) {
      if (!candidate.at[u]) continue;
      take_flaw(report.moved, candidate.value,
                "the answer stands at its offset in " + std::string(name_of(kOffsetUnits[u])) +
                    ", not in " + std::string(name_of(report.unit)));
      return candidate.at[u];
    }
    const AnswerFinder finder(context);
    if (!candidate.start) {
      const std::optional<TextRange> range = finder.only(answer);
      take_flaw(
          range ? report.moved : report.lost, candidate.value,
          range ? "the answer has no offset" : "the answer has no offset and no single place");
      return range;
    }
    const std::size_t size = finder.size(report.unit);
    if (*candidate.start > size && options_.misplaced == MisplacedAnswers::kRefuse) {
      candidate.value.fail("answer_start: " + std::to_string(*candidate.start) +
                           " is beyond the context, which has " + std::to_string(size) + " " +
                           std::string(name_of(report.unit)));
    }
    const std::optional<TextRange> range =
        finder.nearest(answer, finder.byte_at(*candidate.start, report.unit));
    take_flaw(range ? report.moved : report.lost, candidate.value,
              range ? "the answer stands elsewhere in the context"
                    : "the answer does not stand in the context");
    return range;
  }

  void take_flaw(Finding& finding, const JsonValue& value, std::string_view reason) {
    if (options_.misplaced == MisplacedAnswers::kRefuse) value.fail(reason);
    add(finding, value, reason);
  }

  static void add(Finding& finding, const JsonValue& value, std::string_view reason) {
    if (finding.count++ == 0) finding.first = value.message(reason);
  }

  const SquadOptions& options_;
  SquadText result_;
  std::unordered_set<std::string> ids_;
  std::vector<Candidate> candidates_;
  bool is_impossible_ = false;              // of the question that is being read
  bool has_answers_ = false;                // whether any question has the member
  std::optional<JsonValue> first_without_;  // the first question that has not, and should
};

}  // namespace

bool SquadQuestion::lacks_answer() const {
  return std::any_of(answers.begin(), answers.end(),
                     [](const SquadAnswer& answer) { return !answer.begin; });
}

std::string summary(const SquadReport& report) {
  std::string text = std::to_string(report.questions) + " questions on " +
                     std::to_string(report.contexts) + " contexts";
  if (report.without_answers > 0) {
    text += "; " + std::to_string(report.without_answers) + " without an answer";
  }
  if (report.unit != OffsetUnit::kCodePoints) {
    text += "; offsets count " + std::string(name_of(report.unit));
  }
  text += report.respelled.text("answers that their context writes otherwise");
  text += report.moved.text("answers moved to where they stand");
  text += report.lost.text("answers that do not stand in their context");
  text += report.blank.text("answers without a text left out");
  text += report.impossible.text("questions with answers that are said to have none");
  text += report.repeated_ids.text("questions with the id of another");
  return text;
}

SquadText parse_squad(std::string_view text, std::string_view name, const SquadOptions& options) {
  return SquadParser(options).parse(parse_json(text, name));
}

SquadText read_squad(const std::filesystem::path& file, const SquadOptions& options) {
  return parse_squad(read_file(file), file.string(), options);
}

}  // namespace equipoise::demos
