#!/usr/bin/env bash
# Fuzzes the demos' loaders: libFuzzer under the sanitizers of addresses and of undefined behaviour.
#
#   tools/fuzz.sh [LOADER ...] [--seconds=N]     by default all of them, for 60 seconds each
#
#   tsv          labelled texts (demos/sentiment)     squad        questions on texts (demos/qa)
#   conll        tagged sentences (demos/ner)         json_lines   questions with answers (demos/qa)
#   safetensors  tensors by name (demos/encoder)
#
# tests/fuzz/LOADER_fuzz.cc also has properties: no row is lost, what is read lies in its text, and so on. It
# starts from tests/fuzz/corpus/LOADER and from what earlier runs have put into build/fuzz/LOADER/corpus. Inputs at
# which it fails stay in build/fuzz/LOADER, beside the program, which takes their names as arguments. CXX is the
# clang++ to compile with.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=${TEST_TMPDIR:-$root/build}/fuzz
seconds=60
loaders=()

usage() {
  echo "usage: tools/fuzz.sh [tsv|conll|squad|json_lines|safetensors ...] [--seconds=N]" >&2
  exit 2
}
say() { echo "fuzz: $*"; }

for argument in "$@"; do
  case $argument in
    tsv | conll | squad | json_lines | safetensors) loaders+=("$argument") ;;
    --seconds=*)
      seconds=${argument#*=}
      [[ $seconds =~ ^[1-9][0-9]{0,6}$ ]] || usage
      ;;
    *) usage ;;
  esac
done
if [ ${#loaders[@]} -eq 0 ]; then loaders=(tsv conll squad json_lines safetensors); fi

# The sources of a loader, the target last: of functions in several the linker takes the first.
sources_of() {
  printf '%s\n' demos/common/files demos/common/unicode
  case $1 in
    tsv) printf 'demos/%s\n' common/labelled_corpus sentiment/corpus ;;
    conll) echo demos/ner/conll ;;
    squad) printf 'demos/%s\n' common/json qa/sentences qa/squad ;;
    json_lines) printf 'demos/%s\n' common/json qa/afriqa ;;
    safetensors) echo demos/encoder/safetensors ;;
  esac
  echo "tests/fuzz/$1_fuzz"
}
# The libraries that it calls.
libraries=(-lutf8proc)
for name in city hash low_level_hash raw_hash_set raw_logging_internal strings throw_delegate; do libraries+=("-labsl_$name"); done

mkdir -p "$work"
cxx=${CXX:-$(command -v clang++ || true)}
if [ -z "$cxx" ] ||
  ! "$cxx" -x c++ -fsanitize=fuzzer,address,undefined -o "$work/probe" - 2> "$work/log" \
    <<< 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'; then
  if [ -n "$cxx" ]; then cat "$work/log" >&2; fi
  say "needs clang++ with libFuzzer: apt-get install clang libclang-rt-dev, or tools/setup.sh" >&2
  exit 3
fi

# The loaders are instrumented; what checks their results is compiled fast. So are they where fuzzing takes less time
# than compiling.
optimization=-O1
if [ "$seconds" -lt 10 ]; then optimization=-O0; fi
# NDEBUG_SANITIZER: otherwise Abseil's headers give its containers another layout than the system's library has.
readonly INSTRUMENTED="$optimization -DNDEBUG_SANITIZER -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all"
# shellcheck disable=SC2317  # called by xargs's shells
compile() { # FILE without its ending
  local options=-O0
  if [[ $1 != tests/fuzz/* ]]; then options=$INSTRUMENTED; fi
  mkdir -p "$work/$(dirname "$1")"
  # shellcheck disable=SC2086  # several options
  "$cxx" -std=c++20 -DJSON_DIAGNOSTICS=1 -gline-tables-only $options -I "$root/include" -I "$root" -c "$root/$1.cc" -o "$work/$1.o"
}

say "compiling"
mapfile -t sources < <(for loader in "${loaders[@]}"; do sources_of "$loader"; done | sort -u)
export -f compile
export work root cxx INSTRUMENTED
# shellcheck disable=SC2016  # expanded by the inner shell
printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'compile "$1"' compile

# Abseil's headers mark memory of containers as unusable where the system's library does not know of it.
export ASAN_OPTIONS="allow_user_poisoning=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

failed=0
for loader in "${loaders[@]}"; do
  directory=$work/$loader
  mkdir -p "$directory/corpus"
  mapfile -t objects < <(sources_of "$loader" | sed "s|.*|$work/&.o|")
  "$cxx" -fsanitize=fuzzer,address,undefined "${objects[@]}" "${libraries[@]}" -o "$directory/$loader"

  status=0
  "$directory/$loader" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$directory/" "$directory/corpus" "$root/tests/fuzz/corpus/$loader" \
    > "$directory/log" 2>&1 || status=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$directory/log")
  coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$directory/log" | tail -n 1)
  if [ "$status" -eq 0 ]; then
    say "$loader: $runs executions, coverage $coverage, no failure"
  else
    tail -n 60 "$directory/log"
    say "$loader: FAILED; its log is $directory/log"
    failed=1
  fi
done
exit "$failed"
