#include "demos/qa/afriqa.h"

#include <absl/strings/str_split.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/json.h"
#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

// Without what satisfies a predicate at its ends.
template <class Predicate>
std::u32string_view stripped(std::u32string_view text, const Predicate& predicate) {
  while (!text.empty() && predicate(text.front())) text.remove_prefix(1);
  while (!text.empty() && predicate(text.back())) text.remove_suffix(1);
  return text;
}

bool is_quote(char32_t point) { return point == U'\'' || point == U'"'; }

// One space for each run of white space, none around.
std::u32string with_folded_space(std::u32string_view text) {
  std::u32string folded;
  for (const char32_t point : stripped(text, is_white_space)) {
    if (!is_white_space(point)) {
      folded += point;
    } else if (folded.back() != U' ') {
      folded += U' ';
    }
  }
  return folded;
}

// The answers in a list that is written as text, as answer_type_of() has it.
std::vector<std::u32string> answers_in(std::u32string_view list) {
  list = stripped(list, is_white_space);
  if (list.starts_with(U'[')) list.remove_prefix(1);
  if (list.ends_with(U']')) list.remove_suffix(1);

  std::vector<std::u32string> answers;
  const auto add = [&](std::u32string_view part) {
    part = stripped(stripped(part, is_white_space), is_quote);
    part = stripped(part, is_white_space);
    while (part.ends_with(U'.')) part.remove_suffix(1);
    std::u32string answer = code_points(fold_case(to_utf8(with_folded_space(part))));
    if (!answer.empty()) answers.push_back(std::move(answer));
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i + 4 <= list.size(); ++i) {
    if (!is_quote(list[i]) || list.substr(i + 1, 2) != U", " || !is_quote(list[i + 3])) continue;
    add(list.substr(begin, i - begin));
    begin = i + 4;
    i += 3;
  }
  add(list.substr(begin));
  return answers;
}

bool is_yes_or_no(std::u32string_view answer) {
  constexpr std::u32string_view kWords[] = {U"yes", U"no", U"oui", U"non"};
  return std::find(std::begin(kWords), std::end(kWords), answer) != std::end(kWords);
}

std::u32string with_spaces_for(std::u32string_view word, std::u32string_view text) {
  std::u32string result;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t at = std::min(text.find(word, begin), text.size());
    result += text.substr(begin, at - begin);
    if (at < text.size()) result += U' ';
    begin = at + word.size();
  }
  return result;
}

// Whether an answer is a number or a date and little else.
bool is_number_or_date(std::u32string answer) {
  constexpr std::u32string_view kWords[] = {
      U"january",       U"february",     U"march",     U"april",     U"may",      U"june",
      U"july",          U"august",       U"september", U"october",   U"november", U"december",
      U"janvier",       U"f\u00e9vrier", U"fevrier",   U"mars",      U"avril",    U"mai",
      U"juin",          U"juillet",      U"ao\u00fbt", U"septembre", U"octobre",  U"novembre",
      U"d\u00e9cembre", U"million",      U"billion",   U"thousand",  U"percent",  U"meters",
      U"metres",        U"years",        U"km"};
  constexpr std::ptrdiff_t kMostLetters = 3;
  if (std::none_of(answer.begin(), answer.end(), is_digit)) return false;
  for (const std::u32string_view word : kWords) answer = with_spaces_for(word, answer);
  return std::count_if(answer.begin(), answer.end(), is_letter) <= kMostLetters;
}

// A file and the language of its questions.
using PartFile = std::pair<std::string, path>;

// The files of a part, by language.
std::vector<PartFile> files_of(const path& directory, const std::string& part) {
  std::vector<PartFile> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    const std::vector<std::string> words = absl::StrSplit(name, '.');
    if (words.size() == 6 && words[0] == "queries" && words[1] == "afriqa" && words[4] == part &&
        words[5] == "json") {
      files.emplace_back(words[2], entry.path());
    }
  }
  if (files.empty()) {
    throw InputError(
        directory.string(), 0,
        "there is no file queries.afriqa.<language>.<pivot language>." + part + ".json");
  }
  std::sort(files.begin(), files.end());
  return files;
}

AfriqaQuestion parse_line(std::string_view line, std::string_view name, std::size_t number) {
  try {
    const nlohmann::json row = parse_json(line, name, number);
    const auto text = [&](const char* key) { return row.at(key).get<std::string>(); };
    return {text("lang"), text("question"), text("translated_question"),
            answer_type_of(text("translated_answer"))};
  } catch (const nlohmann::json::exception& error) {
    throw InputError(name, number, reason_of(error));
  }
}

using Key = std::pair<std::string, std::u32string>;

Key key_of(const AfriqaQuestion& question) {
  return {question.language, with_folded_space(code_points(question.text))};
}

}  // namespace

const std::vector<std::string>& answer_type_names() {
  static const std::vector<std::string> names = {"text", "no_answer", "number_date", "yes_no"};
  return names;
}

AnswerType answer_type_of(std::string_view answers) {
  const std::vector<std::u32string> parts = answers_in(code_points(answers));
  if (parts.empty()) return AnswerType::kNoAnswer;
  if (std::any_of(parts.begin(), parts.end(), is_yes_or_no)) return AnswerType::kYesNo;
  if (std::any_of(parts.begin(), parts.end(), is_number_or_date)) return AnswerType::kNumberDate;
  return AnswerType::kText;
}

std::vector<AfriqaQuestion> parse_afriqa(std::string_view text, std::string_view name,
                                         Finding* damaged) {
  if (text.empty()) throw InputError(name, 1, "the file is empty");
  std::vector<AfriqaQuestion> questions;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
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
