#!/usr/bin/env bash
# The demo as its user runs it: flags, files, exit codes.
set -uo pipefail

encoder=$PWD/tests/golden/encoder
# shellcheck source=demos/common/demo_test.sh
. demos/common/demo_test.sh

# Without data: invented languages, said in the first line; a report; a model.
whole=yes expect 0 out '^\| (\*\*)?none_tau ' --strategy=none,none_tau,weights --seeds=2 --epochs=2 --report=report \
  --save=model
head -n 1 out | grep -q '^No data: questions with four types of answers' || fail "first line: $(head -n 1 out)"
grep -qE '^About .* for 22 runs' out || fail "no announcement: $(cat out)"
grep -q 'seed 1, rate [0-9.]*: epoch' err || fail "no line for the second seed: $(cat err)"
head -n 1 report/results.csv | grep -qx 'strategy,seed,split,metric,label,value' || fail "header of results.csv"
for strategy in none none_tau weights; do
  for metric in accuracy macro_f1 language_f1 worst_language_f1 ece_raw seconds; do
    grep -qE "^$strategy,1,test,$metric,,[0-9.e-]+$" report/results.csv || fail "$strategy $metric"
  done
  grep -qE "^$strategy,0,test,f1,yes_no,[0-9.e-]+$" report/results.csv || fail "$strategy F1 of yes_no"
  grep -qE "^$strategy,0,validation,macro_f1,lang=xf,[0-9.e-]+$" report/results.csv || fail "$strategy of a language"
done
grep -q '^| class ' report/summary.md || fail "summary.md has no table of classes"
grep -q '^| language ' report/summary.md || fail "summary.md has no table of languages"
grep -q '^Over seeds' report/summary.md || fail "summary.md has no intervals over seeds"
if command -v gnuplot > note; then
  for picture in classes languages mixes weights language_scores class_scores confusion reliability; do
    [ -s "report/$picture.png" ] || fail "no $picture.png: $(ls report)"
  done
fi

# The same seeds give the same figures.
grep -v seconds report/results.csv > first
run --strategy=none,none_tau,weights --seeds=2 --epochs=2 --report=again
grep -v seconds again/results.csv | cmp -s - first || fail "a second run gives other figures"

# The model, loaded: a prediction, or its figures on test.
whole=yes expect 0 out '^ +[0-9.]+ %  number_date \*$' --load=model --predict='when did river church?'
expect 0 out '^"Bushe"$' --load=model --predict='{"question": "Bushe", "translation": "is it?"}'
whole=yes expect 0 out '^macro_f1 \.[0-9]+$' --load=model
printf '{"question": "a", "translation": "how many?"}\n\n{"question": "b"}\n' > lines
input=lines expect 0 out '^\{"question":"b","answer_type":"' --load=model --predict=-
[ "$(wc -l < out)" -eq 2 ] || fail "two lines expected: $(cat out)"
printf '{"question": "a"}\n{"question"\n' > lines
input=lines expect 2 err '^standard input:2: not JSON' --load=model --predict=-
[ -s out ] && fail "something was printed: $(cat out)"
expect 2 err '^--predict:0: key .question. not found$' --load=model --predict='{"text": "x"}'
expect 2 err '^--task: cannot be combined with --load, whose file determines it' --load=model --task=sentence_selection
expect 2 err '^--data: cannot be combined with --load and --predict, which read no data' --load=model --data=. --predict='is it?'
expect 2 err '^--flaws: cannot be combined with --load and --predict, which read no data' --load=model --flaws=skip --predict='is it?'
expect 2 err '^--predict: byte 5 is not UTF-8$' --load=model --predict=$'is i\xff'
expect 2 err '^--report: cannot be combined with --load' --load=model --report=unwritten
expect 2 err '^--seeds: cannot be combined with --load' --load=model --seeds=3
expect 2 err '^--distributed: cannot be combined with --predict; use --save first' --backend=libtorch --distributed --strategy=none \
  --predict='is it?'
head -c 1000 model > part
expect 2 err '/?part:0: not a model that --save has written, or damaged' --load=part --predict=hello
expect 2 err 'nothing:0: cannot be read' --load=nothing --predict=hello

# The other task.
selection=(--task=sentence_selection)
expect 0 out '^\| (\*\*)?uniform ' "${selection[@]}" --strategy=none,uniform --seeds=1 --epochs=3 --report=second \
  --save=selector
