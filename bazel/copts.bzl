"""Compiler options that several packages share."""

# Kernels are many small functions that mean something only when inlined: at -O0, Bazel's default, the tests of
# the numeric code run an order of magnitude longer than -O1 takes to compile. Only where no mode is asked for,
# so that -c opt still is -O2 and -c dbg still is -O0.
NUMERIC_TEST_COPTS = select({
    "//bazel:fastbuild": ["-O1"],
    "//conditions:default": [],
})

# For sources without options of their own that read LibTorch's headers: of tests those that losses need, or all of them,
# which take ten seconds.
PRECOMPILED_LIBTORCH = struct(
    copts = ["-include", "tests/support/precompiled_libtorch.h"],
    deps = ["//tests/support:precompiled_libtorch"],
)
PRECOMPILED_TORCH = struct(
    copts = ["-include", "tests/support/precompiled_torch.h"],
    deps = ["//tests/support:precompiled_torch"],
)
