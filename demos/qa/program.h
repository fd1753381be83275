// The question demo around its training: its flags, its data, and the use of its models.
#ifndef EQUIPOISE_DEMOS_QA_PROGRAM_H_
#define EQUIPOISE_DEMOS_QA_PROGRAM_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/program.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

/// What models of this demo are saved as.
inline constexpr std::string_view kQaModelKind = "equipoise qa model 2";

/// What --help begins with.
extern const char* const kQaUsage;

struct QaFlags {
  std::string task{};  ///< what files of one's own are for, else what --task says
  PartFiles files{};
  OwnFiles columns{};  ///< how tables are read; without their names
  bool has_own_files = false;
  Flaws flaws = Flaws::kRepair;
  std::vector<std::string> strategies{};
  std::string predict{};  ///< a question, "-", or empty

  bool selects_sentences() const { return task == kSentenceSelection; }
  /// Whether there are files for testing alone.
  bool has_test_alone() const { return files.train.empty() && !files.test.empty(); }
};

/// @throws InputError for flags that are out of range or would be set in vain.
QaFlags read_qa_flags(const DemoFlags& flags);

/// Without --strategy those are left out that would repeat others where there is one language, and
/// those that the data do not allow, which is printed.
std::vector<std::string> suited_strategies(const DemoFlags& flags, const QaFlags& own,
                                           const QaTask& task);

/// The data that the flags name, or some that are generated.
AnswerTypeData find_answer_types(const DemoFlags& flags, const QaFlags& own);
SentenceData find_sentences(const DemoFlags& flags, const QaFlags& own);

/// How an encoder reads a question and a sentence, if there is one.
std::optional<PairPieces> pieces_of(const std::optional<Encoding>& encoding);

/// @throws InputError for a model that was not saved by this demo, and for flags that do not fit
/// it.
QaModel use(const DemoFlags& flags, const SavedModel& saved);

/// What --predict says, before anything is trained for it; standard input is read later.
/// @throws InputError for what the task cannot answer.
void check_question(const std::string& text, const std::string& task);

/// Prints how a model does on the questions that it was tested on, unless files are given for
/// testing alone.
void evaluate(const DemoFlags& flags, const QaFlags& own, const QaModel& model);

/// Prints the prediction for that question, or for each line of standard input.
void print_predictions(const DemoFlags& flags, const QaModel& model, const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_PROGRAM_H_
