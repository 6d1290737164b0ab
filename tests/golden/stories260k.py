# SPDX-License-Identifier: MIT
"""stories260k.py - the published forward pass of LLaMA in PyTorch, in double, on a checkpoint of llama2.c: neighbours 2j, 2j+1
of a head turn as one complex number, straight from the file.

    /usr/bin/python3 tests/golden/stories260k.py write FILE.bin TOKENIZER.bin     makes stories260k.json
    /usr/bin/python3 tests/golden/stories260k.py compare FILE.bin LOGITS          LOGITS: i32 count, ids, f32 logits (count, vocabulary)
"""
import json
import os
import struct
import sys

import numpy as np
import torch

PROMPT = 'Once upon a time'
AT = [0, 5, 17, 63]                          # positions whose logits are kept


class Model:
    def __init__(self, path):
        raw = open(path, 'rb').read()
        self.dim, self.hidden, self.layers, self.heads, self.kv, vocab, self.seq = struct.unpack('<7i', raw[:28])
        self.vocab, self.width = abs(vocab), self.dim // self.heads
        self.rest = torch.from_numpy(np.frombuffer(raw, '<f4', offset=28).astype(np.float64))
        d, n, h, k = self.dim, self.layers, self.hidden, self.kv * self.width
        self.emb = self.take(self.vocab, d)
        self.norm1, self.wq, self.wk, self.wv = self.take(n, d), self.take(n, d, d), self.take(n, k, d), self.take(n, k, d)
        self.wo, self.norm2 = self.take(n, d, d), self.take(n, d)
        self.w1, self.w2, self.w3 = self.take(n, h, d), self.take(n, d, h), self.take(n, h, d)
        self.norm = self.take(d)
        self.take(2, self.seq, self.width // 2)
        self.head = self.emb if vocab > 0 else self.take(self.vocab, d)
        assert self.rest.numel() == 0

    def take(self, *shape):
        n = int(np.prod(shape))
        out, self.rest = self.rest[:n].reshape(shape), self.rest[n:]
        return out

    def rms(self, x, g):
        return x * g / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5)

    def turn(self, x):                       # (tokens, heads, width)
        rate = 10000.0 ** (-torch.arange(0, self.width, 2, dtype=torch.float64) / self.width)
        angle = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * rate
        z = torch.view_as_complex(x.reshape(*x.shape[:2], -1, 2)) * torch.polar(torch.ones_like(angle), angle)[:, None]
        return torch.view_as_real(z).reshape(x.shape)

    def logits(self, ids):
        t, r = len(ids), self.heads // self.kv
        x = self.emb[torch.tensor(ids)]
        mask = torch.full((t, t), -np.inf, dtype=torch.float64).triu(1)
        for i in range(self.layers):
            y = self.rms(x, self.norm1[i])
            q = self.turn((y @ self.wq[i].T).view(t, self.heads, -1))
            k = self.turn((y @ self.wk[i].T).view(t, self.kv, -1)).repeat_interleave(r, 1)
            v = (y @ self.wv[i].T).view(t, self.kv, -1).repeat_interleave(r, 1)
            s = torch.einsum('qhd,khd->hqk', q, k) / self.width ** 0.5 + mask
            x = x + torch.einsum('hqk,khd->qhd', s.softmax(-1), v).reshape(t, -1) @ self.wo[i].T
            y = self.rms(x, self.norm2[i])
            x = x + (torch.nn.functional.silu(y @ self.w1[i].T) * (y @ self.w3[i].T)) @ self.w2[i].T
        return self.rms(x, self.norm) @ self.head.T


def pieces(path):
    raw, at, out = open(path, 'rb').read(), 4, []
    while at < len(raw):
        score, n = struct.unpack_from('<fi', raw, at)
        out.append((raw[at + 8:at + 8 + n], score))
        at += 8 + n
    return out


def encode(text, vocabulary):                # begin with 1, a space in front, then the pair of the best score
    index = {p: i for i, (p, _) in enumerate(vocabulary)}
    ids = [index[c.encode()] for c in ' ' + text]
    while True:
        best = max(((vocabulary[index[w]][1], -i) for i, w in enumerate(vocabulary[a][0] + vocabulary[b][0] for a, b in zip(ids, ids[1:]))
                    if w in index), default=None)
        if best is None:
            return [1] + ids
        i = -best[1]
        ids[i:i + 2] = [index[vocabulary[ids[i]][0] + vocabulary[ids[i + 1]][0]]]


def write(path, tokenizer):
    m, vocabulary = Model(path), pieces(tokenizer)
    prompt = encode(PROMPT, vocabulary)
    ids = list(prompt)
    while len(ids) < 64:
        ids.append(int(m.logits(ids)[-1].argmax()))
    z = m.logits(ids)
    text = b''.join(vocabulary[i][0] for i in ids[1:]).decode()
    out = {'made_by': 'tests/golden/stories260k.py, torch ' + torch.__version__, 'text': text, 'prompt': len(prompt), 'ids': ids,
           'best': [int(v) for v in z.argmax(-1)], 'at': AT, 'logits': [[float(f'{v:.7g}') for v in z[i]] for i in AT]}
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, 'stories260k.json'), 'w') as f:
        json.dump(out, f, separators=(',', ':'))
        f.write('\n')
    print(text)


def compare(path, logits):
    raw = open(logits, 'rb').read()
    n = struct.unpack_from('<i', raw)[0]
    ids = np.frombuffer(raw, '<i4', n, 4).tolist()
    m = Model(path)
    got = np.frombuffer(raw, '<f4', offset=4 + 4 * n).reshape(n, m.vocab)
    off = float(np.abs(got - m.logits(ids).numpy()).max())
    print(f'{n} tokens, largest difference of a logit {off:.2e}')
    return 0 if off <= 1e-4 else 1


if __name__ == '__main__':
    torch.set_num_threads(1)
    sys.exit(write(*sys.argv[2:]) if sys.argv[1] == 'write' else compare(*sys.argv[2:]))
