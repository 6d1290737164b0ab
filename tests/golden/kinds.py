#!/usr/bin/python3
"""kinds.py - every linear kind written from its paper's formulas with PyTorch's autograd; prints kinds.h.

y = f(x) for TOKENS rows of x, loss = sum(y . dy): y, dL/dx, dL/dW and the gradients of the learned scales, in double.
Straight-through estimators are written as value + (surrogate - surrogate.detach()).

SPDX-License-Identifier: MIT"""
import math
import torch

TOKENS, OUT, IN, RANK = 3, 6, 16, 8
torch.set_default_dtype(torch.float64)


def numbers(n, a, b, scale):
    return torch.tensor([scale * math.sin(a * k + b) for k in range(n)])


def matrix(rows, cols, a, b, scale):
    return numbers(rows * cols, a, b, scale).reshape(rows, cols)


def leaf(x):
    return x.clone().requires_grad_(True)


def sign(w):
    return torch.where(w >= 0, 1.0, -1.0)


def through(value, surrogate):
    """value forward, the gradient of surrogate backward."""
    return value.detach() + surrogate - surrogate.detach()


def layernorm(x, eps=1e-5):
    c = x - x.mean(-1, keepdim=True)
    return c / torch.sqrt((c * c).mean(-1, keepdim=True) + eps)


def rmsnorm(x, gain, eps=1e-5):
    return gain * x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps)


def quant(x):
    s = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return through(torch.clamp(torch.round(x * s), -128, 127) / s, x)


class Factor(torch.autograd.Function):
    """Identity whose gradient is multiplied by f."""
    @staticmethod
    def forward(ctx, w, f):
        ctx.save_for_backward(f)
        return w.clone()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None


def kept(w, n, m):
    """1 for the n largest of every m inputs, of equals the first."""
    order = w.abs().reshape(w.shape[0], -1, m)
    mask = torch.zeros_like(order)
    for i in range(order.shape[0]):
        for g in range(order.shape[1]):
            best = sorted(range(m), key=lambda j: (-order[i, g, j].item(), j))[:n]
            mask[i, g, best] = 1
    return mask.reshape(w.shape)


def nm(n, m):
    def layer(x, w, s):
        a, b = s["wscale"], s["wbias"]
        return x @ (through(sign(w) * kept(w, n, m), w) * a + b).T
    return layer


def fbi(estimator):
    def layer(x, w, s):
        return x @ (through(sign(w), Factor.apply(w, estimator(w.detach()))) * s["wscale"] + s["wbias"]).T
    return layer


def xnor(x, w, s):
    a = w.detach().abs().mean(1, keepdim=True)
    inside = (w.detach().abs() <= 1).double()
    return x @ through(a * sign(w), Factor.apply(w, 1 / w.shape[1] + a * inside)).T


def binaryconnect(x, w, s):
    return x @ through(sign(w), w).T


class Paretoq(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w, a):
        ctx.save_for_backward(w, a)
        return a[:, None] * sign(w)

    @staticmethod
    def backward(ctx, g):
        w, a = ctx.saved_tensors
        return g * (w.abs() <= a[:, None]), (sign(w) * g).sum(1) / math.sqrt(w.numel())


def paretoq(x, w, s):
    return x @ Paretoq.apply(w, s["wscale"]).T


def onebit(x, w, s):
    b = through(sign(w), Factor.apply(w, 1.001 - torch.tanh(w.detach()) ** 2))
    return layernorm(((x * s["in_scale"]) @ b.T) * s["out_scale"])


def rowcol(x, w, s):
    return ((x * s["in_scale"]) @ through(sign(w), w).T) * s["out_scale"]


def zoned(x, w, s):
    """Zones 0..4 by place, one block of 128: (out, 5) scales."""
    zone = torch.tensor([k * 7 % 11 % 5 for k in range(OUT * IN)]).reshape(OUT, IN)
    a = s["wscale"].reshape(OUT, 5)
    s1 = through(sign(w), w)
    s2 = through(sign(w - a[:, 3:4] * sign(w)), w)
    full = torch.zeros(OUT, IN)
    for z in range(1, 4):
        full = full + (zone == z) * a[:, z - 1:z] * s1
    return x @ (full + (zone == 4) * (a[:, 3:4] * s1 + a[:, 4:5] * s2)).T


def bitnet(x, w, s):
    a, b = w.detach().mean(), w.detach().abs().mean()
    return quant(layernorm(x)) @ (b * through(sign(w - a), w)).T


def bitnet158(x, w, s):
    if "norm.weight" in s:
        x = rmsnorm(x, s["norm.weight"])
    scale = 1 / w.detach().abs().mean().clamp(min=1e-5)
    return quant(x) @ through(torch.clamp(torch.round(w * scale), -1, 1) / scale, w).T


def littlebit(x, w, s):
    def binary(name):
        return through(sign(s[name]), Factor.apply(s[name], 100 * (1 - torch.tanh(100 * s[name].detach()) ** 2)))
    y = 0
    for k in ("", "2") if "u2" in s else ("",):
        p = (x * s["in_scale" + k]) @ binary("v" + k).reshape(RANK, IN).T
        y = y + ((p * s["rank_scale" + k]) @ binary("u" + k).reshape(OUT, RANK).T) * s["out_scale" + k]
    return y


