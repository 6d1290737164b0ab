#!/bin/bash
# test_binarize.sh - a trained model binarized by every method: what it makes runs, trains on and is packed; stopped and continued it has the
# same bits; what is refused leaves nothing behind.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
below() { awk "BEGIN { exit !($1 < $2) }" || fail "$3: $1 is not below $2"; }

awk -v seed=5 -v words=3000 -f tests/cli/nonsense.awk >"$D/text.txt"
awk -v seed=6 -v words=3000 -f tests/cli/nonsense.awk >"$D/other.txt"
quiet $S tokenizer train "$D/text.txt" --vocab 280 --out "$D/tok.json"
quiet $S tokenizer train "$D/other.txt" --vocab 280 --out "$D/tok2.json"
quiet $S tokenize "$D/text.txt" --tokenizer "$D/tok.json" --out "$D/data" --valid 0.1
quiet $S tokenize "$D/other.txt" --tokenizer "$D/tok2.json" --out "$D/foreign"
cat >"$D/tiny.yaml" <<'YAML'
model: {dim: 32, layers: 3, heads: 4, kv_heads: 2, ffn: 72, linear: full}
train: {seq: 32, batch: 8, steps: 150, save_every: 0, eval_every: 0}
optim: {lr: 3e-3, warmup: 5}
YAML
quiet $S train "$D/tiny.yaml" data.train="$D/data" --out "$D/full"
quiet $S train "$D/tiny.yaml" model.arch=gpt2 model.kv_heads=4 model.attention_bias=true model.mlp_bias=true data.train="$D/data" --out "$D/gpt2"
full=$(nats "$D/full")
binarize() { quiet $S binarize "$D/full" --calibration "$D/data" --windows 24 "$@"; }

