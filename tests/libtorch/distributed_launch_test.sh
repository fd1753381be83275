#!/usr/bin/env bash
# Workers that tools/launch.sh starts meet and compute together; one that is killed ends them all.
#
#   distributed_launch_test.sh CONNECT_TEST
set -euo pipefail

program=$PWD/$1
# What the workers report is not this test's report.
unset XML_OUTPUT_FILE TEST_PREMATURE_EXIT_FILE TEST_TOTAL_SHARDS TEST_SHARD_INDEX TEST_SHARD_STATUS_FILE

for world in 1 2 3; do
  output=$(tools/launch.sh -n "$world" "$program" --gtest_filter=ProcessesTest.MeetAndSum)
  if [ "$(grep -c '^\[[0-9]\] \[  PASSED  \] 1 test\.$' <<< "$output")" -ne "$world" ]; then
    echo "$output"
    echo "FAILED: $world workers"
    exit 1
  fi
done

# One is killed when they have met: the launcher says so, and ends the other.
code=0
output=$(tools/launch.sh -n 2 "$program" --gtest_filter=ProcessesTest.ReportAWorkerThatWasKilled 2>&1) || code=$?
if [ "$code" -ne 137 ] || ! grep -q 'launch: rank 1 of 2 ended with exit code 137' <<< "$output"; then
  echo "$output"
  echo "FAILED: exit code $code, expected 137"
  exit 1
fi
