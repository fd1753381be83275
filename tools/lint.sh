#!/usr/bin/env bash
# Format, scripts and static analysis, as CONTRIBUTING.md promises them.
#
#   tools/lint.sh [format] [shell] [tests] [headers] [tidy] [--since=REVISION [--most=FILES]]     by default all of them
#
#   format   clang-format 14 would change nothing in any source
#   shell    shellcheck reports nothing on any script
#   tests    every public header that holds code has a test of its name
#   headers  every header compiles on its own
#   tidy     clang-tidy 14 reports nothing on the lines that differ from REVISION; by default on all, which takes
#            an hour; with --most, on no more files than that, those with the most new lines
#
# The last two leave out, and count, files that need LibTorch where it is missing.
# The two tools are the system's of that version, else PyPI's, in ${XDG_CACHE_HOME:-~/.cache}/equipoise. LIBTORCH: as for
# Bazel, but by default /usr. The exit code is 1 if anything is reported.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly CLANG_TOOLS=14.0.6

usage() {
  echo "usage: tools/lint.sh [format] [shell] [tests] [headers] [tidy] [--since=REVISION [--most=FILES]]" >&2
  exit 2
}
say() { echo "lint: $*"; }

since=
most=0
steps=()
for argument in "$@"; do
  case $argument in
    format | shell | tests | headers | tidy) steps+=("$argument") ;;
    --since=?*)
      since=${argument#*=}
      git rev-parse --quiet --verify "$since^{commit}" > /dev/null || { echo "lint: no revision $since" >&2; exit 2; }
      ;;
    --most=?*)
      most=${argument#*=}
      [[ $most =~ ^[1-9][0-9]{0,5}$ ]] || usage
      ;;
    *) usage ;;
  esac
