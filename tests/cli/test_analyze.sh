#!/bin/bash
# test_analyze.sh - signum analyze: its numbers belong together, predicted and measured, counted and drawn. No speed is judged.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"

# --- amdahl: a row of the published shapes, and a small model measured -----------------------------------------
$S analyze amdahl fbi-130m --context 2048,128 --speedup 3 --svg "$D/shares.svg" --json >"$D/amdahl"
$S analyze amdahl fbi-130m --context 2048 --causal --json >"$D/causal"
$S analyze amdahl fbi-130m model.linear=full --context 2048 --json >"$D/full"
tells 'context of 4608 tokens$' $S analyze amdahl fbi-130m
python3 - "$D" <<'PY'
import json, sys, xml.etree.ElementTree as E
load = lambda name: json.load(open(f'{sys.argv[1]}/{name}'))
v, causal, full = load('amdahl'), load('causal'), load('full')
assert v['context_at_half'] == 4608 and v['sign_weights'] == 84934656 and not v['assumed'] and full['assumed'], v
far, near = v['rows']
assert abs(far['f'] - 0.6923) < 5e-5 and abs(far['f_with_head'] - 0.5768) < 5e-5 and abs(near['f'] - 0.9730) < 5e-5, v
assert full['rows'][0]['f'] == far['f'] and causal['rows'][0]['f'] > far['f'], (full, causal)
for r in v['rows']:
    assert abs(sum(r['share'].values()) - 1) < 1e-12 and abs(sum(r['bytes'].values()) - 2 * r['bytes']['all']) < 1, r
    for phase in 'prefill', 'training', 'decode_operations':
        assert 1 < r[phase]['predicted'] < r[phase]['ceiling'] and 'measured' not in r[phase], r
    assert r['training']['ceiling'] < 3, r
svg = E.parse(sys.argv[1] + '/shares.svg').getroot()
text = [e.text for e in svg.iter() if e.tag.endswith('text')]
assert '2048' in text and 'tokens of context' in text and '% of multiply-adds per token' in text and 'attention heads' in text, text
assert 'prefers-color-scheme:dark' in ''.join(e.text or '' for e in svg.iter() if e.tag.endswith('style'))
PY
small="model.dim=32 model.layers=1 model.heads=2 model.ffn=48 model.vocab=300 model.context=64"
$S analyze amdahl tiny $small train.seq=32 --measure --seq 16 --steps 1 --threads 1 --context 8,30 --json --svg "$D/measured.svg" >"$D/measured"
python3 - "$D" <<'PY'
import json, sys
v = json.load(open(sys.argv[1] + '/measured'))
m = v['measured']
for key in 'product_forward', 'product_dx', 'training_predicted', 'training_passes', 'training_step':
    assert m[key] > 0, m
assert v['causal'] and v['speedup'] == m['product_forward'] and m['threads'] == 1 and 'not_run' not in m, v
for r in v['rows']:
    assert r['prefill']['measured'] > 0 and r['decode_bytes']['measured'] > 0, r
PY
$S analyze amdahl tiny $small model.linear=bitnet train.seq=32 --measure --seq 16 --steps 1 --threads 1 --context 8 >"$D/bitnet"
! grep -q 'were not run' "$D/bitnet" || fail "a kind was not measured: $(cat "$D/bitnet")"
refuse 2 '--context 12x' $S analyze amdahl fbi-130m --context 12x
refuse 2 '--speedup is 0' $S analyze amdahl fbi-130m --speedup 0
refuse 2 'model.vocab' $S analyze amdahl demo
refuse 2 "'amdahl', 'bits' or 'signs'" $S analyze gain fbi-130m
ok "amdahl"

# --- bits and signs of runs ---------------------------------------------------------------------------------------
awk -v seed=3 -v words=2000 -f tests/cli/nonsense.awk >"$D/text.txt"
quiet $S tokenize "$D/text.txt" --tokenizer byte --out "$D/data"
cat >"$D/tiny.yaml" <<'YAML'
model: {dim: 64, layers: 2, heads: 4, ffn: 96, scales: column}
train: {seq: 32, batch: 4, steps: 6, save_every: 2, keep: 0, eval_every: 0}
optim: {lr: 2e-3, warmup: 2}
YAML
quiet $S train "$D/tiny.yaml" model.linear=fbi data.train="$D/data" --out "$D/fbi"
quiet $S train "$D/tiny.yaml" model.linear=nm model.keep=1:8 data.train="$D/data" --out "$D/nm"
quiet $S train "$D/tiny.yaml" model.linear=full data.train="$D/data" --out "$D/full-run"
quiet $S export "$D/fbi" --out "$D/packed"

