// The effect of synthetic rows on the classes, for the ledger and the dry run.
#ifndef EQUIPOISE_PLAN_SYNTHETIC_ROWS_H_
#define EQUIPOISE_PLAN_SYNTHETIC_ROWS_H_

#include <cstddef>
#include <span>
#include <string_view>

#include "equipoise/detail/check.h"
#include "equipoise/plan/treatment.h"
#include "equipoise/resampling/recipe.h"

namespace equipoise {

/// The treatment of a training run on the rows of these recipes, such as those of
/// RecipeStream::groups(): classes are drawn in proportion to the rows that an epoch makes of each,
/// the loss is that of `treatment`, and its counts remain those of the data.
///
/// The effect on the prior is that of any sampler, and ledger() and dry_run() report it. They do
/// not cover the distribution of rows within a class: rows between neighbours change p(x | y), most
/// of all near the border of a class, so no logit offset restores exact posteriors.
/// If some recipes have neighbours, Treatment::no_offset says so, Ledger::offset() throws, and
/// fit_offset() with the ledger's prior measures on validation rows how far the prior holds.
/// Recipes that only repeat rows keep their offset. Effective sample sizes count synthetic rows as
/// repetitions of their bases. O(groups.size()).
/// @throws std::invalid_argument for a group of a class that the counts do not have, and for groups
/// without rows.
inline Treatment with_synthetic_rows(Treatment treatment,
                                     std::span<const resampling::RecipeGroup> groups) {
  constexpr std::string_view kWhere = "with_synthetic_rows";
  treatment.mix.assign(treatment.counts.classes(), 0.0);
  bool is_synthetic = false;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].class_index >= treatment.mix.size()) {
      detail::reject_element(
          kWhere, "groups", g, groups[g].class_index,
          "a class below treatment.counts.classes() = " + detail::to_text(treatment.mix.size()));
    }
    treatment.mix[groups[g].class_index] += static_cast<double>(groups[g].rows);
    is_synthetic = is_synthetic || (groups[g].k > 0 && groups[g].rows > 0);
  }
  detail::require_some_mass(kWhere, "rows of groups", treatment.mix);
  if (is_synthetic && treatment.no_offset.empty()) {
    treatment.no_offset = detail::reason_without_offset(
        "a distribution of the rows within a class that synthetic ones change");
  }
  return treatment;
}

}  // namespace equipoise

#endif  // EQUIPOISE_PLAN_SYNTHETIC_ROWS_H_