done
if [ "$most" -gt 0 ] && [ -z "$since" ]; then usage; fi
if [ ${#steps[@]} -eq 0 ]; then steps=(format shell tests headers tidy); fi

# Prints the path of clang-format or clang-tidy.
clang_tool() { # NAME
  if command -v "$1-${CLANG_TOOLS%%.*}"; then return; fi
  local environment=${XDG_CACHE_HOME:-$HOME/.cache}/equipoise/$1-$CLANG_TOOLS
  if [ ! -x "$environment/bin/$1" ]; then
    echo "lint: installing $1 $CLANG_TOOLS into $environment" >&2
    python3 -m venv --clear "$environment" >&2
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$1==$CLANG_TOOLS" >&2
  fi
  echo "$environment/bin/$1"
}

# Without those that are deleted, but not yet in a commit.
sources() {
  git ls-files --cached --others --exclude-standard '*.h' '*.cc' |
    while IFS= read -r file; do if [ -e "$file" ]; then echo "$file"; fi; done
}

format() {
  local tool
  tool=$(clang_tool clang-format)
  sources | xargs -n 40 -P "$(nproc)" "$tool" --dry-run -Werror
}

shell() {
  git ls-files --cached --others --exclude-standard '*.sh' '.ci/*' | xargs shellcheck
}

# Umbrellas are headers without code: they have no namespace.
tests() {
  local header stem missing=0
  while read -r header; do
    stem=${header#include/equipoise/}
    stem=${stem%.h}
    if [ ! -e "$header" ] || ! grep -q '^namespace\|^struct' "$header"; then continue; fi
    if [ ! -e "tests/${stem}_test.cc" ]; then
      echo "$header: there is no tests/${stem}_test.cc"
      missing=1
    fi
  done < <(git ls-files --cached --others --exclude-standard 'include/**.h' | grep -v '/detail/\|/kernels/\|/cuda.h')
  return "$missing"
}

# The sources that differ from $since and are still there, those with the most new lines first.
changed_sources() {
  if [ -z "$since" ]; then sources; return; fi
  git ls-files --others --exclude-standard '*.h' '*.cc'
  git diff --numstat --no-renames --diff-filter=d "$since" -- '*.h' '*.cc' | sort -rn | cut -f 3
}

# The lines of a file that differ from $since, as clang-tidy's -line-filter takes them; all of a new file.
line_filter() { # FILE
  local lines=
  if [ -n "$since" ] && git cat-file -e "$since:$1" 2> /dev/null; then
    lines=$(git diff --unified=0 "$since" -- "$1" |
      sed -nE 's/^@@ [^+]*\+([0-9]+)(,([0-9]+))? @@.*/\1 \3/p' |
      awk 'NF == 1 {print "[" $1 "," $1 "]"} NF == 2 && $2 > 0 {print "[" $1 "," $1 + $2 - 1 "]"}' | paste -sd,)
    lines=",\"lines\":[$lines]"
  fi
  echo "[{\"name\":\"$1\"$lines}]"
}

# Sets `options` to what sources are compiled with, and takes those that need LibTorch from `files` where it is missing.
compiling() { # STEP
  local libtorch=${LIBTORCH:-/usr}
  options=(-x c++ -std=c++20 -I include -I . -isystem "${EIGEN_INCLUDE:-/usr/include/eigen3}")
  if [ -d "$libtorch/include/torch/csrc/api/include" ]; then
    options+=(-isystem "$libtorch/include/torch/csrc/api/include" -DUSE_C10D_GLOO)
    if [ "$libtorch" != /usr ]; then options+=(-isystem "$libtorch/include"); fi
  else
    local all=${#files[@]}
    mapfile -t files < <(grep -LE 'libtorch[/_]|<(torch|ATen|c10)/|trainer[.]h' "${files[@]}" || true)
    say "$1: no LibTorch in $libtorch: $((all - ${#files[@]})) files are left out"
  fi
}

headers() {
  local files options
  mapfile -t files < <(sources | grep '^include/.*[.]h$' | grep -v '/cuda.h')  # tests/cuda compiles it
  compiling headers
  # Through a source that includes it: functions that are not inline would be unused in a main file.
  # shellcheck disable=SC2016  # expanded by the inner shell
  printf '%s\0' "${files[@]#include/}" | xargs -0 -n 1 -P "$(nproc)" bash -c '
    echo "#include \"${*: -1}\"" | "$0" "${@:1:$#-1}" -Wall -Wextra -Werror -fsyntax-only -' "${CXX:-g++}" "${options[@]}"
}

tidy() {
  local files options
  mapfile -t files < <(changed_sources | grep -v '/cuda.h')
  if [ ${#files[@]} -eq 0 ]; then
    say "tidy: no file has changed"
    return
  fi
  compiling tidy
  if [ "$most" -gt 0 ] && [ ${#files[@]} -gt "$most" ]; then
    say "tidy: $((${#files[@]} - most)) files with fewer new lines are left out"
    files=("${files[@]:0:most}")
  fi
  say "tidy: ${#files[@]} files"
  if [ ${#files[@]} -eq 0 ]; then return; fi
  local tool
  tool=$(clang_tool clang-tidy)
  # Arguments: the options, a file, its lines. What clang-tidy counts is not a report.
  # shellcheck disable=SC2016  # expanded by the inner shell
  local one_file='"$0" --quiet "--line-filter=${*: -1}" "${*: -2:1}" -- "${@:1:$#-2}" 2> >(
      grep -vE "^[0-9]+ warnings? generated|^Suppressed|^Use -header-filter" >&2)'
  for file in "${files[@]}"; do printf '%s\0%s\0' "$file" "$(line_filter "$file")"; done |
    xargs -0 -n 2 -P "$(nproc)" bash -c "$one_file" "$tool" "${options[@]}"
}

failed=0
report() { # STEP STATUS
  if [ "$2" -eq 0 ]; then say "$1: nothing to report"; else
    say "$1: FAILED"
    failed=1
  fi
}
for step in "${steps[@]}"; do
  status=0
  case $step in
    format) format || status=$? ;;
    shell) shell || status=$? ;;
    tests) tests || status=$? ;;
    headers) headers || status=$? ;;
    tidy) tidy || status=$? ;;
  esac
  report "$step" "$status"
done
exit "$failed"
