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
BLOCKS = {0: (1, 4), 1: (1, 2), 30: (1, 2), 8: (32, 34), 41: (128, 18), 34: (256, 54), 35: (256, 66)}     # numbers, bytes


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, fmt):
        v = struct.unpack_from('<' + fmt, self.raw, self.at)
        self.at += struct.calcsize('<' + fmt)
        return v[0] if len(v) == 1 else v

    def text(self):
        n = self.take('Q')
        self.at += n
        return self.raw[self.at - n:self.at].decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, n = self.take('I'), self.take('Q')
            return [self.value(inner) for _ in range(n)]
        return self.take(FORMATS[kind])


def read(path):
    """Values, and of each tensor (type, shape with the rows first, bytes)."""
    with open(path, 'rb') as f:
        r = Reader(f.read())
    magic, version, tensors, count = r.take('4s'), r.take('I'), r.take('Q'), r.take('Q')
    assert magic == b'GGUF' and version == 3
    values = {}
    for _ in range(count):
        key = r.text()
        values[key] = r.value(r.take('I'))
    where = []
    for _ in range(tensors):
        name, rank = r.text(), r.take('I')
        where.append((name, [r.take('Q') for _ in range(rank)][::-1], r.take('I'), r.take('Q')))
    start = -(-r.at // 32) * 32
    out = {}
    for name, shape, kind, offset in where:
        numbers, size = BLOCKS[kind]
        assert offset % 32 == 0 and shape[-1] % numbers == 0
        n = int(np.prod(shape)) // numbers * size
        assert start + offset + n <= len(r.raw)
        out[name] = kind, shape, r.raw[start + offset:start + offset + n]
    return values, out


def logits(path, ids):
    values, tensors = read(path)
    arrays = {name: np.frombuffer(raw, {0: '<f4', 1: '<f2'}[kind]).reshape(shape).astype(np.float64)
              for name, (kind, shape, raw) in tensors.items()}
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
    return norm(h, 'output_norm.weight') @ arrays.get('output.weight', arrays['token_embd.weight']).T


if __name__ == '__main__':
    if sys.argv[2] == 'values':
        print(json.dumps(read(sys.argv[1])[0]))
    else:
        logits(sys.argv[1], [int(i) for i in sys.argv[2:]]).astype('<f4').tofile(sys.stdout.buffer)
