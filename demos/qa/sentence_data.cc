#include "demos/qa/sentence_data.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <algorithm>
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
      throw InputError(
          file.string(), 0,
          "the name says no language: expected a code of two small letters (ISO 639-1) "
          "between dots, hyphens or underscores, as in tydiqa.goldp.sw.train.json");
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
    const std::size_t dropped_before = dropped_;
    for (const SquadQuestion& question : text.questions) {
      add(question, times[question.id] == 1, language, text.contexts[question.context].text,
          ranges[question.context]);
    }
    if (damaged_ == DamagedFiles::kRefuse) {
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
    data.description =
        absl::StrCat(start, ": ", questions_.size(), " questions on ", contexts_.size(), " texts, ",
                     sentences, " pairs of a question and a sentence, ", data.languages.size(),
                     " languages: ", absl::StrJoin(data.languages, ", "), ".\n", alone,
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
    const std::vector<std::uint32_t> folds = splits::grouped_k_fold(
        languages, splits::RowGroups(facts, size), data.languages.size(), kFolds, kSeed);
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

  SquadOptions options_;
  DamagedFiles damaged_;
  Finding damaged_files_;
  Finding other_units_;
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
  if (const auto pair = languages_of_pair(file)) return pair->first;
  for (const std::string& part : parts_of(file)) {
    if (is_language_code(part)) return part;
  }
  return "";
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
