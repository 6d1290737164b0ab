#!/bin/bash
# test_bad_input.sh - what is wrong is said in one line that names it, with an exit code by kind, and
# nothing is left under the final name. Codes: 2 setting, 3 memory, 4 system, 5 file, 6 shape, 7 not finite.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
failed=0
fail() { echo "  FAIL $*" >&2; failed=$((failed + 1)); }
quiet() { "$@" >"$D/log" 2>&1 || { cat "$D/log" >&2; echo "FAIL: $* ended with $?" >&2; exit 1; }; }

# refuse CODES PATTERN FINAL -- COMMAND: ends with one of CODES (2|5), says one line that matches, leaves no FINAL ("-": none).
refuse() {
    local codes=$1 pattern=$2 final=$3 code=0 lines
    shift 3
    "$@" >"$D/out" 2>"$D/err" </dev/null || code=$?
    lines=$(wc -l <"$D/err")
    [[ "|$codes|" == *"|$code|"* ]] || fail "'$*' ended with $code, expected $codes: $(head -n 3 "$D/err")"
    [ "$lines" -eq 1 ] || fail "'$*' wrote $lines lines on stderr: $(head -n 5 "$D/err")"
    grep -qE -- "$pattern" "$D/err" || fail "'$*' does not name /$pattern/: $(cat "$D/err")"
    [ "$final" = - ] || [ ! -e "$final" ] || fail "'$*' left $final"
    [ -z "$(find "$D" -name '*.part*' -o -name '*.tmp*' | head -n 1)" ] || fail "'$*' left $(find "$D" -name '*.part*' -o -name '*.tmp*')"
    count=$((${count:-0} + 1))
}

# --- what is good --------------------------------------------------------------------------------
awk -v seed=2 -v words=3000 -f tests/cli/nonsense.awk >"$D/text.txt"
awk -v seed=5 -v words=3000 -f tests/cli/nonsense.awk >"$D/other.txt"
quiet $S tokenizer train "$D/text.txt" --vocab 280 --out "$D/tok.json"
quiet $S tokenizer train "$D/other.txt" --vocab 280 --out "$D/tok-same-size.json"
quiet $S tokenizer train "$D/text.txt" --vocab 270 --out "$D/tok-small.json"
quiet $S tokenize "$D/text.txt" --tokenizer "$D/tok.json" --out "$D/data" --valid 0.1
quiet $S tokenize "$D/text.txt" --tokenizer "$D/tok-same-size.json" --out "$D/data-other" --valid 0.1
quiet $S tokenize "$D/text.txt" --tokenizer "$D/tok-small.json" --out "$D/data-small" --valid 0.1
cat >"$D/c.yaml" <<'YAML'
model: {dim: 16, layers: 1, heads: 2, ffn: 32, linear: fbi}
train: {seq: 16, batch: 2, steps: 4, save_every: 2, eval_every: 0, keep: 0}
YAML
cfg() { $S train "$D/c.yaml" data.train="$D/data" "$@"; }
quiet cfg --out "$D/run"
quiet $S export "$D/run" --format packed --out "$D/packed"
quiet $S train "$D/c.yaml" data.train="$D/data-small" --out "$D/run-small"

# --- words and settings ----------------------------------------------------------------------------
refuse 2 'train' - $S trian
refuse 2 "vocab" - $S tokenizer train "$D/text.txt" --vocabb 300 --out "$D/x"
refuse 2 "out" - $S tokenize "$D/text.txt" --tokenizer "$D/tok.json"
refuse 2 'model\.dmi.*model\.dim' "$D/x" cfg model.dmi=32 --out "$D/x"
refuse 2 'optim\.lr' "$D/x" cfg optim.lr=fast --out "$D/x"
refuse 2 'train\.batch' "$D/x" cfg train.batch=0 --out "$D/x"
refuse '2|6' 'heads' "$D/x" cfg model.heads=3 --out "$D/x"
refuse '2|6' 'kv_heads' "$D/x" cfg model.heads=4 model.kv_heads=3 --out "$D/x"
refuse 2 'linear' "$D/x" cfg model.linear=fib --out "$D/x"
refuse 2 'data\.train' "$D/x" $S train "$D/c.yaml" --out "$D/x"
printf 'model: {dim: 16\ntrain: [' >"$D/broken.yaml"
refuse '2|5' 'broken\.yaml' "$D/x" $S train "$D/broken.yaml" data.train="$D/data" --out "$D/x"
printf 'model:\n  dmi: 16\n' >"$D/typo.yaml"
refuse 2 'typo\.yaml.*dmi' "$D/x" $S train "$D/typo.yaml" data.train="$D/data" --out "$D/x"
refuse 2 'run' - cfg --out "$D/run"
mkdir "$D/full" && touch "$D/full/precious"
refuse 2 'full' - cfg --out "$D/full"
[ -e "$D/full/precious" ] || fail "a directory that is no run was emptied"

