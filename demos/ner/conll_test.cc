#include "demos/ner/conll.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

// Sentences as a text that parse_conll() reads: token, tab, tag; a blank line after each sentence.
std::string format_conll(const std::vector<TaggedSentence>& sentences,
                         const std::vector<std::string>& tags) {
  std::string text;
  for (const TaggedSentence& sentence : sentences) {
    for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
      text +=
          sentence.tokens[i] + "\t" + tags.at(static_cast<std::size_t>(sentence.tags[i])) + "\n";
    }
    text += '\n';
  }
  return text;
}

using std::filesystem::path;
using testing::ElementsAre;
using testing::HasSubstr;

const std::optional<FileScheme> kIob2 = file_scheme("iob2");

// The sentences as text, the tags by name: "token/tag token/tag | token/tag".
std::string shown(const ConllText& text) {
  std::string result;
  for (const TaggedSentence& sentence : text.sentences) {
    if (!result.empty()) result += " | ";
    for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
      result += (i == 0 ? "" : " ") + sentence.tokens[i] + "/" +
                text.tags[static_cast<std::size_t>(sentence.tags[i])];
    }
  }
  return result;
}

// What the InputError says that f() throws; nothing if it throws none.
template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const InputError& failure) {
    return failure.what();
  }
  return "";
}

std::string error(std::string_view text, const ConllOptions& options = {}) {
  return message_of([&] { parse_conll(text, "x", options); });
}