# --- every method -----------------------------------------------------------------------------------------------
for method in sign xnor arb-rc onebit 'littlebit --bits 2.5' billm stbllm 'billm --dense' 'stbllm --dense' \
              'stbllm --variant released'; do
    name=${method// /}
    # shellcheck disable=SC2086
    binarize --method $method --out "$D/$name"
    [ ! -e "$D/$name.partial" ] || fail "$method leaves its work directory"
    check "$D/$name/binarize.json" "len(v['layers']) == 21 and all(l['error'] >= 0 and l['energy'] > 0 for l in v['layers']) and v['claimed_bits'] > 0"
    nats "$D/$name" >/dev/null
done
for name in xnor arb-rc billm stbllm; do below "$(nats "$D/$name")" 5.6 "$name, log 280"; done
check "$D/stbllm/binarize.json" "v['kept'] == 0.5 and abs(v['stored_bits'] - 3.5) < 1e-9 and all(l['n'] == 4 for l in v['layers'])"
quiet $S export "$D/stbllm" --format hf --out "$D/hf"
four_of_eight() {
    python3 - "$D" <<'PY'
import sys, glob, json, struct, array
path, = glob.glob(sys.argv[1] + '/hf/*.safetensors')
data = open(path, 'rb').read()
n, = struct.unpack('<Q', data[:8])
head, seen = json.loads(data[8:8 + n]), 0
for name, a in head.items():
    if name.endswith('_proj.weight'):
        begin, end = a['data_offsets']
        w = array.array('f', data[8 + n + begin:8 + n + end])
        assert a['dtype'] == 'F32' and all(sum(x != 0 for x in w[g:g + 8]) == 4 for g in range(0, len(w), 8)), name
        seen += 1
assert seen == 21
PY
}
four_of_eight || fail "4:8 does not leave four zeros in every eight"
below "$(python3 -c "import json; print(json.load(open('$D/stbllm/binarize.json'))['relative_error'])")" \
      "$(python3 -c "import json; print(json.load(open('$D/stbllm--variantreleased/binarize.json'))['relative_error'])")" "4:8 beside the released code"
quiet $S binarize "$D/gpt2" --calibration "$D/data" --windows 8 --method arb-rc --out "$D/gpt2-arb"
ok "every method, exactly 4 of 8"

# --- what inspect, analyze and eval count of zones is what the report says --------------------------------------------
quiet $S export "$D/stbllm" --out "$D/stbllm-packed"
for m in billm stbllm stbllm-packed littlebit--bits2.5; do
    $S inspect "$D/$m" --bits --json >"$D/inspect"
    $S analyze bits "$D/$m" --json >"$D/bits"
    $S eval "$D/$m" --data "$D/data" --windows 1 --json >"$D/eval"
    python3 - "$D" "${m%-packed}" <<'PY' || fail "bits of $m"
import json, math, sys
D, method = sys.argv[1:]
seen, bits, score, report = (json.load(open(f'{D}/{n}')) for n in ('inspect', 'bits', 'eval', method + '/binarize.json'))
bits, of = bits[0], seen.get('newest', seen)
assert '-packed' in seen['path'] or seen['binarized']['stored_bits'] == report['stored_bits'] and seen['binarized']['method'] == report['method'], seen
assert of['parameters'] == score['parameters'] and of['binary_weights'] == bits['binarized_weights'], (of, score)
if not method.startswith('littlebit'):
    assert abs(seen['bits']['paper_bits_per_weight'] - report['claimed_bits']) < 1e-6, (seen['bits'], report['claimed_bits'])
    assert abs(bits['nominal'] - report['claimed_bits']) < 1e-6 and bits['nominal'] < bits['ideal'] < bits['true'], bits
if method == 'stbllm':         # 70 sets of 4 of 8, and of each that is kept a sign and one of three; a bit says whether a column is salient
    columns = sum(r['in'] for r in report['layers']) / bits['binarized_weights']
    assert abs(bits['ideal'] - (math.log2(70) / 8 + math.log2(6) / 2 + columns)) < 1e-6, bits
PY
done
ok "counts of zones"

# --- zones: signs and sizes are the numbers that the method found, however they are held -------------------------------
near() { awk "BEGIN { exit !(($1 - $2)^2 < 1e-8) }" || fail "$3: $1 and $2"; }
near1() { awk "BEGIN { exit !(($1 - $2)^2 < 1e-2) }" || fail "$3: $1 and $2"; }     # one step between them
for name in billm stbllm; do
    run=$(nats "$D/$name")
    near "$(nats "$D/$name--dense")" "$run" "$name as numbers and in zones"
    grep -qE 'linear: *zoned' "$D/$name/config.yaml" || fail "$name is no run of kind zoned"
    quiet $S export "$D/$name" --format packed --data "$D/data" --out "$D/packed-$name"
    quiet $S export "$D/$name" --format hf --out "$D/hf-$name"
    near "$(nats "$D/packed-$name")" "$run" "$name packed"
    near "$(nats "$D/hf-$name")" "$run" "$name for Hugging Face"
    $S inspect "$D/$name" --bits --json >"$D/log"
    $S inspect "$D/packed-$name" --bits --json >"$D/bits"
    python3 - "$D" "$name" <<'PY' || fail "$name: bits of the run, of its packed file"
import sys, json
d, name = sys.argv[1:]
run, packed = (json.load(open(d + '/' + f))['bits']['layers'] for f in ('log', 'bits'))
assert [(l['name'], l['bits']) for l in run] == [(l['name'], l['bits']) for l in packed]
q, = (l for l in packed if l['name'].endswith('layers.0.self_attn.q_proj'))      # 32 x 32, one block of columns
if name == 'stbllm': assert q['signs'] == 512 and 32 * 5 * 32 == q['scales'], q
keep = {s['keep'] for c in json.load(open(d + '/packed-' + name + '/config.json'))['signum']['stages'].values() for s in c[0] if s['stage'] == 'zones'}
assert keep == ({'4:8'} if name == 'stbllm' else {'all'}), keep
PY
    before=$run
    quiet $S train "$D/tiny.yaml" model.linear=zoned init="$D/$name" data.train="$D/data" distill.teacher="$D/full" train.steps=30 optim.lr=1e-3 optim.warmup=4 --out "$D/from-$name"
    below "$(nats "$D/from-$name")" "$before" "$name, distilled from"
    for option in init distill.teacher; do
        quiet $S train "$D/tiny.yaml" model.linear=zoned "$option=$D/packed-$name" data.train="$D/data" train.steps=1 --out "$D/$option-$name"
    done
    near1 "$(nats "$D/init-$name")" "$before" "$name, begun with its packed file"
    refuse 5 "packed as another kind: it has '.*zones'.*name the run" $S train "$D/tiny.yaml" model.linear=fbi init="$D/packed-$name" data.train="$D/data" --out "$D/none"
    quiet $S train "$D/$name" data.train="$D/data" distill.teacher="$D/full" train.steps=30 train.batch=4 optim.lr=1e-3 optim.warmup=4 --out "$D/$name" --resume auto
    below "$(nats "$D/$name")" "$before" "$name, distilled"
done
quiet $S export "$D/stbllm" --format hf --replace --out "$D/hf"
four_of_eight || fail "training lets pruned weights grow"
quiet $S export "$D/init-stbllm" --format hf --replace --out "$D/hf"
four_of_eight || fail "packing and unpacking lets pruned weights grow"
ok "zones: run, packed, for other programs, distilled"

# --- what comes out goes on ----------------------------------------------------------------------------------------
before=$(nats "$D/arb-rc")
quiet $S train "$D/arb-rc" data.train="$D/data" distill.teacher="$D/full" train.steps=40 train.batch=4 optim.lr=1e-3 optim.warmup=4 --out "$D/arb-rc" --resume auto
below "$(nats "$D/arb-rc")" "$before" "distilled for 40 steps"
quiet $S train "$D/xnor" init="$D/xnor" data.train="$D/data" train.steps=2 --out "$D/again"
for name in arb-rc littlebit--bits2.5 sign; do
    quiet $S export "$D/$name" --format packed --out "$D/packed-$name"
    quiet $S generate "$D/packed-$name" --prompt la --tokens 5
done
ok "distilled, trained from, packed"

# --- recovery: any method, settings from the binarized model; the first loss is the model's own ------------------------
mkdir "$D/held"
cp -r "$D/data/valid" "$D/held/train"
cp "$D/data/tokenizer.json" "$D/held/" 2>/dev/null || true
windows=$($S eval "$D/full" --data "$D/data" --json | python3 -c "import json, sys; print(json.load(sys.stdin)['windows'])")
for name in sign xnor arb-rc onebit littlebit--bits2.5 billm stbllm mlp-xnor; do
    [ -e "$D/$name" ] || binarize --method xnor --modules mlp --out "$D/$name"
    quiet $S train recover init="$D/$name" distill.teacher="$D/full" distill.lambda=0 data.train="$D/held" train.seq=32 train.batch="$windows" train.steps=1 \
          train.save_every=0 --out "$D/first-$name"
    python3 - "$D/first-$name/metrics.jsonl" "$(nats "$D/$name")" <<'PY' || fail "$name: the first step is not where the binarized model stands"
import sys, json
loss, want = json.loads(open(sys.argv[1]).readline())['loss'], float(sys.argv[2])
assert abs(loss - want) < 2e-4, (loss, want)
PY
done
for name in bitnet bitnet158; do       # the file rounds other last bits than the run does: no reason to refuse it
    quiet $S train recover model.dim=128 model.layers=4 model.heads=4 model.ffn=256 model.linear="$name" data.train="$D/data" train.seq=64 train.batch=2 train.steps=2 \
          train.save_every=0 --out "$D/$name"
    quiet $S export "$D/$name" --format packed --data "$D/data" --out "$D/packed-$name"
done
grep -q 'linear: rowcol' "$D/first-arb-rc/config.yaml" || fail "the kind was not taken from init"
grep -q 'binary: "*mlp' "$D/first-mlp-xnor/config.yaml" || fail "the modules were not taken from init"
SIGNUM=$S OPTIONS="--windows 24" quiet sh configs/recover.sh "$D/full" "$D/data" "$D/recover" xnor train.seq=32 train.steps=40 optim.warmup=4 train.eval_every=0
below "$(nats "$D/recover/recovered")" "$(nats "$D/recover/binary")" "recover.sh"
SIGNUM=$S quiet sh configs/recover.sh "$D/full" "$D/data" "$D/recover" xnor train.seq=32 train.steps=40 optim.warmup=4 train.eval_every=0
grep -q 'nothing left to do' "$D/log" || fail "recover.sh began anew"
ok "recovery of every method"

# --- modules, threads ---------------------------------------------------------------------------------------------------
binarize --method xnor --modules mlp --out "$D/mlp"
check "$D/mlp/binarize.json" "len(v['layers']) == 9"
binarize --method stbllm --threads 1 --out "$D/one"
binarize --method stbllm --threads 2 --out "$D/two"
alike "$(nats "$D/one")" "$(nats "$D/two")" "threads change the result"
cmp "$D/one/binarize.json" "$D/two/binarize.json" || fail "threads change the report"
binarize --method stbllm --layerwise --out "$D/layerwise"
ok "modules, threads, N per layer"

grep -qE 'block 2 of 3 done, 0:0[0-9]:[0-9]{2} left$' "$D/log" || fail "no word of the time that is left: $(cat "$D/log")"

# --- stopped and continued ------------------------------------------------------------------------------------------------
mkdir "$D/stop" "$D/hf-stop"
binarize --method billm --out "$D/whole"
code=0
( ulimit -f 200; trap '' XFSZ; $S binarize "$D/full" --calibration "$D/data" --windows 24 --method billm --out "$D/stop/run" ) >"$D/log" 2>&1 || code=$?
[ "$code" -ne 0 ] || fail "a run without room for its checkpoint ended well"
[ ! -e "$D/stop/run" ] || fail "half a run appeared"
ls "$D/stop/run.partial/"block-00000.safetensors >/dev/null || fail "no block was kept: $(cat "$D/log")"
rm -f "$D/stop/run.partial/block-00002.safetensors"
refuse 2 "another 'method'" $S binarize "$D/full" --calibration "$D/data" --windows 24 --method xnor --out "$D/stop/run"
refuse 2 "another 'windows'" $S binarize "$D/full" --calibration "$D/data" --windows 23 --method billm --out "$D/stop/run"
binarize --method billm --out "$D/stop/run"
grep -q 'block 1 of 3 was there$' "$D/log" || fail "it began anew: $(cat "$D/log")"
grep -qE 'block 3 of 3 done$' "$D/log" || fail "no word of the last block: $(cat "$D/log")"
cmp "$D/whole/binarize.json" "$D/stop/run/binarize.json" || fail "what was continued is reported otherwise"
for run in whole stop/run; do quiet $S export "$D/$run" --format hf --out "$D/hf-$run"; done
cmp "$D"/hf-whole/*.safetensors "$D"/hf-stop/run/*.safetensors || fail "what was continued has other bits"
binarize --method billm --out "$D/stop/other" --replace
( ulimit -f 130; trap '' XFSZ; $S binarize "$D/full" --calibration "$D/data" --windows 24 --method billm --out "$D/stop/other" --replace ) >"$D/log" 2>&1 && fail "130 KiB are enough for a run"
binarize --method xnor --out "$D/stop/other" --replace
grep -q "other.partial: discarded, for it was begun with another 'method'" "$D/log" || fail "no word of what was discarded: $(cat "$D/log")"
binarize --method xnor --out "$D/plain"
cmp "$D/plain/binarize.json" "$D/stop/other/binarize.json" || fail "what was discarded left something"
( ulimit -f 90; trap '' XFSZ; $S binarize "$D/full" --calibration "$D/data" --windows 24 --method xnor --out "$D/stop/full" ) >"$D/log" 2>&1 && fail "24 x 32 x 32 hidden states in 90 KiB"
grep -qE 'full.partial: the hidden states of 24 windows of 32 tokens .* take 0.1 MiB and .* are free' "$D/log" || fail "no word of the disk: $(cat "$D/log")"
binarize --seq 16 --method xnor --out "$D/stop/full"         # the remedy: nothing was begun that asks for --replace
mkdir "$D/stop/held.partial"
exec 9>"$D/stop/held.partial/.lock"
flock 9
refuse 4 'held.partial: another process is at work there' $S binarize "$D/full" --calibration "$D/data" --method xnor --out "$D/stop/held"
exec 9>&-
binarize --method xnor --out "$D/stop/held/"
[ -d "$D/stop/held/checkpoints" ] || fail "RUN/ is not RUN"
cp -r "$D/hf-whole" "$D/changed"
python3 - "$D/changed" <<'PY'
import sys, glob, json, struct, os
path, = glob.glob(sys.argv[1] + '/*.safetensors')
data = bytearray(open(path, 'rb').read())
n, = struct.unpack('<Q', data[:8])
begin, _ = json.loads(data[8:8 + n])['model.layers.2.input_layernorm.weight']['data_offsets']
data[8 + n + begin:12 + n + begin] = struct.pack('<f', 1.5)
open(path, 'wb').write(data)
os.remove(sys.argv[1] + '/MANIFEST')
PY
( ulimit -f 130; trap '' XFSZ; $S binarize "$D/hf-whole" --calibration "$D/data" --windows 24 --method xnor --out "$D/stop/weights" ) >"$D/log" 2>&1 && fail "130 KiB are enough for a run"
refuse 2 "another 'weights'.*--replace" $S binarize "$D/changed" --calibration "$D/data" --windows 24 --method xnor --out "$D/stop/weights"
ok "stopped and continued, discarded"

# --- memory: neither the model nor the calibration is in it as a whole ------------------------------------------------------
awk -v seed=7 -v words=60000 -f tests/cli/nonsense.awk >"$D/long.txt"
quiet $S tokenize "$D/long.txt" --tokenizer "$D/tok.json" --out "$D/long"
for layers in 4 40; do
    quiet $S train "$D/tiny.yaml" model.dim=192 model.ffn=512 model.layers=$layers train.steps=1 train.batch=1 data.train="$D/data" --out "$D/deep$layers"
done
python3 - "$S" "$D" <<'PY' || fail "memory grows with layers or windows"
import os, sys
s, d = sys.argv[1:]
def peak(model, windows, data):                       # MiB
    out = '%s/peak-%s-%d' % (d, model, windows)
    log = [(os.POSIX_SPAWN_OPEN, 1, d + '/log', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), (os.POSIX_SPAWN_DUP2, 1, 2)]
    pid = os.posix_spawnp(s, [s, 'binarize', d + '/' + model, '--calibration', data, '--method', 'xnor', '--seq', '32', '--windows', str(windows), '--out', out],
                          os.environ, file_actions=log)
    _, status, used = os.wait4(pid, 0)
    assert status == 0, open(d + '/log').read()
    return used.ru_maxrss / 1024
few = peak('deep4', 4, d + '/data')
deep, wide = peak('deep40', 4, d + '/data'), peak('deep4', 3000, d + '/long')
print('  peak MiB: 4 layers %.0f, 40 layers %.0f; 3000 windows %.0f' % (few, deep, wide))
assert deep < few + 45, 'the 36 layers more have 61 MiB of weights'
assert wide < few + 45, 'the windows more have 70 MiB of hidden states'
PY
[ "$(ls "$D/peak-deep40-4/checkpoints"/step-*/shard-*.h5 | wc -l)" -gt 1 ] || fail "40 layers in one shard"
nats "$D/peak-deep40-4" >/dev/null
ok "memory"