# --- files that are not there, or empty --------------------------------------------------------------
refuse '2|4' 'nowhere\.yaml' "$D/x" $S train "$D/nowhere.yaml" data.train="$D/data" --out "$D/x"
refuse 4 'nowhere\.txt' "$D/x" $S tokenizer train "$D/nowhere.txt" --vocab 280 --out "$D/x"
refuse 4 'nowhere\.txt' "$D/x" $S tokenize "$D/nowhere.txt" --tokenizer "$D/tok.json" --out "$D/x"
refuse 4 'nowhere' "$D/x" $S tokenize "$D/text.txt" --tokenizer "$D/nowhere" --out "$D/x"
refuse 4 'nowhere' "$D/x" cfg data.train="$D/nowhere" --out "$D/x"
refuse 4 'nowhere' "$D/x" cfg init="$D/nowhere" --out "$D/x"
refuse 4 'distill\.teacher.*nowhere' "$D/x" cfg distill.teacher="$D/nowhere" --out "$D/x"
refuse 4 'nowhere' - $S eval "$D/nowhere" --data "$D/data" --json
refuse 4 'nowhere' - $S generate "$D/nowhere" --prompt a --json
refuse 4 'nowhere' "$D/x" $S export "$D/nowhere" --format packed --out "$D/x"
: >"$D/empty.txt"
refuse 5 'empty\.txt' "$D/x" $S tokenize "$D/empty.txt" --tokenizer "$D/tok.json" --out "$D/x"
refuse 5 'empty\.txt' "$D/x" $S tokenizer train "$D/empty.txt" --vocab 280 --out "$D/x"
printf 'short' >"$D/short.txt"
quiet $S tokenize "$D/short.txt" --tokenizer "$D/tok.json" --valid 0 --out "$D/data-short"
refuse 2 'train\.seq' "$D/x" cfg data.train="$D/data-short" --out "$D/x"

# --- files that were cut or changed --------------------------------------------------------------------
cut() { local size; size=$(stat -c %s "$1"); truncate -s $((size - ${2:-100})) "$1"; }
spoil() { printf 'X' | dd of="$1" bs=1 seek=$(($(stat -c %s "$1") / 2)) conv=notrunc status=none; }
cp -r "$D/data" "$D/data-cut" && cut "$D/data-cut/train/shard-00000.zst"
refuse 5 'shard-00000\.zst' "$D/x" cfg data.train="$D/data-cut" --out "$D/x"
cp -r "$D/data" "$D/data-bad" && spoil "$D/data-bad/train/shard-00000.zst"
refuse 5 'shard-00000\.zst' - cfg data.train="$D/data-bad" --out "$D/x"
[ -z "$(ls -d "$D"/x/checkpoints/step-* 2>/dev/null)" ] || fail "a run on spoilt data saved a checkpoint"
rm -rf "$D/x"
cp -r "$D/data" "$D/data-json" && cut "$D/data-json/train/shards.json" 20
refuse 5 'shards\.json' "$D/x" cfg data.train="$D/data-json" --out "$D/x"
cp -r "$D/packed" "$D/packed-cut" && cut "$D/packed-cut/model.safetensors"
refuse 5 'model\.safetensors' - $S eval "$D/packed-cut" --data "$D/data" --json
refuse 5 'model\.safetensors' - $S generate "$D/packed-cut" --prompt a --json
cp -r "$D/packed" "$D/packed-no" && rm "$D/packed-no/model.safetensors"
refuse '4|5' 'packed-no' - $S generate "$D/packed-no" --prompt a --json
head -c 300 "$D/tok.json" >"$D/tok-cut.json"
refuse 5 'tok-cut\.json' "$D/x" $S tokenize "$D/text.txt" --tokenizer "$D/tok-cut.json" --out "$D/x"
cp -r "$D/run" "$D/run-cut" && for f in "$D"/run-cut/checkpoints/step-*/shard-0000.h5; do cut "$f"; done
refuse '4|5' 'run-cut' - $S eval "$D/run-cut" --data "$D/data" --json

