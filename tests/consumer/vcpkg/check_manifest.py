#!/usr/bin/env python3
"""Checks a vcpkg.json by the rules that vcpkg has for manifests of ports: check_manifest.py FILE. Needs only the standard library."""

import json
import re
import sys

_IDENTIFIER = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_RESERVED = re.compile(r"prn|aux|nul|con|lpt[1-9]|com[1-9]|core|default")
_VERSIONS = {"version": r"\d+(\.\d+)*", "version-semver": r"\d+\.\d+\.\d+", "version-date": r"\d{4}-\d\d-\d\d", "version-string": r"[^#]+"}
_KEYS = set(_VERSIONS) | set(
    "name port-version maintainers summary description homepage documentation license dependencies overrides features "
    "default-features supports builtin-baseline".split()
)


def faults(manifest):
    def name(value, where):
        for part in value.split("."):
            if not _IDENTIFIER.fullmatch(part) or _RESERVED.fullmatch(part):
                yield "%s: %s is no name" % (where, value)

    def keys(value, allowed, where):
        for key in value:
            if key not in allowed and not key.startswith("$"):
                yield "%s: there is no field %s" % (where, key)

    def dependencies(values, where):
        for value in values:
            if isinstance(value, str):
                yield from name(value, where)
                continue
            yield from keys(value, {"name", "features", "host", "default-features", "platform", "version>="}, where)
            yield from name(value.get("name", ""), where)
            for flag in ("host", "default-features"):
                if not isinstance(value.get(flag, True), bool):
                    yield "%s: %s of %s is neither true nor false" % (where, flag, value.get("name"))

    yield from keys(manifest, _KEYS, "vcpkg.json")
    yield from name(manifest.get("name", ""), "name")
    versions = [key for key in _VERSIONS if key in manifest]
    if len(versions) != 1 or not re.fullmatch(_VERSIONS[versions[0]], manifest[versions[0]]):
        yield "vcpkg.json: not one valid version"
    for key in ("description", "license", "supports"):
        if not isinstance(manifest.get(key, ""), str):
            yield "%s is no text" % key
    yield from dependencies(manifest.get("dependencies", []), "dependencies")
    for feature, value in manifest.get("features", {}).items():
        where = "features." + feature
        yield from name(feature, where)
        yield from keys(value, {"description", "dependencies", "supports"}, where)
        if not value.get("description"):
            yield "%s: has no description" % where
        yield from dependencies(value.get("dependencies", []), where)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(faults(json.load(file)))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
