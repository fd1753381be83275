#!/usr/bin/env bash
# The demo as its user runs it: flags, files, exit codes.
set -uo pipefail

encoder=$PWD/tests/golden/encoder
# shellcheck source=demos/common/demo_test.sh
. demos/common/demo_test.sh

# Without data: the synthetic corpus, said in the first line; a report; a model.
whole=yes expect 0 out '^\| (\*\*)?none_tau ' --strategy=none,none_tau,weights_0.5 --seeds=2 --epochs=2 \
  --report=report --save=model
head -n 1 out | grep -q '^No data: a small synthetic corpus' || fail "first line: $(head -n 1 out)"
grep -q 'seed 1, rate [0-9.]*: epoch' err || fail "no line for the second seed: $(cat err)"
head -n 1 report/results.csv | grep -qx 'strategy,seed,split,metric,label,value' || fail "header of results.csv"
for strategy in none none_tau weights_0.5; do
  for metric in accuracy macro_f1 balanced_accuracy rare_recall rare_precision seconds; do
    grep -qE "^$strategy,1,test,$metric,,[0-9.e-]+$" report/results.csv || fail "$strategy $metric"
  done
  grep -qE "^$strategy,0,test,recall,grief,[0-9.e-]+$" report/results.csv || fail "$strategy recall of grief"
done
grep -q '^| class ' report/summary.md || fail "summary.md has no table of classes"
grep -q '^About .* at most for 22 runs' out || fail "no word of how long it will take: $(cat out)"

# The same seeds give the same figures.
cut -d, -f1-6 report/results.csv | grep -v seconds > first
run --strategy=none,none_tau,weights_0.5 --seeds=2 --epochs=2 --report=again
grep -v seconds again/results.csv | cmp -s - first || fail "a second run gives other figures"

# The model, loaded: a prediction, or its figures on test.
whole=yes expect 0 out '^ +[0-9.]+ %  gratitude$' --load=model --predict='thanks thank grateful cheers'
whole=yes expect 0 out '^ +macro avg ' --load=model
expect 2 err '^--load: the model.s classes differ from those of the data' --load=model --labels=polarity
expect 2 err '^--strategy: cannot be combined with --load' --load=model --strategy=none
expect 2 err '^--report: cannot be combined with --load' --load=model --report=unwritten
printf '{"text": "thanks thank grateful cheers", "id": 7}\n\n{"text": ""}\n' > lines
input=lines expect 0 out '^\{"text":"thanks thank grateful cheers","label":"gratitude","probabilities":\{"gratitude":0[.]' \
  --load=model --predict=-
[ "$(wc -l < out)" -eq 2 ] || fail "two lines: $(cat out)"
printf '\r\n{"text": "thanks"}\r\n  \t\n{"text": "thanks"}\n \r\n' > lines
input=lines expect 0 out '^\{"text":"thanks","label":"gratitude"' --load=model --predict=-
[ "$(wc -l < out)" -eq 2 ] || fail "blank lines: $(cat out)"
printf ' \r\n\n' > lines
input=lines expect 2 err '^standard input:0: there is no JSON line$' --load=model --predict=-
printf '{"text": "thanks"}\n{"text": \n' > lines
input=lines expect 2 err '^standard input:2: ' --load=model --predict=-
printf '{"words": "thanks"}\n' > lines
input=lines expect 2 err '^standard input:1: ' --load=model --predict=-
printf '"thanks"\n' > lines
input=lines expect 2 err '^standard input:1: ' --load=model --predict=-
expect 2 err '^--distributed: cannot be combined with --predict; use --save first' --backend=libtorch --distributed --strategy=none \
  --predict=thanks
expect 2 err '^--seeds: cannot be combined with --load' --load=model --seeds=3
head -c 1000 model > part
expect 2 err '/?part:0: not a model that --save has written, or damaged' --load=part --predict=hello
expect 2 err 'nothing:0: cannot be read' --load=nothing --predict=hello

# Several labels a text: a report, a model, its probabilities with a mark where a label is predicted.
expect 0 out '^\| (\*\*)?distribution_balanced' --labels=multilabel --seeds=1 --epochs=2 --report=labels \
  --save=label_model --predict='thanks why grateful how thank curious'
