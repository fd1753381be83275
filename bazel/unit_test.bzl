"""GoogleTest programs, one per source file."""

load("@rules_cc//cc:cc_test.bzl", "cc_test")

def unit_tests(srcs, deps, overrides = {}, **kwargs):
    """A cc_test for each source: x/y_test.cc becomes :x/y_test.

    Args:
      srcs: the sources, without main().
      deps: the library under test and what the tests share.
      overrides: source to the cc_test attributes in which it differs: size, copts, data, more deps and so on. Lists
        are appended to the common ones, other values replace them.
      **kwargs: attributes that all of them have.
    """
    for source in srcs:
        attributes = {"deps": deps}
        attributes.update(kwargs)
        for key, value in overrides.get(source, {}).items():
            is_list = type(value) == type([])
            attributes[key] = attributes.get(key, []) + value if is_list else value
        cc_test(
            name = source[:-len(".cc")],
            srcs = [source],
            **attributes
        )
