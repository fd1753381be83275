// A corpus from files of one's own.
#ifndef EQUIPOISE_DEMOS_COMMON_OWN_FILES_H_
#define EQUIPOISE_DEMOS_COMMON_OWN_FILES_H_

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/labelled_corpus.h"

namespace equipoise::demos {

/// Tables with a column of texts and one of labels.
struct OwnFiles {
  std::filesystem::path train{};
  std::filesystem::path validation{};  ///< empty: a tenth of train, stratified
  std::filesystem::path test{};        ///< empty: a fifth of train, stratified
  /// Columns, by their names in the first row, which is a header then, or by numbers from 1; two
  /// numbers mean that there is no header.
  std::string text = "text";
  std::string label = "label";
  std::string language{};          ///< empty: there is no such column
  std::string text_flag = "text";  ///< what the flag of the texts is called, for messages
  char separator = 0;              ///< 0: found out, see read_table()
  std::string label_separator{};   ///< between the labels of a text; empty: each text has one
};

/// Rows of one such table, for a model of these classes and languages; `named_by` says where they
/// are from.
/// @throws InputError as load_files() for a file that is read.
LabelledTexts load_rows(const std::filesystem::path& file, const OwnFiles& files,
                        const std::vector<std::string>& classes, const std::string& named_by,
                        const std::vector<std::string>& languages = {});

/// Reads them. Labels are names, blanks around them dropped; the classes are those of the training
/// file, the most frequent first. The description says how they were read and lists the classes
/// with their counts in each part.
/// @throws InputError as read_table() and complete(), for a column that is not there, a text that
/// is empty, a row without a label unless texts may have several, a label that occurs twice in a
/// row, a label or language that the training file does not have, and for fewer than two labels.
Corpus load_files(const OwnFiles& files);

/// A table of the classes: their rows in training, validation and test, and their share of so many
/// training rows.
std::string class_list(const std::vector<std::string>& classes,
                       const std::array<std::vector<std::size_t>, 3>& counts, std::size_t rows);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_OWN_FILES_H_
