#include "demos/common/labelled_corpus.h"

#include <absl/container/flat_hash_set.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

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

// A part that is taken out of the training rows.
struct PartOfTrain {
  std::string purpose;  // "validation"
  std::string name;     // of the file that is missing
  std::string share_name;
  double share;
  std::string rows = "rows";  // that there are
};

// Returns how many rows it drops.
std::size_t split_off(const PartOfTrain& kind, const path& file, Corpus& corpus,
                      LabelledTexts& part) {
  constexpr std::size_t kLeastRows = 10;
  if (corpus.train.size() < kLeastRows) {
    throw InputError(
        file.string(), 0,
        absl::StrCat("there is no ", kind.name, ", and of ", corpus.train.size(), " ", kind.rows,
                     " no ", kind.share_name, " can be taken for ", kind.purpose));
  }
  const splits::Split parts = split(corpus.train, corpus, kind.share);
  part = take(corpus.train, parts.test);
  corpus.train = take(corpus.train, parts.train);
  return drop_known(corpus.train, part);  // texts that occur twice in the file
}

void require_rows(const PartOfTrain& kind, std::size_t rows, std::size_t dropped, const path& own,
                  const path& train) {
  if (rows > 0) return;
  const std::string none = absl::StrCat("no row is left for ", kind.purpose);
  if (!own.empty()) {
    throw InputError(own.string(), 0,
                     none + (dropped > 0 ? ": its texts stand in another part too" : ""));
  }
  throw InputError(train.string(), 0,
                   absl::StrCat(none, ": there is no ", kind.name, ", and each text of the ",
                                kind.share_name, " that was taken here stands in the rest too"));
}

void require_rows_of_each_class(const Corpus& corpus, const path& file) {
  std::vector<bool> is_there(corpus.classes.size());
  for (const std::vector<std::int64_t>& labels : corpus.train.labels) {
    for (const std::int64_t label : labels) is_there[static_cast<std::size_t>(label)] = true;
  }
  const auto missing = std::find(is_there.begin(), is_there.end(), false);
  if (missing == is_there.end()) return;
  throw InputError(file.string(), 0,
                   "no row for training has the label '" +
                       corpus.classes[static_cast<std::size_t>(missing - is_there.begin())] + "'");
}

std::string origin(const PartOfTrain& kind, const path& own, const path& train) {
  if (!own.empty()) return "";
  return absl::StrCat(" (a ", kind.share_name, " of ", train.filename().string(), ", stratified)");
}

}  // namespace

Corpus complete(Corpus corpus, const CorpusSources& sources) {
  const char* const rows = sources.left_out.empty() ? "rows" : "rows with one label";
  const PartOfTrain validation = {"validation", sources.validation_name, "tenth", 0.1, rows};
  const PartOfTrain test = {"testing", sources.test_name, "fifth", 0.2, rows};
  std::size_t test_dropped = 0;
  std::size_t validation_dropped = 0;
  if (sources.test.empty()) {
    test_dropped = split_off(test, sources.train, corpus, corpus.test);
  } else {
    test_dropped = drop_known(corpus.train, corpus.test);
  }
  if (!sources.validation.empty()) {
    validation_dropped = drop_known(corpus.train, corpus.validation);
    validation_dropped += drop_known(corpus.test, corpus.validation);
  }
  require_rows_of_each_class(corpus, sources.train);
  if (sources.validation.empty()) {
    validation_dropped = split_off(validation, sources.train, corpus, corpus.validation);
  }
  require_rows(test, corpus.test.size(), test_dropped, sources.test, sources.train);
  require_rows(validation, corpus.validation.size(), validation_dropped, sources.validation,
               sources.train);
  corpus.description = absl::StrCat(
      sources.source.string(), ": ", corpus.train.size(), " training, ", corpus.validation.size(),
      " validation", origin(validation, sources.validation, sources.train), " and ",
      corpus.test.size(), " test", origin(test, sources.test, sources.train), " rows, ",
      corpus.classes.size(),
      corpus.has_several_labels ? " labels, of which a row has any number." : " classes.",
      "\nLeft out: ", sources.left_out, test_dropped, " test and ", validation_dropped,
      " validation rows whose text stands in another part.");
  return corpus;
}

}  // namespace equipoise::demos
