#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "demos/common/model_file.h"
#include "demos/ner/runs.h"
#include "demos/ner/strategy.h"
#include "demos/ner/tagger.h"

namespace equipoise::demos {
namespace {

using testing::FloatNear;
using testing::Pointwise;

TaggingTask small_task(std::size_t sentences) {
  TaggedCorpus corpus = synthetic_tagged_corpus();
  corpus.train.resize(sentences);
  corpus.validation.resize(40);
  corpus.test.resize(40);
  return make_tagging_task(corpus);
}

// What stands beside a sentence in its batch, and how long that is, does not matter.
TEST(NeuralTagger, ReadsEachSentenceByItself) {
  const TaggingTask task = small_task(50);
  for (const char* model : {"bilstm", "cnn"}) {
    const auto tagger = make_tagger({.model = model, .backend = "libtorch", .seed = 1}, task);
    const Logits all = tagger->logits(task.test);
    for (std::size_t s = 0; s < 5; ++s) {
      TaggedPart one;
      one.sentences = {task.test.sentences[s]};
      one.tags = one.sentences[0].tags;
      one.types = one.tags;
      one.offsets = {0, one.tags.size()};
      const std::size_t begin = task.test.offsets[s] * all.classes;
      const std::vector<float> expected(
          all.values.begin() + static_cast<std::ptrdiff_t>(begin),
          all.values.begin() + static_cast<std::ptrdiff_t>(begin + one.tags.size() * all.classes));
      EXPECT_THAT(tagger->logits(one).values, Pointwise(FloatNear(1e-5F), expected)) << model;
    }
  }
}

TEST(NeuralTagger, LearnsAndIsRestoredFromWhatItSaves) {
  const TaggingTask task = small_task(400);
  TaggingRunOptions options;
  options.training = {
      .epochs = 6, .batch_size = 16, .rate = 1e-2, .clip_norm = 5, .monitor = "token_macro_f1"};
  std::ostringstream log;
  for (const char* model : {"bilstm", "cnn"}) {
    options.tagger = {.model = model, .backend = "libtorch"};
    Progress progress(log, false, 1000, "steps");
    const auto run = run_tagging(task, "weights_0.5", 3, options, progress);
    EXPECT_GT(run.test[0].value, 0.5) << model;
    const auto other = make_tagger({.model = model, .backend = "libtorch", .seed = 9}, task);
    other->restore(*run.model);
    const SavedModel again = other->save();
    EXPECT_EQ(again.parameters, run.model->parameters);
    EXPECT_EQ(again.facts.at("words"), run.model->facts.at("words"));
  }
}

TEST(NeuralTagger, TrainsTheHeadAlone) {
  const TaggingTask task = small_task(100);
  const auto tagger = make_tagger({.model = "bilstm", .backend = "libtorch", .seed = 2}, task);
  const SavedModel before = tagger->save();
  const TrainingOptions options{
      .epochs = 1, .batch_size = 16, .rate = 1e-2, .monitor = "token_macro_f1"};
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  tagger->fit_head(
      task.train, task.validation, make_tagging_objective("weights_0.5", task, 0, 10), options,
      [](const Logits&) {
        return Figures{{"token_macro_f1", "", 1}};
      },
      progress);
  const SavedModel after = tagger->save();
  ASSERT_EQ(before.parameters.size(), after.parameters.size());
  for (std::size_t i = 0; i < before.parameters.size(); ++i) {
    const bool is_head = before.parameters[i].name.rfind("head.", 0) == 0;
    EXPECT_EQ(before.parameters[i] == after.parameters[i], !is_head) << before.parameters[i].name;
  }
}

// Linear taggers are one on both libraries.
TEST(LinearTagger, LearnsTheSameOnLibTorchAsOnEigen) {
  const TaggingTask task = small_task(100);
  TaggingRunOptions options;
  options.training = {.epochs = 2, .batch_size = 16, .rate = 20, .monitor = "token_macro_f1"};
  std::ostringstream log;
  Progress progress(log, false, 1000, "steps");
  const auto eigen = run_tagging(task, "spans_0.5", 0, options, progress);
  options.tagger.backend = "libtorch";
  const auto libtorch = run_tagging(task, "spans_0.5", 0, options, progress);
  ASSERT_EQ(eigen.model->parameters.size(), libtorch.model->parameters.size());
  for (std::size_t i = 0; i < eigen.model->parameters.size(); ++i) {
    EXPECT_THAT(libtorch.model->parameters[i].values,
                Pointwise(FloatNear(1e-4F), eigen.model->parameters[i].values));
  }
}

}  // namespace
}  // namespace equipoise::demos
