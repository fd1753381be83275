// Questions from files of one's own.
#ifndef EQUIPOISE_DEMOS_QA_OWN_DATA_H_
#define EQUIPOISE_DEMOS_QA_OWN_DATA_H_

#include <string>
#include <string_view>
#include <vector>

#include "demos/common/own_files.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/sentence_data.h"

namespace equipoise::demos {

/// Files with questions, all of one kind: in the format of SQuAD or tables.
struct OwnQuestions {
  PartFiles files{};
  OwnFiles columns{};  ///< how tables are read; without their names
};

/// The task that they serve: texts with questions have sentences that may be selected, tables with
/// a label for each question have types of answers. A file whose name ends in .json or that begins
/// with { is in the format of SQuAD.
/// @throws InputError for a file that cannot be read and for files of both kinds.
std::string_view task_served_by(const PartFiles& files);

/// Tables, with the labels as they stand, as load_files() reads them. Without a column of languages
/// all questions are of one, kUnnamedLanguage.
/// @throws InputError as load_files(), and for several tables for one part.
AnswerTypeData load_own_types(const OwnQuestions& own);

/// The table for testing alone, of the classes and languages of a model.
/// @throws InputError as load_rows(), and where one of them goes by language and the other does
/// not.
AnswerTypeData load_own_type_test(const OwnQuestions& own, const std::vector<std::string>& types,
                                  const std::vector<std::string>& languages);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_OWN_DATA_H_
