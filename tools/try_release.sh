#!/usr/bin/env bash
# Proves that the README's commands work on a bare Debian: makes a minimal root of that release in a directory of its
# own, copies the checkout into it, runs there
#
#   tools/setup.sh && bazel run -c opt //demos/sentiment     (run)
#   tools/setup.sh && bazel test //...                       (test)
#
# and removes the directory.
#
#   tools/try_release.sh RELEASE [run|test] [BAZEL_OPTION ...]    by default both, such as: tools/try_release.sh trixie
#
# Needs root, debootstrap, some 8 GB under ${TMPDIR:-/tmp}, and the network. BAZEL_OPTIONs go to bazel's command, such as
# --config=werror. KEEP=1 leaves the directory and says where it is. The exit code is that of the commands.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
  echo "usage: tools/try_release.sh RELEASE [run|test] [BAZEL_OPTION ...], such as tools/try_release.sh trixie test" >&2
  exit 2
}
say() { echo "try_release: $*" >&2; }

[[ $# -ge 1 && $1 =~ ^[a-z]+$ ]] || usage
release=$1
shift
verbs=(run test)
if [ $# -gt 0 ] && [[ $1 != -* ]]; then
  [[ $1 = run || $1 = test ]] || usage
  verbs=("$1")
  shift
fi
for option in "$@"; do [[ $option = -* ]] || usage; done

if [ "$(id -u)" -ne 0 ]; then
  say "needs root, to make and enter a root directory"
  exit 2
fi
if ! command -v debootstrap > /dev/null; then
  say "needs debootstrap: apt-get install debootstrap"
  exit 2
fi

bare=$(mktemp -d "${TMPDIR:-/tmp}/equipoise-$release.XXXXXX")
keep=${KEEP:-0}
trap 'if [ "$keep" = 1 ]; then say "left in $bare"; else rm -rf --one-file-system "$bare" "$bare.log"; fi' EXIT

say "making a bare $release in $bare"
if ! debootstrap --variant=minbase "$release" "$bare" > "$bare.log" 2>&1; then
  tail -n 20 "$bare.log" >&2
  say "debootstrap failed"
  exit 1
fi
rm -f "$bare.log"

# The files that git tracks or would track, as they lie in the working tree.
mkdir "$bare/checkout"
git -C "$root" ls-files -z --cached --others --exclude-standard |
  (cd "$root" && while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done) |
  tar -C "$root" --null --files-from=- --create --file=- | tar -C "$bare/checkout" --extract --file=-
cp /etc/resolv.conf "$bare/etc/resolv.conf"

# Mounts and processes of their own, which end with the command.
inside() { # COMMAND
  # shellcheck disable=SC2016  # expanded by the inner shell
  unshare --mount --pid --fork --kill-child bash -c '
    set -e
    mount --make-rprivate /
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    exec chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CI="${CI:-}" \
      bash -c "cd /checkout && $2"' try_release "$bare" "$1" < /dev/null
}

status=0
for verb in "${verbs[@]}"; do
  case $verb in
    run) command="tools/setup.sh && bazel run -c opt ${*@Q} //demos/sentiment" ;;
    test) command="tools/setup.sh && bazel test ${*@Q} //..." ;;
  esac
  say "$release: $command"
  begin=$SECONDS
  if inside "$command"; then result=passed; else
    result=FAILED
    status=1
  fi
  say "$release: $command: $result after $((SECONDS - begin)) s ($(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "$bare/etc/os-release"))"
done
exit "$status"
