# Sourced by the tests of demos as programs: a folder of their own, in which `out`, `err` and $code are what the
# last run of the demo left; `finish` at the end. The demo is the test's first argument, the same without LibTorch the
# second. Standard input is $input.
# shellcheck shell=bash

demo=$PWD/$1
without_libtorch=$PWD/$2
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/demo.XXXXXX")
cd "$work" || exit 1
unset BUILD_WORKSPACE_DIRECTORY BUILD_WORKING_DIRECTORY

failures=0
fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
finish() {
  [ "$failures" -eq 0 ] && echo "passed"
}

# What LibTorch does not compute is left to the program without it, which starts at once, unless $whole is set.
run() {
  local program=$without_libtorch
  case ${whole:-} in ?*) program=$demo ;; esac
  case " $* " in *" --backend=libtorch "*) program=$demo ;; esac
  "$program" "$@" > out 2> err < "${input:-/dev/null}"
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
