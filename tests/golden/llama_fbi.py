# SPDX-License-Identifier: MIT
"""llama_fbi.py - a second opinion: LLaMA with FBI layers, its losses and its training in PyTorch,
written from the published formulas alone and kept as plain as they are.

    layer    y = W~ x,  W~ = alpha . sign(W) + beta,  sign(0) = +1, identity straight-through
    loss     lambda T^2 (-sum_v pT log pS at temperature T) + (1-lambda) (-log pS(target)), mean over positions
    update   torch.optim.AdamW after clipping by the global norm, warm-up and cosine

Weights are no random numbers: value(name, i) is an integer hash scaled by a power of two, exact in
float32, so that C computes the same bits (tests/golden/formula.h). Names are those of Hugging Face's
LlamaForCausalLM; scales are X.wscale and X.wbias.
"""
import json
import math
import os
import struct
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)                 # OpenBLAS has threads of its own, and the two would fight for the cores

MODULES = {'self_attn': ('q', 'k', 'v', 'o'), 'mlp': ('gate', 'up', 'down')}


@dataclass(frozen=True)
class Shape:
    dim: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocab: int
    linear: str = 'full'                 # of the modules in `binary`: fbi | full
    scales: str = 'column'               # column | row | group128 | tensor
    shift: bool = True
    binary: str = 'attention,mlp'
    tied: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    head_dim: int = 0
    context: int = 64
    eps: float = 1e-5
    theta: float = 10000.0
    scaling: float = 1.0                 # positions are divided by it

    @property
    def hd(self):
        return self.head_dim or self.dim // self.heads

    def is_binary(self, group, module):
        words = self.binary.split(',')
        return self.linear != 'full' and ({'self_attn': 'attention', 'mlp': 'mlp'}[group] in words or module in words)

    def linears(self):
        """(path, out, in, binary, bias) of every projection."""
        q, kv = self.heads * self.hd, self.kv_heads * self.hd
        size = {'q': (q, self.dim), 'k': (kv, self.dim), 'v': (kv, self.dim), 'o': (self.dim, q),
                'gate': (self.ffn, self.dim), 'up': (self.ffn, self.dim), 'down': (self.dim, self.ffn)}
        for layer in range(self.layers):
            for group, modules in MODULES.items():
                for m in modules:
                    bias = self.attention_bias if group == 'self_attn' else self.mlp_bias
                    yield (f'model.layers.{layer}.{group}.{m}_proj', *size[m], self.is_binary(group, m), bias)

    def config(self):
        """config.json as LlamaForCausalLM has it, and our own object beside it."""
        c = {'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'hidden_act': 'silu',
             'hidden_size': self.dim, 'num_hidden_layers': self.layers, 'num_attention_heads': self.heads,
             'num_key_value_heads': self.kv_heads, 'intermediate_size': self.ffn, 'vocab_size': self.vocab,
             'max_position_embeddings': self.context, 'rms_norm_eps': self.eps, 'rope_theta': self.theta,
             'tie_word_embeddings': self.tied, 'attention_bias': self.attention_bias, 'mlp_bias': self.mlp_bias,
             'initializer_range': 0.02, 'torch_dtype': 'float32'}
        if self.head_dim:
            c['head_dim'] = self.head_dim
        if self.scaling != 1:
            c['rope_scaling'] = {'type': 'linear', 'factor': self.scaling}
        if self.linear != 'full':
            c['signum'] = {'linear': self.linear, 'scales': self.scales, 'shift': self.shift, 'binary': self.binary}
        return c


# --- numbers by formula ---------------------------------------------------------------------------

def mix(name, count):
    """splitmix64 of (FNV-1a of the name) + index: `count` words of 64 bits."""
    h = 0xcbf29ce484222325
    for b in name.encode():
        h = (h ^ b) * 0x100000001b3 & 0xffffffffffffffff
    with np.errstate(over='ignore'):
        z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
    return z ^ (z >> np.uint64(31))


def formula(name, size, exponent, offset=0.0):
    """offset + k 2^-exponent, k = top 24 bits - 2^23, rounded once to float32."""
    k = (mix(name, int(np.prod(size))) >> np.uint64(40)).astype(np.int64) - (1 << 23)
    return (offset + k * 2.0 ** -exponent).astype(np.float32).reshape(size)


