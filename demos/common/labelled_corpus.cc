#include "demos/common/labelled_corpus.h"

#include <absl/container/flat_hash_set.h>
#include <absl/strings/str_cat.h>

#include <algorithm>

#include "demos/common/input_error.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

// Takes out rows whose text is among the known; returns how many.
std::size_t drop_known(const LabelledTexts& known, LabelledTexts& rows) {
  const absl::flat_hash_set<std::string> texts(known.texts.begin(), known.texts.end());
  LabelledTexts kept;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!texts.contains(rows.texts[i])) {
      kept.add(std::move(rows.texts[i]), std::move(rows.labels[i]), std::move(rows.languages[i]));
    }
  }
  const std::size_t dropped = rows.size() - kept.size();
  rows = std::move(kept);
  return dropped;
}

LabelledTexts take(const LabelledTexts& rows, const std::vector<std::int64_t>& indices) {
  LabelledTexts taken;
  for (const std::int64_t index : indices) {
    const auto i = static_cast<std::size_t>(index);
    taken.add(rows.texts[i], rows.labels[i], rows.languages[i]);
  }
  return taken;
}

// A share of the rows, with about that share of each label.
splits::Split split(const LabelledTexts& rows, const Corpus& corpus, double share) {
  constexpr std::uint64_t kSeed = 1;
  std::vector<std::int64_t> labels;
  std::vector<std::size_t> offsets = {0};
  for (const std::vector<std::int64_t>& of_row : rows.labels) {
    labels.insert(labels.end(), of_row.begin(), of_row.end());
    offsets.push_back(labels.size());
  }
  if (corpus.has_several_labels) {
    return splits::iterative_split(labels, offsets, corpus.classes.size(), share, kSeed);
  }
  return splits::stratified_split(labels, corpus.classes.size(), share, kSeed, {});
}

// Validation or test: the rows of a file of its own, or a share of those for training.
struct Part {
  std::string purpose;  // "validation"
  std::string name;     // of the file, where it is missing
  std::string share_name;
  double share;
  path file;  // empty: none
  LabelledTexts& rows;
  std::size_t dropped = 0;  // rows whose text stands in another part
};

// `rows_name` is what the rows for training are called.
void split_off(const path& train, const std::string& rows_name, Corpus& corpus, Part& part) {
  constexpr std::size_t kLeastRows = 10;
  if (corpus.train.size() < kLeastRows) {
    throw InputError(
        train.string(), 0,
        absl::StrCat("there is no ", part.name, ", and of ", corpus.train.size(), " ", rows_name,
                     " no ", part.share_name, " can be taken for ", part.purpose));
  }
  const splits::Split parts = split(corpus.train, corpus, part.share);
  part.rows = take(corpus.train, parts.test);
  corpus.train = take(corpus.train, parts.train);
  part.dropped += drop_known(corpus.train, part.rows);  // texts that occur twice in the file
}

void require_rows(const Part& part, const path& train) {
  if (part.rows.size() > 0) return;
  const std::string none = absl::StrCat("no row is left for ", part.purpose);
  if (!part.file.empty()) {
    throw InputError(part.file.string(), 0,
                     none + (part.dropped > 0 ? ": its texts stand in another part too" : ""));
  }
  throw InputError(train.string(), 0,
                   absl::StrCat(none, ": there is no ", part.name, ", and each text of the ",
                                part.share_name, " that was taken here stands in the rest too"));
}

void require_rows_of_each_class(const Corpus& corpus, const path& file) {
  std::vector<bool> is_there(corpus.classes.size());
  for (const std::vector<std::int64_t>& labels : corpus.train.labels) {
    for (const std::int64_t label : labels) is_there[static_cast<std::size_t>(label)] = true;
  }
  for (std::size_t c = 0; c < is_there.size(); ++c) {
    if (is_there[c]) continue;
    throw InputError(file.string(), 0,
                     "no row for training has the label '" + corpus.classes[c] + "'");
  }
}

std::string text_of(const Part& part, const char* kind, const path& train) {
  const std::string text = absl::StrCat(part.rows.size(), " ", kind);
  if (!part.file.empty()) return text;
  return absl::StrCat(text, " (a ", part.share_name, " of ", train.filename().string(),
                      ", stratified)");
}

}  // namespace

Corpus complete(Corpus corpus, const CorpusSources& sources) {
  const path& train = sources.train;
  const char* const rows_name = sources.left_out.empty() ? "rows" : "rows with one label";
  Part validation{"validation", sources.validation_name, "tenth",
                  0.1,          sources.validation,      corpus.validation};
  Part test{"testing", sources.test_name, "fifth", 0.2, sources.test, corpus.test};
  if (test.file.empty()) {
    split_off(train, rows_name, corpus, test);
  } else {
    test.dropped = drop_known(corpus.train, test.rows);
  }
  if (!validation.file.empty()) {
    validation.dropped = drop_known(corpus.train, validation.rows);
    validation.dropped += drop_known(corpus.test, validation.rows);
  }
  require_rows_of_each_class(corpus, train);
  if (validation.file.empty()) split_off(train, rows_name, corpus, validation);
  require_rows(test, train);
  require_rows(validation, train);
  corpus.description = absl::StrCat(
      sources.source.string(), ": ", corpus.train.size(), " training, ",
      text_of(validation, "validation", train), " and ", text_of(test, "test", train), " rows, ",
      corpus.classes.size(),
      corpus.has_several_labels ? " labels, of which a row has any number." : " classes.",
      "\nLeft out: ", sources.left_out, test.dropped, " test and ", validation.dropped,
      " validation rows whose text stands in another part.");
  return corpus;
}

}  // namespace equipoise::demos
