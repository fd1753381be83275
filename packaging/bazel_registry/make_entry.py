#!/usr/bin/env python3
"""Makes the entry of a release in the Bazel Central Registry, and checks it by the registry's rules.

    make_entry.py --archive=equipoise-VERSION.tar.gz --url=WHERE_IT_IS_PUBLISHED --homepage=URL \
        --repository=github:OWNER/NAME --maintainer=GITHUB_NAME --output=REGISTRY

writes modules/equipoise/metadata.json and, for the version of the archive's MODULE.bazel, MODULE.bazel, presubmit.yml and
source.json under REGISTRY, a checkout of the registry or an empty folder. Versions that metadata.json lists already are
kept. Needs only the standard library.
"""

import argparse
import base64
import hashlib
import json
import pathlib
import posixpath
import re
import sys
import tarfile

_NAME = re.compile(r"[a-z](?:[a-z0-9._-]*[a-z0-9])?")
# RELEASE[-PRERELEASE][+BUILD]; identifiers between dots are alphanumeric.
_VERSION = re.compile(r"[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z.-]+)?")
_URL = re.compile(r"https://[^\s]+\.(?:tar\.gz|tgz|zip)")


class InvalidEntry(Exception):
    """The message says what is wrong with archive or arguments."""


def _require(condition, message):
    if not condition:
        raise InvalidEntry(message)


def _calls(text, function):
    """The arguments, as text, of each call of a function in a MODULE.bazel; parentheses within are in pairs."""
    for found in re.finditer(r"^%s\(" % function, text, re.MULTILINE):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[found.end() : end - 1]


def _attribute(arguments, name):
    found = re.search(r'\b%s = "([^"]*)"' % name, arguments)
    return found.group(1) if found else None


def _check_module(text):
    """Returns the version that a MODULE.bazel declares."""
    modules = list(_calls(text, "module"))
    _require(len(modules) == 1, "MODULE.bazel: %d calls of module()" % len(modules))
    name, version = _attribute(modules[0], "name"), _attribute(modules[0], "version")
    _require(name == "equipoise" and _NAME.fullmatch(name), "MODULE.bazel: the name is %s" % name)
    _require(version and _VERSION.fullmatch(version), "MODULE.bazel: %s is no version" % version)
    _require(_attribute(modules[0], "compatibility_level") is None, "MODULE.bazel: compatibility_level is deprecated")
    for arguments in _calls(text, "bazel_dep"):
        dependency = _attribute(arguments, "name")
        _require(_NAME.fullmatch(dependency or ""), "MODULE.bazel: bazel_dep(%s)" % arguments)
        _require(
            _VERSION.fullmatch(_attribute(arguments, "version") or ""),
            "MODULE.bazel: bazel_dep %s has no version, so the registry could not resolve it" % dependency,
        )
    for override in ("archive_override", "git_override", "local_path_override"):
        _require(
            not list(_calls(text, override)), "MODULE.bazel: %s() counts only in the root module" % override
        )
    return version


def _check_presubmit(text, build_file):
    """Every target that the presubmit names is a target of the archive's BUILD file."""
    targets = re.findall(r'- "@equipoise//:([a-z_]+)"', text)
    _require(targets, "presubmit.yml builds nothing")
    for target in targets:
        _require('name = "%s"' % target in build_file, "presubmit.yml: there is no target //:%s" % target)


def make_entry(arguments):
    content = arguments.archive.read_bytes()
    with tarfile.open(arguments.archive) as archive:
        names = archive.getnames()
        prefix = posixpath.commonpath(names)
        _require(prefix, "the archive's files do not lie in one folder")

        def member(path):
            _require("%s/%s" % (prefix, path) in names, "the archive has no %s" % path)
            return archive.extractfile("%s/%s" % (prefix, path)).read().decode()

        module, build_file = member("MODULE.bazel"), member("BUILD")
        presubmit = member("packaging/bazel_registry/presubmit.yml")
        # Where the presubmit's second part runs.
        member("tests/consumer/bazel/MODULE.bazel")

    version = _check_module(module)
    _check_presubmit(presubmit, build_file)
    _require(_URL.fullmatch(arguments.url), "--url: %s is no https address of a .tar.gz or .zip" % arguments.url)
    _require(version in arguments.url, "--url: %s does not name version %s" % (arguments.url, version))
    _require(
        re.fullmatch(r"github:[\w.-]+/[\w.-]+|https://\S+", arguments.repository),
        "--repository: %s is neither github:OWNER/NAME nor an https prefix" % arguments.repository,
    )
    if arguments.repository.startswith("github:"):
        inside = arguments.url.startswith("https://github.com/%s/" % arguments.repository[len("github:") :])
    else:
        inside = arguments.url.startswith(arguments.repository)
    _require(inside, "--url: %s does not lie in %s" % (arguments.url, arguments.repository))

    folder = arguments.output / "modules" / "equipoise"
    metadata_file = folder / "metadata.json"
    metadata = {"versions": [], "yanked_versions": {}}
    if metadata_file.exists():
        metadata = json.loads(metadata_file.read_text())
    _require(version not in metadata["versions"], "the registry has %s; a version is never changed" % version)
    metadata.update(
        homepage=arguments.homepage,
        maintainers=[{"github": name} for name in arguments.maintainer],
        repository=[arguments.repository],
        versions=metadata["versions"] + [version],
    )
    source = {
        "url": arguments.url,
        "integrity": "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode(),
        "strip_prefix": prefix,
    }

    (folder / version).mkdir(parents=True)
    metadata_file.write_text(json.dumps(metadata, indent=4) + "\n")
    (folder / version / "MODULE.bazel").write_text(module)
    (folder / version / "presubmit.yml").write_text(presubmit)
    (folder / version / "source.json").write_text(json.dumps(source, indent=4) + "\n")
    return folder / version


def main():
    parser = argparse.ArgumentParser(description="An entry for the Bazel Central Registry.")
    parser.add_argument("--archive", type=pathlib.Path, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--homepage", required=True)
    parser.add_argument("--repository", required=True)
    parser.add_argument("--maintainer", action="append", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    try:
        print(make_entry(parser.parse_args()))
    except (InvalidEntry, OSError, tarfile.TarError) as error:
        print("make_entry: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
