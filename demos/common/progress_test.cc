#include "demos/common/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>

namespace equipoise::demos {
namespace {

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t i = text.find(part); i < text.size(); i = text.find(part, i + 1)) ++found;
  return found;
}

TEST(Progress, InALogIsALineForEachNote) {
  std::ostringstream log;
  {
    Progress progress(log, /*terminal=*/false, 10, "batches");
    progress.set_label("first");
    progress.advance(4);
    progress.note("four done");
    progress.advance(6);
  }
  EXPECT_EQ(log.str(), "four done\n");
}

TEST(Progress, OnATerminalIsOneLineThatIsDrawnAnewAndClearedAtTheEnd) {
  std::ostringstream terminal;
  {
    Progress progress(terminal, /*terminal=*/true, 10, "batches");
    progress.set_label("first");
    progress.advance(4);
    EXPECT_THAT(terminal.str(), testing::StartsWith("\r"));
    EXPECT_THAT(terminal.str(), testing::HasSubstr(" 40 %"));
    EXPECT_THAT(terminal.str(), testing::HasSubstr("batches/s"));
    EXPECT_THAT(terminal.str(), testing::EndsWith("s left  first"));
  }
  EXPECT_THAT(terminal.str(), testing::EndsWith("\r\033[K"));
}

TEST(Progress, NotesOnATerminalTakeTheLineAndStay) {
  std::ostringstream terminal;
  Progress progress(terminal, /*terminal=*/true, 10, "batches");
  progress.advance(1);
  const std::string drawn = terminal.str();
  progress.note("a tenth");
  EXPECT_EQ(terminal.str(), drawn + "\r\033[Ka tenth\n");
}

TEST(Progress, IsDrawnAFewTimesASecondHoweverManyStepsThereAre) {
  std::ostringstream terminal;
  constexpr std::size_t kSteps = 10'000;
  const auto start = std::chrono::steady_clock::now();
  Progress progress(terminal, /*terminal=*/true, kSteps, "batches");
  for (std::size_t i = 0; i < kSteps; ++i) progress.advance(1);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const std::size_t draws = count(terminal.str(), "batches/s");
  EXPECT_GE(draws, 1U);
  EXPECT_LE(static_cast<double>(draws), 1 + seconds.count() / 0.2);
}

TEST(Progress, OfNoWorkIsComplete) {
  std::ostringstream terminal;
  Progress progress(terminal, /*terminal=*/true, 0, "batches");
  progress.advance(0);
  EXPECT_EQ(terminal.str(), "\r\033[K100 %  0 batches/s  0 s left  ");
}

TEST(Progress, StepsThatAreSkippedDoNotCount) {
  std::ostringstream terminal;
  Progress progress(terminal, /*terminal=*/true, 10, "batches");
  progress.skip(6);
  progress.advance(4);
  EXPECT_THAT(terminal.str(), testing::HasSubstr("100 %"));
}

}  // namespace
}  // namespace equipoise::demos
