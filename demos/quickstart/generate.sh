#!/usr/bin/env bash
# Small files for the quick starts, for a first look without data: the same on every machine.
#
#   demos/quickstart/generate.sh DIRECTORY
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: generate.sh DIRECTORY" >&2; exit 2; }
mkdir -p "$1"

# A generator whose numbers any awk holds exactly: Park and Miller's.
readonly DRAW='
  function draw(n) { state = (state * 16807) % 2147483647; return state % n }
  function word(words, count) { count = split(words, list, " "); return list[draw(count) + 1] }
  BEGIN { state = seed; fillers = "the a this that was is people really and time just they with what" }'

texts() { # SEED ROWS
  awk -v seed="$1" -v rows="$2" "$DRAW"'
    BEGIN {
      names = "neutral joy fear grief"
      signs[1] = "report street table number"
      signs[2] = "happy smile delighted sunshine"
      signs[3] = "scared afraid panic horror"
      signs[4] = "mourning funeral loss miss"
      split(names, name, " ")
      for (i = 0; i < rows; ++i) {
        c = draw(100)
        c = c < 80 ? 1 : c < 93 ? 2 : c < 98 ? 3 : 4
        text = ""
        for (w = 6 + draw(6); w > 0; --w) {
          kind = draw(5)
          of = kind == 0 ? c : draw(30) == 0 ? draw(4) + 1 : 0
          text = text (text == "" ? "" : " ") (of ? word(signs[of]) : word(fillers))
        }
        print text "\t" name[c]
      }
    }'
}

sentences() { # SEED SENTENCES
  awk -v seed="$1" -v sentences="$2" "$DRAW"'
    BEGIN {
      for (i = 0; i < sentences; ++i) {
        for (w = 5 + draw(8); w > 0; --w) {
          kind = draw(30)
          names = "Austin Berlin Carla Georgia Jordan Sydney"
          if (kind < 4) print (draw(4) == 0 ? word(fillers) : word(kind < 2 ? "met told" : kind == 2 ? "in near" : "joined left")) " O"
          if (kind < 2) print word(names) " B-PER"
          if (kind == 1) print word("Meyer Novak Okoye") " I-PER"
          if (kind == 2) print word(names) " B-LOC"
          if (kind == 3) print word(names) (draw(3) == 0 ? " B-ORG" : " O")
          if (kind > 3) print word(fillers) " O"
        }
        print ""
      }
    }'
}

questions() { # SEED ROWS
  awk -v seed="$1" -v rows="$2" "$DRAW"'
    BEGIN {
      for (i = 0; i < rows; ++i) {
        lang = draw(10)
        lang = lang < 7 ? "en" : lang < 9 ? "sw" : "yo"
        kind = draw(20)
        kind = kind < 11 ? 1 : kind < 16 ? 2 : kind < 19 ? 3 : 4
        ask[1] = lang == "en" ? "who made" : lang == "sw" ? "nani aliunda" : "tani se"
        ask[2] = lang == "en" ? "why not" : lang == "sw" ? "kwa nini" : "kilode"
        ask[3] = lang == "en" ? "how many" : lang == "sw" ? "ngapi" : "melo"
        ask[4] = lang == "en" ? "is it true" : lang == "sw" ? "je kweli" : "se otito"
        answer[1] = "the king"; answer[2] = ""; answer[3] = 1 + draw(90); answer[4] = draw(2) ? "yes" : "no"
        sign = draw(8) == 0 ? draw(4) + 1 : kind
        printf "{\"question\": \"%s %s %s?\", \"lang\": \"%s\", \"translated_answer\": \"[%s]\"}\n", \
          ask[sign], word(fillers), word("river king moon city tree"), lang, \
          answer[kind] == "" ? "" : "\047" answer[kind] "\047"
      }
    }'
}

seed=1
for part in train:2000 dev:500 test:500; do
  name=${part%:*} rows=${part#*:}
  texts "$((seed++))" "$rows" > "$1/$name.tsv"
  sentences "$((seed++))" "$((rows / 2))" > "$1/$name.conll"
  questions "$((seed++))" "$rows" > "$1/$name.jsonl"
done
