# SPDX-License-Identifier: MIT
"""parity_live.py - the program beside PyTorch, from the outside: same initial safetensors, same token ids, same recipe.

    /usr/bin/python3 tests/golden/parity_live.py [--case small|mixed|full|large] [--kernels auto,avx2,ref] [--keep DIR]

The cases are those of llama_fbi.py. Held equal: the loss of every step (1e-4 relative), the gradient norm of
the first (1e-4), learning rates, the gradient of every tensor at step 1 (1e-4; read as m = (1 - beta1) g from
the checkpoint of a one-step run without clipping), dense parameters at the end (1e-3; 5e-2 in the large case, where
Adam sends weights whose gradients are all rounding each its own way) and signs (99.9 %).
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch

from llama_fbi import case, train, write_model

PROGRAM = os.environ.get('SIGNUM', './signum')


def signum(*words, kernels='auto'):
    env = dict(os.environ, SIGNUM_KERNELS=kernels)
    done = subprocess.run([PROGRAM, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f'signum {" ".join(words)}\nended with {done.returncode}: {done.stderr[-2000:]}')
    return done.stdout


def settings(s, r):
    """The preset as YAML."""
    sections = {
        'model': {'dim': s.dim, 'layers': s.layers, 'heads': s.heads, 'kv_heads': s.kv_heads, 'ffn': s.ffn,
                  'vocab': s.vocab, 'linear': s.linear, 'scales': s.scales, 'shift': s.shift, 'binary': f'[{s.binary}]',
                  'tied_head': s.tied, 'attention_bias': s.attention_bias, 'mlp_bias': s.mlp_bias},
        'data': {'order': 'sequential'},
        'train': {'steps': r.steps, 'batch': r.batch, 'seq': r.seq, 'save_every': 0, 'eval_every': 0},
        'optim': {'lr': r.lr, 'min_lr': r.min_lr, 'schedule': 'cosine', 'warmup': r.warmup,
                  'weight_decay': r.weight_decay, 'decay': r.decay, 'beta1': r.beta1, 'beta2': r.beta2,
                  'eps': r.eps, 'clip': r.clip},
        'distill': {'lambda': r.lam, 'temperature': r.temperature},
    }
    word = lambda v: str(v).lower() if isinstance(v, bool) else str(v)
    return ''.join(f'{name}:\n' + ''.join(f'  {k}: {word(v)}\n' for k, v in rows.items()) for name, rows in sections.items())


class Comparison:
    def __init__(self, name, directory):
        self.name, self.at = name, directory
        self.worst = {}
        self.s, self.r, ids, p, ts, teacher = case(name)
        path = lambda n: os.path.join(directory, n)
        write_model(path('student'), self.s, p)
        self.words = [path('config.yaml'), 'init=' + path('student'), 'data.train=' + path('data')]
        if teacher:
            write_model(path('teacher'), ts, teacher)
            self.words.append('distill.teacher=' + path('teacher'))
        ids.astype('<u2').tofile(path('ids.bin'))
        with open(path('config.yaml'), 'w') as f:
            f.write(settings(self.s, self.r))
        signum('tokenize', path('ids.bin'), '--ids', 'u16', '--vocab', str(self.s.vocab), '--valid', '0', '--out', path('data'))
        self.latent = {q + '.weight' for q, _, _, binary, _ in self.s.linears() if binary}
        self.steps, self.gradients, self.final = self.reference(path('reference.pt'), p, ids, teacher, ts)

    def reference(self, path, p, ids, teacher, ts):
        """PyTorch's steps, first gradients and end; kept with the directory."""
        if not os.path.exists(path):
            print(f'{self.name}: PyTorch runs {self.r.steps} steps', flush=True)
            first = {}
            steps = list(train(p, self.s, self.r, ids, teacher, ts, first))
            torch.save((steps, first, {n: t.detach() for n, t in p.items()}), path)
        return torch.load(path)

    def run(self, out, kernels, *words):
        out = os.path.join(self.at, out)
        signum('train', *self.words, *words, '--out', out, kernels=kernels)
        with open(os.path.join(out, 'metrics.jsonl')) as f:
            return out, [json.loads(line) for line in f]

    def arrays(self, run, group):
        """{name: array} of the newest checkpoint's group: weights, adam_m or adam_v."""
        newest = os.path.join(run, 'checkpoints', max(os.listdir(os.path.join(run, 'checkpoints'))))
        out = {}
        for file in sorted(f for f in os.listdir(newest) if f.endswith('.h5')):
            with h5py.File(os.path.join(newest, file)) as h:
                out.update({n: a[()] for n, a in h.get(group, {}).items()})
        return out

    def near(self, what, got, want, relative):
        off = abs(got - want) / abs(want) if want else abs(got)
        kind = what.split(',')[0]
        self.worst[kind] = max(self.worst.get(kind, 0), off)
        if not off <= relative:
            sys.exit(f'{self.name}: {what} is {got:.9g}, PyTorch has {want:.9g} (off by {off:.1e}, {relative:g} allowed)')

    def compare(self, kernels):
        self.worst = {}
        run, rows = self.run(f'run-{kernels}', kernels)
        assert len(rows) == len(self.steps), f'{len(rows)} lines of metrics for {len(self.steps)} steps'
        for got, want in zip(rows, self.steps):
            for key in ('loss', 'hard', 'soft'):
                self.near(f'{key}, step {want["step"]}', got[key], want[key], 1e-4)
            self.near(f'lr, step {want["step"]}', got['lr'], want['lr'], 1e-6)
        self.near('grad_norm, step 1', rows[0]['grad_norm'], self.steps[0]['grad_norm'], 1e-4)
        self.compare_end(self.arrays(run, 'weights'))
        self.compare_gradients(kernels)
        self.report(kernels)

    def compare_end(self, weights):
        assert set(weights) == set(self.final), set(weights) ^ set(self.final)
        equal = total = 0
        for name, want in self.final.items():
            if name in self.latent:
                equal += int(((weights[name] >= 0) == (want.numpy() >= 0)).sum())
                total += want.numel()
            else:
                want = want.numpy().ravel()
                off = np.linalg.norm(weights[name].ravel() - want) / np.linalg.norm(want)
                self.near(f'end, {name}', 1 + off, 1, 5e-2 if self.name == 'large' else 1e-3)
        if total:
            self.worst['signs'] = 1 - equal / total
            if equal < 0.999 * total:
                sys.exit(f'{self.name}: {total - equal} of {total} signs differ')

    def compare_gradients(self, kernels):
        run, _ = self.run(f'one-{kernels}', kernels, 'train.steps=1', 'optim.clip=0')
        moments = self.arrays(run, 'adam_m')
        assert set(moments) == set(self.gradients), set(moments) ^ set(self.gradients)
        for name, want in self.gradients.items():
            want = want.numpy().ravel()
            got = moments[name].ravel() / (1 - self.r.beta1)
            off = np.linalg.norm(got - want) / np.linalg.norm(want)
            self.near(f'gradient, {name}', 1 + off, 1, 1e-4)

    def compare_accumulation(self):
        """Half the batch twice reads the same windows and must take the same steps."""
        half, self.worst = self.r.batch // 2, {}
        _, rows = self.run('accumulate', 'auto', f'train.batch={half}', 'train.accumulate=2')
        for got, want in zip(rows, self.steps):
            self.near(f'accumulated loss, step {want["step"]}', got['loss'], want['loss'], 1e-4)
        self.report('auto, accumulating')

    def report(self, kernels):
        words = ', '.join(f'{k} {v:.1e}' for k, v in self.worst.items())
        print(f'{self.name}, kernels {kernels}, largest relative differences: {words}', flush=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument('--case', default='small')
    a.add_argument('--kernels', default='auto')
    a.add_argument('--keep', help='directory to work in, kept with the reference for the next time')
    a = a.parse_args()
    directory = a.keep or tempfile.mkdtemp(prefix='signum-parity-')
    try:
        c = Comparison(a.case, directory)
        for kernels in a.kernels.split(','):
            c.compare(kernels)
        if a.case == 'small':
            c.compare_accumulation()
    finally:
        if not a.keep:
            shutil.rmtree(directory)


if __name__ == '__main__':
    main()
