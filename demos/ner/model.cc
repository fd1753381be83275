#include "demos/ner/model.h"

#include <absl/strings/str_cat.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>

#include "demos/common/input_error.h"
#include "demos/ner/corpus.h"
#include "demos/ner/neural_tagger.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/entities.h"

namespace equipoise::demos {

namespace {

std::vector<std::int64_t> tags_of(const LoadedTagger& loaded, std::vector<std::string> tokens) {
  const std::vector<std::int64_t> unknown(tokens.size(), 0);
  const TaggedSentence sentence{std::move(tokens), unknown};
  return loaded.tags_of(loaded.features.rows({&sentence, 1}));
}

void print_entities(const DemoFlags& flags, const LoadedTagger& loaded, const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  *flags.out << "\"" << text << "\"\n";
  const std::vector<metrics::Entity> entities =
      metrics::find_entities(tags_of(loaded, words), loaded.tags);
  for (const metrics::Entity& entity : entities) {
    *flags.out << "  " << loaded.tags.types()[entity.type] << " ";
    for (std::size_t i = entity.begin; i < entity.end; ++i) *flags.out << " " << words[i];
    *flags.out << "\n";
  }
  if (entities.empty()) *flags.out << "  no entities\n";
}

nlohmann::ordered_json answer(const LoadedTagger& loaded, const nlohmann::json& asked) {
  const auto words = asked.contains("tokens") ? asked.at("tokens").get<std::vector<std::string>>()
                                              : words_of(asked.at("text").get<std::string>());
  std::vector<std::string> names;
  if (!words.empty()) {
    for (const std::int64_t tag : tags_of(loaded, words)) {
      names.push_back(loaded.tag_names[static_cast<std::size_t>(tag)]);
    }
  }
  return {{"tags", names}, {"tokens", words}};
}

TokenFeatures features_from(const nlohmann::json& facts, const std::optional<Encoding>& encoding) {
  if (encoding) return piece_features(encoding->tokenizer, encoding->most_pieces);
  if (facts.at("model") == "linear") return linear_features();
  return word_features(facts.at("words").get<std::vector<std::string>>());
}

}  // namespace

std::vector<std::int64_t> LoadedTagger::tags_of(const Examples& examples) const {
  return calibrate::predict(learner->logits(examples).view(), offset);
}

std::unique_ptr<Learner> make_tagger(const DemoFlags& flags, const std::string& model,
                                     const std::optional<Encoding>& encoding,
                                     const LearnerShape& shape, std::uint64_t seed) {
  if (model == "bilstm" || model == "cnn") {
    return make_neural_tagger(model, shape, flags.device, seed, flags.workers);
  }
  return make_learner(flags, encoding, shape, seed, /*reads_places=*/true);
}

LoadedTagger use(const DemoFlags& flags, const SavedModel& saved) {
  return read_saved(flags, [&] {
    const nlohmann::json& facts = saved.facts;
    LoadedTagger result;
    result.tag_names = facts.at("tags").get<std::vector<std::string>>();
    result.tags = metrics::EntityTags(result.tag_names);
    result.strategy = facts.value("strategy", "?");
    result.offset = facts.at("offset").get<std::vector<double>>();
    if (result.offset.size() != result.tags.size()) {
      throw std::invalid_argument("an offset of another size");
    }
    const std::string model = facts.at("model");
    if (model != "linear" && flags.backend == "eigen") {
      throw InputError("--load: this model is neural and needs --backend=libtorch");
    }
    const std::optional<Encoding> encoding = encoding_of_facts(flags, facts);
    result.features = features_from(facts, encoding);
    result.learner =
        make_tagger(flags, model, encoding, {result.features.columns, result.tags.size()}, 0);
    result.learner->set_parameters(saved.parameters);
    return result;
  });
}

void print_evaluation(const DemoFlags& flags, const LoadedTagger& loaded) {
  const TaggedCorpus corpus = find_corpus(flags);
  if (corpus.tags != loaded.tag_names) {
    throw InputError("--load: the model's tags differ from those of the data");
  }
  const Examples test = loaded.features.rows(corpus.test);
  metrics::EntityScores scores(loaded.tags);
  scores.add(test.targets, loaded.tags_of(test), test.unit_starts);
  *flags.out << corpus.description << "\n\nTest sentences, strategy " << loaded.strategy << ":\n\n"
             << report(scores.strict(), 3) << "\n"
             << metrics::conlleval_report(scores);
}

void print_predictions(const DemoFlags& flags, const LoadedTagger& loaded,
                       const std::string& text) {
  if (text == "-") {
    answer_lines(flags, [&](const nlohmann::json& asked) { return answer(loaded, asked); });
  } else {
    print_entities(flags, loaded, text);
  }
}

}  // namespace equipoise::demos
