#!/usr/bin/env bash
# The tool as its user runs it.
set -uo pipefail

plan=$PWD/$1
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/plan.XXXXXX")
cd "$work" || exit 1
unset BUILD_WORKSPACE_DIRECTORY BUILD_WORKING_DIRECTORY

failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect CODE FILE PATTERN ARGUMENTS...: the exit code, and a line in the file (out or err).
expect() {
  local wanted=$1 file=$2 pattern=$3 code
  shift 3
  "$plan" "$@" > out 2> err
  code=$?
  [ "$code" -eq "$wanted" ] || fail "exit code $code, expected $wanted: $*: $(cat err)"
  grep -qE -- "$pattern" "$file" || fail "no line '$pattern': $*: $(cat "$file")"
}

{
  for i in $(seq 90); do printf 'text %s\tO\n' "$i"; done
  printf '\n'
  for i in $(seq 8); do printf 'text\tPER\n'; done
  printf 'text\tLOC\ntext\tLOC\ntext\t-\n'
} > train.tsv

expect 0 out '^ +O +0\.90000 +0\.90000 +1\.000 +0\.90000 +1\.000$' --labels=train.tsv --ignore=-
expect 0 out '^ +LOC +0\.02000 +0\.33333 ' --labels=train.tsv --ignore=- --mix=uniform
expect 0 out '^ +PER +0\.08000 +0\.08000 +4\.167 +0\.33333 ' --labels=train.tsv --column=2 --ignore=- \
  --weights=balanced --save=saved --picture=picture.png
expect 0 out '^warning: the imbalance is corrected twice$' --labels=train.tsv --ignore=- --weights=balanced --mix=uniform
[ -s picture.png ] || ! command -v gnuplot > /dev/null || fail "no picture"

expect 0 out '^JSON: plan\.json$' --labels=train.tsv --ignore=- --weights=balanced --mix=uniform --json=plan.json
python3 - << 'END' || fail "plan.json"
import json
import math
plan = json.load(open("plan.json"))
assert [c["name"] for c in plan["classes"]] == ["LOC", "O", "PER"], plan
assert abs(sum(c["effective"] for c in plan["classes"]) - 1) < 1e-12
assert plan["strength"]["sampler"] == 1 and plan["warnings"][0]["text"], plan
for c, offset in zip(plan["classes"], plan["offset"]):
    assert abs(offset - math.log(c["natural"] / c["effective"])) < 1e-12, plan
END

# The plan that was saved says the same, and its classes have their names.
expect 0 out '^ +PER +0\.08000 +0\.08000 +4\.167 +0\.33333 ' --plan=saved
grep -q '^# class 2: PER$' saved || fail "saved: $(cat saved)"
sed '/^#/d' saved > nameless
expect 0 out '^ +1 +0\.90000 ' --plan=nameless
expect 0 out '^ +PER +0\.08000 +0\.08000 +4\.167 +0\.33333 ' --plan=saved --labels=train.tsv --ignore=-
expect 2 err '^saved:0: its counts are not those of train\.tsv$' --plan=saved --labels=train.tsv

# What a class is called in a warning that is about it, and which classes a picture lacks.
printf 'counts 1 0 2\n' > gap
expect 0 out '^warning: class 1 has no rows$' --plan=gap --json=gap.json --picture=gap.png
! command -v gnuplot > /dev/null || grep -q '^It lacks what is never seen: 1$' out || fail "gap.png: $(cat out)"
grep -q '"no_offset": "a class without rows' gap.json || fail "gap.json: $(cat gap.json)"

# The plan's batch size is not overridden in silence.
expect 2 err '^--batch=32: saved says 64$' --plan=saved --batch=32
expect 0 out '^2 steps$' --plan=saved --batch=64
expect 0 out '^1 steps$' --plan=gap --batch=32
expect 0 out ' +2\.00 +0\.0000$' --plan=gap

# A plan without a batch size whose mean depends on it: that of the flag, or 64.
printf 'counts 90 8 2\nweights 1 10 40\nmean by_weight\n' > sizeless
expect 0 out '^ +2 +0\.02000 +0\.02000 +1\.000 +0\.02000 +1\.000$' --plan=sizeless --batch=1
expect 0 out '^ +2 +0\.02000 +0\.02000 +[1-9][0-9.]+ +0\.[1-3]' --plan=sizeless
printf 'counts 90 8 2\nmean per_class\n' > sizeless
expect 0 out '^ +2 +0\.02000 +0\.02000 +1\.000 +0\.02000 +1\.000$' --plan=sizeless --batch=2

# Columns that are not those of the labels.
for i in $(seq 30); do printf 'text\t%d\tid%d\n' $((i % 3)) "$i"; done > ids
expect 0 out '^warning: of 30 classes 30 have one row: is --column that of the labels\?$' --labels=ids
expect 2 err '^ids:0: has 30 different labels, such as id1, expected at most 20; see --column and --most_classes$' \
  --labels=ids --most_classes=20
{ cat ids && printf 'text\t0,2\tid\n'; } > several
expect 0 out '^warning: 1 classes are lists of others, such as 0,2: ' --labels=several --column=2 --json=several.json
grep -q 'lists of others' several.json || fail "several.json: $(cat several.json)"

expect 0 out '^  --weights: ' --help
expect 2 err '^--labels: a file with labels is needed' --batch=4
expect 2 err '^train\.tsv:1: 2 columns, expected at least 3$' --labels=train.tsv --column=3
expect 2 err '^--weights=power: expected none, balanced, power:NUMBER' --labels=train.tsv --weights=power
expect 2 err '^EffectiveNumberWeights\(\): beta = 2, expected a number in \[0, 1\]$' --labels=train.tsv --weights=effective:2
expect 2 err '^--mean=x: ' --labels=train.tsv --mean=x
expect 2 err '^missing\.tsv:0: ' --labels=missing.tsv
for bad in nan -1 inf; do
  expect 2 err "^--max_weight=$bad: expected a number >= 0\$" --labels=train.tsv --max_weight=$bad
done
printf 'counts 1 1\nmix 1\n' > broken
expect 2 err '^broken:0: parse_plan\(\): plan\.mix\.size\(\) = 1, expected 2 \(classes\)$' --plan=broken
printf 'a\n\xff\n' > latin
expect 2 err '^latin:2: ' --labels=latin

[ "$failures" -eq 0 ]
