// Questions with the sentences of their contexts, in three parts.
#ifndef EQUIPOISE_DEMOS_QA_SENTENCE_DATA_H_
#define EQUIPOISE_DEMOS_QA_SENTENCE_DATA_H_

#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/qa/sentence_features.h"
#include "demos/qa/squad.h"

namespace equipoise::demos {

struct SentenceData {
  std::string description;  ///< a line or more: what it is and what was found and left out
  std::vector<std::string> languages;
  std::vector<SentenceQuestion> train;
  std::vector<SentenceQuestion> validation;
  std::vector<SentenceQuestion> test;  ///< questions of one fact stand together
};

/// A context as its sentences, by the rules of its language.
std::vector<std::string> sentences_of(std::string_view context, std::string_view language);

/// The files in what --data names that are in the format of SQuAD: there, in mlqa/ and
/// tydiqa_goldp/ under it, and in the same under qa/. Sorted.
std::vector<std::filesystem::path> squad_files(const std::filesystem::path& data);

/// The language of a file's texts, by its name: xx of context-xx-question-yy, else the first part
/// between dots, hyphens and underscores that is a code of ISO 639-1, in lower case:
/// tydiqa.goldp.sw.train.json, squad.pt_br.json, qa_de.json. Empty if there is none.
std::string language_of(const std::filesystem::path& file);

/// All questions of all files: a fifth for testing, a fifth for validation, the others for
/// training. No fact is in two parts, and of each language a part has its share. Of one fact are
/// questions on the same context, questions with the same identifier, as translations have it in
/// files of several languages, those of the same text in the same language, and all that these
/// join. An identifier that a file repeats joins none of its questions. A sentence is an answer if
/// it holds one or a piece of one.
///
/// Left out are files whose questions are of another language than their contexts, which only
/// context-xx-question-yy says, and questions none of whose answers is to be found.
/// @throws InputError where there is no file, for a file whose name says no language, for one that
/// cannot be read or is cut short, for one of which more than 1 % of the questions are left out,
/// unless such files are skipped, for any defect if these are refused, and for too few facts.
SentenceData load_sentence_data(const std::filesystem::path& data, Flaws flaws);

/// The language of what says none.
inline constexpr const char* kUnnamedLanguage = "unnamed";

/// Reads files of one's own, of any name; without files for validation a tenth of train is taken,
/// without files for testing a fifth, by fact. Questions are of the language that the name of their
/// file says, else of kUnnamedLanguage. Left out are test and validation questions whose text or
/// words stand in train, and validation questions whose stand in test. The description lists the
/// classes.
/// @throws InputError as load_sentence_data() does, and for a language that train does not have.
SentenceData load_sentence_files(const PartFiles& files, Flaws flaws);

/// Files for testing alone, of the languages of a model.
SentenceData load_sentence_test(const std::vector<std::filesystem::path>& files,
                                const std::vector<std::string>& languages, Flaws flaws);

/// Texts and questions that a generator makes, for a first look without data: five invented
/// languages from 900 questions down to 60. Equal on every platform.
SentenceData synthetic_sentence_data();

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_SENTENCE_DATA_H_
