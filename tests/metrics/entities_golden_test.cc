// Against seqeval and conlleval.pl; tests/golden/entities.py writes what they say.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "equipoise/metrics/entities.h"

namespace equipoise::metrics {
namespace {

using Labels = std::vector<std::int64_t>;
using Json = nlohmann::json;

constexpr double kRounding = 1e-10;  // of the figures in the file

const Json& golden() {
  static const Json kGolden = [] {
    std::ifstream file("tests/golden/entities.json");
    return Json::parse(file);
  }();
  return kGolden;
}

TagScheme scheme_of(std::string_view name) {
  return name == "IOB1" ? TagScheme::kIob1 : name == "IOB2" ? TagScheme::kIob2 : TagScheme::kBioes;
}

struct Case {
  EntityTags tags;
  Labels offsets, targets, predictions;
};

Case case_of(const Json& data, TagScheme scheme) {
  return {EntityTags(data["names"].get<std::vector<std::string>>(), scheme),
          data["offsets"].get<Labels>(), data["targets"].get<Labels>(),
          data["predictions"].get<Labels>()};
}

// Sequence, type, begin and end of each entity, in a row.
std::vector<std::size_t> entities_in(const Case& data, const Labels& labels,
                                     EntityReading reading) {
  std::vector<std::size_t> result;
  for (std::size_t s = 0; s + 1 < data.offsets.size(); ++s) {
    const auto begin = static_cast<std::size_t>(data.offsets[s]);
    const auto size = static_cast<std::size_t>(data.offsets[s + 1]) - begin;
    const auto sequence = std::span(labels).subspan(begin, size);
    for (const Entity& entity : find_entities(sequence, data.tags, reading, kIgnoreIndex)) {
      result.insert(result.end(), {s, entity.type, entity.begin, entity.end});
    }
  }
  return result;
}

// The same labels, those of ignored targets ignored too.
Labels masked(Labels labels, const Labels& targets) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (targets[i] == kIgnoreIndex) labels[i] = kIgnoreIndex;
  }
  return labels;
}

// seqeval averages over the types that are there or predicted, an undefined figure of which is 0.
template <class F>
double mean_over_present(const EntityMetrics& figures, const F& figure) {
  double sum = 0;
  double present = 0;
  for (std::size_t k = 0; k < figures.types().size(); ++k) {
    if (figures.predicted(k) + figures.support(k) == 0) continue;
    sum += figure(k);
    present += 1;
  }
  return sum / present;
}

void expect_figures(const EntityMetrics& f, const Json& expected) {
  if (expected.is_null()) {
    EXPECT_EQ(f.predicted() + f.support(), 0);
    return;
  }
  const auto values = expected.get<std::vector<double>>();
  ASSERT_EQ(values.size(), 9u);
  EXPECT_NEAR(f.micro_precision(), values[0], kRounding);
  EXPECT_NEAR(f.micro_recall(), values[1], kRounding);
  EXPECT_NEAR(f.micro_f1(), values[2], kRounding);
  const auto mean = [&](const auto& figure) { return mean_over_present(f, figure); };
  EXPECT_NEAR(mean([&](std::size_t k) { return f.precision(k); }), values[3], kRounding);
  EXPECT_NEAR(mean([&](std::size_t k) { return f.recall(k); }), values[4], kRounding);
  EXPECT_NEAR(f.macro_f1(Absent::kSkip), values[5], kRounding);
  EXPECT_NEAR(f.weighted_precision(), values[6], kRounding);
  EXPECT_NEAR(f.weighted_recall(), values[7], kRounding);
  EXPECT_NEAR(f.weighted_f1(), values[8], kRounding);
}

TEST(EntitiesGolden, EqualThoseOfSeqevalInBothReadings) {
  std::size_t entities = 0;
  for (const Json& data : golden()["cases"]) {
    const Case c = case_of(data, scheme_of(data["scheme"].get<std::string>()));
    EntityScores scores(c.tags);
    scores.add(c.targets, c.predictions, c.offsets, kIgnoreIndex);
    for (const EntityReading reading : {EntityReading::kConlleval, EntityReading::kStrict}) {
      const bool strict = reading == EntityReading::kStrict;
      SCOPED_TRACE(data.dump());
      const Json& expected = data[strict ? "strict" : "conlleval"];
      const auto there = expected["targets"].get<std::vector<std::size_t>>();
      const auto predicted = expected["predictions"].get<std::vector<std::size_t>>();
      EXPECT_EQ(entities_in(c, c.targets, reading), there);
      EXPECT_EQ(entities_in(c, masked(c.predictions, c.targets), reading), predicted);
      EXPECT_EQ(4 * scores.figures(reading).support(), static_cast<double>(there.size()));
      EXPECT_EQ(4 * scores.figures(reading).predicted(), static_cast<double>(predicted.size()));
      expect_figures(scores.figures(reading), expected["figures"]);
      entities += there.size() + predicted.size();
    }
  }
  EXPECT_GT(entities, 4 * 1000u);
}

