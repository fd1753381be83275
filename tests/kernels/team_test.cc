// The algorithm of devices on the host: a team of one, and of 32 threads that wait for each other
// as the lanes of a warp do, against the core.
#include "equipoise/kernels/team.h"

#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "equipoise/loss/sigmoid.h"
#include "equipoise/loss/softmax.h"
#include "tests/support/users_own.h"

namespace equipoise::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Lanes that hand their values to each other, as a warp's shuffles do.
class Lanes {
 public:
  static constexpr std::int64_t kCount = 32;

  template <class F>
  static void run(const F& f) {
    Lanes lanes;
    std::vector<std::jthread> threads;
    for (std::int64_t rank = 0; rank < kCount; ++rank) {
      threads.emplace_back([&lanes, &f, rank] { f(Lane{&lanes, rank}); });
    }
  }

  struct Lane {
    Lanes* lanes;
    std::int64_t number;

    std::int64_t rank() const { return number; }
    std::int64_t size() const { return kCount; }
    LargestAndSum reduce(LargestAndSum own) const {
      for (std::int64_t distance = kCount / 2; distance > 0; distance /= 2) {
        own = join(own, lanes->exchange(number, number ^ distance, own));
      }
      return own;
    }
  };

 private:
  LargestAndSum exchange(std::int64_t from, std::int64_t with, const LargestAndSum& own) {
    values_[static_cast<std::size_t>(from)] = own;
    barrier_.arrive_and_wait();
    const LargestAndSum other = values_[static_cast<std::size_t>(with)];
    barrier_.arrive_and_wait();
    return other;
  }

  std::barrier<> barrier_{kCount};
  std::vector<LargestAndSum> values_ = std::vector<LargestAndSum>(kCount);
};

struct Row {
  std::vector<float> logits;
  std::int64_t target;
  std::vector<float> scale{};
  std::vector<float> shift{};
  std::vector<float> margin{};

  TeamRow<float> read() const {
    const auto data = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
    return {logits.data(), static_cast<std::int64_t>(logits.size()),
            target,        data(scale),
            data(shift),   data(margin)};
  }
};

struct Outcome {
  double value;
  std::vector<float> gradient;
};

template <class M>
Outcome by_one(const M& modulator, const Row& row) {
  const TeamRow<float> read = row.read();
  const LogSum log_sum = log_sum_exp(TeamOfOne(), read);
  const ValueAndSlope<DeviceFloat> result = modulated(modulator, read, log_sum);
  Outcome outcome{result.value.value, std::vector<float>(row.logits.size())};
  write_gradient(TeamOfOne(), read, log_sum, result.slope.value, outcome.gradient.data());
  return outcome;
}

template <class M>
Outcome by_lanes(const M& modulator, const Row& row) {
  const TeamRow<float> read = row.read();
  Outcome outcome{0, std::vector<float>(row.logits.size())};
  Lanes::run([&](const Lanes::Lane& lane) {
    const LogSum log_sum = log_sum_exp(lane, read);
    const ValueAndSlope<DeviceFloat> result = modulated(modulator, read, log_sum);
    if (lane.rank() == 0) outcome.value = result.value.value;
    write_gradient(lane, read, log_sum, result.slope.value, outcome.gradient.data());
  });
  return outcome;
}

template <class M>
Outcome by_core(const M& modulator, const Row& row) {
  SoftmaxLoss<M, SumOverRows> loss;
  loss.modulator = modulator;
  const auto in_double = [](const std::vector<float>& v) {
    return std::vector<double>(v.begin(), v.end());
  };
  loss.logit_terms = {in_double(row.scale), in_double(row.shift), in_double(row.margin)};
  const std::vector<double> logits = in_double(row.logits);
  std::vector<double> gradient(logits.size());
  const std::vector<std::int64_t> targets = {row.target};
  Outcome outcome{};
  outcome.value =
      value_and_gradient(loss, MatrixView<const double>(logits.data(), 1, logits.size()), targets,
                         {}, MatrixView<double>(gradient.data(), 1, logits.size()));
  outcome.gradient.assign(gradient.begin(), gradient.end());
  return outcome;
}

void expect_close(const Outcome& outcome, const Outcome& expected, std::size_t classes) {
  // The exponent of each number is off by as much as a rounded logit of up to about 16 is.
  const double epsilon = 0x1p-23 * (32 + std::sqrt(static_cast<double>(classes)));
  EXPECT_NEAR(outcome.value, expected.value, epsilon * (1 + std::fabs(expected.value)));
  for (std::size_t c = 0; c < classes; ++c) {
    EXPECT_NEAR(outcome.gradient[c], expected.gradient[c], 4 * epsilon) << c;
  }
}

Row random_row(std::size_t classes, bool terms, std::mt19937_64& random) {
  std::normal_distribution<float> normal(0, 2);
  const auto numbers = [&](float mean) {
    std::vector<float> result(classes);
    for (float& each : result) each = mean + 0.25F * normal(random);
    return result;
  };
  Row row{numbers(0), static_cast<std::int64_t>(random() % classes)};
  for (float& z : row.logits) z *= 4;
  if (terms) {
    row.scale = numbers(1);
    row.shift = numbers(0);
    row.margin = numbers(0.5F);
  }
  return row;
}

