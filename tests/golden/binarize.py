#!/usr/bin/python3
"""binarize.py - post-training binarization written from the papers' formulas with numpy, in double; prints binarize.h.

Weights and inputs come from a linear congruential generator that the C test repeats. Masks, groups, salient columns and
compensation follow STBLLM (arXiv 2408.01803) and BiLLM (arXiv 2402.04291) as docs/binarize.md tells them; ARB-RC is arXiv 2410.03129,
Dual-SVID arXiv 2506.13771, the rotation arXiv 2603.00042.

SPDX-License-Identifier: MIT"""
import numpy as np

OUT, IN, TOKENS, BLOCK = 8, 160, 400, 128
ROWS, COLS, RANK, ROUNDS = 12, 20, 8, 3


def numbers(seed, n):
    """Sums of four uniform numbers less their mean, in float32."""
    out = []
    for _ in range(n):
        total = 0
        for _ in range(4):
            seed = (seed * 1664525 + 1013904223) % 2**32
            total += seed / 2**32 - 0.5
        out.append(total)
    return np.array(out).astype(np.float32).astype(np.float64)


def sign(x):
    return np.where(x >= 0, 1.0, -1.0)


# --- inputs: neighbours are correlated, scales differ, one input is dead --------------------------------------

w = numbers(1, OUT * IN).reshape(OUT, IN)
x = numbers(2, TOKENS * IN).reshape(TOKENS, IN)
x[:, 1:] = x[:, 1:] + 0.7 * x[:, :-1]
x = x * (0.3 + (np.arange(IN) * 7 % 11) / 5.0)
x[:, 5] = 0
h = (2 / TOKENS * x.T @ x).astype(np.float32).astype(np.float64)
dead = np.diag(h) == 0


def factor():
    a = h.copy()
    a[dead, dead] = 1
    a += 0.01 * np.mean(np.diag(a)) * np.eye(IN)
    lower = np.linalg.cholesky(np.linalg.inv(a))
    return lower.T


u = factor()


# --- signs with scales over a mask -----------------------------------------------------------------------------

def orders(v, order, means):
    """What `order` signs make of the numbers v, and their scales."""
    left, made, scales = v.copy(), np.zeros_like(v), []
    for _ in range(order):
        mu = left.mean() if means and len(v) else 0.0
        a = np.abs(left - mu).mean() if len(v) else 0.0
        step = mu + a * (np.sign(left - mu) if means else sign(left - mu))
        made, left = made + step, left - step
        scales.append(a)
    return made, scales


def misfit(v, d, order, means):
    return float((d * (v - orders(v, order, means)[0]) ** 2).sum())


def total(v, d, where, order, means):
    return sum(misfit(v[i][where[i]], d[i][where[i]], order, means) for i in range(len(v)))


def fit_zones(w, d, kept, three, means, by_saliency):
    """zone (0 pruned, 1..3 groups, 4 salient), q, scales (rows, 5)"""
    t = w * w * d
    plain = means or by_saliency
    v, weight = (t, np.ones_like(t)) if plain else (np.abs(w), np.broadcast_to(d, t.shape))
    order = np.argsort(-(t * kept).sum(0), kind="stable")
    errors = []
    for k in range(1, min(50, w.shape[1])):
        salient = np.zeros(w.shape[1], bool)
        salient[order[:k]] = True
        errors.append(total(v, weight, kept & salient, 2, means) + total(v, weight, kept & ~salient, 2, means))
    salient = np.zeros(w.shape[1], bool)
    salient[order[:int(np.argmin(errors)) + 1]] = True
    rest = kept & ~salient
    pool = np.where(salient, 0, t).reshape(-1) if means else t[rest]
    largest, best = np.quantile(pool, 0.9), None
    for p in np.quantile(pool, np.linspace(0.1, 0.9, 160 if three else 81)):
        high = 2 * p if three else np.inf
        if three and high > largest:
            continue
        groups = [rest & (t < p), rest & (t >= p) & (t < high), rest & (t >= high)]
        error = sum(total(v, weight, g, 1, means) for g in groups)
        if best is None or error < best[0]:
            best = error, groups
    zone, q, scales = np.zeros(w.shape, int), np.zeros(w.shape), np.zeros((len(w), 5))
    for k, g in enumerate(best[1] + [kept & salient]):
        zone[g] = k + 1
        for i in range(len(w)):
            q[i, g[i]], a = orders(w[i, g[i]], 2 if k == 3 else 1, means)
            scales[i, k:k + len(a)] = a
    return zone, q, scales


# --- N of M ------------------------------------------------------------------------------------------------------

def importance(now, columns, rows):
    return (np.abs(now) / np.maximum(columns, 1e-300) + np.abs(now) / rows[:, None]) * np.sqrt(np.sqrt(np.diag(h) / 2))


def select(s, n, m):
    mask = np.zeros(s.shape, bool)
    for i in range(s.shape[0]):
        for g in range(0, s.shape[1], m):
            mask[i, [g + j for j in sorted(range(m), key=lambda j: (-s[i, g + j], j))[:n]]] = True
    return mask


