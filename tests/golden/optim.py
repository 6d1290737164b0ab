# SPDX-License-Identifier: MIT
"""optim.py - writes optim.h: AdamW, clipping and schedules as PyTorch computes them, in double.

    /usr/bin/python3 tests/golden/optim.py

Weights and gradients are formulas that tests/optim/test_optimizer.c repeats:
    w_k = sin(0.7 k + 1),  g_k at step t = t cos(1.3 k t) / (1 + k mod 5)
"""
import math
import os

import torch

N, STEPS, LR, WARMUP, TOTAL, MIN_LR = 40, 6, 0.02, 2, 10, 0.002
CASES = [('plain', 0.0, 0.9, 0.999, 1e-8, 0.0), ('decay', 0.1, 0.9, 0.95, 1e-8, 0.0), ('clip', 0.1, 0.8, 0.98, 1e-3, 0.5)]


def run(decay, beta1, beta2, eps, clip):
    k = torch.arange(N, dtype=torch.float64)
    w = torch.nn.Parameter(torch.sin(0.7 * k + 1))
    o = torch.optim.AdamW([w], lr=LR, betas=(beta1, beta2), eps=eps, weight_decay=decay)

    def factor(step):                                   # warm-up, then half a cosine
        if step < WARMUP:
            return (step + 1) / WARMUP
        t = (step - WARMUP) / (TOTAL - WARMUP)
        return (MIN_LR + (LR - MIN_LR) * 0.5 * (1 + math.cos(math.pi * t))) / LR

    schedule = torch.optim.lr_scheduler.LambdaLR(o, factor)
    norms, rates = [], []
    for t in range(1, STEPS + 1):
        w.grad = t * torch.cos(1.3 * k * t) / (1 + k % 5)
        norms.append(float(torch.nn.utils.clip_grad_norm_([w], clip if clip else float('inf'))))
        rates.append(o.param_groups[0]['lr'])
        o.step()
        schedule.step()
    s = o.state[w]
    return norms, rates, w.detach().tolist(), s['exp_avg'].tolist(), s['exp_avg_sq'].tolist()


def row(values):
    return '{ ' + ', '.join(f'{v:.10g}' for v in values) + ' }'


def main():
    lines = [f'/* optim.h - made by tests/golden/optim.py with torch {torch.__version__.split("+")[0]}.', ' *',
             ' * SPDX-License-Identifier: MIT */', '#ifndef SGN_TESTS_GOLDEN_OPTIM_H', '#define SGN_TESTS_GOLDEN_OPTIM_H', '',
             f'enum {{ OPTIM_N = {N}, OPTIM_STEPS = {STEPS}, OPTIM_WARMUP = {WARMUP}, OPTIM_TOTAL = {TOTAL} }};',
             f'static const double optim_lr = {LR}, optim_min_lr = {MIN_LR};', '',
             'static const struct {', '    const char *name;', '    double decay, beta1, beta2, eps, clip;',
             '    double norm[OPTIM_STEPS], lr[OPTIM_STEPS], w[OPTIM_N], m[OPTIM_N], v[OPTIM_N];', '} optim_golden[] = {']
    for name, *settings in CASES:
        lines.append(f'    {{ "{name}", {", ".join(repr(x) for x in settings)},')
        lines += [f'      {row(r)},' for r in run(*settings)]
        lines.append('    },')
    lines += ['};', '', '#endif', '']
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'optim.h'), 'w') as f:
        f.write('\n'.join(lines))


main()
