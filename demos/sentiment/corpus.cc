#include "demos/sentiment/corpus.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "demos/common/files.h"
#include "demos/common/input_error.h"
#include "demos/common/random_numbers.h"

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
      throw InputError(file.string(), i + 1, "label '" + names[i] + "' occurs twice");
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
      fail(absl::StrCat("label '", columns[1], "' occurs twice"));
    }
    if (labels.size() > 1 && !keeps_all) {
      ++part.with_several_labels;
    } else {
      part.rows.add(columns[0], std::move(labels));
    }
  }
  return part;
}

struct Emotion {
  const char* name;
  std::size_t rows;  // for training
  std::array<const char*, 6> words;
};

constexpr Emotion kEmotions[] = {
    {"neutral", 3000, {"report", "street", "table", "monday", "number", "window"}},
    {"approval", 1500, {"agree", "right", "exactly", "sure", "indeed", "fair"}},
    {"annoyance", 800, {"annoying", "stop", "ridiculous", "tired", "nonsense", "seriously"}},
    {"gratitude", 400, {"thanks", "thank", "grateful", "appreciate", "helpful", "cheers"}},
    {"curiosity", 200, {"why", "how", "wonder", "curious", "which", "source"}},
    {"joy", 100, {"happy", "smile", "delighted", "yay", "sunshine", "cheerful"}},
    {"fear", 60, {"scared", "afraid", "terrifying", "horror", "panic", "nightmare"}},
    {"grief", 30, {"mourning", "funeral", "loss", "passed", "miss", "heartbroken"}},
};
constexpr std::size_t kClasses = std::size(kEmotions);

constexpr std::array kFillers = {"the", "a",    "this", "that", "was",  "is",   "people", "really",
                                 "and", "time", "just", "they", "with", "what", "game",   "day"};

// Five to twelve words: an eighth tells the class, or one of two, a sixteenth tells some other.
std::string comment(std::size_t emotion, std::size_t second, Draws& draws) {
  std::string text;
  const std::size_t length = 5 + draws.below(8);
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t kind = draws.below(16);
    const char* word = kFillers[draws.below(kFillers.size())];
    if (kind < 2) word = kEmotions[kind == 0 ? emotion : second].words[draws.below(6)];
    if (kind == 2) word = kEmotions[draws.below(kClasses)].words[draws.below(6)];
    absl::StrAppend(&text, i == 0 ? "" : " ", word);
  }
  return text;
}

LabelledTexts part(std::uint64_t seed, double share, Granularity granularity) {
  LabelledTexts rows;
  Draws draws(seed);
  for (std::size_t c = 0; c < kClasses; ++c) {
    const auto size =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(kEmotions[c].rows)));
    for (std::size_t i = 0; i < size; ++i) {
      std::size_t second = c;
      if (granularity == Granularity::kMultiLabel && i % 4 == 0) second = draws.below(kClasses);
      std::string text = comment(c, second, draws);
      std::vector<std::int64_t> labels = {static_cast<std::int64_t>(std::min(c, second))};
      if (second != c) labels.push_back(static_cast<std::int64_t>(std::max(c, second)));
      if (granularity == Granularity::kPolarity) labels = {polarity_of(kEmotions[c].name).value()};
      rows.add(std::move(text), std::move(labels));
    }
  }
  return rows;
}

}  // namespace

const std::vector<std::string>& polarity_names() {
  static const std::vector<std::string> names = {"positive", "neutral", "negative", "ambiguous"};
  return names;
}

std::optional<std::int64_t> polarity_of(const std::string& label) {
  static const std::vector<std::vector<std::string>> groups = {
      {"admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy",
       "love", "optimism", "pride", "relief"},
      {"neutral"},
      {"anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear",
       "grief", "nervousness", "remorse", "sadness"},
      {"confusion", "curiosity", "realization", "surprise"},
  };
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (std::find(groups[g].begin(), groups[g].end(), label) != groups[g].end()) {
      return static_cast<std::int64_t>(g);
    }
  }
  return std::nullopt;
}

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
  const std::size_t several =
      train.with_several_labels + validation.with_several_labels + test.with_several_labels;
  return complete(
      std::move(corpus),
      {.source = directory,
       .train = directory / "train.tsv",
       .validation = has_validation ? directory / "dev.tsv" : path(),
       .test = directory / "test.tsv",
       .left_out = keeps_all ? "" : absl::StrCat(several, " rows with several labels; ")});
}

Corpus synthetic_corpus(Granularity granularity) {
  Corpus corpus;
  for (const Emotion& emotion : kEmotions) corpus.classes.emplace_back(emotion.name);
  if (granularity == Granularity::kPolarity) corpus.classes = polarity_names();
  corpus.has_several_labels = granularity == Granularity::kMultiLabel;
  corpus.train = part(1, 1.0, granularity);
  corpus.validation = part(2, 0.3, granularity);
  corpus.test = part(3, 0.3, granularity);
  corpus.description = absl::StrCat(
      "No data: a small synthetic corpus, generated here. For real data run "
      "tools/fetch_data.sh, or say --data=DIR.\n",
      corpus.train.size(), " training, ", corpus.validation.size(), " validation and ",
      corpus.test.size(), " test rows, ", corpus.classes.size(),
      corpus.has_several_labels ? " labels, of which a row has one or two." : " classes.");
  return corpus;
}

}  // namespace equipoise::demos
