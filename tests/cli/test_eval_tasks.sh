#!/bin/bash
# test_eval_tasks.sh - `signum eval --tasks`: tables, JSON, items, few-shot, the same numbers for any thread count and any kind of model, what
# is refused; where the shared data is, the first questions beside NumPy and SentencePiece (tests/golden/tasks_numpy.py).
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
refuse() {   # code, text, command
    local code=0 want=$1 text=$2
    shift 2
    "$@" >"$D/out" 2>"$D/err" || code=$?
    [ "$code" -eq "$want" ] || fail "'$*' ended with $code, expected $want: $(cat "$D/err")"
    [ "$(wc -l <"$D/err")" -eq 1 ] && grep -qF -- "$text" "$D/err" || fail "'$*' does not say '$text': $(cat "$D/err")"
}

# --- a model of bytes, of three kinds --------------------------------------------------------------
awk -v seed=4 -v words=3000 -f tests/cli/nonsense.awk >"$D/text.txt"
quiet $S tokenize "$D/text.txt" --tokenizer byte --out "$D/data" --valid 0.1
cat >"$D/c.yaml" <<'YAML'
model: {dim: 32, layers: 2, heads: 2, ffn: 64, linear: fbi, scales: row}
train: {seq: 64, batch: 4, steps: 20, save_every: 0, eval_every: 0}
optim: {lr: 3e-3}
YAML
quiet $S train "$D/c.yaml" data.train="$D/data" --out "$D/run"
quiet $S export "$D/run" --format packed --out "$D/packed"
quiet $S export "$D/run" --format hf --out "$D/hf"

# --- data ------------------------------------------------------------------------------------------
mkdir -p "$D/tasks/piqa" "$D/tasks/arc-challenge"
$PY - "$D/tasks" <<'PY'
import gzip, json, random, sys
d, r = sys.argv[1], random.Random(5)
words = lambda n: ' '.join(''.join(r.choice('abcdeost') for _ in range(r.randint(1, 6))) for _ in range(n))
def put(name, rows, opener=open):
    with opener(f'{d}/{name}', 'wt') as f:
        f.writelines(json.dumps(row) + '\n' for row in rows)
piqa = lambda n: [{'goal': words(5), 'sol1': words(4), 'sol2': words(4), 'label': r.randint(0, 1)} for _ in range(n)]
put('piqa/validation.jsonl', piqa(12))
put('piqa/train.jsonl', piqa(30))
put('boolq.jsonl', [{'question': words(4), 'passage': words(20), 'answer': r.random() < .5} for _ in range(8)])
put('hellaswag_val.jsonl', [{'ind': i, 'activity_label': words(1), 'ctx_a': words(6), 'ctx_b': words(2), 'endings': [words(5) for _ in range(4)],
                             'label': str(r.randint(0, 3))} for i in range(8)])
put('winogrande.jsonl', [{'sentence': words(3) + ' _ ' + words(3), 'option1': words(1), 'option2': words(1), 'answer': str(r.randint(1, 2))} for _ in range(8)])
arc = [{'id': f'q{i}', 'question': words(6), 'choices': {'text': [words(2) for _ in range(4)], 'label': list('ABCD')}, 'answerKey': r.choice('ABCD')} for i in range(8)]
put('arc_easy.jsonl.gz', arc, gzip.open)
json.dump(arc, open(f'{d}/arc-challenge/test.json', 'w'), indent=1)
put('openbookqa.jsonl', [{'question_stem': a['question'], 'choices': a['choices'], 'answerKey': a['answerKey']} for a in arc])
put('lambada.jsonl', [{'text': words(9)} for _ in range(8)])
with open(f'{d}/wikitext.txt', 'w') as f:
    f.writelines(f' \n = {words(2)} = \n \n {words(80)} . \n = = {words(1)} = = \n {words(30)} \n' for _ in range(4))
PY
cp "$D/tasks/wikitext.txt" "$D/tasks/ppl.txt"
ALL=ppl,wikitext,boolq,piqa,hellaswag,winogrande,arc_easy,arc_challenge,openbookqa,lambada

