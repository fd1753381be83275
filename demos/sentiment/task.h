// A corpus as models see it.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_TASK_H_
#define EQUIPOISE_DEMOS_SENTIMENT_TASK_H_

#include <cstddef>
#include <string>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/features.h"
#include "demos/encoder/word_piece.h"
#include "demos/sentiment/corpus.h"
#include "equipoise/counts.h"

namespace equipoise::demos {

struct Task {
  std::vector<std::string> classes;
  ClassCounts counts;  ///< of the training rows; with several labels, how many rows have each
  TfIdf tf_idf;        ///< without numbers where an encoder reads the texts
  Examples train;
  Examples validation;
  Examples test;
};

/// With hashed n-grams as features, or with the pieces that a pretrained encoder reads, at most
/// `most` a text.
Task make_task(const Corpus& corpus);
Task make_task(const Corpus& corpus, const WordPiece& tokenizer, std::size_t most);

/// Texts as the features that a model was trained on, or as its pieces.
Examples make_examples(const TfIdf& tf_idf, const std::vector<std::string>& texts);
Examples make_examples(const WordPiece& tokenizer, std::size_t most,
                       const std::vector<std::string>& texts);

/// The same with the targets of these rows of a corpus.
Examples with_targets(Examples examples, const Corpus& corpus, const LabelledTexts& rows);

/// The rare classes: the smallest ones that together hold at most a tenth of the rows, and at least
/// one. Ascending.
std::vector<std::size_t> rare_classes(const ClassCounts& counts);

/// From the largest to the smallest.
std::vector<std::size_t> classes_by_size(const ClassCounts& counts);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_TASK_H_
