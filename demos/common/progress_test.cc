#include "demos/common/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace equipoise::demos {
namespace {

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

TEST(Progress, StepsThatAreSkippedDoNotCount) {
  std::ostringstream terminal;
  Progress progress(terminal, /*terminal=*/true, 10, "batches");
  progress.skip(6);
  progress.advance(4);
  EXPECT_THAT(terminal.str(), testing::HasSubstr("100 %"));
}

}  // namespace
}  // namespace equipoise::demos
