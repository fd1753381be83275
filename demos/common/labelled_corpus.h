// Labelled texts in three parts.
#ifndef EQUIPOISE_DEMOS_COMMON_LABELLED_CORPUS_H_
#define EQUIPOISE_DEMOS_COMMON_LABELLED_CORPUS_H_

#include <cstddef>
#include <cstdint>
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

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_LABELLED_CORPUS_H_
