#!/usr/bin/env bash
# A program prints what the document that holds it shows.
#
#   document_test.sh PROGRAM DOCUMENT
set -euo pipefail

shown=$(awk '/^```/ {output = !output && $0 == "```text"; next} output' "$2")
printed=$("$1")
if [ -z "$shown" ] || [ "$printed" != "$shown" ]; then
  echo "$2 shows (<) and its program prints (>):"
  diff <(echo "$shown") <(echo "$printed")
  exit 1
fi
