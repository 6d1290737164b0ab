#!/bin/sh
# run.sh - measures what docs/performance.md tabulates and rewrites its tables. Nothing else should run on the machine.
#   BENCH_ROUNDS=2 (A B A B), BENCH_STEPS=5 (measured steps of a round), BENCH_CASES=regex of the cases to run (gemm, step, ...),
#   BENCH_OUT=FILE (default docs/performance.md), OPENBLAS_CORETYPE and SIGNUM_KERNELS as always; both sides get them.
# SPDX-License-Identifier: MIT
set -eu
rounds=${BENCH_ROUNDS:-2} steps=${BENCH_STEPS:-5} cases=${BENCH_CASES:-.} out=${BENCH_OUT:-docs/performance.md}
S=${SIGNUM:-./signum}
log=$(mktemp)
work=$(mktemp -d)
trap 'rm -rf "$log" "$work"' EXIT
cpus=$(nproc)
peer=
if /usr/bin/python3 -c 'import torch' 2>/dev/null; then peer=/usr/bin/python3; else echo "no PyTorch (python3-torch): its columns stay empty"; fi

wanted() { echo "$1" | grep -qE "$cases"; }
# who, case, command ...: its JSON line goes to the log behind both names
measure() {
    who=$1 case=$2
    shift 2
    echo "  $who: $case" >&2
    line=$("$@") || { echo "bench: '$*' failed" >&2; exit 1; }
    printf '%s\t%s\t%s\n' "$who" "$case" "$line" >>"$log"
}

threads=1
[ "$cpus" -gt 1 ] && threads="1 2"
for t in $threads; do
    for shape in "1024 768 768" "1024 2048 768" "1024 768 2048" "1024 4096 4096"; do
        set -- $shape
        wanted "gemm $shape $t" || continue
        measure ours "gemm $shape $t" $S bench gemm --m $1 --n $2 --k $3 --threads $t --json
    done
done

for code in ternary 1:4 1:8 1:16 2:8; do
    wanted "code $code" || continue
    measure ours "code $code 1024 2048 768 1" $S bench gemm --m 1024 --n 2048 --k 768 --threads 1 --code $code --json
done

# A cache of some teacher of this vocabulary for random ids: what is read and learnt from takes the same time whoever it was.
make_cache() {
    [ ! -d "$work/cache" ] || return 0
    echo "  a cache of 64 windows" >&2
    python3 -c 'import random, sys
r = random.Random(1)
sys.stdout.buffer.write(b"".join(r.randrange(32000).to_bytes(2, "little") for _ in range(64 * 256 + 1)))' >"$work/ids"
    $S tokenize "$work/ids" --ids u16 --vocab 32000 --out "$work/data" >/dev/null
    $S train tiny model.linear=full model.vocab=32000 data.train="$work/data" train.batch=1 train.seq=256 train.steps=1 --out "$work/teacher" >/dev/null
    $S teacher-cache "$work/teacher" --data "$work/data" --top 64 --seq 256 --out "$work/cache" >/dev/null
}

# preset batch seq teacher threads peer, and a setting of ours. Teacher "cached" stands beside PyTorch's "same".
most=$(( cpus < 2 ? cpus : 2 ))
while read -r preset batch seq teacher t with setting; do
    case="step $preset $batch $seq $teacher $t${setting:+ $setting}"
    [ -n "$preset" ] && wanted "$case" || continue
    if [ "$teacher" = cached ]; then
        make_cache </dev/null
        teacher=$work/cache setting="data.train=$work/data"
    fi
    set -- --preset $preset --batch $batch --seq $seq --teacher $teacher --threads $t --steps $steps
    for r in $(seq "$rounds"); do
        measure ours "$case" $S bench step "$@" --json $setting </dev/null
        if [ "$with" = peer ] && [ -n "$peer" ]; then measure torch "$case" $peer tests/bench/torch_step.py "$@" </dev/null; fi
    done
done <<LIST
tiny 4 256 none $most peer
tiny 4 256 same $most peer
fbi-130m 4 256 none $most peer
fbi-130m 4 256 same $most peer
fbi-130m 4 256 cached $most alone
fbi-130m 4 256 none 1 alone
$(for t in 4 8 16 32 64; do [ "$t" -le "$cpus" ] && echo "fbi-130m 4 256 none $t alone"; done)
fbi-130m 4 64 none $most alone
fbi-130m 1 2048 none $most alone
fbi-130m 1 2048 none $most alone train.recompute=true
LIST

python3 tests/bench/table.py "$log" "$out"
