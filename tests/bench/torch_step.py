# SPDX-License-Identifier: MIT
"""torch_step.py - the peer: one training step of the same model in PyTorch, as fast as we know how to ask it.

    /usr/bin/python3 tests/bench/torch_step.py --preset tiny --batch 4 --seq 256 --teacher same --threads 2 --steps 5

Same layer, loss, optimizer and threads as `signum bench step`, and the same JSON fields. What tuning means:
the FBI layer as (x . alpha) S^T + x beta with its gradients by hand (S is formed once per step, no gradient
passes through a weight-sized temporary); both losses with their gradients by hand; and a fresh process with
OpenBLAS's OpenMP build where it is installed (torch brings libgomp: one thread pool instead of two), its
AVX-512 kernels where the CPU has them (Debian's does not know newer CPUs), and huge pages without trimming
(GLIBC_TUNABLES). --stock leaves the environment as it is, --layer dense is the released
code's way: W~ = alpha . S + beta through autograd. --check compares with tests/golden/llama_fbi.py.
"""
import argparse
import json
import math
import os
import resource
import statistics
import sys
import time

TUNABLES = 'glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184'
SHAPES = {                               # dim, layers, heads, ffn, vocab
    'tiny': (288, 6, 6, 768, 32000),
    'fbi-130m': (768, 12, 12, 2048, 32000),
    'check': (64, 2, 4, 172, 512),
}


def arguments():
    a = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    a.add_argument('--preset', choices=SHAPES, default='tiny')
    a.add_argument('--batch', type=int, default=4)
    a.add_argument('--seq', type=int, default=256)
    a.add_argument('--teacher', choices=('none', 'same'), default='none')
    a.add_argument('--threads', type=int, default=len(os.sched_getaffinity(0)))
    a.add_argument('--steps', type=int, default=5)
    a.add_argument('--layer', choices=('fast', 'dense', 'full'), default='fast')
    a.add_argument('--blas', help='directory of the libblas.so.3 to use')
    a.add_argument('--stock', action='store_true')
    a.add_argument('--check', action='store_true')
    return a.parse_args()


def tune(args):
    """Starts this program again where the environment is not yet the tuned one."""
    if args.stock or os.environ.get('TORCH_STEP_TUNED'):
        return
    env = dict(os.environ, TORCH_STEP_TUNED='1', GLIBC_TUNABLES=TUNABLES)
    machine = os.uname().machine
    with open('/proc/cpuinfo') as f:
        if {'avx512f', 'avx512bw', 'avx512dq', 'avx512vl'} <= set(f.read().split()):
            env.setdefault('OPENBLAS_CORETYPE', 'SkylakeX')
    blas = args.blas or f'/usr/lib/{machine}-linux-gnu/openblas-openmp'
    if os.path.isdir(blas):
        env['LD_LIBRARY_PATH'] = blas + ':' + os.environ.get('LD_LIBRARY_PATH', '')
    os.execve(sys.executable, [sys.executable, *sys.argv], env)


ARGS = arguments()
tune(ARGS)
os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = str(ARGS.threads)

import torch                                                                    # noqa: E402
import torch.nn.functional as F                                                 # noqa: E402


class FbiLinear(torch.autograd.Function):
    """y = (x . alpha) S^T + x beta; dx = alpha . u + beta r, dW = dy^T (x . alpha), u = dy S, r = dy 1."""

    @staticmethod
    def forward(ctx, x, w, alpha, beta):
        s = w.ge(0).to(w.dtype).mul_(2).sub_(1)
        xa = x * alpha
        ctx.save_for_backward(x, xa, s, alpha, beta)
        return (xa @ s.T).add_((x @ beta)[:, None])

    @staticmethod
    def backward(ctx, dy):
        x, xa, s, alpha, beta = ctx.saved_tensors
        u, r = dy @ s, dy.sum(1)
        dalpha, dbeta = (x * u).sum(0), r @ x
        return u.mul_(alpha).addcmul_(r[:, None], beta), dy.T @ xa, dalpha, dbeta


class SignSTE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w):
        return w.ge(0).to(w.dtype).mul_(2).sub_(1)

    @staticmethod
    def backward(ctx, g):
        return g


