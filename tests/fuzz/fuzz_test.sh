#!/usr/bin/env bash
# tools/fuzz.sh: targets for a second; what it says of a failure; how it is used.
set -euo pipefail

root=$PWD
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/fuzz.XXXXXX")
export TEST_TMPDIR=$work

expect() {
  echo "expecting: $*"
  "$@" || { echo "FAILED: $*"; head -n 100 "$work/out"; exit 1; }
}
# Runs a script; its output is in `out` then, its exit code in $code.
run() {
  code=0
  "$@" > "$work/out" 2>&1 || code=$?
}

# Without a compiler that can fuzz: what to install.
for compiler in false no-such-compiler; do
  run env CXX="$compiler" "$root/tools/fuzz.sh"
  expect test "$code" -eq 3
  expect grep -q "apt-get install clang libclang-rt-dev" "$work/out"
done

for argument in csv --seconds=0 --seconds=x --help; do
  run "$root/tools/fuzz.sh" "$argument"
  expect test "$code" -eq 2
  expect grep -q "^usage: " "$work/out"
done
# Two of the five: most of the time goes into compiling them.
run "$root/tools/fuzz.sh" tsv conll --seconds=1
if [ "$code" -eq 3 ]; then
  cat "$work/out"
  echo "SKIPPED: no clang++ with libFuzzer here; nothing was fuzzed"
  exit 0
fi
expect test "$code" -eq 0
for loader in tsv conll; do
  expect grep -qE "^fuzz: $loader: [1-9][0-9]* executions, coverage [1-9][0-9]*, no failure$" "$work/out"
done

# A target whose property does not hold: exit code 1, the property, the input in a file.
mkdir -p "$work"/broken/{tools,include,demos/{common,ner},tests/fuzz/corpus/conll}
cp "$root/tools/fuzz.sh" "$work/broken/tools"
touch "$work"/broken/demos/{common/files,common/unicode,ner/conll}.cc
echo some > "$work/broken/tests/fuzz/corpus/conll/input"
cat > "$work/broken/tests/fuzz/conll_fuzz.cc" << 'END'
#include <cstdio>
#include <cstdlib>
extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long size) {
  if (size < 3) return 0;
  std::fputs("does not hold: a property\n", stderr);
  std::abort();
}
END
run "$work/broken/tools/fuzz.sh" conll --seconds=1
expect test "$code" -eq 1
expect grep -q "^does not hold: a property$" "$work/out"
expect grep -q "^fuzz: conll: FAILED" "$work/out"
expect test -n "$(find "$work/fuzz/conll" -name 'crash-*')"

# Sources that do not compile.
echo "no C++" > "$work/broken/demos/ner/conll.cc"
run "$work/broken/tools/fuzz.sh" conll --seconds=1
expect test "$code" -ne 0

echo "passed"
