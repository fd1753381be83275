#include "demos/qa/sentence_data.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/unicode.h"
#include "demos/qa/sentences.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

// The parts of two letters in a file's name.
std::vector<std::string> languages_in(const path& file) {
  std::vector<std::string> languages;
  for (const absl::string_view part :
       absl::StrSplit(file.filename().string(), absl::ByAnyChar(".-_"))) {
    const bool is_code = part.size() == 2 && std::all_of(part.begin(), part.end(), [](char c) {
                           return c >= 'a' && c <= 'z';
                         });
    if (is_code) languages.emplace_back(part);
  }
  return languages;
}

bool is_of_two_languages(const path& file) {
  const std::vector<std::string> languages = languages_in(file);
  return std::set<std::string>(languages.begin(), languages.end()).size() > 1;
}

// Full stops behind ordinals end no sentence.
SentenceRules rules_of(std::string_view language) {
  constexpr std::string_view kOrdinals[] = {"de", "da", "no", "nb", "nn", "fi", "is", "cs", "sk",
                                            "sl", "hr", "sr", "bs", "pl", "hu", "tr", "et", "lv"};
  return {.ordinals = std::find(std::begin(kOrdinals), std::end(kOrdinals), language) !=
                      std::end(kOrdinals)};
}

bool overlap(const TextRange& sentence, const SquadAnswer& answer) {
  if (!answer.begin) return false;
  const std::size_t end = *answer.begin + answer.text.size();
  return *answer.begin < sentence.end && sentence.begin < end;
}

// Which questions may be of one fact: those that share a key, and all that are joined by others.
class Facts {
 public:
  // The next question, joined with the earlier ones that have one of its keys.
  void add(std::initializer_list<std::string> keys) {
    const std::size_t question = parents_.size();
    parents_.push_back(question);
    for (const std::string& key : keys) {
      const auto [earlier, is_new] = questions_.emplace(key, question);
      if (!is_new) parents_[root_of(question)] = root_of(earlier->second);
    }
  }

  // The fact of each question, from 0 in the order of their first questions.
  std::vector<std::int64_t> numbers() {
    std::unordered_map<std::size_t, std::int64_t> numbers;
    std::vector<std::int64_t> facts;
    facts.reserve(parents_.size());
    for (std::size_t q = 0; q < parents_.size(); ++q) {
      const auto next = static_cast<std::int64_t>(numbers.size());
      facts.push_back(numbers.emplace(root_of(q), next).first->second);
    }
    return facts;
  }

 private:
  std::size_t root_of(std::size_t question) {
    while (parents_[question] != question) {
      parents_[question] = parents_[parents_[question]];
      question = parents_[question];
    }
    return question;
  }

  std::vector<std::size_t> parents_;
  std::unordered_map<std::string, std::size_t> questions_;  // the first with a key
};

bool has_both_classes(const std::vector<SentenceQuestion>& questions) {
  bool has[] = {false, false};
  for (const SentenceQuestion& question : questions) {
    for (const std::int64_t is_answer : question.is_answer) has[is_answer] = true;
  }
  return has[0] && has[1];
}

class Reader {
 public:
  Reader(MisplacedAnswers misplaced, DamagedFiles damaged) : damaged_(damaged) {
    options_.misplaced = misplaced;
    options_.repeated_ids =
        misplaced == MisplacedAnswers::kRefuse ? RepeatedIds::kRefuse : RepeatedIds::kCount;
  }

  void read(const path& file) {
    const std::string language = language_of(file);
    if (language.empty()) {
      throw InputError(file.string(), 0,
                       "the name says no language: expected a part of two letters, as in "
                       "tydiqa.goldp.sw.train.json");
    }
    SquadText text;
    try {
      text = read_squad(file, options_);
    } catch (const InputError& error) {
      if (damaged_ == DamagedFiles::kRefuse) throw;
      damaged_files_ += {1, error.what()};
      return;
    }
    std::vector<std::vector<TextRange>> ranges;
    for (const SquadContext& context : text.contexts) {
      ranges.push_back(split_sentences(context.text, rules_of(language)));
    }
    std::map<std::string, std::size_t> times;
    for (const SquadQuestion& question : text.questions) ++times[question.id];
    for (const SquadQuestion& question : text.questions) {
      add(question, times[question.id] == 1, language, text.contexts[question.context].text,
          ranges[question.context]);
    }
    found_.without_answers += text.report.without_answers;
    found_.moved += text.report.moved;
    found_.lost += text.report.lost;
    found_.repeated_ids += text.report.repeated_ids;
  }

  // What was read, in parts, with its description behind the given words.
  SentenceData finish(const std::string& start) {
    SentenceData data;
    for (const SentenceQuestion& question : questions_) data.languages.push_back(question.language);
    std::sort(data.languages.begin(), data.languages.end());
    data.languages.erase(std::unique(data.languages.begin(), data.languages.end()),
                         data.languages.end());
    std::vector<std::int64_t> languages;
    std::size_t sentences = 0;
    std::size_t alone = 0;
    for (const SentenceQuestion& question : questions_) {
      const auto language =
          std::lower_bound(data.languages.begin(), data.languages.end(), question.language);
      languages.push_back(language - data.languages.begin());
      sentences += question.sentences.size();
      alone += question.sentences.size() == 1 ? 1 : 0;
    }
    data.description = absl::StrCat(
        start, ": ", questions_.size(), " questions on ", contexts_.size(), " texts, ", sentences,
        " pairs of a question and a sentence, ", data.languages.size(), " languages.\n", alone,
        " questions are on a text of one sentence", findings(), ".\n");
    const std::size_t facts = deal(languages, data);
    absl::StrAppend(&data.description, "By fact, of which there are ", facts, ": ",
                    data.train.size(), " training, ", data.validation.size(), " validation and ",
                    data.test.size(), " test questions.");
    return data;
  }

