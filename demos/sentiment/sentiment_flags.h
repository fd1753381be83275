// The flags of this demo.
#ifndef EQUIPOISE_DEMOS_SENTIMENT_SENTIMENT_FLAGS_H_
#define EQUIPOISE_DEMOS_SENTIMENT_SENTIMENT_FLAGS_H_

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/common/own_files.h"
#include "demos/sentiment/corpus.h"

namespace equipoise::demos {

/// What --help begins with.
extern const char* const kSentimentUsage;

struct SentimentFlags {
  Granularity granularity = Granularity::kFine;
  OwnFiles files{};  ///< if there are any
  std::size_t hidden = 0;
  std::vector<std::string> strategies{};
  std::filesystem::path against{};  ///< empty: no other model
  std::string predict{};            ///< a text, "-", or empty

  bool has_several_labels() const { return granularity == Granularity::kMultiLabel; }
};

/// @throws InputError for flags that are out of range or would be set in vain.
SentimentFlags read_sentiment_flags(const DemoFlags& flags);

/// The corpus that they name, or one that is generated.
Corpus find_corpus(const DemoFlags& flags, const SentimentFlags& own);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_SENTIMENT_SENTIMENT_FLAGS_H_
