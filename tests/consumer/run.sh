#!/usr/bin/env bash
# Uses the library as three kinds of strangers do: plain g++, CMake's find_package, a Bazel workspace.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
space=$(mktemp -d)
trap 'rm -rf "$space"' EXIT
compiler=${CXX:-g++}

"$compiler" -std=c++20 -I "$root/include" "$here/plain/core.cc" -o "$space/core"
"$space/core"
"$compiler" -std=c++20 -I "$root/include" -isystem /usr/include/eigen3 "$here/plain/eigen.cc" -o "$space/eigen"
"$space/eigen"
echo "consumer: plain $compiler builds and runs the core and the Eigen backend"

cmake -S "$root" -B "$space/build" -DCMAKE_INSTALL_PREFIX="$space/prefix" > "$space/log" || { cat "$space/log"; exit 1; }
cmake --install "$space/build" > "$space/log" || { cat "$space/log"; exit 1; }
cmake -S "$here/cmake" -B "$space/consumer" -DCMAKE_PREFIX_PATH="$space/prefix" > "$space/log" || { cat "$space/log"; exit 1; }
cmake --build "$space/consumer" > "$space/log" || { cat "$space/log"; exit 1; }
(cd "$space/consumer" && ctest --output-on-failure > "$space/log") || { cat "$space/log"; exit 1; }
echo "consumer: find_package(equipoise) builds and runs the same from an installed copy"

(cd "$here/bazel" && bazel --output_user_root="$space/bazel" test //... > "$space/log" 2>&1) || { cat "$space/log"; exit 1; }
(cd "$here/bazel" && bazel --output_user_root="$space/bazel" shutdown > /dev/null 2>&1) || true
chmod -R u+w "$space/bazel"
echo "consumer: a Bazel workspace builds and runs the same, and LibTorch's where there is one"
