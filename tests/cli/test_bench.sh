#!/bin/bash
# test_bench.sh - signum bench: its JSON has the fields that others rely on, and they belong together. No speed is judged.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"

$S bench gemm --m 5 --n 70 --k 131 --threads 2 --json >"$D/gemm"
$S bench gemm --m 1 --n 1 --k 1 --threads 1 >/dev/null
$S bench gemm --m 5 --n 70 --k 131 --threads 1 --code 1:8 --json >"$D/masked"
small="model.dim=32 model.layers=1 model.heads=2 model.ffn=48 model.vocab=300 model.context=64"
for teacher in none same; do
    $S bench step --preset tiny $small --batch 2 --seq 16 --steps 3 --threads 1 --teacher $teacher --json >"$D/$teacher"
done
for scales in column row tensor group128; do
    $S bench decode tiny $small train.seq=16 model.scales=$scales --n 70 --k 200 --m 3 --span 1 --tokens 3 --prompt 9 --threads 1 --json >"$D/decode-$scales"
done
for kind in bitnet158 littlebit zoned; do
    tells 'int8 .*tokens/s' $S bench decode tiny $small train.seq=16 model.linear=$kind model.bits=2 --n 64 --k 64 --span 1 --tokens 3 --prompt 9 --threads 1
done
tells 'ternary *int8' $S bench decode --n 64 --k 64 --span 1 --tokens 0
for i in 1 2 3 4 5 6 7 8; do seq 1 20000; done >"$D/text.txt"
$S tokenize "$D/text.txt" --tokenizer byte --shard-tokens 300000 --out "$D/data" >/dev/null
$S bench shards --data "$D/data" --json >"$D/shards"
tells 'MB/s' $S bench shards --data "$D/data/train"
$S bench tokenizer --tokenizer byte --file "$D/text.txt" --json >"$D/tokenizer"
tells 'MB/s' $S bench tokenizer --tokenizer byte --file "$D/text.txt"
python3 - "$D" <<'PY'
import json, sys
def line(name):
    text = open(f'{sys.argv[1]}/{name}').read()
    assert text.endswith('\n') and text.count('\n') == 1, (name, text)
    return json.loads(text)
g = line('gemm')
for key in 'binary_gflops sgemm_gflops ratio_forward ratio_dx refresh_s'.split():
    assert g[key] > 0, (key, g)
for key, (low, high) in g['spread'].items():
    assert low <= g[key] <= high, (key, g)
assert (g['m'], g['n'], g['k'], g['threads']) == (5, 70, 131, 2) and g['isa'] and 'OpenBLAS' in g['blas'], g
assert 0 <= g['rel_error'] <= 1e-6 and g['code'] == 'binary', g
g = line('masked')
assert 0 <= g['rel_error'] <= 1e-6 and g['code'] == '1:8' and g['pack_s'] > 0, g
for name in 'none', 'same':
    s = line(name)
    parts = s['step_s']
    assert list(parts) == ['teacher', 'forward', 'backward', 'optimizer', 'data'], s
    assert all(parts[k] > 0 for k in ('forward', 'backward', 'optimizer')) and parts['data'] >= 0, s
    assert 0 < s['tok_s_min'] <= s['tok_s'] <= s['tok_s_max'], s
    # 6 x (4 x 32^2 + 3 x 32 x 48 binary + 300 x 32 head), the teacher not counted
    assert abs(s['model_gflops'] / (s['tok_s'] * 6 * (4 * 32**2 + 3 * 32 * 48 + 300 * 32) * 1e-9) - 1) < 1e-9, s
    assert abs(s['sgemm_ratio'] * s['sgemm_gflops'] / s['model_gflops'] - 1) < 1e-9, s
    assert s['rss_mb'] > 1 and s['threads'] == 1 and s['isa'] and s['refresh_s'] > 0, s
for scales in 'column', 'row', 'tensor', 'group128':
    d = line('decode-' + scales)
    assert d['read_gb_s'] > 0 and d['threads'] == 1 and d['isa'], d
    signs = 'binary', 'group128', 'ternary', '1:4', '1:8', '1:16', '2:8', 'littlebit 0.55', 'littlebit 0.8', 'zoned 4:8', 'zoned 6:8', 'zoned'
    assert [(p['signs'], p['path']) for p in d['gemv']] == [(a, b) for a in signs for b in ('exact', 'int8')], d
    for p in d['gemv']:
        assert (p['n'], p['k'], p['m']) == (70, 200, 3) and 0 < p['spread'][0] <= p['gweights_s'] <= p['spread'][1] and p['gb_s'] > 0, p
    weights = 4 * 32**2 + 3 * 32 * 48
    assert d['binary_weights'] == weights and d['bytes_per_token'] > 2 * 300 * 32 + weights / 8 and d['head'] == 'F16', d
    assert [p['path'] for p in d['decode']] == ['exact', 'int8'], d
    for p in d['decode']:
        assert p['tok_s'] > 0 and p['tok_s_median'] > 0 and p['prefill_tok_s'] > 0 and p['runtime_mib'] > 0, p
        assert abs(p['gweights_s'] / (1e-9 * weights * p['tok_s']) - 1) < 1e-9 and abs(p['gb_s'] / (1e-9 * d['bytes_per_token'] * p['tok_s']) - 1) < 1e-9, p
e = line('tokenizer')
assert e['kind'] == 'byte' and e['tokens'] == e['bytes'] == 8 * 108894 and e['bytes_per_token'] == 1 and e['rounds'] >= 3, e
assert 0 < e['spread'][0] <= e['mb_s'] <= e['spread'][1], e
r = line('shards')
assert r['read_mb_s'] > 0 and r['zstd_mb_s'] > 0 and 0 < r['ratio'] and r['open_s'] > 0, r
assert r['tokens'] == 8 * 108894 + 1 and r['bytes'] == 2 * r['tokens'] and r['shards'] == 3, r
assert line('same')['step_s']['teacher'] > line('none')['step_s']['teacher'], 'the teacher takes no time'
PY
ok "fields of gemm, decode, step, shards and tokenizer"

expected=2
refuse() {   # pattern, command ...
    local pattern=$1 code=0
    shift
    "$@" >"$D/out" 2>"$D/err" || code=$?
    [ "$code" -eq "$expected" ] || fail "'$*' ended with $code: $(cat "$D/err")"
    grep -qE -- "$pattern" "$D/err" || fail "'$*' does not say /$pattern/: $(cat "$D/err")"
}
refuse "'gemm', 'decode', 'step', 'shards' or 'tokenizer'" $S bench speed
refuse "--m is 9" $S bench decode --m 9
refuse "--span is less" $S bench decode --n 65536 --k 4096 --span 1 --tokens 0
refuse "--dense I9" $S bench decode tiny --dense I9 --n 64 --k 64 --span 1
refuse "--m is 0" $S bench gemm --m 0
refuse "no signs '3:8'" $S bench gemm --code 3:8
refuse "--data is missing" $S bench shards
refuse "needs --tokenizer T and --file" $S bench tokenizer
refuse "--steps is 0" $S bench step --steps 0
refuse "model.vocab" $S bench step --preset tiny model.vocab=0 --steps 1
expected=9                             # unsupported
refuse "not I64" $S bench decode tiny --dense I64 --n 64 --k 64 --span 1
ok "what it refuses"