# --- refused ----------------------------------------------------------------------------------------------------------------
B="$S binarize $D/full --calibration $D/data --windows 8 --out $D/none"
refuse 2 'made with another tokenizer' $S binarize "$D/full" --calibration "$D/foreign" --method xnor --out "$D/none"
refuse 2 'fbi.* already' $S binarize "$D/sign" --calibration "$D/data" --method xnor --out "$D/none"
refuse 2 "nearest is 'stbllm'" $B --method stbllmm
refuse 2 '--method is missing' $B
refuse 2 'no whole groups of 16' $B --method stbllm --m 16
refuse 2 'at least' $B --method littlebit --bits 0.2
refuse 2 'belong to --method stbllm' $B --method xnor --layerwise
refuse 2 'belong to --method littlebit' $B --method sign --bits 2
refuse 2 'belongs to --method stbllm' $B --method arb-rc --m 4
refuse 2 'belong to --method billm' $B --method xnor --variant released
refuse 2 "not 'relaesed'" $B --method billm --variant relaesed
refuse 2 '--calibration is missing' $S binarize "$D/full" --method xnor --out "$D/none"
refuse 2 'context goes from 1 to 32' $B --method xnor --seq 64
refuse 4 '--replace' $S binarize "$D/full" --calibration "$D/data" --method xnor --out "$D/sign"
python3 - "$D" <<'PY'
import sys, shutil, json, struct, subprocess, os, glob
d = sys.argv[1]
subprocess.check_call([os.environ.get('SIGNUM', './signum'), 'export', d + '/full', '--format', 'hf', '--out', d + '/hot'], stdout=subprocess.DEVNULL)
shutil.copytree(d + '/hot', d + '/cold')
for name, layer, number in (('hot', 'mlp.up_proj', 3e38), ('cold', 'self_attn.v_proj', 0)):
    path, = glob.glob(d + '/' + name + '/*.safetensors')
    data = bytearray(open(path, 'rb').read())
    n, = struct.unpack('<Q', data[:8])
    head = json.loads(data[8:8 + n])
    begin, end = head['model.layers.1.' + layer + '.weight']['data_offsets']
    data[8 + n + begin:8 + n + end] = struct.pack('<f', number) * ((end - begin) // 4)
    open(path, 'wb').write(data)
    os.remove(d + '/' + name + '/MANIFEST')
PY
refuse 7 'layers.1.mlp.down_proj: what it reads is not finite' $S binarize "$D/hot" --calibration "$D/data" --windows 4 --method xnor --out "$D/none"
[ ! -e "$D/none" ] || fail "a refused run left something"
ok "refused"

# --- a layer of zeros, and one behind it whose inputs are always 0; all windows that there are -----------------------------------
for method in stbllm xnor; do
    quiet $S binarize "$D/cold" --calibration "$D/data" --windows 100000 --method $method --out "$D/cold-$method"
    grep -q nan "$D/log" && fail "$method, nothing in a layer: $(cat "$D/log")"
    check "$D/cold-$method/binarize.json" "all(l['squared_error'] is not None and l['damping'] in (0, 0.01) for l in v['layers']) and 8 < v['windows'] < 100000"
done
tells 'o_proj .* 32 inputs are always 0' $S binarize "$D/cold" --calibration "$D/data" --windows 8 --method billm --replace --out "$D/cold-billm"
check "$D/cold-billm/binarize.json" "v['windows'] == 8 and [l['dead_inputs'] for l in v['layers'] if l['layer'].endswith('o_proj')] == [0, 32, 0]"
ok "nothing in a layer"
