#include "equipoise/eigen/neighbours.h"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <vector>

#include "equipoise/eigen/resampling.h"
#include "equipoise/resampling/edited_neighbours.h"
#include "equipoise/resampling/tomek_links.h"
#include "tests/support/errors.h"

namespace equipoise::eigen {
namespace {

using equipoise::detail::first_numbers;
using resampling::PlainNeighbours;
using testing::error_of;
using Numbers = std::vector<std::size_t>;

static_assert(resampling::NeighbourSearch<ExactNeighbours, float>);
static_assert(resampling::NeighbourSearch<ExactNeighbours, double>);

template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Between all rows, and of a third of them among those that are not every fifth.
template <class Matrix>
void expect_exact(const Matrix& rows) {
  const auto n = static_cast<std::size_t>(rows.rows());
  const Numbers all = first_numbers(n);
  const Numbers some = first_numbers(n / 3);
  Numbers others;
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 5 != 0) others.push_back(i);
  }
  for (const std::size_t k : {1u, 6u}) {
    EXPECT_EQ(ExactNeighbours{}(view(rows), all, all, k),
              PlainNeighbours{}(view(rows), all, all, k));
    EXPECT_EQ(ExactNeighbours{}(view(rows), some, others, k),
              PlainNeighbours{}(view(rows), some, others, k));
  }
}

// Less than a block, blocks, and their tails.
TEST(ExactNeighbours, EqualsThePlainSearch) {
  std::srand(1);
  for (const Eigen::Index n : {20, 256, 257, 555}) {
    expect_exact(Rows<float>(Rows<float>::Random(n, 19)));
    expect_exact(Rows<double>(Rows<double>::Random(n, 3)));
  }
  expect_exact(Eigen::MatrixXf(Eigen::MatrixXf::Random(300, 5)));
  expect_exact(Rows<float>(Rows<float>::Random(150, 400)));
}

// Where products in float say nothing, and where many rows are equally near.
TEST(ExactNeighbours, EqualsThePlainSearchWhereProductsSayLittle) {
  std::srand(2);
  expect_exact(Rows<float>(Rows<float>::Random(300, 4).array() + 1e4f));
  expect_exact(Rows<double>(Rows<double>::Random(300, 4).array() + 1e13));
  std::mt19937_64 random(3);
  expect_exact(Rows<float>(
      Rows<float>::NullaryExpr(290, 4, [&] { return static_cast<float>(random() % 4); })));
}

TEST(ExactNeighbours, IsASearchForPolicies) {
  std::srand(4);
  const Rows<float> rows = Rows<float>::Random(300, 6);
  std::vector<std::int64_t> labels(300);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 7 == 0 ? 1 : 0;
  const auto core = resampling::TomekLinks{}(view(rows), labels, 2);
  EXPECT_LT(core.size(), labels.size());
  EXPECT_EQ(resampling::TomekLinks{}(view(rows), labels, 2, ExactNeighbours{}), core);
  EXPECT_EQ(resampling::EditedNeighbours{}(view(rows), labels, 2, ExactNeighbours{}),
            resampling::EditedNeighbours{}(view(rows), labels, 2));
}

TEST(ExactNeighboursErrors, NameWhatIsWrong) {
  const Rows<float> rows = Rows<float>::Zero(4, 1);
  EXPECT_EQ(error_of([&] {
              ExactNeighbours{}(view(rows), Numbers{0}, Numbers{1, 0}, 1);
            }),
            "eigen::ExactNeighbours(): references[1] = 0, expected a number above the one before, "
            "1");
}

}  // namespace
}  // namespace equipoise::eigen
