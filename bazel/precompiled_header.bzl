"""Headers that g++ reads once for many sources."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "CPP_COMPILE_ACTION_NAME")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _precompiled_header_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    compiler = cc_common.get_tool_for_action(
        feature_configuration = features,
        action_name = CPP_COMPILE_ACTION_NAME,
    )
    uses_gcc = "gcc" in compiler.rpartition("/")[2]  # also where the toolchain does not say
    context = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]).compilation_context
    header = ctx.actions.declare_file(ctx.label.name + ".h")
    files = [header]
    ctx.actions.write(header, "".join(["#include \"%s\"\n" % name for name in ctx.attr.headers if uses_gcc]))
    if uses_gcc:
        # All that the sources are compiled with: g++ does not take a precompiled header of other options.
        variables = cc_common.create_compile_variables(
            feature_configuration = features,
            cc_toolchain = toolchain,
            user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + ctx.attr.copts,
            include_directories = context.includes,
            quote_include_directories = context.quote_includes,
            system_include_directories = depset(
                transitive = [context.system_includes] +
                             # From Bazel 5 on, those of other repositories.
                             ([context.external_includes] if hasattr(context, "external_includes") else []),
            ),
            preprocessor_defines = context.defines,
            use_pic = toolchain.needs_pic_for_dynamic_libraries(feature_configuration = features) and
                      ctx.var["COMPILATION_MODE"] != "opt",
        )
        precompiled = ctx.actions.declare_file(header.basename + ".gch")
        files.append(precompiled)
        ctx.actions.run(
            outputs = [precompiled],
            inputs = depset([header], transitive = [context.headers, toolchain.all_files]),
            executable = compiler,
            arguments = cc_common.get_memory_inefficient_command_line(
                feature_configuration = features,
                action_name = CPP_COMPILE_ACTION_NAME,
                variables = variables,
            ) + ["-x", "c++-header", header.path, "-o", precompiled.path],
            env = cc_common.get_environment_variables(
                feature_configuration = features,
                action_name = CPP_COMPILE_ACTION_NAME,
                variables = variables,
            ),
            mnemonic = "CppPrecompile",
            progress_message = "Precompiling %s" % header.short_path,
            # As for CppCompile: linking thousands of headers into a sandbox takes longer.
            execution_requirements = {"no-sandbox": "1"},
        )
    own = CcInfo(compilation_context = cc_common.create_compilation_context(headers = depset(files)))
    return [
        DefaultInfo(files = depset(files)),
        cc_common.merge_cc_infos(direct_cc_infos = [own], cc_infos = [dep[CcInfo] for dep in ctx.attr.deps]),
    ]

precompiled_header = rule(
    doc = "PACKAGE/NAME.h includes `headers` and is read by `copts = [\"-include\", \"PACKAGE/NAME.h\"]` with this in " +
          "`deps`. It saves time, and nothing may need it: for another compiler than g++ it is empty, and what is " +
          "compiled by other options than these reads the headers themselves.",
    implementation = _precompiled_header_impl,
    attrs = {
        "copts": attr.string_list(doc = "the `copts` of what includes it"),
        "deps": attr.label_list(providers = [CcInfo]),
        "headers": attr.string_list(),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    provides = [CcInfo],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
