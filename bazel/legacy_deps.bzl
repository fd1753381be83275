"""All external repositories for Bazel 4 to 6, from the packages of the system and without a download."""

load("//bazel:libtorch.bzl", "libtorch_repository")
load("//bazel:system_repository.bzl", "system_repository")

_RULES_CC = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "objc_library",
]

# Every test refers to this target, `bazel coverage` alone uses it.
_NO_COVERAGE_TOOLS = """filegroup(name = "coverage_report_generator", visibility = ["//visibility:public"])\n"""

_ABSEIL = {
    "absl/algorithm": ["container"],
    "absl/base": ["core_headers", "log_severity"],
    "absl/container": ["btree", "fixed_array", "flat_hash_map", "flat_hash_set", "inlined_vector", "node_hash_map", "node_hash_set"],
    "absl/flags": ["config", "flag", "parse", "reflection", "usage"],
    "absl/functional": ["any_invocable", "bind_front", "function_ref"],
    "absl/hash": ["hash"],
    "absl/memory": ["memory"],
    "absl/numeric": ["bits", "int128"],
    "absl/random": ["random"],
    "absl/status": ["status", "statusor"],
    "absl/strings": ["cord", "str_format", "strings"],
    "absl/synchronization": ["synchronization"],
    "absl/time": ["time"],
    "absl/types": ["optional", "span", "variant"],
}

def _stand_in_repository_impl(ctx):
    for path, content in ctx.attr.files.items():
        ctx.file(path, content, executable = False)

_stand_in_repository = repository_rule(
    implementation = _stand_in_repository_impl,
    attrs = {"files": attr.string_dict(mandatory = True, doc = "path -> content")},
)

def _maybe(rule, name, **kwargs):
    if name not in native.existing_rules():
        rule(name = name, **kwargs)

def _rules_cc():
    """Debian's bazel-rules-cc does not load on Debian's Bazel, so the load() lines of today get native rules."""
    files = {"BUILD": "", "cc/BUILD": ""}
    for rule in _RULES_CC:
        files["cc/%s.bzl" % rule] = "%s = native.%s\n" % (rule, rule)
    files["cc/defs.bzl"] = "".join(["%s = native.%s\n" % (rule, rule) for rule in _RULES_CC])
    _maybe(_stand_in_repository, name = "rules_cc", files = files)

def equipoise_legacy_deps():
    """Declares what is not declared yet. Call it from WORKSPACE."""
    _rules_cc()
    _maybe(native.local_repository, name = "rules_java", path = "/usr/share/bazel/rules/java")
    _maybe(native.local_repository, name = "rules_proto", path = "/usr/share/bazel/rules/proto")
    _maybe(native.local_repository, name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
    _maybe(_stand_in_repository, name = "remote_coverage_tools", files = {"BUILD": _NO_COVERAGE_TOOLS})

    _maybe(libtorch_repository, name = "libtorch")
    _maybe(
        system_repository,
        name = "eigen",
        defines = ["EIGEN_MPL2_ONLY"],
        headers = ["/usr/include/eigen3/Eigen", "/usr/include/eigen3/unsupported"],
        package = "libeigen3-dev",
        targets = {":eigen": []},
    )
    _maybe(
        system_repository,
        name = "abseil-cpp",
        headers = ["/usr/include/absl"],
        libraries = ["absl_*"],
        package = "libabsl-dev",
        targets = {"%s:%s" % (package, name): [] for package, names in _ABSEIL.items() for name in names},
    )
    _maybe(
        system_repository,
        name = "googletest",
        headers = ["/usr/include/gtest", "/usr/include/gmock"],
        libraries = ["gmock", "gtest", "pthread"],
        package = "libgtest-dev libgmock-dev",
        targets = {":gtest": [], ":gtest_main": ["gtest_main"]},
    )
    _maybe(
        system_repository,
        name = "google_benchmark",
        headers = ["/usr/include/benchmark"],
        libraries = ["benchmark", "pthread"],
        package = "libbenchmark-dev",
        targets = {":benchmark": [], ":benchmark_main": ["benchmark_main"]},
    )
    _maybe(
        system_repository,
        name = "nlohmann_json",
        headers = ["/usr/include/nlohmann"],
        package = "nlohmann-json3-dev",
        targets = {":json": []},
    )
    _maybe(
        system_repository,
        name = "utf8proc",
        headers = ["/usr/include/utf8proc.h"],
        libraries = ["utf8proc"],
        package = "libutf8proc-dev",
        targets = {":utf8proc": []},
    )
