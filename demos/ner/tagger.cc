#include "demos/ner/tagger.h"

#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/model_file.h"
#include "demos/ner/tagger_features.h"

namespace equipoise::demos {

namespace {

class LinearTagger final : public Tagger {
 public:
  LinearTagger(const TaggerOptions& options, std::size_t tags) {
    const LearnerShape shape{std::size_t{kTaggerColumns}, tags, 0};
    learner_ = options.backend == "eigen"
                   ? make_eigen_learner(shape)
                   : make_libtorch_learner(shape, options.device, options.seed, options.workers);
  }

  Fit fit(const TaggedPart& train, const TaggedPart& validation, const std::vector<double>& weights,
          const Objective& objective, const TrainingOptions& options, const Validate& validate,
          Progress& progress) override {
    return learner_->fit(linear_features(train, weights), linear_features(validation), objective,
                         options, validate, progress);
  }
  Fit fit_head(const TaggedPart&, const TaggedPart&, const Objective&, const TrainingOptions&,
               const Validate&, Progress&) override {
    throw InputError("--strategy=crt: a linear model is all head; take --model=bilstm or cnn");
  }
  Logits logits(const TaggedPart& part) const override {
    return learner_->logits(linear_features(part));
  }
  SavedModel save() const override { return {nlohmann::json::object(), learner_->parameters()}; }
  void restore(const SavedModel& model) override { learner_->set_parameters(model.parameters); }

 private:
  std::unique_ptr<Learner> learner_;
};

}  // namespace

std::unique_ptr<Tagger> make_tagger(const TaggerOptions& options, const TaggingTask& task) {
  if (options.model == "linear") return std::make_unique<LinearTagger>(options, task.tags.size());
  return make_neural_tagger(options, task);
}

}  // namespace equipoise::demos
