// The exact search for neighbours, by bounds from matrix products.
#ifndef EQUIPOISE_RESAMPLING_DETAIL_BLOCKED_SEARCH_H_
#define EQUIPOISE_RESAMPLING_DETAIL_BLOCKED_SEARCH_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "equipoise/config.h"
#include "equipoise/detail/check.h"
#include "equipoise/kernels/dispatch.h"
#include "equipoise/kernels/row_products.h"
#include "equipoise/resampling/detail/nearest_lists.h"
#include "equipoise/resampling/detail/squared_distance.h"
#include "equipoise/view.h"

namespace equipoise::detail {

using RowNumbers = std::span<const std::size_t>;

template <class T>
void require_finite_row(std::string_view where, const MatrixView<const T>& rows, std::size_t r) {
  const T* x = rows.data + static_cast<std::ptrdiff_t>(r) * rows.row_stride;
  for (std::size_t c = 0; c < rows.cols; ++c, x += rows.col_stride) {
    if (!is_finite(*x)) reject_cell(where, "rows", r, c, *x, "a finite number");
  }
}

inline void require_numbers(std::string_view where, std::string_view argument, std::size_t rows,
                            RowNumbers numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] >= rows) {
      reject_element(where, argument, i, numbers[i], "a row below rows.rows = " + to_text(rows));
    }
  }
}

inline bool are_same(RowNumbers a, RowNumbers b) {
  return a.size() == b.size() &&
         (a.data() == b.data() || std::equal(a.begin(), a.end(), b.begin()));
}

// What all searches ask of the numbers of rows.
inline void require_search(std::string_view where, std::size_t rows, RowNumbers queries,
                           RowNumbers references, std::size_t k) {
  require_numbers(where, "references", rows, references);
  for (std::size_t i = 1; i < references.size(); ++i) {
    if (references[i] <= references[i - 1]) {
      reject_element(where, "references", i, references[i],
                     "a number above the one before, " + to_text(references[i - 1]));
    }
  }
  if (!are_same(queries, references)) require_numbers(where, "queries", rows, queries);
  if (k == 0) reject(where, "k", k, "at least 1");
  if (!queries.empty() && references.size() < k) {
    reject(where, "references.size()", references.size(), "at least k = " + to_text(k));
  }
  if (references.size() > k) return;
  for (const std::size_t query : queries) {
    if (std::binary_search(references.begin(), references.end(), query)) {
      reject(where, "references.size()", references.size(),
             "more than k = " + to_text(k) + ", for a row is no neighbour of its own");
    }
  }
}

// And of the rows.
template <class T>
void require_search(std::string_view where, const MatrixView<const T>& rows, RowNumbers queries,
                    RowNumbers references, std::size_t k) {
  require_search(where, rows.rows, queries, references, k);
  for (const std::size_t r : references) require_finite_row(where, rows, r);
  if (are_same(queries, references)) return;
  for (const std::size_t q : queries) require_finite_row(where, rows, q);
}

// Writes the first k entries of a list as neighbours of the i-th query.
template <class Table>
void set_neighbours(Table& table, std::size_t i,
                    std::span<const NearestLists<double>::Entry> nearest) {
  for (std::size_t j = 0; j < table.k; ++j) {
    table.indices[i * table.k + j] = nearest[j].index;
    table.squared_distances[i * table.k + j] = nearest[j].value;
  }
}

// The neighbours of the queries at some places, by comparing each with all references.
template <class Table, class T>
void plain_search(const MatrixView<const T>& rows, RowNumbers queries, RowNumbers places,
                  RowNumbers references, Table& table) {
  for (const std::size_t place : places) {
    NearestLists<double> nearest(1, table.k);
    for (const std::size_t r : references) {
      if (r == queries[place]) continue;
      nearest.offer(0, squared_distance(rows, queries[place], r), r);
    }
    set_neighbours(table, place, nearest[0]);
  }
}

template <class Table>
Table empty_table(std::size_t queries, std::size_t k) {
  return {k, std::vector<std::size_t>(queries * k), std::vector<double>(queries * k)};
}

inline std::vector<std::size_t> first_numbers(std::size_t n) {
  std::vector<std::size_t> numbers(n);
  for (std::size_t i = 0; i < n; ++i) numbers[i] = i;
  return numbers;
}

