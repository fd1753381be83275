// Labelled texts in three parts, and what is done to them once their files have been read.
#ifndef EQUIPOISE_DEMOS_COMMON_LABELLED_CORPUS_H_
#define EQUIPOISE_DEMOS_COMMON_LABELLED_CORPUS_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace equipoise::demos {

/// Texts with the numbers of their labels.
struct LabelledTexts {
  std::vector<std::string> texts{};
  std::vector<std::vector<std::int64_t>> labels{};  ///< of each text, ascending; at least one
  std::vector<std::string> languages{};             ///< of each text; empty where not known

  std::size_t size() const { return texts.size(); }
  void add(std::string text, std::vector<std::int64_t> own_labels, std::string language = "") {
    texts.push_back(std::move(text));
    labels.push_back(std::move(own_labels));
    languages.push_back(std::move(language));
  }
};

struct Corpus {
  std::string description;  ///< a line or more: what it is and what was left out
  std::vector<std::string> classes;
  bool has_several_labels = false;  ///< whether a text may have several
  LabelledTexts train;
  LabelledTexts validation;
  LabelledTexts test;
  std::vector<std::string> languages{};  ///< sorted; none where they are not known
};

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

#endif  // EQUIPOISE_DEMOS_COMMON_LABELLED_CORPUS_H_
