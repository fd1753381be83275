// Tagged sentences in three parts.
#ifndef EQUIPOISE_DEMOS_NER_CORPUS_H_
#define EQUIPOISE_DEMOS_NER_CORPUS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "demos/common/files.h"
#include "demos/ner/conll.h"

namespace equipoise::demos {

struct TaggedCorpus {
  std::string description;        ///< a line or more: what it is, and what was found amiss
  std::vector<std::string> tags;  ///< O, then B-X and I-X for each type X of the training part
  std::vector<TaggedSentence> train;
  std::vector<TaggedSentence> validation;
  std::vector<TaggedSentence> test;
};

/// The files of a corpus that is known by its name, "btc" (Broad Twitter Corpus, Derczynski et al.
/// 2016: trained on the sections a, b, e and g, validated on h, tested on f) or "wnut17"
/// (Derczynski et al. 2017), in its directory, or in NAME/ or ner/NAME/ under it; nothing if they
/// are not there.
PartFiles find_files(const std::string& name, const std::filesystem::path& data);

/// Reads them. Types that are not in the training part are an error.
/// @throws InputError as read_conll() does, and for a part without files or without an entity.
TaggedCorpus load_tagged_corpus(const PartFiles& files, const ConllOptions& options);

/// Sentences that a generator makes, for a first look without data: three entity types of very
/// different frequency, told apart by names and by the words around them. Equal on every platform.
TaggedCorpus synthetic_tagged_corpus();

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_CORPUS_H_
