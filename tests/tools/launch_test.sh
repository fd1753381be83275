#!/usr/bin/env bash
# tools/launch.sh: what its workers are told, what comes of their output, and how it ends.
set -euo pipefail

launch=$PWD/tools/launch.sh
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/launch.XXXXXX")
cd "$work"
unset RANK WORLD_SIZE LOCAL_RANK MASTER_PORT OMP_NUM_THREADS

expect() {
  echo "expecting: $*"
  "$@" || { echo "FAILED: $*"; head -n 50 out err; exit 1; }
}
# Runs the launcher; its output is in `out` and `err` then, its exit code in $code.
run() {
  code=0
  "$launch" "$@" > out 2> err || code=$?
}

# Each worker knows its rank; all meet at one place. Streams stay apart, lines whole.
# shellcheck disable=SC2016
run -n 3 bash -c 'echo "$RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $MASTER_ADDR $OMP_NUM_THREADS"
  echo "port $MASTER_PORT" >&2; printf "no end of line"; cat; echo " $1"' name "an argument"
expect test "$code" -eq 0
for rank in 0 1 2; do
  expect grep -qx "\[$rank\] $rank $rank 3 3 127.0.0.1 1" out
  expect grep -qx "\[$rank\] no end of line an argument" out
  expect grep -qE "^\[$rank\] port [0-9]+$" err
done
expect test "$(wc -l < out)" -eq 6
expect test "$(sed 's/.*port //' err | sort -u | wc -l)" -eq 1

# Much output is not lost.
run -n 2 seq 20000
expect test "$code" -eq 0
expect test "$(grep -c '^\[1\] ' out)" -eq 20000

# A port and a number of threads that are set are kept.
# shellcheck disable=SC2016
MASTER_PORT=1234 OMP_NUM_THREADS=2 run -n 1 bash -c 'echo "$MASTER_PORT $OMP_NUM_THREADS"'
expect grep -qx '\[0\] 1234 2' out

# One that fails ends the others, and what they have started; what they said is kept.
# shellcheck disable=SC2016
run -n 3 bash -c 'echo here; if [ "$RANK" = 1 ]; then sleep 0.5; exit 7; fi; sleep 1000; echo unreached'
expect test "$code" -eq 7
expect grep -qx 'launch: rank 1 of 3 ended with exit code 7; ending the others' err
expect test "$(grep -c here out)" -eq 3
expect test "$(grep -c unreached out)" -eq 0

# One that does not heed SIGTERM is killed. One that is killed has failed as well.
# shellcheck disable=SC2016
run -n 2 bash -c 'if [ "$RANK" = 0 ]; then sleep 0.5; kill -KILL $$; fi; trap "" TERM; for i in {1..1000}; do sleep 0.1; done'
expect test "$code" -eq 137

# Who ends the launcher ends the workers.
# shellcheck disable=SC2016
"$launch" -n 2 bash -c 'echo $$ > "pid$RANK"; sleep 1000' > out 2> err &
launcher=$!
until [ -s pid0 ] && [ -s pid1 ]; do sleep 0.05; done
kill -TERM "$launcher"
code=0
wait "$launcher" || code=$?
expect test "$code" -eq 143
for rank in 0 1; do
  if kill -0 "$(cat "pid$rank")" 2> /dev/null; then expect false; fi
done

# How it is used.
for arguments in "" "-n" "-n 2" "-n 0 true" "-n x true" "2 true x"; do
  # shellcheck disable=SC2086
  run $arguments
  expect test "$code" -eq 2
  expect grep -q '^usage: ' err
done
run -n 2 ./not-there
expect test "$code" -eq 127
expect grep -qx 'launch: ./not-there: there is no such program' err
echo "passed"
