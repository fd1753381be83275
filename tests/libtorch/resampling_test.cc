#include "equipoise/libtorch/resampling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdint>
#include <random>
#include <vector>

#include "tests/support/errors.h"
#include "tests/support/fake_device.h"

namespace equipoise::libtorch {
namespace {

namespace fake = testing::fake_device;
using resampling::Recipe;
using testing::error_of;

const std::vector<Recipe> kRecipes = {{0, 2, 0.25}, {1, 0, 0.5}, {2, 2, 0}};

TEST(Synthesize, InterpolatesInTheTypeOfTheRows) {
  const at::Tensor rows = at::tensor({0., 8., 4., 2., -4., 0.}).view({3, 2});
  const at::Tensor expected = at::tensor({-1., 6., 2., 5., -4., 0.}).view({3, 2});
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor made = synthesize(recipe_tensors(kRecipes), rows.to(type));
    EXPECT_EQ(made.scalar_type(), type);
    EXPECT_TRUE(at::equal(made.to(at::kDouble), expected.to(at::kDouble)));
  }
}

TEST(Synthesize, TakesRowsOfAnyShape) {
  const at::Tensor rows = at::arange(24, at::kFloat).view({4, 2, 3});
  const at::Tensor made = synthesize(recipe_tensors(kRecipes), rows);
  EXPECT_TRUE(at::equal(made[0], rows[0] + 0.25 * (rows[2] - rows[0])));
  EXPECT_EQ(synthesize(recipe_tensors({}), rows).size(0), 0);
  EXPECT_TRUE(at::equal(synthesize(recipe_tensors(kRecipes), at::arange(4, at::kFloat)),
                        at::tensor({0.5f, 0.5f, 2.0f})));
}

// The same rows as the core's, to rounding.
TEST(Synthesize, EqualsTheCore) {
  at::manual_seed(1);
  const at::Tensor rows = at::randn({50, 7});
  std::mt19937_64 random(1);
  std::vector<Recipe> recipes(200);
  for (Recipe& recipe : recipes) {
    recipe = {random() % 50, random() % 50, static_cast<double>(random() >> 11) * 0x1p-53};
  }
  const at::Tensor expected = at::empty({200, 7});
  resampling::synthesize(recipes, detail::matrix_view<const float>(rows),
                         detail::matrix_view<float>(expected));
  EXPECT_TRUE(at::allclose(synthesize(recipe_tensors(recipes), rows), expected, 1e-6, 1e-6));
}

TEST(Synthesize, PassesGradientsToTheRows) {
  const at::Tensor rows = at::zeros({3, 2}).requires_grad_();
  synthesize(recipe_tensors(kRecipes), rows).sum().backward();
  EXPECT_TRUE(
      at::equal(rows.grad(), at::tensor({1.25f, 1.25f, 0.5f, 0.5f, 1.25f, 1.25f}).view({3, 2})));
}

// On a device that counts what it is asked for: nothing is uploaded, and nothing waits.
TEST(Synthesize, StaysOnTheDevice) {
  if (!fake::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  const at::Tensor rows = at::arange(6, at::kFloat).view({3, 2});
  const at::Device device = fake::card(0);
  const at::Tensor there = rows.to(device);
  const RecipeTensors recipes = recipe_tensors(kRecipes).to(device, at::kFloat);
  fake::reset_counts();
  const at::Tensor made = synthesize(recipes, there);
  EXPECT_EQ(fake::counts().uploads, 0);
  EXPECT_EQ(fake::counts().downloads, 0);
  EXPECT_EQ(fake::counts().launches, 5);  // two gathers, and what lies between
  EXPECT_EQ(made.device(), device);
  EXPECT_TRUE(at::equal(made.to(at::kCPU), synthesize(recipe_tensors(kRecipes), rows)));
}

TEST(SynthesizeErrors, NameWhatIsWrong) {
  const at::Tensor rows = at::zeros({3, 2});
  const RecipeTensors recipes = recipe_tensors(kRecipes);
  EXPECT_EQ(error_of([&] { synthesize(recipes, at::zeros({})); }),
            "synthesize(): rows.dim() = 0, expected at least 1");
  EXPECT_NE(error_of([&] {
              synthesize(recipes, at::zeros({3, 2}, at::kLong));
            }),
            "nothing was thrown");
  RecipeTensors shorter = recipes;
  shorter.lambdas = at::zeros({2});
  EXPECT_NE(error_of([&] { synthesize(shorter, rows); }).find("recipes.lambdas"),
            std::string::npos);
  RecipeTensors elsewhere = recipes;
  elsewhere.neighbours = recipes.neighbours.to(at::kMeta);
  EXPECT_NE(error_of([&] { synthesize(elsewhere, rows); }).find("recipes.neighbours"),
            std::string::npos);
}

}  // namespace
}  // namespace equipoise::libtorch
