#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/json.h"
#include "demos/common/unicode.h"
#include "demos/qa/sentences.h"

namespace equipoise::demos {

namespace {

using nlohmann::json;

constexpr std::size_t kUnits = 3;
constexpr const char* kUnitNames[kUnits] = {"code points", "UTF-16 units", "UTF-8 bytes"};

// Where an answer stands by each unit.
using Places = std::array<std::optional<TextRange>, kUnits>;

bool is_known(const std::optional<TextRange>& place) { return place.has_value(); }

bool is_blank(std::string_view text) {
  const std::u32string points = code_points(text);
  return std::ranges::all_of(points, is_white_space);
}

// A text as it is compared: canonically decomposed, each run of white space a single space.
struct Folded {
  static constexpr std::size_t kWithin = std::string::npos;

  explicit Folded(std::string_view source) {
    const std::u32string points = code_points(source);
    const std::vector<std::size_t> offsets = code_point_offsets(source);
    // Marks belong to the letter before them; so do vowels and final consonants of Hangul that are
    // written apart.
    const auto goes_on = [](char32_t point) {
      return is_mark(point) || (0x1160 <= point && point <= 0x11ff);
    };
    for (std::size_t i = 0, next = 0; i < points.size(); i = next) {
      const bool is_space = is_white_space(points[i]);
      next = i + 1;
      while (next < points.size() &&
             (is_space ? is_white_space(points[next]) : goes_on(points[next]))) {
        ++next;
      }
      sources.resize(text.size(), kWithin);
      sources.push_back(offsets[i]);
      text += is_space ? " " : decomposed(source.substr(offsets[i], offsets[next] - offsets[i]));
    }
    sources.resize(text.size(), kWithin);
    sources.push_back(source.size());
  }

  std::string text;
  // Of each byte, and the end, where in the source the letter or white space begins that begins
  // there; kWithin for a byte within one.
  std::vector<std::size_t> sources;
};

// Finds answers in a context, which must outlive it.
//
// "Equivalent" are texts that differ only in what Unicode calls canonically equivalent (composed
// and decomposed letters), in the kind and number of white space characters between words, and in
// white space at the ends. An equivalent range of the context holds whole letters with their marks.
class AnswerFinder {
 public:
  explicit AnswerFinder(std::string_view context) : context_(context) {
    auto& [points, utf16, bytes] = starts_;
    points = code_point_offsets(context);
    for (std::size_t i = 0; i < points.size(); ++i) {
      utf16.push_back(points[i]);
      // What UTF-8 writes in four bytes, UTF-16 does in two units; at the second no answer begins.
      const bool is_pair = i + 1 < points.size() && points[i + 1] - points[i] == 4;
      if (is_pair) utf16.push_back(points[i] + 1);
    }
    bytes.resize(context.size() + 1);
    std::iota(bytes.begin(), bytes.end(), std::size_t{0});
  }

  std::size_t size(std::size_t unit) const { return starts_[unit].size() - 1; }

  // The answer itself at an offset; where it is there by no unit, an equivalent.
  Places at(std::string_view answer, std::size_t offset) {
    const Places exact = by_unit(offset, [&](std::size_t byte) {
      const bool is_there = context_.substr(byte).starts_with(answer);
      return is_there ? std::optional(TextRange{byte, byte + answer.size()}) : std::nullopt;
    });
    if (std::ranges::any_of(exact, is_known)) return exact;
    const std::vector<TextRange> ranges = equivalents(answer);
    // White space at the beginning of the answer may be left out.
    const bool begins_with_space = is_white_space(code_points(answer).front());
    return by_unit(offset, [&](std::size_t byte) -> std::optional<TextRange> {
      const auto next = std::ranges::lower_bound(ranges, byte, {}, &TextRange::begin);
      if (next == ranges.end()) return std::nullopt;
      const std::string_view between = context_.substr(byte, next->begin - byte);
      const bool is_there = between.empty() || (begins_with_space && is_blank(between));
      return is_there ? std::optional(*next) : std::nullopt;
    });
  }

  // All places of the answer, or, if there is none, of its equivalents.
  std::vector<TextRange> all(std::string_view answer) {
    std::vector<TextRange> places;
    for (std::size_t at = context_.find(answer); at != std::string::npos;
         at = context_.find(answer, at + 1)) {
      places.push_back({at, at + answer.size()});
    }
    return places.empty() ? equivalents(answer) : places;
  }

