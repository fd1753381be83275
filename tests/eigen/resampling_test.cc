#include "equipoise/eigen/resampling.h"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smote.h"
#include "tests/support/errors.h"

namespace equipoise::eigen {
namespace {

using resampling::Recipe;
using testing::error_of;

template <class Matrix>
void expect_synthesized() {
  Matrix rows(3, 2);
  rows << 0, 8, 4, 2, -4, 0;
  const std::vector<Recipe> recipes = {{0, 2, 0.25}, {1, 0, 0.5}};
  const Matrix made = synthesize(recipes, rows);
  Matrix expected(2, 2);
  expected << -1, 6, 2, 5;
  EXPECT_EQ(made, expected);
  const auto block = rows.middleRows(1, 2);
  EXPECT_EQ(synthesize(std::vector<Recipe>{{0, 1, 0.5}}, block).row(0),
            (rows.row(1) + rows.row(2)) / 2);
}

TEST(Synthesize, TakesMatricesOfEitherOrder) {
  expect_synthesized<Eigen::MatrixXf>();
  expect_synthesized<Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>();
}

// Of a matrix of fixed size other numbers of rows are made.
TEST(Synthesize, TakesFixedSizesAndArrays) {
  Eigen::Matrix<float, 3, 2> rows;
  rows << 0, 8, 4, 2, -4, 0;
  const std::vector<Recipe> recipes = {{0, 2, 0.25}, {1, 0, 0.5}, {2, 2, 0}, {1, 1, 0}};
  const Eigen::MatrixXf made = synthesize(recipes, rows);
  ASSERT_EQ(made.rows(), 4);
  EXPECT_EQ(made.topRows(3), (Eigen::Matrix<float, 3, 2>() << -1, 6, 2, 5, -4, 0).finished());
  const Eigen::Array<float, 3, 2, Eigen::RowMajor> array = rows.array();
  EXPECT_EQ(synthesize(recipes, array).matrix(), made);
  EXPECT_EQ(synthesize(std::vector<Recipe>(2), Eigen::RowVector2f(3, 4)).row(1),
            Eigen::RowVector2f(3, 4));
}

TEST(Synthesize, PoliciesTakeViews) {
  const Eigen::MatrixXd rows = Eigen::MatrixXd::Random(40, 3);
  std::vector<int> labels(40);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 4 == 0 ? 1 : 0;
  const resampling::RecipeStream stream(
      resampling::Smote{}(view(rows), labels, std::vector<std::uint64_t>{30, 30}), 1);
  EXPECT_EQ(synthesize(stream.epoch(0), rows).rows(), 20);
}

TEST(SynthesizeErrors, NameWhatIsWrong) {
  const Eigen::MatrixXf rows = Eigen::MatrixXf::Zero(3, 2);
  EXPECT_EQ(error_of([&] {
              synthesize(std::vector<Recipe>{{3, 0, 0.5}}, rows);
            }),
            "synthesize(): recipes[0].base = 3, expected a row below rows.rows = 3");
}

}  // namespace
}  // namespace equipoise::eigen