TEST(Conll, HasATokenALineAndBlankLinesBetweenSentences) {
  const ConllText text = parse_conll(
      "EU\tB-ORG\nrejects\tO\n\nPeter\tB-PER\nBlackburn\tI-PER\n \t \n\t\n\n.\tO\n", "x");
  EXPECT_EQ(shown(text), "EU/B-ORG rejects/O | Peter/B-PER Blackburn/I-PER | ./O");
  EXPECT_THAT(text.tags, ElementsAre("O", "B-ORG", "I-ORG", "B-PER", "I-PER"));
  EXPECT_EQ(text.sentences[1].tags, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(text.report.lines, 9U);
  EXPECT_EQ(text.report.blank_lines, 4U);
  EXPECT_EQ(text.report.tokens, 5U);
  EXPECT_EQ(text.report.sentences, 3U);
  EXPECT_EQ(text.report.malformed.count + text.report.broken.count + text.report.skipped.count, 0U);
  EXPECT_EQ(summary(text.report), "3 sentences, 5 tokens");
}

TEST(Conll, EndsLinesAsOnUnixOrWindowsOrNotAtAll) {
  EXPECT_EQ(shown(parse_conll("\uFEFFa\tO\r\n\r\nb\tO", "x")), "a/O | b/O");
  EXPECT_EQ(shown(parse_conll("a\tO\n\u00a0\u2003\nb\tO\n", "x")), "a/O | b/O");
  // As on old Macs; a return among other line ends; a return that Windows wrote twice.
  for (const std::string_view rows :
       {"a\tB-PER\rb\tI-PER\r\rc\tO\r", "a\tB-PER\rb\tI-PER\n\nc\tO\n",
        "a\tB-PER\r\r\nb\tI-PER\r\r\n\r\r\nc\tO\r\r\n"}) {
    const ConllText text = parse_conll(rows, "x");
    EXPECT_EQ(shown(text), "a/B-PER b/I-PER | c/O") << rows;
    EXPECT_EQ(text.report.lines, 4U) << rows;
  }
}

TEST(Conll, PartsColumnsByTabsOrSpaces) {
  EXPECT_EQ(shown(parse_conll("EU NNP B-NP B-ORG\nrejects  VBZ B-VP O \n", "x")),
            "EU/B-ORG rejects/O");
  // Where there are tabs, spaces are part of a token, but not around it.
  EXPECT_EQ(shown(parse_conll("New York\tB-LOC\n :) \tO\n", "x")), "New York/B-LOC :)/O");
  const std::string_view rows = "EU\tNNP\tB-NP\tB-ORG\n";
  EXPECT_EQ(shown(parse_conll(rows, "x", {.tag_column = 3})), "EU/B-NP");
  EXPECT_EQ(shown(parse_conll(rows, "x", {.tag_column = 4})), "EU/B-ORG");
}

TEST(Conll, SkipsDocumentLinesAndCommentsButNoHashTags) {
  const ConllText text = parse_conll(
      "-DOCSTART- -X- O O\n\n# id 7\tdomain=en\n#\tO\n#MH17\tB-LOC\n# a comment\n-DOCSTART-\n"
      "b\tO\n",
      "file");
  EXPECT_EQ(shown(text), "#/O #MH17/B-LOC | b/O");
  EXPECT_EQ(text.report.skipped.count, 4U);
  EXPECT_EQ(text.report.skipped.first, "file:1: a document begins");
  EXPECT_EQ(text.report.malformed.count, 0U);
  EXPECT_EQ(parse_conll("#\na\tO\n", "file").report.skipped.first, "file:1: a comment");
}

TEST(Conll, LeavesMalformedRowsOutAndCountsThem) {
  const std::string_view malformed[] = {"token",
                                        "token\t",
                                        "\tO",
                                        "  \u00a0\tO",
                                        "token\tNNP",
                                        "token\tB-",
                                        "token\tB",
                                        "token\tE-PER",
                                        "token\tb-PER",
                                        "token\tO\t",
                                        "\xff\tO",
                                        "token\tO-PER",
                                        std::string_view("to\0ken\tO", 8),
                                        std::string_view("token\tO\0", 8),
                                        "token\tB-X\u00a0Y"};
  for (const std::string_view row : malformed) {
    const std::string rows = "a\tB-PER\n" + std::string(row) + "\nb\tI-PER\n";
    const ConllText text = parse_conll(rows, "file", {.scheme = kIob2, .flaws = Flaws::kSkip});
    EXPECT_EQ(shown(text), "a/B-PER b/I-PER") << row;
    EXPECT_EQ(text.report.malformed.count, 1U) << row;
    EXPECT_EQ(text.report.broken.count, 0U) << row;
    EXPECT_EQ(text.report.lines, 3U) << row;
    EXPECT_EQ(text.report.tokens, 2U) << row;
    const std::string refused = error(rows, {.scheme = kIob2, .flaws = Flaws::kRefuse});
    EXPECT_THAT(refused, testing::StartsWith("x:2: ")) << row;
    EXPECT_THAT(error(rows, {.scheme = kIob2}), testing::StartsWith(refused)) << row;
    EXPECT_EQ(text.report.malformed.first, "file" + refused.substr(1)) << row;
  }
}

TEST(Conll, SaysWhatIsWrongWithARow) {
  const auto reason = [](std::string_view row, ConllOptions options = {}) {
    options.flaws = Flaws::kRefuse;
    return error(row, options);
  };
  EXPECT_EQ(reason("a b\n"),
            "x:1: 'b' in column 2 is not a tag of IOB2, expected O or a type after B- or I-");
  EXPECT_EQ(reason("a\t\n"), "x:1: the tag in column 2 is empty");
  EXPECT_EQ(reason("a\n"), "x:1: expected a tag in column 2, found 1 column");
  EXPECT_EQ(reason("a\tO\n", {.tag_column = 4}),
            "x:1: expected a tag in column 4, found 2 columns");
  EXPECT_EQ(reason("a\tO\n\tO\n"), "x:2: the token is empty");
  EXPECT_EQ(reason("a\tO\nb\xff\tO\n"), "x:2: byte 2 of the line is not UTF-8");
  EXPECT_EQ(reason("a\tO\n", {.token_column = 3}),
            "x:1: expected a token in column 3, found 2 columns");
  EXPECT_EQ(reason("a\tX-PER\n", {.scheme = file_scheme("bilou")}),
            "x:1: 'X-PER' in column 2 is not a tag of BILOU, expected O or a type after B-, I-, L- "
            "or U-");
  EXPECT_EQ(
      reason("a\tPER-B\nb\tPER-I\nc\tPER-\n"),
      "x:3: 'PER-' in column 2 is not a tag of IOB2 with the letter behind the type, expected "
      "O or a type before -B or -I");
  EXPECT_EQ(reason("a\tB\nb\tI\nc\tM\n", {.scheme = kIob2}),
            "x:3: 'M' in column 2 is not a tag of IOB2 without types, expected O, B or I");
  EXPECT_THAT(reason("a\t" + std::string(100000, 'x') + "\n"),
              HasSubstr("'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'"));
}

TEST(Conll, RepairsBrokenSequencesAndCountsThem) {
  const std::string_view rows =
      "a\tI-PER\nb\tI-PER\n\nc\tO\nd\tI-LOC\ne\tI-PER\n\nf\tB-PER\ng\tI-PER\n";
  const ConllText text = parse_conll(rows, "file", {.scheme = kIob2});
  EXPECT_EQ(shown(text), "a/B-PER b/I-PER | c/O d/B-LOC e/B-PER | f/B-PER g/I-PER");
  EXPECT_EQ(text.report.broken.count, 2U);
  EXPECT_EQ(text.report.broken.first, "file:1: 'I-PER' cannot begin a sentence");
  EXPECT_EQ(summary(text.report),
            "3 sentences, 7 tokens; 2 sentences with broken tags repaired, the first file:1: "
            "'I-PER' cannot begin a sentence");
  EXPECT_EQ(error(rows.substr(17), {.flaws = Flaws::kRefuse}), "x:2: 'I-LOC' cannot follow 'O'");
}

// The entities [Ann Lee] PER [Bob] PER, [the New York Times] ORG, [Oslo] LOC in each notation:
// rows of token and tag, and what is found. The notations read alike.
TEST(Conll, FindsTheSchemeOfTheTags) {
  const std::string_view words[] = {"Ann", "Lee",  "Bob",   "",   "the",
                                    "New", "York", "Times", "in", "Oslo"};
  const std::map<std::string, std::vector<std::string>> letters = {
      {"iob2", {"B", "I", "B", "", "B", "I", "I", "I", "O", "B"}},
      {"iob1", {"I", "I", "B", "", "I", "I", "I", "I", "O", "I"}},
      {"bioes", {"B", "E", "S", "", "B", "I", "I", "E", "O", "S"}},
      {"bilou", {"B", "L", "U", "", "B", "I", "I", "L", "O", "U"}},
      {"bmes", {"B", "E", "S", "", "B", "M", "M", "E", "O", "S"}}};
  const std::string types[] = {"PER", "PER", "PER", "", "ORG", "ORG", "ORG", "ORG", "", "LOC"};
  const auto rows_of = [&](const std::vector<std::string>& tags, int form) {
    std::string rows;
    for (std::size_t i = 0; i < std::size(words); ++i) {
      const std::string written[] = {tags[i] + "-" + types[i], tags[i] + "_" + types[i],
                                     types[i] + "-" + tags[i], tags[i]};
      rows += std::string(words[i]) + (words[i].empty() ? "" : "\t") +
              (types[i].empty() ? tags[i] : written[form]) + "\n";
    }
    return rows;
  };
  const std::string typed =
      "Ann/B-PER Lee/I-PER Bob/B-PER | the/B-ORG New/I-ORG York/I-ORG Times/I-ORG in/O Oslo/B-LOC";
  const std::string untyped =
      "Ann/B-entity Lee/I-entity Bob/B-entity | the/B-entity New/I-entity York/I-entity "
      "Times/I-entity in/O Oslo/B-entity";
  for (const auto& [flag, tags] : letters) {
    for (int form = 0; form < 4; ++form) {
      const std::string rows = rows_of(tags, form);
      const ConllText found = parse_conll(rows, "x", {.flaws = Flaws::kRefuse});
      EXPECT_EQ(shown(found), form == 3 ? untyped : typed) << rows;
      EXPECT_EQ(
          parse_conll(rows, "x", {.scheme = file_scheme(flag), .flaws = Flaws::kRefuse}).sentences,
          found.sentences)
          << rows;
      const bool is_plain = flag == "iob2" && form < 2;
      const std::string_view ends[] = {"", "", " with the letter behind the type",
                                       " without types"};
      EXPECT_EQ(
          found.report.converted.first,
          is_plain ? "" : "x:0: " + std::string(file_scheme(flag)->name) + std::string(ends[form]))
          << rows;
    }
  }
}

TEST(Conll, TakesTheSchemeThatIsGivenAndNoOtherTags) {
  const std::string_view bioes = "Ann\tS-PER\nin\tO\nOslo\tB-LOC\nCity\tE-LOC\n";
  EXPECT_EQ(
      error(bioes, {.scheme = file_scheme("iob2")}),
      "x:1: 'S-PER' in column 2 is not a tag of IOB2, expected O or a type after B- or I-; "
      "--tag_column says where tags stand, --scheme how they are written; --flaws=skip goes on "
      "without these rows");
  EXPECT_THAT(error(bioes, {.scheme = file_scheme("bilou")}),
              testing::StartsWith("x:1: 'S-PER' in column 2 is not a tag of BILOU"));
  EXPECT_EQ(summary(parse_conll(bioes, "x").report),
            "1 sentences, 4 tokens; 1 files with tags converted to IOB2, the first x:0: BIOES");
  const ConllText open =
      parse_conll("a\tB-PER\nb\tI-PER\n", "file", {.scheme = file_scheme("bilou")});
  EXPECT_EQ(shown(open), "a/B-PER b/I-PER");
  EXPECT_EQ(open.report.broken.first, "file:2: 'I-PER' cannot end a sentence");
  EXPECT_FALSE(file_scheme("auto"));
}

TEST(Conll, RefusesTagsThatFitNoScheme) {
  EXPECT_THAT(error("a\tO\nb\tB:PER\nc\tI:PER\n"),
              testing::StartsWith("x:2: 'B:PER' in column 2 is not a tag of IOB2"));
  EXPECT_THAT(error("a\tO\nb\tPER\n"), testing::StartsWith("x:2: 'PER' in column 2 is not a tag"));
  // One in a thousand too: its token cannot be left out of its sentence unnoticed.
  std::string rows;
  for (int i = 0; i < 1000; ++i) rows += "a\tU-PER\n\n";
  EXPECT_THAT(error(rows + "b\tX-PER\n"),
              testing::StartsWith("x:2001: 'X-PER' in column 2 is not a tag of BILOU"));
  EXPECT_EQ(parse_conll(rows + "b\tX-PER\n", "x", {.flaws = Flaws::kSkip}).report.tokens, 1000U);
}

TEST(Conll, RefusesFilesOfWhichMoreThanOneInAHundredRowsIsLeftOut) {
  std::string rows;
  for (int i = 0; i < 198; ++i) rows += "a\tB-PER\n\n";
  const std::string two = rows + "b\nc\n";  // 2 of 200
  EXPECT_EQ(parse_conll(two, "x").report.malformed.count, 2U);
  EXPECT_EQ(
      error(two + "d\n"),
      "x:397: expected a tag in column 2, found 1 column; 3 of 201 rows are like this, and "
      "more than 1 % is not left out: --tag_column says where tags stand; --flaws=skip goes on "
      "without these rows");
  EXPECT_EQ(parse_conll(two + "d\n", "x", {.flaws = Flaws::kSkip}).report.malformed.count, 3U);
  // Each reason by itself; comments and lines between documents are no flaws.
  EXPECT_EQ(parse_conll(two + "\tO\n\tO\n", "x").report.malformed.count, 4U);
  EXPECT_THAT(error(two + "\tO\n\xff\tO\n\tO\n\tO\n"),
              HasSubstr("x:399: the token is empty; 3 of 204 rows"));
  std::string comments = rows;
  for (int i = 0; i < 200; ++i) comments += "# id " + std::to_string(i) + "\n-DOCSTART-\n";
  EXPECT_EQ(parse_conll(comments, "x").report.skipped.count, 400U);
}

TEST(Conll, NoticesAColumnThatNumbersTheTokens) {
  const std::string_view rows =
      "# text = Ann left\n1\tAnn\tB-PER\n2\tleft\tO\n\n1\tin\tO\n2-3\tdu\tO\n2\tOslo\tB-LOC\n";
  EXPECT_EQ(error(rows),
            "x:2: column 1, where tokens are expected, numbers them ('1'); --token_column says "
            "where tokens stand");
  EXPECT_EQ(shown(parse_conll(rows, "x", {.token_column = 2})),
            "Ann/B-PER left/O | in/O du/O Oslo/B-LOC");
  EXPECT_EQ(shown(parse_conll(rows, "x", {.token_column = 1})), "1/B-PER 2/O | 1/O 2-3/O 2/B-LOC");
  // Through all of the file, from 0; and tags before the tokens.
  EXPECT_THAT(error("0 a O\n1 b O\n\n2 c O\n"), testing::StartsWith("x:1: column 1"));
  for (const std::string_view before : {"2-", "w", "s1."}) {
    std::string numbered;
    for (const char* const number : {"1", "2", "3"}) {
      numbered += std::string(before) + number + "\ta\tO\n";
    }
    EXPECT_THAT(error(numbered), testing::StartsWith("x:1: column 1")) << numbered;
  }
  EXPECT_THAT(error("1. a O\n2. b O\n3. c O\n"), testing::StartsWith("x:1: column 1"));
  EXPECT_EQ(shown(parse_conll("O a\nB-PER b\n", "x", {.token_column = 2, .tag_column = 1})),
            "a/O b/B-PER");
  // Numbers as texts have them.
  for (const std::string_view text :
       {"3\tO\n2\tO\n1\tO\ngo\tO\n", "1\tO\n2\tO\n", "1\tO\napple\tO\n\n2\tO\npears\tO\n"}) {
    EXPECT_EQ(error(text), "") << text;
  }
}

TEST(Conll, SkipsCommentsThatEndAsATagDoes) {
  const ConllText text = parse_conll("# text = They flew a B-52\nThey\tO\n#B-52\tB-MISC\n", "x");
  EXPECT_EQ(shown(text), "They/O #B-52/B-MISC");
  EXPECT_EQ(text.report.skipped.first, "x:1: a comment");
  EXPECT_EQ(shown(parse_conll("# text = a B-52\na O\n# O\n", "x")), "a/O #/O");
  // Where all rows begin with #, they are tokens.
  EXPECT_EQ(shown(parse_conll("#a O\n#b B-PER\n", "x")), "#a/O #b/B-PER");
}

TEST(Conll, KnowsTheTypesOfTrainingAndAddsOrRefusesOthers) {
  const ConllText train = parse_conll("a\tI-PER\nb\tB-LOC\n", "train");
  EXPECT_THAT(train.tags, ElementsAre("O", "B-PER", "I-PER", "B-LOC", "I-LOC"));
  const std::string_view dev = "c\tB-LOC\nd\tO\ne\tB-ORG\n";
  const ConllText added = parse_conll(dev, "dev", {.tags = train.tags});
  EXPECT_EQ(added.sentences[0].tags, (std::vector<std::int64_t>{3, 0, 5}));
  EXPECT_THAT(added.tags, ElementsAre("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"));
  EXPECT_EQ(error(dev, {.tags = train.tags, .refuses_new_types = true}),
            "x:3: the type 'ORG' is none of the known ones");
  EXPECT_THAT(parse_conll("a\tO\n", "x").tags, ElementsAre("O"));
  EXPECT_EQ(error("a\tB-PER\n", {.tags = {"O"}, .refuses_new_types = true}),
            "x:1: the type 'PER' is none of the known ones");
}

TEST(Conll, RefusesTextsWithoutTokensAndColumnsThatAreNotOfTags) {
  EXPECT_EQ(error(""), "x:1: the file is empty");
  EXPECT_EQ(error("\n\n"), "x:2: no row has a token and a tag");
  EXPECT_EQ(
      error("\nno\n"),
      "x:2: no row has a token and a tag; the first that is malformed: x:2: expected a tag in "
      "column 2, found 1 column; --tag_column says where tags stand");
  // UTF-16.
  EXPECT_EQ(
      error(std::string_view("\xff\xfe"
                             "a\0\n\0",
                             6)),
      "x:2: no row has a token and a tag; the first that is malformed: x:1: byte 1 of the line "
      "is not UTF-8; convert the file to UTF-8");
  EXPECT_EQ(
      error(std::string_view("a\0\t\0O\0", 6)),
      "x:1: no row has a token and a tag; the first that is malformed: x:1: byte 2 of the line "
      "is zero, expected text in UTF-8; convert the file to UTF-8");
  std::string rows;
  for (int i = 0; i <= 1000; ++i) rows += "a B-" + std::to_string(i) + "\n";
  EXPECT_EQ(
      error(rows),
      "x:1001: more than 1000 entity types; is this the column of the tags? See --tag_column");
}

TEST(Conll, IsReadFromSeveralFiles) {
  const path directory = path(testing::TempDir()) / "conll_files";
  make_directory(directory);
  write_file(directory / "a", "a\tB-PER\n\tO\n");
  write_file(directory / "b", "\n-DOCSTART-\nb\tI-LOC\nc\n");
  const std::vector<path> files = {directory / "a", directory / "b"};
  const ConllText text = read_conll(files, {.scheme = kIob2, .flaws = Flaws::kSkip});
  EXPECT_EQ(shown(text), "a/B-PER | b/B-LOC");
  EXPECT_THAT(text.tags, ElementsAre("O", "B-PER", "I-PER", "B-LOC", "I-LOC"));
  EXPECT_EQ(text.report.lines, 6U);
  EXPECT_EQ(text.report.tokens, 2U);
  EXPECT_EQ(text.report.sentences, 2U);
  EXPECT_EQ(text.report.malformed.count, 2U);
  EXPECT_EQ(text.report.malformed.first, files[0].string() + ":2: the token is empty");
  EXPECT_EQ(text.report.broken.first, files[1].string() + ":3: 'I-LOC' cannot begin a sentence");
  EXPECT_EQ(text.report.skipped.first, files[1].string() + ":2: a document begins");
  const std::vector<path> missing = {directory / "none"};
  EXPECT_THAT(message_of([&] { read_conll(missing); }), HasSubstr("none:0: cannot be read"));
  std::filesystem::remove_all(directory);
}

TEST(Conll, IsReadAsItWasWritten) {
  const std::vector<std::string> tags = {"O", "B-PER", "I-PER"};
  const std::vector<TaggedSentence> sentences = {{{"a", "New York", "#x"}, {0, 1, 2}},
                                                 {{"."}, {0}}};
  EXPECT_EQ(format_conll(sentences, tags), "a\tO\nNew York\tB-PER\n#x\tI-PER\n\n.\tO\n\n");
  EXPECT_EQ(parse_conll(format_conll(sentences, tags), "x", {.tags = tags}).sentences, sentences);
}

// Lines made of pieces that are good, malformed, skipped, blank: each is accounted for, and what
// was read is read again the same, without a flaw.
TEST(Conll, AccountsForEveryLine) {
  const std::string_view pieces[] = {
      "a\tO",          "b B-PER",  "c\tI-PER",   "d I-LOC",    "#",      "# x",
      "\tO",           "e",        "",           " \t",        "f\tX-A", "\xff",
      "-DOCSTART-\tO", "g\tB-ORG", "h i\tI-ORG", "#j\tB-PER\r"};
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string rows = "first\tO\n";
    const std::size_t lines = 1 + random() % 12;
    for (std::size_t i = 1; i < lines; ++i) {
      rows += std::string(pieces[random() % std::size(pieces)]) + "\n";
    }
    const ConllText text = parse_conll(rows, "x", {.flaws = Flaws::kSkip});
    const ConllReport& report = text.report;
    ASSERT_EQ(report.lines, lines) << rows;
    ASSERT_EQ(report.tokens + report.blank_lines + report.malformed.count + report.skipped.count,
              lines)
        << rows;
    const ConllText again =
        parse_conll(format_conll(text.sentences, text.tags), "x",
                    {.flaws = Flaws::kRefuse, .tags = text.tags, .refuses_new_types = true});
    ASSERT_EQ(again.sentences, text.sentences) << rows;
    ASSERT_EQ(again.tags, text.tags) << rows;
  }
}

