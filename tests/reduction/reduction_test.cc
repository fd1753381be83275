#include "equipoise/reduction/reduction.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/errors.h"
#include "tests/support/users_own.h"

namespace equipoise {
namespace {

using testing::error_of;

static_assert(LossReduction<MeanByCount> && LossReduction<MeanByWeight> &&
              LossReduction<SumOverRows> && LossReduction<MeanByPositives> &&
              LossReduction<MeanPerClass> && LossReduction<MeanPerGroup>);

// A user's reduction: bucket 0 counts twice as much as bucket 1.
struct Uneven {
  std::size_t group_count() const { return 2; }
  std::size_t buckets() const { return 2; }
  template <class Row>
  auto bucket(const Row& row) const {
    return row.group;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
  double share(std::size_t k) const { return k == 0 ? 2.0 / 3 : 1.0 / 3; }
};
static_assert(LossReduction<Uneven> && LossReduction<testing::MeanPerCell>);

// Looks at the group, and does not say how many there are.
struct Undeclared {
  std::size_t buckets() const { return 2; }
  template <class Row>
  auto bucket(const Row& row) const -> decltype(row.group) {
    return row.group;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
};
static_assert(!LossReduction<Undeclared>);

const ReductionRow<> kRow{2, 0.5, 1, 0.25};

TEST(Reductions, SayBucketAndMassOfARow) {
  EXPECT_EQ(MeanByCount{}.mass(kRow), 1.0);
  EXPECT_EQ(MeanByWeight{}.mass(kRow), 0.5);
  EXPECT_EQ(MeanByPositives{}.mass(kRow), 0.25);
  EXPECT_EQ(MeanPerClass{3}.buckets(), 3u);
  EXPECT_EQ(MeanPerClass{3}.bucket(kRow), 2u);
  EXPECT_EQ(MeanPerGroup{2}.bucket(kRow), 1u);
  EXPECT_EQ(MeanPerGroup{2}.mass(kRow), 0.5);
}

TEST(Coefficients, AreSharesOverDenominators) {
  const LossPartial one{{{6.0, 4.0, 3.0}}};
  EXPECT_EQ(coefficients(MeanByWeight{}, one), std::vector<double>{0.25});
  EXPECT_EQ(coefficients(SumOverRows{}, one), std::vector<double>{1.0});
  // The empty bucket neither divides nor counts.
  const LossPartial three{{{6.0, 4.0, 3.0}, {0.0, 0.0, 0.0}, {1.0, 2.0, 2.0}}};
  EXPECT_EQ(coefficients(MeanPerClass{3}, three), (std::vector<double>{0.125, 0.0, 0.25}));
  EXPECT_EQ(value(three, coefficients(MeanPerClass{3}, three)), 0.5 * (6.0 / 4) + 0.5 * (1.0 / 2));
  const LossPartial two{{{6.0, 4.0, 3.0}, {1.0, 2.0, 2.0}}};
  EXPECT_EQ(coefficients(Uneven{}, two), (std::vector<double>{2.0 / 3 / 4, 1.0 / 3 / 2}));
}

TEST(Coefficients, RefuseDenominatorsThatAreNone) {
  const auto message = [](double denominator) {
    return error_of([&] {
      coefficients(MeanPerClass{2}, LossPartial{{{1, 1, 1}, {1, denominator, 1}}});
    });
  };
  EXPECT_EQ(message(-1),
            "coefficients(): denominators.buckets[1].denominator = -1, expected a "
            "finite number >= 0");
  EXPECT_EQ(message(detail::quiet_nan()),
            "coefficients(): denominators.buckets[1].denominator = nan, expected a finite number "
            ">= 0");
}

TEST(Coefficients, OfNothingAreZero) {
  const LossPartial none{{{0.0, 0.0, 0.0}}};
  EXPECT_EQ(coefficients(MeanByCount{}, none), std::vector<double>{0.0});
  EXPECT_EQ(value(none, std::vector<double>{0.0}), 0.0);
}

TEST(LossPartial, Merges) {
  LossPartial sum;
  sum += LossPartial{{{1, 2, 3}, {4, 5, 6}}};
  sum += LossPartial{};
  sum += LossPartial{{{10, 20, 30}, {40, 50, 60}}};
  EXPECT_EQ(sum, (LossPartial{{{11, 22, 33}, {44, 55, 66}}}));
}

TEST(LossPartial, LiesAsItIsReduced) {
  LossPartial partial{{{1, 2, 3}, {4, 5, 6}}};
  for (double& x : partial.all_reduce_buffer()) x *= 2;
  EXPECT_EQ(partial, (LossPartial{{{2, 4, 6}, {8, 10, 12}}}));
  EXPECT_TRUE(LossPartial{}.all_reduce_buffer().empty());
}

TEST(ReductionErrors, NameTheSizes) {
  LossPartial one{{{1, 2, 3}}};
  EXPECT_EQ(
      error_of([&] {
        one += LossPartial{{{1, 2, 3}, {4, 5, 6}}};
      }),
      "LossPartial::operator+=(): other.buckets.size() = 2, expected 1 (buckets on the left)");
  EXPECT_EQ(error_of([&] { coefficients(MeanPerClass{4}, one); }),
            "coefficients(): denominators.buckets.size() = 1, expected 4 (buckets of the "
            "reduction)");
  EXPECT_EQ(error_of([&] {
              value(one, std::vector<double>{1.0, 2.0});
            }),
            "value(): coefficients.size() = 2, expected 1 (buckets of the partial)");
}

}  // namespace
}  // namespace equipoise
