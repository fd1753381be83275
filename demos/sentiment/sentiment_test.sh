#!/usr/bin/env bash
# The demo as its user runs it: flags, files, exit codes.
set -uo pipefail

demo=$PWD/$1
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/sentiment.XXXXXX")
cd "$work" || exit 1
unset BUILD_WORKSPACE_DIRECTORY BUILD_WORKING_DIRECTORY

failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# Runs the demo; its output is in `out` and `err` then, its exit code in $code.
run() {
  "$demo" "$@" > out 2> err
  code=$?
}

# expect CODE FILE PATTERN ARGUMENTS...: the exit code, and a line in the file.
expect() {
  local wanted=$1 file=$2 pattern=$3
  shift 3
  run "$@"
  [ "$code" -eq "$wanted" ] || fail "exit code $code, expected $wanted: $*: $(cat err)"
  grep -qE -- "$pattern" "$file" || fail "no line '$pattern': $*: $(cat "$file")"
}

# Without data: the synthetic corpus, said in the first line; a report; a model.
expect 0 out '^\| (\*\*)?none_tau ' --strategy=none,none_tau,weights_0.5 --seeds=2 --epochs=2 --report=report \
  --save=model
head -n 1 out | grep -q '^No data: a small synthetic corpus' || fail "first line: $(head -n 1 out)"
grep -q 'seed 1: epoch' err || fail "no line for the second seed: $(cat err)"
head -n 1 report/results.csv | grep -qx 'strategy,seed,split,metric,label,value' || fail "header of results.csv"
for strategy in none none_tau weights_0.5; do
  for metric in accuracy macro_f1 balanced_accuracy rare_recall rare_precision seconds; do
    grep -qE "^$strategy,1,test,$metric,,[0-9.e-]+$" report/results.csv || fail "$strategy $metric"
  done
  grep -qE "^$strategy,0,test,recall,grief,[0-9.e-]+$" report/results.csv || fail "$strategy recall of grief"
done
grep -q '^| class ' report/summary.md || fail "summary.md has no table of classes"

# The same seeds give the same figures.
cut -d, -f1-6 report/results.csv | grep -v seconds > first
run --strategy=none,none_tau,weights_0.5 --seeds=2 --epochs=2 --report=again
grep -v seconds again/results.csv | cmp -s - first || fail "a second run gives other figures"

# The model, loaded: a prediction, or its figures on test.
expect 0 out '^ +[0-9.]+ %  gratitude$' --load=model --predict='thanks thank grateful cheers'
expect 0 out '^ +macro avg ' --load=model
expect 2 err '^--load: the model.s classes are not those of the data' --load=model --labels=polarity
expect 2 err '^--strategy: not with --load' --load=model --strategy=none
expect 2 err '^--report: not with --load' --load=model --report=unwritten
head -c 1000 model > part
expect 2 err '/?part:0: not a model that --save has written, or damaged' --load=part --predict=hello
expect 2 err 'nothing:0: cannot be read' --load=nothing --predict=hello

# Flags that are wrong: what is accepted, and exit code 2.
expect 2 err 'there is no flag .--stratgy.; accepted flags:' --stratgy=none
expect 2 err '^  --strategy: ' --stratgy=none
expect 2 err 'no strategy .smote., expected none, none_tau, weights' --strategy=smote
expect 2 err '^--backend=cuda: expected one of eigen, libtorch' --backend=cuda
expect 2 err '^--labels=all: expected one of fine, polarity' --labels=all
expect 2 err '^--seeds=0: expected a number from 1' --seeds=0
expect 2 err '^--seeds=many: not a value of this flag' --seeds=many
expect 2 err '^--rate=-1: expected a number from 0' --rate=-1
expect 2 err '^--hidden: needs --backend=libtorch' --hidden=8
expect 2 err '^--device=cuda: needs --backend=libtorch' --device=cuda
expect 2 err "^unexpected argument 'none'" none
expect 2 err 'there is no directory nowhere' --save=nowhere/model
expect 2 err '^report:0: expected a name for a file' --save=report
expect 0 out '^  --report: ' --help

# Data that are wrong: FILE:LINE: reason, exit code 2, nothing written.
corpus() {
  rm -rf corpus
  mkdir corpus
  printf 'joy\nanger\n' > corpus/labels.txt
  printf 'good day\t0\tx\nbad day\t1\ty\nfine day\t0\tz\n' > corpus/train.tsv
  printf 'a good one\t0\tx\na bad one\t1\ty\n' > corpus/dev.tsv
  printf 'the good one\t0\tx\nthe bad one\t1\ty\n' > corpus/test.tsv
}
broken() { # broken PATTERN
  expect 2 err "$1" --data=corpus --strategy=none --seeds=1 --report=unwritten --save=unwritten.model
  if [ -e unwritten ] || [ -e unwritten.model ]; then fail "something was written: $1"; fi
}
corpus
expect 0 out '^\| \*\*none\*\* ' --data=corpus --strategy=none --seeds=1
rm -r corpus
broken 'corpus/labels.txt:0: there is no directory corpus$'
corpus
: > corpus/train.tsv
broken 'corpus/train.tsv:1: the file is empty$'
corpus
echo 'one column' >> corpus/train.tsv
broken 'corpus/train.tsv:4: expected three columns'
corpus
printf 'new\t2\tx\n' >> corpus/test.tsv
broken "corpus/test.tsv:3: unknown label '2', expected a number from 0 to 1"
corpus
printf 'caf\xe9\t1\tx\n' >> corpus/dev.tsv
broken 'corpus/dev.tsv:3: byte 4 of the line is not UTF-8$'
corpus
touch file
expect 2 err '^file:0: cannot be made a directory' --data=corpus --strategy=none --report=file

[ "$failures" -eq 0 ] && echo "passed"
