#!/usr/bin/env bash
# A Google Benchmark program runs, reports no error, and its table has a row for each name. Its exit status says
# none of that: it is 0 when an error is reported and when no benchmark matches the filter.
#
#   benchmark_test.sh PROGRAM FILTER ROW...
set -euo pipefail

program=$1
filter=$2
shift 2
table=$("$program" --benchmark_min_time=0.001 --benchmark_filter="$filter" --benchmark_format=csv)
if [ $# -eq 0 ]; then
  echo "$program: no row was named"
  exit 1
fi
for row in "$@"; do
  # The row's quoted name, and then a number of iterations: an error leaves that column empty.
  if ! grep -qE "^\"$row\",[0-9]+," <<< "$table"; then
    echo "$program: no result of \"$row\" in"
    echo "$table"
    exit 1
  fi
done
