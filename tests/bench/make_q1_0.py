#!/usr/bin/env python3
"""make_q1_0.py OUT [--dim D --layers L --heads H --kv K --ffn F --vocab V --context C --head TYPE --scales row|group]
- a GGUF file of architecture llama with random Q1_0 weights, for speed alone; the defaults are fbi-1.3b's.

Embedding and head have type TYPE: f16 (default), f32, q8_0 or q1_0. Scales: one number per row, as a row-scaled student leaves,
or one of each 128 weights. Written from docs/formats/gguf.md.
SPDX-License-Identifier: MIT
"""
import argparse
import struct

import numpy as np

p = argparse.ArgumentParser()
p.add_argument('out')
for key, value in dict(dim=2048, layers=24, heads=32, kv=0, ffn=5632, vocab=32000, context=2048).items():
    p.add_argument('--' + key, type=int, default=value)
p.add_argument('--head', default='f16', choices=['f32', 'f16', 'q8_0', 'q1_0'])
p.add_argument('--scales', default='row', choices=['row', 'group'])
o = p.parse_args()
kv, hd = o.kv or o.heads, o.dim // o.heads
rng = np.random.default_rng(1)
TYPE = {'f32': (0, 1, 4), 'f16': (1, 1, 2), 'q8_0': (8, 32, 34), 'q1_0': (41, 128, 18)}     # ggml's number, weights and bytes of a block


def text(s):
    b = s.encode()
    return struct.pack('<Q', len(b)) + b


def value(v):
    if isinstance(v, bool):
        return struct.pack('<I?', 7, v)
    if isinstance(v, int):
        return struct.pack('<II', 4, v)
    if isinstance(v, float):
        return struct.pack('<If', 6, v)
    return struct.pack('<I', 8) + text(v)


def array(kind, items):
    return struct.pack('<IIQ', 9, kind, len(items)) + b''.join(items)


def draw(rows, cols, kind):
    """Rows of random weights of spread 1/sqrt(cols), a batch at a time."""
    _, block, size = TYPE[kind]
    for begin in range(0, rows, 1024):
        n = min(1024, rows - begin)
        if kind in ('f32', 'f16'):
            w = rng.standard_normal((n, cols), np.float32) / np.float32(cols ** 0.5)
            yield w.astype({'f32': '<f4', 'f16': '<f2'}[kind]).tobytes()
            continue
        b = rng.integers(0, 256, (n, cols // block, size), np.uint8)
        wide = (n, 1) if o.scales == 'row' else (n, cols // block)
        d = rng.uniform(0.8, 1.2, wide) / cols ** 0.5 / (1 if kind == 'q1_0' else 73)
        b[:, :, :2] = np.broadcast_to(d, b.shape[:2]).astype('<f2')[:, :, None].view(np.uint8)
        yield b.tobytes()


values = {'general.architecture': 'llama', 'general.name': 'random Q1_0', 'llama.context_length': o.context, 'llama.embedding_length': o.dim,
          'llama.block_count': o.layers, 'llama.feed_forward_length': o.ffn, 'llama.attention.head_count': o.heads,
          'llama.attention.head_count_kv': kv, 'llama.attention.layer_norm_rms_epsilon': 1e-5, 'llama.rope.dimension_count': hd,
          'llama.rope.freq_base': 10000.0, 'llama.vocab_size': o.vocab, 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.bos_token_id': 1,
          'tokenizer.ggml.eos_token_id': 2, 'tokenizer.ggml.unknown_token_id': 0, 'tokenizer.ggml.add_bos_token': False,
          'tokenizer.ggml.add_space_prefix': False}
names = ['<unk>', '<s>', '</s>'] + ['<0x%02X>' % i for i in range(256)]
names += ['t%d' % i for i in range(len(names), o.vocab)]
kinds = [2, 3, 3] + [6] * 256 + [1] * (o.vocab - 259)
lists = {'tokenizer.ggml.tokens': array(8, [text(n) for n in names]),
         'tokenizer.ggml.scores': array(6, [struct.pack('<f', -i) for i in range(o.vocab)]),
         'tokenizer.ggml.token_type': array(5, [struct.pack('<i', k) for k in kinds])}
tensors = [('token_embd.weight', o.vocab, o.dim, o.head), ('output_norm.weight', 0, o.dim, 'f32'), ('output.weight', o.vocab, o.dim, o.head)]
for i in range(o.layers):
    b = 'blk.%d.' % i
    tensors += [(b + 'attn_norm.weight', 0, o.dim, 'f32'), (b + 'attn_q.weight', o.dim, o.dim, 'q1_0'), (b + 'attn_k.weight', kv * hd, o.dim, 'q1_0'),
                (b + 'attn_v.weight', kv * hd, o.dim, 'q1_0'), (b + 'attn_output.weight', o.dim, o.dim, 'q1_0'), (b + 'ffn_norm.weight', 0, o.dim, 'f32'),
                (b + 'ffn_gate.weight', o.ffn, o.dim, 'q1_0'), (b + 'ffn_up.weight', o.ffn, o.dim, 'q1_0'), (b + 'ffn_down.weight', o.dim, o.ffn, 'q1_0')]

head = b'GGUF' + struct.pack('<IQQ', 3, len(tensors), len(values) + len(lists))
head += b''.join(text(k) + value(v) for k, v in values.items()) + b''.join(text(k) + v for k, v in lists.items())
at = 0
for name, rows, cols, kind in tensors:
    number, block, size = TYPE[kind]
    shape = [cols, rows] if rows else [cols]
    head += text(name) + struct.pack('<I%dQIQ' % len(shape), len(shape), *shape, number, at)
    at += -(-max(rows, 1) * cols // block * size // 32) * 32
with open(o.out, 'wb') as f:
    f.write(head + bytes(-len(head) % 32))
    for name, rows, cols, kind in tensors:
        n = 0
        for b in ([np.ones(cols, '<f4').tobytes()] if not rows else draw(rows, cols, kind)):
            n += f.write(b)
        f.write(bytes(-n % 32))
