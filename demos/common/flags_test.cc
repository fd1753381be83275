#include "demos/common/flags.h"

#include <absl/flags/flag.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "demos/common/input_error.h"

ABSL_FLAG(std::string, colour, "red", "of the house");
ABSL_FLAG(int, storeys, 1, "how high");
ABSL_FLAG(bool, garden, false, "whether there is one");

namespace equipoise::demos {
namespace {

using testing::HasSubstr;

bool parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "program");
  std::vector<char*> pointers;
  pointers.reserve(arguments.size());
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  return parse_flags(pointers, "Builds houses.");
}

std::string error(const std::vector<std::string>& arguments) {
  try {
    parse(arguments);
  } catch (const InputError& failure) {
    return failure.what();
  }
  return "";
}

TEST(ParseFlags, SetsValues) {
  EXPECT_TRUE(parse({"--colour=blue sky", "--storeys", "3", "--garden"}));
  EXPECT_EQ(absl::GetFlag(FLAGS_colour), "blue sky");
  EXPECT_EQ(absl::GetFlag(FLAGS_storeys), 3);
  EXPECT_TRUE(absl::GetFlag(FLAGS_garden));
  EXPECT_TRUE(parse({"--nogarden", "--colour="}));
  EXPECT_FALSE(absl::GetFlag(FLAGS_garden));
  EXPECT_EQ(absl::GetFlag(FLAGS_colour), "");
  EXPECT_TRUE(parse({"--garden=true"}));
  EXPECT_TRUE(absl::GetFlag(FLAGS_garden));
}

TEST(ParseFlags, ErrorsSayWhatIsAccepted) {
  EXPECT_THAT(error({"--color=red"}), HasSubstr("there is no flag '--color'; accepted flags:"));
  EXPECT_THAT(error({"--color=red"}), HasSubstr("--storeys: how high [1]"));
  EXPECT_THAT(error({"--nostoreys"}), HasSubstr("there is no flag '--nostoreys'"));
  EXPECT_THAT(error({"house"}), HasSubstr("unexpected argument 'house'; accepted flags:"));
  EXPECT_THAT(error({"--storeys=many"}), HasSubstr("--storeys=many: not a value of this flag"));
  EXPECT_EQ(error({"--storeys"}), "--storeys lacks its value");
}

TEST(ParseFlags, HelpIsPrintedAndEndsTheProgram) {
  testing::internal::CaptureStdout();
  EXPECT_FALSE(parse({"--help"}));
  const std::string printed = testing::internal::GetCapturedStdout();
  EXPECT_THAT(printed, testing::StartsWith("Builds houses.\n"));
  EXPECT_THAT(printed, HasSubstr("--colour: of the house [red]"));
  EXPECT_THAT(printed, testing::Not(HasSubstr("flagfile")));  // one of Abseil's own
}

TEST(RequireChoice, ListsTheChoices) {
  const std::vector<std::string> choices = {"a", "b"};
  EXPECT_NO_THROW(require_choice("letter", "b", choices));
  try {
    require_choice("letter", "c", choices);
    ADD_FAILURE() << "no error";
  } catch (const InputError& failure) {
    EXPECT_STREQ(failure.what(), "--letter=c: expected one of a, b");
  }
}

TEST(RequireBetween, NamesTheBounds) {
  EXPECT_NO_THROW(require_between("n", 1, 1, 3));
  EXPECT_NO_THROW(require_between("n", 3, 1, 3));
  EXPECT_THROW(require_between("n", 0, 1, 3), InputError);
  try {
    require_between("n", 4, 1, 3);
    ADD_FAILURE() << "no error";
  } catch (const InputError& failure) {
    EXPECT_STREQ(failure.what(), "--n=4: expected a number from 1 to 3");
  }
}

}  // namespace
}  // namespace equipoise::demos