template <class M>
void expect_equals_core(const M& modulator) {
  std::mt19937_64 random(1);
  for (const std::size_t classes : {1U, 2U, 3U, 31U, 32U, 33U, 1000U}) {
    for (int i = 0; i < 8; ++i) {
      const Row row = random_row(classes, i % 2 == 1, random);
      const Outcome expected = by_core(modulator, row);
      expect_close(by_one(modulator, row), expected, classes);
      if (i < 2) expect_close(by_lanes(modulator, row), expected, classes);
    }
  }
}

TEST(Team, SoftmaxRowsEqualTheCoreForAllModulators) {
  expect_equals_core(CrossEntropy{});
  expect_equals_core(Focal{2.0});
  expect_equals_core(Focal{1.5});
  expect_equals_core(poly1());
  expect_equals_core(poly1(Focal{}));
  expect_equals_core(testing::Tsallis{});
}

TEST(Team, LogitsWithoutASoftmaxGiveNaN) {
  for (const float bad : {kInfinity, std::nanf("")}) {
    for (std::int64_t at : {0, 40}) {
      Row row{std::vector<float>(50, 0.0F), 3};
      row.logits[static_cast<std::size_t>(at)] = bad;
      EXPECT_TRUE(std::isnan(by_one(CrossEntropy{}, row).value)) << bad;
      EXPECT_TRUE(std::isnan(by_lanes(CrossEntropy{}, row).value)) << bad;
    }
  }
  EXPECT_TRUE(std::isnan(by_one(CrossEntropy{}, {std::vector<float>(5, -kInfinity), 3}).value));
}

TEST(Team, AnImpossibleClassAddsNothing) {
  Row row{{1, -kInfinity, 2}, 0};
  const Outcome expected = by_core(CrossEntropy{}, {{1, 2}, 0});
  const Outcome outcome = by_lanes(CrossEntropy{}, row);
  EXPECT_NEAR(outcome.value, expected.value, 1e-6);
  EXPECT_EQ(outcome.gradient[1], 0);
  row.target = 1;
  EXPECT_EQ(by_one(CrossEntropy{}, row).value, kInfinity);
}

TEST(Team, ARowWithoutSlopeHasAGradientOfZeros) {
  const std::vector<float> logits(40, std::nanf(""));
  const TeamRow<float> row{logits.data(), 40, 0};
  std::vector<float> gradient(40, 7);
  write_gradient(TeamOfOne(), row, {std::nanf(""), 0}, 0, gradient.data());
  EXPECT_EQ(gradient, std::vector<float>(40, 0));
}

// The digits of a small loss beside large logits, which their sum would have lost.
TEST(Team, LargeLogitsKeepSmallLosses) {
  const Row row{{300, 290, 291}, 0};
  const Outcome expected = by_core(CrossEntropy{}, row);
  const Outcome outcome = by_lanes(CrossEntropy{}, row);
  EXPECT_NEAR(outcome.value, expected.value, 0x1p-22);
  EXPECT_GE(outcome.value, 0);
}

template <class S>
void expect_elements_equal_core(const S& sides) {
  SigmoidLoss<S, SumOverRows> loss;
  loss.sides = sides;
  loss.pos_weight = {3};
  for (const double target : {0.0, 0.25, 1.0}) {
    for (float z = -30; z <= 30; z += 0.37F) {
      const auto logit = static_cast<double>(z);
      double gradient = 0;
      const double value = value_and_gradient(loss, MatrixView<const double>(&logit, 1, 1),
                                              MatrixView<const double>(&target, 1, 1), {},
                                              MatrixView<double>(&gradient, 1, 1));
      const ValueAndSlope<float> element = sigmoid_element(sides.positive(), sides.negative(),
                                                           {z, static_cast<float>(target), 3, 1});
      const double epsilon = 0x1p-23 * 32;
      EXPECT_NEAR(element.value, value, epsilon * std::fabs(value) + 1e-30) << z << ' ' << target;
      // Under a soft target the sides, of sizes up to 3, take from each other.
      const double size = target > 0 && target < 1 ? 3 : std::fabs(gradient) + 1e-30;
      EXPECT_NEAR(element.slope, gradient, epsilon * size) << z << ' ' << target;
    }
  }
}

TEST(Team, SigmoidElementsEqualTheCore) {
  expect_elements_equal_core(BinaryCrossEntropy{});
  expect_elements_equal_core(SigmoidFocal{2.0});
}

TEST(Team, InfiniteLogitsAreProbabilitiesOfZeroAndOne) {
  const CrossEntropy side;
  EXPECT_EQ(sigmoid_element(side, side, {kInfinity, 1, 1, 1}).value, 0);
  EXPECT_EQ(sigmoid_element(side, side, {kInfinity, 0, 1, 1}).value, kInfinity);
  EXPECT_EQ(sigmoid_element(side, side, {-kInfinity, 0, 1, 1}).value, 0);
  EXPECT_EQ(sigmoid_element(side, side, {-kInfinity, 1, 1, 1}).value, kInfinity);
  EXPECT_EQ(sigmoid_element(side, side, {-kInfinity, 1, 1, 1}).slope, -1);
  EXPECT_TRUE(std::isnan(sigmoid_element(side, side, {std::nanf(""), 1, 1, 1}).value));
}

}  // namespace
}  // namespace equipoise::kernels
