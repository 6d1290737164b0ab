#!/bin/sh
# distill_table.sh - what a cache's size buys: the demo's student from its teacher live, from caches of k likeliest tokens and of
# N samples, and without a teacher; rewrites the table of docs/distillation.md. Wants the demo's text, tokenizer and teacher (make demo).
#   DISTILL_DEMO=demo, DISTILL_STEPS=700, DISTILL_BYTES=0 (of the text to learn from; 0: all), DISTILL_KEEP="1 4 16 64 256",
#   DISTILL_DRAW="8 32 128", DISTILL_SET="train.batch=4 ..." (more settings), DISTILL_WORK=DIR (kept, and gone on with), DISTILL_OUT=docs/distillation.md
# SPDX-License-Identifier: MIT
set -eu
S=${SIGNUM:-./signum}
demo=${DISTILL_DEMO:-demo} steps=${DISTILL_STEPS:-700} bytes=${DISTILL_BYTES:-0} out=${DISTILL_OUT:-docs/distillation.md}
keep=${DISTILL_KEEP:-1 4 16 64 256} draw=${DISTILL_DRAW:-8 32 128} work=${DISTILL_WORK:-$demo/distill}
mkdir -p "$work"
data=$demo/data
if [ "$bytes" -gt 0 ]; then
    data=$work/data
    mkdir -p "$data"
    if [ ! -d "$data/train" ]; then
        head -c "$bytes" "$demo/bible.txt" >"$work/text.txt"
        $S tokenize "$work/text.txt" --tokenizer "$demo/tokenizer.json" --out "$work/part" --replace
        mv "$work/part/train" "$data/train"
    fi
fi

# name, teacher
learn() {
    $S train configs/demo.yaml data.train="$data" data.valid="$demo/data" distill.teacher="$2" train.steps="$steps" train.eval_every=0 \
        train.save_every=0 ${DISTILL_SET:-} --out "$work/run-$1" --resume auto >"$work/run-$1.log" 2>&1 || { cat "$work/run-$1.log" >&2; exit 1; }
    echo "  $1: $(tail -n 1 "$work/run-$1.log")" >&2
}
# name, options
cache() {
    name=$1
    shift
    $S teacher-cache "$demo/teacher" --data "$data" --out "$work/cache-$name" "$@" >"$work/cache-$name.log" 2>&1 \
        || { cat "$work/cache-$name.log" >&2; exit 1; }
    learn "$name" "$work/cache-$name"
}

learn none ''
learn live "$demo/teacher"
for k in $keep; do cache "top-$k" --top "$k"; done
for k in $keep; do [ "$k" -ne 64 ] || cache "top-$k-8bit" --top "$k" --bits 8; done
for n in $draw; do cache "samples-$n" --samples "$n"; done
python3 tests/bench/distill_table.py "$work" "$out"
