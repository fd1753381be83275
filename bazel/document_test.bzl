"""Documents whose code is compiled, run, and prints what they show."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_shell//shell:sh_test.bzl", "sh_test")

def document_test(name, document, deps, copts = [], language = "cpp", **kwargs):
    """A test that a Markdown document tells the truth.

    Its blocks marked ```cpp, one after the other, are a program; what that prints must be its blocks marked ```text.

    Args:
      name: the test's; the program is <name>_program.
      document: the label of the document.
      deps: what the program includes.
      copts: the options that it is compiled with.
      language: the word that marks the program's blocks. A page with a second program marks it with another one.
      **kwargs: attributes of program and test, such as tags.
    """
    native.genrule(
        name = name + "_source",
        srcs = [document],
        outs = [name + "_program.cc"],
        # Compilers then name the document's lines.
        cmd = "awk '/^```/ {code = !code && $$0 == \"```" + language + "\"; if (code) print \"#line\", NR + 1, \"\\\"$<\\\"\"; next} code' $< > $@",
    )
    cc_binary(
        name = name + "_program",
        testonly = True,
        srcs = [name + "_program.cc"],
        copts = copts,
        deps = deps,
        **kwargs
    )
    sh_test(
        name = name,
        size = "small",
        srcs = ["//docs:document_test.sh"],
        args = [
            "$(rootpath :%s_program)" % name,
            "$(rootpath %s)" % document,
        ],
        data = [
            ":%s_program" % name,
            document,
        ],
        **kwargs
    )
