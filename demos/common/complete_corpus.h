// What is done to the parts of a corpus once their files have been read.
#ifndef EQUIPOISE_DEMOS_COMMON_COMPLETE_CORPUS_H_
#define EQUIPOISE_DEMOS_COMMON_COMPLETE_CORPUS_H_

#include <filesystem>
#include <string>

#include "demos/common/labelled_corpus.h"

namespace equipoise::demos {

/// Where the parts are from.
struct CorpusSources {
  std::filesystem::path source{};  ///< all of them, for the description
  std::filesystem::path train{};
  std::filesystem::path validation{};       ///< empty: a tenth of train, stratified
  std::filesystem::path test{};             ///< empty: a fifth of train, stratified
  std::string left_out{};                   ///< what reading left out, for the description
  std::string validation_name = "dev.tsv";  ///< what is missing where there is no such file
  std::string test_name = "test.tsv";
};

/// Takes validation and test rows out whose text stands in train, and validation rows whose text
/// stands in test; splits off the parts that have no file (iterative stratification for several
/// labels), less the rows whose text stands in the rest; writes the description.
/// @throws InputError for a class without training rows and for a part without rows.
Corpus complete(Corpus corpus, const CorpusSources& sources);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_COMPLETE_CORPUS_H_
