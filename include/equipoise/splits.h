// Splits a data set into parts with the same class proportions.
#ifndef EQUIPOISE_SPLITS_H_
#define EQUIPOISE_SPLITS_H_

// IWYU pragma: begin_exports
#include "equipoise/splits/grouped.h"
#include "equipoise/splits/hash.h"
#include "equipoise/splits/iterative.h"
#include "equipoise/splits/repeated.h"
#include "equipoise/splits/second_order.h"
#include "equipoise/splits/split.h"
#include "equipoise/splits/stratified.h"
#include "equipoise/splits/stratified_cells.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_SPLITS_H_
