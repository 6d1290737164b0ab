#!/bin/bash
# test_commands.sh - the program's frame: help for every command, options, unknown words, exit codes, settings and their page.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
refuse() {   # code, pattern, command ...
    local want=$1 pattern=$2 code=0
    shift 2
    "$@" >"$D/out" 2>"$D/err" || code=$?
    [ "$code" -eq "$want" ] || fail "'$*' ended with $code, expected $want: $(cat "$D/err")"
    [ "$(wc -l <"$D/err")" -eq 1 ] || fail "'$*' wrote $(wc -l <"$D/err") lines: $(cat "$D/err")"
    grep -qE -- "^signum: .*$pattern" "$D/err" || fail "'$*' does not say /$pattern/: $(cat "$D/err")"
}

$S help >"$D/help"
commands=$(sed -n 's/^SGN_COMMAND(\(.*\))/\1/p' cli/commands.def | tr _ -)
for c in $commands; do
    grep -q "^  $c " "$D/help" || fail "'signum help' does not list $c"
    $S "$c" --help >"$D/text" || fail "'$c --help' ended with $?"
    grep -q "^signum $c" "$D/text" && grep -q '^example:' "$D/text" && grep -q "^  signum $c" "$D/text" || fail "'$c --help' has no usage or example"
    $S help "$c" | cmp -s - "$D/text" || fail "'help $c' is not '$c --help'"
done
$S --help | cmp -s - "$D/help" || fail "--help is not help"
tells '^signum [0-9]+\.[0-9]+' $S --version
ok "help for $(echo $commands | wc -w) commands"

refuse 2 "did you mean 'train'" $S tarin
refuse 2 "'signum help'" $S xyzzyx
refuse 2 "did you mean '--resume'" $S train tiny --resme auto
refuse 2 "--out wants a value" $S train tiny --out
refuse 2 "--out is missing" $S train tiny
refuse 2 "--resume now" $S train tiny --out "$D/x" --resume now
refuse 2 "takes no value" $S plan tiny --json=yes
refuse 2 "one word too many" $S version now
refuse 2 "word is missing" $S config
refuse 2 "two dashes" $S config -x
refuse 2 "model.dim" $S config tiny model.dimm=3
refuse 2 "demo" $S config dmo
refuse 4 "standard output" sh -c "$S help >/dev/full"
ok "unknown words"

$S config tiny model.dim=384 >"$D/a.yaml"
grep -q '^  dim: 384$' "$D/a.yaml" || fail "an override is not in the resolved settings"
$S config "$D/a.yaml" >"$D/b.yaml"
cmp -s "$D/a.yaml" "$D/b.yaml" || fail "resolved settings do not load back to the same"
$S config "$D/a.yaml" --comments >"$D/c.yaml"
$S config "$D/c.yaml" | cmp -s - "$D/a.yaml" || fail "comments change settings"
(cd "$D" && $S config tiny >/dev/null) || fail "a preset by name is not found from another directory"
$S config --document | cmp -s - docs/config.md || fail "docs/config.md is not what 'signum config --document' prints: run 'make docs'"
ok "settings, and docs/config.md is up to date"

$S plan fbi-7b --json >"$D/plan"
python3 - "$D/plan" <<'PY'
import json, sys
p = json.load(open(sys.argv[1]))
assert p['binary_weights'] == 6476005376, p            # 32 x (4 x 4096^2 + 3 x 4096 x 11008)
assert p['tokens_per_step'] == 1920 * 2048, p
assert p['weights'] == p['gradients'] and abs(p['weights'] - 4 * p['parameters']) < 1e5, p
assert 2 * p['weights'] <= p['optimizer'] < 2.001 * p['weights'], p
assert p['total'] == sum(p[k] for k in 'weights gradients planes optimizer activations teacher scratch data saving fixed'.split()), p
assert abs(p['flops_per_token'] / (6 * (6476005376 + 4096 * 32000 + 32 * 2048 * 4096)) - 1) < 1e-9, p
PY
ok "plan"

for run in one two; do
    mkdir -p "$D/$run"
    python3 - "$D/$run" <<'PY'
import json, math, sys
with open(sys.argv[1] + '/metrics.jsonl', 'w') as f:
    for i in range(1, 401):
        row = {'step': i, 'tokens': 100 * i, 'loss': 1, 'hard': 2 + 5 * math.exp(-i / 50) + (0.1 if 'two' in sys.argv[1] else 0)}
        if i % 100 == 0:
            row['valid'] = row['hard'] + 0.2
        f.write(json.dumps(row) + '\n')
PY
done
$S plot "$D/one" "$D/two/" --out "$D/curves.svg" --title "a < b & c"
python3 - "$D/curves.svg" <<'PY'
import sys, xml.etree.ElementTree as E
svg = E.parse(sys.argv[1]).getroot()
tags = [e.tag.split('}')[1] for e in svg.iter()]
text = [e.text for e in svg.iter() if e.tag.endswith('text')]
assert tags.count('circle') == 2 * 4 + 2, tags.count('circle')     # marks of two runs and of the legend
assert 'a < b & c' in text and '40 k' in text and any(t and t.startswith('two: ') for t in text), text
PY
refuse 4 "nowhere" $S plot "$D/nowhere" --out "$D/x.svg"
printf '{"step": 1' >"$D/one/metrics.jsonl"
refuse 5 "no steps" $S plot "$D/one" --out "$D/x.svg"
[ ! -e "$D/x.svg" ] || fail "a picture of nothing was drawn"
ok "plot"
