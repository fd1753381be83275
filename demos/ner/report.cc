// What the demo prints and reports: tables, pictures, and the code of the best strategy.
#include "demos/common/report.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/advice.h"
#include "demos/common/charts.h"
#include "demos/common/outcome_charts.h"
#include "demos/common/reliability.h"
#include "demos/common/text_table.h"
#include "demos/ner/task.h"
#include "equipoise/counts.h"
#include "equipoise/metrics/entity_sequences.h"
#include "equipoise/metrics/entity_tags.h"
#include "equipoise/weights.h"

namespace equipoise::demos {

namespace {

ClassCounts entities_of(const TaggingTask& task, const Examples& part) {
  return metrics::count_entities(part.targets, part.unit_starts, task.tags);
}

// The types of the tokens of the training part.
ClassCounts trained_types(const TaggingTask& task) {
  return count_labels(task.types_of(task.train.targets), task.types() + 1);
}

std::vector<std::string> type_names(const TaggingTask& task) {
  return {task.tags.types().begin(), task.tags.types().end()};
}

std::string type_table(const TaggingTask& task, const ExperimentOptions& options,
                       const Results& results) {
  const ClassCounts train = entities_of(task, task.train);
  const ClassCounts test = entities_of(task, task.test);
  std::vector<std::vector<std::string>> rows;
  for (std::size_t k = 0; k < task.types(); ++k) {
    rows.push_back({task.tags.types()[k], absl::StrCat(train[k]), absl::StrCat(test[k])});
  }
  return label_table(
      results, options, {"type", "entities in train", "in test"}, rows,
      {{"tokens' F1", "token_f1"}, {"precision", "precision"}, {"recall", "recall"}, {"F1", "f1"}});
}

std::string entity_table(const TaggingTask& task, const Results& results) {
  std::vector<Column> columns = {{"strict", "entity_f1"}, {"conlleval", "entity_f1_conlleval"}};
  for (const std::string& type : task.tags.types()) columns.push_back({type, "f1", type});
  return seed_table(results, columns);
}

std::string entity_gain(const Outcome& best, const ExperimentOptions& options) {
  if (!best.second_gain) return "";
  return absl::StrCat("\nGain of ", best.strategy, " over ", options.baseline,
                      " in entity F1, strict, over resampled test sentences: ",
                      interval_text(best.second_gain), ".\n");
}

std::string percent(double share) { return absl::StrFormat("%.2f %%", 100 * share); }

// Whether shares were estimated: validation must have every tag.
bool has_shift(const Results& results) {
  return has_metric(results.outcomes.front().runs.front(), "token_macro_f1_em");
}

std::string shift_text(const TaggingTask& task, const ExperimentOptions& options,
                       const Results& results) {
  if (!has_shift(results)) return "";
  std::vector<std::string> header = {"type", "share of train's tokens", "of test's"};
  const std::vector<const Outcome*> outcomes = compared(results, options);
  for (const Outcome* outcome : outcomes) {
    header.push_back(absl::StrCat("estimated, ", outcome->strategy));
  }
  TextTable table(header);
  const ClassCounts train = trained_types(task);
  for (std::size_t k = 0; k < task.types(); ++k) {
    const std::string& type = task.tags.types()[k];
    std::vector<std::string> row = {type, percent(train[k + 1] / train.total()),
                                    percent(mean_on_test(*outcomes.front(), "tokens", type))};
    for (const Outcome* outcome : outcomes) {
      row.push_back(percent(mean_on_test(*outcome, "tokens_em", type)));
    }
    table.add_row(row);
  }
  return "\nShares of the types, and what expectation-maximisation finds on test:\n\n" +
         table.to_string();
}

DotChart shift_chart(const TaggingTask& task, const std::vector<const Outcome*>& outcomes) {
  const std::vector<std::string> names = type_names(task);
  const ClassCounts trained = trained_types(task);
  Series in_train{"training data"};
  for (std::size_t k = 0; k < task.types(); ++k) {
    in_train.values.push_back(trained[k + 1] / trained.total());
  }
  DotChart chart = score_dots("Fraction of tokens per type, and its estimate without tags",
                              "tokens_em", names, outcomes);
  for (Series& series : chart.series) series.name = "estimated, " + series.name;
  Series in_test = score_dots("", "tokens", names, {outcomes.front()}).series.front();
  in_test.name = "test data";
  chart.series.insert(chart.series.begin(), {in_train, in_test});
  chart.value_axis = "fraction of tokens";
  chart.most = 0;
  return chart;
}

constexpr const char* kTypes =
    "// labels: the tag of each token, of the EntityTags names; types: 0 outside, k + 1 in an\n"
    "// entity of type k; sentence s begins at offsets[s].\n";
constexpr const char* kTagCounts =
    "// labels: the tag of each training token, of the EntityTags names.\n"
    "const equipoise::ClassCounts counts = equipoise::count_labels(labels, names.size());\n";

// A tag may not occur in training.
std::string tag_weights_code(double tau) {
  return power_weights_code(tau, ",\n    {.empty = equipoise::EmptyClass::kLargest}");
}

std::string weighted_code(double tau) {
  return absl::StrCat(kTagCounts, softmax_code({.class_weights = tag_weights_code(tau)}));
}

std::string outside_code() {
  return absl::StrCat(
      softmax_code({.class_weights = "std::vector<double>(names.size(), 1.0)"}),
      "loss.class_weights[names.label(equipoise::metrics::TagPrefix::kOutside).value()] = 0.25;\n");
}

std::string span_code() {
  return absl::StrCat(
      kTypes,
      "// Each token weighs 1 over the length of its entity.\n"
      "std::vector<double> shares(labels.size(), 1.0);\n"
      "for (std::size_t s = 0; s + 1 < offsets.size(); ++s) {\n"
      "  const std::span<const std::int64_t> sentence(\n"
      "      labels.data() + offsets[s], offsets[s + 1] - offsets[s]);\n"
      "  for (const auto& entity : equipoise::metrics::find_entities(sentence, names)) {\n"
      "    const std::size_t length = entity.end - entity.begin;\n"
      "    std::fill_n(shares.begin() + static_cast<std::ptrdiff_t>(offsets[s] + entity.begin),\n"
      "                length, 1.0 / static_cast<double>(length));\n"
      "  }\n"
      "}\n"
      "const equipoise::ClassCounts counts =\n"
      "    equipoise::count_labels(types, shares, names.types().size() + 1);\n",
      "const std::vector<double> weights = ", tag_weights_code(0.5), ";\n", softmax_code({}),
      "for (std::size_t tag = 0; tag < names.size(); ++tag) {\n"
      "  const auto type = names.type(tag);\n"
      "  loss.class_weights.push_back(weights[type ? *type + 1 : 0]);\n"
      "}\n"
      "// The shares of a batch's tokens go to the loss: value_and_gradient(loss, logits, labels,\n"
      "// {.sample_weights = shares_of_batch}, gradient).\n");
}

std::string sentence_sampler_code(const std::string& policy) {
  return absl::StrCat(kTypes,
                      "const std::vector<double> factors = equipoise::sampling::repeat_factors(\n"
                      "    types, offsets, names.types().size() + 1,\n    equipoise::sampling::",
                      policy,
                      ", {.background = 0});\n"
                      "const equipoise::sampling::EpochStream sampler(\n"
                      "    equipoise::sampling::SystematicResampling(\n"
                      "        factors, factors.size(), seed));\n"
                      "// Sentences of a batch: sampler.fill(step * batch_size, sentences).\n",
                      softmax_code({}));
}

std::string deferred_code() {
  return absl::StrCat(kTagCounts, "const std::vector<double> weights = ", tag_weights_code(0.5),
                      ";\n"
                      "const equipoise::RampSchedule ramp{2 * steps / 3, 2 * steps / 3};\n",
                      softmax_code({}),
                      "// Before each step:\n"
                      "loss.class_weights = equipoise::blend({}, weights, ramp(step));\n");
}

}  // namespace

std::string tagging_code(const Outcome& outcome) {
  const std::string& name = outcome.strategy;
  if (name == "none_tau") {
    // As the demo has it, a tag that does not occur counts as a half.
    return absl::StrCat(
        kTagCounts, softmax_code({}),
        "std::vector<double> prior;\n"
        "for (const double n : counts.values()) prior.push_back(std::max(n, 0.5));\n",
        posthoc_code(outcome.runs.front().choice, "prior"));
  }
  if (name == "weights") return weighted_code(1);
  if (name == "weights_0.5") return weighted_code(0.5);
  if (name == "outside") return outside_code();
  if (name == "spans_0.5") return span_code();
  if (name == "focal") return softmax_code({"equipoise::Focal"});
  if (name == "dice") {
    return softmax_code({"equipoise::SelfAdjustingDice"}) + "loss.modulator.alpha = 0.01;\n";
  }
  if (name == "repeat_factor") return sentence_sampler_code("LvisRepeats{1}");
  if (name == "scr") return sentence_sampler_code("CountRarenessRepeats{}");
  if (name == "drw") return deferred_code();
  if (name == "crt") {
    return "// First train everything with SoftmaxLoss<>, then a new head alone with this loss:\n" +
           weighted_code(0.5);
  }
  return softmax_code({});
}

std::string TaggingTask::summary(const ExperimentOptions& options, const Results& results) const {
  const Outcome& best = results.outcomes[results.best];
  std::vector<Column> columns = {
      {"tokens' macro-F1", "token_macro_f1"}, {"entity F1", "entity_f1"},
      {"conlleval", "entity_f1_conlleval"},   {"macro", "entity_macro_f1"},
      {"precision", "entity_precision"},      {"recall", "entity_recall"}};
  if (has_shift(results))
    columns.insert(columns.begin() + 1, {"the same, EM", "token_macro_f1_em"});
  return absl::StrCat(
      "Test sentences, ", mean_text(results), "; epoch, tau and the best strategy (**",
      best.strategy,
      "**) are chosen on validation. Tokens' macro-F1:\nthe mean over entity types of the F1 of "
      "tokens by their type; EM: after a prior shift that is estimated from the\ntest tokens "
      "without their tags. Entity F1: strict, and as conlleval reads tags.\n",
      explain_gains(results, options, "test sentences"), "\n\n",
      strategy_table(results, options, columns), "\n", gain_over_posthoc(results, options),
      "Entity F1 on test, of all types and of each, with 95 % intervals over seeds:\n\n",
      entity_table(*this, results), entity_gain(best, options), "\nEach type on test:\n\n",
      type_table(*this, options, results), shift_text(*this, options, results),
      "\nProbabilities of test tokens as they are, and with the temperature and biases that fit "
      "validation best:\n\n",
      calibration_table(results), "\n",
      advice(results, options,
             cost_in_calibration(results, options, "a temperature and biases have"),
             tagging_code(best)));
}

NamedPlots TaggingTask::plots(const ExperimentOptions& options, const Results& results) const {
  const std::vector<const Outcome*> outcomes = compared(results, options);
  const auto weights = [&](double tau) {
    return class_weights(counts, PowerWeights{tau}, {.empty = EmptyClass::kLargest});
  };
  DotChart f1 = score_dots("F1 of named entities on test data", "f1", type_names(*this), outcomes);
  f1.value_axis = "F1";
  f1.count_name = "entities";
  const ClassCounts tested = entities_of(*this, test);
  f1.counts.assign(tested.values().begin(), tested.values().end());
  NamedPlots plots = {
      {"counts.png", bars({"Training tokens per tag", "tokens", classes, prior})},
      {"weights.png",
       dots(weight_chart("Weights of tags, mean one over the training tokens", classes, weights))},
      {"f1.png", dots(f1)},
      {"reliability.png", reliability(reliability_lines("Reliability of the top tag on test data",
                                                        *outcomes.back(), {"raw", "fitted"}))}};
  if (has_shift(results)) plots.emplace_back("shift.png", dots(shift_chart(*this, outcomes)));
  return plots;
}

}  // namespace equipoise::demos
