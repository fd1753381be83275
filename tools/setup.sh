#!/usr/bin/env bash
# Installs the packages that are missing, on Debian and Ubuntu, as root or with sudo.
#
#   tools/setup.sh            what `bazel run` and `bazel test //...` need
#   tools/setup.sh develop    and what developers use besides
#
# Package lists: tools/packages-<role>.txt. Does nothing where nothing is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
case "${1:-}" in
  "") roles="run test" ;;
  develop) roles="run test develop" ;;
  *)
    echo "usage: $0 [develop]" >&2
    exit 2
    ;;
esac

packages=$(for role in $roles; do sed 's/#.*//' "$here/packages-$role.txt"; done | xargs)

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
  echo "setup: this system has no apt-get. Install what these Debian packages hold, by their names here:" >&2
  echo "  $packages" >&2
  exit 1
fi

missing=""
for package in $packages; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "setup: nothing is missing"
  exit 0
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "setup: neither root nor sudo. As root, run:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
  fi
  as_root=sudo
fi

echo "setup: installing$missing"
$as_root apt-get update -q > /dev/null || echo "setup: apt-get update failed; trying with the lists at hand" >&2
# shellcheck disable=SC2086  # a list of names
if ! $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends $missing < /dev/null; then
  echo "setup: apt-get could not install all of:$missing" >&2
  echo "setup: these have no candidate here, so they must come from elsewhere:" >&2
  for package in $missing; do
    apt-cache show "$package" > /dev/null 2>&1 || echo "  $package" >&2
  done
  exit 1
fi
