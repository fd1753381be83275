#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
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
#include "demos/common/own_files.h"
#include "demos/qa/answer_types.h"
#include "demos/qa/sentences.h"
#include "equipoise/splits.h"

namespace equipoise::demos {

namespace {

using std::filesystem::path;

// Whether a list of codes of languages, with spaces around each, has one.
bool lists(std::string_view codes, std::string_view code) {
  return code.size() == 2 && codes.find(absl::StrCat(" ", std::string(code), " ")) != codes.npos;
}

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
  return lists(kCodes, text);
}

// The languages of a file's texts and of its questions.
struct FileLanguages {
  std::string texts{};
  std::string questions{};
};

// By the file's name: xx and yy of context-xx-question-yy, else the first part between dots,
// hyphens and underscores that is a code, as in tydiqa.goldp.sw.train.json, squad.pt_br.json and
// qa_de.json. Empty if there is none. Names of one's own have English words in them that are codes
// as well, such as my and no: these are taken for one at the end of the name alone.
FileLanguages languages_of(const path& file, bool is_own) {
  constexpr std::string_view kWords = " am an as be he hi id is it la me my no or so to ";
  const std::vector<std::string> parts =
      absl::StrSplit(file.filename().string(), absl::ByAnyChar(".-_"));
  for (std::size_t i = 0; i + 3 < parts.size(); ++i) {
    const bool is_pair = parts[i] == "context" && parts[i + 1].size() == 2 &&
                         parts[i + 2] == "question" && parts[i + 3].size() == 2;
    if (is_pair) return {parts[i + 1], parts[i + 3]};
  }
  const auto code = std::ranges::find_if(parts, is_language_code);
  if (code == parts.end()) return {};
  if (is_own && lists(kWords, *code) && !file.stem().string().ends_with(*code)) return {};
  return {*code, *code};
}

// Full stops behind ordinals end no sentence.
SentenceRules rules_of(std::string_view language) {
  return {.ordinals = lists(" de da no nb nn fi is cs sk sl hr sr bs pl hu tr et lv ", language)};
}

bool overlap(const TextRange& sentence, const SquadAnswer& answer) {
  return answer.begin && *answer.begin < sentence.end &&
         sentence.begin < *answer.begin + answer.text.size();
}

// Which questions may be of one fact: those that share a key, and all that are joined by others.
class Facts {
 public:
  // The next question, joined with the earlier ones that have one of its keys.
  void add(std::initializer_list<std::string> keys) {
    const std::size_t question = parents_.size();
    parents_.push_back(question);
    for (const std::string& key : keys) {
      const std::size_t earlier = first_of(questions_.emplace(key, question).first->second);
      const auto [least, most] = std::minmax({earlier, first_of(question)});
      parents_[most] = least;
    }
  }

  // The fact of each question, from 0 in the order of their first questions.
  std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> facts;
    std::int64_t size = 0;
    for (std::size_t q = 0; q < parents_.size(); ++q) {
      const std::size_t first = first_of(q);
      facts.push_back(first == q ? size++ : facts[first]);
    }
    return facts;
  }

 private:
  // The first question of the fact.
  std::size_t first_of(std::size_t question) {
    while (parents_[question] != question) {
      parents_[question] = parents_[parents_[question]];
      question = parents_[question];
    }
    return question;
  }

  std::vector<std::size_t> parents_;
  std::unordered_map<std::string, std::size_t> questions_;  // the first with a key
};

// Into how many folds questions are cut, and how many of them are not for training.
struct Folds {
  std::uint32_t all = 5;
  std::uint32_t test = 1;
  std::uint32_t validation = 1;
};

void require_both_classes(const std::vector<SentenceQuestion>& part, const path& source) {
  std::set<std::int64_t> classes;
  for (const SentenceQuestion& question : part) {
    classes.insert(question.is_answer.begin(), question.is_answer.end());
  }
  if (classes.size() == 2) return;
  throw InputError(source.string(), 0,
                   "too few texts: a part of them has no sentence with an answer, or no other");
}

std::string sizes_of(const SentenceData& data, const std::string& start) {
  return absl::StrCat(start, ": ", data.train.size(), " training, ", data.validation.size(),
                      " validation and ", data.test.size(), " test questions.");
}