template <class Table, class T>
Table plain_search(const MatrixView<const T>& rows, RowNumbers queries, RowNumbers references,
                   std::size_t k) {
  auto table = empty_table<Table>(queries.size(), k);
  plain_search(rows, queries, first_numbers(queries.size()), references, table);
  return table;
}

// Where rows are moved to before they are multiplied, so that products are small and squares
// neither overflow nor vanish: (x - mean) scale, scale being a power of two.
struct Placement {
  std::vector<double> mean;
  double scale = 1;
  bool has_range = true;  // no row is farther from the mean than the largest double

  template <class T>
  Placement(const MatrixView<const T>& rows, RowNumbers queries, RowNumbers references)
      : mean(rows.cols) {
    const double part = 1 / static_cast<double>(std::max<std::size_t>(references.size(), 1));
    for (const std::size_t r : references) {
      const T* x = rows.data + static_cast<std::ptrdiff_t>(r) * rows.row_stride;
      for (std::size_t c = 0; c < rows.cols; ++c, x += rows.col_stride) {
        mean[c] += static_cast<double>(*x) * part;
      }
    }
    double largest = 0;
    const auto look = [&](RowNumbers numbers) {
      for (const std::size_t r : numbers) {
        const T* x = rows.data + static_cast<std::ptrdiff_t>(r) * rows.row_stride;
        for (std::size_t c = 0; c < rows.cols; ++c, x += rows.col_stride) {
          largest = std::max(largest, std::fabs(static_cast<double>(*x) - mean[c]));
        }
      }
    };
    look(references);
    if (!are_same(queries, references)) look(queries);
    has_range = is_finite(largest);
    int exponent = 0;
    if (has_range && largest > 0) std::frexp(largest, &exponent);
    scale = std::ldexp(1.0, std::clamp(-exponent, -1000, 1000));
  }
};

// Rows as they are multiplied, one after the other, with their squared lengths less the most by
// which rounding can make a distance too large. Of a distance |a|^2 + |b|^2 - 2 ab of D columns
// that is at most (D + 16) epsilon (|a|^2 + |b|^2), the rounding of what was moved included, and,
// where elements, products or sums are below the smallest normal number, 2 (D + 16) times that
// number: each of the D steps of a product loses less than it once, even where hardware flushes to
// zero.
template <class T>
struct PlacedRows {
  std::vector<T> values;
  std::vector<T> norms;

  template <class Source>
  PlacedRows(const MatrixView<const Source>& rows, RowNumbers numbers, const Placement& placement)
      : values(numbers.size() * rows.cols),
        norms(numbers.size() + kernels::kPanelRows<T>, std::numeric_limits<T>::max() / 4) {
    const double steps = static_cast<double>(rows.cols) + 16;
    const double least = 1 - steps * static_cast<double>(std::numeric_limits<T>::epsilon());
    const double lost = steps * static_cast<double>(std::numeric_limits<T>::min());
    T* out = values.data();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const Source* x = rows.data + static_cast<std::ptrdiff_t>(numbers[i]) * rows.row_stride;
      double norm = 0;
      for (std::size_t c = 0; c < rows.cols; ++c, ++out, x += rows.col_stride) {
        *out = static_cast<T>((static_cast<double>(*x) - placement.mean[c]) * placement.scale);
        norm += static_cast<double>(*out) * static_cast<double>(*out);
      }
      norms[i] = static_cast<T>(norm * least - lost);
    }
  }
};

