#include "demos/ner/tagger_features.h"

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>

#include "demos/common/unicode.h"
#include "equipoise/splits/hash.h"

namespace equipoise::demos {

namespace {

// FNV-1a (Fowler, Noll & Vo), the same on every platform.
std::uint64_t hash_of(std::string_view text) {
  const std::uint64_t hash = splits::fnv1a64(text);
  return hash ^ (hash >> 32);
}

// The characters of a text, as ranges of its bytes; at a byte that is not UTF-8 the rest is one.
std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> result;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t size = 1;
    while (i + size < text.size() && (static_cast<unsigned char>(text[i + size]) & 0xc0) == 0x80) {
      ++size;
    }
    result.push_back(text.substr(i, size));
    i += size;
  }
  return result;
}

std::string_view join(std::string_view text, std::span<const std::string_view> characters) {
  if (characters.empty()) return {};
  const auto begin = static_cast<std::size_t>(characters.front().data() - text.data());
  const auto end =
      static_cast<std::size_t>(characters.back().data() - text.data()) + characters.back().size();
  return text.substr(begin, end - begin);
}

// Capitals as A, small letters as a, digits as 9, others as themselves; runs as one.
std::string shape_of(std::string_view token) {
  std::string shape;
  for (const std::string_view character : characters_of(token)) {
    const char first = character.front();
    std::string kind(character);
    if (first >= '0' && first <= '9') {
      kind = "9";
    } else if (fold_case(character) != character) {
      kind = "A";
    } else if (character.size() > 1 || (first >= 'a' && first <= 'z')) {
      kind = "a";
    }
    if (shape.size() < kind.size() ||
        shape.compare(shape.size() - kind.size(), kind.size(), kind)) {
      shape += kind;
    }
  }
  return shape;
}

// Calls f(name) for the parts of a word: ends of up to `most` characters, groups of three.
template <class F>
void for_each_part(std::string_view token, std::size_t most, const F& f) {
  const std::string folded = fold_case(token);
  const std::vector<std::string_view> characters = characters_of(folded);
  const std::size_t size = characters.size();
  for (std::size_t n = 1; n <= std::min(most, size); ++n) {
    f(absl::StrCat("<", std::string(join(folded, std::span(characters).first(n)))));
    f(absl::StrCat(std::string(join(folded, std::span(characters).last(n))), ">"));
  }
  for (std::size_t i = 0; i + 3 <= size; ++i) {
    f(absl::StrCat("=", std::string(join(folded, std::span(characters).subspan(i, 3)))));
  }
  f(absl::StrCat("shape ", shape_of(token)));
}

}  // namespace

Examples linear_features(const TaggedPart& part, std::vector<double> weights) {
  Examples examples;
  examples.targets = part.tags;
  examples.unit_starts = part.offsets;
  examples.weights = std::move(weights);
  std::vector<std::int32_t> columns;
  for (const TaggedSentence& sentence : part.sentences) {
    const auto token_at = [&](std::size_t i, int distance) -> std::string {
      const auto place = static_cast<std::ptrdiff_t>(i) + distance;
      if (place < 0) return "<s>";
      if (place >= static_cast<std::ptrdiff_t>(sentence.tokens.size())) return "</s>";
      return sentence.tokens[static_cast<std::size_t>(place)];
    };
    for (std::size_t i = 0; i < sentence.tokens.size(); ++i) {
      columns.clear();
      const auto add = [&](const std::string& name) {
        columns.push_back(static_cast<std::int32_t>(hash_of(name) % kTaggerColumns));
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
  return examples;
}

std::vector<std::int64_t> parts_of_word(std::string_view token) {
  std::vector<std::int64_t> parts;
  for_each_part(token, 3, [&](const std::string& name) {
    parts.push_back(static_cast<std::int64_t>(hash_of(name) % kPartBuckets));
  });
  return parts;
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