// entities.py checks the same of seqeval with suffix=True.
TEST(EntitiesGolden, AreTheSameWithTypesFirst) {
  for (const Json& data : golden()["cases"]) {
    const TagScheme scheme = scheme_of(data["scheme"].get<std::string>());
    const Case c = case_of(data, scheme);
    auto names = data["names"].get<std::vector<std::string>>();
    for (std::string& name : names) {
      if (name != "O") name = name.substr(2) + '-' + name[0];
    }
    const Case other{EntityTags(names, scheme, TagLayout::kSuffix), c.offsets, c.targets,
                     c.predictions};
    for (const EntityReading reading : {EntityReading::kConlleval, EntityReading::kStrict}) {
      EXPECT_EQ(entities_in(other, c.targets, reading), entities_in(c, c.targets, reading));
    }
  }
}

TEST(EntitiesGolden, ConllevalsReportIsEqualToTheByte) {
  std::size_t reports = 0;
  for (const Json& data : golden()["cases"]) {
    if (!data.contains("conlleval_report")) continue;
    const Case c = case_of(data, scheme_of(data["scheme"].get<std::string>()));
    EntityScores scores(c.tags);
    scores.add(c.targets, c.predictions, c.offsets, kIgnoreIndex);
    EXPECT_EQ(conlleval_report(scores), data["conlleval_report"].get<std::string>());
    ++reports;
  }
  EXPECT_GT(reports, 20u);
}

EntityScores published(std::size_t sequences) {
  const Case c = case_of(golden()["published"], TagScheme::kIob2);
  const auto tokens = static_cast<std::size_t>(c.offsets[sequences]);
  EntityScores scores(c.tags);
  scores.add(std::span(c.targets).first(tokens), std::span(c.predictions).first(tokens),
             std::span(c.offsets).first(sequences + 1));
  return scores;
}

// The example of the shared task's page, as it stands there.
TEST(EntitiesGolden, ThePublishedExample) {
  const EntityScores scores = published(40);
  EXPECT_EQ(conlleval_report(scores),
            "processed 961 tokens with 459 phrases; found: 539 phrases; correct: 371.\n"
            "accuracy:  84.08%; precision:  68.83%; recall:  80.83%; FB1:  74.35\n"
            "             ADJP: precision:   0.00%; recall:   0.00%; FB1:   0.00  1\n"
            "             ADVP: precision:  45.45%; recall:  62.50%; FB1:  52.63  11\n"
            "               NP: precision:  64.98%; recall:  78.63%; FB1:  71.16  317\n"
            "               PP: precision:  83.18%; recall:  98.89%; FB1:  90.36  107\n"
            "             SBAR: precision:  66.67%; recall:  33.33%; FB1:  44.44  3\n"
            "               VP: precision:  69.00%; recall:  79.31%; FB1:  73.80  100\n");
  const Json& expected = golden()["published"];
  EXPECT_EQ(conlleval_report(scores), expected["conlleval_report"].get<std::string>());
  EXPECT_EQ(report(scores.conlleval(), 4), expected["report"].get<std::string>());
  EXPECT_EQ(report(scores.strict(), 4), expected["strict_report"].get<std::string>());
}

// Figures that are quoted for the same file as those of the strict reading are conlleval's of all
// sequences but the last. The strict reading is further away.
TEST(EntitiesGolden, ThePublishedExampleWithoutItsLastSequence) {
  const EntityScores scores = published(39);
  EXPECT_EQ(report(scores.conlleval(), 4),
            "              precision    recall  f1-score   support\n"
            "\n"
            "        ADJP     0.0000    0.0000    0.0000         6\n"
            "        ADVP     0.4545    0.6250    0.5263         8\n"
            "          NP     0.6442    0.7821    0.7065       257\n"
            "          PP     0.8302    0.9888    0.9026        89\n"
            "        SBAR     0.6667    0.3333    0.4444         6\n"
            "          VP     0.6869    0.7907    0.7351        86\n"
            "\n"
            "   micro avg     0.6842    0.8053    0.7398       452\n"
            "   macro avg     0.5471    0.5866    0.5525       452\n"
            "weighted avg     0.6773    0.8053    0.7345       452\n");
  EXPECT_NEAR(scores.strict().micro_f1(), 0.7029, 5e-5);
  EXPECT_NEAR(published(40).strict().micro_f1(), 0.7046, 5e-5);
}

}  // namespace
}  // namespace equipoise::metrics
