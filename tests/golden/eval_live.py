# SPDX-License-Identifier: MIT
"""eval_live.py - `signum eval` beside PyTorch, on models by formula and on a model that was really trained.

    /usr/bin/python3 tests/golden/eval_live.py

A model of every linear kind and scale pattern, and stories260K (a 260,000-parameter LLaMA in the legacy llama2.c
format, from the shared data), become Hugging Face directories; nats per token over windows k*T .. k*T+T of a
shard set must agree within 1e-5. So must the loss of a real story: below 2 nats, where chance is log 512 = 6.2.
"""
import json
import os
import struct
import sys
import tempfile
from dataclasses import replace

import numpy as np
import torch

from llama_fbi import SMALL, STUDENT, formula_tokens, logits, losses, make, write_model
from parity_live import signum

SHARED = os.path.join('..', 'shared', 'data')
LOUD = replace(STUDENT, embedding=24, matrix=26, head=25, norm=25)
MODELS = {
    'full': SMALL,
    'tied': replace(SMALL, tied=True, attention_bias=True, mlp_bias=True, scaling=2.0),
    'column': replace(SMALL, linear='fbi'),
    'row': replace(SMALL, linear='fbi', scales='row', binary='mlp'),
    'tensor': replace(SMALL, linear='fbi', scales='tensor', shift=False),
    'group128': replace(SMALL, linear='fbi', scales='group128', shift=False),
}


def mean_nats(p, s, ids, seq):
    """Mean -log p(target) over whole windows of seq tokens."""
    count = (len(ids) - 1) // seq
    total = 0.0
    with torch.no_grad():
        for k in range(0, count, 16):
            rows = [ids[i * seq:(i + 1) * seq + 1] for i in range(k, min(k + 16, count))]
            rows = torch.from_numpy(np.stack(rows).astype(np.int64))
            total += losses(logits(p, s, rows[:, :-1]), rows[:, 1:])[1].item() * len(rows)
    return total / count


def compare(name, directory, s, p, ids):
    at = lambda n: os.path.join(directory, f'{name}-{n}')
    write_model(at('model'), s, p)
    ids.astype('<u2').tofile(at('ids.bin'))
    signum('tokenize', at('ids.bin'), '--ids', 'u16', '--vocab', str(s.vocab), '--valid', '0', '--out', at('data'))
    got = json.loads(signum('eval', at('model'), '--data', at('data'), '--json'))['nats_per_token']
    want = mean_nats(p, s, ids, s.context)
    print(f'{name}: {got:.7f} nats per token, PyTorch {want:.7f}', flush=True)
    if not abs(got - want) <= 1e-5 * want:
        sys.exit(f'{name}: signum eval and PyTorch differ by {abs(got / want - 1):.1e}')
    return want


# --- stories260K -------------------------------------------------------------------------------------

def read_llama2c(path):
    """The legacy llama2.c checkpoint: 7 int32, then float32 arrays, layers stacked."""
    with open(path, 'rb') as f:
        dim, ffn, layers, heads, kv_heads, vocab, context = struct.unpack('<7i', f.read(28))
        data = torch.from_numpy(np.frombuffer(f.read(), '<f4').copy())
    tied, vocab, kv, at = vocab > 0, abs(vocab), dim // heads * kv_heads, 0

    def take(*size):
        nonlocal at
        at += int(np.prod(size))
        return data[at - int(np.prod(size)):at].reshape(size)

    def halves(w, n):                    # rotary pairs (2j, 2j+1) to Hugging Face's (j, j + half)
        return w.view(layers, n, dim // heads // 2, 2, dim).transpose(2, 3).reshape(w.shape)

    p = {'model.embed_tokens.weight': take(vocab, dim)}
    stacked = {'input_layernorm': take(layers, dim),
               'self_attn.q_proj': halves(take(layers, dim, dim), heads),
               'self_attn.k_proj': halves(take(layers, kv, dim), kv_heads),
               'self_attn.v_proj': take(layers, kv, dim), 'self_attn.o_proj': take(layers, dim, dim),
               'post_attention_layernorm': take(layers, dim),
               'mlp.gate_proj': take(layers, ffn, dim), 'mlp.down_proj': take(layers, dim, ffn),
               'mlp.up_proj': take(layers, ffn, dim)}
    for name, w in stacked.items():
        for i in range(layers):
            p[f'model.layers.{i}.{name}.weight'] = w[i].contiguous()
    p['model.norm.weight'] = take(dim)
    take(context, dim // heads // 2), take(context, dim // heads // 2)       # rotary tables
    if not tied:
        p['lm_head.weight'] = take(vocab, dim)
    assert at == len(data), f'{path}: {len(data)} numbers, {at} expected'
    return replace(SMALL, dim=dim, layers=layers, heads=heads, kv_heads=kv_heads, ffn=ffn, vocab=vocab, tied=tied,
                   context=256), p


def read_pieces(path, vocab):
    """llama2.c tokenizer: u32 longest, then per piece f32 score, u32 length, bytes."""
    with open(path, 'rb') as f:
        f.read(4)
        pieces = {}
        for i in range(vocab):
            score, size = struct.unpack('<fi', f.read(8))
            pieces.setdefault(f.read(size), (i, score))
    return pieces


def encode(text, pieces):
    """SentencePiece BPE as llama2.c runs it: characters (else bytes + 3), then the best-scored pair, again and again."""
    parts = []
    for c in ' ' + text:
        parts += [c.encode()] if c.encode() in pieces else [b for b in c.encode()]
    while True:
        best = max(((pieces[a + b][1], -i) for i, (a, b) in enumerate(zip(parts, parts[1:]))
                    if isinstance(a, bytes) and isinstance(b, bytes) and a + b in pieces), default=None)
        if best is None:
            return [pieces[x][0] if isinstance(x, bytes) else x + 3 for x in parts]
        i = -best[1]
        parts[i:i + 2] = [parts[i] + parts[i + 1]]


def stories(directory):
    model = os.path.join(SHARED, 'models', 'stories260K')
    if not os.path.isdir(model):
        print(f'SKIPPED: {model} is not there; stories260K is not compared', file=sys.stderr)
        return
    s, p = read_llama2c(os.path.join(model, 'stories260K.bin'))
    pieces = read_pieces(os.path.join(model, 'tok512.bin'), s.vocab)
    with open(os.path.join(SHARED, 'text', 'tinystories-sample.txt'), encoding='utf-8') as f:
        text = f.read(40000)
    ids = []
    for story in text.split('<|endoftext|>'):
        for paragraph in filter(None, (x.strip() for x in story.split('\n\n'))):
            ids += [1] + encode(paragraph, pieces)
    nats = compare('stories260K', directory, s, p, np.array(ids))
    if nats >= 2:
        sys.exit(f'stories260K: {nats} nats per token: these weights are not understood')


def main():
    with tempfile.TemporaryDirectory(prefix='signum-eval-') as directory:
        for name, s in MODELS.items():
            compare(name, directory, s, make(s, LOUD), formula_tokens('tokens', 20 * s.context + 5, s.vocab))
        stories(directory)


if __name__ == '__main__':
    main()
