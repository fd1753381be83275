#include "demos/qa/squad.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/json.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;

// An answer as the text has it, and where it stands by each unit.
struct Candidate {
  std::string where;  // in the JSON
  std::size_t question;
  std::size_t answer;                // of the question
  std::optional<std::size_t> start;  // nothing where it is not known
  std::array<std::optional<TextRange>, kOffsetUnits.size()> at{};
};

// The elements of an array.
const json::array_t& elements_of(const json& value) {
  if (!value.is_array()) value.get<json::array_t>();  // says what it is instead
  return value.get_ref<const json::array_t&>();
}

bool is_null(const json& object, const char* key) {
  return !object.contains(key) || object.at(key).is_null();
}

bool is_blank(const json& text) {
  return text.is_null() || without_space_around(text.get<std::string>()).empty();
}

std::string id_of(const json& id) {
  return id.is_number_integer() ? id.dump() : id.get<std::string>();
}

std::string element(const std::string& list, std::size_t i) {
  return list + "[" + std::to_string(i) + "]";
}

class SquadParser {
 public:
  SquadParser(std::string_view name, Flaws flaws) : name_(name), flaws_(flaws) {}

  SquadText parse(const json& root) {
    const std::string list = root.is_array() ? "" : "data";
    const json::array_t& articles = elements_of(root.is_array() ? root : root.at("data"));
    for (std::size_t a = 0; a < articles.size(); ++a) take_article(articles[a], element(list, a));
    SquadReport& report = result_.report;
    if (result_.questions.empty()) throw InputError(name_, 0, "there is no question");
    // Some other name for them, most likely.
    if (!first_without_.empty() && !has_answers_) fail(first_without_, "there is no 'answers'");
    report.unit = unit_of_most();
    for (const Candidate& candidate : candidates_) place(candidate);
    for (const SquadQuestion& question : result_.questions) {
      if (question.answers.empty()) ++report.without_answers;
    }
    return std::move(result_);
  }

 private:
  void take_article(const json& article, const std::string& where) {
    if (!article.contains("paragraphs") && article.contains("context")) {  // a row of a table
      return take_context(article.at("context"), {&article, 1}, where, "");
    }
    const json::array_t& paragraphs = elements_of(article.at("paragraphs"));
    for (std::size_t p = 0; p < paragraphs.size(); ++p) {
      take_context(paragraphs[p].at("context"), elements_of(paragraphs[p].at("qas")), "",
                   element(where + ".paragraphs", p) + ".qas");
    }
  }

  // A context with its questions: a single one at a place, or those of a list.
  void take_context(const json& context, std::span<const json> questions, const std::string& where,
                    const std::string& list) {
    auto text = context.get<std::string>();
    const AnswerFinder finder(text);
    for (std::size_t q = 0; q < questions.size(); ++q) {
      take_question(questions[q], list.empty() ? where : element(list, q), finder);
    }
    result_.contexts.push_back(std::move(text));
  }

