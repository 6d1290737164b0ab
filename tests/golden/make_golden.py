# SPDX-License-Identifier: MIT
"""make_golden.py - writes parity.json and forward.json, the numbers that C tests are held to.

    /usr/bin/python3 tests/golden/make_golden.py

parity.json   50 steps of distillation (case "small" of llama_fbi.py): losses, gradients of step 1, the end
forward.json  logits, losses and gradients of small models: shapes, scale patterns, loss mixes

A tensor is kept as its norm and DOTS products with +-1 vectors (bits of mix("dot." + name)): two tensors
that agree in all of them to e times the norm differ by about e times the norm.
"""
import json
import os
import re
from dataclasses import replace

import numpy as np
import torch

from llama_fbi import (STUDENT, TEACHER, Recipe, Shape, Spread, case, formula_tokens, logits, losses, make, mix, train)

DOTS = 4
HERE = os.path.dirname(os.path.abspath(__file__))


def digits(x, n=8):
    return float(f'{x:.{n}g}')


def sketch(name, t):
    v = t.detach().double().reshape(-1).numpy()
    bits = mix('dot.' + name, v.size)
    signs = [((bits >> np.uint64(j)) & np.uint64(1)).astype(np.float64) * 2 - 1 for j in range(DOTS)]
    return [digits(x) for x in [np.sqrt((v * v).sum())] + [(v * s).sum() for s in signs]]


def sketches(tensors):
    return {n: sketch(n, t) for n, t in tensors.items()}


def sign_hex(t):
    """Row-major signs, bit i%8 of byte i/8 set where w >= 0."""
    return np.packbits((t.detach().numpy().reshape(-1) >= 0), bitorder='little').tobytes().hex()


def parity():
    s, recipe, ids, p, ts, teacher = case('small')
    first = {}
    steps = list(train(p, s, recipe, ids, teacher, ts, first))
    latent = [path + '.weight' for path, _, _, binary, _ in s.linears() if binary]
    return {
        'made_by': f'tests/golden/make_golden.py, torch {torch.__version__}',
        'config': s.config(), 'spread': vars(STUDENT), 'teacher_config': ts.config(), 'teacher_spread': vars(TEACHER),
        'recipe': vars(recipe),
        'steps': {k: [digits(r[k]) for r in steps] for k in ('loss', 'hard', 'soft', 'entropy', 'lr', 'grad_norm')},
        'gradients': sketches(first),
        'final': sketches({n: t for n, t in p.items() if n not in latent}),
        'signs': {n: sign_hex(p[n]) for n in latent},
    }


# --- forward.json ------------------------------------------------------------------------------------

BASE = Shape(32, 2, 4, 2, 44, 101, context=16)
BATCH, SEQ = 2, 12
LOUD = Spread(embedding=24, matrix=25, head=25, norm=25, bias=25)        # nothing near zero
MODELS = {
    'full': (BASE, LOUD),
    'tied': (replace(BASE, tied=True, attention_bias=True, mlp_bias=True, theta=500000.0, scaling=2.0), LOUD),
    'wide_heads': (replace(BASE, heads=3, kv_heads=1, head_dim=16, eps=1e-3), LOUD),
    'column': (replace(BASE, linear='fbi'), replace(LOUD, scale=29)),
    'column_derived': (replace(BASE, linear='fbi', attention_bias=True), LOUD),
    'column_no_shift': (replace(BASE, linear='fbi', shift=False, binary='mlp'), LOUD),
    'row': (replace(BASE, linear='fbi', scales='row', kv_heads=4), LOUD),
    'row_no_shift': (replace(BASE, linear='fbi', scales='row', shift=False), replace(LOUD, scale=29)),
    'tensor': (replace(BASE, linear='fbi', scales='tensor', binary='q,k,down'), LOUD),
    'group128': (replace(BASE, linear='fbi', scales='group128', shift=False, ffn=300), LOUD),
}
MIXES = [(1.0, 1.0, []), (0.5, 1.0, []), (0.0, 1.0, []), (0.7, 2.0, []), (1.0, 0.5, []), (0.4, 3.0, [0, 7, 23])]


def batch(name):
    ids = formula_tokens('tokens.' + name, BATCH * (SEQ + 1), BASE.vocab).reshape(BATCH, SEQ + 1)
    ids = torch.from_numpy(ids)
    return ids[:, :-1], ids[:, 1:]


def gradients(p, loss):
    for t in p.values():
        t.grad = None
    loss.backward(retain_graph=True)
    return sketches({n: t.grad for n, t in p.items()})


def forward():
    models = {}
    for name, (s, spread) in MODELS.items():
        p = make(s, spread)
        for t in p.values():
            t.requires_grad_(True)
        tokens, target = batch(name)
        z = logits(p, s, tokens)
        each = torch.nn.functional.cross_entropy(z.reshape(-1, s.vocab), target.reshape(-1), reduction='none')
        models[name] = {
            'config': s.config(), 'spread': vars(spread),
            'logits': [[digits(x) for x in z[r, i].tolist()] for r, i in ((0, SEQ - 1), (1, 5))],
            'hard': [digits(x) for x in each.tolist()],
            'gradients': gradients(p, each.mean()),
        }
    return {'made_by': f'tests/golden/make_golden.py, torch {torch.__version__}',
            'batch': BATCH, 'seq': SEQ, 'logits_at': [[0, SEQ - 1], [1, 5]], 'models': models, 'mixes': mixes()}


def mixes():
    s, ts = MODELS['column'][0], replace(BASE, dim=24, layers=1, heads=2, kv_heads=1, ffn=40)
    p, teacher = make(s, MODELS['column'][1]), make(ts, TEACHER)
    for t in p.values():
        t.requires_grad_(True)
    tokens, target = batch('mixes')
    z, zt = logits(p, s, tokens), logits(teacher, ts, tokens).detach()
    rows = []
    for lam, temperature, masked in MIXES:
        keep = [i for i in range(BATCH * SEQ) if i not in masked]
        loss, hard, soft, entropy = losses(z.reshape(-1, s.vocab)[keep], target.reshape(-1)[keep],
                                           zt.reshape(-1, s.vocab)[keep], lam, temperature)
        share = len(keep) / (BATCH * SEQ)                # the loss is a sum over positions over all of them
        rows.append({'lambda': lam, 'temperature': temperature, 'masked': masked, 'loss': digits((loss * share).item()),
                     'hard': digits(hard.item()), 'soft': digits(soft.item()), 'entropy': digits(entropy.item()),
                     'gradients': gradients(p, loss * share)})
    return {'model': 'column', 'teacher_config': ts.config(), 'teacher_spread': vars(TEACHER), 'rows': rows}


def save(name, value):
    """One line per inner list or number, so that a changed number shows as one changed line."""
    text = json.dumps(value, indent=1)
    text = re.sub(r'\[\s+([^\[\]{}]*?)\s+\]', lambda m: '[' + re.sub(r'\s+', ' ', m.group(1)) + ']', text)
    with open(os.path.join(HERE, name), 'w') as f:
        f.write(text + '\n')
    print(name, len(text), 'bytes')


if __name__ == '__main__':
    save('parity.json', parity())
    save('forward.json', forward())