  // The nearest of them to an offset, the earlier of two.
  std::optional<TextRange> nearest(std::string_view answer, std::size_t offset, std::size_t unit) {
    const std::size_t byte = starts_[unit][std::min(offset, size(unit))];
    const std::vector<TextRange> places = all(answer);
    const auto found = std::ranges::min_element(places, {}, [&](const TextRange& range) {
      return range.begin < byte ? byte - range.begin : range.begin - byte;
    });
    return found == places.end() ? std::nullopt : std::optional(*found);
  }

 private:
  // What f(byte) has for the byte to which an offset leads, by each unit.
  template <class F>
  Places by_unit(std::size_t offset, const F& f) const {
    Places places;
    for (std::size_t u = 0; u < kUnits; ++u) {
      if (offset <= size(u)) places[u] = f(starts_[u][offset]);
    }
    return places;
  }

  std::vector<TextRange> equivalents(std::string_view answer) {
    if (!folded_) folded_.emplace(context_);
    const auto& [text, sources] = *folded_;
    const std::string folded_answer = Folded(answer).text;
    const std::string part(absl::StripAsciiWhitespace(folded_answer));
    std::vector<TextRange> ranges;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      const TextRange range{sources[at], sources[at + part.size()]};
      if (range.begin != Folded::kWithin && range.end != Folded::kWithin) ranges.push_back(range);
    }
    return ranges;
  }

  std::string_view context_;
  // By each unit the byte to which each offset leads, the end of the context among them.
  std::array<std::vector<std::size_t>, kUnits> starts_;
  std::optional<Folded> folded_;  // made when it is first needed
};

// An answer as the text has it, and where it stands by each unit.
struct Candidate {
  std::string where;  // in the JSON
  std::size_t question;
  std::size_t answer;                // of the question
  std::optional<std::size_t> start;  // nothing where it is not known
  Places at{};
};

// The elements of an array.
const json::array_t& elements_of(const json& value) {
  if (!value.is_array()) value.get<json::array_t>();  // says what it is instead
  return value.get_ref<const json::array_t&>();
}

std::string element(const std::string& list, std::size_t i) {
  return absl::StrCat(list, "[", i, "]");
}

class SquadParser {
 public:
  SquadParser(std::string_view name, Flaws flaws) : name_(name), flaws_(flaws) {}

  SquadText parse(const json& root) {
    const std::string list = root.is_array() ? "" : "data";
    const json::array_t& articles = elements_of(root.is_array() ? root : root.at("data"));
    for (std::size_t a = 0; a < articles.size(); ++a) take_article(articles[a], element(list, a));
    if (result_.questions.empty()) throw InputError(name_, 0, "there is no question");
    // Some other name for them, most likely.
    if (!first_without_.empty() && !has_answers_) fail(first_without_, "there is no 'answers'");
    const std::size_t unit = unit_of_most();
    result_.report.unit = kUnitNames[unit];
    for (const Candidate& candidate : candidates_) place(candidate, unit);
    for (const SquadQuestion& question : result_.questions) {
      if (question.answers.empty()) ++result_.report.without_answers;
    }
    return std::move(result_);
  }

 private:
  void take_article(const json& article, const std::string& where) {
    if (!article.contains("paragraphs") && article.contains("context")) {  // a row of a table
      AnswerFinder finder(add_context(article));
      take_question(article, where, finder);
      return;
    }
    const json::array_t& paragraphs = elements_of(article.at("paragraphs"));
    for (std::size_t p = 0; p < paragraphs.size(); ++p) {
      AnswerFinder finder(add_context(paragraphs[p]));
      const std::string list = element(where + ".paragraphs", p) + ".qas";
      const json::array_t& questions = elements_of(paragraphs[p].at("qas"));
      for (std::size_t q = 0; q < questions.size(); ++q) {
        take_question(questions[q], element(list, q), finder);
      }
    }
  }

  std::string_view add_context(const json& paragraph) {
    return result_.contexts.emplace_back(paragraph.at("context").get<std::string>());
  }

