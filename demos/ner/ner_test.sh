#!/usr/bin/env bash
# The demo as its user runs it: flags, files, exit codes.
set -uo pipefail

# shellcheck source=demos/common/demo_test.sh
encoder=$PWD/tests/golden/encoder
. demos/common/demo_test.sh

# Without data: the synthetic corpus, said in the first line; a report; a model.
whole=yes expect 0 out '^\| (\*\*)?weights_0\.5' --strategy=none,none_tau,weights_0.5 --seeds=2 --epochs=2 \
  --report=report --save=model
head -n 1 out | grep -q '^No data: a small synthetic corpus' || fail "first line: $(head -n 1 out)"
grep -q '^About .* for 22 runs' out || fail "no word of how long it takes: $(cat out)"
head -n 1 report/results.csv | grep -qx 'strategy,seed,split,metric,label,value' || fail "header of results.csv"
for metric in token_macro_f1 entity_f1 entity_f1_conlleval seconds; do
  grep -qE "^none_tau,1,test,$metric,,[0-9.e-]+$" report/results.csv || fail "$metric"
done
grep -qE '^weights_0\.5,0,test,f1,ORG,[0-9.e-]+$' report/results.csv || fail "F1 of a type"
grep -q '^| PER ' report/summary.md || fail "summary.md"
if command -v gnuplot > /dev/null; then
  for picture in counts weights f1 shift reliability; do [ -s "report/$picture.png" ] || fail "$picture.png"; done
fi

# The model again: on the test sentences, on a text, on JSON lines.
whole=yes expect 0 out '^micro avg|^ *micro avg ' --load=model
expect 0 out '^accuracy: ' --load=model
whole=yes expect 0 out '^  PER  ?' --load=model --predict='i saw Annna'
printf '{"tokens": ["i", "saw", "Annna"]}\n\r\n  \t\n{"text": "with Benjamin said"}\r\n\n' > lines
input=lines expect 0 out '^\{"tags":\["O","O","B-PER"\],"tokens":\["i","saw","Annna"\]\}$' --load=model --predict=-
[ "$(wc -l < out)" -eq 2 ] || fail "a line for each: $(cat out)"
printf '{"tokens": [1]}\n' > lines
input=lines expect 2 err '^standard input:1: \(/tokens/0\) type must be string, but is number' --load=model --predict=-
head -c 100 model > part
expect 2 err '^.*part:0: not a model' --load=part

# Files of one's own: columns, flaws, types that training lacks.
printf 'Ann NNP B-PER\nleft VBD O\n\nin IN O\nRome NNP B-LOC\n' > train.conll
printf 'Bob NNP B-PER\nto TO O\nOslo NNP B-LOC\n' > dev.conll
cp dev.conll test.conll
files=(--train=train.conll --dev=dev.conll --test=test.conll --strategy=none --seeds=1)
expect 0 out '^2 training, 1 validation and 1 test sentences, 2 entity types\.$' "${files[@]}" --tag_column=3
expect 2 err '^.*train\.conll:1: ' "${files[@]}" --tag_column=2 --flaws=refuse
printf 'broken\n' >> train.conll
expect 2 err '^.*train\.conll:6: expected a tag .*; 1 of 5 rows .*--flaws=skip' "${files[@]}" --report=unwritten
expect 0 out '1 malformed row' "${files[@]}" --flaws=skip
expect 2 err '^.*train\.conll:6: ' "${files[@]}" --flaws=refuse --report=unwritten
[ ! -e unwritten ] || fail "something was written"
printf 'Acme NNP B-ORG\n' >> test.conll
expect 2 err '^.*test\.conll:4: ' "${files[@]}" --flaws=skip
expect 2 err '^--dev: a file is needed' --train=train.conll --test=test.conll
expect 2 err '^--train=train\.conll,: a name of a file is empty' "${files[@]}" --train=train.conll,

