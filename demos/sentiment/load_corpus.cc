#include <absl/container/flat_hash_set.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/sentiment/corpus.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

// What the numbers in the files stand for.
struct LabelMap {
  std::vector<std::string> classes;
  std::vector<std::int64_t> class_of;  // of each number
};

bool is_blank(const std::string& line) {
  return line.find_first_not_of(" \t") == std::string::npos;
}

LabelMap read_labels(const path& file, Granularity granularity) {
  std::vector<std::string> names = read_lines(file);
  while (!names.empty() && is_blank(names.back())) names.pop_back();
  LabelMap map;
  if (granularity == Granularity::kPolarity) map.classes = polarity_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (is_blank(names[i]))
      throw InputError(file.string(), i + 1, "expected a label, found nothing");
    if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
        names.begin() + static_cast<std::ptrdiff_t>(i)) {
      throw InputError(file.string(), i + 1, "label '" + names[i] + "' stands twice");
    }
    if (granularity != Granularity::kPolarity) {
      map.classes.push_back(names[i]);
      map.class_of.push_back(static_cast<std::int64_t>(i));
    } else if (const auto polarity = polarity_of(names[i])) {
      map.class_of.push_back(*polarity);
    } else {
      throw InputError(file.string(), i + 1,
                       "label '" + names[i] + "' has no polarity; take --labels=fine");
    }
  }
  if (map.classes.size() < 2) {
    throw InputError(file.string(), names.size(), "expected at least two labels");
  }
  return map;
}

struct Part {
  LabelledTexts rows;
  std::size_t with_several_labels = 0;
};

Part read_part(const path& file, const LabelMap& map, bool keeps_all) {
  const std::vector<std::string> lines = read_lines(file);
  Part part;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto fail = [&](const std::string& reason) {
      throw InputError(file.string(), i + 1, reason);
    };
    if (is_blank(lines[i])) continue;
    constexpr std::size_t kColumns = 3;
    std::vector<std::string> columns = absl::StrSplit(lines[i], '\t');
    while (columns.size() > kColumns && columns.back().empty()) columns.pop_back();
    if (columns.size() != kColumns) {
      fail(
          absl::StrCat("expected three columns with tabs between (text, label numbers, id), found ",
                       columns.size()));
    }
    std::vector<std::int64_t> labels;
    for (const absl::string_view text : absl::StrSplit(columns[1], ',')) {
      std::int64_t label = 0;
      const bool known = absl::SimpleAtoi(text, &label) && label >= 0 &&
                         label < static_cast<std::int64_t>(map.class_of.size());
      if (!known) {
        fail(absl::StrCat("unknown label '", text, "', expected a number from 0 to ",
                          map.class_of.size() - 1));
      }
      labels.push_back(map.class_of[static_cast<std::size_t>(label)]);
    }
    std::sort(labels.begin(), labels.end());
    if (keeps_all && std::adjacent_find(labels.begin(), labels.end()) != labels.end()) {
      fail(absl::StrCat("label '", columns[1], "' stands twice"));
    }
    if (labels.size() > 1 && !keeps_all) {
      ++part.with_several_labels;
    } else {
      part.rows.add(columns[0], std::move(labels));
    }
  }
  return part;
}

// Takes out rows whose text is among the known; returns how many.
std::size_t drop_known(const LabelledTexts& known, LabelledTexts& rows) {
  const absl::flat_hash_set<std::string> texts(known.texts.begin(), known.texts.end());
  LabelledTexts kept;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!texts.contains(rows.texts[i]))
      kept.add(std::move(rows.texts[i]), std::move(rows.labels[i]));
  }
  const std::size_t dropped = rows.size() - kept.size();
  rows = std::move(kept);
  return dropped;
}

LabelledTexts take(const LabelledTexts& rows, const std::vector<std::int64_t>& indices) {
  LabelledTexts taken;
  for (const std::int64_t index : indices) {
    const auto i = static_cast<std::size_t>(index);
    taken.add(rows.texts[i], rows.labels[i]);
  }
  return taken;
}

