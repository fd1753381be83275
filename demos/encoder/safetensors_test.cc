#include "demos/encoder/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string file(const std::string& header, const std::string& numbers) {
  std::string size(8, '\0');
  for (std::size_t i = 0; i < size.size(); ++i) {
    size[i] = static_cast<char>(header.size() >> (8 * i) & 0xFFU);
  }
  return size + header + numbers;
}

std::string error_of(const std::string& content) {
  try {
    parse_safetensors(content, "x");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Safetensors, GivesTypesShapesAndNumbers) {
  const std::string one_and_two("\0\0\x80\x3f\0\0\0\x40", 8);
  const std::string content = file(
      R"({"b":{"dtype":"F32","shape":[2,1],"data_offsets":[2,10]},"a":{"dtype":"BF16","shape":[],)"
      R"("data_offsets":[0,2]},"n":{"dtype":"I64","shape":[0,7],"data_offsets":[10,10]},)"
      R"("__metadata__":{"format":"pt"}})",
      "\x80\xbf" + one_and_two);
  const auto tensors = parse_safetensors(content, "x");
  ASSERT_EQ(tensors.size(), 3U);
  EXPECT_EQ(tensors.at("b").type, "F32");
  EXPECT_THAT(tensors.at("b").shape, ElementsAre(2, 1));
  EXPECT_THAT(to_floats(tensors.at("b"), "x"), ElementsAre(1.0F, 2.0F));
  EXPECT_THAT(to_floats(tensors.at("a"), "x"), ElementsAre(-1.0F));
  EXPECT_THAT(tensors.at("n").shape, ElementsAre(0, 7));
}

TEST(Safetensors, ReadsHalfNumbers) {
  // 1, -2, the smallest subnormal, the largest subnormal, the largest, -infinity, NaN.
  const std::string bits("\x00\x3c\x00\xc0\x01\x00\xff\x03\xff\x7b\x00\xfc\x00\x7e", 14);
  const std::string content =
      file(R"({"h":{"dtype":"F16","shape":[7],"data_offsets":[0,14]}})", bits);
  const std::vector<float> values = to_floats(parse_safetensors(content, "x").at("h"), "x");
  ASSERT_EQ(values.size(), 7U);
  EXPECT_EQ(values[0], 1.0F);
  EXPECT_EQ(values[1], -2.0F);
  EXPECT_EQ(values[2], std::ldexp(1.0F, -24));
  EXPECT_EQ(values[3], std::ldexp(1023.0F, -24));
  EXPECT_EQ(values[4], 65504.0F);
  EXPECT_EQ(values[5], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(values[6]));
}

TEST(Safetensors, WritesWhatItReads) {
  const std::map<std::string, StoredTensor> tensors = {
      {"a", {"F32", {2, 1}, "12345678"}}, {"b", {"I64", {0, 7}, ""}}, {"c", {"U8", {}, "9"}}};
  const std::string content = to_safetensors(tensors);
  const auto read = parse_safetensors(content, "x");
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(read.at(name).type, tensor.type);
    EXPECT_EQ(read.at(name).shape, tensor.shape);
    EXPECT_EQ(read.at(name).bytes, tensor.bytes);
  }
  EXPECT_EQ((content.size() - 9) % 8, 0U);  // the numbers, 9 bytes, are aligned
  EXPECT_TRUE(parse_safetensors(to_safetensors({}), "x").empty());
}

TEST(Safetensors, RefusesWhatIsNotOne) {
  const auto entry = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  const std::string usual = R"("dtype":"U8","shape":[2],)";
  EXPECT_THAT(error_of("short"),
              HasSubstr("x:0: not a safetensors file: it ends before the header"));
  EXPECT_THAT(error_of(std::string(8, '\xff')), HasSubstr("its header is larger than the file"));
  EXPECT_THAT(error_of(file("[]", "")), HasSubstr("its header is no JSON object"));
  EXPECT_THAT(error_of(file("{", "")), HasSubstr("its header is no JSON object"));
  EXPECT_THAT(error_of(file(entry(usual + R"("data_offsets":[0,3])"), "abc")),
              HasSubstr("tensor 'a' has 3 bytes, which is not its shape"));
  EXPECT_THAT(error_of(file(entry(usual + R"("data_offsets":[0,2])"), "a")),
              HasSubstr("tensor 'a' lies at 0 to 2 of 1 bytes"));
  EXPECT_THAT(error_of(file(entry(usual + R"("data_offsets":[2,0])"), "ab")),
              HasSubstr("tensor 'a' lies at 2 to 0 of 2 bytes"));
  EXPECT_THAT(error_of(file(entry(usual + R"("data_offsets":[1,3])"), "abc")),
              HasSubstr("tensors overlap or leave a gap"));
  EXPECT_THAT(error_of(file(entry(usual + R"("data_offsets":[0,2])"), "abc")),
              HasSubstr("there is more behind the last tensor"));
  EXPECT_THAT(error_of(file(entry(usual + R"("data_offsets":[0])"), "ab")),
              HasSubstr("tensor 'a' has no two data_offsets"));
  EXPECT_THAT(error_of(file(entry(R"("dtype":"U8","shape":2,"data_offsets":[0,2])"), "ab")),
              HasSubstr("tensor 'a' has no list as its shape"));
  EXPECT_THAT(error_of(file(entry(R"("dtype":"U8","shape":[2])"), "ab")),
              HasSubstr("tensor 'a' is not described"));
  EXPECT_THAT(error_of(file(entry(R"("dtype":"U4","shape":[2],"data_offsets":[0,1])"), "a")),
              HasSubstr("tensor 'a' has the unknown type 'U4'"));
  EXPECT_THAT(error_of(file(entry(R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])"), "a")),
              HasSubstr("tensor 'a' has an extent that is no number from 0"));
  EXPECT_THAT(
      error_of(
          file(entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])"), "")),
      HasSubstr("which is not its shape"));
  EXPECT_THAT(error_of(file(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                            R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                            "abc")),
              HasSubstr("tensors overlap or leave a gap"));
  const std::string integers =
      file(R"({"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}})", "abcd");
  EXPECT_THROW(to_floats(parse_safetensors(integers, "x").at("a"), "x"), InputError);
}

}  // namespace
}  // namespace equipoise::demos
