#!/bin/sh
# demo.sh [TEXT] - the main job on a real text: tokenizer, shards, a full-precision teacher,
# a binary student distilled from it, the same student without a teacher, packed files, a sample.
# What is there already is used again; Ctrl-C leaves a run that the next call continues.
# SPDX-License-Identifier: MIT
set -eu
S=./signum
D=demo
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

say "1. text"
mkdir -p $D
if [ $# -ge 1 ] && [ -n "$1" ]; then
    text=$1
    [ -r "$text" ] || { echo "demo: cannot read '$text' (TEXT=file)" >&2; exit 4; }
    D=demo/$(basename "$text" | tr -c 'A-Za-z0-9\n' _)
    mkdir -p "$D"
else
    text=$D/bible.txt
    # The King James text, public domain, from the package bible-kjv; references cut off, one verse a line.
    [ -s $text ] || { bible -f gen1:1-rev22:21 </dev/null | sed 's/^[^ ]* //' >$text.part && mv $text.part $text; }
fi
echo "$text: $(wc -c <"$text") bytes"

say "2. tokenizer (byte-level BPE, trained here)"
[ -s $D/tokenizer.json ] || $S tokenizer train "$text" --vocab 1024 --out $D/tokenizer.json

say "3. shards"
[ -d $D/data ] || $S tokenize "$text" --tokenizer $D/tokenizer.json --out $D/data --valid 0.02

common="data.train=$D/data data.valid=$D/data"
say "4. the teacher: full precision, no teacher of its own"
$S train configs/demo.yaml $common model.linear=full --out $D/teacher --resume auto
say "5. the student: one bit per projection weight, distilled from the teacher"
$S train configs/demo.yaml $common optim.lr=4e-3 distill.teacher=$D/teacher distill.lambda_end=0.25 --out $D/student --resume auto
say "6. the same student without a teacher, the same tokens"
$S train configs/demo.yaml $common optim.lr=4e-3 --out $D/alone --resume auto

say "7. packed files"
for run in teacher student alone; do
    [ -d $D/packed/$run ] || $S export $D/$run --format packed --out $D/packed/$run
done
$S plot $D/teacher $D/student $D/alone --out $D/curves.svg

say "8. the three as they were packed, on text that none has seen"
$S eval $D/packed/teacher $D/packed/student $D/packed/alone --data $D/data

say "9. the packed student speaks"
$S generate $D/packed/student --prompt "And it came to pass" --tokens 80 --temperature 0.7 --seed 1
printf '\nloss curves: %s\nanother: %s generate %s --prompt "In the beginning"\n' $D/curves.svg $S $D/packed/student
