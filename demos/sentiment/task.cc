#include "demos/sentiment/task.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "demos/common/model_file.h"
#include "demos/common/report.h"

namespace equipoise::demos {

namespace {

ClassCounts counts_of(const Corpus& corpus) {
  std::vector<std::int64_t> labels;
  for (const auto& of_row : corpus.train.labels) {
    labels.insert(labels.end(), of_row.begin(), of_row.end());
  }
  return count_labels(labels, corpus.classes.size());
}

template <class Features>
std::unique_ptr<TextTask> task_of(const Corpus& corpus, const Features& features) {
  std::unique_ptr<TextTask> task;
  if (corpus.has_several_labels) {
    task = std::make_unique<ManyLabelsTask>();
  } else {
    task = std::make_unique<OneLabelTask>();
  }
  const auto examples = [&](const LabelledTexts& rows) {
    return with_targets(features(rows.texts), corpus, rows);
  };
  task->description = corpus.description;
  task->classes = corpus.classes;
  task->shape = {std::size_t{kTextColumns}, corpus.classes.size()};
  task->facts = {{"classes", corpus.classes}, {"hidden", 0}};
  task->counts = counts_of(corpus);
  task->train = examples(corpus.train);
  task->validation = examples(corpus.validation);
  task->test = examples(corpus.test);
  return task;
}

}  // namespace

Examples with_targets(Examples examples, const Corpus& corpus, const LabelledTexts& rows) {
  if (corpus.has_several_labels) examples.labels = corpus.classes.size();
  for (const std::vector<std::int64_t>& labels : rows.labels) {
    if (!corpus.has_several_labels) {
      examples.targets.push_back(labels.front());
      continue;
    }
    const std::size_t begin = examples.targets.size();
    examples.targets.resize(begin + examples.labels, 0);
    for (const std::int64_t label : labels) {
      examples.targets[begin + static_cast<std::size_t>(label)] = 1;
    }
  }
  return examples;
}

std::unique_ptr<TextTask> make_task(const Corpus& corpus) {
  const TfIdf tf_idf(ngram_counts(corpus.train.texts));
  auto task = task_of(
      corpus, [&](const std::vector<std::string>& texts) { return make_examples(tf_idf, texts); });
  task->facts["idf"] = to_block(tf_idf.idf());
  return task;
}

std::unique_ptr<TextTask> make_task(const Corpus& corpus, const WordPiece& tokenizer,
                                    std::size_t most) {
  return task_of(corpus, [&](const std::vector<std::string>& texts) {
    return make_examples(tokenizer, most, texts);
  });
}

Examples make_examples(const TfIdf& tf_idf, const std::vector<std::string>& texts) {
  Examples examples;
  examples.features = tf_idf(ngram_counts(texts));
  return examples;
}

Examples make_examples(const WordPiece& tokenizer, std::size_t most,
                       const std::vector<std::string>& texts) {
  Examples examples;
  for (const std::string& text : texts) {
    examples.pieces.push_back(tokenizer.encode(text, most).ids);
  }
  return examples;
}

std::vector<std::size_t> rare_classes(const ClassCounts& counts) {
  constexpr double kShare = 0.1;
  std::vector<double> fewness(counts.values().begin(), counts.values().end());
  for (double& count : fewness) count = -count;
  std::vector<std::size_t> classes = by_falling(fewness);
  std::size_t size = 0;
  double rows = 0;
  while (size < classes.size() && rows + counts[classes[size]] <= kShare * counts.total()) {
    rows += counts[classes[size++]];
  }
  classes.resize(std::max<std::size_t>(size, 1));
  std::sort(classes.begin(), classes.end());
  return classes;
}

}  // namespace equipoise::demos
