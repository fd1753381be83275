// Files as the demos read and write them.
#ifndef EQUIPOISE_DEMOS_COMMON_FILES_H_
#define EQUIPOISE_DEMOS_COMMON_FILES_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::demos {

/// The path that the user of `bazel run` means: a relative one starts where they called it, which
/// Bazel says in BUILD_WORKING_DIRECTORY, not in the directory where it runs the program. An empty
/// one stays empty.
std::filesystem::path user_path(std::string_view path);

/// Those in a list with commas between, as a flag has it; none for an empty one.
/// @throws InputError for an empty name.
std::vector<std::filesystem::path> user_paths(const std::string& flag, const std::string& list);

struct PartFiles {
  std::vector<std::filesystem::path> train{};
  std::vector<std::filesystem::path> validation{};
  std::vector<std::filesystem::path> test{};
};

/// @throws InputError (line 0) if it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// The lines of a text without their ends: "\n", "\r\n", "\r", or "\r\r\n", which is "\r\n" written
/// as text on Windows. The last line need not have one. A byte order mark at the beginning is left
/// out. O(size).
std::vector<std::string_view> split_lines(std::string_view text);

/// What makes a line unreadable as text: "byte 3 of the line is ..." for the first byte that is not
/// UTF-8, or else the first that is zero, as in UTF-16; nothing for a line that can be read.
/// O(size).
std::optional<std::string> encoding_flaw(std::string_view line);

/// The lines of a text file, as split_lines() has them.
/// @throws InputError if the file cannot be read (line 0), is empty (line 1), or has a line with an
/// encoding_flaw().
std::vector<std::string> read_lines(const std::filesystem::path& path);

/// Writes a file in whole or not at all: under another name first, renamed when it is complete.
/// @throws InputError (line 0) if it cannot be written.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Makes a directory, and those above it, unless it is there.
/// @throws InputError (line 0) if it cannot be made or is a file.
void make_directory(const std::filesystem::path& path);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_FILES_H_
