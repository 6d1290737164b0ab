# SPDX-License-Identifier: MIT
"""tasks_numpy.py - PIQA, ARC-easy, wikitext and the block perplexity once more, in NumPy and with SentencePiece, from the definitions of
lm-eval 0.4.2 and FBI-LLM; then item by item beside `signum eval` on stories260K.

    /usr/bin/python3 tests/golden/tasks_numpy.py SIGNUM [LIMIT]     LIMIT: the first so many questions; none: all
"""
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile

import numpy as np
import sentencepiece

SHARED = os.path.join('..', 'shared', 'data')
MODEL = os.path.join(SHARED, 'models', 'stories260K', 'stories260K.bin')
PIECES = os.path.join(SHARED, 'models', 'stories260K', 'tok512.bin')
PIQA = os.path.join(SHARED, 'zeroshot', 'piqa', 'valid.jsonl')
ARC = os.path.join(SHARED, 'zeroshot', 'arc-easy', 'items.jsonl')
WIKI = os.path.join(SHARED, 'text', 'wikitext-2', 'valid.txt')
LENGTH, BOS, EOS = 512, 1, 2


# --- the model, in double: neighbours 2j, 2j+1 of a head turn as one complex number ----------------------

class Model:
    def __init__(self, path):
        raw = open(path, 'rb').read()
        self.dim, self.ffn, self.layers, self.heads, self.kv, self.vocab, seq = struct.unpack('<7i', raw[:28])
        rest = np.frombuffer(raw, '<f4', offset=28).astype(np.float64)
        at, d, w = 0, self.dim, self.dim // self.heads

        def take(*shape):
            nonlocal at
            at += math.prod(shape)
            return rest[at - math.prod(shape):at].reshape(shape)

        n, k, h = self.layers, self.kv * w, self.ffn
        self.embedding = take(self.vocab, d)
        names = {'norm1': (d,), 'q': (d, d), 'k': (k, d), 'v': (k, d), 'o': (d, d), 'norm2': (d,), 'gate': (h, d), 'down': (d, h), 'up': (h, d)}
        self.p = {name: take(n, *shape) for name, shape in names.items()}
        self.norm = take(d)
        assert at + seq * w == len(rest)                    # rotary tables, and no head of its own
        rate = 10000.0 ** (-np.arange(0, w, 2) / w)
        self.turns = np.exp(1j * np.arange(LENGTH)[:, None] * rate)[:, None]

    def turn(self, x):                                      # (tokens, heads, width)
        z = x.reshape(*x.shape[:2], -1, 2)
        z = (z[..., 0] + 1j * z[..., 1]) * self.turns[:len(x)]
        return np.stack([z.real, z.imag], -1).reshape(x.shape)

    def log_probs(self, ids):
        rms = lambda x, g: x * g / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        t, p, group = len(ids), self.p, self.heads // self.kv
        x, mask = self.embedding[ids], np.triu(np.full((t, t), -np.inf), 1)
        for i in range(self.layers):
            y = rms(x, p['norm1'][i])
            q = self.turn((y @ p['q'][i].T).reshape(t, self.heads, -1)).transpose(1, 0, 2)
            k = self.turn((y @ p['k'][i].T).reshape(t, self.kv, -1)).repeat(group, 1).transpose(1, 2, 0)
            v = (y @ p['v'][i].T).reshape(t, self.kv, -1).repeat(group, 1).transpose(1, 0, 2)
            s = q @ k / math.sqrt(q.shape[-1]) + mask
            s = np.exp(s - s.max(-1, keepdims=True))
            x = x + ((s / s.sum(-1, keepdims=True)) @ v).transpose(1, 0, 2).reshape(t, -1) @ p['o'][i].T
            y = rms(x, p['norm2'][i])
            gate = y @ p['gate'][i].T
            x = x + (gate / (1 + np.exp(-gate)) * (y @ p['up'][i].T)) @ p['down'][i].T
        z = rms(x, self.norm) @ self.embedding.T
        z = z - z.max(-1, keepdims=True)
        return z - np.log(np.exp(z).sum(-1, keepdims=True))

    def score(self, context, continuation):
        """Log-likelihood of the continuation; what is too long loses its beginning."""
        ids = (context + continuation)[-(LENGTH + 1):]
        n = min(len(continuation), len(ids) - 1)
        lp = self.log_probs(ids[:-1])
        return float(sum(lp[len(ids) - 1 - n + i, ids[len(ids) - n + i]] for i in range(n)))