head -n 2 out | grep -q '8 labels, of which a row has one or two' || fail "second line: $(sed -n 2p out)"
for strategy in none pos_weight pos_weight_0.5 focal asymmetric distribution_balanced; do
  for metric in macro_f1 micro_f1 macro_f1_shared micro_f1_half macro_average_precision seconds; do
    grep -qE "^$strategy,0,test,$metric,,[0-9.e-]+$" labels/results.csv || fail "$strategy $metric"
  done
  grep -qE "^$strategy,0,test,average_precision,grief,[0-9.e-]+$" labels/results.csv || fail "$strategy grief"
done
if command -v gnuplot > note; then
  for picture in labels/f1 labels/precision_recall report/recall report/precision_recall report/reliability \
    report/confusion; do
    [ -s "$picture.png" ] || fail "no $picture.png: $(ls labels report)"
  done
fi
grep -E '^ +[0-9.]+ %' out > predicted
for label in gratitude curiosity; do
  grep -qE "^ +[0-9.]+ %  $label \*$" predicted || fail "no $label: $(cat predicted)"
done
[ "$(grep -c '\*$' predicted)" -lt 5 ] || fail "every label is predicted: $(cat predicted)"

# The loaded model predicts what the trained one did, and has its figures on test.
run --load=label_model --predict='thanks why grateful how thank curious'
grep -E '^ +[0-9.]+ %' out | cmp -s - predicted || fail "the loaded model predicts: $(cat out)"
printf '{"text": "thanks why grateful how thank curious"}\n' > lines
input=lines expect 0 out '"labels":\["(gratitude|curiosity)",.*\],"probabilities":\{"(gratitude|curiosity)":0[.]' \
  --load=label_model --predict=-
expect 0 out '^macro-F1 0[.][0-9]{3}, micro-F1 0[.][0-9]{3}$' --load=label_model --labels=multilabel
strategy=$(sed -n 's/^Test rows, strategy \(.*\):$/\1/p' out)
for metric in macro_f1 micro_f1; do
  figure=$(sed -n "s/^$strategy,0,test,$metric,,//p" labels/results.csv)
  grep -q "$(printf '%.3f' "$figure")" out || fail "$metric is not $figure: $(tail -n 1 out)"
done
expect 2 err '^--load: the model.s classes differ from those of the data' --load=label_model
expect 2 err '^--load: the model.s classes differ from those of the data' --load=model --labels=multilabel
expect 2 err 'no strategy .weights., expected none, pos_weight, pos_weight_0.5' --labels=multilabel --strategy=weights

# Tables of one's own: columns by name, quoted texts, what is split off, a model, a text that may have several labels.
{
  echo 'id,comment,mood'
  for ((i = 0; i < 60; ++i)); do
    echo "$i,\"so glad, day $i\",\"glad\""
    echo "$i,sad and grim $i,sad"
    if ((i % 6 == 0)); then echo "$i,what odd thing $i,odd"; fi
  done
} > own.csv
own=(--train=own.csv --text=comment --label=mood --seeds=1 --epochs=3)
expect 0 out '^The same with the library:$' "${own[@]}" --strategy=none,weights --save=own_model
grep -q '^own.csv: [0-9]* training, 1[0-9] validation (a tenth of own.csv, stratified) and 2[0-9] test' out ||
  fail "what was split off: $(head -n 1 out)"
grep -q '^Read with a comma between columns, a header, quoted cells\.$' out || fail "the form: $(head -n 5 out)"
grep -qE '^\| odd +\| +[0-9]+ \|' out || fail "no class list: $(cat out)"
grep -q '^What to take from it: --strategy=' out || fail "no advice: $(cat out)"
expect 0 out '^ +[0-9.]+ %  odd$' --load=own_model --predict='what odd thing'
expect 0 out '^own.csv: 130 rows\.$' --load=own_model --test=own.csv --text=comment --label=mood
grep -q '^ *macro avg ' out || fail "no figures: $(cat out)"
expect 2 err '^--train: cannot be combined with --load' --load=own_model --train=own.csv --text=comment --label=mood
expect 2 err '^--label_separator: the model has one label' --load=own_model --test=own.csv --text=2 --label=3 --label_separator='|'
tail -n +2 own.csv | sed 's/,sad$/,sad|grim/' > several.csv
expect 0 out ' 4 labels, of which a row has any number' --train=several.csv --text=2 --label=3 --label_separator='|' \
  --strategy=none --seeds=1 --epochs=1
