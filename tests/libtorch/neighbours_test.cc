#include "equipoise/libtorch/neighbours.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "equipoise/resampling/adasyn.h"
#include "equipoise/resampling/borderline_smote.h"
#include "equipoise/resampling/edited_neighbours.h"
#include "equipoise/resampling/neighbourhood_cleaning.h"
#include "equipoise/resampling/smote.h"
#include "equipoise/resampling/tomek_links.h"
#include "tests/support/errors.h"
#include "tests/support/fake_device.h"

namespace equipoise::libtorch {
namespace {

namespace fake = testing::fake_device;
using equipoise::detail::first_numbers;
using resampling::PlainNeighbours;
using testing::error_of;
using Numbers = std::vector<std::size_t>;

static_assert(resampling::NeighbourSearch<TensorNeighbours, float>);
static_assert(resampling::NeighbourSearch<TensorNeighbours, double>);

// Between all rows, and of a third of them among those that are not every fifth.
template <class T>
void expect_exact(const at::Tensor& rows) {
  const auto view = detail::matrix_view<const T>(rows);
  const Numbers all = first_numbers(view.rows);
  const Numbers some = first_numbers(view.rows / 3);
  Numbers others;
  for (std::size_t i = 0; i < view.rows; ++i) {
    if (i % 5 != 0) others.push_back(i);
  }
  const TensorNeighbours search(rows);
  for (const std::size_t k : {1u, 6u}) {
    EXPECT_EQ(search(view, all, all, k), PlainNeighbours{}(view, all, all, k));
    EXPECT_EQ(search(search.sizes(), some, others, k), PlainNeighbours{}(view, some, others, k));
  }
}

TEST(TensorNeighbours, EqualsThePlainSearch) {
  at::manual_seed(1);
  for (const std::int64_t n : {20, 333}) {
    for (const std::int64_t columns : {1, 2, 3, 4, 7, 19, 130}) {
      expect_exact<float>(at::randn({n, columns}));
      expect_exact<double>(at::randn({n, columns}, at::kDouble));
    }
  }
}

// As many references as candidates, and as neighbours.
TEST(TensorNeighbours, EqualsThePlainSearchAmongFewRows) {
  at::manual_seed(2);
  for (std::int64_t n = 9; n < 16; ++n) expect_exact<float>(at::randn({n, 3}));
  const at::Tensor rows = at::randn({4, 2});
  const auto view = detail::matrix_view<const float>(rows);
  EXPECT_EQ(TensorNeighbours(rows)(view, Numbers{0, 3}, Numbers{1, 2}, 2),
            PlainNeighbours{}(view, Numbers{0, 3}, Numbers{1, 2}, 2));
}

// More queries and more references than are looked at in one go.
TEST(TensorNeighbours, EqualsThePlainSearchInBlocks) {
  at::manual_seed(3);
  const at::Tensor rows = at::randn({8300, 3});
  const auto view = detail::matrix_view<const float>(rows);
  const Numbers all = first_numbers(8300);
  const Numbers some = first_numbers(1100);
  EXPECT_EQ(TensorNeighbours(rows)(view, some, all, 5), PlainNeighbours{}(view, some, all, 5));
}

// Where bounds say little: far from the origin and close to each other, in clouds, and where many
// rows are equally near, or equal.
TEST(TensorNeighbours, EqualsThePlainSearchWhereProductsSayLittle) {
  at::manual_seed(4);
  const at::Tensor normal = at::randn({300, 4});
  expect_exact<float>(normal + 1e4);
  expect_exact<double>(at::randn({300, 4}, at::kDouble) + 1e13);
  expect_exact<float>(at::cat({normal.narrow(0, 0, 150) * 1e-3 + 1e5, normal.narrow(0, 150, 150)}));
  expect_exact<float>(at::randint(3, {300, 3}, at::kFloat));
  expect_exact<float>(at::ones({40, 3}));
}

TEST(TensorNeighbours, TakesTinyAndHugeNumbers) {
  at::manual_seed(5);
  const at::Tensor normal = at::randn({200, 2}, at::kDouble);
  for (const double scale : {1e-310, 1e-300, 1e-160, 1e-30, 1e30, 1e140, 1e300}) {
    SCOPED_TRACE(scale);
    expect_exact<double>(normal * scale);
  }
  for (const double scale : {1e-44, 1e-38, 1e-20, 1e20, 1e37}) {
    SCOPED_TRACE(scale);
    expect_exact<float>((normal * scale).to(at::kFloat));
  }
  at::Tensor beside_large = normal.clone();
  beside_large[0][0] = 1e20;
  expect_exact<double>(beside_large);
  expect_exact<float>(beside_large.to(at::kFloat));
  // Differences that no double holds.
  constexpr double kMost = std::numeric_limits<double>::max();
  const at::Tensor ends = at::arange(24, at::kDouble).view({24, 1});
  ends[0] = -kMost;
  for (std::int64_t i = 1; i < 4; ++i) ends[i] = kMost;
  expect_exact<double>(ends);
}

// Half types are what they are in float; strides and gradients do not matter.
TEST(TensorNeighbours, TakesRowsOfAnyTypeAndStrides) {
  at::manual_seed(6);
  for (const at::ScalarType type : {at::kHalf, at::kBFloat16}) {
    const at::Tensor rows = at::randn({200, 5}).to(type);
    const at::Tensor floats = rows.to(at::kFloat);
    const auto view = detail::matrix_view<const float>(floats);
    const Numbers all = first_numbers(200);
    EXPECT_EQ(TensorNeighbours(rows)(view, all, all, 3), PlainNeighbours{}(view, all, all, 3));
  }
  expect_exact<float>(at::randn({5, 200}).t().requires_grad_());
}

// What policies make with it is what they make on the host.
TEST(TensorNeighbours, IsASearchForPolicies) {
  at::manual_seed(7);
  const at::Tensor rows = at::randn({400, 6});
  const auto view = detail::matrix_view<const float>(rows);
  std::vector<std::int64_t> labels(400);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 7 == 0 ? 1 : 0;
  const std::vector<std::uint64_t> targets = {400, 400};
  const TensorNeighbours search(rows);
  const auto expect_equal = [&](const auto& policy, const auto& argument) {
    EXPECT_EQ(policy(search.sizes(), labels, argument, search), policy(view, labels, argument));
  };
  expect_equal(resampling::Smote{}, targets);
  expect_equal(resampling::BorderlineSmote{}, targets);
  expect_equal(resampling::BorderlineSmote{.kind = resampling::BorderlineKind::kBothClasses},
               targets);
  expect_equal(resampling::Adasyn{}, targets);
  expect_equal(resampling::TomekLinks{}, std::size_t{2});
  expect_equal(resampling::EditedNeighbours{}, std::size_t{2});
  expect_equal(resampling::RepeatedEditedNeighbours{}, std::size_t{2});
  expect_equal(resampling::AllNeighbours{}, std::size_t{2});
  expect_equal(resampling::NeighbourhoodCleaning{}, std::size_t{2});
}

// On a device whose memory the host cannot read: numbers of rows go there, one table comes back.
TEST(TensorNeighbours, WaitsOnce) {
  if (!fake::available()) GTEST_SKIP() << "needs LibTorch 2.1";
  at::manual_seed(8);
  const at::Tensor rows = at::randn({300, 7});
  const auto view = detail::matrix_view<const float>(rows);
  const TensorNeighbours search(rows.to(fake::card(0)));
  const Numbers all = first_numbers(300);
  fake::reset_counts();
  const auto table = search(search.sizes(), all, all, 5);
  EXPECT_EQ(fake::counts().uploads, 1);
  EXPECT_EQ(fake::counts().downloads, 1);
  EXPECT_EQ(table, PlainNeighbours{}(view, all, all, 5));
  const Numbers some = first_numbers(100);
  fake::reset_counts();
  search(search.sizes(), some, all, 5);
  EXPECT_EQ(fake::counts().uploads, 2);
  EXPECT_EQ(fake::counts().downloads, 1);
}

// With products of fewer digits allowed.
TEST(TensorNeighbours, IsExactWhateverPrecisionIsAllowed) {
  at::manual_seed(9);
  at::globalContext().setFloat32MatmulPrecision("medium");
  EXPECT_FALSE(detail::has_whole_products(at::kCPU));
  expect_exact<float>(at::randn({300, 64}));
  at::globalContext().setFloat32MatmulPrecision("highest");
  EXPECT_TRUE(detail::has_whole_products(at::kCPU));
}

TEST(TensorNeighbours, OfNoRowsAreNone) {
  const TensorNeighbours search(at::zeros({4, 1}));
  EXPECT_EQ(search(search.sizes(), Numbers{}, Numbers{}, 3).rows(), 0u);
}

TEST(TensorNeighboursErrors, NameWhatIsWrong) {
  const at::Tensor rows = at::arange(8, at::kFloat).view({4, 2});
  const TensorNeighbours search(rows);
  const auto message = [&](const Numbers& queries, const Numbers& references, std::size_t k) {
    return error_of([&] { search(search.sizes(), queries, references, k); });
  };
  EXPECT_EQ(message({0}, {0, 1, 4}, 1),
            "TensorNeighbours(): references[2] = 4, expected a row below rows.rows = 4");
  EXPECT_EQ(message({0}, {1, 2}, 3),
            "TensorNeighbours(): references.size() = 2, expected at least k = 3");
  EXPECT_EQ(
      error_of([&] { search(MatrixView<const float>(nullptr, 3, 2), Numbers{0}, Numbers{1}, 1); }),
      "TensorNeighbours(): rows.rows = 3, expected 4 (of the tensor)");
  EXPECT_EQ(error_of([] { TensorNeighbours(at::zeros({4})); }),
            "TensorNeighbours(): rows.dim() = 1, expected 2");
  EXPECT_NE(error_of([] { TensorNeighbours(at::zeros({4, 2}, at::kLong)); }), "nothing was thrown");
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    rows[2][1] = bad;
    EXPECT_EQ(message({0, 3}, {1, 3}, 1), "nothing was thrown");
    const std::string expected = bad != bad ? "nan" : "inf";
    EXPECT_EQ(message({0}, {1, 2, 3}, 1),
              "TensorNeighbours(): rows(2, 1) = " + expected + ", expected a finite number");
    EXPECT_EQ(message({2}, {0, 1, 3}, 1),
              "TensorNeighbours(): rows(2, 1) = " + expected + ", expected a finite number");
  }
}

}  // namespace
}  // namespace equipoise::libtorch
