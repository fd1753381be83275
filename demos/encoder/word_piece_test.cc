#include "demos/encoder/word_piece.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsEmpty;

constexpr std::size_t kAll = 1000000;
const std::filesystem::path kGolden = "tests/golden/encoder";

const WordPiece& small() {
  static const WordPiece tokenizer(kGolden / "vocab.txt");
  return tokenizer;
}

// [UNK] 1, [CLS] 2, [SEP] 3, then the cat sat mat on hello world un ##aff ##able.
TEST(WordPiece, EqualsTheReference) {
  const nlohmann::json golden = nlohmann::json::parse(read_file(kGolden / "pieces.json"));
  ASSERT_GE(golden.size(), 60U);
  for (const nlohmann::json& each : golden) {
    EXPECT_EQ(small().encode(each.at("text").get<std::string>(), kAll).ids,
              each.at("ids").get<std::vector<std::int64_t>>())
        << each.at("text");
  }
}

TEST(WordPiece, CutsWhatIsTooLong) {
  EXPECT_THAT(small().encode("the unaffable cat", kAll).ids, ElementsAre(2, 5, 12, 13, 14, 6, 3));
  EXPECT_THAT(small().encode("the unaffable cat", 5).ids, ElementsAre(2, 5, 12, 13, 3));
  EXPECT_THAT(small().encode("", 3).ids, ElementsAre(2, 3));
  EXPECT_THAT(small().encode("the cat", 3).types, ElementsAre(0, 0, 0));
}

TEST(WordPiece, SaysWhereWordsBegin) {
  const std::vector<std::string> words = {"The", "unaffable", "\u200b", "cat", "sat"};
  const Pieces all = small().encode_words(words, kAll);
  EXPECT_THAT(all.ids, ElementsAre(2, 5, 12, 13, 14, 1, 6, 7, 3));
  EXPECT_THAT(all.starts, ElementsAre(1, 2, 5, 6, 7));
  const Pieces some = small().encode_words(words, 5);
  EXPECT_THAT(some.ids, ElementsAre(2, 5, 12, 13, 3));
  EXPECT_THAT(some.starts, ElementsAre(1, 2));
  EXPECT_THAT(small().encode("the cat", kAll).starts, IsEmpty());
}

TEST(WordPiece, PairsLoseTheEndOfTheLonger) {
  const Pieces all = small().encode_pair("the cat", "sat on the mat", kAll);
  EXPECT_THAT(all.ids, ElementsAre(2, 5, 6, 3, 7, 9, 5, 8, 3));
  EXPECT_THAT(all.types, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1, 1));
  EXPECT_THAT(small().encode_pair("the cat", "sat on the mat", 7).ids,
              ElementsAre(2, 5, 6, 3, 7, 9, 3));
  EXPECT_THAT(small().encode_pair("the cat", "sat on the mat", 3).ids, ElementsAre(2, 3, 3));
}

TEST(WordPiece, VocabulariesHaveTheMarksOnce) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "vocabulary";
  const auto error_of = [&](const std::string& content) -> std::string {
    write_file(path, content);
    try {
      const WordPiece made(path);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(error_of("[PAD]\n[UNK]\n[CLS]\n[SEP]\n"), "no error");
  EXPECT_THAT(error_of("[PAD]\n[UNK]\n[CLS]\n"), EndsWith(":0: there is no piece [SEP]"));
  EXPECT_THAT(error_of("a\n[PAD]\n[UNK]\n[CLS]\n[SEP]\n"),
              EndsWith(":1: expected [PAD], found 'a'"));
  EXPECT_THAT(error_of("[PAD]\n[UNK]\n[CLS]\n[SEP]\nThe\n"),
              EndsWith(":5: piece 'The' is of a cased model, expected an uncased one"));
  EXPECT_THAT(error_of("[PAD]\na\na\n"), EndsWith(":3: piece 'a' occurs twice"));
}

// CRC-32 as zlib has it (ISO 3309).
std::uint32_t checksum(const std::string& text) {
  std::uint32_t sum = 0xFFFFFFFFU;
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1U ^ ((sum & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~sum;
}

// On real texts with the vocabulary of MiniLM, where EQUIPOISE_DATA has both.
TEST(WordPiece, EqualsTheReferenceOnRealTexts) {
  const char* const data = std::getenv("EQUIPOISE_DATA");
  const std::filesystem::path root = data == nullptr ? "" : data;
  const std::filesystem::path vocabulary = root / "encoder/all-MiniLM-L6-v2/vocab.txt";
  if (data == nullptr || !std::filesystem::exists(vocabulary)) {
    GTEST_SKIP() << "needs EQUIPOISE_DATA with encoder/: tools/fetch_data.sh encoder";
  }
  EXPECT_EQ(checksum("123456789"), 0xCBF43926U);
  const WordPiece tokenizer(vocabulary);
  std::vector<std::string> golden = read_lines(kGolden / "lines.txt");
  std::size_t compared = 0;
  for (const char* file : {"sentiment/goemotions/train.tsv", "sentiment/goemotions/test.tsv"}) {
    const std::string content = read_file(root / file);
    const std::vector<std::string> rows = absl::StrSplit(content, '\n');
    for (std::size_t i = 0; i < rows.size() && compared < golden.size(); i += 20) {
      const std::vector<std::string> columns = absl::StrSplit(rows[i], '\t');
      if (columns.front().empty()) continue;
      const std::string ids = absl::StrJoin(tokenizer.encode(columns.front(), kAll).ids, " ");
      ASSERT_EQ(absl::StrFormat("%08x", checksum(ids)), golden[compared]) << columns.front();
      ++compared;
    }
  }
  EXPECT_EQ(compared, 2000U);
}

}  // namespace
}  // namespace equipoise::demos
