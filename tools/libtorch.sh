#!/usr/bin/env bash
# Installs one LibTorch, as the `torch` package of PyPI, into a virtual environment of its own and prints
# where it is:
#
#   tools/libtorch.sh 2.13.0      prints LIBTORCH=/.../torch
#   env "$(tools/libtorch.sh 2.13.0)" bazel test --config=libtorch //...
#
# It lies below ${XDG_CACHE_HOME:-~/.cache}/equipoise; a second call finds it there.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: $0 VERSION" >&2
  exit 2
fi
version=$1
place=${XDG_CACHE_HOME:-$HOME/.cache}/equipoise/libtorch-$version

find_torch() {
  "$place/bin/python" -c '
import importlib.util
spec = importlib.util.find_spec("torch")
print(spec.submodule_search_locations[0] if spec else "")' 2> /dev/null
}

torch=$(find_torch || true)
if [ -z "$torch" ] || [ ! -e "$place/complete" ]; then
  echo "libtorch: installing torch $version into $place" >&2
  rm -rf "$place"
  python3 -m venv "$place" >&2
  "$place/bin/python" -m pip install --quiet --disable-pip-version-check "torch==$version" numpy >&2
  torch=$(find_torch)
  touch "$place/complete"
fi
echo "LIBTORCH=$torch"