# The scheme of the tags, and which columns are read.
printf 'Ann\tS-PER\n\nin\tO\nOslo\tB-LOC\nCity\tE-LOC\n' > bioes.conll
files=(--train=bioes.conll --dev=bioes.conll --test=bioes.conll --strategy=none --seeds=1)
expect 0 out '6 sentences, 12 tokens; 3 files with tags converted to IOB2, the first .*bioes.conll:0: BIOES$' \
  "${files[@]}"
expect 2 err "^.*bioes\.conll:1: 'S-PER' in column 2 is not a tag of IOB2.*--scheme" "${files[@]}" --scheme=iob2
printf '# text = a B-52\n1\ta\tB:PER\n2\tb\tO\n3\tc\tO\n' > wrong.conll
files=(--train=wrong.conll --dev=wrong.conll --test=wrong.conll --strategy=none --seeds=1)
expect 2 err '^.*wrong\.conll:2: column 1.*--token_column' "${files[@]}"
expect 2 err "^.*wrong\.conll:2: 'B:PER' in column 3 is not a tag" "${files[@]}" --token_column=2
sed -i s/B:PER/O/ wrong.conll
expect 2 err '^.*wrong\.conll:0: all tags of --train are O' "${files[@]}" --token_column=2

# A pretrained encoder, a very small one: trained, saved, loaded.
run --backend=libtorch --strategy=none --seeds=1 --epochs=1 --model=cnn
if ! grep -q 'built without LibTorch' err; then
  encoded=(--backend=libtorch --encoder="$encoder" --most_pieces=16)
  expect 0 out '^\| (\*\*)?crt' "${encoded[@]}" --strategy=none,spans_0.5,crt --seeds=1 --epochs=1 --rate=0.003 \
    --save=encoded.model --report=encoded
  figure=$(grep -h "^$(sed -n 's/^Model of strategy \(.*\): .*/\1/p' out),0,test,entity_f1," encoded/results.csv)
  expect 0 out "^ *micro avg .* $(printf '%.3f' "${figure##*,}") " --backend=libtorch --load=encoded.model
  expect 0 out '^"i saw Annna"$' --backend=libtorch --load=encoded.model --predict='i saw Annna' --export_encoder=tuned
  expect 0 out '^Model: encoder' --backend=libtorch --encoder=tuned --most_pieces=16 --strategy=none --seeds=1 --epochs=1
  expect 0 out '^Model: encoder' "${encoded[@]}" --strategy=weights_0.5 --seeds=1 --epochs=2 --freeze
  expect 2 err '^--model: cannot be combined with --encoder' "${encoded[@]}" --model=cnn
  expect 2 err '^--load: this model is neural' --backend=eigen --load=encoded.model
fi
expect 2 err '^--freeze: needs --encoder' --freeze

# Flags that do not fit.
whole=yes expect 0 out '^  --corpus: ' --help
expect 2 err 'no strategy .smote., expected none, none_tau, weights' --strategy=smote
expect 2 err 'no strategy .crt.' --strategy=crt
expect 2 err '^--model: a neural model needs --backend=libtorch' --model=bilstm
expect 2 err '^--corpus=x: expected one of btc, wnut17' --corpus=x
expect 2 err 'no files of btc there' --data=.
expect 2 err '^--predict: the text has no word' --predict='  '
expect 2 err '^--predict: byte 2 is not UTF-8' --predict=$'a\xff'
expect 2 err '^--scheme=x: expected one of auto, iob2, iob1, bioes, bilou, bmes' --scheme=x
expect 2 err '^--tag_column=1: this is the column of the tokens' --tag_column=1
expect 2 err '^--tag_column=2: this is the column of the tokens' --tag_column=2 --token_column=2
expect 2 err '^--token_column=-1: expected a number from 0' --token_column=-1
expect 2 err '^--scheme: cannot be combined with --load and --predict' --load=model --predict=- --scheme=iob2
expect 2 err '^--dev: needs --train' --dev=dev.conll
expect 2 err '^--monitor=f2: expected one of token_macro_f1, entity_f1' --strategy=none --seeds=1 --monitor=f2

finish