tasks() { $S eval "$@" --tokenizer byte --tasks $ALL --task-data "$D/tasks"; }
tasks "$D/run" "$D/packed" "$D/hf" --json --items "$D/items" --threads 1 >"$D/json" 2>"$D/err" || fail "$(cat "$D/err")"
tasks "$D/run" "$D/packed" "$D/hf" --items "$D/items2" --threads 3 >"$D/table" 2>/dev/null
cmp -s "$D/items" "$D/items2" || fail "other scores with other threads"
$PY - "$D" <<'PY' || fail "scores and their sums disagree"
import json, math, sys
d = sys.argv[1]
models = json.load(open(d + '/json'))
rows = [json.loads(line) for line in open(d + '/items')]
table = open(d + '/table').read()
assert [m['kind'] for m in models] == ['checkpoint', 'packed', 'hf'], models
for m in models:
    assert m['model_bytes'] > 0 and len(m['tasks']) == 10
    # 256 + 1 ids and the head of 32, norms, two blocks of 4 x 32 x 32 + 3 x 32 x 64
    weights = 2 * 257 * 32 + 5 * 32 + 2 * (4 * 32 * 32 + 3 * 32 * 64)
    assert abs(m['bits_per_weight'] - 8 * m['model_bytes'] / weights) < 1e-9, (m, weights)
    assert m['kind'] != 'packed' or 1 < m['binarized_bits_per_weight'] < 6, m
    assert m['kind'] != 'hf' or m['binarized_bits_per_weight'] is None, m
    for name, t in m['tasks'].items():
        own = [r for r in rows if r['model'] == m['model'] and r['task'] == name]
        assert t['n'] == len(own) and [r['index'] for r in own] == list(range(t['n'])), (name, t)
        def same(key, values):
            n = len(values)
            mean = sum(values) / n
            assert abs(t[key] - mean) < 1e-12, (name, key, t, mean)
            assert abs(t[key + '_stderr'] - math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)) < 1e-9, (name, key, t)
        if 'gold' in own[0]:
            same('acc', [r['pred'] == r['gold'] for r in own])
            assert all(r['ll'][r['pred']] == max(r['ll']) for r in own)
            assert ('acc_norm' in t) == (name not in ('boolq', 'winogrande')), name
        if 'acc_norm' in t:
            same('acc_norm', [r['pred_norm'] == r['gold'] for r in own])
        if name == 'lambada':
            same('acc', [r['greedy'] for r in own])
            assert abs(math.log(t['perplexity']) + sum(r['ll'] for r in own) / len(own)) < 1e-9
        if name == 'wikitext':
            nats, size = -sum(r['ll'] for r in own), sum(r['bytes'] for r in own)
            assert size == len(open(d + '/tasks/wikitext.txt').read()) - 2 - 3, size       # pages are joined by what they leave out
            assert abs(t['bits_per_byte'] - nats / size / math.log(2)) < 1e-9 and abs(math.log(t['byte_perplexity']) - nats / size) < 1e-9
            assert abs(math.log(t['word_perplexity']) - nats / sum(r['words'] for r in own)) < 1e-9
        if name == 'ppl':
            assert abs(math.log(t['ppl_block64']) + sum(r['ll'] / r['tokens'] for r in own) / len(own)) < 1e-9 and own[0]['tokens'] == 63
    assert f"{m['tasks']['piqa']['acc']:.4f}" in table and m['model'] in table
by = lambda m: [r for r in rows if r['model'] == m['model']]
for m in models[1:]:
    for a, b in zip(by(models[0]), by(m)):
        for x, y in zip(*(r['ll'] if isinstance(r['ll'], list) else [r['ll']] for r in (a, b))):
            assert abs(x - y) <= 1e-4 * abs(x), (a, b)
easy, challenge, book = ([r['gold'] for r in by(models[0]) if r['task'] == n] for n in ('arc_easy', 'arc_challenge', 'openbookqa'))
assert easy == challenge == book and [r['id'] for r in by(models[0]) if r['task'] == 'arc_easy'] == [f'q{i}' for i in range(8)]
PY
ok "ten tasks on a run, packed and hf: sums of the items, the same with any number of threads"

one() { $S eval "$D/packed" --tokenizer byte "$@"; }
one --tasks piqa="$D/tasks/piqa" --shots 3 --max-length 400 --items "$D/shots" --json >"$D/json"
one --tasks piqa="$D/tasks/piqa/validation.jsonl" --shots 3 --shots-data piqa="$D/tasks/piqa/train.jsonl" --max-length 400 --items "$D/shots2" >/dev/null
cmp "$D/shots" "$D/shots2" || fail "the examples beside the questions are others"
grep -q '"shots": 3' "$D/json" || fail "no shots in the JSON"
one --tasks piqa="$D/tasks/piqa" --limit 5 --json >"$D/json"
grep -q '"n": 5' "$D/json" || fail "--limit 5 scored $(grep '"n"' "$D/json")"
one --data "$D/data" --tasks piqa --task-data "$D/tasks" --json >"$D/json"
grep -q nats_per_token "$D/json" && grep -q acc_norm "$D/json" || fail "--data and --tasks do not go together"
tells '^winogrande ' $S eval --tasks list
refuse 2 "did you mean 'hellaswag'" one --tasks helaswag
refuse 2 '--task-data' one --tasks piqa
refuse 2 'twice' one --tasks piqa,piqa --task-data "$D/tasks"
refuse 2 '--shots-data boolq=FILE' one --tasks boolq="$D/tasks/boolq.jsonl" --shots 2
refuse 2 'takes no --shots' one --tasks wikitext="$D/tasks/wikitext.txt" --shots-data wikitext="$D/tasks/wikitext.txt" --shots 1
refuse 2 '--bos' one --tasks piqa --task-data "$D/tasks" --bos
refuse 4 '--tasks lambada_openai=FILE' one --tasks lambada_openai --task-data "$D/tasks"
refuse 5 'boolq.jsonl:1: there is no field goal' one --tasks piqa="$D/tasks/boolq.jsonl" --items "$D/none"
[ ! -e "$D/none" ] || fail "a refused evaluation leaves a file of items"
ok "few-shot, limits, and what is refused"

if $PY -c 'import numpy, sentencepiece' 2>/dev/null; then
    PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 $PY tests/golden/tasks_numpy.py "$S" 25
else
    echo "SKIPPED: $PY has no numpy or sentencepiece; the tasks are not compared with them" >&2
fi
