#!/usr/bin/env bash
# The program times each of its works, and names them when asked for another; it asserts no time.
#
#   python_peers_test.sh PROGRAM
set -euo pipefail

program=$1
labels="${TEST_TMPDIR:-/tmp}/labels"
head -c 8000 /dev/zero > "$labels"
for work in "oversample" "undersample" "stratified split" "precision, recall, F1" "ROC AUC" "average precision"; do
  lines=$("$program" --labels="$labels" --classes=1 --work="$work" --repeats=3 | grep -c '^[0-9.]*$')
  if [ "$lines" != 3 ]; then
    echo "$work: $lines times, expected 3"
    exit 1
  fi
done
if "$program" --labels="$labels" --work=none 2> "$labels.errors"; then
  echo "a work that does not exist: exit status 0"
  exit 1
fi
grep -q '"undersample"' "$labels.errors"
