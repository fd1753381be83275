// Files as the demos read and write them.
#ifndef EQUIPOISE_DEMOS_COMMON_FILES_H_
#define EQUIPOISE_DEMOS_COMMON_FILES_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {

/// The path that the user of `bazel run` means: a relative one starts where they called it, which
/// Bazel says in BUILD_WORKING_DIRECTORY, not in the directory where it runs the program.
std::filesystem::path user_path(std::string_view path);

/// The content of a file.
/// @throws InputError (line 0) if it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// The lines of a text file without their ends ("\n", "\r\n" or "\r"); the last one need not have
/// one. A byte order mark at the beginning is left out.
/// @throws InputError if the file cannot be read (line 0), is empty (line 1), or has a byte that is
/// zero, as in UTF-16, or not UTF-8 (its line).
std::vector<std::string> read_lines(const std::filesystem::path& path);

/// Writes a file in whole or not at all: under another name first, renamed when it is complete.
/// @throws InputError (line 0) if it cannot be written.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Makes a directory, and those above it, unless it is there.
/// @throws InputError (line 0) if it cannot be made or is a file.
void make_directory(const std::filesystem::path& path);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_FILES_H_
