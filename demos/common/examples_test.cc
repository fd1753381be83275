#include "demos/common/examples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace equipoise::demos {
namespace {

using equipoise::testing::error_of;
using ::testing::ElementsAre;

Examples five_rows() {
  Examples examples;
  examples.features.starts = {0, 1, 1, 3, 4, 6};
  examples.features.columns = {4, 0, 2, 1, 0, 3};
  examples.features.values = {1, 2, 3, 4, 5, 6};
  return examples;
}

TEST(Examples, HaveRowsAsUnitsUnlessTheySayOthers) {
  Examples examples = five_rows();
  EXPECT_EQ(examples.rows(), 5U);
  EXPECT_EQ(examples.units(), 5U);
  for (std::size_t u = 0; u <= 5; ++u) EXPECT_EQ(examples.unit_begin(u), u);
  examples.unit_starts = {0, 3, 3, 5};  // the second one has no rows
  EXPECT_EQ(examples.rows(), 5U);
  EXPECT_EQ(examples.units(), 3U);
  EXPECT_EQ(examples.unit_begin(0), 0U);
  EXPECT_EQ(examples.unit_begin(1), 3U);
  EXPECT_EQ(examples.unit_begin(2), 3U);
  EXPECT_EQ(examples.unit_begin(3), 5U);
  EXPECT_EQ(Examples().rows(), 0U);
  EXPECT_EQ(Examples().units(), 0U);
}

TEST(Logits, AreAMatrixRowByRow) {
  const Logits logits{3, {1, 2, 3, 4, 5, 6}};
  const MatrixView<const float> view = logits.view();
  EXPECT_EQ(view.rows, 2U);
  EXPECT_EQ(view.cols, 3U);
  EXPECT_EQ(view(0, 2), 3);
  EXPECT_EQ(view(1, 0), 4);
}

TEST(RequireSameShapes, ComparesNamesShapesAndSizesButNotValues) {
  const std::vector<Parameter> own = {{"weight", {2, 3}, std::vector<float>(6, 1.0F)},
                                      {"bias", {3}, std::vector<float>(3, 2.0F)}};
  std::vector<Parameter> given = own;
  given[0].values[4] = -7;
  EXPECT_NO_THROW(require_same_shapes(given, own));
  EXPECT_NO_THROW(require_same_shapes({}, {}));
  const std::string message = "set_parameters(): names or shapes are not those of this model";
  const auto error = [&](const std::vector<Parameter>& others) {
    return error_of([&] { require_same_shapes(others, own); });
  };
  given = own;
  given[1].name = "bias_";
  EXPECT_EQ(error(given), message);
  given = own;
  given[0].shape = {3, 2};
  EXPECT_EQ(error(given), message);
  given = own;
  given[0].values.pop_back();
  EXPECT_EQ(error(given), message);
  EXPECT_EQ(error({own[1], own[0]}), message);
  EXPECT_EQ(error({own[0]}), message);
  EXPECT_EQ(error({own[0], own[1], own[1]}), message);
}

}  // namespace
}  // namespace equipoise::demos
