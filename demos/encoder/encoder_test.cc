#include "demos/encoder/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/encoder/word_piece.h"

namespace equipoise::demos {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kSmall = "tests/golden/encoder";

struct Batch {
  torch::Tensor ids;
  torch::Tensor types;
  torch::Tensor mask;
};

Batch batch_of(const std::vector<Pieces>& rows, std::int64_t padding) {
  std::size_t length = 0;
  for (const Pieces& row : rows) length = std::max(length, row.ids.size());
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto columns = static_cast<std::int64_t>(length);
  Batch batch{torch::full({count, columns}, padding, torch::kLong),
              torch::zeros({count, columns}, torch::kLong),
              torch::zeros({count, columns}, torch::kBool)};
  for (std::int64_t i = 0; i < count; ++i) {
    const Pieces& row = rows[static_cast<std::size_t>(i)];
    const auto size = static_cast<std::int64_t>(row.ids.size());
    batch.ids[i].narrow(0, 0, size).copy_(torch::tensor(row.ids, torch::kLong));
    batch.types[i].narrow(0, 0, size).copy_(torch::tensor(row.types, torch::kLong));
    batch.mask[i].narrow(0, 0, size).fill_(true);
  }
  return batch;
}

// All texts in one batch, so that most of them are padded.
void expect_golden_states(const std::filesystem::path& directory, const std::filesystem::path& file,
                          std::size_t most) {
  const torch::NoGradGuard no_grad;
  Encoder encoder = load_encoder(directory);
  const WordPiece tokenizer(directory / "vocab.txt");
  const nlohmann::json golden = nlohmann::json::parse(read_file(file));
  ASSERT_EQ(golden.size(), 64U);
  std::vector<Pieces> rows;
  for (const nlohmann::json& each : golden) {
    rows.push_back(tokenizer.encode(each.at("text").get<std::string>(), most));
  }
  const Batch batch = batch_of(rows, kPaddingPiece);
  const torch::Tensor states = encoder->forward(batch.ids, batch.types, batch.mask);
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const std::int64_t stride = golden[i].at("stride");
    for (const auto& [place, numbers] : golden[i].at("states").items()) {
      const auto expected = numbers.get<std::vector<float>>();
      const torch::Tensor found = states[static_cast<std::int64_t>(i)][std::stoll(place)]
                                      .slice(0, 0, {}, stride)
                                      .contiguous();
      ASSERT_EQ(found.numel(), static_cast<std::int64_t>(expected.size()));
      for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_NEAR(found.data_ptr<float>()[k], expected[k], 1e-5)
            << golden[i].at("text") << ", piece " << place;
      }
    }
  }
}

TEST(Encoder, EqualsTheReference) { expect_golden_states(kSmall, kSmall / "states.json", 40); }

TEST(Encoder, EqualsTheReferenceWithRealParameters) {
  const char* const data = std::getenv("EQUIPOISE_DATA");
  const std::filesystem::path directory =
      std::filesystem::path(data == nullptr ? "" : data) / "encoder/all-MiniLM-L6-v2";
  if (data == nullptr || !std::filesystem::exists(directory)) {
    GTEST_SKIP() << "needs EQUIPOISE_DATA with encoder/: tools/fetch_data.sh encoder";
  }
  expect_golden_states(directory, kSmall / "minilm.json", 128);
}

TEST(Encoder, LearnsAndDropsOnlyInTraining) {
  Encoder encoder = load_encoder(kSmall);
  const WordPiece tokenizer(kSmall / "vocab.txt");
  const Batch batch =
      batch_of({tokenizer.encode("the cat sat", 40), tokenizer.encode("on", 40)}, kPaddingPiece);
  const auto run = [&] { return encoder->forward(batch.ids, batch.types, batch.mask); };
  EXPECT_TRUE(torch::equal(run(), run()));
  encoder->train();
  EXPECT_FALSE(torch::equal(run(), run()));
  mean_of_pieces(run(), batch.mask).square().sum().backward();
  for (const auto& parameter : encoder->named_parameters()) {
    ASSERT_TRUE(parameter->grad().defined()) << parameter.key();
    EXPECT_TRUE(torch::isfinite(parameter->grad()).all().item<bool>()) << parameter.key();
  }
}

TEST(MeanOfPieces, LeavesPaddingOut) {
  const torch::Tensor states = torch::tensor({1.0F, 3.0F, 100.0F, 5.0F}).view({2, 2, 1});
  const torch::Tensor mask = torch::tensor({true, true, false, true}).view({2, 2});
  EXPECT_TRUE(torch::equal(mean_of_pieces(states, mask), torch::tensor({2.0F, 5.0F}).view({2, 1})));
  EXPECT_TRUE(torch::equal(mean_of_pieces(states, torch::zeros_like(mask)), torch::zeros({2, 1})));
}

class EncoderFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(::testing::TempDir()) /
                 ::testing::UnitTest::GetInstance()->current_test_info()->name();
    make_directory(directory_);
    config_ = nlohmann::json::parse(read_file(kSmall / "config.json"));
    write_file(directory_ / "model.safetensors", read_file(kSmall / "model.safetensors"));
  }
  std::string error() {
    write_file(directory_ / "config.json", config_.dump());
    try {
      load_encoder(directory_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path directory_{};
  nlohmann::json config_{};
};

// As files of older models have them.
TEST_F(EncoderFiles, MayHaveOlderNames) {
  std::string file = read_file(kSmall / "model.safetensors");
  for (const auto& [now, before] : {std::pair("LayerNorm.weight\"", "LayerNorm.gamma\" "),
                                    std::pair("LayerNorm.bias\"", "LayerNorm.beta\"")}) {
    const std::string name = now;
    for (std::size_t at = file.find(name); at != std::string::npos; at = file.find(name)) {
      file.replace(at, name.size(), before);
    }
  }
  write_file(directory_ / "model.safetensors", file);
  EXPECT_EQ(error(), "no error");
}

TEST_F(EncoderFiles, MistakesAreNamed) {
  EXPECT_EQ(error(), "no error");
  config_["num_hidden_layers"] = 3;
  EXPECT_THAT(error(), HasSubstr("model.safetensors:0: there is no tensor encoder.layer.2."));
  config_["num_hidden_layers"] = 2;
  config_["intermediate_size"] = 25;
  EXPECT_THAT(error(),
              HasSubstr("intermediate.dense.weight has the shape [24, 16], expected [25, 16]"));
  config_["intermediate_size"] = 24;
  config_["num_attention_heads"] = 3;
  EXPECT_THAT(error(), HasSubstr("hidden_size 16 cannot be parted among 3 heads"));
  config_["num_attention_heads"] = 0;
  EXPECT_THAT(error(), HasSubstr("expected num_attention_heads, a number from 1"));
  config_["num_attention_heads"] = 4;
  config_["hidden_act"] = "relu";
  EXPECT_THAT(error(), HasSubstr("hidden_act: expected gelu"));
  config_["hidden_act"] = nullptr;
  EXPECT_THAT(error(), HasSubstr("hidden_act: expected gelu"));
  config_["hidden_act"] = "gelu";
  config_["vocab_size"] = 1 << 24;
  EXPECT_THAT(error(),
              HasSubstr("model.safetensors:0: there are fewer numbers than config.json says"));
  config_ = nlohmann::json::array();
  EXPECT_THAT(error(), HasSubstr("config.json:0: expected the configuration of an encoder"));
}

}  // namespace
}  // namespace equipoise::demos
