#!/usr/bin/env bash
# Brings the data sets of the demos, checked against tools/data.sha256.
#
#   tools/fetch_data.sh [--dir DIR] [sentiment|ner|qa|all]     default: sentiment, into data/
#
# They come from their public homes; with EQUIPOISE_DATA_MIRROR=DIR they are copied from a folder that is
# laid out as the list is. A file is moved to its place once its checksum is right, not before. Licences:
# GoEmotions, WNUT-17, BTC, AfriQA CC BY 4.0; MLQA CC BY-SA 3.0; TyDi QA Apache-2.0.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
dir=$here/../data
wanted=sentiment
usage() {
  echo "usage: $0 [--dir DIR] [sentiment|ner|qa|all]" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case "$1" in
    --dir)
      [ $# -ge 2 ] || usage
      dir=$2
      shift
      ;;
    sentiment | ner | qa | all) wanted=$1 ;;
    *) usage ;;
  esac
  shift
done
[ "$wanted" = all ] && wanted=""

# The public address of a file of the list.
address() {
  local host=https://raw.githubusercontent.com name=${1##*/} language
  case "$1" in
    sentiment/goemotions/*)
      echo "$host/monologg/GoEmotions-pytorch/b75f9d3a8b76bc1060687925b04ca98a1b8ea66b/data/original/$name" ;;
    ner/wnut17/*)
      echo "$host/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603/$name" ;;
    ner/btc/*)
      echo "$host/GateNLP/broad_twitter_corpus/0c45ef7b1924a6b8115bceab388781590b1b553a/$name" ;;
    qa/afriqa/*)
      language=$(echo "$name" | cut -d. -f3)
      echo "$host/masakhane-io/afriqa/5c29933753692c28773c34ac1f68482007f1d2bb/data/queries/$language/$name" ;;
    qa/mlqa/*)
      echo "$host/wuhjie/few_shots_that_matters_wu/6bfe6324e428ec21a777b5543cd8e50ec82dcb3c/data/mlqa/MLQA_V1/dev/$name" ;;
    qa/tydiqa_goldp/*)
      echo "$host/wuhjie/few_shots_that_matters_wu/6bfe6324e428ec21a777b5543cd8e50ec82dcb3c/data/tydiqa/tydiqa-goldp-v1.1-train/$name" ;;
  esac
}

right() { [ -f "$2" ] && [ "$(sha256sum < "$2" | cut -d' ' -f1)" = "$1" ]; }

while read -r sum path; do
  case "$path" in "$wanted"*) ;; *) continue ;; esac
  file=$dir/$path
  if right "$sum" "$file"; then continue; fi
  mkdir -p "$(dirname "$file")"
  new=$file.part
  if [ -n "${EQUIPOISE_DATA_MIRROR:-}" ]; then
    cp "$EQUIPOISE_DATA_MIRROR/$path" "$new"
  else
    curl --fail --silent --show-error --location --output "$new" "$(address "$path")"
  fi
  if ! right "$sum" "$new"; then
    rm -f "$new"
    echo "fetch_data: $path: the checksum is not the one in tools/data.sha256" >&2
    exit 1
  fi
  chmod u+w "$new"
  mv "$new" "$file"
  echo "fetch_data: $path"
done < "$here/data.sha256"
