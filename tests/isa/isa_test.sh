#!/usr/bin/env bash
# A program may link files compiled for different processors. The kernels' baseline entries must then hold no
# wider registers than the baseline has, whichever file the linker takes first.
#
#   isa_test.sh PROGRAM...
set -euo pipefail

for program in "$@"; do
  "$program"
  wide=$(objdump -d --no-show-raw-insn -C "$program" | awk '
    /^[0-9a-f]+ </ { entry = /isa_baseline::[a-z_]*_baseline</; if (entry) entries++ }
    entry && /%[yz]mm/ { wide++ }
    END { if (!entries) print "no baseline entry was found"; else if (wide) print wide " instructions" }')
  if [ -n "$wide" ]; then
    echo "$program: wide registers in baseline entries: $wide"
    exit 1
  fi
done