head -n 1 out | grep -q '^No data: texts with questions' || fail "first line: $(head -n 1 out)"
for metric in positive_f1 mrr average_precision worst_language_f1; do
  grep -qE "^uniform,0,test,$metric,,[0-9.e-]+$" second/results.csv || fail "uniform $metric"
done
grep -qE "^none,0,test,f1,positive,[0-9.e-]+$" second/results.csv || fail "F1 of positives"
grep -qE "^none,0,test,mrr,lang=xe,[0-9.e-]+$" second/results.csv || fail "mrr of a language"
asked='{"question": "When was it built?", "context": "A bridge. It was built in 1905."}'
expect 0 out '^ +[0-9.]+ %  It was built in 1905\.( \*)?$' --load=selector --predict="$asked"
echo "$asked" > lines
input=lines expect 0 out '"sentences":\[\{"text":"[^"]+","probability":[0-9.e-]+,"is_answer":' --load=selector --predict=-
expect 2 err '^--predict: expected a JSON object with question and context' --load=selector --predict='When?'
expect 0 out '^mrr \.[0-9]+$' --load=selector

# A log of one training; another figure chooses its epoch.
expect 0 out '^\| \*\*rake ' "${selection[@]}" --strategy=rake --seeds=1 --epochs=2 --monitor=mrr --log=log.csv
grep -q '^epoch,steps,rate,loss,positive_f1,.*,mrr,' log.csv || fail "header of the log: $(head -n 1 log.csv)"
[ "$(wc -l < log.csv)" -eq 3 ] || fail "two epochs expected: $(cat log.csv)"

# Flags that are wrong: what is accepted, and exit code 2.
expect 2 err 'there is no flag .--stratgy.; accepted flags:' --stratgy=none
expect 2 err 'no strategy .smote., expected none, none_tau, weights' --strategy=smote
expect 2 err 'no strategy .none_tau., expected none, weights' "${selection[@]}" --strategy=none_tau
expect 2 err '^--task=all: expected one of answer_type, sentence_selection' --task=all
expect 2 err '^--flaws=keep: expected one of repair, skip, refuse' "${selection[@]}" --flaws=keep
expect 2 err '^--seeds=0: expected a number from 1' --seeds=0
expect 2 err '^--device: needs --backend=libtorch' --device=cuda
expect 2 err '^--monitor=f2: expected one of accuracy, macro_f1' --strategy=none --seeds=1 --epochs=1 --monitor=f2
expect 2 err 'there is no directory nowhere' --save=nowhere/model
whole=yes expect 0 out '^  --flaws: ' --help

# Before anything is trained.
for task in answer_type sentence_selection; do
  expect 2 err '^--predict:1: not JSON' --task=$task --predict='{"question": "Who'
  [ -s out ] && fail "something was trained for a question that cannot be read"
done
expect 2 err '^--predict: byte 1 is not UTF-8$' --predict=$'\xc3'
[ -s out ] && fail "something was trained for a question that is not UTF-8"
expect 2 err '^--predict: expected a JSON object with question and context' "${selection[@]}" --predict='When?'
expect 2 err '^--predict:0: key .context. not found$' "${selection[@]}" --predict='{"question": "When?"}'

# Data that are wrong: FILE:LINE: reason, exit code 2, nothing written.
broken() { # broken PATTERN ARGUMENTS...
  local pattern=$1
  shift
  expect 2 err "$pattern" "$@" --data=data --strategy=none --seeds=1 --report=unwritten --save=unwritten.model
  if [ -e unwritten ] || [ -e unwritten.model ]; then fail "something was written: $pattern"; fi
}
row() { # row QUESTION ANSWER
  printf '{"lang": "hau", "question": "%s", "translated_question": "%s", "translated_answer": "%s"}\n' "$1" "$1" "$2"
}
questions() {
  rm -rf data
  mkdir data
  for part in train dev test; do
    for i in 1 2 3 4 5 6; do
      row "who $part $i" "['Lagos']"
      row "why $part $i" "[]"
      row "when $part $i" "['1960']"
      row "is $part $i" "['yes']"
    done > data/queries.afriqa.hau.en.$part.json
  done
}
questions
expect 0 out '^\| \*\*none' --data=data --strategy=none --seeds=1
head -n 1 out | grep -q '^data: 19 training, 5 validation' || fail "first line: $(head -n 1 out)"
rm -r data
broken '^data:0: there is no directory of this name'
mkdir data
broken '^data:0: there is no file queries\.afriqa'
questions
echo '{"lang": "hau"' >> data/queries.afriqa.hau.en.dev.json
broken '^data/queries.afriqa.hau.en.dev.json:25: not JSON'
expect 0 out '; 1 damaged lines, the first data/queries.afriqa.hau.en.dev.json:25: not JSON' \
  --data=data --strategy=none --seeds=1 --flaws=skip