  const Finding& damaged_files() const { return damaged_files_; }
  bool has_enough() {
    const std::vector<std::int64_t> facts = facts_.numbers();
    return std::set<std::int64_t>(facts.begin(), facts.end()).size() >= kFolds;
  }

 private:
  static constexpr std::uint32_t kFolds = 5;

  void add(const SquadQuestion& question, bool has_own_id, const std::string& language,
           const std::string& context, const std::vector<TextRange>& ranges) {
    const bool is_found =
        std::any_of(question.answers.begin(), question.answers.end(),
                    [](const SquadAnswer& answer) { return answer.begin.has_value(); });
    if (ranges.empty() || (!question.answers.empty() && !is_found)) {
      ++dropped_;
      return;
    }
    SentenceQuestion pair{question.text, language, {}, {}};
    for (const TextRange& range : ranges) {
      const bool is_answer =
          std::any_of(question.answers.begin(), question.answers.end(),
                      [&](const SquadAnswer& answer) { return overlap(range, answer); });
      pair.sentences.push_back(context.substr(range.begin, range.end - range.begin));
      pair.is_answer.push_back(is_answer ? 1 : 0);
    }
    questions_.push_back(std::move(pair));
    contexts_.insert(context);
    const std::string of_context = "context " + context;
    facts_.add({of_context, has_own_id ? "id " + question.id : of_context,
                absl::StrCat("question ", language, " ", question.text)});
  }

  // Gives the questions to parts: all of a fact to one, each language to all. Returns the number of
  // facts.
  std::size_t deal(const std::vector<std::int64_t>& languages, SentenceData& data) {
    constexpr std::uint64_t kSeed = 1;
    const std::vector<std::int64_t> facts = facts_.numbers();
    const auto size = static_cast<std::size_t>(*std::max_element(facts.begin(), facts.end()) + 1);
    const std::vector<std::uint32_t> folds =
        grouped_k_fold(languages, facts, size, data.languages.size(), kFolds, kSeed);
    for (std::size_t q = 0; q < questions_.size(); ++q) {
      questions_[q].fact = facts[q];
      std::vector<SentenceQuestion>& part = folds[q] == 0   ? data.test
                                            : folds[q] == 1 ? data.validation
                                                            : data.train;
      part.push_back(std::move(questions_[q]));
    }
    std::stable_sort(
        data.test.begin(), data.test.end(),
        [](const SentenceQuestion& a, const SentenceQuestion& b) { return a.fact < b.fact; });
    return size;
  }

  std::string findings() const {
    std::string text = absl::StrCat(found_.moved.text("answers moved to where they stand"),
                                    found_.lost.text("answers that do not stand in their text"),
                                    found_.repeated_ids.text("questions with the id of another"),
                                    damaged_files_.text("damaged files left out"));
    if (dropped_ > 0) {
      absl::StrAppend(&text, "; ", dropped_,
                      " questions left out, none of whose answers is to be found");
    }
    if (found_.without_answers > 0) {
      absl::StrAppend(&text, "; ", found_.without_answers,
                      " without an answer, all of whose sentences are negatives");
    }
    return text;
  }

  SquadOptions options_;
  DamagedFiles damaged_;
  Finding damaged_files_;
  std::set<std::string> contexts_;
  std::vector<SentenceQuestion> questions_;
  Facts facts_;
  SquadReport found_;
  std::size_t dropped_ = 0;
};

}  // namespace

std::vector<std::string> sentences_of(std::string_view context, std::string_view language) {
  std::vector<std::string> sentences;
  for (const TextRange& range : split_sentences(context, rules_of(language))) {
    sentences.emplace_back(context.substr(range.begin, range.end - range.begin));
  }
  return sentences;
}

std::vector<path> squad_files(const path& data) {
  std::vector<path> files;
  for (const path& directory : {data, data / "mlqa", data / "tydiqa_goldp", data / "qa" / "mlqa",
                                data / "qa" / "tydiqa_goldp"}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
      const bool is_other = entry.path().filename().string().starts_with("queries.afriqa.");
      if (entry.path().extension() == ".json" && !is_other) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string language_of(const path& file) {
  const std::vector<std::string> languages = languages_in(file);
  return languages.empty() ? "" : languages.front();
}

SentenceData load_sentence_data(const path& data, MisplacedAnswers misplaced,
                                DamagedFiles damaged) {
  const std::vector<path> files = squad_files(data);
  Reader reader(misplaced, damaged);
  std::size_t used = 0;
  for (const path& file : files) {
    if (is_of_two_languages(file)) continue;
    reader.read(file);
    ++used;
  }
  if (used == 0) {
    throw InputError(data.string(), 0,
                     "there is no file in the format of SQuAD, such as "
                     "dev-context-de-question-de.json");
  }
  if (!reader.has_enough()) {
    throw InputError(data.string(), 0,
                     absl::StrCat("too few texts to train, validate and test on",
                                  reader.damaged_files().text("damaged files")));
  }
  SentenceData result =
      reader.finish(absl::StrCat(data.string(), ", ", used, used == 1 ? " file" : " files"));
  for (const auto part : {&SentenceData::train, &SentenceData::validation, &SentenceData::test}) {
    if (has_both_classes(result.*part)) continue;
    throw InputError(data.string(), 0,
                     "too few texts: a part of them has no sentence with an answer, or no other");
  }
  if (used < files.size()) {
    absl::StrAppend(&result.description, "\nLeft out: ", files.size() - used,
                    " files whose questions are of another language than the texts.");
  }
  return result;
}

}  // namespace equipoise::demos