expect 2 err '^--label=moods: no column of .*; its first row is id | comment | mood' --train=own.csv --text=comment --label=moods
expect 2 err '^--text: needs --train' --text=comment
expect 2 err '^--labels: cannot be combined with your own files' "${own[@]}" --labels=fine
expect 2 err '^--separator=ab: expected a character, or tab' "${own[@]}" --separator=ab
echo '1,"what, no",nothing,more' >> own.csv
expect 2 err 'own.csv:[0-9]+: expected 3 columns as in line 1, found 4' "${own[@]}"

# A log of one training.
expect 0 out '^\| \*\*weights_0.5' --strategy=weights_0.5 --seeds=1 --epochs=3 --log=log.csv
grep -qx 'epoch,steps,rate,loss,accuracy,macro_f1,balanced_accuracy,rare_recall,rare_precision' log.csv ||
  fail "header of the log: $(head -n 1 log.csv)"
grep -qE '^2,192,13[.]3333333,[0-9.]+(,[0-9.]+){5}$' log.csv || fail "the second epoch: $(cat log.csv)"
expect 0 out '^\| \*\*focal' --labels=multilabel --strategy=focal --seeds=1 --epochs=2 --monitor=micro_f1 --log=log.csv
grep -q '^epoch,steps,rate,loss,macro_f1,micro_f1,' log.csv || fail "header of the log: $(head -n 1 log.csv)"
expect 2 err '^--monitor=f1: expected one of accuracy, macro_f1' --strategy=none --seeds=1 --monitor=f1

# A training that is killed goes on from its checkpoint as if nothing had happened. The log has a line for the first
# epoch when that is seen; many checkpoints hold the rest up.
killed_and_resumed() {
  local arguments=(--backend=libtorch --threads=1 --seeds=1 --epochs=3 --patience=3 "$@")
  rm -f log.csv killed.csv state
  run "${arguments[@]}" --log=log.csv --report=whole
  [ "$code" -eq 0 ] || fail "on LibTorch: $(cat err)"
  "$demo" "${arguments[@]}" --log=killed.csv --checkpoint=state --checkpoint_steps=2 > out 2> err &
  local process=$!
  for ((i = 0; i < 1200; ++i)); do
    [ -e killed.csv ] && break
    sleep 0.05
  done
  kill -9 $process || fail "it has ended before it was killed: $(cat err)"
  wait $process 2> note
  [ "$(wc -l < killed.csv)" -lt 4 ] || fail "all epochs were over: $(cat killed.csv)"
  expect 2 err 'state:0: this is the checkpoint of another training .*epochs 3.*' "${arguments[@]}" --epochs=4 \
    --checkpoint=state --resume
  run "${arguments[@]}" --log=killed.csv --report=resumed --checkpoint=state --resume
  [ "$code" -eq 0 ] || fail "going on: $(cat err)"
  cmp -s log.csv killed.csv || fail "the log is another one: $(cat log.csv killed.csv)"
  cmp -s <(grep -v seconds whole/results.csv) <(grep -v seconds resumed/results.csv) || fail "other figures: $*"
}
"$without_libtorch" --backend=libtorch --strategy=none --seeds=1 --epochs=1 > out 2> err
code=$?
[ "$code" -eq 2 ] || fail "exit code $code without LibTorch: $(cat err)"
grep -q '^--backend=libtorch: this program was built without LibTorch$' err || fail "without LibTorch: $(cat err)"
run --backend=libtorch --strategy=none --seeds=1 --epochs=1
if grep -q 'built without LibTorch' err; then
  [ "$code" -eq 2 ] || fail "exit code $code without LibTorch"
