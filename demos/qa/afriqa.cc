#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/json.h"
#include "demos/common/unicode.h"
#include "demos/qa/answer_types.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

// One space for each run of white space, none around.
std::string with_folded_space(std::string_view text) {
  std::u32string folded;
  for (const char32_t point : code_points(text)) {
    if (!is_white_space(point)) {
      folded += point;
    } else if (!folded.empty() && folded.back() != U' ') {
      folded += U' ';
    }
  }
  if (folded.ends_with(U' ')) folded.pop_back();
  return to_utf8(folded);
}

// Without such characters at its ends.
std::string_view stripped(std::string_view text, std::string_view characters) {
  const std::size_t begin = text.find_first_not_of(characters);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(characters) - begin + 1);
}

// The answers in a list that is written as text, as answer_type_of() has it.
std::vector<std::string> answers_in(std::string_view list) {
  constexpr const char* kMark = "\xff";  // a byte that UTF-8 does not have
  const std::vector<std::string> parts = absl::StrSplit(
      absl::StrReplaceAll(std::string(list),
                          {{"', '", kMark}, {"', \"", kMark}, {"\", '", kMark}, {"\", \"", kMark}}),
      kMark);
  std::vector<std::string> answers;
  for (const std::string& part : parts) {
    const std::string folded = with_folded_space(part);
    std::string_view answer = folded;
    if (&part == &parts.front() && answer.starts_with('[')) answer.remove_prefix(1);
    if (&part == &parts.back() && answer.ends_with(']')) answer.remove_suffix(1);
    answer = stripped(stripped(stripped(answer, " "), "'\""), " ");
    while (answer.ends_with('.')) answer.remove_suffix(1);
    answers.push_back(fold_case(stripped(answer, " ")));
  }
  std::erase(answers, "");
  return answers;
}

bool is_yes_or_no(std::string_view answer) {
  return answer == "yes" || answer == "no" || answer == "oui" || answer == "non";
}

// Whether an answer is a number or a date and little else.
bool is_number_or_date(std::string answer) {
  constexpr const char* kWords[] = {
      "january",   "february",  "march",    "april",         "may",      "june",    "july",
      "august",    "september", "october",  "november",      "december", "janvier", "f\u00e9vrier",
      "fevrier",   "mars",      "avril",    "mai",           "juin",     "juillet", "ao\u00fbt",
      "septembre", "octobre",   "novembre", "d\u00e9cembre", "million",  "billion", "thousand",
      "percent",   "meters",    "metres",   "years",         "km"};
  constexpr std::ptrdiff_t kMostLetters = 3;
  for (const char* word : kWords) absl::StrReplaceAll({{word, " "}}, &answer);
  const std::u32string points = code_points(answer);
  return std::ranges::any_of(points, is_digit) &&
         std::ranges::count_if(points, is_letter) <= kMostLetters;
}

// The files of a part, by the language of their questions.
std::set<std::pair<std::string, path>> files_of(const path& directory, const std::string& part) {
  std::set<std::pair<std::string, path>> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::vector<std::string> words = absl::StrSplit(entry.path().filename().string(), '.');
    if (words.size() == 6 && words[0] == "queries" && words[1] == "afriqa" && words[4] == part &&
        words[5] == "json") {
      files.emplace(words[2], entry.path());
    }
  }
  if (files.empty()) {
    throw InputError(
        directory.string(), 0,
        "there is no file queries.afriqa.<language>.<pivot language>." + part + ".json");
  }
  return files;
}

AfriqaQuestion parse_line(const std::string& line, std::string_view name, std::size_t number) {
  try {
    const nlohmann::json row = parse_json(line, name, number);
    const auto text = [&](const char* key) { return row.at(key).get<std::string>(); };
    return {text("lang"), text("question"), text("translated_question"),
            answer_type_of(text("translated_answer"))};
  } catch (const nlohmann::json::exception& error) {
    throw InputError(name, number, reason_of(error));
  }
}

using Key = std::pair<std::string, std::string>;

Key key_of(const AfriqaQuestion& question) {
  return {question.language, with_folded_space(question.text)};
}

}  // namespace

const std::vector<std::string>& answer_type_names() {
  static const std::vector<std::string> names = {"text", "no_answer", "number_date", "yes_no"};
  return names;
}

AnswerType answer_type_of(std::string_view answers) {
  const std::vector<std::string> parts = answers_in(answers);
  if (parts.empty()) return AnswerType::kNoAnswer;
  if (std::ranges::any_of(parts, is_yes_or_no)) return AnswerType::kYesNo;
  if (std::ranges::any_of(parts, is_number_or_date)) return AnswerType::kNumberDate;
  return AnswerType::kText;
}

std::vector<AfriqaQuestion> parse_afriqa(std::string_view text, std::string_view name,
                                         Finding* damaged) {
  if (text.empty()) throw InputError(name, 1, "the file is empty");
  std::vector<AfriqaQuestion> questions;
  std::size_t number = 0;
  const std::vector<std::string> lines = absl::StrSplit(std::string(text), '\n');
  for (const std::string& line : lines) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      questions.push_back(parse_line(line, name, number));
    } catch (const InputError& error) {
      if (damaged == nullptr) throw;
      *damaged += {1, error.what()};
    }
  }
  return questions;
}

std::vector<AfriqaQuestion> read_afriqa(const path& directory, const std::string& part,
                                        Finding* damaged) {
  std::vector<AfriqaQuestion> questions;
  for (const auto& [language, file] : files_of(directory, part)) {
    for (AfriqaQuestion& question : parse_afriqa(read_file(file), file.string(), damaged)) {
      if (question.language != language) {
        throw InputError(file.string(), 0, "a question is of language '" + question.language + "'");
      }
      questions.push_back(std::move(question));
    }
  }
  return questions;
}

std::size_t drop_known(const std::vector<AfriqaQuestion>& known,
                       std::vector<AfriqaQuestion>& questions) {
  std::set<Key> keys;
  for (const AfriqaQuestion& question : known) keys.insert(key_of(question));
  return std::erase_if(
      questions, [&](const AfriqaQuestion& question) { return keys.contains(key_of(question)); });
}

}  // namespace equipoise::demos
