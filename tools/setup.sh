#!/usr/bin/env bash
# Installs from apt what is missing to build, run and test this project.
#
#   tools/setup.sh             for `bazel run` and `bazel test`
#   tools/setup.sh develop     and for developing: formatting, linting
#   tools/setup.sh --print     only prints what is missing; exit code 1 if anything is
#
# The packages stand in tools/packages-ROLE.txt, one per line; "optional:" after a name says what happens without it.
# Debian 12 and 13 have all that is required. Where a release lacks a required package the others are installed, the
# missing ones are named, and the exit code is 1. A second run finds nothing to do but for
# optional packages that the release lacks.
set -euo pipefail
cd "$(dirname "$0")"

roles=(run test)
print_only=false
for argument in "$@"; do
  case $argument in
    develop) roles+=(develop) ;;
    --print) print_only=true ;;
    *)
      echo "usage: tools/setup.sh [develop] [--print]" >&2
      exit 2
      ;;
  esac
done

say() { echo "setup: $*" >&2; }

# Name to what happens without the package; empty for what is required.
wanted=()
declare -A without
while read -r name mark advice; do
  wanted+=("$name")
  without[$name]=
  if [ "$mark" = optional: ]; then without[$name]=$advice; fi
done < <(for role in "${roles[@]}"; do grep -v -e '^#' -e '^$' "packages-$role.txt"; done)

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  say "this system has no apt. Install what these Debian packages contain:"
  printf '  %s\n' "${wanted[@]}" >&2
  exit 1
fi

# dpkg-query fails when it does not know a package; then it lists the others all the same.
installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2> /dev/null |
  sed -n 's/^installed //p' || true)
mapfile -t missing < <(printf '%s\n' "${wanted[@]}" | grep -vxF -e "$installed" || true)

if [ ${#missing[@]} -eq 0 ]; then
  say "nothing is missing"
  exit 0
fi
if $print_only; then
  printf '%s\n' "${missing[@]}"
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo > /dev/null; then
    say "installing needs root or sudo. As root, run:"
    echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

say "looking for ${missing[*]}"
if ! "${as_root[@]}" apt-get update --quiet=2 < /dev/null; then
  say "apt-get update failed; going on with the lists that are here"
fi

available=()
unavailable=()
for package in "${missing[@]}"; do
  if apt-cache show "$package" > /dev/null 2>&1; then
    available+=("$package")
  elif [ -n "${without[$package]}" ]; then
    say "apt has no $package here: ${without[$package]}"
  else
    unavailable+=("$package")
  fi
done
if [ ${#available[@]} -gt 0 ] &&
  ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --quiet --yes --no-install-recommends "${available[@]}" < /dev/null; then
  say "apt-get could not install: ${available[*]}"
  say "its messages are above; once that is mended, run this again, or: apt-get install ${available[*]}"
  exit 1
fi
if [ ${#unavailable[@]} -gt 0 ]; then
  say "apt has no package of these names here; install what they contain from elsewhere:"
  printf '  %s\n' "${unavailable[@]}" >&2
  exit 1
fi
