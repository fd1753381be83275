#include "demos/ner/token_features.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

// Capitals as A, small letters as a, digits as 9, others as themselves; runs as one.
std::string shape_of(std::string_view token) {
  std::string shape;
  const std::vector<std::size_t> at = code_point_offsets(token);
  for (std::size_t i = 0; i + 1 < at.size(); ++i) {
    const std::string_view character = token.substr(at[i], at[i + 1] - at[i]);
    const char first = character.front();
    std::string kind(character);
    if (first >= '0' && first <= '9') {
      kind = "9";
    } else if (fold_case(character) != character) {
      kind = "A";
    } else if (character.size() > 1 || (first >= 'a' && first <= 'z')) {
      kind = "a";
    }
    if (!shape.ends_with(kind)) shape += kind;
  }
  return shape;
}

// Calls f(name) for the parts of a word: ends of up to `most` characters, groups of three.
template <class F>
void for_each_part(std::string_view token, std::size_t most, const F& f) {
  const std::string folded = fold_case(token);
  const std::vector<std::size_t> at = code_point_offsets(folded);
  const std::size_t size = at.size() - 1;
  for (std::size_t n = 1; n <= std::min(most, size); ++n) {
    f("<" + folded.substr(0, at[n]));
    f(folded.substr(at[size - n]) + ">");
  }
  for (std::size_t i = 0; i + 3 <= size; ++i) f("=" + folded.substr(at[i], at[i + 3] - at[i]));
  f("shape " + shape_of(token));
}

// Tags as targets, sentences as units.
Examples with_targets(Examples examples, std::span<const TaggedSentence> sentences) {
  examples.unit_starts = {0};
  for (const TaggedSentence& sentence : sentences) {
    examples.targets.insert(examples.targets.end(), sentence.tags.begin(), sentence.tags.end());
    examples.unit_starts.push_back(examples.targets.size());
  }
  return examples;
}

Examples linear_rows(std::span<const TaggedSentence> sentences) {
  Examples examples;
  std::vector<std::int32_t> columns;
  for (const TaggedSentence& sentence : sentences) {
    const auto token_at = [&](std::size_t i, int distance) -> std::string {
      const auto place = static_cast<std::ptrdiff_t>(i) + distance;
      if (place < 0) return "<s>";
      if (place >= static_cast<std::ptrdiff_t>(sentence.tokens.size())) return "</s>";
      return sentence.tokens[static_cast<std::size_t>(place)];
    };
    for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
      columns.clear();
      const auto add = [&](const std::string& name) {
        columns.push_back(static_cast<std::int32_t>(feature_hash(name) % kTaggerColumns));
      };
      for (int distance = -2; distance <= 2; ++distance) {
        const std::string token = token_at(i, distance);
        add(absl::StrCat("word ", distance, " ", token));
        add(absl::StrCat("form ", distance, " ", lookup_form(token)));
        if (distance != 0 && std::abs(distance) < 2) {
          add(absl::StrCat("shape ", distance, " ", shape_of(token)));
        }
      }
      for_each_part(sentence.tokens[i], 4, add);
      std::sort(columns.begin(), columns.end());
      columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
      const auto value = static_cast<float>(1 / std::sqrt(static_cast<double>(columns.size())));
      examples.features.columns.insert(examples.features.columns.end(), columns.begin(),
                                       columns.end());
      examples.features.values.insert(examples.features.values.end(), columns.size(), value);
      examples.features.starts.push_back(examples.features.columns.size());
    }
  }
  return with_targets(std::move(examples), sentences);
}

// The number of each word, 1 for the first, 0 for all others, and behind it the word's parts.
Examples word_rows(std::span<const TaggedSentence> sentences,
                   const std::map<std::string, std::int32_t>& numbers) {
  Examples examples;
  for (const TaggedSentence& sentence : sentences) {
    for (const std::string& token : sentence.tokens) {
      const auto found = numbers.find(lookup_form(token));
      examples.features.columns.push_back(found == numbers.end() ? 0 : found->second);
      for_each_part(token, 3, [&](const std::string& name) {
        examples.features.columns.push_back(
            static_cast<std::int32_t>(feature_hash(name) % kPartBuckets));
      });
      examples.features.starts.push_back(examples.features.columns.size());
    }
  }
  return with_targets(std::move(examples), sentences);
}

Examples piece_rows(std::span<const TaggedSentence> sentences, const WordPiece& tokenizer,
                    std::size_t most) {
  Examples examples;
  for (const TaggedSentence& sentence : sentences) {
    for (std::span<const std::string> words = sentence.tokens; !words.empty();) {
      Pieces pieces = tokenizer.encode_words(words, most);
      for (const std::size_t piece : pieces.starts) {
        examples.places.push_back({examples.pieces.size(), piece});
      }
      words = words.subspan(pieces.starts.size());
      examples.pieces.push_back(std::move(pieces.ids));
    }
  }
  return with_targets(std::move(examples), sentences);
}

}  // namespace

TokenFeatures linear_features() { return {linear_rows, std::size_t{kTaggerColumns}}; }

TokenFeatures word_features(std::vector<std::string> words) {
  std::map<std::string, std::int32_t> numbers;
  for (const std::string& word : words) {
    numbers.emplace(word, static_cast<std::int32_t>(numbers.size()) + 1);
  }
  return {[numbers = std::move(numbers)](std::span<const TaggedSentence> sentences) {
            return word_rows(sentences, numbers);
          },
          words.size(),
          {{"words", words}}};
}

TokenFeatures piece_features(const WordPiece& tokenizer, std::size_t most) {
  return {[tokenizer, most](std::span<const TaggedSentence> sentences) {
            return piece_rows(sentences, tokenizer, most);
          },
          0};
}

std::vector<std::string> frequent_words(std::span<const TaggedSentence> sentences) {
  std::map<std::string, int> counts;
  for (const TaggedSentence& sentence : sentences) {
    for (const std::string& token : sentence.tokens) ++counts[lookup_form(token)];
  }
  std::vector<std::string> words;
  for (const auto& [word, count] : counts) {
    if (count > 1) words.push_back(word);
  }
  return words;
}

std::string lookup_form(std::string_view token) {
  const absl::string_view text(token.data(), token.size());
  if (absl::StartsWith(text, "http") || absl::StartsWith(text, "www.")) return "<link>";
  if (token.size() > 1 && token[0] == '@') return "<mention>";
  std::string form = fold_case(token);
  for (char& byte : form) {
    if (byte >= '0' && byte <= '9') byte = '0';
  }
  return form;
}

}  // namespace equipoise::demos