  void take_question(const json& value, const std::string& where, const AnswerFinder& finder) {
    SquadQuestion question{id_of(value.at("id")),
                           value.at("question").get<std::string>(),
                           result_.contexts.size(),
                           {}};
    if (!ids_.insert(question.id).second) {
      take_flaw(result_.report.repeated_ids, where + ".id", "an earlier question has the same id");
    }
    result_.questions.push_back(std::move(question));
    const std::size_t before = candidates_.size();
    is_impossible_ = !is_null(value, "is_impossible") && value.at("is_impossible").get<bool>();
    if (value.contains("answers")) {
      has_answers_ = true;
      take_answers(value.at("answers"), where + ".answers", finder);
    } else if (!is_impossible_ && first_without_.empty()) {
      first_without_ = where;
    }
    if (!is_impossible_ || candidates_.size() == before) return;
    take_flaw(result_.report.impossible, where, "is_impossible is true, but there is an answer");
    candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(before), candidates_.end());
    result_.questions.back().answers.clear();
  }

  void take_answers(const json& answers, const std::string& where, const AnswerFinder& finder) {
    if (answers.is_null()) return;
    if (!answers.is_object()) {
      const json::array_t& all = elements_of(answers);
      for (std::size_t i = 0; i < all.size(); ++i) {
        take_answer(all[i].at("text"), all[i].at("answer_start"), element(where, i), finder);
      }
      return;
    }
    const json& text = answers.at("text");
    const json& start = answers.at("answer_start");
    if (!text.is_array()) return take_answer(text, start, where, finder);
    const json::array_t& starts = elements_of(start);
    if (text.size() != starts.size()) {
      fail(where, std::to_string(text.size()) + " texts, but " + std::to_string(starts.size()) +
                      " places");
    }
    for (std::size_t i = 0; i < starts.size(); ++i) {
      take_answer(text[i], starts[i], element(where + ".text", i), finder);
    }
  }

  void take_answer(const json& text, const json& start, const std::string& where,
                   const AnswerFinder& finder) {
    SquadQuestion& question = result_.questions.back();
    Candidate candidate{where, result_.questions.size() - 1, question.answers.size(),
                        start_of(start, where)};
    if (is_blank(text)) {
      if (candidate.start && !is_impossible_) {
        take_flaw(result_.report.blank, where, "the answer is empty");
      }
      return;
    }
    question.answers.push_back({text.get<std::string>()});
    find_places(question.answers.back().text, finder, candidate);
    candidates_.push_back(std::move(candidate));
  }

  // Nothing where the place is not known.
  std::optional<std::size_t> start_of(const json& start, const std::string& where) const {
    if (start.is_null() || (!start.is_number_unsigned() && start == -1)) return std::nullopt;
    // As pandas writes a column of whole numbers in which some are missing.
    constexpr double kMost = 1e9;
    if (start.is_number_float() && start >= 0.0 && start <= kMost) {
      const auto number = start.get<double>();
      if (number == std::floor(number)) return static_cast<std::size_t>(number);
    }
    if (!start.is_number_unsigned()) {
      fail(where, "expected a whole number from 0 as answer_start, found " +
                      (start.is_number() ? start.dump() : std::string(start.type_name())));
    }
    return start.get<std::size_t>();
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
    const std::string_view context = result_.contexts[question.context];
    std::optional<TextRange> range = candidate.at[static_cast<std::size_t>(result_.report.unit)];
    if (range) {
      if (context.substr(range->begin, range->end - range->begin) != answer.text) {
        add(result_.report.respelled, candidate.where,
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
      take_flaw(report.moved, candidate.where,
                "the answer stands at its offset in " + std::string(name_of(kOffsetUnits[u])) +
                    ", not in " + std::string(name_of(report.unit)));
      return candidate.at[u];
    }
    const AnswerFinder finder(context);
    if (!candidate.start) {
      const std::optional<TextRange> range = finder.only(answer);
      take_flaw(
          range ? report.moved : report.lost, candidate.where,
          range ? "the answer has no offset" : "the answer has no offset and no single place");
      return range;
    }
    const std::size_t size = finder.size(report.unit);
    if (*candidate.start > size && flaws_ == Flaws::kRefuse) {
      fail(candidate.where, "answer_start: " + std::to_string(*candidate.start) +
                                " is beyond the context, which has " + std::to_string(size) + " " +
                                std::string(name_of(report.unit)));
    }
    const std::optional<TextRange> range =
        finder.nearest(answer, finder.byte_at(*candidate.start, report.unit));
    take_flaw(range ? report.moved : report.lost, candidate.where,
              range ? "the answer stands elsewhere in the context"
                    : "the answer does not stand in the context");
    return range;
  }

  [[noreturn]] void fail(const std::string& where, const std::string& reason) const {
    throw InputError(name_, 0, where + ": " + reason);
  }
  void take_flaw(Finding& finding, const std::string& where, const std::string& reason) {
    if (flaws_ == Flaws::kRefuse) fail(where, reason);
    add(finding, where, reason);
  }
  void add(Finding& finding, const std::string& where, const std::string& reason) const {
    if (finding.count++ == 0) finding.first = InputError(name_, 0, where + ": " + reason).what();
  }

  std::string_view name_;
  Flaws flaws_;
  SquadText result_;
  std::unordered_set<std::string> ids_;
  std::vector<Candidate> candidates_;
  bool is_impossible_ = false;  // of the question that is being read
  bool has_answers_ = false;    // whether any question has the member
  std::string first_without_;   // where the first question is that has not, and should
};

}  // namespace

SquadText parse_squad(std::string_view text, std::string_view name, Flaws flaws) {
  try {
    return SquadParser(name, flaws).parse(parse_json(text, name));
  } catch (const json::exception& error) {
    throw InputError(name, 0, reason_of(error));
  }
}

SquadText read_squad(const std::filesystem::path& file, Flaws flaws) {
  return parse_squad(read_file(file), file.string(), flaws);
}

}  // namespace equipoise::demos
