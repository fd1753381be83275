// Corpora of comments: one that was fetched, and one that a generator makes.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_CORPUS_H_
#define EQUIPOISE_DEMOS_SENTIMENT_CORPUS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "demos/common/labelled_corpus.h"

namespace equipoise::demos {

/// What the classes are.
enum class Granularity {
  kFine,        ///< the labels of the file, of texts that have one
  kPolarity,    ///< positive, neutral, negative, ambiguous, of texts that have one label
  kMultiLabel,  ///< the labels of the file, of all texts
};

/// A corpus in the format of GoEmotions (Demszky et al. 2020, arXiv:2005.00547): labels.txt with a
/// label a line; train.tsv, test.tsv and, if there is one, dev.tsv with at least three columns: the
/// text, label numbers with commas between, an identifier that is not used.
///
/// Rows with several labels are left out unless that is what the classes are. So are validation and
/// test rows whose text stands in train, and validation rows whose text stands in test. dev.tsv is
/// for validation; without it a tenth of train is, by a stratified split (an iterative one for
/// several labels), but for the rows whose text stands in the rest too. The description counts all
/// that is left out.
/// @throws InputError for a directory or file that is missing, empty or not UTF-8, a row with too
/// few or too many columns, an unknown label, a label without polarity when that is asked for, and
/// a class without training rows.
Corpus load_corpus(const std::filesystem::path& directory, Granularity granularity);

/// Where the corpus lies in what --data names: there, or in goemotions/ or sentiment/goemotions/
/// under it, as fetched data do. The directory itself if it is in none of them.
std::filesystem::path corpus_directory(const std::filesystem::path& data);

/// Comments that a generator makes, for a first look without data: eight classes from 3,000 rows
/// down to 30, told apart by words that stray into other classes too; for several labels every
/// fourth comment has a second one. Equal on every platform.
Corpus synthetic_corpus(Granularity granularity);

/// The polarity of a label of GoEmotions, by its authors' grouping, as an index into
/// polarity_names(); nothing for other labels.
std::optional<std::int64_t> polarity_of(const std::string& label);
const std::vector<std::string>& polarity_names();

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_CORPUS_H_
