#!/usr/bin/env bash
# Starts workers on this machine, as `torchrun --nproc-per-node=N` does for Python programs.
#
#   tools/launch.sh -n N PROGRAM [ARGUMENT...]
#
# Each of the N processes has RANK and LOCAL_RANK (0 to N-1), WORLD_SIZE and LOCAL_WORLD_SIZE (N), MASTER_ADDR
# (127.0.0.1) and MASTER_PORT (a free port, unless it is set) in its environment, and OMP_NUM_THREADS=1 unless that
# is set. What they print comes line by line with "[rank] " in front. When one fails, the others are ended, by SIGTERM
# and after 5 seconds by SIGKILL; the exit code is that of the first that failed, 128 + number for a signal, else 0.
set -euo pipefail

usage() {
  echo "usage: tools/launch.sh -n N PROGRAM [ARGUMENT...]" >&2
  exit 2
}
if [ $# -lt 3 ] || [ "$1" != -n ] || [[ ! $2 =~ ^[1-9][0-9]{0,3}$ ]]; then usage; fi
world=$2
shift 2
if ! command -v "$1" > /dev/null; then
  echo "launch: $1: there is no such program" >&2
  exit 127
fi

# A port that nobody listens on. Another process may still take it before rank 0 does: then the workers say so.
free_port() {
  local port
  while true; do
    port=$((20000 + RANDOM % 12000)) # below those that the system gives to connections
    if ! (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then break; fi
  done
  echo "$port"
}

export WORLD_SIZE=$world LOCAL_WORLD_SIZE=$world MASTER_ADDR=127.0.0.1
export MASTER_PORT=${MASTER_PORT:-$(free_port)} OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

workers=()           # process ids; each leads a process group, so that what it has started ends with it
declare -A rank_of=() # of those that run
printers=()
killer=""
exit_code=0

signal_workers() {
  local worker
  for worker in "${workers[@]}"; do
    kill "-$1" -- "-$worker" 2> /dev/null || kill "-$1" "$worker" 2> /dev/null || true
  done
}
end_workers() { # EXIT_CODE
  [ "$exit_code" -eq 0 ] || return 0
  exit_code=$1
  signal_workers TERM
  (sleep 5 && signal_workers KILL) > /dev/null 2>&1 &
  killer=$!
}
trap 'end_workers 130' INT
trap 'end_workers 143' TERM

for ((rank = 0; rank < world; ++rank)); do
  exec {out}> >(exec sed -u "s/^/[$rank] /")
  printers+=($!)
  exec {err}> >(exec sed -u "s/^/[$rank] /" >&2)
  printers+=($!)
  RANK=$rank LOCAL_RANK=$rank setsid "$@" < /dev/null >&"$out" 2>&"$err" {out}>&- {err}>&- &
  workers+=($!)
  rank_of[$!]=$rank
  exec {out}>&- {err}>&-
done

# `wait -n` does not see those that end between two calls of it, so this looks ten times a second.
while [ ${#rank_of[@]} -gt 0 ]; do
  for worker in "${!rank_of[@]}"; do
    if kill -0 "$worker" 2> /dev/null; then continue; fi
    code=0
    wait "$worker" || code=$?
    if [ "$code" -ne 0 ] && [ "$exit_code" -eq 0 ]; then
      echo "launch: rank ${rank_of[$worker]} of $world ended with exit code $code; ending the others" >&2
      end_workers "$code"
    fi
    unset "rank_of[$worker]"
  done
  { sleep 0.1; } 2> /dev/null # where the shell would say that one was killed
done
wait "${printers[@]}" 2> /dev/null || true
[ -z "$killer" ] || kill "$killer" 2> /dev/null || true
exit "$exit_code"
