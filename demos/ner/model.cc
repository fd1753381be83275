#include "demos/ner/model.h"

#include <absl/strings/str_cat.h>

#include <cstddef>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/ner/corpus.h"
#include "demos/ner/ner_flags.h"
#include "equipoise/calibrate.h"
#include "equipoise/metrics/entities.h"

namespace equipoise::demos {

namespace {

TaggedPart part_of(std::vector<std::string> tokens) {
  TaggedPart part;
  part.tags.assign(tokens.size(), 0);
  part.types.assign(tokens.size(), 0);
  part.offsets.push_back(tokens.size());
  part.sentences.push_back({std::move(tokens), part.tags});
  return part;
}

void print_entities(const DemoFlags& flags, const LoadedTagger& loaded, const std::string& text) {
  const std::vector<std::string> words = words_of(text);
  const std::vector<std::int64_t> tags = loaded.tags_of(part_of(words));
  *flags.out << "\"" << text << "\"\n";
  const std::vector<metrics::Entity> entities = metrics::find_entities(tags, loaded.task.tags);
  for (const metrics::Entity& entity : entities) {
    *flags.out << "  " << loaded.task.tags.types()[entity.type] << " ";
    for (std::size_t i = entity.begin; i < entity.end; ++i) *flags.out << " " << words[i];
    *flags.out << "\n";
  }
  if (entities.empty()) *flags.out << "  no entities\n";
}

// A line of JSON for each on standard input.
void predict_lines(const DemoFlags& flags, const LoadedTagger& loaded) {
  std::string line;
  for (std::size_t number = 1; std::getline(std::cin, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      const nlohmann::json given = nlohmann::json::parse(line);
      const auto words = given.contains("tokens")
                             ? given.at("tokens").get<std::vector<std::string>>()
                             : words_of(given.at("text").get<std::string>());
      std::vector<std::string> names;
      if (!words.empty()) {
        for (const std::int64_t tag : loaded.tags_of(part_of(words))) {
          names.push_back(loaded.task.tag_names[static_cast<std::size_t>(tag)]);
        }
      }
      *flags.out << nlohmann::json{{"tokens", words}, {"tags", names}}.dump() << "\n";
    } catch (const nlohmann::json::exception& error) {
      throw InputError(
          "standard input", number,
          absl::StrCat(R"(expected {"tokens": ["..."]} or {"text": "..."}: )", error.what()));
    }
  }
  *flags.out << std::flush;
}

}  // namespace

std::vector<std::int64_t> LoadedTagger::tags_of(const TaggedPart& part) const {
  return calibrate::predict(tagger->logits(part).view(), offset);
}

LoadedTagger use(const DemoFlags& flags, const SavedModel& saved, const std::string& file) {
  const auto refuse = [&](const char* reason) {
    throw InputError(file, 0, absl::StrCat("not a model that --save has written: ", reason));
  };
  try {
    LoadedTagger result;
    result.task.tag_names = saved.facts.at("tags").get<std::vector<std::string>>();
    result.task.tags = metrics::EntityTags(result.task.tag_names);
    result.strategy = saved.facts.value("strategy", "?");
    result.offset = saved.facts.at("offset").get<std::vector<double>>();
    if (result.offset.size() != result.task.tags.size()) refuse("an offset of another size");
    const std::string model = saved.facts.at("model");
    if (model != "linear" && flags.backend == "eigen") {
      throw InputError("--load: this model is neural and needs --backend=libtorch");
    }
    const TaggerOptions options{model, flags.backend, flags.device,
                                0,     flags.workers, encoding_of_facts(flags, saved.facts)};
    result.tagger = make_tagger(options, result.task);
    result.tagger->restore(saved);
    return result;
  } catch (const nlohmann::json::exception& error) {
    refuse(error.what());
  } catch (const std::invalid_argument& error) {
    refuse(error.what());
  }
  return {};
}

void print_evaluation(const DemoFlags& flags, const LoadedTagger& loaded) {
  const TaggedCorpus corpus = find_corpus(flags);
  if (corpus.tags != loaded.task.tag_names) {
    throw InputError("--load: the model's tags are not those of the data");
  }
  const TaggingTask task = make_tagging_task(corpus);
  const std::vector<std::int64_t> tags = loaded.tags_of(task.test);
  metrics::EntityScores scores(task.tags);
  scores.add(task.test.tags, tags, task.test.offsets);
  *flags.out << corpus.description << "\n\nTest sentences, strategy " << loaded.strategy << ":\n\n"
             << report(scores.strict(), 3) << "\n"
             << metrics::conlleval_report(scores);
}

void print_predictions(const DemoFlags& flags, const LoadedTagger& loaded,
                       const std::string& text) {
  if (text == "-") {
    predict_lines(flags, loaded);
  } else {
    print_entities(flags, loaded, text);
  }
}

}  // namespace equipoise::demos
