#!/usr/bin/env bash
# Installs a version of LibTorch beside the system's and prints where it is.
#
#   tools/libtorch.sh 2.13.0                                         LIBTORCH=/.../torch
#   env "$(tools/libtorch.sh 2.13.0)" bazel test --config=libtorch //...
#
# It is Python's torch package in a virtual environment of its own, under ${XDG_CACHE_HOME:-~/.cache}/equipoise.
# A second call finds it there. PYTHON names the interpreter, by default python3; pip obeys its own settings.
set -euo pipefail

if [ $# -ne 1 ] || [[ ! $1 =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]; then
  echo "usage: tools/libtorch.sh VERSION, such as 2.13.0" >&2
  exit 2
fi
version=$1
environment=${XDG_CACHE_HOME:-$HOME/.cache}/equipoise/libtorch-$version

# Prints torch's folder, if this environment has the version asked for.
installed_torch() {
  "$environment/bin/python" - "$version" << 'PYTHON' 2> /dev/null
import importlib.metadata, importlib.util, sys
if importlib.metadata.version("torch").split("+")[0] != sys.argv[1]:
    sys.exit(1)
print(importlib.util.find_spec("torch").submodule_search_locations[0])
PYTHON
}

if ! torch=$(installed_torch); then
  echo "libtorch: installing torch $version into $environment" >&2
  "${PYTHON:-python3}" -m venv --clear "$environment" >&2
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "torch==$version" >&2
  torch=$(installed_torch)
fi
echo "LIBTORCH=$torch"
