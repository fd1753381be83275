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
  EXPECT_TRUE(parse({"--colour=a=b", "--storeys=-2", "--garden=false", "--storeys=4"}));
  EXPECT_EQ(absl::GetFlag(FLAGS_colour), "a=b");
  EXPECT_EQ(absl::GetFlag(FLAGS_storeys), 4);  // the last one counts
  EXPECT_FALSE(absl::GetFlag(FLAGS_garden));
}

TEST(ParseFlags, ValuesMayLookLikeFlags) {
  EXPECT_TRUE(parse({"--colour", "--garden", "--storeys", "-3"}));
  EXPECT_EQ(absl::GetFlag(FLAGS_colour), "--garden");
  EXPECT_EQ(absl::GetFlag(FLAGS_storeys), -3);
}

TEST(WasGiven, AlsoSeesFlagsThatHaveTheirDefaults) {
  parse({"--storeys=1", "--nogarden"});
  EXPECT_TRUE(was_given("storeys"));
  EXPECT_TRUE(was_given("garden"));
  EXPECT_FALSE(was_given("colour"));
  parse({"--colour", "--garden"});  // a value
  EXPECT_TRUE(was_given("colour"));
  EXPECT_FALSE(was_given("garden"));
  EXPECT_FALSE(was_given("storeys"));
}

TEST(ParseFlags, WithoutArgumentsChangeNothing) {
  absl::SetFlag(&FLAGS_storeys, 7);
  EXPECT_TRUE(parse({}));
  EXPECT_EQ(absl::GetFlag(FLAGS_storeys), 7);
}

TEST(ParseFlags, ErrorsSayWhatIsAccepted) {
  EXPECT_THAT(error({"--color=red"}), HasSubstr("there is no flag '--color'; accepted flags:"));
  EXPECT_THAT(error({"--color=red"}), HasSubstr("--storeys: how high [1]"));
  EXPECT_THAT(error({"--nostoreys"}), HasSubstr("there is no flag '--nostoreys'"));
  EXPECT_THAT(error({"house"}), HasSubstr("unexpected argument 'house'; accepted flags:"));
  EXPECT_THAT(error({"--storeys=many"}), HasSubstr("--storeys=many: invalid value"));
  EXPECT_THAT(error({"--storeys=many"}), testing::EndsWith("\n  --storeys: how high"));
  EXPECT_THAT(error({"--storeys="}), HasSubstr("--storeys=: invalid value"));
  EXPECT_THAT(error({"--storeys", "99999999999"}),
              HasSubstr("--storeys=99999999999: invalid value"));
  EXPECT_THAT(error({"--garden=maybe"}), HasSubstr("--garden=maybe: invalid value"));
  EXPECT_THAT(error({"--garden", "true"}), HasSubstr("unexpected argument 'true'"));
  EXPECT_THAT(error({"--nogarden=true"}), HasSubstr("there is no flag '--nogarden'"));
  EXPECT_THAT(error({"-colour=red"}), HasSubstr("unexpected argument '-colour=red'"));
  EXPECT_THAT(error({"--verbosity=1"}), HasSubstr("there is no flag '--verbosity'"));
  EXPECT_THAT(error({"--"}), HasSubstr("there is no flag '--'"));
  EXPECT_EQ(error({"--storeys"}), "--storeys needs a value");
}

TEST(ParseFlags, HelpIsPrintedAndEndsTheProgram) {
  testing::internal::CaptureStdout();
  EXPECT_FALSE(parse({"--help"}));
  const std::string printed = testing::internal::GetCapturedStdout();
  EXPECT_THAT(printed, testing::StartsWith("Builds houses.\n"));
  EXPECT_THAT(printed, HasSubstr("--colour: of the house [red]"));
  EXPECT_THAT(printed, testing::Not(HasSubstr("verbosity")));  // a library's
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
  EXPECT_NO_THROW(require_between("n", -1, -1, -1));
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

// A flag that is not the program's, as libraries bring some: it counts by the file it stands in.
#line 1 "library/flags.cc"
ABSL_FLAG(int, verbosity, 0, "of a library");
