#!/usr/bin/env bash
# One training by one worker, by several, and by others that take over from workers that were killed.
set -uo pipefail

# shellcheck source=demos/common/demo_test.sh
. demos/common/demo_test.sh
export OMP_NUM_THREADS=1

one_run=(--strategy=weights_0.5 --seeds=1 --epochs=2)
run() {
  "$demo" --backend=libtorch --distributed "$@" > out 2> err
  code=$?
}

# same_log EXPECTED FOUND: the same columns, epochs and steps; losses to 1e-4; figures so that the few rows on which
# rounding decides may differ.
same_log() {
  [ -s "$1" ] && [ -s "$2" ] && paste -d ';' "$1" "$2" | awk -F ';' '
    function differs(a, b, most) { return a - b > most || b - a > most }
    {
      count = split($1, a, ",")
      if (split($2, b, ",") != count) exit 1
      for (i = 1; i <= count; ++i) {
        if (NR == 1 || i <= 3 ? a[i] != b[i] : differs(a[i], b[i], i == 4 ? 1e-4 * a[i] : 0.03)) exit 1
      }
    }'
}

# The same batches give the same losses and figures, whoever computes them.
run "${one_run[@]}" --workers=1 --log=expected.csv --checkpoint=one
[ "$code" -eq 0 ] || fail "one worker: $(cat err)"
[ "$(wc -l < expected.csv)" -eq 3 ] || fail "a header and two epochs: $(cat expected.csv)"
run "${one_run[@]}" --workers=2 --log=log.csv
[ "$code" -eq 0 ] || fail "2 workers: $(cat err)"
same_log expected.csv log.csv || fail "2 workers get other figures: $(cat log.csv expected.csv)"
[ "$(grep -c '^| \*\*weights_0.5\*\* ' out)" -eq 1 ] || fail "one of 2 workers prints: $(cat out)"
[ "$(grep -c 'seed 0: epoch' err)" -eq 1 ] || fail "one of 2 workers has a progress: $(cat err)"
rm log.csv

# So it is for two workers and in one process that is no worker, with a hidden layer, parts of batches and several labels.
other_run=(--labels=multilabel --strategy=asymmetric --seeds=1 --epochs=1 --hidden=8 --log=log.csv)
"$demo" --backend=libtorch "${other_run[@]}" > out 2> err || fail "no worker: $(cat err)"
mv log.csv alone.csv
run "${other_run[@]}" --micro_batches=2 --report=report --save=model
[ "$code" -eq 0 ] || fail "several labels: $(cat err)"
same_log alone.csv log.csv || fail "several labels have other figures: $(cat log.csv alone.csv)"
[ "$(grep -c '^asymmetric,0,test,macro_f1,,' report/results.csv)" -eq 1 ] || fail "no report: $(ls)"
"$demo" --backend=libtorch --load=model --labels=multilabel > out 2> err || fail "the model: $(cat err)"
grep -q "macro-F1 $(printf '%.3f' "$(sed -n 's/^asymmetric,0,test,macro_f1,,//p' report/results.csv)")" out ||
  fail "the model has other figures: $(cat out)"

# Several strategies, each chosen and compared as one process does.
run --strategy=none,none_tau --seeds=1 --epochs=1 --rate=40
[ "$code" -eq 0 ] || fail "two strategies: $(cat err)"
[ "$(grep -cE '^\| (\*\*)?none(_tau)?( [(].*[)])?(\*\*)? .*\|$' out)" -ge 2 ] || fail "two strategies: $(cat out)"

# A worker is killed. The other one says so and ends; two ways to go on give the same figures.
rm -f log.csv
"$demo" --backend=libtorch --distributed "${one_run[@]}" --log=log.csv --checkpoint=state --checkpoint_steps=1 \
  --timeout=20 > out 2> err &
launcher=$!
for ((i = 0; i < 1200; ++i)); do
  [ -e log.csv ] && break
  sleep 0.05
