#include "demos/sentiment/saved_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/common/input_error.h"

namespace equipoise::demos {
namespace {

using testing::HasSubstr;

TrainedModel model() {
  TrainedModel model{"weights_0.5",
                     0,
                     {"joy", "Ärger"},
                     std::vector<float>(std::size_t{kTextColumns}, 1.5F),
                     {0.25, -1e-300},
                     {{"weight", 4, 2, {0, 0, 1.25F, -3, 0, 0, 0, 1e-40F}},
                      {"bias", 1, 2, {std::numeric_limits<float>::min(), -0.5F}}}};
  model.idf[7] = 1.0F / 3.0F;
  return model;
}

class SavedModel : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::string error() const {
    try {
      load_model(path_);
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  }

  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + ".model");
};

TEST_F(SavedModel, IsReadAsItWasWritten) {
  const TrainedModel written = model();
  save_model(written, path_);
  const TrainedModel read = load_model(path_);
  EXPECT_EQ(read.strategy, written.strategy);
  EXPECT_EQ(read.hidden, written.hidden);
  EXPECT_EQ(read.classes, written.classes);
  EXPECT_EQ(read.idf, written.idf);
  EXPECT_EQ(read.offset, written.offset);
  ASSERT_EQ(read.parameters.size(), written.parameters.size());
  for (std::size_t i = 0; i < read.parameters.size(); ++i) {
    EXPECT_EQ(read.parameters[i].name, written.parameters[i].name);
    EXPECT_EQ(read.parameters[i].rows, written.parameters[i].rows);
    EXPECT_EQ(read.parameters[i].cols, written.parameters[i].cols);
    EXPECT_EQ(read.parameters[i].values, written.parameters[i].values);
  }
}

TEST_F(SavedModel, DoesWithoutRowsOfZeros) {
  TrainedModel large = model();
  large.parameters[0] = {"weight", 1000000, 2, std::vector<float>(2000000, 0.0F)};
  save_model(large, path_);
  const auto bound = std::size_t{kTextColumns} * sizeof(float) + 4096;
  EXPECT_LT(std::filesystem::file_size(path_), bound);
  EXPECT_EQ(load_model(path_).parameters[0].values, large.parameters[0].values);
}

TEST_F(SavedModel, EveryTruncationIsNoticed) {
  save_model(model(), path_);
  const std::string whole = read_file(path_);
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 3) {
    write_file(path_, std::string_view(whole).substr(0, size));
    EXPECT_THAT(error(), HasSubstr(":0: not a model that --save has written, or damaged")) << size;
  }
  write_file(path_, whole + "x");
  EXPECT_THAT(error(), HasSubstr("damaged"));
}

TEST_F(SavedModel, OtherFilesAreRefused) {
  write_file(path_, "{\"format\": 1}");
  EXPECT_THAT(error(), HasSubstr("not a model"));
  std::filesystem::remove(path_);
  EXPECT_THAT(error(), HasSubstr(":0: cannot be read"));
}

TEST_F(SavedModel, SizesThatDoNotFitAreRefused) {
  TrainedModel broken = model();
  broken.idf.pop_back();
  save_model(broken, path_);
  EXPECT_THAT(error(), HasSubstr("another number of features"));
  broken = model();
  broken.offset.push_back(0);
  save_model(broken, path_);
  EXPECT_THAT(error(), HasSubstr("the offset has another number of classes"));
  broken = model();
  broken.classes.pop_back();
  save_model(broken, path_);
  EXPECT_THAT(error(), HasSubstr("fewer than two classes"));
}

}  // namespace
}  // namespace equipoise::demos
