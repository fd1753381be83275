// CoNLL files: every line is accounted for, tags are well-formed, and what was read is read again.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "demos/ner/conll.h"
#include "equipoise/metrics/entity_sequences.h"
#include "equipoise/metrics/entity_tags.h"
#include "tests/fuzz/properties.h"

namespace {

using namespace equipoise;         // NOLINT(google-build-using-namespace)
using namespace equipoise::demos;  // NOLINT(google-build-using-namespace)

constexpr const char* kFile = "x";

void check_report(const ConllText& result, std::string_view text) {
  const ConllReport& report = result.report;
  if (text.starts_with("\uFEFF")) text.remove_prefix(3);
  require(report.lines == count_lines(text), "all lines are counted");
  require(report.lines ==
              report.tokens + report.malformed.count + report.skipped.count + report.blank_lines,
          "lines are tokens, malformed, skipped or blank");
  require(report.sentences == result.sentences.size(), "all sentences are counted");
  std::size_t tokens = 0;
  for (const TaggedSentence& sentence : result.sentences) tokens += sentence.tokens.size();
  require(report.tokens == tokens, "all tokens are counted");
  for (const auto* finding :
       {&report.malformed, &report.broken, &report.skipped, &report.converted}) {
    require((finding->count == 0) == finding->first.empty(), "findings have a first place");
  }
  require(!summary(report).empty(), "a report has a summary");
}

constexpr std::string_view kNoWord("\t\n\r\0", 4);  // what no token holds

void check_sentences(const ConllText& result, std::string_view text) {
  const metrics::EntityTags tags(result.tags);
  for (const TaggedSentence& sentence : result.sentences) {
    require(!sentence.tokens.empty(), "a sentence has tokens");
    require(sentence.tokens.size() == sentence.tags.size(), "each token has a tag");
    require(metrics::find_tag_breaks(sentence.tags, tags).count == 0, "tags are well-formed");
    std::size_t at = 0;
    for (const std::string& token : sentence.tokens) {
      require(!token.empty() && token.find_first_of(kNoWord) == std::string::npos,
              "tokens are words");
      at = text.find(token, at);
      require(at != std::string_view::npos, "tokens stand in the text in this order");
      at += token.size();
    }
  }
}

void check_round_trip(const ConllText& result) {
  // The blank line: a byte order mark that belongs to the first token must not begin the file.
  std::string written = "\n";
  for (const TaggedSentence& sentence : result.sentences) {
    for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
      const auto tag = static_cast<std::size_t>(sentence.tags[i]);
      written += sentence.tokens[i] + "\t" + result.tags[tag] + "\n";
    }
    written += '\n';
  }
  const ConllText again = parse_conll(written, kFile,
                                      {.token_column = 1,  // tokens may be numbers
                                       .flaws = Flaws::kRefuse,
                                       .tags = result.tags,
                                       .refuses_new_types = true});
  require(again.sentences == result.sentences && again.tags == result.tags,
          "what is written is read again");
  require(again.report.skipped.count == 0, "nothing that is written is skipped");
}

void check_result(const ConllText& result, std::string_view text) {
  check_report(result, text);
  check_sentences(result, text);
  check_round_trip(result);
}

void check(std::string_view text, const ConllOptions& options) {
  const auto result = result_of([&] { return parse_conll(text, kFile, options); }, text, kFile);
  ConllOptions strict = options;
  strict.flaws = Flaws::kRefuse;
  const auto refused = result_of([&] { return parse_conll(text, kFile, strict); }, text, kFile);
  ConllOptions lenient = options;
  lenient.flaws = Flaws::kSkip;
  const auto skipped = result_of([&] { return parse_conll(text, kFile, lenient); }, text, kFile);
  if (!result) {
    require(!refused, "what is refused with repairs is without");
    if (skipped) check_result(*skipped, text);
    return;
  }
  require(skipped && skipped->sentences == result->sentences,
          "to skip malformed rows is to go on, and nothing else");
  require(100 * result->report.malformed.count <=
              4 * (result->report.tokens + result->report.malformed.count),
          "not more than 1 % is left out for each of four reasons");
  const bool has_flaws = result->report.malformed.count + result->report.broken.count > 0;
  require(refused.has_value() != has_flaws, "flaws are refused, and nothing else");
  if (refused)
    require(refused->sentences == result->sentences, "without flaws nothing is repaired");
  check_result(*result, text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(data, size);
  check(text, {});
  for (const FileScheme& scheme : file_schemes()) check(text, {.scheme = scheme});
  check(text, {.tag_column = 3});
  check(text, {.token_column = 2});
  check(text, {.token_column = 2, .tag_column = 1});
  check(text, {.tags = {"O", "B-PER", "I-PER"}, .refuses_new_types = true});
  return 0;
}
