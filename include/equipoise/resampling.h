// Rows of features: synthetic ones as recipes, and which ones to leave out.
#ifndef EQUIPOISE_RESAMPLING_H_
#define EQUIPOISE_RESAMPLING_H_

// IWYU pragma: begin_exports
#include "equipoise/resampling/adasyn.h"
#include "equipoise/resampling/borderline_smote.h"
#include "equipoise/resampling/cleaned_recipes.h"
#include "equipoise/resampling/cleaning.h"
#include "equipoise/resampling/condensed_neighbours.h"
#include "equipoise/resampling/edited_neighbours.h"
#include "equipoise/resampling/instance_hardness.h"
#include "equipoise/resampling/kmeans_smote.h"
#include "equipoise/resampling/mixup.h"
#include "equipoise/resampling/near_miss.h"
#include "equipoise/resampling/neighbourhood_cleaning.h"
#include "equipoise/resampling/neighbours.h"
#include "equipoise/resampling/nominal_columns.h"
#include "equipoise/resampling/recipe.h"
#include "equipoise/resampling/recipe_stream.h"
#include "equipoise/resampling/smoothed_bootstrap.h"
#include "equipoise/resampling/smote.h"
#include "equipoise/resampling/smote_nc.h"
#include "equipoise/resampling/tomek_links.h"
// IWYU pragma: end_exports

#endif  // EQUIPOISE_RESAMPLING_H_