// A tenth of the rows, with about a tenth of each label.
splits::Split tenth_of(const LabelledTexts& rows, const Corpus& corpus) {
  constexpr double kShare = 0.1;
  constexpr std::uint64_t kSeed = 1;
  std::vector<std::int64_t> labels;
  std::vector<std::size_t> offsets = {0};
  for (const std::vector<std::int64_t>& of_row : rows.labels) {
    labels.insert(labels.end(), of_row.begin(), of_row.end());
    offsets.push_back(labels.size());
  }
  if (corpus.has_several_labels) {
    return splits::iterative_split(labels, offsets, corpus.classes.size(), kShare, kSeed);
  }
  return splits::stratified_split(labels, corpus.classes.size(), kShare, kSeed, {});
}

// Returns how many rows it drops.
std::size_t split_off_validation(Corpus& corpus, const path& file) {
  constexpr std::size_t kLeastRows = 10;
  if (corpus.train.size() < kLeastRows) {
    throw InputError(file.string(), 0,
                     absl::StrCat("there is no dev.tsv, and of ", corpus.train.size(), " rows",
                                  corpus.has_several_labels ? "" : " with one label",
                                  " no tenth can be taken for validation"));
  }
  const splits::Split split = tenth_of(corpus.train, corpus);
  corpus.validation = take(corpus.train, split.test);
  corpus.train = take(corpus.train, split.train);
  return drop_known(corpus.train, corpus.validation);  // texts that stand twice in the file
}

void require_rows_of_each_class(const Corpus& corpus, const path& file) {
  for (std::size_t c = 0; c < corpus.classes.size(); ++c) {
    const auto has_it = [label = static_cast<std::int64_t>(c)](const auto& labels) {
      return std::find(labels.begin(), labels.end(), label) != labels.end();
    };
    if (std::none_of(corpus.train.labels.begin(), corpus.train.labels.end(), has_it)) {
      throw InputError(file.string(), 0,
                       "no row for training has the label '" + corpus.classes[c] + "'");
    }
  }
}

}  // namespace

path corpus_directory(const path& data) {
  for (const path& candidate : {data, data / "goemotions", data / "sentiment" / "goemotions"}) {
    if (std::filesystem::exists(candidate / "labels.txt")) return candidate;
  }
  return data;
}

Corpus load_corpus(const path& directory, Granularity granularity) {
  const LabelMap map = read_labels(directory / "labels.txt", granularity);
  const bool keeps_all = granularity == Granularity::kMultiLabel;
  Part train = read_part(directory / "train.tsv", map, keeps_all);
  Part test = read_part(directory / "test.tsv", map, keeps_all);
  const bool has_validation = std::filesystem::exists(directory / "dev.tsv");
  Part validation = has_validation ? read_part(directory / "dev.tsv", map, keeps_all) : Part{};

  Corpus corpus{{},
                map.classes,
                keeps_all,
                std::move(train.rows),
                std::move(validation.rows),
                std::move(test.rows)};
  const std::size_t test_dropped = drop_known(corpus.train, corpus.test);
  std::size_t validation_dropped = 0;
  if (has_validation) {
    validation_dropped = drop_known(corpus.train, corpus.validation);
    validation_dropped += drop_known(corpus.test, corpus.validation);
  }
  require_rows_of_each_class(corpus, directory / "train.tsv");
  if (!has_validation) validation_dropped = split_off_validation(corpus, directory / "train.tsv");
  if (corpus.test.size() == 0) {
    throw InputError((directory / "test.tsv").string(), 0, "no row is left for testing");
  }
  if (corpus.validation.size() == 0) {
    if (has_validation) {
      throw InputError((directory / "dev.tsv").string(), 0, "no row is left for validation");
    }
    throw InputError((directory / "train.tsv").string(), 0,
                     "no row is left for validation: there is no dev.tsv, and each text of the "
                     "tenth that was taken here stands in the rest too");
  }
  corpus.description = absl::StrCat(
      directory.string(), ": ", corpus.train.size(), " training, ", corpus.validation.size(),
      " validation", has_validation ? "" : " (a tenth of train.tsv, stratified)", " and ",
      corpus.test.size(), " test rows, ", corpus.classes.size(),
      keeps_all ? " labels, of which a row has any number.\nLeft out: "
                : absl::StrCat(" classes.\nLeft out: ",
                               train.with_several_labels + validation.with_several_labels +
                                   test.with_several_labels,
                               " rows with several labels; "),
      test_dropped, " test and ", validation_dropped,
      " validation rows whose text stands in another part.");
  return corpus;
}

}  // namespace equipoise::demos