else
  killed_and_resumed --strategy=weights_0.5
  killed_and_resumed --labels=multilabel --strategy=focal --hidden=8 --clip=0.1 --micro_batches=2
  killed_and_resumed --strategy=weights_0.5 --encoder="$encoder" --most_pieces=12 --layer_decay=0.9 --rate=0.001

  # A pretrained encoder, a very small one.
  encoded=(--backend=libtorch --encoder="$encoder")
  expect 0 out '^Model: an encoder with a linear head, softmax on pieces of words, learning rate 0.001' "${encoded[@]}" \
    --strategy=none --seeds=1 --epochs=1 --rate=0.001 --most_pieces=16 --report=encoded --save=encoded.model
  figure=$(sed -n 's/^none,0,test,macro_f1,,//p' encoded/results.csv)
  expect 0 out "^ +macro avg .* $(printf '%.3f' "$figure") " --backend=libtorch --load=encoded.model
  expect 0 out '^Gain in macro-F1 over model .strategy [a-z_0-9.]+., paired bootstrap over test rows: [+-]' \
    --backend=libtorch --load=encoded.model --against=model
  expect 2 err '^--against: needs --load without --predict' --against=model
  # The encoder as trained, which training the head alone does not change.
  expect 0 out '' --backend=libtorch --load=encoded.model --export_encoder=tuned
  expect 0 out '' --backend=libtorch --encoder=tuned --freeze --strategy=none --seeds=1 --epochs=1 --most_pieces=16 \
    --export_encoder=again
  cmp tuned/model.safetensors again/model.safetensors || fail "a frozen encoder has changed"
  if cmp -s "$encoder/model.safetensors" tuned/model.safetensors; then fail "the encoder was not trained"; fi
  expect 2 err '^--export_encoder: the model has no encoder' --backend=libtorch --load=model --export_encoder=refused
  expect 2 err '^--export_encoder: needs --encoder or --load' --export_encoder=unwritten
  expect 2 err '^--export_encoder: this is the directory of --encoder' "${encoded[@]}" --export_encoder="$encoder"
  expect 2 err '^.*model:0: ' "${encoded[@]}" --export_encoder=model
  expect 0 out '^\| (\*\*)?crt' "${encoded[@]}" --strategy=none,ldam_drw,crt,smote --seeds=1 --epochs=1 --most_pieces=16 --freeze
  for label in a b; do for i in $(seq 40); do echo "text $label $i,$label"; done; done | sed '1i text,label' > even.csv
  expect 0 out '^\| (\*\*)?smote' --backend=libtorch --encoder="$encoder" --train=even.csv --freeze --most_pieces=16 \
    --strategy=none,smote --seeds=1 --epochs=1
  expect 0 out '^\| (\*\*)?crt' "${encoded[@]}" --strategy=crt --seeds=1 --epochs=1 --most_pieces=8 --rate=0.001 \
    --checkpoint=state.crt
  expect 0 out '^\| (\*\*)?crt' "${encoded[@]}" --strategy=crt --seeds=1 --epochs=1 --most_pieces=8 --rate=0.002 \
    --checkpoint=state.crt
  expect 2 err '^--layer_decay: cannot be combined with --freeze' "${encoded[@]}" --freeze --layer_decay=0.5
  expect 0 out '^ +[0-9.]+ %  neutral$' --backend=libtorch --load=encoded.model --predict='so so'
  whole=yes expect 2 err '^--load: this model has an encoder and needs --backend=libtorch' --load=encoded.model --predict=hm
  expect 2 err 'nowhere/vocab.txt:0: ' --backend=libtorch --encoder=nowhere --strategy=none
  expect 2 err '^--hidden: cannot be combined with --encoder' "${encoded[@]}" --hidden=8
  expect 2 err '^--most_pieces=41: this encoder reads 40 at most' "${encoded[@]}" --most_pieces=41 --report=unwritten
  expect 2 err '^--micro_batches=64: a batch of 32 cannot be divided' "${encoded[@]}" --most_pieces=40 --micro_batches=64 --report=unwritten
  expect 2 err '^--encoder: the model of --load has none' --backend=libtorch --load=model --encoder="$encoder" --predict=hm
