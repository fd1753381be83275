#include "demos/common/files.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "demos/common/input_error.h"
#include "demos/common/unicode.h"

namespace equipoise::demos {

namespace {

std::string last_error() {
  return errno == 0 ? "unknown reason" : std::generic_category().message(errno);
}

// What stands at a path. Where that cannot be known (no permission, a name too long), opening it is
// to say why.
std::filesystem::file_type type_of(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::status(path, ignored).type();
}

}  // namespace

std::filesystem::path user_path(std::string_view path) {
  const std::filesystem::path given(path);
  const char* const base = std::getenv("BUILD_WORKING_DIRECTORY");
  return path.empty() || given.is_absolute() || base == nullptr
             ? given
             : std::filesystem::path(base) / given;
}

std::vector<std::filesystem::path> user_paths(const std::string& flag, const std::string& list) {
  std::vector<std::filesystem::path> paths;
  for (std::size_t begin = 0; !list.empty() && begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (begin == end) throw InputError("--" + flag + "=" + list + ": a name of a file is empty");
    paths.push_back(user_path(std::string_view(list).substr(begin, end - begin)));
    begin = end + 1;
  }
  return paths;
}

std::string read_file(const std::filesystem::path& path) {
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  if (type_of(directory) == std::filesystem::file_type::not_found) {
    throw InputError(path.string(), 0, "there is no directory " + directory.string());
  }
  if (type_of(path) == std::filesystem::file_type::directory) {
    throw InputError(path.string(), 0, "expected a file, this is a directory");
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (file && file.peek() != std::ifstream::traits_type::eof()) content << file.rdbuf();
  if (!file.is_open() || file.bad() || content.bad()) {
    throw InputError(path.string(), 0, "cannot be read: " + last_error());
  }
  return std::move(content).str();
}

std::vector<std::string_view> split_lines(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\uFEFF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t size = std::min(text.find_first_of("\r\n"), text.size());
    lines.push_back(text.substr(0, size));
    text.remove_prefix(size);
    const std::size_t end = text.starts_with("\r\r\n") ? 3 : text.starts_with("\r\n") ? 2 : 1;
    text.remove_prefix(std::min(end, text.size()));
  }
  return lines;
}

std::optional<std::string> encoding_flaw(std::string_view line) {
  const auto flaw_at = [](std::size_t offset, const std::string& what) {
    return "byte " + std::to_string(offset + 1) + " of the line is " + what;
  };
  if (const auto offset = first_invalid_utf8(line)) return flaw_at(*offset, "not UTF-8");
  const std::size_t zero = line.find('\0');
  if (zero == std::string_view::npos) return std::nullopt;
  return flaw_at(zero, "zero, expected text in UTF-8");
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  const std::string content = read_file(path);
  if (content.empty()) throw InputError(path.string(), 1, "the file is empty");
  std::vector<std::string> lines;
  for (const std::string_view line : split_lines(content)) {
    if (const auto flaw = encoding_flaw(line)) {
      throw InputError(path.string(), lines.size() + 1, *flaw);
    }
    lines.emplace_back(line);
  }
  return lines;
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::path unfinished = path;
  unfinished += ".unfinished";
  errno = 0;
  std::ofstream file(unfinished, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  file.close();
  std::error_code error;
  if (file) {
    std::filesystem::rename(unfinished, path, error);
    if (!error) return;
  }
  const std::string reason = error ? error.message() : last_error();
  std::filesystem::remove(unfinished, error);
  throw InputError(path.string(), 0, "cannot be written: " + reason);
}

void make_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || !std::filesystem::is_directory(path)) {
    throw InputError(path.string(), 0,
                     "cannot be made a directory: " +
                         (error ? error.message() : std::string("there is a file of this name")));
  }
}

}  // namespace equipoise::demos
