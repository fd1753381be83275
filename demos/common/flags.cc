#include "demos/common/flags.h"

#include <absl/flags/commandlineflag.h>
#include <absl/flags/reflection.h>
#include <absl/strings/match.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iostream>
#include <map>
#include <set>

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
  const auto find = [&](const std::string& name) {
    const auto place = flags.find(name);
    return place == flags.end() ? nullptr : place->second;
  };
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    absl::string_view text = arguments[i];
    if (text == "--help" || text == "-h") {
      std::cout << usage << "\n\n" << accepted_flags();
      return false;
    }
    if (!absl::ConsumePrefix(&text, "--")) {
      throw InputError(absl::StrCat("unexpected argument '", text, "'; ", accepted_flags()));
    }
    const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    const std::string& name = parts[0];
    absl::CommandLineFlag* flag = find(name);
    absl::CommandLineFlag* const denied = name.starts_with("no") ? find(name.substr(2)) : nullptr;
    std::string value = parts.back();
    if (parts.size() == 1 && flag != nullptr) {
      if (flag->IsOfType<bool>()) {
        value = "true";
      } else if (++i < arguments.size()) {
        value = arguments[i];
      } else {
        throw InputError(absl::StrCat("--", name, " needs a value"));
      }
    } else if (parts.size() == 1 && denied != nullptr && denied->IsOfType<bool>()) {
      flag = denied;
      value = "false";
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
                    const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  throw InputError(absl::StrCat("--", std::string(flag), "=", std::string(value),
                                ": expected one of ", absl::StrJoin(choices, ", ")));
}

}  // namespace equipoise::demos
