// Rows as sparse vectors with their targets, and what models make of them.
#ifndef EQUIPOISE_DEMOS_COMMON_EXAMPLES_H_
#define EQUIPOISE_DEMOS_COMMON_EXAMPLES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "demos/common/features.h"
#include "equipoise/view.h"

namespace equipoise::demos {

/// Where a row is read among the pieces of texts.
struct PiecePlace {
  std::size_t text = 0;
  std::size_t piece = 0;

  auto operator<=>(const PiecePlace&) const = default;
};

/// Rows to learn from. What samplers draw are units: rows, or runs of rows such as the tokens of a
/// sentence.
struct Examples {
  SparseRows features{};
  std::vector<std::vector<std::int64_t>> pieces{};  ///< of an encoder's texts, in place of features
  std::vector<std::size_t> seconds{};   ///< where a second text begins in each; empty: none do
  std::vector<PiecePlace> places{};     ///< of each row, by text; empty: each text is a row
  std::vector<std::int64_t> targets{};  ///< a class a row; or L numbers 0 / 1 a row, row by row
  std::size_t labels = 0;               ///< L, where a row has any number of labels; else 0
  std::vector<std::int64_t> groups{};   ///< of each row; empty: none
  std::vector<double> weights{};        ///< of each row; empty: all 1
  /// Unit u holds the rows [unit_starts[u], unit_starts[u + 1]); empty: each row is one.
  std::vector<std::size_t> unit_starts{};

  std::size_t rows() const {
    if (pieces.empty()) return features.rows();
    return places.empty() ? pieces.size() : places.size();
  }
  std::size_t units() const { return unit_starts.empty() ? rows() : unit_starts.size() - 1; }
  std::size_t unit_begin(std::size_t unit) const {
    return unit_starts.empty() ? unit : unit_starts[unit];
  }
};

/// The rows of some units in order, with what losses need of them.
struct UnitRows {
  UnitRows(const Examples& examples, std::span<const std::size_t> units);

  std::vector<std::size_t> rows{};
  std::vector<std::int64_t> targets{};  ///< as Examples::targets; empty where these are
  std::vector<std::int64_t> groups{};
  std::vector<double> weights{};
};

/// N x C numbers, row by row.
struct Logits {
  std::size_t classes = 0;
  std::vector<float> values{};

  MatrixView<const float> view() const { return {values.data(), values.size() / classes, classes}; }
};

/// A tensor of a model under its name.
struct Parameter {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values{};  ///< row by row

  friend bool operator==(const Parameter&, const Parameter&) = default;
};

/// Checks parameters that a model is given against its own.
/// @throws std::invalid_argument unless names and shapes are the same.
void require_same_shapes(const std::vector<Parameter>& given, const std::vector<Parameter>& own);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_EXAMPLES_H_
