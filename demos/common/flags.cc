#include "demos/common/flags.h"

#include <absl/flags/commandlineflag.h>
#include <absl/flags/reflection.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/strip.h>

#include <cstddef>
#include <functional>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include "demos/common/input_error.h"

namespace equipoise::demos {

namespace {

// The program's flags by name: Abseil links some of its own besides.
std::map<std::string, absl::CommandLineFlag*> program_flags() {
  std::map<std::string, absl::CommandLineFlag*> flags;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    const auto file = flag->Filename();
    if (absl::StrContains(file, "demos/") || absl::StrContains(file, "tools/")) {
      flags.emplace(name, flag);
    }
  }
  return flags;
}

// The names in the arguments that were parsed last.
std::set<std::string, std::less<>>& given_flags() {
  static std::set<std::string, std::less<>> names;
  return names;
}

std::string accepted_flags() {
  std::string text = "accepted flags:\n";
  for (const auto& [name, flag] : program_flags()) {
    absl::StrAppend(&text, "  --", name, ": ", flag->Help());
    if (!flag->DefaultValue().empty()) absl::StrAppend(&text, " [", flag->DefaultValue(), "]");
    text += '\n';
  }
  return text;
}

}  // namespace

bool parse_flags(std::span<char* const> arguments, std::string_view usage) {
  const std::map<std::string, absl::CommandLineFlag*> flags = program_flags();
  given_flags().clear();
  const auto find = [&](absl::string_view name) {
    const auto place = flags.find(std::string(name));
    return place == flags.end() ? nullptr : place->second;
  };
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const absl::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      std::cout << usage << "\n\n" << accepted_flags();
      return false;
    }
    absl::string_view text = argument;
    if (!absl::ConsumePrefix(&text, "--")) {
      throw InputError(absl::StrCat("unexpected argument '", argument, "'; ", accepted_flags()));
    }
    const std::size_t equals = text.find('=');
    const absl::string_view name = text.substr(0, equals);
    absl::CommandLineFlag* flag = find(name);
    std::string value;
    if (equals != absl::string_view::npos) {
      value = std::string(text.substr(equals + 1));
    } else if (flag != nullptr && flag->IsOfType<bool>()) {
      value = "true";
    } else if (flag == nullptr && absl::StartsWith(name, "no") && find(name.substr(2)) != nullptr &&
               find(name.substr(2))->IsOfType<bool>()) {
      flag = find(name.substr(2));
      value = "false";
    } else if (flag != nullptr) {
      if (i + 1 == arguments.size()) throw InputError(absl::StrCat("--", name, " needs a value"));
      value = arguments[++i];
    }
    if (flag == nullptr) {
      throw InputError(absl::StrCat("there is no flag '--", name, "'; ", accepted_flags()));
    }
    std::string error;
    if (!flag->ParseFrom(value, &error)) {
      throw InputError(absl::StrCat("--", name, "=", value, ": invalid value",
                                    error.empty() ? "" : " (" + error + ")", "\n  --", name, ": ",
                                    flag->Help()));
    }
    given_flags().emplace(flag->Name());
  }
  return true;
}

bool was_given(std::string_view name) { return given_flags().contains(name); }

void require_choice(std::string_view flag, std::string_view value,
                    std::span<const std::string> choices) {
  for (const std::string& choice : choices) {
    if (choice == value) return;
  }
  throw InputError(absl::StrCat("--", std::string(flag), "=", std::string(value),
                                ": expected one of ", absl::StrJoin(choices, ", ")));
}

void require_between(std::string_view flag, int value, int least, int most) {
  if (value >= least && value <= most) return;
  throw InputError(absl::StrCat("--", std::string(flag), "=", value, ": expected a number from ",
                                least, " to ", most));
}

}  // namespace equipoise::demos
