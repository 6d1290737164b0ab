#!/usr/bin/env python3
"""gguf_numpy.py FILE ID ... - logits of a GGUF file of architecture llama in numpy, to stdout as f32 (tokens, vocab).

Written from docs/formats/gguf.md and the LLaMA formulas, neighbours 2j, 2j + 1 of a head turning; it shares no code with the
program whose files it reads. "values" instead of ids prints the values as JSON.
SPDX-License-Identifier: MIT
"""
import json
import struct
import sys

import numpy as np

FORMATS = {0: 'B', 1: 'b', 2: 'H', 3: 'h', 4: 'I', 5: 'i', 6: 'f', 7: '?', 10: 'Q', 11: 'q', 12: 'd'}
raw = open(sys.argv[1], 'rb').read()
at = 0


def take(fmt):
    global at
    v = struct.unpack_from('<' + fmt, raw, at)
    at += struct.calcsize('<' + fmt)
    return v[0] if len(v) == 1 else v


def text():
    global at
    n = take('Q')
    at += n
    return raw[at - n:at].decode()


def value(kind):
    if kind == 8:
        return text()
    if kind == 9:
        inner, n = take('I'), take('Q')
        return [value(inner) for _ in range(n)]
    return take(FORMATS[kind])


magic, version, tensors, count = take('4s'), take('I'), take('Q'), take('Q')
assert magic == b'GGUF' and version == 3
values = {}
for _ in range(count):
    key = text()
    values[key] = value(take('I'))
if sys.argv[2] == 'values':
    print(json.dumps(values))
    sys.exit()
where = []
for _ in range(tensors):
    name, rank = text(), take('I')
    where.append((name, [take('Q') for _ in range(rank)][::-1], take('I'), take('Q')))
start = -(-at // 32) * 32
arrays = {}
for name, shape, kind, offset in where:
    assert offset % 32 == 0
    arrays[name] = np.frombuffer(raw, {0: '<f4', 1: '<f2'}[kind], int(np.prod(shape)), start + offset).reshape(shape).astype(np.float64)

ids = [int(i) for i in sys.argv[2:]]
arch = {k[6:]: v for k, v in values.items() if k.startswith('llama.')}
heads, kv, hd = arch['attention.head_count'], arch['attention.head_count_kv'], arch['rope.dimension_count']
T = len(ids)


def linear(x, h):
    return h @ arrays[x + '.weight'].T + arrays.get(x + '.bias', 0)


def norm(h, name):
    return h / np.sqrt((h * h).mean(1, keepdims=True) + arch['attention.layer_norm_rms_epsilon']) * arrays[name]


def rope(q, n):
    angle = np.outer(np.arange(T) / arch.get('rope.scaling.factor', 1), arch['rope.freq_base'] ** (-np.arange(0, hd, 2) / hd))
    z = q.reshape(T, n, hd // 2, 2)
    z = (z[..., 0] + 1j * z[..., 1]) * np.exp(1j * angle)[:, None]
    return np.stack([z.real, z.imag], -1).reshape(T, n, hd)


h = arrays['token_embd.weight'][ids]
for layer in range(arch['block_count']):
    p = f'blk.{layer}.'
    x = norm(h, p + 'attn_norm.weight')
    q = rope(linear(p + 'attn_q', x), heads)
    k = rope(linear(p + 'attn_k', x), kv).repeat(heads // kv, 1)
    v = linear(p + 'attn_v', x).reshape(T, kv, hd).repeat(heads // kv, 1)
    z = np.einsum('thd,shd->hts', q, k) / np.sqrt(hd)
    z = np.where(np.tril(np.ones((T, T), bool)), z, -np.inf)
    z = np.exp(z - z.max(-1, keepdims=True))
    h = h + linear(p + 'attn_output', np.einsum('hts,shd->thd', z / z.sum(-1, keepdims=True), v).reshape(T, heads * hd))
    x = norm(h, p + 'ffn_norm.weight')
    gate = linear(p + 'ffn_gate', x)
    h = h + linear(p + 'ffn_down', gate / (1 + np.exp(-gate)) * linear(p + 'ffn_up', x))
(norm(h, 'output_norm.weight') @ arrays.get('output.weight', arrays['token_embd.weight']).T).astype('<f4').tofile(sys.stdout.buffer)
