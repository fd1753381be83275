# Sourced by the scripts beside it: commands that count as tests, and the last line.
# shellcheck shell=bash

# Where a mirror of the data sets lies beside the checkout, they are taken from it.
if [ -z "${EQUIPOISE_DATA_MIRROR:-}" ] && [ -d ../shared/data ]; then
  EQUIPOISE_DATA_MIRROR=$(cd ../shared/data && pwd)
  export EQUIPOISE_DATA_MIRROR
fi

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

announce() { printf '\n=== %s (%s)\n' "$*" "$(date +%T)"; }

# The newest commit that is a day older than HEAD; where the history does not go so far back, the oldest one.
last_day() {
  local day_before
  day_before=$(git rev-list -1 --before="$(($(git show -s --format=%ct HEAD) - 86400))" HEAD)
  echo "${day_before:-$(git rev-list HEAD | tail -n 1)}"
}

# The number of tests that Bazel's summary in the log gives one of these results.
tests_with() { grep -cE "^@?//[^ ]+ +(\(cached\) )?($1)( |\$)" "$log"; }

# Runs a command that counts as one test.
check() {
  announce "$*"
  if "$@" < /dev/null; then
    passed=$((passed + 1))
  else
    echo "ci: failed: $*"
    failed=$((failed + 1))
  fi
}

# Runs `bazel test` and adds up its tests. A run that fails with no failed test, or passes with no test at all,
# is a failure of its own.
run_tests() {
  announce "$*"
  "$@" < /dev/null 2>&1 | tee "$log"
  local status=${PIPESTATUS[0]} good bad
  good=$(tests_with 'PASSED|FLAKY')
  bad=$(tests_with 'FAILED|TIMEOUT|INCOMPLETE|NO STATUS')
  echo "ci: $good passed, $bad failed, $(tests_with SKIPPED) skipped: $*"
  if [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$good" -eq 0 ]; }; then bad=1; fi
  passed=$((passed + good))
  failed=$((failed + bad))
}

# The last line and the exit code.
finish() {
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  exit "$((failed > 0))"
}
