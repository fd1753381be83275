#!/usr/bin/env bash
# tools/reproduce.sh: which demos it builds and runs, with what, and what becomes of their pictures. The demos
# and Bazel are stand-ins.
set -euo pipefail

work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/reproduce.XXXXXX")
mkdir -p "$work/tools" "$work/bin" "$work/data"
cp tools/reproduce.sh "$work/tools"
cd "$work"

# A build makes a demo that says how it was called and leaves a picture.
cat > bin/bazel << 'END'
#!/usr/bin/env bash
echo "bazel $*" >> builds
demo=${4##*/}
mkdir -p "bazel-bin/demos/$demo"
cat > "bazel-bin/demos/$demo/$demo" << 'DEMO'
#!/usr/bin/env bash
echo "$(basename "$0") $*"
for argument in "$@"; do
  case $argument in --report=*) report=${argument#*=} ;; esac
done
mkdir -p "$report"
echo picture > "$report/counts.png"
echo "of $1" > "$report/summary.md"
[ ! -e fails ]
DEMO
chmod +x "bazel-bin/demos/$demo/$demo"
END
chmod +x bin/bazel
PATH=$work/bin:$PATH

expect() {
  echo "expecting: $*"
  "$@" || { echo "FAILED: $*"; head -n 50 out err; exit 1; }
}
run() {
  code=0
  tools/reproduce.sh "$@" > out 2> err || code=$?
}

# The list is of commands.
run --list
expect test "$code" -eq 0
expect grep -qE '^ner-btc +ner --data=data/ner --backend=libtorch$' out
tables=$(wc -l < out)

# Two tables of one demo: it is built once, run twice, each into its own place.
run --into=made --results=tables --pictures=shown ner-btc-linear ner-btc
expect test "$code" -eq 0
expect grep -qx 'bazel build -c opt //demos/ner' builds
expect test "$(wc -l < builds)" -eq 1
expect grep -qx "ner --data=$work/data/ner --report=$work/made/ner-btc-linear" made/ner-btc-linear.txt
expect grep -qx "ner --data=$work/data/ner --backend=libtorch --report=$work/made/ner-btc" made/ner-btc.txt
expect test "$(ls shown)" = ner-btc-linear-counts.png
expect test "$(cat tables/ner-btc.md)" = "# ner-btc

    bazel run -c opt //demos/ner -- --data=data/ner --backend=libtorch

of --data=data/ner"
expect test -s tables/ner-btc-linear.md

# All of them, with data from elsewhere.
mkdir elsewhere
run --data=elsewhere
expect test "$code" -eq 0
expect test "$(find build/tables -name '*.txt' | wc -l)" -eq "$tables"
expect grep -q -- "--data=$work/elsewhere/qa --task=answer_type" build/tables/qa-answer-type.txt

# Mistakes, and a demo that fails.
run ner-btc unknown
expect test "$code" -eq 2
expect grep -qx 'reproduce: no table unknown; --list has them' err
run --unknown
expect test "$code" -eq 2
run --data=nowhere ner-btc
expect test "$code" -eq 2
expect grep -q 'no data in .*/nowhere' err
touch fails
run ner-btc ner-btc-linear
expect test "$code" -ne 0
expect test "$(grep -c '^== ' out)" -eq 1
echo passed
