#!/usr/bin/python3
"""gguf_blocks.py DIR LATENT - is every block of DIR/model.gguf what its type prescribes for the layer that trained?

LATENT is the same model as `signum export --format hf --latent` writes it: W = wscale sign(weight) + wbias, scales per row, group of
128 or tensor. The blocks are put together here from signs and scales by the published layouts and compared byte by byte; wbias must be
the terms B A of DIR/beta.gguf. Files are read by gguf_numpy.py and by the safetensors layout.
SPDX-License-Identifier: MIT
"""
import json
import os
import struct
import sys

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gguf_numpy import read                                                    # noqa: E402

Q1_0, TQ1_0, TQ2_0 = 41, 34, 35


def bytes_of(kind, sign, scale):
    """sign (rows, blocks, numbers of a block) of -1, 1; scale (rows, blocks) -> bytes (rows, blocks, bytes of a block)."""
    d = scale.astype('<f2')[..., None].view('u1')
    if kind == Q1_0:                                   # d; number j is bit j % 8 of byte j / 8
        return np.concatenate([d, np.packbits(sign > 0, axis=-1, bitorder='little')], -1)
    digit = (sign + 1).astype(np.int64)
    if kind == TQ2_0:                                  # of each half: byte m has numbers m, m + 32, m + 64, m + 96, two bits each; d
        q = digit.reshape(*digit.shape[:-1], 2, 4, 32)
        q = (q << (2 * np.arange(4))[:, None]).sum(-2).reshape(*digit.shape[:-1], 64)
        return np.concatenate([q.astype('u1'), d], -1)
    out = []                                           # five digits a byte, the first the most significant: ceil(256 n / 243); d
    for first, count, digits in ((0, 32, 5), (160, 16, 5), (240, 4, 4)):
        q = digit[..., first:first + count * digits].reshape(*digit.shape[:-1], digits, count)
        n = (q * (3 ** np.arange(4, 4 - digits, -1))[:, None]).sum(-2)
        out.append(((n * 256 + 242) // 243).astype('u1'))
    return np.concatenate(out + [d], -1)


def latents(directory):
    with open(directory + '/config.json') as f:
        config = json.load(f)
    with open(directory + '/model.safetensors', 'rb') as f:
        raw = f.read()
    n = struct.unpack('<Q', raw[:8])[0]
    return config, {name: np.frombuffer(raw[8 + n:][slice(*a['data_offsets'])], '<f4').reshape(a['shape'])
                    for name, a in json.loads(raw[8:8 + n]).items() if name != '__metadata__'}


directory, latent = sys.argv[1:]
config, arrays = latents(latent)
_, tensors = read(directory + '/model.gguf')
values, terms = read(directory + '/beta.gguf') if os.path.exists(directory + '/beta.gguf') else ({}, {})
if terms:
    assert values['general.type'] == 'adapter' and values['adapter.type'] == 'lora' and values['adapter.lora.alpha'] == 1, values
hd = config['head_dim']
NAMES = {'self_attn.q': 'attn_q', 'self_attn.k': 'attn_k', 'self_attn.v': 'attn_v', 'self_attn.o': 'attn_output',
         'mlp.gate': 'ffn_gate', 'mlp.up': 'ffn_up', 'mlp.down': 'ffn_down'}
blocks = 0
for layer in range(config['num_hidden_layers']):
    for ours, name in NAMES.items():
        x, theirs = f'model.layers.{layer}.{ours}_proj', f'blk.{layer}.{name}.weight'
        w, scale = arrays[x + '.weight'], arrays[x + '.wscale']
        out, width = w.shape
        kind, shape, raw = tensors[theirs]
        assert shape == [out, width], (theirs, shape, w.shape)
        per = 128 if kind == Q1_0 else 256
        rows = np.arange(out)
        if name in ('attn_q', 'attn_k'):               # row 2j + p of a head is our p hd/2 + j
            rows = (rows // hd) * hd + (rows % hd % 2) * (hd // 2) + rows % hd // 2
        sign = np.where(w >= 0, 1, -1)[rows].reshape(out, -1, per)
        scale = np.broadcast_to(scale, (out, scale.shape[-1]))[rows]
        scale = np.repeat(scale, sign.shape[1] // scale.shape[1], 1)
        got = np.frombuffer(raw, 'u1').reshape(out, -1)
        sign = np.where(scale < 0, -1, 1)[..., None] * sign    # d > 0, as ggml's own quantizer has it
        want = bytes_of(kind, sign, abs(scale)).reshape(out, -1)
        wrong = np.argwhere(got != want) if got.shape == want.shape else [got.shape, want.shape]
        if len(wrong):
            sys.exit(f'FAIL {directory}: {theirs}: {len(wrong)} bytes are other than the type prescribes, the first at {wrong[0]}')
        blocks += sign.shape[0] * sign.shape[1]
        if x + '.wbias' in arrays:
            b = np.broadcast_to(arrays[x + '.wbias'].reshape(-1), (out,))[rows]
            (_, sa, a), (_, sb, bb) = terms[theirs + '.lora_a'], terms[theirs + '.lora_b']
            assert sa == [1, width] and sb == [out, 1], (sa, sb)
            product = np.outer(np.frombuffer(bb, '<f4'), np.frombuffer(a, '<f4'))
            assert (product == b[:, None]).all(), f'{theirs}: the adapter is not wbias'
print(f'  ok   {os.path.basename(directory)}: {blocks} blocks byte by byte' + (f', {len(terms) // 2} terms of the adapter' if terms else ''))
