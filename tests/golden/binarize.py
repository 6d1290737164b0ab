#!/usr/bin/python3
"""binarize.py - post-training binarization written from the papers' formulas with numpy, in double; prints binarize.h.

Weights and inputs come from a linear congruential generator that the C test repeats. Masks, groups, salient columns and
compensation follow STBLLM (arXiv 2408.01803) and BiLLM (arXiv 2402.04291) as docs/binarize.md tells them; ARB-RC is arXiv 2410.03129,
Dual-SVID arXiv 2506.13771, the rotation arXiv 2603.00042, SVID OneBit's (arXiv 2402.11295). The random start of a rotation takes its
normal numbers from Philox-4x32-10 (Salmon et al., SC'11), written here anew.

SPDX-License-Identifier: MIT"""
import math
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

weights = [numbers(1, OUT * IN).reshape(OUT, IN)]
weights.append(np.where(np.arange(IN) % 2 == 0, 4.0, 1.0) * weights[0])      # more large columns than may be salient
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


def blockwise(w, three, n=0, m=8, fixed=False, released=False, by_saliency=False):
    """zone, q, scales, loss, share of salient columns. Two groups and N of M: pruned by size before anything else."""
    now = w.copy()
    now[:, dead] = 0
    rows = np.abs(w).sum(1)
    first = select(importance(w, np.abs(w).sum(0), rows) if three else np.abs(w), n, m) if n else np.ones(w.shape, bool)
    if released or not three:
        now = now * first
    zone, q, scales, latent = np.zeros(w.shape, int), np.zeros(w.shape), [], np.zeros(w.shape)
    for at in range(0, IN, BLOCK):
        c = slice(at, min(at + BLOCK, IN))
        block = now[:, c].copy()
        kept = np.ones(block.shape, bool)
        if n and not released:
            kept = first[:, c] if fixed or not three else select(importance(now, np.abs(now).sum(0), rows)[:, c], n, m)
        if not released:
            kept = kept & ~dead[c]
        zone[:, c], q[:, c], a = fit_zones(block, 1 / np.diag(u)[c] ** 2, kept, three, released, by_saliency)
        scales.append(a)
        latent[:, c] = block
        error = (block - q[:, c]) / np.diag(u)[c]
        now[:, c.stop:] -= error @ u[c, c.stop:]
    d = w - q
    return zone, q, np.stack(scales, 1), float(np.trace(d @ h @ d.T)), (zone == 4).any(0).mean()


def bits(three, n, m, salient):
    """As the papers count, and as their forms take: sign, group, set of N of M, halves per row and block, salient columns' bitmap."""
    kept, code = (n / m, math.ceil(math.log2(math.comb(m, n))) / m) if n else (1, 0)
    form = 3 * kept + code + 9 * 16 / 128 if three else (2 + salient) * kept + code + 1 / OUT + 7 * 16 / 128
    return (2 * salient + (1 - salient)) * kept, form


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


def philox(seed, stream, index):
    """Four words of Philox-4x32-10 with that key, of counter (index, stream)."""
    c = [index & 0xffffffff, index >> 32, stream & 0xffffffff, stream >> 32]
    key = [seed & 0xffffffff, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ key[0], b & 0xffffffff, a >> 32 ^ c[3] ^ key[1], a & 0xffffffff]
        key = [(key[0] + 0x9E3779B9) & 0xffffffff, (key[1] + 0xBB67AE85) & 0xffffffff]
    return c


def fnv(text):
    value = 0xcbf29ce484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return value


def rotation(path, n):
    """The orthogonal factor of normal numbers (Box-Muller), seeded by the layer's path."""
    z = []
    for k in range(n * n):
        v = philox(fnv(path), fnv("itq"), k)
        one, two = ((v[i] | v[i + 1] << 32) >> 11 for i in (0, 2))
        z.append(math.sqrt(-2 * math.log(1 - one / 2**53)) * math.cos(2 * math.pi * two / 2**53))
    a, _, ct = np.linalg.svd(np.array(z).reshape(n, n))
    return a @ ct


# --- methods of signs and scales: q, bits claimed, bits stored -------------------------------------------------------

