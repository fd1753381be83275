"""C++ libraries without LibTorch, for programs that do not call it."""

def _needs_libtorch(label):
    # With modules the name of the repository has that of its extension in front.
    is_libtorch = label.workspace_name.endswith("libtorch")
    return is_libtorch or (not label.package and label.name.startswith("libtorch"))

def _without_libtorch_impl(ctx):
    info = cc_common.merge_cc_infos(cc_infos = [dep[CcInfo] for dep in ctx.attr.deps])
    return [CcInfo(
        compilation_context = info.compilation_context,
        linking_context = cc_common.create_linking_context(linker_inputs = depset([
            linked
            for linked in info.linking_context.linker_inputs.to_list()
            if not _needs_libtorch(linked.owner)
        ], order = "topological")),
    )]

without_libtorch = rule(
    doc = "What its deps are, but LibTorch is not linked. An object that calls it may lie in their archives if the " +
          "linker has no reason to take it from there.",
    implementation = _without_libtorch_impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo])},
    provides = [CcInfo],
)
