#!/usr/bin/env bash
# Builds and runs the same small programs in the ways in which others use the library.
#
#   tests/consumer/run.sh [WAY ...]     by default all of them
#
#   plain     by the compiler alone
#   install   from an installed copy: what it holds, with pkg-config, and in a CMake project that finds it
#   fetch     in a CMake project that unpacks an archive of the sources or adds them as a subdirectory
#   page      in CMake projects as docs/installing.md writes them
#   conan     as a package of Conan 2; where there is no conan it is PyPI's, in ${XDG_CACHE_HOME:-~/.cache}/equipoise
#   vcpkg     by the manifest and the portfile of the vcpkg port, with stand-ins for vcpkg's own commands
#   registry  from the archive that an entry of the Bazel Central Registry names, and the entry itself
#   mistakes  the mistakes of docs/what_went_wrong.md, their messages and remedies
#   bazel     in a Bazel workspace of its own
#
# CXX: the compiler (g++). EIGEN_INCLUDE: Eigen's headers (/usr/include/eigen3). LIBTORCH: LibTorch's directory
# (the system's); "none", or no LibTorch there, leaves its program out, and the output says so.
set -euo pipefail

consumer=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$consumer/../.." && pwd)
readonly CONAN=2.34.0
readonly ALL=(plain install fetch page conan vcpkg registry mistakes bazel)
ways=("$@")
if [ ${#ways[@]} -eq 0 ]; then ways=("${ALL[@]}"); fi
for way in "${ways[@]}"; do
  if [[ " ${ALL[*]} " != *" $way "* ]]; then
    echo "usage: tests/consumer/run.sh [${ALL[*]}]" >&2
    exit 2
  fi
done

work=$(mktemp -d)
# Bazel writes its outputs without permission to delete them.
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

say() { echo "consumer: $*"; }
fail() {
  say "failed: $*"
  exit 1
}

# Runs a command; its output is shown only if it fails.
quietly() {
  if ! "$@" > "$work/log" 2>&1; then
    cat "$work/log" >&2
    fail "$*"
  fi
}

# Runs a command that has to fail and to say something; a line break in a message counts as a blank.
refused() { # MESSAGE COMMAND...
  if "${@:2}" > "$work/log" 2>&1; then fail "should not succeed: ${*:2}"; fi
  if ! tr -s ' \n' ' ' < "$work/log" | grep -qF -- "$1"; then
    cat "$work/log" >&2
    fail "does not say '$1': ${*:2}"
  fi
}

libtorch=${LIBTORCH:-/usr}
api=$libtorch/include/torch/csrc/api/include
has_libtorch=false
if [ -d "$api" ]; then has_libtorch=true; fi
prefixes=
if [ "$libtorch" != /usr ]; then prefixes=";$libtorch"; fi
version=$(sed -n 's/.*EQUIPOISE_VERSION_STRING "\(.*\)"/\1/p' "$root/include/equipoise/version.h")

# compile NAME OPTION...: compiles plain/NAME.cc, with the options after the source as linking wants them, and runs it.
compile() {
  quietly "${CXX:-g++}" -std=c++20 "$consumer/plain/$1.cc" "${@:2}" -o "$work/$1"
  quietly "$work/$1"
}

plain() { # NAME OPTION...
  compile "$1" -I "$root/include" "${@:2}"
  local macros=("${@:2}")
  say "plain ${CXX:-g++}: $1 $(printf '%s\n' "${macros[@]}" | grep '^-D' || true)"
}

try_plain() {
  plain core
  plain core -DEQUIPOISE_COMPILED "$root/src/kernels.cc"
  refused "undefined reference" "${CXX:-g++}" -std=c++20 -I "$root/include" -DEQUIPOISE_COMPILED "$consumer/plain/core.cc" \
    -o "$work/core"
  plain eigen -isystem "${EIGEN_INCLUDE:-/usr/include/eigen3}"
  if ! $has_libtorch; then
    say "plain ${CXX:-g++}: no LibTorch in $libtorch, its program is left out"
    return
  fi
  local options=(-isystem "$api" "-Wl,--no-as-needed" -ltorch -ltorch_cpu -lc10)
  if [ "$libtorch" != /usr ]; then
    options+=(-isystem "$libtorch/include" -L "$libtorch/lib" "-Wl,-rpath,$libtorch/lib")
  fi
  plain libtorch "${options[@]}"
  plain libtorch -DEQUIPOISE_COMPILED -DEQUIPOISE_LIBTORCH_COMPILED "$root/src/kernels.cc" "$root/src/libtorch.cc" "${options[@]}"
  refused "undefined reference" "${CXX:-g++}" -std=c++20 -I "$root/include" -DEQUIPOISE_COMPILED \
    -DEQUIPOISE_LIBTORCH_COMPILED "$root/src/kernels.cc" "$consumer/plain/libtorch.cc" "${options[@]}" -o "$work/libtorch"
}

# Builds the CMake consumers and runs them.
build_consumers() { # HOW OPTION...
  quietly cmake -S "$consumer/cmake" -B "$work/cmake" "${@:2}"
  local consumers
  consumers=$(sed -n 's/^-- Consumers: //p' "$work/log")
  quietly cmake --build "$work/cmake"
  quietly env -C "$work/cmake" ctest --output-on-failure
  say "CMake, $1: $(grep -oE '[0-9]+ tests? passed|[0-9]+% tests passed.*' "$work/log"): $consumers"
  rm -rf "$work/cmake"
}

# What an installation may hold besides headers.
check_installed() { # PREFIX
  local others
  others=$(cd "$1" && find . -type f | grep -vE '^\./include/equipoise/[a-z0-9_/]+\.h$' | sort | sed 's|^\./||')
  local unexpected
  unexpected=$(grep -vE '^(lib/([a-z0-9_-]+/)?libequipoise\.a|lib/([a-z0-9_-]+/)?cmake/equipoise/[a-z-]+\.cmake|(lib/([a-z0-9_-]+/)?|share/)pkgconfig/equipoise[a-z-]*\.pc|share/doc/equipoise/LICENSE)$' \
    <<< "$others" || true)
  if [ -n "$unexpected" ]; then fail "an installation does not hold $unexpected"; fi
  diff <(cd "$root/include" && find . -name '*.h' | sort) <(cd "$1/include" && find . -type f | sort) ||
    fail "the headers installed are not those of the sources"
}

find_by_cmake() { # ARGUMENTS_OF_find_package [OPTION...]
  mkdir -p "$work/find"
  printf 'cmake_minimum_required(VERSION 3.16)\nproject(find LANGUAGES CXX)\nfind_package(%s)\n' "$1" > "$work/find/CMakeLists.txt"
  rm -rf "$work/find/build"
  cmake -S "$work/find" -B "$work/find/build" -DCMAKE_PREFIX_PATH="$prefix$prefixes" "${@:2}"
}

try_install() {
  local build=$work/build moved=$work/moved
  prefix=$work/prefix
  quietly cmake -S "$root" -B "$build" -DCMAKE_INSTALL_PREFIX="$work/headers"
  quietly cmake --install "$build"
  check_installed "$work/headers"
  quietly env PKG_CONFIG_PATH="$work/headers/share/pkgconfig" pkg-config --exists "equipoise = $version"

  quietly cmake -S "$root" -B "$build" -DCMAKE_INSTALL_PREFIX="$prefix" -DEQUIPOISE_COMPILED=ON
  quietly cmake --build "$build"
  quietly cmake --install "$build"
  check_installed "$prefix"

  # It can be moved.
  mv "$prefix" "$moved"
  prefix=$moved
  build_consumers "find_package(equipoise)" -DCMAKE_PREFIX_PATH="$prefix$prefixes"
  quietly find_by_cmake "equipoise 0.2 REQUIRED COMPONENTS compiled eigen"
  quietly find_by_cmake "equipoise $version EXACT REQUIRED"
  refused "version: $version" find_by_cmake "equipoise 0.3 REQUIRED"
  refused "version: $version" find_by_cmake "equipoise 0.1 REQUIRED"
  refused "Equipoise has no component onnx: there are eigen and libtorch" find_by_cmake "equipoise REQUIRED COMPONENTS onnx"
  refused "LibTorch was not found: install it" find_by_cmake "equipoise REQUIRED COMPONENTS libtorch" \
    -DCMAKE_DISABLE_FIND_PACKAGE_Torch=ON

  PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name equipoise.pc)")
  export PKG_CONFIG_PATH
  local module
  for module in equipoise:core equipoise-compiled:core equipoise-eigen:eigen; do
    local flags
    read -ra flags <<< "$(pkg-config --cflags --libs "${module%:*}")"
    compile "${module#*:}" "${flags[@]}"
    say "pkg-config: ${module%:*}"
  done
}

# Sets `archive` to the files that git tracks or would track, in one folder, as they lie in the working tree.
make_archive() {
  archive=$work/equipoise-$version.tar.gz
  git -C "$root" ls-files -z --cached --others --exclude-standard |
    (cd "$root" && while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done) |
    tar -C "$root" --null --files-from=- --transform="flags=rh;s|^|equipoise-$version/|" --create --gzip --file="$archive"
}

try_fetch() {
  local archive
  make_archive
  build_consumers FetchContent -DFROM=archive -DARCHIVE="$archive" -DCMAKE_PREFIX_PATH="${prefixes#;}"
  build_consumers "add_subdirectory()" -DFROM=subdirectory -DSOURCES="$root" -DEQUIPOISE_BACKENDS=none
  refused "EQUIPOISE_BACKENDS: Equipoise has no component onnx" \
    cmake -S "$consumer/cmake" -B "$work/cmake" -DFROM=subdirectory -DSOURCES="$root" -DEQUIPOISE_BACKENDS=onnx
  rm -rf "$work/cmake"
}

# A project of docs/installing.md with the README's program.
documented() { # NUMBER_OF_THE_BLOCK EDIT OPTION...
  local project=$work/page
  mkdir -p "$project/third_party"
  ln -sfn "$root" "$project/third_party/equipoise"
  awk '/^```/ {inside = !inside && $0 == "```cmake"; number += inside; next} inside && number == wanted' wanted="$1" \
    "$root/docs/installing.md" | sed "$2" > "$project/CMakeLists.txt"
  awk '/^```/ {inside = !inside && $0 == "```cpp"; next} inside' "$root/README.md" > "$project/main.cc"
  quietly cmake -S "$project" -B "$project/build" "${@:3}"
  quietly cmake --build "$project/build"
  quietly "$project/build/example"
  cmp -s "$work/log" <(awk '/^```/ {inside = !inside && $0 == "```text"; next} inside' "$root/README.md") ||
    fail "the README's program prints something else"
  rm -rf "$project"
}

try_page() {
  local archive
  make_archive
  documented 1 "s|GIT_REPOSITORY.*)|URL $archive)|"
  documented 2 ""
  quietly cmake -S "$root" -B "$work/page-build" -DCMAKE_INSTALL_PREFIX="$work/page-prefix"
  quietly cmake --build "$work/page-build"
  quietly cmake --install "$work/page-build"
  documented 3 "" -DCMAKE_PREFIX_PATH="$work/page-prefix"
  say "docs/installing.md: its three projects build the README's program"
}

# Puts a conan into PATH if there is none.
find_conan() {
  if command -v conan > /dev/null; then return; fi
  local environment=${XDG_CACHE_HOME:-$HOME/.cache}/equipoise/conan-$CONAN
  if [ ! -x "$environment/bin/conan" ]; then
    say "installing conan $CONAN into $environment"
    quietly python3 -m venv --clear "$environment"
    quietly "$environment/bin/python" -m pip install --disable-pip-version-check "conan==$CONAN"
  fi
  PATH=$environment/bin:$PATH
}

try_conan() {
  find_conan
  export CONAN_HOME=$work/conan
  local archive
  make_archive
  tar -C "$work" -xzf "$archive"
  quietly conan profile detect
  quietly conan create "$consumer/conan_eigen"
  local extras
  for extras in False True; do
    quietly conan create "$work/equipoise-$version" -s compiler.cppstd=20 -o "compiled=$extras" -o "with_eigen=$extras"
    say "Conan: equipoise/$version, compiled=$extras, with_eigen=$extras"
  done
  refused "cppstd" conan create "$work/equipoise-$version" -s compiler.cppstd=17
}

try_vcpkg() {
  quietly "$consumer/vcpkg/check_manifest.py" "$root/packaging/vcpkg/equipoise/vcpkg.json"
  quietly cmake -DPORT_DIR="$root/packaging/vcpkg/equipoise" -DPACKAGES_DIR="$work/vcpkg" -DBUILD_DIR="$work/vcpkg-build" \
    -P "$consumer/vcpkg/run_port.cmake"
  compile core -I "$work/vcpkg/include"
  say "vcpkg: the port's files, without vcpkg"
}

# Makes an entry for the archive.
registry_entry() { # OPTION...
  "$root/packaging/bazel_registry/make_entry.py" --archive="$archive" --homepage=https://example.com/ --maintainer=somebody \
    --repository=https://example.com/ --output="$work/registry" "$@"
}

try_registry() {
  local archive url=https://example.com/equipoise-$version.tar.gz
  make_archive
  quietly registry_entry --url="$url"
  local entry=$work/registry/modules/equipoise/$version checksum
  cmp "$root/MODULE.bazel" "$entry/MODULE.bazel" || fail "the entry's MODULE.bazel is not that of the sources"
  checksum=$(openssl dgst -sha256 -binary "$archive" | base64)
  grep -qF "\"sha256-$checksum\"" "$entry/source.json" || fail "the entry has another checksum than the archive"
  refused "a version is never changed" registry_entry --url="$url"
  rm -r "$work/registry"
  refused "does not name version $version" registry_entry --url="${url//$version/9.9}"
  refused "does not lie in" registry_entry --url="$url" --repository=https://elsewhere.example/
  say "Bazel Central Registry: an entry for $version"
}

try_mistakes() {
  mkdir "$work/mistakes"
  quietly "$consumer/mistakes.py" "$root" "$work/mistakes"
  say "docs/what_went_wrong.md: $(tail -n 1 "$work/log")"
}

try_bazel() {
  # --batch leaves no server behind.
  quietly env -C "$consumer/bazel" bazel --batch --output_user_root="$work/bazel" test //...
  say "Bazel, a workspace of its own: $(grep -E '^//' "$work/log" | sed 's/  */ /g' | paste -sd, | sed 's/,/, /g')"
}

for way in "${ways[@]}"; do "try_$way"; done
