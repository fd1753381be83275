#!/usr/bin/env bash
# Makes the tables and pictures of the documentation's demo pages again, on real data.
#
#   tools/reproduce.sh [--data=DIR] [--into=DIR] [--results=DIR] [--pictures=DIR] [NAME ...]
#   tools/reproduce.sh --list
#
# Each NAME below is a command of a demo; without names all of them run, one after the other. What one prints
# is in INTO/NAME.txt, its report (summary.md, results.csv, pictures) in INTO/NAME. INTO is by default
# build/tables, DATA data/, where tools/fetch_data.sh all puts them. With --results each summary is written as
# NAME.md, under the command it is of: docs/results is made so. With --pictures those that the pages show are copied, as
# NAME-PICTURE.png.
set -euo pipefail

workspace=$(cd "$(dirname "$0")/.." && pwd)
data=$workspace/data
into=$workspace/build/tables
results=""
pictures=""

# Name, demo, and its arguments, {} being the data.
readonly TABLES="
sentiment-28          sentiment --data={}/sentiment/goemotions
sentiment-28-libtorch sentiment --data={}/sentiment/goemotions --backend=libtorch
sentiment-28-hidden   sentiment --data={}/sentiment/goemotions --backend=libtorch --hidden=128 --strategy=none,none_tau,weights_0.5,sampler_0.5,logit_adjustment_0.5
sentiment-polarity    sentiment --data={}/sentiment/goemotions --labels=polarity
sentiment-multilabel  sentiment --data={}/sentiment/goemotions --labels=multilabel
ner-btc               ner --data={}/ner --backend=libtorch
ner-btc-linear        ner --data={}/ner
ner-wnut17-linear     ner --data={}/ner --corpus=wnut17
qa-answer-type        qa --data={}/qa --task=answer_type
qa-sentences          qa --data={}/qa --task=sentence_selection
"

# The pictures that the pages show.
readonly SHOWN="
sentiment-28/counts sentiment-28/recall sentiment-28/precision_recall sentiment-28/reliability sentiment-28/confusion
ner-btc-linear/counts ner-btc-linear/f1 ner-btc-linear/shift ner-btc-linear/reliability
qa-answer-type/class_scores qa-answer-type/language_scores qa-answer-type/confusion qa-answer-type/reliability
qa-sentences/mixes qa-sentences/language_scores qa-sentences/reliability
"

usage() {
  echo "usage: tools/reproduce.sh [--data=DIR] [--into=DIR] [--results=DIR] [--pictures=DIR] [--list] [NAME ...]" >&2
  exit 2
}

# The demo and the arguments of a table; nothing for an unknown one.
command_of() { awk -v name="$1" '$1 == name { $1 = ""; print substr($0, 2) }' <<< "$TABLES"; }

names=()
for argument in "$@"; do
  case $argument in
    --data=*) data=$(realpath -m "${argument#*=}") ;;
    --into=*) into=$(realpath -m "${argument#*=}") ;;
    --results=*) results=$(realpath -m "${argument#*=}") ;;
    --pictures=*) pictures=$(realpath -m "${argument#*=}") ;;
    --list)
      sed '/^$/d; s/{}/data/' <<< "$TABLES"
      exit 0
      ;;
    -*) usage ;;
    *)
      [ -n "$(command_of "$argument")" ] || {
        echo "reproduce: no table $argument; --list has them" >&2
        exit 2
      }
      names+=("$argument")
      ;;
  esac
done
[ ${#names[@]} -gt 0 ] || mapfile -t names < <(awk 'NF { print $1 }' <<< "$TABLES")
[ -d "$data" ] || {
  echo "reproduce: no data in $data: tools/fetch_data.sh all" >&2
  exit 2
}

cd "$workspace"
mkdir -p "$into"
demos=$(for name in "${names[@]}"; do command_of "$name" | cut -d' ' -f1; done | sort -u)
for demo in $demos; do bazel build -c opt "//demos/$demo"; done

for name in "${names[@]}"; do
  read -r -a arguments <<< "$(command_of "$name")"
  demo=${arguments[0]}
  arguments=("${arguments[@]:1}")
  arguments=("${arguments[@]/\{\}/"$data"}")
  printf '\n== %s: %s %s\n' "$name" "$demo" "${arguments[*]}"
  "bazel-bin/demos/$demo/$demo" "${arguments[@]}" --report="$into/$name" | tee "$into/$name.txt"
done

if [ -n "$results" ]; then
  mkdir -p "$results"
  for name in "${names[@]}"; do
    {
      command=$(command_of "$name")
      command=${command/\{\}/data}
      printf '# %s\n\n    bazel run -c opt //demos/%s -- %s\n\n' "$name" "${command%% *}" "${command#* }"
      sed "s|$data|data|g" "$into/$name/summary.md"
    } > "$results/$name.md"
  done
fi
if [ -n "$pictures" ]; then
  mkdir -p "$pictures"
  for shown in $SHOWN; do
    if [ -e "$into/$shown.png" ]; then cp "$into/$shown.png" "$pictures/${shown//\//-}.png"; fi
  done
fi