done
[ -e log.csv ] || fail "no epoch after a minute"
read -r -a children < "/proc/$launcher/task/$launcher/children"
kill -9 "${children[1]}"
wait $launcher
code=$?
[ "$code" -eq 1 ] || fail "exit code $code after a worker was killed"
grep -q 'worker 1 of 2 was ended by signal 9' err || fail "the launcher does not say who was killed: $(cat err)"
grep -q 'rank 0 of 2: a worker was lost' err || fail "the other worker does not say that it is alone: $(cat err)"
grep -q -- '--resume continues from .*state' err || fail "no word of the checkpoint: $(cat err)"
cp state copy
for workers in 1 4; do
  cp copy state
  run "${one_run[@]}" --workers=$workers --log=log.csv --checkpoint=state --resume
  [ "$code" -eq 0 ] || fail "going on with $workers workers: $(cat err)"
  same_log expected.csv log.csv || fail "going on with $workers workers: $(cat log.csv expected.csv)"
done

# A checkpoint of a training that has ended: nothing is left to do, and it has the same figures.
run "${one_run[@]}" --checkpoint=state --resume --report=again
grep '^weights_0.5,.*,macro_f1,' again/results.csv > first
[ "$(wc -l < first)" -eq 2 ] || fail "a finished training: $(cat err)"
run "${one_run[@]}" --checkpoint=state --resume --workers=1 --report=again
grep '^weights_0.5,.*,macro_f1,' again/results.csv | cmp -s - first || fail "a finished training goes on: $(cat out)"

# Checkpoints and flags that do not fit.
expect_error() {
  local pattern=$1
  shift
  run "$@"
  [ "$code" -eq 2 ] || fail "exit code $code: $*: $(cat err)"
  grep -qE -- "$pattern" err || fail "no line '$pattern': $*: $(cat err)"
}
expect_error 'one:0: this is the checkpoint of another training .*epochs 2,' "${one_run[@]}" --epochs=3 \
  --checkpoint=one --resume
grep -q 'expected seed 0, .*epochs 3,' err || fail "no word of what was expected: $(cat err)"
head -c 2000 one > part
expect_error 'part:0: not a checkpoint, or damaged' "${one_run[@]}" --workers=1 --checkpoint=part --resume
expect_error 'nothing:0: there is no such checkpoint' "${one_run[@]}" --workers=1 --checkpoint=nothing --resume
# What the flags alone say is seen before anything of LibTorch is needed.
with_libtorch=$demo
demo=$without_libtorch
expect_error '^--micro_batches=1 with --workers=3: a batch of 64 cannot be divided into 3 equal parts$' "${one_run[@]}" \
  --workers=3 --report=unwritten
[ ! -e unwritten ] || fail "a report of a batch that cannot be cut"
expect_error '^--device=cuda: cannot be combined with --distributed' --device=cuda
expect_error '^--distributed: cannot be combined with --predict; use --save first' "${one_run[@]}" --predict=thanks
expect_error '^--resume: needs --checkpoint' --resume
expect_error '^--checkpoint: belongs to a single training run: needs one --strategy and --seeds=1' --checkpoint=state
expect_error '^--distributed: cannot be combined with --load' --load=model
expect_error '^--distributed: needs --backend=libtorch' --backend=eigen
expect_error '^--workers=0: expected a number from 1 to 64' --workers=0
"$demo" --backend=libtorch --workers=4 2> err
[ $? -eq 2 ] || fail "workers without --distributed: $(cat err)"
grep -q '^--workers: needs --distributed' err || fail "workers without --distributed: $(cat err)"
demo=$with_libtorch

# What a launcher says that cannot be, and a meeting place where nobody is.
launched() { # VARIABLE=VALUE...
  env RANK=0 LOCAL_RANK=0 WORLD_SIZE=1 MASTER_ADDR=127.0.0.1 MASTER_PORT=1 TORCHELASTIC_USE_AGENT_STORE=True "$@" \
    "$demo" --backend=libtorch --distributed "${one_run[@]}" --timeout=1 > out 2> err
  code=$?
}
launched RANK=1
[ "$code" -eq 2 ] || fail "exit code $code for an impossible rank: $(cat err)"
grep -qF -- '--distributed: worker_environment(): RANK = "1", expected a rank in [0, 0]' err || fail "RANK=1: $(cat err)"
launched
[ "$code" -eq 1 ] || fail "exit code $code where nobody is: $(cat err)"
grep -q 'rank 0 of 1: the workers did not meet at 127.0.0.1:1 within 1000 ms: ' err || fail "nobody there: $(cat err)"

finish
