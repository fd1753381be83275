// SQuAD JSON: no question is lost, answers stand where they are said to, and what was read is read
// again. Sentences cover the contexts.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/unicode.h"
#include "demos/qa/sentences.h"
#include "tests/fuzz/properties.h"

namespace {

using namespace equipoise::demos;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

constexpr const char* kFile = "x";

bool is_null(const json& object, const char* key) {
  return !object.contains(key) || object.at(key).is_null();
}

bool is_blank(std::string_view text) {
  const std::u32string points = code_points(text);
  return std::all_of(points.begin(), points.end(), is_white_space);
}

bool is_none(const json& text) {
  return text.is_null() || is_blank(text.get_ref<const std::string&>());
}

// The answers of a question, in each of the ways to write them.
std::size_t count_answers(const json& question) {
  if (!is_null(question, "is_impossible") && question.at("is_impossible").get<bool>()) return 0;
  if (is_null(question, "answers")) return 0;
  const json& answers = question.at("answers");
  std::size_t count = 0;
  const auto add = [&](const json& text) { count += is_none(text) ? 0 : 1; };
  if (answers.is_array()) {
    for (const json& answer : answers) add(answer.at("text"));
  } else if (answers.at("text").is_array()) {
    const json& texts = answers.at("text");
    require(texts.size() == answers.at("answer_start").size(), "each text has a place");
    for (const json& each : texts) add(each);
  } else {
    add(answers.at("text"));
  }
  return count;
}

// What is in the text, by other means than the parser's.
void check_counts(const SquadText& result, std::string_view text) {
  if (text.starts_with("\uFEFF")) text.remove_prefix(3);
  const json root = json::parse(text);
  std::size_t contexts = 0;
  std::size_t questions = 0;
  std::size_t answers = 0;
  std::set<std::string> ids;
  const auto add = [&](const json& question) {
    ++questions;
    answers += count_answers(question);
    const json& id = question.at("id");
    ids.insert(id.is_string() ? id.get<std::string>() : id.dump());
  };
  for (const json& article : (root.is_array() ? root : root.at("data"))) {
    if (!article.contains("paragraphs")) {
      ++contexts;
      add(article);
      continue;
    }
    for (const json& paragraph : article.at("paragraphs")) {
      ++contexts;
      for (const json& question : paragraph.at("qas")) add(question);
    }
  }
  const SquadReport& report = result.report;
  require(contexts == result.contexts.size(), "no context is lost");
  require(questions == result.questions.size(), "no question is lost");
  std::size_t found = 0;
  for (const SquadQuestion& question : result.questions) found += question.answers.size();
  require(answers == found, "no answer is lost");
  require(questions - ids.size() == report.repeated_ids.count, "repeated ids are counted");
}

void check_answers(const SquadText& result) {
  std::size_t lost = 0;
  std::size_t without_answers = 0;
  for (const SquadQuestion& question : result.questions) {
    require(question.context < result.contexts.size(), "a question has a context");
    const std::string_view context = result.contexts[question.context];
    for (const SquadAnswer& answer : question.answers) {
      require(!is_blank(answer.text), "an answer is more than white space");
      if (!answer.begin) {
        ++lost;
        // Without an offset it is lost where it stands at several places, too.
        const std::size_t first = context.find(answer.text);
        require(first == std::string_view::npos ||
                    context.find(answer.text, first + 1) != std::string_view::npos,
                "an answer that is lost has no single place in its context");
      } else {
        require(*answer.begin <= context.size(), "an answer begins in its context");
        require(context.substr(*answer.begin, answer.text.size()) == answer.text,
                "an answer stands where it is said to");
        require(!first_invalid_utf8(answer.text), "an answer is whole code points");
      }
    }
    without_answers += question.answers.empty() ? 1 : 0;
  }
  require(lost == result.report.lost.count, "lost answers are counted");
  require(without_answers == result.report.without_answers,
          "questions without answers are counted");
}

void check_sentences(std::string_view context, const SentenceRules& rules) {
  const auto require_blank = [&](std::size_t begin, std::size_t end) {
    for (const char32_t point : code_points(context.substr(begin, end - begin))) {
      require(is_white_space(point), "between sentences is white space");
    }
  };
  std::size_t end = 0;
  for (const TextRange& range : split_sentences(context, rules)) {
    require(end <= range.begin && range.begin < range.end && range.end <= context.size(),
            "sentences are in order and apart");
    require(!first_invalid_utf8(context.substr(range.begin, range.end - range.begin)),
            "sentences are whole code points");
    require_blank(end, range.begin);
    end = range.end;
  }
  require_blank(end, context.size());
}

// The text again as JSON, with answers where they were found.
std::string written(const SquadText& text) {
  json paragraphs = json::array();
  for (const std::string& context : text.contexts) {
    paragraphs.push_back({{"context", context}, {"qas", json::array()}});
  }
  for (const SquadQuestion& question : text.questions) {
    json answers = json::array();
    for (const SquadAnswer& answer : question.answers) {
      const std::string_view context = text.contexts[question.context];
      json start = nullptr;
      if (answer.begin) start = code_points(context.substr(0, *answer.begin)).size();
      // One that is empty has a place, for without one it would be none.
      if (answer.text.empty()) start = 0;
      answers.push_back({{"text", answer.text}, {"answer_start", start}});
    }
    paragraphs[question.context]["qas"].push_back(
        {{"id", question.id}, {"question", question.text}, {"answers", answers}});
  }
  return json({{"data", {{{"paragraphs", paragraphs}}}}}).dump();
}

void check_round_trip(const SquadText& result) {
  const SquadText again = parse_squad(written(result), kFile);
  require(again.report.moved.count == 0, "answers stand where they were found");
  require(again.report.respelled.count == 0, "answers are as their context writes them");
  require(again.report.unit == "code points", "offsets count code points");
  require(again.report.lost.count == result.report.lost.count, "lost answers stay lost");
  require(again.questions.size() == result.questions.size(), "all questions are read again");
  for (std::size_t i = 0; i < again.questions.size(); ++i) {
    const SquadQuestion& a = result.questions[i];
    const SquadQuestion& b = again.questions[i];
    require(a.id == b.id && a.text == b.text && a.context == b.context &&
                a.answers.size() == b.answers.size(),
            "questions are read again");
    for (std::size_t k = 0; k < a.answers.size(); ++k) {
      require(a.answers[k].text == b.answers[k].text && a.answers[k].begin == b.answers[k].begin,
              "answers are read again");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(data, size);
  const auto result = result_of([&] { return parse_squad(text, kFile); }, text, kFile);
  const auto strict =
      result_of([&] { return parse_squad(text, kFile, Flaws::kRefuse); }, text, kFile);
  if (!result) {
    require(!strict, "what is refused with repairs is without");
    return 0;
  }
  const SquadReport& report = result->report;
  const std::size_t flaws = report.moved.count + report.lost.count + report.blank.count +
                            report.impossible.count + report.repeated_ids.count;
  require(strict.has_value() == (flaws == 0), "flaws are refused, and nothing else");
  check_counts(*result, text);
  check_answers(*result);
  check_round_trip(*result);
  for (const std::string& context : result->contexts) {
    check_sentences(context, {});
    check_sentences(context, {.ordinals = true});
  }
  return 0;
}
