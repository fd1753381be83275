#include "demos/qa/squad.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/unicode.h"
#include "demos/qa/json_text.h"

namespace equipoise::demos {

namespace {

// The place nearest to an offset at which a text stands in another.
std::optional<std::size_t> nearest(std::string_view context, std::string_view text,
                                   std::size_t offset) {
  const std::size_t before = context.rfind(text, offset);
  const std::size_t after = context.find(text, offset);
  if (before == std::string_view::npos && after == std::string_view::npos) return std::nullopt;
  if (before == std::string_view::npos) return after;
  if (after == std::string_view::npos) return before;
  return offset - before <= after - offset ? before : after;
}

class SquadParser {
 public:
  explicit SquadParser(const SquadOptions& options) : options_(options) {}

  SquadText parse(const JsonValue& root) {
    const JsonValue articles = root["data"];
    for (std::size_t a = 0; a < articles.size(); ++a) {
      const JsonValue paragraphs = articles[a]["paragraphs"];
      for (std::size_t p = 0; p < paragraphs.size(); ++p) take_paragraph(paragraphs[p], a);
    }
    SquadReport& report = result_.report;
    report.articles = articles.size();
    report.contexts = result_.contexts.size();
    report.questions = result_.questions.size();
    if (result_.questions.empty()) root.fail("there is no question");
    return std::move(result_);
  }

 private:
  void take_paragraph(const JsonValue& paragraph, std::size_t article) {
    const std::string& context = paragraph["context"].text();
    const std::vector<std::size_t> offsets = code_point_offsets(context);
    const JsonValue questions = paragraph["qas"];
    for (std::size_t q = 0; q < questions.size(); ++q) {
      result_.questions.push_back(question(questions[q], context, offsets));
    }
    result_.contexts.push_back({context, article});
  }

  SquadQuestion question(const JsonValue& value, std::string_view context,
                         const std::vector<std::size_t>& offsets) {
    SquadQuestion question{
        value["id"].text(), value["question"].text(), result_.contexts.size(), {}};
    if (!ids_.insert(question.id).second) {
      constexpr std::string_view kReason = "an earlier question has the same id";
      if (options_.repeated_ids == RepeatedIds::kRefuse) value["id"].fail(kReason);
      add(result_.report.repeated_ids, value["id"], kReason);
    }
    const JsonValue answers = value["answers"];
    for (std::size_t i = 0; i < answers.size(); ++i) {
      question.answers.push_back(answer(answers[i], context, offsets));
    }
    result_.report.answers += question.answers.size();
    if (question.answers.empty()) ++result_.report.without_answers;
    return question;
  }

  SquadAnswer answer(const JsonValue& value, std::string_view context,
                     const std::vector<std::size_t>& offsets) {
    SquadAnswer answer{value["text"].text()};
    const JsonValue start = value["answer_start"];
    const std::size_t characters = offsets.size() - 1;
    const bool is_beyond = start.count() > characters;
    if (is_beyond && options_.misplaced == MisplacedAnswers::kRefuse) {
      start.fail(std::to_string(start.count()) + " is beyond the context, which has " +
                 std::to_string(characters) + " characters");
    }
    const std::size_t begin = offsets[is_beyond ? characters : start.count()];
    if (answer.text.empty()) {
      take_misplaced(result_.report.lost, value, "the answer is empty");
    } else if (context.substr(begin).starts_with(answer.text)) {
      answer.begin = begin;
    } else {
      answer.begin = nearest(context, answer.text, begin);
      take_misplaced(answer.begin ? result_.report.moved : result_.report.lost, value,
                     answer.begin ? "the answer stands elsewhere in the context"
                                  : "the answer does not stand in the context");
    }
    return answer;
  }

  void take_misplaced(Finding& finding, const JsonValue& value, std::string_view reason) {
    if (options_.misplaced == MisplacedAnswers::kRefuse) value.fail(reason);
    add(finding, value, reason);
  }

  static void add(Finding& finding, const JsonValue& value, std::string_view reason) {
    if (finding.count++ == 0) finding.first = value.message(reason);
  }

  const SquadOptions& options_;
  SquadText result_;
  std::unordered_set<std::string> ids_;
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
  text += report.moved.text("answers moved to where they stand");
  text += report.lost.text("answers that do not stand in their context");
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
