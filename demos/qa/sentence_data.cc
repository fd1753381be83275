#include "demos/qa/sentence_data.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/own_files.h"
#include "demos/common/unicode.h"
#include "demos/qa/sentences.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

// ISO 639-1.
bool is_language_code(const std::string& text) {
  constexpr std::string_view kCodes =
      " aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs "
      "cu cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha "
      "he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn "
      "ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb "
      "nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd "
      "se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt "
      "tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu ";
  return text.size() == 2 && kCodes.find(" " + text + " ") != std::string_view::npos;
}

std::vector<std::string> parts_of(const path& file) {
  return absl::StrSplit(file.filename().string(), absl::ByAnyChar(".-_"));
}

// The languages of texts and questions, from a name with context-xx-question-yy.
std::optional<std::pair<std::string, std::string>> languages_of_pair(const path& file) {
  const std::vector<std::string> parts = parts_of(file);
  for (std::size_t i = 0; i + 3 < parts.size(); ++i) {
    const bool is_pair = parts[i] == "context" && parts[i + 1].size() == 2 &&
                         parts[i + 2] == "question" && parts[i + 3].size() == 2;
    if (is_pair) return std::pair(parts[i + 1], parts[i + 3]);
  }
  return std::nullopt;
}

bool is_of_two_languages(const path& file) {
  const auto pair = languages_of_pair(file);
  return pair && pair->first != pair->second;
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

// Into how many folds questions are cut, and which of them are not for training.
struct Folds {
  std::uint32_t all = 5;
  std::uint32_t test = 1;
  std::uint32_t validation = 1;
};

void require_both_classes(const std::vector<SentenceQuestion>& part, const path& source) {
  if (has_both_classes(part)) return;
  throw InputError(source.string(), 0,
                   "too few texts: a part of them has no sentence with an answer, or no other");
}

std::string sizes_of(const SentenceData& data, const std::string& start) {
  return absl::StrCat(start, ": ", data.train.size(), " training, ", data.validation.size(),
                      " validation and ", data.test.size(), " test questions.");
}

void sort_by_fact(std::vector<SentenceQuestion>& questions) {
  std::stable_sort(
      questions.begin(), questions.end(),
      [](const SentenceQuestion& a, const SentenceQuestion& b) { return a.fact < b.fact; });
}

// Names of one's own have English words in them that are codes of languages as well, such as my and
// no: these are taken for one at the end of the name alone.
std::string language_of_own(const path& file) {
  constexpr std::array kWords = {"am", "an", "as", "be", "he", "hi", "id", "is",
                                 "it", "la", "me", "my", "no", "or", "so", "to"};
  const std::string language = language_of(file);
  const bool is_word = std::find(kWords.begin(), kWords.end(), language) != kWords.end();
  const bool ends_name = file.stem().string().ends_with(language);
  return is_word && !ends_name && !languages_of_pair(file) ? std::string() : language;
}

class Reader {
 public:
  explicit Reader(Flaws flaws) : flaws_(flaws) {}

  // A name that says no language is an error unless there is another to take.
  void read(const path& file, const char* unnamed = nullptr) {
    std::string language = unnamed != nullptr ? language_of_own(file) : language_of(file);
    if (language.empty() && unnamed != nullptr) language = unnamed;
    if (language.empty()) {
      throw InputError(
          file.string(), 0,
          "the name says no language: expected a code of two small letters (ISO 639-1) "
          "between dots, hyphens or underscores, as in tydiqa.goldp.sw.train.json");
    }
    SquadText text;
    try {
      text = read_squad(file, flaws_);
    } catch (const InputError& error) {
      if (flaws_ != Flaws::kSkip) throw;
      damaged_files_ += {1, error.what()};
      return;
    }
    std::vector<std::vector<TextRange>> ranges;
    for (const std::string& context : text.contexts) {
      ranges.push_back(split_sentences(context, rules_of(language)));
    }
    std::map<std::string, std::size_t> times;
    for (const SquadQuestion& question : text.questions) ++times[question.id];
    files_.emplace(language, file);
    const std::size_t dropped_before = dropped_;
    for (const SquadQuestion& question : text.questions) {
      add(question, times[question.id] == 1, language, text.contexts[question.context],
          ranges[question.context]);
    }
    if (flaws_ != Flaws::kSkip) {
      const bool has_lost = text.report.lost.count > 0;
      Finding{dropped_ - dropped_before,
              has_lost ? text.report.lost.first
                       : InputError(file.string(), 0, "a context has no sentence").what()}
          .require_few(text.questions.size(), "questions", "--flaws=skip goes on without them");
    }
    found_.without_answers += text.report.without_answers;
    if (text.report.unit != OffsetUnit::kCodePoints) {
      other_units_ +=
          {1, absl::StrCat(file.string(), ":0: in ", std::string(name_of(text.report.unit)))};
    }
    found_.respelled += text.report.respelled;
    found_.impossible += text.report.impossible;
    found_.moved += text.report.moved;
    found_.lost += text.report.lost;
    found_.blank += text.report.blank;
    found_.repeated_ids += text.report.repeated_ids;
  }

  // Sorted.
  std::vector<std::string> languages() const {
    std::set<std::string> languages;
    for (const SentenceQuestion& question : questions_) languages.insert(question.language);
    return {languages.begin(), languages.end()};
  }

  // The first file that was read of a language.
  const path& file_of(const std::string& language) const { return files_.at(language); }

  // What was read, behind the given words.
  std::string description(const std::string& start) const {
    std::size_t sentences = 0;
    std::size_t alone = 0;
    for (const SentenceQuestion& question : questions_) {
      sentences += question.sentences.size();
      alone += question.sentences.size() == 1 ? 1 : 0;
    }
    const std::vector<std::string> names = languages();
    return absl::StrCat(
        start, ": ", questions_.size(), " questions on ", contexts_.size(), " texts, ", sentences,
        " pairs of a question and a sentence, ", names.size(),
        names.size() == 1 ? " language: " : " languages: ", absl::StrJoin(names, ", "), ".\n",
        alone, " questions are on a text of one sentence", findings(), ".\n");
  }

  // Gives the questions to parts: all of a fact to one, each language to all; all of them to
  // training where no fold is for another part. Returns the number of facts.
  // @throws InputError, of this source, for fewer facts than folds.
  std::size_t deal(const Folds& folds, const path& source, SentenceData& data) {
    constexpr std::uint64_t kSeed = 1;
    const std::vector<std::int64_t> facts = facts_.numbers();
    const auto size = facts.empty() ? 0 : *std::max_element(facts.begin(), facts.end()) + 1;
    if (size < folds.all) {
      throw InputError(source.string(), 0,
                       absl::StrCat("too few texts to train, validate and test on",
                                    damaged_files_.text("damaged files")));
    }
    data.languages = languages();
    if (folds.test + folds.validation == 0) {
      data.train = take();
      return static_cast<std::size_t>(size);
    }
    std::vector<std::int64_t> numbers;
    for (const SentenceQuestion& question : questions_) {
      const auto language =
          std::lower_bound(data.languages.begin(), data.languages.end(), question.language);
      numbers.push_back(language - data.languages.begin());
    }
    const std::vector<std::uint32_t> fold_of =
        splits::grouped_k_fold(numbers, splits::RowGroups(facts, static_cast<std::size_t>(size)),
                               data.languages.size(), folds.all, kSeed);
    const std::vector<SentenceQuestion> questions = take();
    for (std::size_t q = 0; q < questions.size(); ++q) {
      std::vector<SentenceQuestion>& part = fold_of[q] < folds.test ? data.test
                                            : fold_of[q] < folds.test + folds.validation
                                                ? data.validation
                                                : data.train;
      part.push_back(questions[q]);
    }
    sort_by_fact(data.test);
    return static_cast<std::size_t>(size);
  }

  // All questions, with their facts.
  std::vector<SentenceQuestion> take() {
    const std::vector<std::int64_t> facts = facts_.numbers();
    for (std::size_t q = 0; q < questions_.size(); ++q) questions_[q].fact = facts[q];
    return std::move(questions_);
  }

 private:
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

  std::string findings() const {
    std::string text =
        absl::StrCat(other_units_.text("files whose offsets count no code points"),
                     found_.respelled.text("answers that their text writes otherwise"),
                     found_.impossible.text("questions with answers that are said to have none"),
                     found_.moved.text("answers moved to where they stand"),
                     found_.lost.text("answers that do not stand in their text"),
                     found_.blank.text("answers without a text left out"),
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

  Flaws flaws_;
  Finding damaged_files_;
  Finding other_units_;
  std::map<std::string, path> files_;  // by language
  std::set<std::string> contexts_;
  std::vector<SentenceQuestion> questions_;
  Facts facts_;
  SquadReport found_;
  std::size_t dropped_ = 0;
};

// The texts of questions and those that they are on, as keys.
std::set<std::string> keys_of(const std::vector<SentenceQuestion>& questions) {
  std::set<std::string> keys;
  for (const SentenceQuestion& question : questions) {
    keys.insert(absl::StrCat("context ", absl::StrJoin(question.sentences, "\n")));
    keys.insert(absl::StrCat("question ", question.language, " ", question.text));
  }
  return keys;
}

// Takes out questions that have a text or words of known ones; returns how many.
std::size_t drop_known(const std::vector<SentenceQuestion>& known,
                       std::vector<SentenceQuestion>& questions) {
  const std::set<std::string> keys = keys_of(known);
  return std::erase_if(questions, [&](const SentenceQuestion& question) {
    const std::set<std::string> own = keys_of({question});
    return std::any_of(own.begin(), own.end(),
                       [&](const std::string& key) { return keys.contains(key); });
  });
}

std::string names_of(const std::vector<path>& files) {
  return absl::StrJoin(
      files, ", ", [](std::string* out, const path& file) { absl::StrAppend(out, file.string()); });
}

Reader read_own(const std::vector<path>& files, Flaws flaws) {
  Reader reader(flaws);
  for (const path& file : files) reader.read(file, kUnnamedLanguage);
  return reader;
}

// A part that has files of its own, of languages that others know.
std::vector<SentenceQuestion> read_part(const std::vector<path>& files, Flaws flaws,
                                        const std::vector<std::string>& languages,
                                        const std::string& named_by, std::string& description) {
  Reader reader = read_own(files, flaws);
  for (const std::string& language : reader.languages()) {
    if (std::binary_search(languages.begin(), languages.end(), language)) continue;
    throw InputError(reader.file_of(language).string(), 0,
                     absl::StrCat("language '", language, "' does not occur in ", named_by));
  }
  description += reader.description(names_of(files));
  std::vector<SentenceQuestion> questions = reader.take();
  if (questions.empty()) {
    throw InputError(files.front().string(), 0, "there is no question that can be read");
  }
  sort_by_fact(questions);
  return questions;
}

std::string class_list_of(const SentenceData& data) {
  std::array<std::vector<std::size_t>, 3> counts;
  std::size_t number = 0;
  for (const auto part : {&SentenceData::train, &SentenceData::validation, &SentenceData::test}) {
    counts[number].assign(2, 0);
    for (const SentenceQuestion& question : data.*part) {
      for (const std::int64_t c : question.is_answer) ++counts[number][static_cast<std::size_t>(c)];
    }
    ++number;
  }
  return class_list({"other", "positive"}, counts, counts[0][0] + counts[0][1]);
}

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
  if (const auto pair = languages_of_pair(file)) return pair->first;
  for (const std::string& part : parts_of(file)) {
    if (is_language_code(part)) return part;
  }
  return "";
}

SentenceData load_sentence_data(const path& data, Flaws flaws) {
  const std::vector<path> files = squad_files(data);
  Reader reader(flaws);
  std::size_t used = 0;
  for (const path& file : files) {
    if (is_of_two_languages(file)) continue;
    reader.read(file);
    ++used;
  }
  if (used == 0 && !files.empty()) {
    throw InputError(files.front().string(), 0,
                     "questions are of another language than the texts, by the name, and there is "
                     "no other file");
  }
  if (used == 0) {
    throw InputError(data.string(), 0,
                     "there is no file in the format of SQuAD, such as "
                     "dev-context-de-question-de.json");
  }
  SentenceData result;
  result.description =
      reader.description(absl::StrCat(data.string(), ", ", used, used == 1 ? " file" : " files"));
  const std::size_t facts = reader.deal({}, data, result);
  result.description += sizes_of(result, absl::StrCat("By fact, of which there are ", facts));
  for (const auto part : {&SentenceData::train, &SentenceData::validation, &SentenceData::test}) {
    require_both_classes(result.*part, data);
  }
  if (used < files.size()) {
    absl::StrAppend(&result.description, "\nLeft out: ", files.size() - used,
                    " files whose questions are of another language than the texts.");
  }
  return result;
}

SentenceData load_sentence_files(const PartFiles& files, Flaws flaws) {
  const path& source = files.train.front();
  Reader train = read_own(files.train, flaws);
  SentenceData data;
  data.description = train.description(names_of(files.train));
  Folds folds{.all = 10, .test = 2, .validation = 1};
  if (!files.test.empty()) folds.test = 0;
  if (!files.validation.empty()) folds.validation = 0;
  if (folds.test + folds.validation == 0) folds.all = 1;  // nothing is taken
  train.deal(folds, source, data);
  std::size_t dropped = 0;
  const auto read = [&](const std::vector<path>& own, std::vector<SentenceQuestion>& part) {
    if (own.empty()) return;
    part = read_part(own, flaws, data.languages, source.string(), data.description);
    dropped += drop_known(data.train, part);
  };
  read(files.test, data.test);
  dropped += drop_known(data.validation, data.test);  // what was taken out of train
  read(files.validation, data.validation);
  dropped += drop_known(data.test, data.validation);
  require_both_classes(data.train, source);
  require_both_classes(data.validation, files.validation.empty() ? source : files.validation[0]);
  require_both_classes(data.test, files.test.empty() ? source : files.test[0]);
  absl::StrAppend(&data.description, sizes_of(data, "No text is in two parts"),
                  " Left out: ", dropped, " whose text or words stand in another part.\n\n",
                  class_list_of(data));
  return data;
}

SentenceData load_sentence_test(const std::vector<path>& files,
                                const std::vector<std::string>& languages, Flaws flaws) {
  SentenceData data;
  data.languages = languages;
  data.test = read_part(files, flaws, languages, "the model", data.description);
  require_both_classes(data.test, files.front());
  data.description.pop_back();  // the line's end
  return data;
}

}  // namespace equipoise::demos
