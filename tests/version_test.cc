#include "equipoise/version.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

namespace {

// A file of the workspace, which the test lists among its data.
std::string contents(const std::string& path) {
  const char* const sources = std::getenv("TEST_SRCDIR");
  const char* const workspace = std::getenv("TEST_WORKSPACE");
  if (sources == nullptr || workspace == nullptr) return "";
  std::ifstream file(std::string(sources) + "/" + workspace + "/" + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(Version, IsItsParts) {
  EXPECT_EQ(EQUIPOISE_VERSION_STRING, std::to_string(EQUIPOISE_VERSION_MAJOR) + "." +
                                          std::to_string(EQUIPOISE_VERSION_MINOR) + "." +
                                          std::to_string(EQUIPOISE_VERSION_PATCH));
}

TEST(Version, IsTheModules) {
  const std::string module = contents("MODULE.bazel");
  EXPECT_NE(module.find("name = \"equipoise\",\n    version = \"" EQUIPOISE_VERSION_STRING "\""),
            std::string::npos)
      << module;
}

// Conan's recipe, CMake and pkg-config read the header.
TEST(Version, IsThatOfPackagesAndPages) {
  for (const auto& [path, text] : {
           std::pair("packaging/vcpkg/equipoise/vcpkg.json",
                     "\"version\": \"" EQUIPOISE_VERSION_STRING "\""),
           std::pair("CITATION.cff", "\nversion: " EQUIPOISE_VERSION_STRING "\n"),
           std::pair("docs/installing.md", "GIT_TAG v" EQUIPOISE_VERSION_STRING ")"),
           std::pair("docs/installing.md", "tag = \"v" EQUIPOISE_VERSION_STRING "\""),
           std::pair("docs/installing.md", "version = \"" EQUIPOISE_VERSION_STRING "\""),
           std::pair("docs/installing.md", "`equipoise/" EQUIPOISE_VERSION_STRING "`"),
           std::pair("docs/installing.md", "[requires]\nequipoise/" EQUIPOISE_VERSION_STRING "\n"),
           std::pair("packaging/bazel_registry/README.md",
                     "prefix=equipoise-" EQUIPOISE_VERSION_STRING
                     "/ -o equipoise-" EQUIPOISE_VERSION_STRING ".tar.gz v" EQUIPOISE_VERSION_STRING
                     "\n"),
           std::pair("packaging/bazel_registry/README.md",
                     "archive=equipoise-" EQUIPOISE_VERSION_STRING ".tar.gz"),
           std::pair("tests/consumer/bazel/MODULE.bazel",
                     "version = \"" EQUIPOISE_VERSION_STRING "\""),
       }) {
    EXPECT_NE(contents(path).find(text), std::string::npos) << path << ": " << text;
  }
}

TEST(Version, HasAnEntryInTheListOfChanges) {
  EXPECT_NE(contents("CHANGELOG.md").find("\n## " EQUIPOISE_VERSION_STRING), std::string::npos);
}

}  // namespace
