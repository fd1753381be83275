// Rounds a table so that its margins are rounded too.
#ifndef EQUIPOISE_SPLITS_DETAIL_CONTROLLED_ROUNDING_H_
#define EQUIPOISE_SPLITS_DETAIL_CONTROLLED_ROUNDING_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/random.h"

namespace equipoise::detail {

// Rounds the rows x cols table fractions / one at random so that every cell, every row sum, every
// column sum and the sum of all is rounded up or down, and that each cell is rounded up with a
// probability equal to its fraction (Cox 1987, "A constructive procedure for unbiased controlled
// rounding").
//
// One more row and column make all margins whole. Then a row or column that has a fraction has a
// second one, so that walking from cell to cell, by turns along a row and along a column, closes a
// cycle. Its cells are raised and lowered by turns until one of them is whole, which keeps every
// margin. In integers alone. O(rows cols min(rows, cols)).
class ControlledRounding {
 public:
  // Every fraction is below `one`, which is at most 2^48. Draws stand at positions from `t` on.
  ControlledRounding(std::span<const std::uint64_t> fractions, std::size_t rows, std::size_t cols,
                     std::uint64_t one, const CounterRandom& random, std::uint64_t t = 0)
      : one_(one), random_(random), t_(t), cells_of_(rows + cols + 2) {
    EQUIPOISE_DCHECK(fractions.size() == rows * cols);
    std::vector<std::uint64_t> row_sums(rows + 1);
    std::vector<std::uint64_t> col_sums(cols + 1);
    const auto place = [&](std::size_t row, std::size_t col, std::uint64_t value) {
      row_sums[row] = (row_sums[row] + value) % one;
      col_sums[col] = (col_sums[col] + value) % one;
      add(row, rows + 1 + col, value);
    };
    for (std::size_t i = 0; i < fractions.size(); ++i) place(i / cols, i % cols, fractions[i]);
    cell_count_ = cells_.size();
    for (std::size_t row = 0; row < rows; ++row) place(row, cols, (one - row_sums[row]) % one);
    for (std::size_t col = 0; col <= cols; ++col) place(rows, col, (one - col_sums[col]) % one);
    round();
    ups_.resize(fractions.size());
    for (std::size_t i = 0; i < cell_count_; ++i) {
      const std::size_t col = cells_[i].ends[1] - rows - 1;
      ups_[cells_[i].ends[0] * cols + col] = cells_[i].value == one;
    }
  }

  // Whether cell (row, col), at row * cols + col, is rounded up.
  bool operator[](std::size_t cell) const { return ups_[cell]; }

 private:
  // A fraction: an edge between the vertex of its row and that of its column.
  struct Cell {
    std::array<std::size_t, 2> ends;
    std::uint64_t value;
  };
  // The vertex from which the walk left, and the cell through which.
  struct Step {
    std::size_t vertex;
    std::size_t cell;
  };
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  void add(std::size_t row_vertex, std::size_t col_vertex, std::uint64_t value) {
    if (value == 0) return;
    cells_of_[row_vertex].push_back(cells_.size());
    cells_of_[col_vertex].push_back(cells_.size());
    cells_.push_back({{row_vertex, col_vertex}, value});
  }

  bool is_whole(std::size_t cell) const {
    return cells_[cell].value == 0 || cells_[cell].value == one_;
  }

  // A fraction at a vertex other than `but`; kNone if there is none. Forgets cells that are whole.
  std::size_t fraction_at(std::size_t vertex, std::size_t but) {
    std::vector<std::size_t>& cells = cells_of_[vertex];
    while (!cells.empty() && is_whole(cells.back())) cells.pop_back();
    if (cells.empty() || cells.back() != but) return cells.empty() ? kNone : cells.back();
    while (cells.size() > 1 && is_whole(cells[cells.size() - 2])) {
      cells[cells.size() - 2] = cells.back();
      cells.pop_back();
    }
    return cells.size() > 1 ? cells[cells.size() - 2] : kNone;
  }

  void round() {
    std::vector<std::size_t> place(cells_of_.size(), kNone);  // of a vertex on the walk
    std::vector<Step> walk;
    for (std::size_t start = 0; start < cells_of_.size(); ++start) {
      std::size_t vertex = start;
      while (true) {
        const std::size_t cell = fraction_at(vertex, walk.empty() ? kNone : walk.back().cell);
        if (cell == kNone) break;
        place[vertex] = walk.size();
        walk.push_back({vertex, cell});
        const std::array<std::size_t, 2>& ends = cells_[cell].ends;
        vertex = ends[0] == vertex ? ends[1] : ends[0];
        if (place[vertex] == kNone) continue;
        const std::size_t begin = place[vertex];
        shift(std::span(walk).subspan(begin));
        for (std::size_t i = begin; i < walk.size(); ++i) place[walk[i].vertex] = kNone;
        walk.resize(begin);
      }
      EQUIPOISE_DCHECK(walk.empty());
    }
  }

  // Raises every other cell of a cycle and lowers those between, or the other way round, until one
  // is whole; which way is drawn so that no cell changes on average.
  void shift(std::span<const Step> cycle) {
    std::array<std::uint64_t, 2> room = {one_, one_};  // of raising even cells, and odd ones
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      const std::uint64_t value = cells_[cycle[i].cell].value;
      room[i % 2] = std::min(room[i % 2], one_ - value);
      room[1 - i % 2] = std::min(room[1 - i % 2], value);
    }
    const std::size_t raised =
        random_.below(room[0] + room[1], t_++, Purpose::kTableRounding) < room[1] ? 0 : 1;
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      std::uint64_t& value = cells_[cycle[i].cell].value;
      value = i % 2 == raised ? value + room[raised] : value - room[raised];
    }
  }

  std::uint64_t one_;
  CounterRandom random_;
  std::uint64_t t_;
  std::vector<Cell> cells_;
  std::size_t cell_count_ = 0;  // of the table itself
  std::vector<std::vector<std::size_t>> cells_of_;
  std::vector<bool> ups_;
};

}  // namespace equipoise::detail

#endif  // EQUIPOISE_SPLITS_DETAIL_CONTROLLED_ROUNDING_H_
