#!/usr/bin/env bash
# The README's first example prints what the README says it prints.
#
#   readme_test.sh PROGRAM README
set -euo pipefail

said=$(sed -n 's/^prints `\([^`]*\)`.*/\1/p' "$2")
printed=$("$1")
if [ -z "$said" ] || [ "$printed" != "$said" ]; then
  echo "README: prints '$said'; the program printed '$printed'"
  exit 1
fi
