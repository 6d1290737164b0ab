#!/bin/sh
# results.sh - the comparison of docs/results.md: text of Debian's packages, tokenizer, shards, every row of results.py, table and picture.
# What is done is not done again; Ctrl-C leaves a run that the next call goes on with.
#   RESULTS_WORK=build/results (kept), RESULTS_STEPS=700, RESULTS_ROWS=regex of the rows to run, RESULTS_TIME=again|never (measure times anew, or not),
#   RESULTS_OUT=docs/results.md
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
S=${SIGNUM:-./signum}
W=${RESULTS_WORK:-build/results}
mkdir -p "$W"

# What the C library and OpenBLAS are told from outside would move the numbers.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE

# source: a file of text, one paragraph or entry after the other; the last 2 % are validation, the 1 % before them tuning.
part() {
    n=$(wc -c <"$2")
    head -c $((n * 97 / 100)) "$2" >>"$1/train.part"
    tail -c +$((n * 97 / 100 + 1)) "$2" | head -c $((n / 100)) >>"$1/tune.part"
    tail -c +$((n * 98 / 100 + 1)) "$2" >>"$1/valid.part"
}
dictionary() { zcat "/usr/share/dictd/$1.dict.dz" | head -c "$2" | iconv -c -f utf-8 -t utf-8 | sed 's/^ *//'; }
# directory, sources: tokenizer and shards of what they hold
prepare() {
    dir=$1
    shift
    [ ! -d "$dir/data/valid" ] || return 0
    mkdir -p "$dir"
    rm -f "$dir"/*.part
    for source in "$@"; do part "$dir" "$source"; done
    for p in train tune valid; do
        tr -d '\000' <"$dir/$p.part" | iconv -c -f utf-8 -t utf-8 >"$dir/$p.txt"
        rm "$dir/$p.part"
    done
    [ -s "$dir/tokenizer.json" ] || $S tokenizer train "$dir/train.txt" --vocab 1024 --out "$dir/tokenizer.json"
    for p in train tune valid; do $S tokenize "$dir/$p.txt" --tokenizer "$dir/tokenizer.json" --out "$dir/shards-$p" --replace; done
    mkdir -p "$dir/data" "$dir/tune"
    mv "$dir/shards-train/train" "$dir/data/train"
    mv "$dir/shards-tune/train" "$dir/tune/valid"
    mv "$dir/shards-valid/train" "$dir/data/valid"
}

[ -s "$W/bible.txt" ] || { bible -f gen1:1-rev22:21 </dev/null | sed 's/^[^ ]* //' >"$W/bible.part" && mv "$W/bible.part" "$W/bible.txt"; }
for d in "jargon 100000000" "devil 100000000" "gcide 5000000"; do
    set -- $d
    [ -s "$W/$1.txt" ] || { dictionary "$1" "$2" >"$W/$1.part" && mv "$W/$1.part" "$W/$1.txt"; }
done
prepare "$W/mixed" "$W/bible.txt" "$W/jargon.txt" "$W/devil.txt" "$W/gcide.txt"
prepare "$W/kjv" "$W/bible.txt"
python3 tests/bench/results.py "$S" "$W" && rc=0 || rc=$?
python3 tests/bench/results_table.py "$W" "${RESULTS_OUT:-docs/results.md}"
exit $rc
