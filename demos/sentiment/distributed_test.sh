#!/usr/bin/env bash
# One training by one worker, by several, and by others that take over from workers that were killed.
set -uo pipefail

demo=$PWD/$1
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/distributed.XXXXXX")
cd "$work" || exit 1
unset BUILD_WORKSPACE_DIRECTORY BUILD_WORKING_DIRECTORY
export OMP_NUM_THREADS=1

failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

run() {
  "$demo" --distributed --epochs=4 "$@" > out 2> err
  code=$?
}

# The same batches give the same losses and weights, whoever computes them.
run --workers=1 --checkpoint=one
[ "$code" -eq 0 ] || fail "one worker: $(cat err)"
grep -v worker out > expected
[ "$(wc -l < expected)" -eq 5 ] || fail "four epochs and a line of figures: $(cat out)"
for workers in 2 4; do
  run --workers=$workers
  [ "$code" -eq 0 ] || fail "$workers workers: $(cat err)"
  grep -v worker out | cmp -s - expected || fail "$workers workers get other figures: $(cat out) $(cat expected)"
done

# A worker is killed. The other one says so and ends; two ways to go on give the same figures.
"$demo" --distributed --epochs=4 --checkpoint=state --checkpoint_steps=1 --timeout=20 > out 2> err &
launcher=$!
for ((i = 0; i < 600; ++i)); do
  [ -e state ] && break
  sleep 0.1
done
[ -e state ] || fail "no checkpoint after a minute"
read -r -a children < "/proc/$launcher/task/$launcher/children"
kill -9 "${children[1]}"
start=$SECONDS
wait $launcher
code=$?
[ "$code" -eq 1 ] || fail "exit code $code after a worker was killed"
[ $((SECONDS - start)) -le 45 ] || fail "the other worker needed $((SECONDS - start)) s to notice"
grep -q 'worker 1 of 2 was ended by signal 9' err || fail "the launcher does not say who was killed: $(cat err)"
grep -q 'rank 0 of 2: a worker was lost' err || fail "the other worker does not say that it is alone: $(cat err)"
grep -q -- '--resume goes on from ' err || fail "no word of the checkpoint: $(cat err)"
cp state copy
for workers in 1 4; do
  cp copy state
  run --workers=$workers --checkpoint=state --resume
  [ "$code" -eq 0 ] || fail "going on with $workers workers: $(cat err)"
  tail -n 1 out | cmp -s - <(tail -n 1 expected) || fail "going on with $workers workers: $(cat out) $(cat expected)"
done

# A checkpoint at the end of the last epoch: nothing is left to train.
run --workers=2 --checkpoint=one --resume
grep -v worker out | cmp -s - <(tail -n 1 expected) || fail "a finished run goes on: $(cat out)"

# Checkpoints and flags that do not fit.
expect_error() {
  local pattern=$1
  shift
  run "$@"
  [ "$code" -eq 2 ] || fail "exit code $code: $*: $(cat err)"
  grep -qE -- "$pattern" err || fail "no line '$pattern': $*: $(cat err)"
}
expect_error 'one:0: this is the checkpoint of another run .*seed 0.*seed 1' --checkpoint=one --resume --seed=1
head -c 2000 one > part
expect_error 'part:0: not a checkpoint, or damaged' --checkpoint=part --resume
expect_error 'nothing:0: not a checkpoint, or damaged' --checkpoint=nothing --resume
expect_error '^--workers=3: expected a divisor of 64' --workers=3
expect_error '^--resume: needs --checkpoint' --resume
expect_error '^--report: not with --distributed' --report=unwritten
expect_error '^--strategy=none_tau: --distributed takes one' --strategy=none_tau

exit $((failures > 0))
