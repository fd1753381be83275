#include <absl/strings/str_cat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "demos/common/random_numbers.h"
#include "demos/sentiment/corpus.h"

namespace equipoise::demos {

namespace {

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
