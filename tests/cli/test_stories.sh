#!/bin/bash
# test_stories.sh - a real trained LLaMA in llama2.c's format as it comes: continues a story, teaches a binary student of its shape
# (from the .bin and as GGUF), begins a run.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
M=../shared/data/models/stories260K
T=../shared/data/text/tinystories-sample.txt
needs "$M/stories260K.bin" "$T"

$S generate "$M" --tokenizer "$M/tok512.bin" --prompt "Once upon a time" --tokens 40 --temperature 0 >"$D/story"
grep -q '^Once upon a time, there was a little girl named Lily\.' "$D/story" || fail "the story goes: $(cat "$D/story")"
quiet $S export "$M" --format gguf --tokenizer "$M/tok512.bin" --out "$D/gguf"
cp "$D/gguf/model.gguf" "$D/alone.gguf"
$S generate "$D/alone.gguf" --prompt "Once upon a time" --tokens 40 --temperature 0 | cmp - "$D/story" || fail "its tokenizer is lost in the GGUF"
$S generate "$D/gguf/model.gguf" --tokenizer "$M/tok512.bin" --prompt "Once upon a time" --tokens 40 --temperature 0 | cmp - "$D/story" ||
    fail "as GGUF the story is another"
quiet $S export "$M/stories260K.bin" --format hf --out "$D/hf"
quiet $S export "$D/gguf" --format hf --out "$D/back"
cmp "$D/hf/model.safetensors" "$D/back/model.safetensors" || fail "weights change on their way through GGUF"
quiet $S import "$D/alone.gguf" --out "$D/imported"
$S generate "$D/imported" --prompt "Once upon a time" --tokens 40 --temperature 0 | cmp - "$D/story" || fail "imported, the story is another"
quiet $S export "$D/alone.gguf" --format hf --out "$D/spm"
quiet $S export "$D/spm" --format gguf --out "$D/gguf2"
cmp "$D/gguf/model.gguf" "$D/gguf2/model.gguf" || fail "a tokenizer changes on its way through tokenizer.model"
ok "continues a story, also as GGUF, which holds its tokenizer"

quiet $S tokenize "$T" --tokenizer "$M/tok512.bin" --out "$D/data" --valid 0.1
cat >"$D/tiny.yaml" <<'YAML'
model: {dim: 64, layers: 5, heads: 8, kv_heads: 4, ffn: 172, tied_head: true, linear: fbi, scales: column}
train: {seq: 64, batch: 8, steps: 25, save_every: 0, eval_every: 0}
optim: {lr: 2e-3, warmup: 5}
distill: {lambda: 1}
YAML
train() { quiet $S train "$D/tiny.yaml" data.train="$D/data" data.valid="$D/data" "$@"; }
nats() { $S eval "$1" --data "$D/data" --seq 64 --json | json 'v["nats_per_token"]'; }
train distill.teacher="$M/stories260K.bin" --out "$D/student"
grep -q 'whether its tokenizer is that of the shards is not known' "$D/log" || fail "a teacher of no known tokenizer goes without a word"
train distill.teacher="$D/gguf/model.gguf" --out "$D/same"
$S inspect "$D/student" --json >/dev/null
python3 - "$D" <<'PY' || fail "another teacher's file, another student"
import json, sys
a, b = ([json.loads(line)['loss'] for line in open(f'{sys.argv[1]}/{n}/metrics.jsonl')] for n in ('student', 'same'))
assert len(a) == 25 and a == b and a[-1] < a[0] - 0.5, (a, b)
PY
train model.linear=full init="$M" train.steps=1 optim.lr=0 optim.min_lr=0 --out "$D/run"
python3 -c "import sys; a, b = map(float, sys.argv[1:]); sys.exit(not (abs(a - b) <= 1e-4 * b and a < 2.1))" "$(nats "$D/run")" "$(nats "$M")" ||
    fail "a run that starts from it: $(nats "$D/run") and $(nats "$M") nats per token"
ok "teaches a binary student of its shape, the same from .bin and from GGUF, and begins a run"
