#include "demos/common/model_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kKind = "model of a test 1";

std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

SavedModel model() {
  using Limits = std::numeric_limits<float>;
  return {{{"strategy", "weights_0.5"},
           {"classes", {"joy", "Ärger", "怒り", "ghaḍab غضب", ""}},
           {"offset", {0.25, -1e-300, 1.0 / 3.0}},
           {"idf", to_block({1.5F, 1.0F / 3.0F})}},
          {{"weight", {4, 2}, {0, 0, 1.25F, -3, 0, 0, 0, 1e-40F}},
           {"größe", {2, 1, 3}, {0, Limits::infinity(), 0, 0, 0, -Limits::infinity()}},
           {"scalar", {}, {Limits::min()}},
           {"zero", {}, {0}},
           {"vector", {3}, {Limits::quiet_NaN(), Limits::max(), Limits::denorm_min()}},
           {"no rows", {0, 5}, {}},
           {"no columns", {5, 0}, {}},
           {"nothing", {0}, {}}}};
}

class ModelFile : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  void save(const SavedModel& written) const { save_model(kKind, written, path_); }
  // Writes what save_model() would not, changed from what it does.
  void save_changed(const std::function<void(json&)>& change) const {
    save(model());
    json stored = json::from_cbor(read_file(path_));
    change(stored);
    std::string bytes;
    json::to_cbor(stored, bytes);
    write_file(path_, bytes);
  }
  // What loading says, after the file's name; nothing if it goes well.
  std::string error(std::string_view kind = kKind) const {
    try {
      load_model(kind, path_);
    } catch (const InputError& failure) {
      const std::string text = failure.what();
      return text.rfind(path_.string(), 0) == 0 ? text.substr(path_.string().size()) : text;
    }
    return "";
  }

  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".model");
};

constexpr const char* kNotAModel = ":0: not a model that --save has written, or damaged: ";

TEST_F(ModelFile, IsReadAsItWasWritten) {
  const SavedModel written = model();
  save(written);
  const SavedModel read = load_model(kKind, path_);
  EXPECT_EQ(read.facts, written.facts);
  EXPECT_THAT(from_block(read.facts.at("idf")), ElementsAre(1.5F, 1.0F / 3.0F));
  ASSERT_EQ(read.parameters.size(), written.parameters.size());
  for (std::size_t i = 0; i < read.parameters.size(); ++i) {
    const Parameter& own = read.parameters[i];
    EXPECT_EQ(own.name, written.parameters[i].name);
    EXPECT_EQ(own.shape, written.parameters[i].shape) << own.name;
    EXPECT_EQ(bits_of(own.values), bits_of(written.parameters[i].values)) << own.name;
  }
}

TEST_F(ModelFile, MayBeEmpty) {
  save({});
  const SavedModel read = load_model(kKind, path_);
  EXPECT_TRUE(read.facts.is_null());
  EXPECT_TRUE(read.parameters.empty());
}

TEST_F(ModelFile, RowsOfZerosTakeNoSpace) {
  SavedModel large{{}, {{"weight", {1000000, 2}, std::vector<float>(2000000, 0.0F)}}};
  large.parameters[0].values[2 * 777777 + 1] = 1.5F;
  save(large);
  EXPECT_LT(std::filesystem::file_size(path_), 200U);
  EXPECT_EQ(load_model(kKind, path_).parameters, large.parameters);
}

TEST_F(ModelFile, EveryTruncationIsNoticed) {
  save(model());
  const std::string whole = read_file(path_);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(path_, std::string_view(whole).substr(0, size));
    EXPECT_THAT(error(), HasSubstr(kNotAModel)) << size;
  }
  write_file(path_, whole + "x");
  EXPECT_THAT(error(), HasSubstr(kNotAModel));
}

// Whatever happens to a byte, there is a model or an InputError, and nothing else.
TEST_F(ModelFile, AnyDamageIsAnErrorOrGoesUnseen) {
  save({{{"classes", {"a", "b"}}}, {{"weight", {2, 2}, {0, 0, 1, 2}}, {"bias", {2}, {3, 4}}}});
  const std::string whole = read_file(path_);
  std::size_t noticed = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char flipped : {'\x01', '\x10', '\x40', '\x60'}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flipped);
      write_file(path_, damaged);
      const std::string text = error();
      if (text.empty()) continue;
      EXPECT_THAT(text, HasSubstr(kNotAModel)) << at;
      ++noticed;
    }
  }
  EXPECT_GT(noticed, whole.size());  // of four changes a byte; many fall on names and numbers
}