class SoftLoss(torch.autograd.Function):
    """-sum_v pT log pS, mean over rows; dz = (pS - pT) / rows."""

    @staticmethod
    def forward(ctx, z, p):
        log_q = z.log_softmax(1)
        ctx.save_for_backward(log_q, p)
        return -torch.dot(p.view(-1), log_q.view(-1)) / len(z)

    @staticmethod
    def backward(ctx, g):
        log_q, p = ctx.saved_tensors
        return log_q.exp().sub_(p).mul_(g / len(p)), None


def linear(p, path, x, layer):
    w = p[path + '.weight']
    if path + '.wscale' not in p:
        return x @ w.T
    alpha, beta = p[path + '.wscale'], p[path + '.wbias']
    if layer == 'dense':
        return x @ (alpha * SignSTE.apply(w) + beta).T
    return FbiLinear.apply(x, w, alpha, beta)


def norm(x, gain):
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-5) * gain


def rotary(seq, head):
    angle = torch.outer(torch.arange(seq).double(), 10000.0 ** (-torch.arange(0, head, 2).double() / head))
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def logits(p, shape, tokens, layer, turn, mask):
    dim, layers, heads, _, _ = shape
    batch, seq = tokens.shape
    split = lambda t: t.view(batch, seq, -1, dim // heads).transpose(1, 2)
    x = p['model.embed_tokens.weight'][tokens.reshape(-1)]
    for i in range(layers):
        at = f'model.layers.{i}.'
        h = norm(x, p[at + 'input_layernorm.weight'])
        q, k, v = (split(linear(p, f'{at}self_attn.{m}_proj', h, layer)) for m in 'qkv')
        s = rotate(q, *turn) @ rotate(k, *turn).transpose(2, 3)
        a = torch.softmax(s.mul(1 / math.sqrt(dim // heads)).add_(mask), -1) @ v
        x = x + linear(p, at + 'self_attn.o_proj', a.transpose(1, 2).reshape(batch * seq, -1), layer)
        h = norm(x, p[at + 'post_attention_layernorm.weight'])
        h = F.silu(linear(p, at + 'mlp.gate_proj', h, layer)) * linear(p, at + 'mlp.up_proj', h, layer)
        x = x + linear(p, at + 'mlp.down_proj', h, layer)
    return norm(x, p['model.norm.weight']) @ p['lm_head.weight'].T


def parameters(shape, binary):
    dim, layers, _, ffn, vocab = shape
    p = {'model.embed_tokens.weight': torch.randn(vocab, dim) * 0.02}
    for i in range(layers):
        at = f'model.layers.{i}.'
        sizes = {'self_attn.q': (dim, dim), 'self_attn.k': (dim, dim), 'self_attn.v': (dim, dim),
                 'self_attn.o': (dim, dim), 'mlp.gate': (ffn, dim), 'mlp.up': (ffn, dim), 'mlp.down': (dim, ffn)}
        for name, size in sizes.items():
            w = p[f'{at}{name}_proj.weight'] = torch.randn(size) * 0.02
            if binary:
                p[f'{at}{name}_proj.wbias'] = w.mean(0)
                p[f'{at}{name}_proj.wscale'] = (w - w.mean(0)).abs().mean(0)
        p[at + 'input_layernorm.weight'] = torch.ones(dim)
        p[at + 'post_attention_layernorm.weight'] = torch.ones(dim)
    p['model.norm.weight'] = torch.ones(dim)
    p['lm_head.weight'] = torch.randn(vocab, dim) * 0.02
    return p


class Step:
    """One optimizer step on random tokens; self.seconds has the time of each part."""

    def __init__(self, shape, args):
        self.shape, self.args, self.seconds = shape, args, {}
        self.student = parameters(shape, args.layer != 'full')
        self.teacher = parameters(shape, False) if args.teacher == 'same' else None
        for t in self.student.values():
            t.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(self.student.values(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1,
                                           foreach=False)       # measured: foreach takes 1.3 times as long on a CPU
        self.turn = rotary(args.seq, shape[0] // shape[2])
        self.mask = torch.full((args.seq, args.seq), -math.inf).triu(1)

    def logits(self, p, tokens):
        return logits(p, self.shape, tokens, self.args.layer, self.turn, self.mask)

    def loss(self, tokens, target):
        clock = time.perf_counter
        start, soft = clock(), None
        if self.teacher:
            with torch.no_grad():
                soft = self.logits(self.teacher, tokens).softmax(1)
        ready = clock()
        z = self.logits(self.student, tokens)
        loss = F.cross_entropy(z, target.reshape(-1)) if soft is None else SoftLoss.apply(z, soft)
        self.seconds.update(teacher=ready - start, forward=clock() - ready)
        return loss

    def run(self):
        clock = time.perf_counter
        start = clock()
        ids = torch.randint(self.shape[4], (self.args.batch, self.args.seq + 1))
        ready = clock()
        loss = self.loss(ids[:, :-1], ids[:, 1:])
        self.optimizer.zero_grad(set_to_none=True)
        half = clock()
        loss.backward()
        done = clock()
        torch.nn.utils.clip_grad_norm_(self.student.values(), 1.0)
        self.optimizer.step()
        self.seconds.update(data=ready - start, backward=done - half, optimizer=clock() - done, all=clock() - start)
        return dict(self.seconds)


def sgemm_gflops(m=1024, n=2048, k=768, repeats=15):
    a, b, times = torch.randn(m, k), torch.randn(n, k), []
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b.T
        times.append(time.perf_counter() - start)
    return 2e-9 * m * n * k / statistics.median(times)


def blas_in_use():
    with open('/proc/self/maps') as f:
        return sorted({line.split()[-1] for line in f if 'libopenblas' in line})


def check():
    """Loss and gradients of both layers beside the plain implementation."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden'))
    import llama_fbi as plain
    dim, layers, heads, ffn, vocab = SHAPES['check']
    s = plain.Shape(dim, layers, heads, heads, ffn, vocab, linear='fbi')
    ts = plain.replace(s, linear='full')
    ids = torch.from_numpy(plain.formula_tokens('tokens', 4 * 65, vocab)).view(4, 65)
    for layer in ('fast', 'dense'):
        args = argparse.Namespace(layer=layer, teacher='same', batch=4, seq=64)
        step = Step(SHAPES['check'], args)
        step.student, step.teacher = plain.make(s, plain.STUDENT), plain.make(ts, plain.TEACHER)
        other = plain.make(s, plain.STUDENT)
        for t in (*step.student.values(), *other.values()):
            t.requires_grad_(True)
        loss = step.loss(ids[:, :-1], ids[:, 1:])
        loss.backward()
        want = plain.losses(plain.logits(other, s, ids[:, :-1]), ids[:, 1:], plain.logits(step.teacher, ts, ids[:, :-1]))[0]
        want.backward()
        worst = max(((step.student[n].grad - t.grad).norm() / t.grad.norm()).item() for n, t in other.items())
        print(f'{layer}: loss {loss.item():.7g}, expected {want.item():.7g}; gradients differ by {worst:.1e}')
        if abs(loss.item() / want.item() - 1) > 1e-5 or worst > 1e-5:
            sys.exit('torch_step.py does not compute what llama_fbi.py does')


def main():
    torch.set_num_threads(ARGS.threads)
    if ARGS.check:
        return check()
    shape = dim, layers, _, ffn, vocab = SHAPES[ARGS.preset]
    step = Step(shape, ARGS)
    peak = sgemm_gflops()
    step.run(), step.run()                                       # not counted: pages, optimizer state
    runs = [step.run() for _ in range(ARGS.steps)]
    tokens = ARGS.batch * ARGS.seq
    rates = [tokens / r['all'] for r in runs]
    weights = layers * (4 * dim * dim + 3 * dim * ffn) + vocab * dim
    speed = statistics.median(rates)
    flops = speed * weights * 6 * 1e-9                           # 6N: the teacher's 2N are not counted
    print(json.dumps({
        'tok_s': speed, 'tok_s_min': min(rates), 'tok_s_max': max(rates),
        'step_s': {k: statistics.median(r[k] for r in runs) for k in ('teacher', 'forward', 'backward', 'optimizer', 'data')},
        'model_gflops': flops, 'sgemm_gflops': peak, 'sgemm_ratio': flops / peak,
        'rss_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 'threads': torch.get_num_threads(),
        'preset': ARGS.preset, 'batch': ARGS.batch, 'seq': ARGS.seq, 'teacher': ARGS.teacher, 'layer': ARGS.layer,
        'torch': torch.__version__, 'blas': blas_in_use(),
        'core': os.environ.get('OPENBLAS_CORETYPE', 'automatic'), 'tuned': not ARGS.stock}))


main()
