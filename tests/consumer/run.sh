#!/usr/bin/env bash
# Builds and runs the same small programs in three ways in which others use the library: by the compiler alone,
# in a CMake project that finds an installed copy, in a Bazel workspace of its own.
#
# CXX: the compiler (g++). EIGEN_INCLUDE: Eigen's headers (/usr/include/eigen3). LIBTORCH: LibTorch's directory
# (the system's); "none", or no LibTorch there, leaves its program out, and the output says so.
set -euo pipefail

consumer=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$consumer/../.." && pwd)
work=$(mktemp -d)
# Bazel writes its outputs without permission to delete them.
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

say() { echo "consumer: $*"; }

# Runs a command; its output is shown only if it fails.
quietly() {
  if ! "$@" > "$work/log" 2>&1; then
    cat "$work/log" >&2
    say "failed: $*"
    exit 1
  fi
}

# plain NAME OPTION...: compiles plain/NAME.cc, with the options after the source as linking wants them, and runs it.
plain() {
  quietly "${CXX:-g++}" -std=c++20 -I "$root/include" "$consumer/plain/$1.cc" "${@:2}" -o "$work/$1"
  quietly "$work/$1"
  local macros=("${@:2}")
  say "plain ${CXX:-g++}: $1 $(printf '%s\n' "${macros[@]}" | grep '^-D' || true)"
}

libtorch=${LIBTORCH:-/usr}
api=$libtorch/include/torch/csrc/api/include

plain core
plain core -DEQUIPOISE_COMPILED "$root/src/kernels.cc"
if "${CXX:-g++}" -std=c++20 -I "$root/include" -DEQUIPOISE_COMPILED "$consumer/plain/core.cc" -o "$work/core" 2> /dev/null; then
  say "failed: with EQUIPOISE_COMPILED and without src/kernels.cc a program links"
  exit 1
fi
plain eigen -isystem "${EIGEN_INCLUDE:-/usr/include/eigen3}"
if [ -d "$api" ]; then
  options=(-isystem "$api" "-Wl,--no-as-needed" -ltorch -ltorch_cpu -lc10)
  if [ "$libtorch" != /usr ]; then
    options+=(-isystem "$libtorch/include" -L "$libtorch/lib" "-Wl,-rpath,$libtorch/lib")
  fi
  plain libtorch "${options[@]}"
  plain libtorch -DEQUIPOISE_COMPILED -DEQUIPOISE_LIBTORCH_COMPILED "$root/src/kernels.cc" "$root/src/libtorch.cc" "${options[@]}"
  if "${CXX:-g++}" -std=c++20 -I "$root/include" -DEQUIPOISE_COMPILED -DEQUIPOISE_LIBTORCH_COMPILED "$root/src/kernels.cc" \
    "$consumer/plain/libtorch.cc" "${options[@]}" -o "$work/libtorch" 2> /dev/null; then
    say "failed: with EQUIPOISE_LIBTORCH_COMPILED and without src/libtorch.cc a program links"
    exit 1
  fi
else
  say "plain ${CXX:-g++}: no LibTorch in $libtorch, its program is left out"
fi

prefixes=$work/prefix
if [ "$libtorch" != /usr ]; then prefixes="$prefixes;$libtorch"; fi
quietly cmake -S "$root" -B "$work/build" -DCMAKE_INSTALL_PREFIX="$work/prefix" -DEQUIPOISE_COMPILED=ON
quietly cmake --build "$work/build"
quietly cmake --install "$work/build"
quietly cmake -S "$consumer/cmake" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefixes"
quietly cmake --build "$work/cmake"
quietly env -C "$work/cmake" ctest --output-on-failure
say "CMake, find_package(equipoise): $(grep -oE '[0-9]+ tests? passed|[0-9]+% tests passed.*' "$work/log")"

# --batch leaves no server behind.
quietly env -C "$consumer/bazel" bazel --batch --output_user_root="$work/bazel" test //...
say "Bazel, a workspace of its own: $(grep -E '^//' "$work/log" | sed 's/  */ /g' | paste -sd, | sed 's/,/, /g')"