// With EQUIPOISE_DATA set to where tools/fetch_data.sh puts the data sets.
class ConllData : public testing::Test {
 protected:
  void SetUp() override {
    const char* const data = std::getenv("EQUIPOISE_DATA");
    if (data == nullptr) GTEST_SKIP() << "EQUIPOISE_DATA is not set";
    directory_ = path(data) / "ner";
  }

  ConllText read(const std::vector<std::string>& names) const {
    std::vector<path> files;
    files.reserve(names.size());
    for (const std::string& name : names) files.push_back(directory_ / name);
    return read_conll(files);
  }

  path directory_;
};

TEST_F(ConllData, OfWnut17) {
  const ConllText train = read({"wnut17/wnut17train.conll"});
  EXPECT_EQ(summary(train.report), "3394 sentences, 62730 tokens");
  std::map<std::string, int> tags;
  for (const TaggedSentence& sentence : train.sentences) {
    for (const std::int64_t tag : sentence.tags) ++tags[train.tags[static_cast<std::size_t>(tag)]];
  }
  EXPECT_EQ(tags["O"], 59570);  // 95 %
  EXPECT_EQ(tags["I-corporation"], 46);
  EXPECT_EQ(tags.size(), 13U);
  EXPECT_EQ(summary(read({"wnut17/emerging.dev.conll"}).report), "1009 sentences, 15733 tokens");
  EXPECT_EQ(summary(read({"wnut17/emerging.test.annotated"}).report),
            "1287 sentences, 23394 tokens");
}

TEST_F(ConllData, OfTheBroadTwitterCorpus) {
  const ConllText train = read({"btc/a.conll", "btc/b.conll", "btc/e.conll", "btc/g.conll"});
  EXPECT_EQ(summary(train.report), "5338 sentences, 85480 tokens");
  EXPECT_THAT(train.tags, ElementsAre("O", "B-LOC", "I-LOC", "B-PER", "I-PER", "B-ORG", "I-ORG"));
  const ConllReport h = read({"btc/h.conll"}).report;
  EXPECT_EQ(h.tokens, 29476U);
  EXPECT_EQ(h.malformed.count, 4U);  // rows without a token
  EXPECT_THAT(h.malformed.first, testing::EndsWith("h.conll:22918: the token is empty"));
  const ConllReport f = read({"btc/f.conll"}).report;
  EXPECT_EQ(f.tokens, 35425U);
  EXPECT_EQ(f.malformed.count, 3U);
}

}  // namespace
}  // namespace equipoise::demos