TEST_F(ModelFile, OtherKindsAndOtherFilesAreRefused) {
  save(model());
  EXPECT_EQ(error("model of a test 2"), std::string(kNotAModel) + "it is something else");
  EXPECT_EQ(error(""), std::string(kNotAModel) + "it is something else");
  EXPECT_EQ(error(), "");
  save_changed([](json& stored) { stored.erase("format"); });
  EXPECT_EQ(error(), std::string(kNotAModel) + "it is something else");
  save_changed([](json& stored) { stored["format"] = 1; });
  EXPECT_THAT(error(), HasSubstr(kNotAModel));
  save_changed([](json& stored) { stored = json::array({stored}); });
  EXPECT_EQ(error(), std::string(kNotAModel) + "it is something else");
  write_file(path_, "{\"format\": 1}");
  EXPECT_THAT(error(), HasSubstr(kNotAModel));
  std::filesystem::remove(path_);
  EXPECT_THAT(error(), HasSubstr(":0: cannot be read"));
}

TEST_F(ModelFile, PartsThatAreMissingOrDoNotFitAreRefused) {
  const auto error_with = [&](const std::function<void(json&)>& change) {
    save_changed(change);
    return error();
  };
  const auto weight = [](json& stored) -> json& { return stored["parameters"][0]; };
  EXPECT_THAT(error_with([](json& s) { s.erase("facts"); }), HasSubstr(kNotAModel));
  EXPECT_THAT(error_with([](json& s) { s.erase("parameters"); }), HasSubstr(kNotAModel));
  for (const char* key : {"name", "shape", "kept", "values"}) {
    EXPECT_THAT(error_with([&](json& s) { weight(s).erase(key); }), HasSubstr(key));
  }
  const std::string sizes = std::string(kNotAModel) + "sizes of parameter weight do not fit";
  const auto with_shape = [&](const json& shape) {
    return error_with([&](json& s) { weight(s)["shape"] = shape; });
  };
  EXPECT_EQ(with_shape({4, 3}), sizes);
  EXPECT_EQ(with_shape({4}), sizes);
  EXPECT_EQ(with_shape({0, 2}), sizes);
  EXPECT_EQ(with_shape({3, 2}), std::string(kNotAModel) + "a row lies outside its matrix");
  const std::string shape = std::string(kNotAModel) + "parameter weight has an impossible shape";
  EXPECT_EQ(with_shape({4, -2}), shape);
  EXPECT_EQ(with_shape({-4, 2}), shape);
  EXPECT_EQ(with_shape({std::int64_t{1} << 62, 4}), shape);
  EXPECT_EQ(with_shape({std::int64_t{1} << 20, std::int64_t{1} << 20}), shape);
  EXPECT_THAT(with_shape({"4", 2}), HasSubstr(kNotAModel));
  EXPECT_THAT(error_with([&](json& s) {
                weight(s)["kept"] = json::binary({1, 0, 0});
              }),
              HasSubstr("a block has part of a number"));
  EXPECT_EQ(error_with([&](json& s) { weight(s)["kept"] = json::binary({1, 0, 0, 0}); }), sizes);
  EXPECT_THAT(error_with([&](json& s) { weight(s)["values"] = "text"; }), HasSubstr(kNotAModel));
}

TEST_F(ModelFile, IsNotWrittenWhereThereIsNoDirectory) {
  EXPECT_THROW(save_model(kKind, model(), path_.parent_path() / "nowhere" / "model"), InputError);
}

TEST(Block, HoldsNumbersToTheBit) {
  const std::vector<float> numbers = {0, -0.0F, 1e-45F, 3.25F,
                                      std::numeric_limits<float>::quiet_NaN()};
  EXPECT_EQ(bits_of(from_block(to_block(numbers))), bits_of(numbers));
  EXPECT_TRUE(from_block(to_block({})).empty());
  EXPECT_THROW(from_block(json::binary({1, 2, 3, 4, 5})), std::invalid_argument);
  EXPECT_THROW(from_block("text"), json::exception);
}

}  // namespace
}  // namespace equipoise::demos
