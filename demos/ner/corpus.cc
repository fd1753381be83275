#include "demos/ner/corpus.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/random_numbers.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

ConllText read_part(const char* flag, const std::vector<path>& files, const ConllOptions& options) {
  ConllText text = read_conll(files, options);
  const bool has_entity = std::ranges::any_of(text.sentences, [](const TaggedSentence& sentence) {
    return std::ranges::any_of(sentence.tags, [](std::int64_t tag) { return tag != 0; });
  });
  if (!has_entity) {
    throw InputError(files.front().string(), 0,
                     absl::StrCat("all tags of --", flag,
                                  " are O: without an entity there is nothing to train or score; "
                                  "--tag_column says where tags stand"));
  }
  return text;
}

std::string files_text(const std::vector<path>& files) {
  return absl::StrJoin(files, ", ", [](std::string* out, const path& file) {
    absl::StrAppend(out, file.filename().string());
  });
}

// A type by its share of the entities (in 20), the syllables of its names, and what may stand
// before one and after.
struct EntityKind {
  std::size_t share;
  std::array<const char*, 6> first;
  std::array<const char*, 6> second;
  std::array<const char*, 4> before;
  std::array<const char*, 4> after;
};
constexpr std::array<const char*, 3> kTypeNames = {"PER", "LOC", "ORG"};
constexpr EntityKind kKinds[] = {{13,
                                  {"Ann", "Ben", "Cla", "Dan", "Eva", "Fre"},
                                  {"na", "jamin", "ra", "iel", "lyn", "da"},
                                  {"with", "saw", "love", "and"},
                                  {"said", "is", "was", "laughs"}},
                                 {5,
                                  {"Lon", "Ber", "Kar", "Mon", "Tal", "Win"},
                                  {"don", "lin", "achi", "tana", "linn", "dhoek"},
                                  {"in", "near", "to", "from"},
                                  {"today", "tonight", "again", "now"}},
                                 {2,
                                  {"Acme", "Globo", "Inter", "Nova", "Omni", "Uni"},
                                  {"tech", "corp", "bank", "media", "works", "soft"},
                                  {"at", "joined", "by", "via"},
                                  {"announced", "reports", "sells", "hires"}}};
// Names that are of every type: only the words around them tell.
constexpr std::array kShared = {"Jordan", "Paris", "Chelsea", "Austin", "Sydney", "Madison"};
constexpr std::array kWords = {"i",    "the",  "just", "game", "really", "people", "lol",  "day",
                               "good", "what", "this", "time", "never",  "going",  "with", "in",
                               "at",   "and",  "said", "was",  "Today",  "News",   "Live", "Great"};

TaggedSentence sentence(Draws& draws) {
  TaggedSentence result;
  const auto add = [&](std::string token, std::int64_t tag) {
    result.tokens.push_back(std::move(token));
    result.tags.push_back(tag);
  };
  const std::size_t length = 4 + draws.below(10);
  while (result.tokens.size() < length) {
    if (draws.below(14) > 0) {
      add(kWords[draws.below(kWords.size())], 0);
      continue;
    }
    std::size_t place = draws.below(20);
    std::size_t k = 0;
    while (place >= kKinds[k].share) place -= kKinds[k++].share;
    const EntityKind& kind = kKinds[k];
    const auto type = static_cast<std::int64_t>(k);
    // Half stand behind a word that gives them away, half before one.
    if (draws.below(2) > 0) add(kind.before[draws.below(4)], 0);
    const std::size_t parts = 1 + draws.below(2);
    for (std::size_t p = 0; p < parts; ++p) {
      std::string name = kShared[draws.below(kShared.size())];
      if (draws.below(2) == 0) {
        name = kind.first[draws.below(6)];
        name += kind.second[draws.below(6)];
      }
      add(std::move(name), 1 + 2 * type + (p > 0 ? 1 : 0));
    }
    if (draws.below(2) > 0) add(kind.after[draws.below(4)], 0);
  }
  return result;
}

std::vector<TaggedSentence> sentences(std::uint64_t seed, std::size_t size) {
  Draws draws(seed);
  std::vector<TaggedSentence> result;
  for (std::size_t i = 0; i < size; ++i) result.push_back(sentence(draws));
  return result;
}

std::string counts_text(const TaggedCorpus& corpus) {
  return absl::StrCat(corpus.train.size(), " training, ", corpus.validation.size(),
                      " validation and ", corpus.test.size(), " test sentences, ",
                      corpus.tags.size() / 2, " entity types.");
}

}  // namespace

PartFiles find_files(const std::string& name, const path& data) {
  const auto in_directory = [&](const std::vector<std::string>& train,
                                const std::string& validation,
                                const std::string& test) -> PartFiles {
    for (const path& directory : {data, data / name, data / "ner" / name}) {
      if (!std::filesystem::exists(directory / train.front())) continue;
      PartFiles files{{}, {directory / validation}, {directory / test}};
      for (const std::string& file : train) files.train.push_back(directory / file);
      return files;
    }
    return {};
  };
  if (name == "btc") {
    return in_directory({"a.conll", "b.conll", "e.conll", "g.conll"}, "h.conll", "f.conll");
  }
  return in_directory({"wnut17train.conll"}, "emerging.dev.conll", "emerging.test.annotated");
}

TaggedCorpus load_tagged_corpus(const PartFiles& files, const ConllOptions& options) {
  if (files.train.empty()) throw InputError("--train: a file is needed");
  if (files.validation.empty()) throw InputError("--dev: a file is needed");
  if (files.test.empty()) throw InputError("--test: a file is needed");
  ConllText train = read_part("train", files.train, options);
  ConllOptions others = options;
  others.tags = train.tags;
  others.refuses_new_types = true;
  ConllText validation = read_part("dev", files.validation, others);
  ConllText test = read_part("test", files.test, others);
  ConllReport found = train.report;
  found += validation.report;
  found += test.report;
  TaggedCorpus corpus{"", train.tags, std::move(train.sentences), std::move(validation.sentences),
                      std::move(test.sentences)};
  corpus.description = absl::StrCat(
      files.train.front().parent_path().string(), ": trained on ", files_text(files.train),
      ", validated on ", files_text(files.validation), ", tested on ", files_text(files.test),
      ".\n", counts_text(corpus), "\n", summary(found));
  return corpus;
}

TaggedCorpus synthetic_tagged_corpus() {
  TaggedCorpus corpus;
  corpus.tags = {"O"};
  for (const char* type : kTypeNames) {
    corpus.tags.push_back(absl::StrCat("B-", type));
    corpus.tags.push_back(absl::StrCat("I-", type));
  }
  corpus.train = sentences(1, 1500);
  corpus.validation = sentences(2, 500);
  corpus.test = sentences(3, 500);
  corpus.description = absl::StrCat(
      "No data: a small synthetic corpus, generated here. For real data run tools/fetch_data.sh, "
      "or say --data=DIR.\n",
      counts_text(corpus));
  return corpus;
}

}  // namespace equipoise::demos
