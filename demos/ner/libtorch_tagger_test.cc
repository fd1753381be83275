#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/model_file.h"
#include "demos/ner/task.h"
#include "demos/ner/token_features.h"

namespace equipoise::demos {
namespace {

using testing::FloatNear;
using testing::Pointwise;

TaggedCorpus small_corpus(std::size_t sentences) {
  TaggedCorpus corpus = synthetic_tagged_corpus();
  corpus.train.resize(sentences);
  corpus.validation.resize(40);
  corpus.test.resize(40);
  return corpus;
}

TaggingTask small_task(std::size_t sentences) {
  const TaggedCorpus corpus = small_corpus(sentences);
  return *make_tagging_task(corpus, word_features(frequent_words(corpus.train)), "bilstm");
}

RunOptions with_network(const std::string& model, const TrainingOptions& training) {
  return {training, [model](const LearnerShape& shape, std::uint64_t seed) {
            return make_neural_tagger(model, shape, "cpu", seed, nullptr);
          }};
}

// What stands beside a sentence in its batch, and how long that is, does not matter.
TEST(NeuralTagger, ReadsEachSentenceByItself) {
  const TaggedCorpus corpus = small_corpus(50);
  const TokenFeatures features = word_features(frequent_words(corpus.train));
  const Examples test = features.rows(corpus.test);
  for (const char* model : {"bilstm", "cnn"}) {
    const auto tagger =
        make_neural_tagger(model, {features.columns, corpus.tags.size()}, "cpu", 1, nullptr);
    const Logits all = tagger->logits(test);
    for (std::size_t s = 0; s < 5; ++s) {
      const auto begin = static_cast<std::ptrdiff_t>(test.unit_begin(s) * all.classes);
      const auto end = static_cast<std::ptrdiff_t>(test.unit_begin(s + 1) * all.classes);
      const std::vector<float> expected(all.values.begin() + begin, all.values.begin() + end);
      EXPECT_THAT(tagger->logits(features.rows({&corpus.test[s], 1})).values,
                  Pointwise(FloatNear(1e-5F), expected))
          << model;
    }
  }
}

TEST(NeuralTagger, LearnsAndIsRestoredFromWhatItSaves) {
  const TaggingTask task = small_task(400);
  std::ostringstream log;
  for (const char* model : {"bilstm", "cnn"}) {
    Progress progress(log, false, 1000, "steps");
    const auto run = run_strategy(task, "weights_0.5", 3,
                                  with_network(model, {.epochs = 6,
                                                       .batch_size = 16,
                                                       .rate = 1e-2,
                                                       .clip_norm = 5,
                                                       .monitor = "token_macro_f1"}),
                                  progress);
    EXPECT_GT(run.test[0].value, 0.5) << model;
    const std::vector<std::string> words = run.model->facts.at("words");
    EXPECT_EQ(words.size(), task.shape.columns);
    const auto other = make_neural_tagger(model, task.shape, "cpu", 9, nullptr);
    other->set_parameters(run.model->parameters);
    EXPECT_EQ(other->parameters(), run.model->parameters);
  }
}

TEST(NeuralTagger, TrainsTheHeadAlone) {
  const TaggingTask task = small_task(100);
  const auto tagger = make_neural_tagger("bilstm", task.shape, "cpu", 2, nullptr);
  const std::vector<Parameter> before = tagger->parameters();
  const TrainingOptions options{
      .epochs = 1, .batch_size = 16, .rate = 1e-2, .monitor = "token_macro_f1"};
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  tagger->fit_head(
      task.train, task.validation, task.objective("crt", 0, 10), options,
      [](const Logits&) {
        return Metrics{{"token_macro_f1", "", 1}};
      },
      progress);
  const std::vector<Parameter> after = tagger->parameters();
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool is_head = before[i].name.rfind("head.", 0) == 0;
    EXPECT_EQ(before[i] == after[i], !is_head) << before[i].name;
  }
}

// Linear taggers are one on both libraries.
TEST(LinearTagger, LearnsTheSameOnLibTorchAsOnEigen) {
  const TaggingTask task = *make_tagging_task(small_corpus(100), linear_features(), "linear");
  RunOptions options;
  options.training = {.epochs = 2, .batch_size = 16, .rate = 20, .monitor = "token_macro_f1"};
  options.make_learner = [](const LearnerShape& shape, std::uint64_t) {
    return make_eigen_learner(shape);
  };
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  const auto eigen = run_strategy(task, "spans_0.5", 0, options, progress);
  options.make_learner = [](const LearnerShape& shape, std::uint64_t seed) {
    return make_libtorch_learner(shape, "cpu", seed, nullptr);
  };
  const auto libtorch = run_strategy(task, "spans_0.5", 0, options, progress);
  ASSERT_EQ(eigen.model->parameters.size(), libtorch.model->parameters.size());
  for (std::size_t i = 0; i < eigen.model->parameters.size(); ++i) {
    EXPECT_THAT(libtorch.model->parameters[i].values,
                Pointwise(FloatNear(1e-4F), eigen.model->parameters[i].values));
  }
}

}  // namespace
}  // namespace equipoise::demos