questions
echo '{"lang": "hau", "question": "who", "translated_answer": "[]"}' >> data/queries.afriqa.hau.en.train.json
broken "^data/queries.afriqa.hau.en.train.json:25: key 'translated_question' not found"

texts() { # texts START
  rm -rf data
  mkdir -p data/mlqa
  for i in $(seq 20); do
    printf '{"context": "Text %d ends. There it is.", "qas": [{"id": "%d", "question": "What is %d?",' "$i" "$i" "$i"
    printf ' "answers": [{"text": "There", "answer_start": %d}]}]}\n' "$(($1 + ${#i}))"
  done | paste -sd, > paragraphs
  printf '{"data": [{"paragraphs": [%s]}]}\n' "$(cat paragraphs)" > data/mlqa/dev-context-sw-question-sw.json
}
# Files of one's own: a table of questions and labels.
{
  printf 'id\task\tkind\n'
  for ((i = 0; i < 60; ++i)); do
    printf '%d\twho was king %d?\tperson\n%d\twhich year was %d?\tdate\n' "$i" "$i" "$i" "$i"
    if ((i % 6 == 0)); then printf '%d\tis it so %d?\tyes or no\n' "$i" "$i"; fi
  done
} > own.tsv
own=(--train=own.tsv --question=ask --label=kind)
expect 0 out '^The same with the library:$' "${own[@]}" --seeds=1 --epochs=2 --save=own_model
grep -q '^own.tsv: [0-9]* training, 1[0-9] validation (a tenth of own.tsv, stratified) and 2[0-9] test' out ||
  fail "what was split off: $(head -n 1 out)"
grep -qE '^\| yes or no +\| +[0-9]+ \|' out || fail "no class list: $(cat out)"
grep -q '^What to take from it: --strategy=' out || fail "no advice: $(cat out)"
grep -qi 'mix_0.3\|by language' out && fail "languages where there are none: $(cat out)"
expect 0 out '^ +[0-9.]+ %  date \*$' --load=own_model --predict='which year?'
expect 0 out '^macro_f1 ' --load=own_model "${own[@]}"
expect 0 out '^own.tsv: 130 questions\.$' --load=own_model --test=own.tsv --question=ask --label=kind
expect 2 err '^--question=question: no column of own.tsv has this name; its first row is id | ask' --train=own.tsv
expect 2 err '^--task: own.tsv is a table, which is only for answer_type$' "${own[@]}" "${selection[@]}"
expect 2 err '^--flaws: applies to SQuAD files, but own.tsv is a table$' "${own[@]}" --flaws=skip
expect 2 err '^--data: cannot be combined with your own files$' "${own[@]}" --data=.
expect 2 err '^--label: needs --train$' --label=kind
expect 2 err '^--dev: needs --train$' --dev=own.tsv
expect 2 err '^own.tsv:0: this is a table, but texts.json is a SQuAD file$' --train=texts.json --test=own.tsv
expect 2 err '^--load: the model is for sentence_selection, the files are for answer_type$' --load=selector --test=own.tsv
printf 'ask\tkind\nwho\tperson\nwhom\tperson\n' > one.tsv
expect 2 err "^one.tsv:0: expected at least two labels, found 'person' alone$" --train=one.tsv --question=ask --label=kind

texts 12
expect 0 out '20 questions on 20 texts, 40 pairs' "${selection[@]}" --data=data --strategy=none --seeds=1 --flaws=refuse
expect 2 err '^--load: the model is for the languages xa, xb, xc, xd, xe, the data are in sw; ' --load=selector --data=data
cp data/mlqa/dev-context-sw-question-sw.json mine
expect 0 out '^No text is in two parts: 14 training, 2 validation and 4 test questions\.' --train=mine --strategy=none --seeds=1 \
  --save=mine_model