class Reader {
 public:
  // Of one's own are files whose names need not say a language.
  Reader(Flaws flaws, bool is_own) : flaws_(flaws), is_own_(is_own) {}

  void read(const path& file) {
    std::string language = languages_of(file, is_own_).texts;
    if (language.empty() && is_own_) language = kUnnamedLanguage;
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
    Finding dropped{0, text.report.lost.first};
    if (dropped.first.empty()) {
      dropped.first = InputError(file.string(), 0, "a context has no sentence").what();
    }
    for (const SquadQuestion& question : text.questions) {
      const bool is_kept = add(question, times[question.id] == 1, language,
                               text.contexts[question.context], ranges[question.context]);
      if (!is_kept) ++dropped.count;
    }
    if (flaws_ != Flaws::kSkip) {
      dropped.require_few(text.questions.size(), "questions", "--flaws=skip goes on without them");
    }
    dropped_ += dropped.count;
    if (text.report.unit != SquadReport().unit) {
      other_units_ += {1, absl::StrCat(file.string(), ":0: in ", text.report.unit)};
    }
    reports_.push_back(std::move(text.report));
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
  // training where there is one fold. Returns the number of facts.
  // @throws InputError, of this source, for fewer facts than folds.
  std::size_t deal(const Folds& folds, const path& source, SentenceData& data) {
    constexpr std::uint64_t kSeed = 1;
    data.languages = languages();
    const std::vector<SentenceQuestion> questions = take();
    std::vector<std::int64_t> facts;
    std::vector<std::int64_t> numbers;  // of the languages
    std::size_t size = 0;
    for (const SentenceQuestion& question : questions) {
      const auto language = std::ranges::lower_bound(data.languages, question.language);
      numbers.push_back(language - data.languages.begin());
      facts.push_back(question.fact);
      size = std::max(size, static_cast<std::size_t>(question.fact) + 1);
    }
    if (size < folds.all) {
      throw InputError(source.string(), 0,
                       absl::StrCat("too few texts to train, validate and test on",
                                    damaged_files_.text("damaged files")));
    }
    std::vector<std::uint32_t> fold_of(questions.size(), folds.test + folds.validation);
    if (folds.all > 1) {
      fold_of = splits::grouped_k_fold(numbers, splits::RowGroups(facts, size),
                                       data.languages.size(), folds.all, kSeed);
    }
    for (std::size_t q = 0; q < questions.size(); ++q) {
      const std::uint32_t fold = fold_of[q];
      auto& part = fold < folds.test                      ? data.test
                   : fold < folds.test + folds.validation ? data.validation
                                                          : data.train;
      part.push_back(questions[q]);
    }
    std::ranges::stable_sort(data.test, {}, &SentenceQuestion::fact);
    return size;
  }

  // All questions, with their facts.
  std::vector<SentenceQuestion> take() {
    const std::vector<std::int64_t> facts = facts_.numbers();
    for (std::size_t q = 0; q < questions_.size(); ++q) questions_[q].fact = facts[q];
    return std::move(questions_);
  }

 private:
  // Whether there is an answer, or none is to be found.
  bool add(const SquadQuestion& question, bool has_own_id, const std::string& language,
           const std::string& context, const std::vector<TextRange>& ranges) {
    const std::vector<SquadAnswer>& answers = question.answers;
    const auto is_lost = [](const SquadAnswer& answer) { return !answer.begin; };
    if (ranges.empty() || (!answers.empty() && std::ranges::all_of(answers, is_lost))) return false;
    SentenceQuestion pair{question.text, language, {}, {}};
    for (const TextRange& range : ranges) {
      const bool is_answer = std::ranges::any_of(
          answers, [&](const SquadAnswer& answer) { return overlap(range, answer); });
      pair.sentences.push_back(context.substr(range.begin, range.end - range.begin));
      pair.is_answer.push_back(is_answer ? 1 : 0);
    }
    questions_.push_back(std::move(pair));
    contexts_.insert(context);
    const std::string of_context = "context " + context;
    facts_.add({of_context, has_own_id ? "id " + question.id : of_context,
                absl::StrCat("question ", language, " ", question.text)});
    return true;
  }

  std::string findings() const {
    constexpr std::pair<Finding SquadReport::*, const char*> kFindings[] = {
        {&SquadReport::respelled, "answers that their text writes otherwise"},
        {&SquadReport::impossible, "questions with answers that are said to have none"},
        {&SquadReport::moved, "answers moved to where they stand"},
        {&SquadReport::lost, "answers that do not stand in their text"},
        {&SquadReport::blank, "answers without a text left out"},
        {&SquadReport::repeated_ids, "questions with the id of another"}};
    std::string text = other_units_.text("files whose offsets count no code points");
    for (const auto& [finding, what] : kFindings) {
      Finding sum;
      for (const SquadReport& report : reports_) sum += report.*finding;
      text += sum.text(what);
    }
    text += damaged_files_.text("damaged files left out");
    if (dropped_ > 0) {
      absl::StrAppend(&text, "; ", dropped_,
                      " questions left out, none of whose answers is to be found");
    }
    std::size_t without_answers = 0;
    for (const SquadReport& report : reports_) without_answers += report.without_answers;
    if (without_answers > 0) {
      absl::StrAppend(&text, "; ", without_answers,
                      " without an answer, all of whose sentences are negatives");
    }
    return text;
  }

  Flaws flaws_;
  bool is_own_;
  Finding damaged_files_;
  Finding other_units_;
  std::map<std::string, path> files_;  // by language
  std::set<std::string> contexts_;
  std::vector<SentenceQuestion> questions_;
  Facts facts_;
  std::vector<SquadReport> reports_;
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
    return std::ranges::any_of(own, [&](const std::string& key) { return keys.contains(key); });
  });
}

