#!/bin/bash
# test_end_to_end.sh - the main job through the program alone: tokenizer, shards, teacher, distilled student,
# interruption and resume, threads, export, evaluation, generation.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"

awk -v seed=1 -v words=9000 -f tests/cli/nonsense.awk >"$D/text.txt"
quiet $S tokenizer train "$D/text.txt" --vocab 300 --out "$D/tokenizer.json"
quiet $S tokenizer train "$D/text.txt" --vocab 300 --out "$D/again.json"
cmp -s "$D/tokenizer.json" "$D/again.json" || fail "the same text gave two tokenizers"
quiet $S tokenize "$D/text.txt" --tokenizer "$D/tokenizer.json" --out "$D/data" --valid 0.05
zstd -dc "$D"/data/train/*.zst >"$D/ids"
$PY - "$D" <<'PY'
import json, sys
d = sys.argv[1]
with open(d + '/data/train/shards.json') as f:
    meta = json.load(f)
with open(d + '/ids', 'rb') as f:
    ids = f.read()
ids = [ids[i] | ids[i + 1] << 8 for i in range(0, len(ids), 2)]
assert meta['tokens'] == len(ids), (meta, len(ids))
assert 2000 < len(ids) and max(ids) < 300, (len(ids), max(ids))
PY
ok "tokenizer and shards: $(($(wc -c <"$D/ids") / 2)) tokens, plain under zstd -d"

cat >"$D/tiny.yaml" <<'YAML'
model: {dim: 48, layers: 2, heads: 4, kv_heads: 2, ffn: 96, linear: fbi, scales: column}
train: {seq: 32, batch: 4, steps: 120, save_every: 40, eval_every: 60, keep: 2}
optim: {lr: 2e-3, min_lr: 2e-4, schedule: cosine, warmup: 10, weight_decay: 0.1, decay: all, clip: 1}
YAML
train() { $S train "$D/tiny.yaml" data.train="$D/data" data.valid="$D/data" "$@"; }
same() { $PY tests/cli/compare_runs.py "$@" >"$D/log" 2>&1 || fail "$(cat "$D/log")"; }

quiet train model.linear=full --out "$D/teacher"
lines=$(wc -l <"$D/teacher/metrics.jsonl")
[ "$lines" -eq 120 ] || fail "120 steps left $lines lines of metrics"
$PY - "$D/teacher/metrics.jsonl" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
for key in ('step', 'tokens', 'loss', 'hard', 'soft', 'lr', 'grad_norm', 'flip_rate', 'tokens_per_s'):
    assert all(key in r for r in rows), key
assert rows[-1]['step'] == 120 and rows[-1]['tokens'] == 120 * 4 * 32
assert rows[-1]['loss'] < rows[0]['loss'] - 0.5, (rows[0]['loss'], rows[-1]['loss'])
assert all(r['flip_rate'] == 0 for r in rows)
PY
ok "teacher learns"

student() { train distill.teacher="$D/teacher" "$@"; }
quiet student --out "$D/student"
$PY - "$D/student/metrics.jsonl" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
assert all(r['soft'] > 0 and abs(r['loss'] - r['soft']) < 1e-6 * r['soft'] for r in rows)
assert rows[-1]['hard'] < rows[0]['hard'] - 0.5
assert any(r['flip_rate'] > 0 for r in rows)
PY
ok "student learns from it"

# --- interrupted by a signal, and killed: both go on as if nothing had happened -------------------
wait_for_step() {   # run, step, pid
    for _ in $(seq 600); do
        [ "$(cat "$D/$1/metrics.jsonl" 2>/dev/null | wc -l)" -ge "$2" ] && return
        kill -0 "$3" 2>/dev/null || fail "$1 ended before step $2: $(cat "$D/log")"
        sleep 0.02
    done
    fail "$1 did not reach step $2"
}
interrupt() {   # run, signal, step, expected exit code
    # Not through a function: its subshell would get the signal.
    $S train "$D/tiny.yaml" data.train="$D/data" data.valid="$D/data" distill.teacher="$D/teacher" train.steps=1200 \
        --out "$D/$1" --resume auto >"$D/log" 2>&1 &
    pid=$!
    wait_for_step "$1" "$3" $pid
    kill -"$2" $pid
    code=0
    wait $pid 2>/dev/null || code=$?
    [ "$code" -eq "$4" ] || fail "$1 ended with $code after SIG$2, expected $4: $(cat "$D/log")"
}
quiet student train.steps=1200 --out "$D/unbroken"
interrupt stopped TERM 15 85
at=$(wc -l <"$D/stopped/metrics.jsonl")
ls -d "$D"/stopped/checkpoints/step-* | grep -q "step-0*$at\$" || fail "no checkpoint of step $at after SIGTERM"
interrupt stopped INT $((at + 5)) 85
interrupt stopped USR1 $(($(wc -l <"$D/stopped/metrics.jsonl") + 5)) 85
quiet student train.steps=1200 --out "$D/stopped" --resume auto
same "$D/unbroken" "$D/stopped"
kept=$(ls -d "$D"/stopped/checkpoints/step-* | wc -l)
[ "$kept" -eq 2 ] || fail "train.keep=2 kept $kept checkpoints"
ok "SIGTERM, SIGINT, SIGUSR1: exit 85, and the resumed run has the bits of the unbroken one"

interrupt killed KILL 60 137
quiet student train.steps=1200 --out "$D/killed" --resume auto train.threads=1
same "$D/unbroken" "$D/killed"
ok "SIGKILL, resumed with one thread: the same bits"

quiet student train.threads=1 --out "$D/one"
quiet student train.threads=2 --out "$D/two"
same "$D/one" "$D/two"
quiet student train.batch=2 train.accumulate=2 data.order=sequential --out "$D/halves"
quiet student data.order=sequential --out "$D/wholes"
$PY - "$D" <<'PY'
import json, sys
a, b = ([json.loads(line)['loss'] for line in open(f'{sys.argv[1]}/{n}/metrics.jsonl')] for n in ('halves', 'wholes'))
assert len(a) == len(b) == 120 and all(abs(x - y) < 1e-3 * y for x, y in zip(a, b)), (a[-1], b[-1])
assert all(abs(x - y) < 1e-5 * y for x, y in zip(a[:5], b[:5])), (a[:5], b[:5])
PY
ok "1 and 2 threads: the same bits; accumulated halves: the same losses"

# --- out of the house --------------------------------------------------------------------------------
near() { $PY -c "import sys; a, b = map(float, sys.argv[1:]); sys.exit(not abs(a - b) <= 1e-4 * b)" "$1" "$2" || fail "$3: $1 and $2"; }
quiet $S export "$D/student" --format packed --out "$D/packed"
quiet $S export "$D/student" --format hf --out "$D/hf"
quiet $S export "$D/student" --format hf --latent --out "$D/latent"
quiet $S export "$D/student" --format gguf --out "$D/gguf"
run=$(nats "$D/student")
for form in packed hf latent gguf gguf/model.gguf; do near "$(nats "$D/$form")" "$run" "nats per token of $form and of the run"; done
checkpoint=$(ls -d "$D"/student/checkpoints/step-* | tail -n 1)
near "$(nats "$checkpoint")" "$run" "nats per token of a checkpoint and of its run"
valid=$(tail -n 1 "$D/student/metrics.jsonl" | json 'v["valid"]')
near "$valid" "$run" "validation loss of the run and of eval"
$PY - "$D" <<'PY'
import json, struct, sys
with open(sys.argv[1] + '/packed/model.safetensors', 'rb') as f:
    header = json.loads(f.read(struct.unpack('<Q', f.read(8))[0]))
planes = {n: a for n, a in header.items() if n.endswith('.sign')}
assert len(planes) == 2 * 7 and all(a['dtype'] == 'U8' for a in planes.values()), sorted(header)
assert header['model.layers.0.mlp.up_proj.sign']['shape'] == [96, 8], header['model.layers.0.mlp.up_proj.sign']
PY
ok "packed, hf, latent and gguf hold the model: $run nats per token"

generate() { $S generate "$D/packed" --prompt "laven mute" --tokens 20 --temperature 0.8 --seed "$1" --json; }
generate 7 >"$D/g1"
generate 7 >"$D/g2"
generate 8 >"$D/g3"
text() { json 'v["text"]' <"$D/$1"; }
[ -n "$(text g1)" ] && [ "$(text g1)" = "$(text g2)" ] || fail "the same seed gave: $(cat "$D/g1" "$D/g2")"
[ "$(text g1)" != "$(text g3)" ] || fail "another seed gave the same text"
greedy() { $S generate "$1" --prompt "laven mute" --tokens 20 --temperature 0 --json | json 'v["text"]'; }
alike "$(greedy "$D/packed")" "$(greedy "$D/student")" "packed and checkpoint do not continue alike"
ok "generation: by seed, and greedily alike from packed file and checkpoint"

quiet train init="$D/latent" train.steps=3 optim.lr=0 optim.min_lr=0 --out "$D/continued"
quiet train init="$D/latent" model.rope_theta=500 train.steps=1 --out "$D/turned"
grep -q 'model.rope_theta = 10000, this run has 500' "$D/log" || fail "another rope_theta than init's went unsaid"
near "$(nats "$D/continued")" "$run" "a run that starts from exported latents"
quiet $S inspect "$D/packed/model.safetensors"
quiet $S inspect "$checkpoint"
quiet $S inspect "$D/data/train"
quiet $S config "$D/tiny.yaml" optim.lr=1e-3
grep -q 'lr: 0.001\|lr: 1e-3\|lr: 1e-03' "$D/log" || fail "config does not show optim.lr=1e-3: $(grep lr "$D/log")"
for c in train tokenize tokenizer eval export generate inspect config; do
    $S $c --help >"$D/log" || fail "$c --help ended with $?"
    grep -qi example "$D/log" || fail "$c --help has no example"
done
ok "init from exported latents, inspect, config, help"
