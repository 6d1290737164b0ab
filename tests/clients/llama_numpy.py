#!/usr/bin/env python3
"""llama_numpy.py DIR ID ... - logits of a Hugging Face or packed directory in numpy, to stdout as f32 (tokens, vocab).

Written from docs/formats/packed.md and the LLaMA formulas; it shares no code with the program whose files it reads.
SPDX-License-Identifier: MIT
"""
import glob
import json
import sys

import numpy as np

where, ids = sys.argv[1], [int(i) for i in sys.argv[2:]]
with open(where + '/config.json') as f:
    config = json.load(f)
arrays = {}
for path in glob.glob(where + '/*.safetensors'):
    raw = np.fromfile(path, np.uint8)
    n = int(raw[:8].view('<u8')[0])
    for name, a in json.loads(raw[8:8 + n].tobytes()).items():
        if name != '__metadata__':
            begin, end = (8 + n + o for o in a['data_offsets'])
            arrays[name] = raw[begin:end].copy().view({'F32': '<f4', 'F16': '<f2', 'U8': 'u1'}[a['dtype']]).reshape(a['shape'])
for name in [n for n in arrays if n.endswith('.q8_0')]:
    blocks = arrays[name].reshape(len(arrays[name]), -1, 34)
    d, q = blocks[:, :, :2].copy().view('<f2').astype(np.float64), blocks[:, :, 2:].copy().view('i1')
    arrays[name] = (d * q).reshape(len(blocks), -1)
    arrays[name[:-len('q8_0')] + 'weight'] = arrays[name]
stages = config.get('signum', {}).get('stages', {})


def stage(x, s, m, out):
    """The matrix m (rows, in) after one more stage of layer x."""
    def get(key):
        return arrays[x + '.' + s[key]].astype(np.float64) if key in s else np.ones(1)
    if s['stage'] == 'scale':
        return get('v')[:, None] * m
    if s['stage'] == 'dense':
        return get('w') @ m
    if s['stage'] == 'rank1':
        return np.outer(get('u') * np.ones(out), (get('v') * np.ones(len(m))) @ m)
    sign = np.unpackbits(arrays[x + '.' + s['plane']], axis=1, bitorder='little')[:, :len(m)] * 2.0 - 1
    if s['stage'] == 'group_sign':
        sign *= np.repeat(get('v'), s['group'], axis=1)[:, :len(m)]
    return sign @ m


def linear(x, h, out):
    if x in stages:
        w = 0
        for chain in stages[x]:
            m = np.eye(h.shape[1])
            for s in chain:
                m = stage(x, s, m, out)
            w = w + m
    else:
        w = arrays[x + '.weight'].astype(np.float64)
    return h @ w.T + (arrays[x + '.bias'] if x + '.bias' in arrays else 0)


def norm(h, name):
    return h / np.sqrt((h * h).mean(1, keepdims=True) + config['rms_norm_eps']) * arrays[name]


def rope(q, heads, hd):
    factor = (config.get('rope_scaling') or {}).get('factor', 1.0)
    angle = np.outer(np.arange(len(q)) / factor, config['rope_theta'] ** (-np.arange(0, hd, 2) / hd))
    q = q.reshape(len(q), heads, hd)
    a, b = q[..., :hd // 2], q[..., hd // 2:]
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    return np.concatenate([a * c - b * s, b * c + a * s], -1)


heads, kv, hd = config['num_attention_heads'], config['num_key_value_heads'], config['head_dim']
h = arrays['model.embed_tokens.weight'][ids].astype(np.float64)
T = len(ids)
for layer in range(config['num_hidden_layers']):
    p = f'model.layers.{layer}.'
    x = norm(h, p + 'input_layernorm.weight')
    q = rope(linear(p + 'self_attn.q_proj', x, heads * hd), heads, hd)
    k = rope(linear(p + 'self_attn.k_proj', x, kv * hd), kv, hd).repeat(heads // kv, 1)
    v = linear(p + 'self_attn.v_proj', x, kv * hd).reshape(T, kv, hd).repeat(heads // kv, 1)
    z = np.einsum('thd,shd->hts', q, k) / np.sqrt(hd)
    z = np.where(np.tril(np.ones((T, T), bool)), z, -np.inf)
    z = np.exp(z - z.max(-1, keepdims=True))
    mixed = np.einsum('hts,shd->thd', z / z.sum(-1, keepdims=True), v).reshape(T, heads * hd)
    h = h + linear(p + 'self_attn.o_proj', mixed, config['hidden_size'])
    x = norm(h, p + 'post_attention_layernorm.weight')
    gate = linear(p + 'mlp.gate_proj', x, config['intermediate_size'])
    up = linear(p + 'mlp.up_proj', x, config['intermediate_size'])
    h = h + linear(p + 'mlp.down_proj', gate / (1 + np.exp(-gate)) * up, config['hidden_size'])
head = arrays['model.embed_tokens.weight' if config['tie_word_embeddings'] else 'lm_head.weight']
(norm(h, 'model.norm.weight') @ head.T).astype('<f4').tofile(sys.stdout.buffer)
