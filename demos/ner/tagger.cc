#include "demos/ner/tagger.h"

#include <functional>
#include <span>
#include <string>
#include <utility>

#include "demos/common/model_file.h"
#include "demos/ner/tagger_features.h"

namespace equipoise::demos {

namespace {

using Features = std::function<Examples(const TaggedPart& part, std::vector<double> weights)>;

// A model on rows that are made of tokens.
class LearnerTagger final : public Tagger {
 public:
  LearnerTagger(std::unique_ptr<Learner> learner, Features features, nlohmann::json facts)
      : learner_(std::move(learner)), features_(std::move(features)), facts_(std::move(facts)) {}

  Fit fit(const TaggedPart& train, const TaggedPart& validation, const std::vector<double>& weights,
          const Objective& objective, const TrainingOptions& options, const Validate& validate,
          Progress& progress) override {
    return learner_->fit(features_(train, weights), features_(validation, {}), objective, options,
                         validate, progress);
  }
  Fit fit_head(const TaggedPart& train, const TaggedPart& validation, const Objective& objective,
               const TrainingOptions& options, const Validate& validate,
               Progress& progress) override {
    return learner_->fit_head(features_(train, {}), features_(validation, {}), objective, options,
                              validate, progress);
  }
  Logits logits(const TaggedPart& part) const override {
    return learner_->logits(features_(part, {}));
  }
  SavedModel save() const override { return {facts_, learner_->parameters()}; }
  void restore(const SavedModel& model) override { learner_->set_parameters(model.parameters); }

 private:
  std::unique_ptr<Learner> learner_;
  Features features_;
  nlohmann::json facts_;
};

std::unique_ptr<Tagger> make_linear_tagger(const TaggerOptions& options, std::size_t tags) {
  const LearnerShape shape{std::size_t{kTaggerColumns}, tags, 0};
  return std::make_unique<LearnerTagger>(
      options.backend == "eigen"
          ? make_eigen_learner(shape)
          : make_libtorch_learner(shape, options.device, options.seed, options.workers),
      linear_features, nlohmann::json::object());
}

std::unique_ptr<Tagger> make_encoder_tagger(const TaggerOptions& options, std::size_t tags) {
  const Encoding& encoding = options.encoding.value();
  EncoderLearnerOptions own = learner_options(encoding);
  own.classes = tags;
  own.device = options.device;
  own.seed = options.seed;
  own.reads_places = true;
  own.workers = options.workers;
  return std::make_unique<LearnerTagger>(
      make_encoder_learner(own),
      [encoding](const TaggedPart& part, std::vector<double> weights) {
        return piece_examples(part, encoding.tokenizer, encoding.most_pieces, std::move(weights));
      },
      facts_of(encoding));
}

}  // namespace

Examples piece_examples(const TaggedPart& part, const WordPiece& tokenizer, std::size_t most,
                        std::vector<double> weights) {
  Examples examples;
  for (const TaggedSentence& sentence : part.sentences) {
    for (std::span<const std::string> words = sentence.tokens; !words.empty();) {
      Pieces pieces = tokenizer.encode_words(words, most);
      for (const std::size_t piece : pieces.starts) {
        examples.places.push_back({examples.pieces.size(), piece});
      }
      words = words.subspan(pieces.starts.size());
      examples.pieces.push_back(std::move(pieces.ids));
    }
  }
  examples.targets = part.tags;
  examples.weights = std::move(weights);
  examples.unit_starts = part.offsets;
  return examples;
}

std::unique_ptr<Tagger> make_tagger(const TaggerOptions& options, const TaggingTask& task) {
  if (options.model == "linear") return make_linear_tagger(options, task.tags.size());
  if (options.model == "encoder") return make_encoder_tagger(options, task.tags.size());
  return make_neural_tagger(options, task);
}

}  // namespace equipoise::demos
