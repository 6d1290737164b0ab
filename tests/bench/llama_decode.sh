#!/bin/sh
# llama_decode.sh - decoding and prefill beside llama.cpp: the same Q1_0 file (random weights of fbi-1.3b's shape), the same threads, in
# turn A B A B; medians and their ratio as rows of docs/performance.md. Both with keys and values as halves; llama.cpp rounds what enters
# a product to 8 bits, as our `int8` does.
#   BENCH_ROUNDS=3, BENCH_THREADS=2 (with 1 CPU time is counted), BENCH_HEAD=f16 (or q8_0, f32, q1_0: embedding and head), BENCH_SCALES=row (or group), BENCH_FILE=GGUF
# Wants npm and python3-numpy. SPDX-License-Identifier: MIT
set -eu
rounds=${BENCH_ROUNDS:-3} threads=${BENCH_THREADS:-2} head=${BENCH_HEAD:-f16} scales=${BENCH_SCALES:-row} file=${BENCH_FILE:-}
S=${SIGNUM:-./signum}
prompt=32 tokens=64 prefill=512
here=$(cd "$(dirname "$0")" && pwd)
command -v npm >/dev/null || { echo "SKIPPED: llama_decode.sh wants npm" >&2; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/package.json"
(cd "$work" && npm install --silent --ignore-scripts --omit=optional node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1 >npm.log 2>&1) ||
    { cat "$work/npm.log" >&2; exit 1; }
cp "$here/llama_decode.mjs" "$work/"
if [ -z "$file" ]; then
    file=$work/model.gguf
    /usr/bin/python3 "$here/make_q1_0.py" "$file" --head "$head" --scales "$scales"
fi

# OpenBLAS and llama.cpp both choose their kernels for the machine, unless it is said otherwise.
ours() { $S bench decode "$file" --n 64 --k 64 --span 1 --threads "$threads" --json "$@"; }
i=0
while [ $i -lt "$rounds" ]; do
    i=$((i + 1))
    echo "  round $i of $rounds" >&2
    printf 'decode\t%s\n' "$(ours --prompt $prompt --tokens $tokens)" >>"$work/log"
    printf 'prefill\t%s\n' "$(ours --prompt $prefill --tokens 1)" >>"$work/log"
    printf 'llama\t%s\n' "$(cd "$work" && node llama_decode.mjs "$file" "$threads" $prompt $tokens $prefill)" >>"$work/log"
done

/usr/bin/python3 - "$work/log" "$threads" <<'PY'
import json, statistics, sys
runs = [line.rstrip('\n').split('\t') for line in open(sys.argv[1])]
def ours(who, path, key):
    return [next(d[key] for d in json.loads(j)['decode'] if d['path'] == path) for w, j in runs if w == who]
def line(what, path, mine, theirs):
    ratio = [a / b for a, b in zip(mine, theirs)]
    print('| %s | %s | %s | %.1f | %.1f | **%.2f** (%.2f - %.2f) |' % (what, path, sys.argv[2], statistics.median(mine),
          statistics.median(theirs), statistics.median(mine) / statistics.median(theirs), min(ratio), max(ratio)))
print('| what | activations | threads | ours, tokens/s | llama.cpp, tokens/s | ratio |\n|---|---|---|---|---|---|')
for what, key, theirs in ('decode', 'tok_s', 'decode'), ('prefill', 'prefill_tok_s', 'prefill'):
    peer = [json.loads(j)[theirs] for w, j in runs if w == 'llama']
    for path in 'int8', 'exact':
        line(what, path, ours(what, path, key), peer)
PY
