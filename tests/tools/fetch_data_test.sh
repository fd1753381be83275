#!/usr/bin/env bash
# tools/fetch_data.sh with a mirror: it copies what is right, and leaves nothing of what is not.
set -euo pipefail

tools=$PWD/tools
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/fetch.XXXXXX")

expect() {
  echo "expecting: $*"
  "$@" || { echo "FAILED: $*"; exit 1; }
}
files_under() { find "$1" -type f | wc -l; }
fetch() { EQUIPOISE_DATA_MIRROR=$work/mirror "$work/tools/fetch_data.sh" --dir "$work/data" "$@"; }

# A mirror of two small files, with a list of its own.
mkdir -p "$work/tools" "$work/mirror/sentiment/goemotions" "$work/mirror/ner/btc"
cp "$tools/fetch_data.sh" "$work/tools"
echo one > "$work/mirror/sentiment/goemotions/dev.tsv"
echo two > "$work/mirror/ner/btc/a.conll"
(cd "$work/mirror" && sha256sum sentiment/goemotions/dev.tsv ner/btc/a.conll > "$work/tools/data.sha256")

# One data set, then all, then nothing left to do.
expect test "$(fetch)" = "fetch_data: sentiment/goemotions/dev.tsv"
expect cmp "$work/mirror/sentiment/goemotions/dev.tsv" "$work/data/sentiment/goemotions/dev.tsv"
expect test "$(files_under "$work/data")" -eq 1
expect test "$(fetch all)" = "fetch_data: ner/btc/a.conll"
expect test -z "$(fetch all)"

# A file here that was changed is fetched anew.
echo changed > "$work/data/ner/btc/a.conll"
expect test "$(fetch ner)" = "fetch_data: ner/btc/a.conll"

# The encoder is brought only by its name; a mirror may have it.
mkdir -p "$work/mirror/encoder/small"
echo three > "$work/mirror/encoder/small/vocab.txt"
(cd "$work/mirror" && sha256sum encoder/small/vocab.txt >> "$work/tools/data.sha256")
expect test -z "$(fetch all)"
expect test "$(fetch encoder)" = "fetch_data: encoder/small/vocab.txt"

# A mirror whose file was changed: an error that names it, and neither the file nor a part of it.
rm -r "$work/data"
echo changed > "$work/mirror/ner/btc/a.conll"
if message=$(fetch ner 2>&1); then expect false; fi
expect grep -q "$work/mirror/ner/btc/a.conll: its checksum differs" <<< "$message"
expect test "$(files_under "$work/data")" -eq 0

# A mirror without the file.
rm "$work/mirror/ner/btc/a.conll"
if message=$(fetch ner 2>&1); then expect false; fi
expect grep -q "$work/mirror/ner/btc/a.conll: cannot be read" <<< "$message"
expect test "$(files_under "$work/data")" -eq 0

# Wrong arguments.
for arguments in "nothing" "--dir"; do
  status=0
  # shellcheck disable=SC2086  # several arguments
  "$work/tools/fetch_data.sh" $arguments 2> "$work/usage" || status=$?
  expect test "$status" -eq 2
  expect grep -q "usage:" "$work/usage"
done

# The list that is shipped has a checksum and a path per line.
expect test "$(grep -cvE '^[0-9a-f]{64}  (sentiment|ner|qa|encoder)/[a-zA-Z0-9_-]+/[^ /]+$' "$tools/data.sha256")" -eq 0
