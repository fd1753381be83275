// What a user of the library might write: a modulator and reductions of their own.
#ifndef EQUIPOISE_TESTS_SUPPORT_USERS_OWN_H_
#define EQUIPOISE_TESTS_SUPPORT_USERS_OWN_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "equipoise/loss/modulator.h"
#include "equipoise/math.h"

namespace equipoise::testing {

/// (1 - p^s) / s, without any attribute.
struct Tsallis {
  double s = 0.7;
  template <class T>
  ValueAndSlope<T> operator()(const TargetProbability<T>& t) const {
    const T power = math::pow(t.p, s);
    return {(1.0 - power) * (1.0 / s), -power};
  }
};

/// The mean of the even classes' mean and that of the odd ones.
struct EvenAndOdd {
  std::size_t buckets() const { return 2; }
  template <class Row>
  auto bucket(const Row& row) const {
    return row.target % 2;
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
};

/// One bucket a class, for some classes, with a factor each.
struct MeanPerListedClass {
  std::vector<double> factors;
  std::size_t buckets() const { return factors.size(); }
  template <class Row>
  std::size_t bucket(const Row& row) const {
    return row.target;
  }
  template <class Row>
  double mass(const Row& row) const {
    return factors.at(row.target) * row.weight;
  }
};

/// The mean over the cells of group and class of each cell's mean.
struct MeanPerCell {
  std::size_t groups = 0;
  std::size_t classes = 0;
  std::size_t group_count() const { return groups; }
  std::size_t buckets() const { return groups * classes; }
  template <class Row>
  auto bucket(const Row& row) const {
    if constexpr (std::integral<std::remove_cvref_t<decltype(row.group)>>) {
      return row.group * classes + row.target;
    } else {
      return row.group * static_cast<std::int64_t>(classes) + row.target;
    }
  }
  template <class Row>
  auto mass(const Row& row) const {
    return row.weight;
  }
};

}  // namespace equipoise::testing

#endif  // EQUIPOISE_TESTS_SUPPORT_USERS_OWN_H_
