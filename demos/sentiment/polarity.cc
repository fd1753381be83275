#include <algorithm>
#include <cstddef>

#include "demos/sentiment/corpus.h"

namespace equipoise::demos {

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

}  // namespace equipoise::demos
