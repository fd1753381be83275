// Either task as models see it, the strategies that train them, and trained models put to use.
#ifndef EQUIPOISE_DEMOS_QA_TASK_H_
#define EQUIPOISE_DEMOS_QA_TASK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "demos/common/model_file.h"
#include "demos/common/task.h"
#include "demos/encoder/word_piece.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/sentences.h"
#include "equipoise/counts.h"

namespace equipoise::demos {

/// The tasks by the names that flags and saved models have for them.
inline constexpr std::string_view kAnswerType = "answer_type";
inline constexpr std::string_view kSentenceSelection = "sentence_selection";

/// The task that files of one's own serve: texts with questions have sentences that may be
/// selected, tables with a label for each question have types of answers. A file whose name ends in
/// .json or that begins with { is in the format of SQuAD.
/// @throws InputError for a file that cannot be read and for files of both kinds.
std::string_view task_served_by(const PartFiles& files);

/// In what proportions languages are drawn.
struct LanguageMix {
  /// See drawn_cells(); empty: as the data are.
  std::function<std::vector<double>(const GroupedCounts&)> cells{};
  std::string code{};  ///< the library's calls that make them, `mass`
};

/// A way to train a model where classes and languages differ in size, by its parts.
struct QaStrategy {
  std::string name;
  LanguageMix mix{};
  double class_tau = 0;       ///< where the mix rakes classes too: drawn as n_c^(1 - tau)
  double weight_tau = 0;      ///< class weights n_c^-tau, n_c what is drawn
  double adjustment_tau = 0;  ///< logits + tau log prior (Menon et al. 2021, arXiv:2007.07314)
  double group_adjustment_tau = 0;  ///< the same with the prior within the row's language
  bool focal = false;               ///< gamma 2 (Lin et al. 2017, arXiv:1708.02002)
  bool posthoc = false;  ///< after training: logits - tau log prior, tau chosen on validation
};

/// All strategies of a task, in the order of its table. None of sentences is posthoc: their
/// threshold is chosen for all strategies.
std::vector<QaStrategy> all_qa_strategies(std::string_view task);

/// One of these by its name.
/// @throws std::invalid_argument where there is none.
QaStrategy strategy_named(std::string_view name);

/// Whether a strategy is another one than those before it where there is one language: it does not
/// go by language.
bool is_for_one_language(const QaStrategy& strategy);

/// The masses with which a strategy draws the cells (language, class), language by language; they
/// sum to one.
/// @throws InputError where no table has the marginals that the strategy asks for.
std::vector<double> drawn_cells(const QaStrategy& strategy, const GroupedCounts& counts);

/// The share of each language, and of each class, in such masses.
std::vector<double> language_shares(const std::vector<double>& cells, std::size_t classes);
std::vector<double> class_shares(const std::vector<double>& cells, std::size_t classes);

/// The class weights of the loss, mean one over what is drawn; empty for none.
std::vector<double> loss_weights(const QaStrategy& strategy, const GroupedCounts& counts);

/// What makes pieces of questions with their sentences, a row each, for an encoder.
struct PairPieces {
  WordPiece tokenizer;
  std::size_t most_pieces = 0;
};

/// What makes rows of questions.
using QaFeatures = std::variant<QuestionFeatures, SentenceFeatures, PairPieces>;

/// Groups of rows are languages. Where sentences are selected, the classes are `other` and
/// `positive`, and units of validation and test are questions: their sentences.
///
/// Metrics of types:
///   accuracy, macro_f1, balanced_accuracy; precision, recall and f1 of each type
///   macro_f1 and accuracy of each language (of the types that it has there), language_f1 their
///   mean macro-F1, worst_language_f1 the lowest of comparable_languages(); so of accuracy
/// and of sentences:
///   positive_f1; at a probability of a half, positive_f1_half; of the questions that have several
///   sentences, positive_f1_several; mrr, the mean reciprocal rank; average_precision; precision,
///   recall and f1 of positives
///   f1 and mrr of each language, language_f1 and language_mrr their means, worst_language_f1 and
///   worst_language_mrr the lowest
struct QaTask final : Task {
  std::string name{};
  std::vector<std::string> languages{};
  GroupedCounts counts{};  ///< training rows by language and class
  /// Bootstraps resample the test rows [fact_starts[f], fact_starts[f + 1]) together; of types
  /// empty: each row is a fact.
  std::vector<std::size_t> fact_starts{};
  bool is_translated = true;  ///< of types: whether questions have translations

  bool selects_sentences() const { return name == kSentenceSelection; }
  ClassCounts class_counts() const { return counts.total(); }

