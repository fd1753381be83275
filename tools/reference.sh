#!/usr/bin/env bash
# Makes the reference of the library as a folder of pages that a browser opens without a server, and checks it: every public
# symbol has a comment, no private one is listed, no link is dead.
#
#   tools/reference.sh [FOLDER]     by default build/reference
#
# What the checks find is printed, and the exit code is then 1; the pages are made all the same. Needs doxygen and
# python3-markdown (tools/setup.sh develop installs them). PYTHON names the interpreter that has the latter.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/build/reference}
python=${PYTHON:-/usr/bin/python3}

for tool in doxygen "$python"; do
  if ! command -v "$tool" > /dev/null; then
    echo "reference: there is no $tool: tools/setup.sh develop" >&2
    exit 2
  fi
done
if ! "$python" -c "import markdown" 2> /dev/null; then
  echo "reference: $python has no module markdown: tools/setup.sh develop, or set PYTHON" >&2
  exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Pages of headers that are gone would stay. Nothing else is deleted.
if [ -e "$folder" ] && [ ! -e "$folder/search.js" ] && [ -n "$(ls -A "$folder")" ]; then
  echo "reference: $folder holds something else" >&2
  exit 2
fi
rm -rf "$folder"

status=0
(cd "$root" && { cat docs/reference/Doxyfile; echo "OUTPUT_DIRECTORY = \"$work\""; } | doxygen -) > "$work/log" 2>&1
if grep -vE '^ *$|graph for .* not generated, too many nodes' "$work/log"; then status=1; fi
"$python" "$root/docs/reference/make_site.py" --root="$root" --xml="$work/xml" --output="$folder" || status=1
"$python" "$root/docs/reference/check_site.py" "$folder" || status=1
echo "reference: $folder/index.html"
exit "$status"
