// Command lines: the program's Abseil flags, with errors that say what is accepted.
#ifndef EQUIPOISE_DEMOS_COMMON_FLAGS_H_
#define EQUIPOISE_DEMOS_COMMON_FLAGS_H_

#include <absl/strings/str_cat.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "demos/common/input_error.h"

namespace equipoise::demos {

/// Sets the ABSL_FLAGs that are defined under the folders demos/ and tools/ from "--name=value",
/// "--name value", "--switch" and "--noswitch". Abseil's own parser would end the program with exit
/// code 1 and without a word on what it accepts.
/// @return false if --help was among the arguments; it is printed then.
/// @throws InputError for an argument that is not one of these, and for a value that does not fit.
bool parse_flags(std::span<char* const> arguments, std::string_view usage);

/// Whether a flag stood in the arguments that were parsed last, with whatever value.
bool was_given(std::string_view name);

/// @throws InputError that lists the choices, unless the value is one of them.
void require_choice(std::string_view flag, std::string_view value,
                    const std::vector<std::string>& choices);

/// @throws InputError unless the value lies in [least, most].
template <class T>
void require_between(std::string_view flag, T value, T least, T most) {
  if (value >= least && value <= most) return;
  throw InputError(absl::StrCat("--", std::string(flag), "=", value, ": expected a number from ",
                                least, " to ", most));
}

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_FLAGS_H_
