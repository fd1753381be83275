// The flags of this demo.
#ifndef EQUIPOISE_DEMOS_NER_NER_FLAGS_H_
#define EQUIPOISE_DEMOS_NER_NER_FLAGS_H_

#include <string>
#include <vector>

#include "demos/common/demo_flags.h"
#include "demos/ner/corpus.h"

namespace equipoise::demos {

/// What --help begins with.
extern const char* const kNerUsage;

struct NerFlags {
  std::string model{};  ///< linear, bilstm, cnn or encoder
  std::vector<std::string> strategies{};
  std::string predict{};  ///< a text, "-", or empty
};

/// @throws InputError for flags that are out of range or would be set in vain.
NerFlags read_ner_flags(const DemoFlags& flags);

/// The corpus that they name, or one that is generated.
TaggedCorpus find_corpus(const DemoFlags& flags);

/// The words of a text, parted by blanks.
std::vector<std::string> words_of(const std::string& text);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_NER_FLAGS_H_
