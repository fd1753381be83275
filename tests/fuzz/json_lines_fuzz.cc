// The JSON lines of AfriQA: a question for every line that is not blank, and what was read is read
// again.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/unicode.h"
#include "demos/qa/answer_types.h"
#include "tests/fuzz/properties.h"

namespace {

using namespace equipoise::demos;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

constexpr const char* kFile = "x";

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t size = text.find('\n');
    const std::string_view line = text.substr(0, size);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back(line);
    text.remove_prefix(size == std::string_view::npos ? text.size() : size + 1);
  }
  return lines;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(data, size);
  // Whatever it is, it has a type, which no white space around it changes.
  const AnswerType type = answer_type_of(text);
  require(static_cast<std::size_t>(type) < answer_type_names().size(), "a type has a name");
  require(answer_type_of(" \t" + std::string(text) + "\n") == type, "white space does not matter");

  const auto questions = result_of([&] { return parse_afriqa(text, kFile); }, text, kFile);
  if (!questions) return 0;
  const std::vector<std::string_view> lines = lines_of(text);
  require(questions->size() == lines.size(), "a line is a question");
  std::string written;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = lines[i];
    if (line.starts_with("\uFEFF")) line.remove_prefix(3);
    const json row = json::parse(line);
    const AfriqaQuestion& question = (*questions)[i];
    require(row.at("lang") == question.language && row.at("question") == question.text &&
                row.at("translated_question") == question.translation,
            "texts are those of the line");
    require(answer_type_of(row.at("translated_answer").get<std::string>()) == question.type,
            "the type is that of the answer");
    written += row.dump() + "\n";
  }
  if (lines.empty()) return 0;
  const std::vector<AfriqaQuestion> again = parse_afriqa(written, kFile);
  require(again.size() == questions->size(), "all questions are read again");
  for (std::size_t i = 0; i < again.size(); ++i) {
    require(again[i].text == (*questions)[i].text && again[i].type == (*questions)[i].type,
            "questions are read again");
  }
  return 0;
}
