#!/usr/bin/env bash
# The quick starts print what is written here, on the generated files; figures may differ a little, for LibTorch's
# arithmetic differs from version to version.
set -euo pipefail

root=$PWD
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/quickstart.XXXXXX")
export OMP_NUM_THREADS=1
demos/quickstart/generate.sh "$work"
cd "$work"

# same EXPECTED FOUND: the same words, and numbers that differ by 0.04 or less, or a twentieth.
same() {
  paste -d '\n' "$1" "$2" | awk '
    NR % 2 == 1 { fields = split($0, expected); next }
    NF != fields { print "expected " fields " words: " $0; exit 1 }
    {
      for (i = 1; i <= NF; ++i) {
        if ($i == expected[i]) continue
        off = $i - expected[i]
        if (off < 0) off = -off
        is_near = off <= 0.04 || off <= 0.05 * expected[i]
        if ($i !~ /^-?[0-9.]+,?$/ || expected[i] !~ /^-?[0-9.]+,?$/ || !is_near) {
          print "expected " expected[i] ": " $0
          exit 1
        }
      }
    }'
}

fail() {
  echo "FAILED: $*"
  exit 1
}
# expect_error PATTERN PROGRAM ARGUMENTS...: exit code 1 and a line on standard error.
expect_error() {
  local pattern=$1 code=0
  shift
  "$@" > out 2> err || code=$?
  [ "$code" -eq 1 ] || fail "exit code $code: $*"
  grep -q "$pattern" err || fail "no '$pattern': $(cat err)"
}

for program in "$@"; do
  name=${program##*/}
  program=$root/$program
  expected=$root/demos/quickstart/$name.txt
  case $name in
    sentiment) ending=tsv ;;
    ner) ending=conll ;;
    qa) ending=jsonl ;;
  esac
  files=("train.$ending" "dev.$ending" "test.$ending")
  "$program" "${files[@]}" > found
  cat found
  [ "$(wc -l < found)" -eq "$(wc -l < "$expected")" ] || fail "$name prints other lines"
  same "$expected" found || fail "$name"

  # Mistakes say where they are.
  expect_error "^usage: $name TRAIN" "$program"
  expect_error '^nothing: no file, or empty$' "$program" "${files[0]}" nothing "${files[2]}"
  : > empty
  expect_error '^empty: no file, or empty$' "$program" empty "${files[@]:1}"
  cp "${files[1]}" broken
  echo broken >> broken
  expect_error "^broken:$(wc -l < broken): " "$program" "${files[0]}" broken "${files[2]}"
done
echo "passed"
