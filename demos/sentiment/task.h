// Texts and their labels as models see them, in two kinds of tasks.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_TASK_H_
#define EQUIPOISE_DEMOS_SENTIMENT_TASK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/features.h"
#include "demos/common/task.h"
#include "demos/encoder/word_piece.h"
#include "demos/sentiment/corpus.h"
#include "equipoise/counts.h"
#include "equipoise/plan/plan.h"

namespace equipoise::demos {

struct TextTask : Task {
  ClassCounts counts{};  ///< training rows of each class; with several labels, rows with each
};

/// Texts with one label each. Their metrics are accuracy, macro_f1, balanced_accuracy, rare_recall
/// and rare_precision (means over the rare classes), and precision, recall and f1 of each class; on
/// test also those of calibration_metrics().
struct OneLabelTask final : TextTask {
  Objective objective(const std::string& strategy, std::uint64_t seed,
                      std::uint64_t steps) const override;
  /// The tau of none_tau.
  Decision choose(const std::string& strategy, const Logits& logits) const override;
  Metrics measure(const Examples& part, const Logits& logits,
                  const Decision& decision) const override;
  void describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const override;
  /// What the ledger says of each strategy.
  std::string preview(const std::vector<std::string>& strategies) const override;
  std::string summary(const ExperimentOptions& options, const Results& results) const override;
  NamedPlots plots(const ExperimentOptions& options, const Results& results) const override;

  Metrics class_metrics(const Examples& part, std::span<const std::int64_t> predictions) const;
};

/// How calibrated the probabilities of test rows are, in three ways: `raw`, the softmax of the
/// logits; `nominal`, posterior(), which undoes the treatment as the ledger has it; `fitted`, that
/// with the temperature and the share of the ledger's offset that fit validation best. Of each way
/// the metrics of add_reliability().
///
/// temperature is what the fitted way divides logits by, more than 1 where they are too sure;
/// realised_share, realised_share_lower and realised_share_upper are of the nominal offset, where
/// there is one; rule_macro_f1 is that of the fitted probabilities by argmax log p - tau log prior,
/// with the rule_tau of `taus` that is best on validation.
Metrics calibration_metrics(const Plan& plan, const Loss& loss, const Logits& validation,
                            std::span<const std::int64_t> validation_labels, const Logits& test,
                            std::span<const std::int64_t> test_labels,
                            std::span<const double> taus);

/// Texts with any number of labels. A label is predicted where its logit reaches the label's own
/// threshold, that with the best F1 on validation: macro_f1 and micro_f1; besides there are those
/// at one threshold for all labels, the best on validation (_shared), and at a half (_half), and
/// macro_average_precision, which has no threshold. f1, precision, recall and average_precision of
/// each label are by their own thresholds.
struct ManyLabelsTask final : TextTask {
  Objective objective(const std::string& strategy, std::uint64_t seed,
                      std::uint64_t steps) const override;
  /// The labels' own thresholds, and after them the shared one.
  Decision choose(const std::string& strategy, const Logits& logits) const override;
  Metrics measure(const Examples& part, const Logits& logits,
                  const Decision& decision) const override;
  void describe(const Trained& trained, Run& run, nlohmann::json& model_facts) const override;
  std::string summary(const ExperimentOptions& options, const Results& results) const override;
  NamedPlots plots(const ExperimentOptions& options, const Results& results) const override;
};

/// With hashed n-grams as features, or with the pieces that a pretrained encoder reads, at most
/// `most` a text.
std::unique_ptr<TextTask> make_task(const Corpus& corpus);
std::unique_ptr<TextTask> make_task(const Corpus& corpus, const WordPiece& tokenizer,
                                    std::size_t most);

/// Texts as the features that a model was trained on, or as its pieces.
Examples make_examples(const TfIdf& tf_idf, const std::vector<std::string>& texts);
Examples make_examples(const WordPiece& tokenizer, std::size_t most,
                       const std::vector<std::string>& texts);

/// The same with the targets of these rows of a corpus.
Examples with_targets(Examples examples, const Corpus& corpus, const LabelledTexts& rows);

/// The library's calls that make up a strategy: C++ lines that take `labels`, `classes` and `seed`,
/// or, with several labels, `positives` and `rows`. tau is the first seed's.
std::string code_of(const TextTask& task, const Outcome& outcome);

/// The rare classes: the smallest ones that together hold at most a tenth of the rows, and at least
/// one. Ascending.
std::vector<std::size_t> rare_classes(const ClassCounts& counts);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_TASK_H_