$S analyze bits "$D/packed" "$D/nm" "$D/full-run" --svg "$D/bits.svg" --json >"$D/bits"
$S inspect "$D/packed" --bits --json >"$D/inspect"
$S analyze bits "$D/packed" "$D/nm" >"$D/table"
grep -q '^model.layers.1 ' "$D/table" && grep -q 'as FBI-LLM counts' "$D/table" || fail "the table has no layers or no claim: $(cat "$D/table")"
quiet $S analyze bits "$D/packed" --svg "$D/one.svg"
python3 - "$D" <<'PY'
import json, os, sys, xml.etree.ElementTree as E
D = sys.argv[1]
packed, nm, full = json.load(open(D + '/bits'))
seen = json.load(open(D + '/inspect'))['bits']
assert packed['true'] == seen['binarized_bits_per_weight'] and packed['nominal'] == seen['paper_bits_per_weight'] and packed['ideal'] == 1, packed
assert packed['file_bytes'] == os.path.getsize(D + '/packed/model.safetensors') and packed['stored'], packed
assert abs(nm['ideal'] - 0.5) < 1e-12 and nm['nominal'] < nm['ideal'] < nm['true'], nm
assert full['true'] is None and full['binarized_weights'] == 0 and full['bits_per_weight'] > 31, full
for m in packed, nm, full:
    assert m['bits'] == sum(r['bits'] for r in m['rows']), m
bars = [e for e in E.parse(D + '/bits.svg').getroot().iter() if e.tag.endswith('rect') and len(e)]
assert len(bars) == 2 * 3, len(bars)            # of two models, one has nothing binarized
PY
refuse 2 'nothing is binarized' $S analyze bits "$D/full-run" --svg "$D/none.svg"
refuse 4 'nowhere' $S analyze bits "$D/packed" "$D/nowhere"
ok "bits"
tells 'were not run: .*--context' $S analyze amdahl "$D/packed" --measure --seq 16 --steps 1 --threads 1 --context 9999

$S analyze signs "$D/fbi" --against init --svg "$D/signs.svg" --json >"$D/signs"
$S analyze signs "$D/nm" --against "$D/nm" --json >"$D/self"
$S analyze signs "$D/packed" --against "$D/fbi" --json >"$D/as-packed"
$S analyze signs "$D/nm" --against "$D/full-run" >"$D/table"
grep -q 'both keep' "$D/table" && grep -q '1.mlp.down_proj' "$D/table" && grep -q '2 - *4 ' "$D/table" || fail "the table of signs lacks something: $(cat "$D/table")"
python3 - "$D" <<'PY'
import json, sys, xml.etree.ElementTree as E
D = sys.argv[1]
v, own, packed = (json.load(open(f'{D}/{n}')) for n in ('signs', 'self', 'as-packed'))
metrics = [json.loads(l) for l in open(D + '/fbi/metrics.jsonl')]
assert [s for s, _ in v['flip_rate']] == [1, 2, 3, 4, 5, 6] and all(abs(a[1] - m['flip_rate']) < 1e-12 for a, m in zip(v['flip_rate'], metrics)), v['flip_rate']
assert [(i['from'], i['to']) for i in v['intervals']] == [(2, 4), (4, 6)], v['intervals']
for i in v['intervals']:
    flips = sum(m['flip_rate'] for m in metrics if i['from'] < m['step'] <= i['to'])
    assert abs(i['flips'] - flips) < 1e-9 and 0 < i['changed'] <= flips * (1 + 1e-6), (i, flips)
assert len(v['layers']) == 14 and 'seed' in v['against_what'], v['against_what']
total = sum(m['flip_rate'] for m in metrics)
assert 0 < v['against']['changed'] <= total and abs(v['against']['changed'] + v['against']['same_sign'] - 1) < 1e-9, (v['against'], total)
for l in v['layers']:
    assert sum(l['latents']['count']) == l['weights'] and 0 <= l['near'] < 1 and len(l['changed']) == 2, l
    assert sum(l['alpha']['histogram']['count']) == l['alpha']['count'] == sum(l['beta']['histogram']['count']), l
assert own['against'] == {'changed': 0, 'kept_by_both': 0.125, 'same_sign': 1}, own['against']
assert packed['against']['same_sign'] == 1 and all('latents' not in l for l in packed['layers']) and not packed['intervals'], packed
text = [e.text for e in E.parse(D + '/signs.svg').getroot().iter() if e.tag.endswith('text')]
assert sum(t.startswith('Signs that change from checkpoint to checkpoint') for t in text) == 2 and 'layer 1' in text and 'down' in text, text
assert {'optimizer steps', '% of signs per step', '% of weights per bin', 'alpha', 'beta', '% of signs'} <= set(text), text
PY
quiet $S train "$D/tiny.yaml" model.linear=fbi model.binary_from_step=3 data.train="$D/data" --out "$D/warm"
$S analyze signs "$D/warm" >"$D/table" 2>"$D/err" && [ ! -s "$D/err" ] && grep -q '14 layers with signs, 2 states' "$D/table" && grep -q '4 - *6 ' "$D/table" \
    || fail "checkpoints before the switch are not left out: $(cat "$D/table" "$D/err")"
refuse 9 'no layer has signs' $S analyze signs "$D/full-run"
refuse 2 'name a run' $S analyze signs "$D/packed" --against init
refuse 4 'nowhere' $S analyze signs "$D/fbi" --against "$D/nowhere"
refuse 2 '--near is 0' $S analyze signs "$D/fbi" --near 0
ok "signs"
