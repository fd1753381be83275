#include "demos/common/finding.h"

#include <gtest/gtest.h>

namespace equipoise::demos {
namespace {

TEST(Finding, KeepsTheFirstOfWhatIsMerged) {
  Finding all;
  EXPECT_EQ(all.text("rows left out"), "");
  all += Finding{};
  all += Finding{2, "a:3: short"};
  all += Finding{1, "b:1: long"};
  EXPECT_EQ(all.text("rows left out"), "; 3 rows left out, the first a:3: short");
}

}  // namespace
}  // namespace equipoise::demos
