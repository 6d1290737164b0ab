#!/bin/bash
# test_export_gguf.sh - GGUF files of signs from the command line: what leaves without loss, what is refused, what rounding costs.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
says() { grep -q -- "$1" "$D/log" || fail "no '$1' in: $(cat "$D/log")"; }

awk -v seed=2 -v words=6000 -f tests/cli/nonsense.awk >"$D/text.txt"
quiet $S tokenize "$D/text.txt" --tokenizer byte --out "$D/data" --valid 0.1
cat >"$D/small.yaml" <<'YAML'
model: {dim: 256, layers: 1, heads: 4, ffn: 256, linear: fbi}
train: {seq: 64, batch: 2, steps: 12, save_every: 0, eval_every: 0}
optim: {lr: 3e-3, warmup: 3}
YAML
train() { quiet $S train "$D/small.yaml" data.train="$D/data" data.valid="$D/data" "${@:2}" --out "$D/$1"; }
train row model.scales=row model.shift=true
train tied model.scales=column model.tie_scales=true model.shift=false
train column model.scales=column

for m in row tied; do
    for t in q1_0 tq1_0 tq2_0; do
        $S export "$D/$m" --format gguf --type $t --other-type f32 --out "$D/$m-$t" --json >"$D/report"
        check "$D/report" "v['largest_difference'] <= 2e-3 * v['largest_logit'] and abs(v['nats_per_token'] - v['file_nats_per_token']) < 1e-3"
        check "$D/report" "0 <= v['divergence'] + 1e-9 < 1e-4"
    done
done
[ -e "$D/row-q1_0/beta.gguf" ] && [ ! -e "$D/tied-q1_0/beta.gguf" ] || fail "an adapter belongs to shifts"
$S eval "$D/row" "$D/row-q1_0" --data "$D/data" --json >"$D/scores"
check "$D/scores" "abs(v[0]['nats_per_token'] - v[1]['nats_per_token']) < 1e-3"
/usr/bin/python3 - "$D" <<'PY' || fail "bytes of blocks"
import os, sys
size = lambda m, t: os.path.getsize(f'{sys.argv[1]}/{m}-{t}/model.gguf')
weights = 4 * 256 * 256 + 3 * 256 * 256
for t, bits in (('tq1_0', 54 * 8 / 256), ('tq2_0', 66 * 8 / 256)):
    sys.exit(1) if abs(size('tied', t) - size('tied', 'q1_0') - weights * (bits - 1.125) / 8) > 64 else None
PY
quiet $S export "$D/row" --format gguf --type q1_0 --out "$D/row-q1_0" --replace
says 'pull request 21273' && says 'row-q1_0/beta.gguf' && says 'their signs are here'

if $S export "$D/column" --format gguf --type q1_0 --out "$D/none" 2>"$D/log"; then fail "untied columns as Q1_0"; fi
says 'layers.0.self_attn.q_proj' && says '--approximate' && [ ! -e "$D/none" ] || fail "a refused export left something"
$S export "$D/column" --format gguf --type q1_0 --approximate --data "$D/data" --out "$D/near" --json >"$D/report" 2>"$D/log"
says 'rounded'
check "$D/report" "v['divergence'] > 1e-7 and 'valid' in v['check_data'] and v['file_nats_per_token'] < v['nats_per_token'] + 0.5"
if $S export "$D/column" --format hf --approximate --out "$D/none" 2>"$D/log"; then fail "--approximate of floats"; fi
says '--format gguf'
quiet $S export "$D/column" --format gguf --type q8_0 --out "$D/q8"
says 'divergence'
echo "ok   GGUF of signs from the command line"