# --- its tokenizer: llama2.c's list of pieces as a model of SentencePiece ---------------------------------

def varint(n):
    out = b''
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack('<f', value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tokenizer(path):
    raw, at, out, i = open(path, 'rb').read(), 4, b'', 0
    while at < len(raw):
        score, n = struct.unpack_from('<fi', raw, at)
        piece = raw[at + 8:at + 8 + n]
        at, byte = at + 8 + n, re.fullmatch(rb'<0x[0-9A-F]{2}>', piece)
        kind = 2 if i == 0 else 3 if i < 3 else 6 if byte else 1
        piece = [b'<unk>', b'<s>', b'</s>'][i] if i < 3 else piece.replace(b' ', '\u2581'.encode())
        out += field(1, field(1, piece) + field(2, score) + field(3, kind))
        i += 1
    trainer = field(3, 2) + field(35, 1) + field(40, 0) + field(41, 1) + field(42, 2)          # BPE, byte fallback, ids
    normalizer = field(1, b'identity') + field(3, 1) + field(4, 0) + field(5, 1)               # dummy prefix, keep spaces
    model = sentencepiece.SentencePieceProcessor()
    model.LoadFromSerializedProto(out + field(2, trainer) + field(3, normalizer))
    return model.EncodeAsIds


# --- the tasks -------------------------------------------------------------------------------------------

def requests(encode, context, answer):
    spaces = len(context) - len(context.rstrip())
    if spaces:
        context, answer = context[:-spaces], context[-spaces:] + answer
    c = encode(context)
    return c, encode(context + answer)[len(c):]


def piqa():
    labels = open(PIQA.replace('.jsonl', '-labels.lst')).read().split()
    for line, label in zip(open(PIQA, encoding='utf-8'), labels):
        d = json.loads(line)
        yield f"Question: {d['goal']}\nAnswer:", [d['sol1'], d['sol2']], int(label)


def arc_easy():
    for line in open(ARC, encoding='utf-8'):
        d = json.loads(line)
        yield f"Question: {d['ctx']}\nAnswer:", d['choices'], d['gold']


def choices(model, encode, items):
    for context, answers, gold in items:
        ll = [model.score(*requests(encode, context, ' ' + a)) for a in answers]
        yield {'ll': ll, 'pred': int(np.argmax(ll)), 'pred_norm': int(np.argmax(np.array(ll) / [len(a) for a in answers])), 'gold': gold}


def detokenize(s):
    for a, b in [("s '", "s'"), (' @-@ ', '-'), (' @,@ ', ','), (' @.@ ', '.'), (' : ', ': '), (' ; ', '; '), (' . ', '. '), (' ! ', '! '),
                 (' ? ', '? '), (' , ', ', ')]:
        s = s.replace(a, b)
    for a, b in ['()', '[]', '{}', '""', "''"]:
        e, f = re.escape(a), re.escape(b)
        s = re.sub(rf'{e}\s*([^{f}]*?)\s*{f}', lambda m: a + m.group(1) + b, s)
    for a, b in [('= = = =', '===='), ('= = =', '==='), ('= =', '=='), (' \u00b0 ', '\u00b0'), (' \n', '\n'), ('\n ', '\n'), (' N ', ' 1 '), (" 's", "'s")]:
        s = s.replace(a, b)
    return s


def pages(text):
    page = []
    for line in text.split('\n'):
        plain = line.replace('= = =', '===').replace('= =', '==').strip()
        if plain.startswith('= ') and plain.endswith(' ='):
            if '\n'.join(page).strip():
                yield '\n'.join(page)
            page = []
        page.append(line)
    yield '\n'.join(page)


def wikitext(model, encode, text):
    for page in pages(text):
        ids, ll, at = encode(detokenize(page)), 0, 0
        while at < len(ids):
            end = min(at + LENGTH, len(ids))
            before = [EOS] if at == 0 else ids[end - LENGTH - 1:at]
            ll += model.score(before, ids[at:end])
            at = end
        yield {'ll': ll, 'words': len(re.split(r'\s+', page)), 'bytes': len(page.encode())}


def blocks(model, encode, text, size):
    rows = [line if line.strip() else '' for line in text.splitlines(keepends=True)]
    ids = [BOS] + encode('\n\n'.join(rows))
    for i in range(len(ids) // size):
        block = ids[i * size:(i + 1) * size]
        yield {'ll': model.score(block[:1], block[1:])}


# --- both ------------------------------------------------------------------------------------------------

def compare(name, got, want):
    if len(got) != len(want) or not got:
        sys.exit(f'{name}: {len(got)} items, {len(want)} expected')
    worst = 0
    for i, (g, w) in enumerate(zip(got, want)):
        for key in w:
            if key != 'll' and g[key] != w[key]:
                sys.exit(f'{name} item {i}: {key} is {g[key]}, expected {w[key]}: {g} {w}')
        gl, wl = np.atleast_1d(g['ll']), np.atleast_1d(w['ll'])
        if gl.shape != wl.shape:
            sys.exit(f'{name} item {i}: {len(gl)} log-likelihoods, {len(wl)} expected')
        worst = max(worst, float((np.abs(gl - wl) / np.abs(wl)).max()))
    if not worst <= 2e-5:
        sys.exit(f'{name}: log-likelihoods differ by {worst:.1e}')
    print(f'{name}: {len(want)} items, every answer the same, log-likelihoods within {worst:.1e}', flush=True)


def same(name, got, want, within):
    if not abs(got - want) <= within * abs(want):
        sys.exit(f'{name} is {got}, expected {want}')


def mean(name, result, key, values):
    values = np.array(values, float)
    same(f'{name} {key}', result[key], values.mean(), 1e-12)
    same(f'{name} {key}_stderr', result[key + '_stderr'], values.std(ddof=1) / math.sqrt(len(values)), 1e-9)


def main(signum, limit=None):
    if not os.path.exists(MODEL) or not os.path.exists(PIQA):
        print(f'SKIPPED: {MODEL} or {PIQA} is not there; the tasks are not compared', file=sys.stderr)
        return
    model, encode = Model(MODEL), tokenizer(PIECES)
    with tempfile.TemporaryDirectory(prefix='signum-tasks-') as d:
        text = open(WIKI, encoding='utf-8').read()[:20000]
        slice_, items = os.path.join(d, 'wiki.txt'), os.path.join(d, 'items')
        with open(slice_, 'w', encoding='utf-8') as f:
            f.write(text)
        command = [signum, 'eval', MODEL, '--tokenizer', PIECES, '--tasks', f'piqa={PIQA},arc_easy={ARC},wikitext={slice_},ppl={slice_}',
                   '--json', '--items', items] + (['--limit', limit] if limit else [])
        results = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)['tasks']
        rows = [json.loads(line) for line in open(items)]
    got = {name: [r for r in rows if r['task'] == name] for name in results}
    most = int(limit) if limit else None
    for name, source in ('piqa', piqa), ('arc_easy', arc_easy):
        want = list(choices(model, encode, list(source())[:most]))
        compare(name, got[name], want)
        mean(name, results[name], 'acc', [w['pred'] == w['gold'] for w in want])
        mean(name, results[name], 'acc_norm', [w['pred_norm'] == w['gold'] for w in want])
    want = list(wikitext(model, encode, text))[:most]
    compare('wikitext', got['wikitext'], want)
    nats = -sum(w['ll'] for w in want)
    same('word_perplexity', math.log(results['wikitext']['word_perplexity']), nats / sum(w['words'] for w in want), 1e-5)
    same('byte_perplexity', math.log(results['wikitext']['byte_perplexity']), nats / sum(w['bytes'] for w in want), 1e-5)
    same('bits_per_byte', results['wikitext']['bits_per_byte'], nats / sum(w['bytes'] for w in want) / math.log(2), 1e-5)
    want = list(blocks(model, encode, text, LENGTH))[:most]
    compare('ppl', got['ppl'], want)
    same('ppl', math.log(results['ppl'][f'ppl_block{LENGTH}']), -np.mean([w['ll'] / (LENGTH - 1) for w in want]), 1e-5)


if __name__ == '__main__':
    main(*sys.argv[1:])
