// The flags of this demo.
#ifndef EQUIPOISE_DEMOS_QA_QA_FLAGS_H_
#define EQUIPOISE_DEMOS_QA_QA_FLAGS_H_

#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/own_data.h"
#include "demos/qa/sentence_data.h"
#include "demos/qa/strategy.h"
#include "demos/qa/task.h"

namespace equipoise::demos {

/// What --help begins with.
extern const char* const kQaUsage;

struct QaFlags {
  std::string task{};  ///< what files of one's own are for, else what --task says
  OwnQuestions own{};
  bool has_own_files = false;
  Flaws flaws = Flaws::kRepair;
  std::vector<std::string> strategies{};
  std::string predict{};  ///< a question, "-", or empty

  bool selects_sentences() const { return task == kSentenceSelection; }
  /// Whether there are files for testing alone.
  bool has_test_alone() const { return own.files.train.empty() && !own.files.test.empty(); }
};

/// @throws InputError for flags that are out of range or would be set in vain.
QaFlags read_qa_flags(const DemoFlags& flags);

/// The strategies that suit a task: without --strategy those are left out that would repeat others
/// where there is one language, and those that the data do not allow, which is printed.
std::vector<std::string> suited_strategies(const DemoFlags& flags, const QaFlags& own,
                                           const QaTask& task);

/// The data that they name, or some that are generated.
AnswerTypeData find_answer_types(const DemoFlags& flags, const QaFlags& own);
SentenceData find_sentences(const DemoFlags& flags, const QaFlags& own);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_QA_FLAGS_H_
