#include "demos/sentiment/task.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace equipoise::demos {

namespace {

ClassCounts counts_of(const Corpus& corpus) {
  std::vector<std::int64_t> labels;
  for (const auto& of_row : corpus.train.labels) {
    labels.insert(labels.end(), of_row.begin(), of_row.end());
  }
  return count_labels(labels, corpus.classes.size());
}

std::vector<std::size_t> sorted_classes(const ClassCounts& counts, bool ascending) {
  std::vector<std::size_t> classes(counts.classes());
  std::iota(classes.begin(), classes.end(), std::size_t{0});
  std::stable_sort(classes.begin(), classes.end(), [&](std::size_t a, std::size_t b) {
    return ascending ? counts[a] < counts[b] : counts[a] > counts[b];
  });
  return classes;
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

Task make_task(const Corpus& corpus) {
  SparseRows train = ngram_counts(corpus.train.texts);
  TfIdf tf_idf(train);
  const auto examples = [&](const LabelledTexts& rows) {
    return with_targets(make_examples(tf_idf, rows.texts), corpus, rows);
  };
  Examples training = with_targets({.features = tf_idf(std::move(train))}, corpus, corpus.train);
  Examples validation = examples(corpus.validation);
  Examples test = examples(corpus.test);
  return {corpus.classes,      counts_of(corpus),     std::move(tf_idf),
          std::move(training), std::move(validation), std::move(test)};
}

Task make_task(const Corpus& corpus, const WordPiece& tokenizer, std::size_t most) {
  const auto examples = [&](const LabelledTexts& rows) {
    return with_targets(make_examples(tokenizer, most, rows.texts), corpus, rows);
  };
  return {corpus.classes,         counts_of(corpus),           TfIdf(std::vector<float>()),
          examples(corpus.train), examples(corpus.validation), examples(corpus.test)};
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
  std::vector<std::size_t> classes = sorted_classes(counts, /*ascending=*/true);
  std::size_t size = 0;
  double rows = 0;
  while (size < classes.size() && rows + counts[classes[size]] <= kShare * counts.total()) {
    rows += counts[classes[size++]];
  }
  classes.resize(std::max<std::size_t>(size, 1));
  std::sort(classes.begin(), classes.end());
  return classes;
}

std::vector<std::size_t> classes_by_size(const ClassCounts& counts) {
  return sorted_classes(counts, /*ascending=*/false);
}

}  // namespace equipoise::demos