def factors(k, shift):
    return {"u" + k: (OUT * RANK, 0.7, 1.0 + shift, 0.02), "v" + k: (RANK * IN, 0.9, 0.4 + shift, 0.02),
            "in_scale" + k: (IN, 0.5, 0.3 + shift, 0.4), "rank_scale" + k: (RANK, 0.5, 1.2 + shift, 0.6),
            "out_scale" + k: (OUT, 0.5, 0.7 + shift, 0.3)}


column = {"wscale": (IN, 0.5, 0.3, 0.4), "wbias": (IN, 0.9, 1.3, 0.1)}
row = {"wscale": (OUT, 0.3, 0.5, 0.6)}
cases = [
    # name, kind, keep, estimator, path, layer, scales
    ("nm_1_4", "nm", "1:4", "auto", "a", nm(1, 4), column),
    ("nm_1_8", "nm", "1:8", "auto", "a", nm(1, 8), column),
    ("nm_1_16", "nm", "1:16", "auto", "a", nm(1, 16), column),
    ("nm_2_8", "nm", "2:8", "auto", "a", nm(2, 8), column),
    ("fbi_identity", "fbi", "", "identity", "a", fbi(torch.ones_like), column),
    ("fbi_clipped", "fbi", "", "clipped", "a", fbi(lambda w: (w.abs() <= 1).double()), column),
    ("fbi_approx", "fbi", "", "approx", "a", fbi(lambda w: (2 - 2 * w.abs()).clamp(min=0)), column),
    ("fbi_tanh", "fbi", "", "tanh", "a", fbi(lambda w: 10 * 0.1 * (1 - torch.tanh(0.1 * w) ** 2)), column),
    ("fbi_onebit", "fbi", "", "onebit", "a", fbi(lambda w: 1.001 - torch.tanh(w) ** 2), column),
    ("fbi_smooth", "fbi", "", "smooth", "a", fbi(lambda w: 100 * (1 - torch.tanh(100 * w) ** 2)), column),
    ("xnor", "xnor", "", "auto", "a", xnor, {}),
    ("binaryconnect", "binaryconnect", "", "auto", "a", binaryconnect, {}),
    ("paretoq", "paretoq", "", "auto", "a", paretoq, row),
    ("onebit", "onebit", "", "auto", "a", onebit, {"in_scale": (IN, 0.5, 0.3, 0.4), "out_scale": (OUT, 0.5, 1.2, 0.6)}),
    ("rowcol", "rowcol", "", "auto", "a", rowcol, {"in_scale": (IN, 0.5, 0.3, 0.4), "out_scale": (OUT, 0.5, 1.2, 0.6)}),
    ("zoned", "zoned", "", "auto", "a", zoned, {"wscale": (OUT * 5, 0.5, 1.2, 0.6)}),
    ("bitnet", "bitnet", "", "auto", "a", bitnet, {}),
    ("bitnet158", "bitnet158", "", "auto", "a", bitnet158, {}),
    ("bitnet158_norm", "bitnet158", "", "auto", "a.o_proj", bitnet158, {"norm.weight": (IN, 0.4, 1.1, 0.8)}),
    ("littlebit", "littlebit", "", "auto", "a", littlebit, factors("", 0)),
    ("littlebit_2", "littlebit", "", "auto", "a", littlebit, factors("", 0) | factors("2", 0.5)),
]


def show(name, x):
    flat = x.detach().reshape(-1).tolist()
    print(f"        .{name} = {{ {', '.join('%.9g' % v for v in flat)} }},")


print(f"""/* kinds.h - made by kinds.py with PyTorch {torch.__version__}; do not edit.
 *
 * SPDX-License-Identifier: MIT */
enum {{ KIND_TOKENS = {TOKENS}, KIND_OUT = {OUT}, KIND_IN = {IN}, KIND_SCALES = 10, KIND_MOST = {OUT * RANK if OUT > IN else RANK * IN} }};

static const struct {{
    const char *name, *kind, *keep, *estimator, *path;
    double y[KIND_TOKENS * KIND_OUT], dx[KIND_TOKENS * KIND_IN], dw[KIND_OUT * KIND_IN];
    struct {{ const char *name; int n; double a, b, scale, d[KIND_MOST]; }} s[KIND_SCALES];
}} kind_golden[] = {{""")
for name, kind, keep, estimator, path, layer, scales in cases:
    x = leaf(matrix(TOKENS, IN, 1.3, 0.2, 1.5))
    w = leaf(matrix(OUT, IN, 0.7, 1.0, 0.9 if kind == "binaryconnect" else 1.2))
    s = {k: leaf(numbers(*v)) for k, v in scales.items()}
    y = layer(x, w, s)
    (y * matrix(TOKENS, OUT, 1.9, 0.6, 1.0)).sum().backward()
    print(f'    {{   .name = "{name}", .kind = "{kind}", .keep = "{keep}", .estimator = "{estimator}", .path = "{path}",')
    show("y", y), show("dx", x.grad)
    if w.grad is not None:
        show("dw", w.grad)
    if s:
        print("        .s = {")
        for k, v in s.items():
            n, a, b, scale = scales[k]
            print(f'          {{ "{k}", {n}, {a}, {b}, {scale}, {{ {", ".join("%.9g" % g for g in v.grad.tolist())} }} }},')
        print("        },")
    print("    },")
print("};")