def by_columns(w):
    beta = w.mean(0)
    return np.abs(w - beta).mean(0) * sign(w) + beta, 1, 1 + 2 * 16 / len(w)


def by_rows(w):
    return np.abs(w).mean(1, keepdims=True) * sign(w), 1, 1 + 16 / w.shape[1]


def arb_rc(w):
    a = np.abs(w)
    r = a.mean(1)
    c = (a / r[:, None]).mean(0)
    for _ in range(15):
        r = (a * c).sum(1) / (c * c).sum()
        c = (a * r[:, None]).sum(0) / (r * r).sum()
    return r, c


def row_col_bits(w):
    return 1, 1 + 16 / w.shape[0] + 16 / w.shape[1]


def svid(w):
    a, s, b = np.linalg.svd(np.abs(w))
    return s[0] * np.outer(np.abs(a[:, 0]), np.abs(b[0])) * sign(w), *row_col_bits(w)


def littlebit(w, rank, paths, rounds):
    q, (out, width) = np.zeros(w.shape), w.shape
    for _ in range(paths):
        q = q + low_rank(w - q, rank, rotation("a", rank), rounds)[3]
    size = paths * (rank * (out + width) + 16 * (out + rank + width)) / w.size
    return q, size, size


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
gh, gg = arb_rc(numbers(3, ROWS * COLS).reshape(ROWS, COLS))
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
# methods
print("""
static const struct {
    const char *name;
    double      bits;
    int         paths;
    double      claimed, stored, q[GOLD_ROWS * GOLD_COLS];
} gold_methods[] = {""")
r, c = arb_rc(lw)
for name, budget, paths, (q, claimed, stored) in (
        ("sign", 0, 1, by_columns(lw)), ("xnor", 0, 1, by_rows(lw)), ("arb-rc", 0, 1, (np.outer(r, c) * sign(lw), *row_col_bits(lw))),
        ("onebit", 0, 1, svid(lw)), ("littlebit", 4.5, 1, littlebit(lw, RANK, 1, 50)), ("littlebit", 8, 2, littlebit(lw, RANK, 2, 50))):
    print(f'    {{ "{name}", {budget}, {paths}, {claimed:.9g}, {stored:.9g},')
    print("      { " + ",".join("%.9g" % v for v in q.reshape(-1)) + " } },")
print("};")
print("""
static const struct {
    const char *name;
    int         data, three, n, fixed, released, by_saliency;
    double      loss, salient, claimed, stored;
    uint8_t     zone[GOLD_OUT * GOLD_IN];
    double      q[GOLD_OUT * GOLD_IN], scale[GOLD_OUT * 2 * 5];
} gold_zones[] = {""")
for name, data, three, n, fixed, released, by_saliency in (
        ("billm", 0, 0, 0, 0, 0, 0), ("billm by saliency", 0, 0, 0, 0, 0, 1), ("billm released", 0, 0, 0, 0, 1, 1), ("billm 4:8", 0, 0, 4, 0, 0, 0),
        ("billm, large columns", 1, 0, 0, 0, 0, 0), ("stbllm 4:8", 0, 1, 4, 0, 0, 0), ("stbllm 4:8 by saliency", 0, 1, 4, 0, 0, 1),
        ("stbllm 4:8 fixed", 0, 1, 4, 1, 0, 0), ("stbllm 6:8", 0, 1, 6, 0, 0, 0), ("stbllm 5:8, large columns", 1, 1, 5, 0, 0, 0),
        ("stbllm 4:8 released", 0, 1, 4, 1, 1, 1)):
    zone, q, scales, loss, salient = blockwise(weights[data], bool(three), n, 8, bool(fixed), bool(released), bool(by_saliency))
    claimed, stored = bits(three, n, 8, salient)
    print(f'    {{ "{name}", {data}, {three}, {n}, {fixed}, {released}, {by_saliency}, {loss:.9g}, {salient:.9g}, {claimed:.9g}, {stored:.9g},')
    print("      { " + ",".join(str(v) for v in zone.reshape(-1)) + " },")
    print("      { " + ",".join("%.7g" % v for v in q.reshape(-1)) + " },")
    print("      { " + ",".join("%.7g" % v for v in scales.reshape(-1)) + " } },")
print("};")