std::string names_of(const std::vector<path>& files) {
  return absl::StrJoin(
      files, ", ", [](std::string* out, const path& file) { absl::StrAppend(out, file.string()); });
}

Reader read_own(const std::vector<path>& files, Flaws flaws) {
  Reader reader(flaws, true);
  for (const path& file : files) reader.read(file);
  return reader;
}

// A part that has files of its own, of languages that others know.
std::vector<SentenceQuestion> read_part(const std::vector<path>& files, Flaws flaws,
                                        const std::vector<std::string>& languages,
                                        const std::string& named_by, std::string& description) {
  Reader reader = read_own(files, flaws);
  for (const std::string& language : reader.languages()) {
    if (std::ranges::binary_search(languages, language)) continue;
    throw InputError(reader.file_of(language).string(), 0,
                     absl::StrCat("language '", language, "' does not occur in ", named_by));
  }
  description += reader.description(names_of(files));
  std::vector<SentenceQuestion> questions = reader.take();
  if (questions.empty()) {
    throw InputError(files.front().string(), 0, "there is no question that can be read");
  }
  std::ranges::stable_sort(questions, {}, &SentenceQuestion::fact);
  return questions;
}

std::string class_list_of(const SentenceData& data) {
  const auto counts_of = [](const std::vector<SentenceQuestion>& part) {
    std::vector<std::size_t> counts(2);
    for (const SentenceQuestion& question : part) {
      for (const std::int64_t c : question.is_answer) ++counts[static_cast<std::size_t>(c)];
    }
    return counts;
  };
  const std::vector<std::size_t> train = counts_of(data.train);
  return class_list({"other", "positive"},
                    {train, counts_of(data.validation), counts_of(data.test)}, train[0] + train[1]);
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
  std::ranges::sort(files);
  return files;
}

SentenceData load_sentence_data(const path& data, Flaws flaws) {
  const std::vector<path> files = squad_files(data);
  Reader reader(flaws, false);
  std::size_t used = 0;
  for (const path& file : files) {
    const FileLanguages languages = languages_of(file, false);
    if (languages.texts != languages.questions) continue;
    reader.read(file);
    ++used;
  }
  if (files.empty()) {
    throw InputError(data.string(), 0,
                     "there is no file in the format of SQuAD, such as "
                     "dev-context-de-question-de.json");
  }
  if (used == 0) {
    throw InputError(files.front().string(), 0,
                     "questions are of another language than the texts, by the name, and there is "
                     "no other file");
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
