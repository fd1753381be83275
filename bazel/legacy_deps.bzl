"""The repositories that MODULE.bazel takes from the registry, for Bazel 4 to 6: the system's packages, nothing downloaded.

A workspace that uses Equipoise calls equipoise_legacy_deps(); what it has declared under the same name before, it keeps.
"""

load("//bazel:libtorch.bzl", "libtorch_repository")
load("//bazel:system_repository.bzl", "system_repository")

# What @rules_cc//cc has, as far as this project and Bazel's own tools load it.
_CC_RULES = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "objc_library",
]

# Abseil's targets that programs here may want, by package. Each stands for the whole of Abseil.
_ABSEIL_TARGETS = {
    "absl/base": ["core_headers", "log_severity"],
    "absl/container": ["btree", "flat_hash_map", "flat_hash_set", "inlined_vector"],
    "absl/flags": ["commandlineflag", "config", "flag", "parse", "reflection", "usage"],
    "absl/functional": ["function_ref"],
    "absl/memory": ["memory"],
    "absl/status": ["status", "statusor"],
    "absl/strings": ["str_format", "strings"],
    "absl/time": ["time"],
    "absl/types": ["optional", "span"],
}

def _files_repository_impl(ctx):
    for path, content in ctx.attr.files.items():
        ctx.file(path, content, executable = False)

_files_repository = repository_rule(
    implementation = _files_repository_impl,
    doc = "A repository that consists of the given files.",
    attrs = {"files": attr.string_dict(mandatory = True, doc = "path to content")},
)

def _declare(rule, name, **kwargs):
    if name not in native.existing_rules():
        rule(name = name, **kwargs)

def _native_rules_files(package, rules):
    """Files that make load("@<repository>//<package>:<rule>.bzl", "<rule>") give Bazel's built-in rule."""
    exports = {rule: "%s = native.%s\n" % (rule, rule) for rule in rules}
    files = {"BUILD": "", package + "/BUILD": ""}
    for rule, export in exports.items():
        files["%s/%s.bzl" % (package, rule)] = export
    files[package + "/defs.bzl"] = "".join(exports.values())
    return files

def equipoise_legacy_deps():
    """Declares what building the library takes. Call it from WORKSPACE."""

    # Bazel 4 has these rules built in, and Debian's rules_cc is too new for Debian's Bazel.
    _declare(_files_repository, name = "rules_cc", files = _native_rules_files("cc", _CC_RULES))

    # Bazel would download these four by itself: the rule sets for any cc_test, and the coverage tools, which
    # every test refers to and only `bazel coverage` uses.
    _declare(native.local_repository, name = "rules_java", path = "/usr/share/bazel/rules/java")
    _declare(native.local_repository, name = "rules_proto", path = "/usr/share/bazel/rules/proto")
    _declare(native.local_repository, name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
    _declare(
        _files_repository,
        name = "remote_coverage_tools",
        files = {"BUILD": """filegroup(name = "coverage_report_generator", visibility = ["//visibility:public"])\n"""},
    )

    _declare(
        system_repository,
        name = "eigen",
        defines = ["EIGEN_MPL2_ONLY"],
        headers = ["/usr/include/eigen3/Eigen", "/usr/include/eigen3/unsupported"],
        package = "libeigen3-dev",
        targets = {":eigen": []},
    )
    _declare(libtorch_repository, name = "libtorch")

def equipoise_development_deps():
    """Declares what tests, demos and benchmarks take besides."""
    _declare(_files_repository, name = "rules_shell", files = _native_rules_files("shell", ["sh_binary", "sh_test"]))
    _declare(
        system_repository,
        name = "abseil-cpp",
        headers = ["/usr/include/absl"],
        libraries = ["absl_*"],
        package = "libabsl-dev",
        targets = {"%s:%s" % (package, name): [] for package, names in _ABSEIL_TARGETS.items() for name in names},
    )
    _declare(
        system_repository,
        name = "google_benchmark",
        headers = ["/usr/include/benchmark"],
        libraries = ["benchmark", "pthread"],
        package = "libbenchmark-dev",
        targets = {
            ":benchmark": [],
            ":benchmark_main": ["benchmark_main"],
        },
    )
    _declare(
        system_repository,
        name = "googletest",
        headers = ["/usr/include/gmock", "/usr/include/gtest"],
        libraries = ["gmock", "gtest", "pthread"],
        package = "libgmock-dev libgtest-dev",
        targets = {
            ":gtest": [],
            ":gtest_main": ["gtest_main"],
        },
    )
    _declare(
        system_repository,
        name = "libcsv",
        headers = ["/usr/include/csv.h"],
        libraries = ["csv"],
        package = "libcsv-dev",
        targets = {":libcsv": []},
    )
    _declare(
        system_repository,
        name = "nlohmann_json",
        headers = ["/usr/include/nlohmann"],
        package = "nlohmann-json3-dev",
        targets = {":json": []},
    )
    _declare(
        system_repository,
        name = "utf8proc",
        headers = ["/usr/include/utf8proc.h"],
        libraries = ["utf8proc"],
        package = "libutf8proc-dev",
        targets = {":utf8proc": []},
    )
