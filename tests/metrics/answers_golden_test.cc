// Against what other implementations give: see tests/golden/answers.py.
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "equipoise/metrics/answers.h"

namespace equipoise::metrics {
namespace {

// The other side adds up in single precision and rounds to eight digits.
constexpr double kSinglePrecision = 1e-6;

const nlohmann::json& squad() {
  static const nlohmann::json golden = [] {
    std::ifstream file("tests/golden/answers.json");
    return nlohmann::json::parse(file).at("squad");
  }();
  return golden;
}

TEST(AnswersGolden, ScoresEqualThoseOfTorchmetrics) {
  AnswerScores scores;
  for (const nlohmann::json& question : squad().at("cases")) {
    const auto prediction = question.at("prediction").get<std::string>();
    const auto references = question.at("references").get<std::vector<std::string>>();
    const AnswerScore score =
        score_answer(prediction, references, SquadNormalizer{}, EmptyAnswers::kSquad2);
    EXPECT_EQ(score.exact_match, question.at("exact_match").get<double>()) << question;
    EXPECT_NEAR(score.f1, question.at("f1").get<double>(), kSinglePrecision) << question;
    scores.add(score);
  }
  EXPECT_GE(scores.count(), 100);
  const nlohmann::json& total = squad().at("total");
  EXPECT_NEAR(scores.exact_match(), total.at("exact_match").get<double>(), kSinglePrecision);
  EXPECT_NEAR(scores.f1(), total.at("f1").get<double>(), kSinglePrecision);
}

}  // namespace
}  // namespace equipoise::metrics