fi

# Flags that are wrong: what is accepted, and exit code 2.
expect 2 err 'there is no flag .--stratgy.; accepted flags:' --stratgy=none
expect 2 err '^  --strategy: ' --stratgy=none
expect 2 err 'no strategy .smote., expected none, none_tau, weights' --strategy=smote
expect 2 err '^--backend=cuda: expected one of eigen, libtorch' --backend=cuda
expect 2 err '^--labels=all: expected one of fine, polarity, multilabel' --labels=all
expect 2 err '^--log: belongs to a single training run: needs one --strategy and --seeds=1' --log=unwritten.csv
expect 2 err '^--checkpoint: needs --backend=libtorch' --strategy=none --seeds=1 --checkpoint=unwritten
expect 2 err '^--resume: needs --checkpoint' --backend=libtorch --resume
expect 2 err '^--hidden: cannot be combined with --load' --backend=libtorch --load=model --hidden=8
expect 2 err '^--seeds=0: expected a number from 1' --seeds=0
expect 2 err '^--seeds=many: invalid value' --seeds=many
expect 2 err '^--rate=-1: expected a number from 0' --rate=-1
expect 2 err '^--hidden: needs --backend=libtorch' --hidden=8
expect 2 err '^--device: needs --backend=libtorch' --device=cuda
expect 2 err '^--encoder: needs --backend=libtorch' --encoder=nowhere
expect 2 err '^--layer_decay: needs --encoder' --layer_decay=0.5
expect 2 err "^unexpected argument 'none'" none
expect 2 err 'there is no directory nowhere' --save=nowhere/model
expect 2 err '^report:0: expected a file name' --save=report
whole=yes expect 0 out '^  --report: ' --help

# Data that are wrong: FILE:LINE: reason, exit code 2, nothing written.
corpus() {
  rm -rf corpus
  mkdir corpus
  printf 'joy\nanger\n' > corpus/labels.txt
  printf 'good day\t0\tx\nbad day\t1\ty\nfine day\t0\tz\n' > corpus/train.tsv
  printf 'a good one\t0\tx\na bad one\t1\ty\n' > corpus/dev.tsv
  printf 'the good one\t0\tx\nthe bad one\t1\ty\n' > corpus/test.tsv
}
broken() { # broken PATTERN
  expect 2 err "$1" --data=corpus --strategy=none --seeds=1 --report=unwritten --save=unwritten.model
  if [ -e unwritten ] || [ -e unwritten.model ]; then fail "something was written: $1"; fi
}
corpus
expect 0 out '^\| \*\*none' --data=corpus --strategy=none --seeds=1
rm -r corpus
broken 'corpus/labels.txt:0: there is no directory corpus$'
corpus
: > corpus/train.tsv
broken 'corpus/train.tsv:1: the file is empty$'
corpus
echo 'one column' >> corpus/train.tsv
broken 'corpus/train.tsv:4: expected three columns'
corpus
printf '\nI give it\t1\tstars\t2\tq1\n' >> corpus/train.tsv
broken 'corpus/train.tsv:5: expected three columns with tabs between .*, found 5$'
corpus
printf 'new\t2\tx\n' >> corpus/test.tsv
broken "corpus/test.tsv:3: unknown label '2', expected a number from 0 to 1"
corpus
printf 'caf\xe9\t1\tx\n' >> corpus/dev.tsv
broken 'corpus/dev.tsv:3: byte 4 of the line is not UTF-8$'
corpus
expect 0 out '^[|] .*pos_weight ' --data=corpus --labels=multilabel --strategy=none,pos_weight --seeds=1
printf 'a row\t0,1,0\tx\n' >> corpus/train.tsv
expect 2 err "corpus/train.tsv:4: label '0,1,0' occurs twice$" --data=corpus --labels=multilabel
touch file
expect 2 err '^file:0: cannot be made a directory' --data=corpus --strategy=none --report=file

finish