  std::string headline() const override { return selects_sentences() ? "positive_f1" : "macro_f1"; }
  std::size_t resampled_units() const override {
    return fact_starts.empty() ? test.units() : fact_starts.size() - 1;
  }
  Objective objective(const std::string& strategy, std::uint64_t seed,
                      std::uint64_t steps) const override;
  /// Of sentences the threshold with the best F1 of positives, on the logit of `positive` less that
  /// of `other`; of types the tau of none_tau.
  Decision choose(const std::string& strategy, const Logits& logits) const override;
  Metrics measure(const Examples& part, const Logits& logits,
                  const Decision& decision) const override;
  /// How calibrated the probabilities of test rows are, as add_reliability() has it, of the most
  /// probable type or of `positive`: `raw` and, with temperature and biases that fit validation
  /// best (Alexandari et al. 2020, arXiv:1901.06852), `fitted`. The second resampled metric is that
  /// of the worst language. The facts have the fitted a, b_0, b_1, ... of softmax(a z + b).
  void describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const override;
  std::string preview(const std::vector<std::string>& strategies) const override;
  std::string summary(const ExperimentOptions& options, const Results& results) const override;
  NamedPlots plots(const ExperimentOptions& options, const Results& results) const override;
};

QaTask make_task(const AnswerTypeData& data);
/// Perhaps with question and sentence as a pair of texts for an encoder; `facts` say which.
QaTask make_task(const SentenceData& data, const std::optional<PairPieces>& pieces = std::nullopt,
                 const nlohmann::json& facts = {});

/// Questions as rows with targets; a question of a language that is not in the list has none of
/// its group, -1.
Examples make_examples(const QaFeatures& features, std::span<const AfriqaQuestion> questions,
                       std::span<const std::string> languages);
Examples make_examples(const QaFeatures& features, std::span<const SentenceQuestion> questions,
                       std::span<const std::string> languages);

/// A class for each row.
std::vector<std::int64_t> decide(const QaTask& task, const Logits& logits,
                                 const Decision& decision);

/// What ranks sentences: the logit of `positive` less that of `other`.
std::vector<double> sentence_scores(const Logits& logits);

/// Languages whose metrics can be compared: of types those that have rows of every type, or if
/// there are none, as of sentences, those that have rows.
std::vector<bool> comparable_languages(const QaTask& task, const Examples& part);

/// What tells rows from others: units, rows, and a digest of targets, languages and units.
std::string fingerprint(const Examples& examples);

/// The languages from the one with most training rows to that with fewest.
std::vector<std::size_t> languages_by_size(const QaTask& task);

/// How a metric of a language is labelled: "lang=sw".
std::string language_label(const std::string& language);

/// The library's calls that make up a strategy: C++ lines that take `labels`, `classes` and `seed`,
/// and, where languages differ, the number of each row's in `groups`, of `languages`; the lines of
/// sentences choose their threshold by `scores` and `targets`. tau is the first seed's.
std::string qa_code(const QaTask& task, const Outcome& outcome);

/// A model with all that it needs to be used.
struct QaModel {
  QaTask task{};  ///< without rows
  std::string strategy{};
  QaFeatures features;
  Decision decision{};
  std::vector<double> calibration{};  ///< a, b_0, b_1, ...: probabilities are softmax(a z + b)
  std::string test{};                 ///< fingerprint() of the rows it was tested on
  std::unique_ptr<Learner> learner{};
};

/// Makes a model of what was saved, with its encoder if it has one.
/// @throws std::invalid_argument and nlohmann::json::exception for what QaTask does not save.
QaModel use_qa_model(const SavedModel& saved,
                     const std::function<std::unique_ptr<Learner>(const LearnerShape&)>& make,
                     const std::optional<PairPieces>& pieces = std::nullopt);

/// A prediction for an object with `question` and, for a type, `translation` (may be missing) or,
/// for sentences, `context` and perhaps `language`, by whose rules it is cut into sentences:
///   {"question": ..., "answer_type": "yes_no", "probabilities": {"yes_no": 0.53, ...}}
///   {"question": ..., "sentences": [{"text": ..., "probability": 0.8, "is_answer": true}, ...]}
/// Types stand in the order of their scores, the decision first, and sentences by probability.
/// Probabilities are calibrated on validation; a decision that favours rare types need not be the
/// most probable one.
/// @throws nlohmann::json::exception for an object that lacks one of them, InputError for a context
/// without a sentence.
nlohmann::ordered_json predict_question(const QaModel& model, const nlohmann::json& question);

/// The same for people, a line a type or sentence; what is decided for has a star.
std::string prediction_text(const nlohmann::ordered_json& prediction);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_QA_TASK_H_