def blockwise(three, n=0, m=8, fixed=False, released=False, by_saliency=False):
    now = w.copy()
    now[:, dead] = 0
    rows = np.abs(w).sum(1)
    first = select(importance(w, np.abs(w).sum(0), rows), n, m) if n else np.ones(w.shape, bool)
    if released:
        now = now * first
    zone, q, scales, latent = np.zeros(w.shape, int), np.zeros(w.shape), [], np.zeros(w.shape)
    for at in range(0, IN, BLOCK):
        c = slice(at, min(at + BLOCK, IN))
        block = now[:, c].copy()
        kept = np.ones(block.shape, bool)
        if n and not released:
            kept = first[:, c] if fixed else select(importance(now, np.abs(now).sum(0), rows)[:, c], n, m)
        if not released:
            kept = kept & ~dead[c]
        zone[:, c], q[:, c], a = fit_zones(block, 1 / np.diag(u)[c] ** 2, kept, three, released, by_saliency)
        scales.append(a)
        latent[:, c] = block
        error = (block - q[:, c]) / np.diag(u)[c]
        now[:, c.stop:] -= error @ u[c, c.stop:]
    d = w - q
    return zone, q, np.stack(scales, 1), float(np.trace(d @ h @ d.T))


# --- low rank ----------------------------------------------------------------------------------------------------

def rank_one(x):
    a, s, b = np.linalg.svd(np.abs(x), full_matrices=False)
    return np.abs(a[:, 0]) * np.sqrt(s[0]), np.abs(b[0]) * np.sqrt(s[0])


def low_rank(w, rank, turn, rounds):
    p, s, qt = np.linalg.svd(w, full_matrices=False)
    flip = np.array([np.sign(p[np.argmax(np.abs(p[:, r])), r]) for r in range(rank)])
    z = np.vstack([p[:, :rank] * flip * np.sqrt(s[:rank]), qt[:rank].T * flip * np.sqrt(s[:rank])])
    if turn is not None:
        r = turn
        for _ in range(rounds):
            a, _, ct = np.linalg.svd(sign(z @ r).T @ z)
            r = ct.T @ a.T
        z = z @ r
    left, right = z[:len(w)], z[len(w):]
    h_, a = rank_one(left)
    g_, b = rank_one(right)
    l_ = a * b
    return h_, l_, g_, (h_[:, None] * sign(left) * l_) @ (sign(right).T * g_)


# --- output ------------------------------------------------------------------------------------------------------

def show(kind, name, values, digits="%.9g"):
    flat = np.asarray(values).reshape(-1).tolist()
    print(f"    static const {kind} {name}[{len(flat)}] = {{ {', '.join(digits % v for v in flat)} }};"[4:])


print(f"""/* binarize.h - made by binarize.py with numpy; do not edit.
 *
 * SPDX-License-Identifier: MIT */
#include <stdint.h>

enum {{ GOLD_OUT = {OUT}, GOLD_IN = {IN}, GOLD_TOKENS = {TOKENS}, GOLD_ROWS = {ROWS}, GOLD_COLS = {COLS}, GOLD_RANK = {RANK}, GOLD_ROUNDS = {ROUNDS} }};
""")
# ARB-RC
a = np.abs(numbers(3, ROWS * COLS).reshape(ROWS, COLS))
gh = a.mean(1)
gg = (a / gh[:, None]).mean(0)
for _ in range(15):
    gh = (a * gg).sum(1) / (gg * gg).sum()
    gg = (a * gh[:, None]).sum(0) / (gh * gh).sum()
show("double", "gold_arb_h", gh), show("double", "gold_arb_g", gg)
# low rank
lw = numbers(4, ROWS * COLS).reshape(ROWS, COLS)
v = numbers(5, RANK)
turn = np.eye(RANK) - 2 * np.outer(v, v) / (v @ v)
for name, value in zip(("h", "l", "g", "q"), low_rank(lw, RANK, None, 0)):
    show("double", "gold_svid_" + name, value)
for name, value in zip(("h", "l", "g", "q"), low_rank(lw, RANK, turn, ROUNDS)):
    show("double", "gold_itq_" + name, value)
# N per layer
o = np.array([0.42, 0.31, 0.30, 0.12, 0.11, 0.10, 0.09, 0.07])
z = 2 * (o - o.min()) / (o.max() - o.min())
z = np.round(z - z.mean())
z[z == 1] = 2
show("double", "gold_outliers", o), show("int64_t", "gold_kept", 8 - np.clip(4 - z, 0, 7), "%d")
print("""
static const struct {
    const char *name;
    int         three, n, fixed, released, by_saliency;
    double      loss;
    uint8_t     zone[GOLD_OUT * GOLD_IN];
    double      q[GOLD_OUT * GOLD_IN], scale[GOLD_OUT * 2 * 5];
} gold_zones[] = {""")
for name, three, n, fixed, released, by_saliency in (
        ("billm", 0, 0, 0, 0, 0), ("billm by saliency", 0, 0, 0, 0, 1), ("billm released", 0, 0, 0, 1, 1), ("stbllm 4:8", 1, 4, 0, 0, 0),
        ("stbllm 4:8 by saliency", 1, 4, 0, 0, 1), ("stbllm 4:8 fixed", 1, 4, 1, 0, 0), ("stbllm 6:8", 1, 6, 0, 0, 0), ("stbllm 4:8 released", 1, 4, 1, 1, 1)):
    zone, q, scales, loss = blockwise(bool(three), n, 8, bool(fixed), bool(released), bool(by_saliency))
    print(f'    {{ "{name}", {three}, {n}, {fixed}, {released}, {by_saliency}, {loss:.9g},')
    print("      { " + ",".join(str(v) for v in zone.reshape(-1)) + " },")
    print("      { " + ",".join("%.7g" % v for v in q.reshape(-1)) + " },")
    print("      { " + ",".join("%.7g" % v for v in scales.reshape(-1)) + " } },")
print("};")
