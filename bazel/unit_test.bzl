"""GoogleTest programs, one per source file."""

load("@rules_cc//cc:cc_test.bzl", "cc_test")

# What nearly all tests include, precompiled for each set of options that many of them have. It is no part of a test:
# without it, a test takes longer to compile.
_PRECOMPILED = {
    "core": "//tests/support:precompiled",
    "libtorch": "//tests/support:precompiled_libtorch",
    "numeric": "//tests/support:precompiled_numeric",
    "torch": "//tests/support:precompiled_torch",
}

def unit_tests(srcs, deps, overrides = {}, precompiled = "core", copts = [], **kwargs):
    """A cc_test for each source: x/y_test.cc becomes :x/y_test.

    Args:
      srcs: the sources, without main().
      deps: the library under test and what the tests share.
      overrides: source to the cc_test attributes in which it differs: size, copts, data, more deps and so on. Lists
        are appended to the common ones, other values replace them.
      precompiled: the precompiled header whose options are those of the sources: "core", "numeric" for
        NUMERIC_TEST_COPTS, "libtorch" for parts of LibTorch, "torch" for all of it, or None.
      copts: the options of all of them.
      **kwargs: other attributes that all of them have.
    """
    if precompiled:
        header = _PRECOMPILED[precompiled]
        copts = copts + ["-include", header[2:].replace(":", "/") + ".h"]
        deps = deps + [header]
    for source in srcs:
        attributes = {"copts": copts, "deps": deps}
        attributes.update(kwargs)
        for key, value in overrides.get(source, {}).items():
            is_list = type(value) == type([])
            attributes[key] = attributes.get(key, []) + value if is_list else value
        cc_test(
            name = source[:-len(".cc")],
            srcs = [source],
            **attributes
        )
