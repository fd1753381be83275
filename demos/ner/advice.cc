#include "demos/ner/advice.h"

#include <absl/strings/str_cat.h>

#include "demos/common/advice.h"

namespace equipoise::demos {

namespace {

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

}  // namespace equipoise::demos
