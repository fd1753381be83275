#include "demos/common/input_error.h"

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

TEST(Finding, MayBeOneInAHundredButNotMore) {
  const auto error = [](std::size_t count, std::size_t total) -> std::string {
    try {
      Finding{count, "a:3: short"}.require_few(total, "rows", "--columns");
    } catch (const InputError& failure) {
      return failure.what();
    }
    return "";
  };
  EXPECT_EQ(error(0, 0), "");
  EXPECT_EQ(error(1, 100), "");
  EXPECT_EQ(error(1, 99),
            "a:3: short; 1 of 99 rows are like this, and more than 1 % is not left out: --columns");
  EXPECT_EQ(error(25, 2500), "");
  EXPECT_NE(error(26, 2500), "");
}

}  // namespace
}  // namespace equipoise::demos