# --- things that do not belong together --------------------------------------------------------------------
refuse '2|6' 'vocab' "$D/x" cfg distill.teacher="$D/run-small" --out "$D/x"
refuse '2|6' 'tokenizer' "$D/x" $S train "$D/c.yaml" data.train="$D/data-other" distill.teacher="$D/run" --out "$D/x"
refuse '2|6' 'tokenizer' "$D/x" $S train "$D/c.yaml" data.train="$D/data-other" init="$D/run" --out "$D/x"
refuse '2|6' 'tokenizer' "$D/x" $S train "$D/c.yaml" data.train="$D/data" data.valid="$D/data-other" --out "$D/x"
refuse '2|6' 'tokenizer' - $S eval "$D/packed" --data "$D/data-other" --json
refuse '2|6' 'vocab' - $S eval "$D/packed" --data "$D/data-small" --json
refuse '2|6' 'model\.|shape|dim' "$D/x" cfg init="$D/run" model.dim=32 --out "$D/x"
refuse 2 'format' "$D/x" $S export "$D/run" --format pakced --out "$D/x"

# --- resources -------------------------------------------------------------------------------------------
no_space() (trap '' XFSZ; ulimit -f 4; "$@")      # files of at most 4 KiB: writes fail as on a full disk
refuse 4 "$D/x" "$D/x" no_space $S export "$D/run" --format packed --out "$D/x"
refuse 4 "$D/x" "$D/x" no_space $S tokenize "$D/text.txt" --tokenizer "$D/tok.json" --out "$D/x"
no_memory() (ulimit -v 3000000; "$@")
# Whatever the limit: it runs or says why not, and never waits for memory that does not come.
for kib in 150000 250000 350000 450000 600000; do
    rm -rf "$D/x"
    code=0
    (ulimit -v $kib; exec timeout -s KILL 60 $S train "$D/c.yaml" data.train="$D/data" train.threads=2 train.steps=2 --out "$D/x") >"$D/log" 2>&1 || code=$?
    [ $code -eq 0 ] || [ $code -eq 3 ] || [ $code -eq 127 ] || fail "with $kib KiB of address space: exit code $code: $(cat "$D/log")"
done
rm -rf "$D/x"
refuse 3 'memory' - no_memory cfg model.dim=8192 model.ffn=32768 model.layers=4 --out "$D/x"
rm -rf "$D/x"

# --- kept, not refused: bytes that are not UTF-8; and a broken newest checkpoint ---------------------------
printf 'laven \377\376 mute \300 falu\n%.0s' $(seq 50) >"$D/bytes.txt"
$S tokenize "$D/bytes.txt" --tokenizer "$D/tok.json" --valid 0 --out "$D/data-bytes" >"$D/log" 2>&1 || fail "bytes that are not UTF-8 were refused"
grep -qE '150' "$D/log" || fail "150 bytes that are not UTF-8 were not counted: $(cat "$D/log")"
newest=$(ls -d "$D"/run/checkpoints/step-* | tail -n 1)
cut "$newest/shard-0000.h5"
cfg --out "$D/run" --resume auto >"$D/log" 2>&1 || fail "a broken newest checkpoint stopped the run: $(cat "$D/log")"
grep -q quarantine "$D/log" || fail "a broken checkpoint was not announced: $(cat "$D/log")"

[ "$failed" -eq 0 ] || { echo "FAIL: $failed of $count bad inputs" >&2; exit 1; }
echo "  ok   $count bad inputs"