expect 0 out '^mrr ' --load=mine_model --test=mine
expect 2 err '^--task: mine is a SQuAD file, which is only for sentence_selection$' --train=mine --task=answer_type
expect 2 err '^--label: applies to tables, but mine is a SQuAD file$' --train=mine --label=kind

# A pretrained encoder, a very small one, that reads pairs: trained, saved, loaded.
pairs=(--backend=libtorch --train=mine --encoder="$encoder" --most_pieces=24 --seeds=1 --epochs=1)
run "${pairs[@]}" --strategy=none
if ! grep -q 'built without LibTorch' err; then
  expect 0 out '^Model: an encoder with a linear head, softmax on question and sentence as a pair' "${pairs[@]}" \
    --strategy=none,weights_0.5 --save=encoded.model --report=encoded
  best=$(sed -n 's/^Model of strategy \(.*\): .*/\1/p' out)
  figure=$(grep "^$best,0,test,positive_f1,," encoded/results.csv)
  expect 0 out "^positive_f1 $(printf '%.3f' "${figure##*,}" | sed 's/^0//')$" --backend=libtorch --load=encoded.model \
    --train=mine
  expect 0 out '^ +[0-9.]+ %' --backend=libtorch --load=encoded.model \
    --predict='{"question": "Where?", "context": "Here it is. There it was."}' --export_encoder=tuned
  [ -s tuned/model.safetensors ] || fail "no encoder was exported"
  expect 2 err '^--encoder: is only for sentence_selection' --backend=libtorch --encoder="$encoder"
fi
texts 5
expect 0 out '; 20 answers moved to where they stand, the first data/mlqa/dev-context-sw-question-sw.json:0: data' \
  "${selection[@]}" --data=data --strategy=none --seeds=1
broken '^data/mlqa/dev-context-sw-question-sw.json:0: data\[0\]\.paragraphs\[0\]\.qas\[0\]\.answers\[0\]: ' \
  "${selection[@]}" --flaws=refuse
texts 500
broken 'answer_start: 501 is beyond the context' "${selection[@]}" --flaws=refuse
expect 0 out '; 20 answers moved to where they stand, the first data/mlqa/dev-context-sw-question-sw.json:0: data' \
  "${selection[@]}" --data=data --strategy=none --seeds=1
texts 12
expect 0 out '^Model of strategy none: ' "${selection[@]}" --data=data --strategy=none --seeds=1 --save=swahili
expect 0 out '^mrr ' --load=swahili --data=data
sed -i 's/There it is\./There it is. Now./g' data/mlqa/dev-context-sw-question-sw.json
expect 2 err '^--load: the model was tested on 4 questions, 8 rows, digest [0-9a-f]+; the test part of the data has 4' \
  --load=swahili --data=data
sed -i 's/"id": "7"/"id": "6"/' data/mlqa/dev-context-sw-question-sw.json
broken 'qas\[0\]\.id: an earlier question has the same id$' "${selection[@]}" --flaws=refuse
expect 0 out '; 1 questions with the id of another, the first data' "${selection[@]}" --data=data --strategy=none --seeds=1
texts 12
head -c 500 data/mlqa/dev-context-sw-question-sw.json > shortened
mv shortened data/mlqa/dev-context-sw-question-sw.json
broken '^data/mlqa/dev-context-sw-question-sw.json:1: not JSON' "${selection[@]}"
cp data/mlqa/dev-context-sw-question-sw.json cut
texts 12
mv cut data/mlqa/dev-context-hi-question-hi.json
broken '^data/mlqa/dev-context-hi-question-hi.json:1: not JSON' "${selection[@]}"
expect 0 out '; 1 damaged files left out, the first data/mlqa/dev-context-hi-question-hi.json:1: not JSON' \
  "${selection[@]}" --data=data --strategy=none --seeds=1 --flaws=skip
texts 12
mv data/mlqa/dev-context-sw-question-sw.json data/mlqa/dev.json
broken '^data/mlqa/dev.json:0: the name says no language' "${selection[@]}"
rm -r data
broken '^data:0: there is no directory of this name' "${selection[@]}"
mkdir data
broken '^data:0: there is no file in the format of SQuAD' "${selection[@]}"
touch file
expect 2 err '^file:0: cannot be made a directory' --strategy=none --seeds=1 --report=file

finish
