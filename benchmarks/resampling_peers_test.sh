#!/usr/bin/env bash
# The program times each of its works, and names them when asked for another; it asserts no time.
#
#   resampling_peers_test.sh PROGRAM
set -euo pipefail

program=$1
errors="${TEST_TMPDIR:-/tmp}/errors"
works=("SMOTE" "SMOTE, recipes alone" "SMOTE, neighbours alone" "Borderline-SMOTE" "ADASYN" "Tomek links"
  "edited neighbours" "NearMiss")
for work in "${works[@]}"; do
  lines=$("$program" --work="$work" --repeats=3 | grep -c '^[0-9.]*$')
  if [ "$lines" != 3 ]; then
    echo "$work: $lines times, expected 3"
    exit 1
  fi
done
if "$program" --work=none 2> "$errors"; then
  echo "a work that does not exist: exit status 0"
  exit 1
fi
grep -q '"NearMiss"' "$errors"