inline namespace EQUIPOISE_ISA_NAMESPACE {

// The products of `rows` rows of `depth` elements, one after the other, with those of some panels,
// to a row-major matrix.
struct TiledProduct {
  kernels::Cpu instructions = kernels::cpu();

  template <class T>
  void operator()(const T* a, std::size_t rows, const T* panels, std::size_t number,
                  std::size_t depth, T* out) const {
    kernels::run_kernel(instructions, [&](auto width) EQUIPOISE_INLINE_LAMBDA {
      kernels::row_products_of<width()>(a, rows, panels, number, depth, out);
    });
  }
};

// Whether a product is with rows as they lie, by a library that arranges them itself.
template <class Product>
inline constexpr bool kTakesRows = requires {
  Product::kBlockRows;
};

// Bounds of the distances between all queries and all references, block by block. A product is as
// TiledProduct, or has kBlockRows, which panels divide, and
//   product(a, rows, b, columns, depth, out, out_stride)
// that writes the product of row r of `a` and row j of `b` to out[r out_stride + j].
template <class T, class Product>
class BoundSearch {
 public:
  // With the same rows on both sides each pair is looked at once, in favour of both.
  BoundSearch(const PlacedRows<T>& queries, RowNumbers query_numbers,
              const PlacedRows<T>& references, RowNumbers reference_numbers, std::size_t depth,
              NearestLists<T>& nearest)
      : queries_(queries),
        query_numbers_(query_numbers),
        references_(references),
        reference_numbers_(reference_numbers),
        depth_(depth),
        is_symmetric_(&queries == &references),
        nearest_(nearest) {}

  void operator()(const Product& product) {
    const std::size_t block = block_rows();
    std::vector<T> panels(kTakesRows<Product> ? 0 : block * depth_);
    std::vector<T> products(block * block);
    for (std::size_t r = 0; r < reference_numbers_.size(); r += block) {
      const std::size_t columns = std::min(block, reference_numbers_.size() - r);
      const std::size_t number = (columns + kPanel - 1) / kPanel;
      if constexpr (!kTakesRows<Product>) set_panels(r, columns, panels);
      const std::size_t end = is_symmetric_ ? r + columns : query_numbers_.size();
      for (std::size_t q = 0; q < end; q += block) {
        const std::size_t rows = std::min(block, end - q);
        const T* const a = queries_.values.data() + q * depth_;
        if constexpr (kTakesRows<Product>) {
          product(a, rows, references_.values.data() + r * depth_, columns, depth_, products.data(),
                  number * kPanel);
        } else {
          product(a, rows, panels.data(), number, depth_, products.data());
        }
        kernels::run_kernel(kernels::cpu_of(product), [&](auto width) EQUIPOISE_INLINE_LAMBDA {
          scan<width()>(q, rows, r, number, products.data());
        });
      }
    }
  }

 private:
  static constexpr std::size_t kPanel = kernels::kPanelRows<T>;

  // As many rows as leave both blocks and their products in a cache of half a megabyte.
  std::size_t block_rows() const {
    if constexpr (kTakesRows<Product>) return Product::kBlockRows;
    const std::size_t rows =
        (std::size_t{1} << 17) / (sizeof(T) * std::max<std::size_t>(depth_, 1));
    return std::clamp<std::size_t>(rows / kPanel * kPanel, kPanel, 256);
  }

  void set_panels(std::size_t begin, std::size_t columns, std::vector<T>& panels) const {
    for (std::size_t j = 0; j < columns; ++j) {
      const T* const row = references_.values.data() + (begin + j) * depth_;
      T* const out = panels.data() + j / kPanel * kPanel * depth_ + j % kPanel;
      for (std::size_t d = 0; d < depth_; ++d) out[d * kPanel] = row[d];
    }
  }

  template <std::size_t kWidth>
  EQUIPOISE_HOST_INLINE void scan(std::size_t q, std::size_t rows, std::size_t r,
                                  std::size_t panels, const T* products) {
    const T* const thresholds = nearest_.thresholds();
    for (std::size_t i = 0; i < rows; ++i) {
      const kernels::ProductRow<T> row{products + i * panels * kPanel, queries_.norms[q + i],
                                       references_.norms.data() + r,
                                       is_symmetric_ ? thresholds + r : nullptr};
      // Of the block on the diagonal, what is right of it.
      const std::size_t first = is_symmetric_ && q + i >= r ? (q + i + 1 - r) / kPanel * kPanel : 0;
      for (std::size_t j = first; j < panels * kPanel; j += kPanel) {
        if (kernels::is_any_below<kWidth>(row, thresholds[q + i], j)) offer(row, q + i, r, j);
      }
    }
  }

  [[gnu::noinline]] void offer(const kernels::ProductRow<T>& row, std::size_t query, std::size_t r,
                               std::size_t begin) {
    const std::size_t end = std::min(begin + kPanel, reference_numbers_.size() - r);
    const T* const thresholds = nearest_.thresholds();
    for (std::size_t j = begin; j < end; ++j) {
      const T bound = row.distance(j);
      if (is_symmetric_) {
        if (r + j <= query) continue;
        if (bound < thresholds[query]) nearest_.offer(query, bound, r + j);
        if (bound < thresholds[r + j]) nearest_.offer(r + j, bound, query);
      } else if (bound < thresholds[query] && query_numbers_[query] != reference_numbers_[r + j]) {
        nearest_.offer(query, bound, r + j);
      }
    }
  }

  const PlacedRows<T>& queries_;
  RowNumbers query_numbers_;
  const PlacedRows<T>& references_;
  RowNumbers reference_numbers_;
  std::size_t depth_;
  bool is_symmetric_;
  NearestLists<T>& nearest_;
};

// Looks up the candidates of the queries at `places`, `asked` by number; puts the places of those
// whose neighbours these need not be behind `rest`.
template <class Table, class T, class Source>
void settle(const MatrixView<const Source>& rows, RowNumbers asked, RowNumbers places,
            RowNumbers references, const NearestLists<T>& candidates, double scale, Table& table,
            std::vector<std::size_t>& rest) {
  // Rounding of distances in double, and what underflows.
  const double most =
      1 + 4 * static_cast<double>(rows.cols + 4) * std::numeric_limits<double>::epsilon();
  for (std::size_t i = 0; i < places.size(); ++i) {
    NearestLists<double> nearest(1, table.k);
    for (const auto& candidate : candidates[i]) {
      const std::size_t r = references[candidate.index];
      nearest.offer(0, squared_distance(rows, asked[i], r), r);
    }
    // No bound was a number. Not expected of rows that have a range, but a list too short would be
    // read beyond its end.
    if (nearest[0].size() < table.k) {
      rest.push_back(places[i]);
      continue;
    }
    const double farthest = nearest[0].back().value;
    const double others = static_cast<double>(candidates[i].back().value) / scale / scale;
    if (candidates.is_full(i) && !(others > farthest * most + 1e-300)) {
      rest.push_back(places[i]);
    } else {
      set_neighbours(table, places[i], nearest[0]);
    }
  }
}

// How many queries are copied at a time where they are not the references.
inline constexpr std::size_t kQueryRows = 1024;

// For each query at `places` the references of the least bounds, more of them than are asked for,
// and these looked up; returns the places of the queries whose neighbours they need not be.
template <class Table, class T, class Source, class Product>
std::vector<std::size_t> search_by_bounds(const MatrixView<const Source>& rows, RowNumbers queries,
                                          RowNumbers places, RowNumbers references,
                                          const Product& product, Table& table) {
  const Placement placement(rows, queries, references);
  if (!placement.has_range) return {places.begin(), places.end()};
  const PlacedRows<T> of_references(rows, references, placement);
  std::vector<std::size_t> rest;
  const auto search = [&](const PlacedRows<T>& of_queries, RowNumbers asked, RowNumbers at) {
    NearestLists<T> candidates(asked.size(), table.k + 4);
    BoundSearch<T, Product>(of_queries, asked, of_references, references, rows.cols,
                            candidates)(product);
    settle(rows, asked, at, references, candidates, placement.scale, table, rest);
  };
  if (places.size() == queries.size() && are_same(queries, references)) {
    search(of_references, references, places);
    return rest;
  }
  std::vector<std::size_t> asked;
  for (std::size_t begin = 0; begin < places.size(); begin += kQueryRows) {
    const RowNumbers at = places.subspan(begin, std::min(kQueryRows, places.size() - begin));
    asked.clear();
    for (const std::size_t place : at) asked.push_back(queries[place]);
    search(PlacedRows<T>(rows, asked, placement), asked, at);
  }
  return rest;
}

template <class Table, class T, class Product>
Table blocked_search(const MatrixView<const T>& rows, RowNumbers queries, RowNumbers references,
                     std::size_t k, const Product& product) {
  auto table = empty_table<Table>(queries.size(), k);
  if (queries.empty()) return table;
  auto rest = search_by_bounds<Table, T>(rows, queries, first_numbers(queries.size()), references,
                                         product, table);
  if (std::is_same_v<T, float> && !rest.empty()) {
    rest = search_by_bounds<Table, double>(rows, queries, rest, references, product, table);
  }
  plain_search(rows, queries, rest, references, table);
  return table;
}

}  // namespace EQUIPOISE_ISA_NAMESPACE

}  // namespace equipoise::detail

#endif  // EQUIPOISE_RESAMPLING_DETAIL_BLOCKED_SEARCH_H_