  void take_question(const json& value, const std::string& where, AnswerFinder& finder) {
    const json& id = value.at("id");
    result_.questions.push_back({id.is_number_integer() ? id.dump() : id.get<std::string>(),
                                 value.at("question").get<std::string>(),
                                 result_.contexts.size() - 1,
                                 {}});
    SquadQuestion& question = result_.questions.back();
    if (!ids_.insert(question.id).second) {
      take_flaw(result_.report.repeated_ids, where + ".id", "an earlier question has the same id");
    }
    const auto impossible = value.find("is_impossible");
    is_impossible_ = impossible != value.end() && !impossible->is_null() && impossible->get<bool>();
    const std::size_t before = candidates_.size();
    if (value.contains("answers")) {
      has_answers_ = true;
      take_answers(value.at("answers"), where + ".answers", finder);
    } else if (!is_impossible_ && first_without_.empty()) {
      first_without_ = where;
    }
    if (!is_impossible_ || candidates_.size() == before) return;
    take_flaw(result_.report.impossible, where, "is_impossible is true, but there is an answer");
    candidates_.resize(before);
    question.answers.clear();
  }

  void take_answers(const json& answers, const std::string& where, AnswerFinder& finder) {
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
      fail(where, absl::StrCat(text.size(), " texts, but ", starts.size(), " places"));
    }
    for (std::size_t i = 0; i < starts.size(); ++i) {
      take_answer(text[i], starts[i], element(where + ".text", i), finder);
    }
  }

  void take_answer(const json& text, const json& start, const std::string& where,
                   AnswerFinder& finder) {
    std::vector<SquadAnswer>& answers = result_.questions.back().answers;
    Candidate candidate{where, result_.questions.size() - 1, answers.size(),
                        start_of(start, where)};
    if (text.is_null() || is_blank(text.get<std::string>())) {
      if (candidate.start && !is_impossible_) {
        take_flaw(result_.report.blank, where, "the answer is empty");
      }
      return;
    }
    answers.push_back({text.get<std::string>()});
    if (candidate.start) candidate.at = finder.at(answers.back().text, *candidate.start);
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
      fail(where, absl::StrCat("expected a whole number from 0 as answer_start, found ",
                               start.is_number() ? start.dump() : start.type_name()));
    }
    return start.get<std::size_t>();
  }

  // The unit by which most answers stand at their places; the first of several.
  std::size_t unit_of_most() const {
    std::array<std::size_t, kUnits> counts{};
    for (const Candidate& candidate : candidates_) {
      for (std::size_t u = 0; u < kUnits; ++u) counts[u] += candidate.at[u] ? 1 : 0;
    }
    return static_cast<std::size_t>(std::ranges::max_element(counts) - counts.begin());
  }

  void place(const Candidate& candidate, std::size_t unit) {
    SquadQuestion& question = result_.questions[candidate.question];
    SquadAnswer& answer = question.answers[candidate.answer];
    const std::string_view context = result_.contexts[question.context];
    const std::optional<TextRange>& there = candidate.at[unit];
    const auto range = there ? there : place_misplaced(candidate, answer.text, context, unit);
    if (!range) return;
    const std::string_view found = context.substr(range->begin, range->end - range->begin);
    if (there && found != answer.text) {
      add(result_.report.respelled, candidate.where,
          "the context writes the answer with other spaces or accents");
    }
    answer = {std::string(found), range->begin};
  }

  std::optional<TextRange> place_misplaced(const Candidate& candidate, const std::string& answer,
                                           std::string_view context, std::size_t unit) {
    SquadReport& report = result_.report;
    for (std::size_t u = 0; u < kUnits; ++u) {
      if (!candidate.at[u]) continue;
      take_flaw(report.moved, candidate.where,
                absl::StrCat("the answer stands at its offset in ", kUnitNames[u], ", not in ",
                             kUnitNames[unit]));
      return candidate.at[u];
    }
    AnswerFinder finder(context);
    if (!candidate.start) {
      const std::vector<TextRange> places = finder.all(answer);
      const bool is_single = places.size() == 1;
      take_flaw(
          is_single ? report.moved : report.lost, candidate.where,
          is_single ? "the answer has no offset" : "the answer has no offset and no single place");
      return is_single ? std::optional(places.front()) : std::nullopt;
    }
    const std::size_t size = finder.size(unit);
    if (*candidate.start > size && flaws_ == Flaws::kRefuse) {
      fail(candidate.where,
           absl::StrCat("answer_start: ", *candidate.start, " is beyond the context, which has ",
                        size, " ", kUnitNames[unit]));
    }
    const std::optional<TextRange> range = finder.nearest(answer, *candidate.start, unit);
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
