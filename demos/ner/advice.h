// The library's calls that make up a strategy.
#ifndef EQUIPOISE_DEMOS_NER_ADVICE_H_
#define EQUIPOISE_DEMOS_NER_ADVICE_H_

#include <string>

#include "demos/common/experiment.h"

namespace equipoise::demos {

/// C++ lines of a strategy that take `labels`, the tags of all training tokens as numbers, `names`,
/// the EntityTags, and `offsets`, where sentences begin; `types`, 0 outside and k + 1 in an entity
/// of type k; `steps` of a training, and `seed`. tau is the first seed's.
std::string tagging_code(const Outcome& outcome);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_ADVICE_H_