def formula_tokens(name, count, vocab):
    """Ids with density ~ 1/sqrt(id): floor(V u^2) in integers."""
    k = mix(name, count) >> np.uint64(40)
    return ((k * k >> np.uint64(24)) * np.uint64(vocab) >> np.uint64(24)).astype(np.int64)


@dataclass(frozen=True)
class Spread:
    """Exponents: a value lies within 2^(23-e), its standard deviation is that over sqrt 3."""
    name: str = 'student'                # prefix of every hashed name
    embedding: int = 28
    matrix: int = 28
    head: int = 28
    norm: int = 0                        # 0: ones
    scale: int = 0                       # 0: derived from the weight, else by formula too
    bias: int = 26


STUDENT = Spread()
TEACHER = Spread('teacher', embedding=23, matrix=26, head=25)      # logits with a spread of about 1


def derive(w, s):
    """The released initialisation: beta = mean W, alpha = mean |W - beta|, over what shares one pair."""
    if s.scales == 'group128':
        pad = -w.shape[1] % 128
        n = torch.ones_like(w)
        part = lambda x: F.pad(x, (0, pad)).reshape(w.shape[0], -1, 128).sum(2)
        return part(w.abs()) / part(n), None
    over = {'column': 0, 'row': 1, 'tensor': (0, 1)}[s.scales]
    beta = w.mean(over, keepdim=True)
    alpha = (w - (beta if s.shift else 0)).abs().mean(over)
    return alpha.reshape(-1), beta.reshape(-1) if s.shift else None


def make(s, spread, dtype=torch.float32):
    """All parameters of a model, name -> tensor."""
    p = {}

    def put(name, size, exponent, offset=0.0):
        p[name] = torch.from_numpy(formula(f'{spread.name}.{name}', size, exponent, offset)).to(dtype)

    def norm(name):
        put(name, (s.dim,), spread.norm, 1.0) if spread.norm else p.update({name: torch.ones(s.dim, dtype=dtype)})

    put('model.embed_tokens.weight', (s.vocab, s.dim), spread.embedding)
    for path, out, inp, binary, bias in s.linears():
        put(path + '.weight', (out, inp), spread.matrix)
        if binary:
            alpha, beta = derive(p[path + '.weight'], s)
            p[path + '.wscale'] = alpha
            if beta is not None:
                p[path + '.wbias'] = beta
            if spread.scale:
                put(path + '.wscale', tuple(alpha.shape), spread.scale, 2.0 ** -6)
                if beta is not None:
                    put(path + '.wbias', tuple(beta.shape), spread.scale)
        if bias:
            put(path + '.bias', (out,), spread.bias)
    for layer in range(s.layers):
        norm(f'model.layers.{layer}.input_layernorm.weight')
        norm(f'model.layers.{layer}.post_attention_layernorm.weight')
    norm('model.norm.weight')
    if not s.tied:
        put('lm_head.weight', (s.vocab, s.dim), spread.head)
    return p


# --- the model -----------------------------------------------------------------------------------

class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        return torch.where(w >= 0, torch.ones_like(w), -torch.ones_like(w))

    @staticmethod
    def backward(ctx, g):
        return g


def effective_weight(p, path, s):
    w, alpha = Sign.apply(p[path + '.weight']), p[path + '.wscale']
    beta = p.get(path + '.wbias')
    if s.scales == 'group128':
        return w * alpha.repeat_interleave(128, 1)[:, :w.shape[1]]
    view = {'column': (1, -1), 'row': (-1, 1), 'tensor': (1, 1)}[s.scales]
    w = w * alpha.view(view)
    return w if beta is None else w + beta.view(view)


def hidden(p, s, tokens):
    """Hidden states after the final norm, (batch, seq, dim)."""
    batch, seq = tokens.shape
    dtype = p['model.norm.weight'].dtype
    binary = {path: b for path, _, _, b, _ in s.linears()}
    inverse = s.theta ** (-torch.arange(0, s.hd, 2, dtype=torch.float64) / s.hd)
    angle = torch.outer(torch.arange(seq, dtype=torch.float64) / s.scaling, inverse)
    cos, sin = torch.cat((angle.cos(),) * 2, 1).to(dtype), torch.cat((angle.sin(),) * 2, 1).to(dtype)
    mask = torch.full((seq, seq), -math.inf, dtype=dtype).triu(1)

    def linear(path, x):
        w = effective_weight(p, path, s) if binary[path] else p[path + '.weight']
        return F.linear(x, w, p.get(path + '.bias'))

    def norm(x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + s.eps) * p[name]

    def rotate(x):
        half = s.hd // 2
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin

    x = F.embedding(tokens, p['model.embed_tokens.weight'])
    for layer in range(s.layers):
        at = f'model.layers.{layer}.'
        h = norm(x, at + 'input_layernorm.weight')
        q, k, v = (linear(f'{at}self_attn.{m}_proj', h).view(batch, seq, -1, s.hd).transpose(1, 2) for m in 'qkv')
        q, k = rotate(q), rotate(k)
        k, v = (t.repeat_interleave(s.heads // s.kv_heads, 1) for t in (k, v))
        a = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(s.hd) + mask, -1) @ v
        x = x + linear(at + 'self_attn.o_proj', a.transpose(1, 2).reshape(batch, seq, -1))
        h = norm(x, at + 'post_attention_layernorm.weight')
        x = x + linear(at + 'mlp.down_proj', F.silu(linear(at + 'mlp.gate_proj', h)) * linear(at + 'mlp.up_proj', h))
    return norm(x, 'model.norm.weight')


def logits(p, s, tokens):
    return F.linear(hidden(p, s, tokens), p['model.embed_tokens.weight' if s.tied else 'lm_head.weight'])


def losses(z, target, teacher=None, lam=1.0, temperature=1.0):
    """loss, hard, soft, entropy of the teacher: means over positions, nats."""
    z, target = z.reshape(-1, z.shape[-1]), target.reshape(-1)
    hard = F.cross_entropy(z, target)
    if teacher is None:
        return hard, hard, None, None
    t = teacher.reshape(z.shape) / temperature
    prob = t.softmax(-1)
    soft = -(prob * (z / temperature).log_softmax(-1)).sum(-1).mean()
    entropy = -(prob * t.log_softmax(-1)).sum(-1).mean()
    return lam * temperature ** 2 * soft + (1 - lam) * hard, hard, soft, entropy


# --- training ------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Recipe:
    steps: int = 50
    batch: int = 4
    seq: int = 64
    lr: float = 1e-3
    min_lr: float = 1e-4
    warmup: int = 10
    weight_decay: float = 0.1
    decay: str = 'all'                   # all parameters | matrices: no norms, scales, biases, embedding
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    clip: float = 1.0                    # 0: none
    lam: float = 1.0
    temperature: float = 1.0

    def rate(self, step):
        """Step 0 .. steps-1: linear warm-up, then a half cosine from lr towards min_lr."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        x = (step - self.warmup) / (self.steps - self.warmup)
        return self.min_lr + (self.lr - self.min_lr) * 0.5 * (1 + math.cos(math.pi * x))


def window(ids, recipe, step):
    """Inputs and targets of a step: row r reads window k = step*batch + r, tokens k*seq .. k*seq+seq."""
    rows = [ids[k * recipe.seq:(k + 1) * recipe.seq + 1]
            for k in range(step * recipe.batch, (step + 1) * recipe.batch)]
    rows = torch.from_numpy(np.stack(rows).astype(np.int64))
    return rows[:, :-1], rows[:, 1:]


def clip_gradients(parameters, limit):
    """torch.nn.utils.clip_grad_norm_ with the norm in double: in float it is 2.5e-5 off over 9 million numbers."""
    grads = [t.grad for t in parameters]
    norm = math.sqrt(sum(g.double().square().sum().item() for g in grads))
    if limit and limit < norm + 1e-6:
        for g in grads:
            g.mul_(limit / (norm + 1e-6))
    return norm


def train(p, s, recipe, ids, teacher=None, teacher_shape=None, first_gradients=None):
    """Updates p in place; yields one record per step. first_gradients, a dict, receives those of step 1."""
    for t in p.values():
        t.requires_grad_(True)
    matrix = lambda n: n.endswith('_proj.weight') or n == 'lm_head.weight'
    decays = {n: recipe.decay == 'all' or matrix(n) for n in p}
    groups = [{'params': [t for n, t in p.items() if decays[n] == on], 'weight_decay': recipe.weight_decay * on}
              for on in (True, False)]
    optimizer = torch.optim.AdamW([g for g in groups if g['params']], lr=recipe.lr, eps=recipe.eps,
                                  betas=(recipe.beta1, recipe.beta2))
    for step in range(recipe.steps):
        tokens, target = window(ids, recipe, step)
        with torch.no_grad():
            zt = None if teacher is None else logits(teacher, teacher_shape, tokens)
        loss, hard, soft, entropy = losses(logits(p, s, tokens), target, zt, recipe.lam, recipe.temperature)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if step == 0 and first_gradients is not None:
            first_gradients.update({n: t.grad.detach().clone() for n, t in p.items()})
        norm = clip_gradients(p.values(), recipe.clip)
        for group in optimizer.param_groups:
            group['lr'] = recipe.rate(step)
        optimizer.step()
        yield {'step': step + 1, 'loss': loss.item(), 'hard': hard.item(),
               'soft': 0.0 if soft is None else soft.item(), 'entropy': 0.0 if soft is None else entropy.item(),
               'lr': recipe.rate(step), 'grad_norm': norm}


# --- files ---------------------------------------------------------------------------------------

def write_safetensors(path, tensors):
    """u64 length, JSON header {name: {dtype, shape, data_offsets}}, raw little-endian floats."""
    header, at = {}, 0
    for name, t in tensors.items():
        size = 4 * t.numel()
        header[name] = {'dtype': 'F32', 'shape': list(t.shape), 'data_offsets': [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text)
        for t in tensors.values():
            f.write(t.detach().numpy().astype('<f4').tobytes())


def read_safetensors(path):
    kinds = {'F32': '<f4', 'F64': '<f8', 'F16': '<f2', 'U8': 'u1', 'I32': '<i4', 'I64': '<i8'}
    with open(path, 'rb') as f:
        data = f.read()
    end = 8 + struct.unpack('<Q', data[:8])[0]
    out = {}
    for name, a in json.loads(data[8:end]).items():
        if name != '__metadata__':
            first, last = a['data_offsets']
            out[name] = np.frombuffer(data[end + first:end + last], kinds[a['dtype']]).reshape(a['shape'])
    return out


def write_model(directory, s, p):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, 'config.json'), 'w') as f:
        json.dump(s.config(), f, indent=2)
    write_safetensors(os.path.join(directory, 'model.safetensors'), p)


# --- what is compared ------------------------------------------------------------------------------

SMALL = Shape(64, 2, 4, 2, 172, 512, context=64)
LARGE = Shape(288, 6, 6, 6, 768, 32000, context=256)
CASES = {                                # student, recipe, has a teacher (of the same shape, full precision)
    'small': (replace(SMALL, linear='fbi'), Recipe(clip=0.085), True),       # about the median norm: on and off
    'mixed': (replace(SMALL, linear='fbi', scales='row', binary='mlp', tied=True, attention_bias=True),
              Recipe(steps=20, lam=0.5, temperature=2.0, decay='matrices'), True),
    'full': (SMALL, Recipe(steps=20), False),
    'large': (replace(LARGE, linear='fbi'), Recipe(seq=256, lr=3e-4, min_lr=3e-5, clip=0.25), True),
}


def case(name, dtype=torch.float32):
    """shape, recipe, ids, student, teacher shape, teacher (None: none)."""
    s, recipe, taught = CASES[name]
    ids = formula_tokens('tokens', recipe.steps * recipe.batch * recipe.seq + 1, s.vocab)
    ts = replace(s, linear='full')
    return s, recipe, ids, make(s, STUDENT, dtype), ts, make(ts, TEACHER, dtype) if taught else None
