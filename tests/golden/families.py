# SPDX-License-Identifier: MIT
"""families.py - LLaMA, Mistral, Qwen2, Qwen3, GPT-2 and FBI-LLM in PyTorch, from their published formulas, by their own names.

    /usr/bin/python3 tests/golden/families.py            writes families.json
    /usr/bin/python3 tests/golden/families.py --check    families.json still is what these formulas say
    /usr/bin/python3 tests/golden/families.py --live     `signum eval` beside this forward pass, on written directories

families.json has for each case its config.json, its arrays as [name, shape, exponent, offset] (numbers by formula, see
llama_fbi.py) and all logits of two positions. Only the config.json decides what is computed here.
"""
import json
import math
import os
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F

from llama_fbi import formula, formula_tokens, read_safetensors, write_safetensors

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH, SEQ, POSITIONS = 2, 12, ((0, 11), (1, 7))
LLAMA = {'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'hidden_act': 'silu', 'hidden_size': 24,
         'intermediate_size': 36, 'num_hidden_layers': 2, 'num_attention_heads': 4, 'num_key_value_heads': 2, 'vocab_size': 29,
         'max_position_embeddings': 64, 'rms_norm_eps': 1e-5, 'rope_theta': 10000.0, 'tie_word_embeddings': False,
         'bos_token_id': 1, 'eos_token_id': 2, 'torch_dtype': 'float32', 'use_cache': True, 'attention_dropout': 0.0}
GPT2 = {'architectures': ['GPT2LMHeadModel'], 'model_type': 'gpt2', 'activation_function': 'gelu_new', 'n_embd': 24,
        'n_layer': 2, 'n_head': 4, 'n_positions': 32, 'n_ctx': 32, 'vocab_size': 29, 'layer_norm_epsilon': 1e-5, 'attn_pdrop': 0.1,
        'summary_type': 'cls_index', 'task_specific_params': {'text-generation': {'do_sample': True, 'max_length': 50}}}


def family(type, class_, **more):
    return {**LLAMA, 'model_type': type, 'architectures': [class_], **more}


CASES = {
    'llama': {**LLAMA, 'num_key_value_heads': 4, 'rope_scaling': {'type': 'dynamic', 'factor': 2.0}},
    'llama3': {**LLAMA, 'tie_word_embeddings': True, 'rope_theta': 500.0, 'rope_scaling': {
        'rope_type': 'llama3', 'factor': 8.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0, 'original_max_position_embeddings': 32}},
    'biases': {**LLAMA, 'attention_bias': True, 'mlp_bias': True, 'head_dim': 8, 'rope_scaling': {'type': 'linear', 'factor': 4.0}},
    'mistral': family('mistral', 'MistralForCausalLM', sliding_window=12, rope_theta=1000000.0),
    'qwen2': family('qwen2', 'Qwen2ForCausalLM', tie_word_embeddings=True, use_sliding_window=False, sliding_window=4,
                    max_window_layers=1),
    'yarn': family('qwen2', 'Qwen2ForCausalLM', hidden_size=64, rope_scaling={
        'type': 'yarn', 'factor': 4.0, 'original_max_position_embeddings': 64}),
    'qwen3': family('qwen3', 'Qwen3ForCausalLM', head_dim=10, attention_bias=False, sliding_window=None, use_sliding_window=False,
                    rope_parameters={'rope_type': 'default', 'rope_theta': 1000.0}),
    'gpt2': GPT2,
    'gpt2_trunk': {**GPT2, 'n_inner': 40, 'layer_norm_epsilon': 1e-2, 'tie_word_embeddings': False},
    'fbi': {**LLAMA, 'num_key_value_heads': 4},
}


# --- which arrays a file of the family has -----------------------------------------------------------------

def arrays(name, c):
    """[name, shape, exponent, offset]: matrices within +-1/2, norms within 1 +- 1/4."""
    out = []
    put = lambda n, *shape, offset=0.0: out.append([n, list(shape), 25 if offset or n.endswith('bias') else 24, offset])
    if c['model_type'] == 'gpt2':
        at, d, inner = '' if name == 'gpt2_trunk' else 'transformer.', c['n_embd'], c.get('n_inner', 4 * c['n_embd'])
        put(at + 'wte.weight', c['vocab_size'], d)
        put(at + 'wpe.weight', c['n_positions'], d)
        for i in range(c['n_layer']):
            for part, inp, o in (('attn.c_attn', d, 3 * d), ('attn.c_proj', d, d), ('mlp.c_fc', d, inner), ('mlp.c_proj', inner, d)):
                put(f'{at}h.{i}.{part}.weight', inp, o)
                put(f'{at}h.{i}.{part}.bias', o)
            for part in ('ln_1', 'ln_2'):
                put(f'{at}h.{i}.{part}.weight', d, offset=1.0)
                put(f'{at}h.{i}.{part}.bias', d)
        put(at + 'ln_f.weight', d, offset=1.0)
        put(at + 'ln_f.bias', d)
        if not c.get('tie_word_embeddings', True):
            put('lm_head.weight', c['vocab_size'], d)
        return out
    d, ffn, heads, kv = (c[k] for k in ('hidden_size', 'intermediate_size', 'num_attention_heads', 'num_key_value_heads'))
    hd = c.get('head_dim', d // heads)
    put('model.embed_tokens.weight', c['vocab_size'], d)
    for i in range(c['num_hidden_layers']):
        at = f'model.layers.{i}.'
        for part, inp, o in (('self_attn.q', d, heads * hd), ('self_attn.k', d, kv * hd), ('self_attn.v', d, kv * hd),
                             ('self_attn.o', heads * hd, d), ('mlp.gate', d, ffn), ('mlp.up', d, ffn), ('mlp.down', ffn, d)):
            put(f'{at}{part}_proj.weight', o, inp)
            biased = c.get('mlp_bias') if part[0] == 'm' else c.get('attention_bias') or (c['model_type'] == 'qwen2' and part[-1] in 'qkv')
            if biased:
                put(f'{at}{part}_proj.bias', o)
            if name == 'fbi':
                put(f'{at}{part}_proj.wscale', inp, offset=0.25)
                put(f'{at}{part}_proj.wbias', inp)
        put(at + 'input_layernorm.weight', d, offset=1.0)
        put(at + 'post_attention_layernorm.weight', d, offset=1.0)
        if c['model_type'] == 'qwen3':
            put(at + 'self_attn.q_norm.weight', hd, offset=1.0)
            put(at + 'self_attn.k_norm.weight', hd, offset=1.0)
    put('model.norm.weight', d, offset=1.0)
    if not c['tie_word_embeddings']:
        put('lm_head.weight', c['vocab_size'], d)
    return out


def fill(case, parts):
    return {n: torch.from_numpy(formula(f'{case}.{n}', tuple(shape), e, offset)).double() for n, shape, e, offset in parts}


# --- forward -----------------------------------------------------------------------------------------------

def frequencies(c, hd):
    """Angle per position of each pair, and the factor of cosine and sine."""
    rope = c.get('rope_scaling') or c.get('rope_parameters') or {}
    theta, kind = rope.get('rope_theta', c['rope_theta']), rope.get('rope_type', rope.get('type', 'default'))
    plain = 1.0 / theta ** (torch.arange(0, hd, 2, dtype=torch.float64) / hd)
    if kind in ('default', 'dynamic'):               # dynamic: only past max_position_embeddings
        return plain, 1.0
    slow = plain / rope['factor']
    if kind == 'linear':
        return slow, 1.0
    length = rope.get('original_max_position_embeddings', c['max_position_embeddings'])
    if kind == 'llama3':
        wave, low, high = 2 * math.pi / plain, rope['low_freq_factor'], rope['high_freq_factor']
        smooth = (length / wave - low) / (high - low)
        middle = (1 - smooth) * slow + smooth * plain
        return torch.where(wave > length / low, slow, torch.where(wave < length / high, plain, middle)), 1.0
    assert kind == 'yarn'
    dim_of = lambda turns: hd * math.log(length / (turns * 2 * math.pi)) / (2 * math.log(theta))
    first = max(math.floor(dim_of(rope.get('beta_fast', 32))), 0)
    last = min(math.ceil(dim_of(rope.get('beta_slow', 1))), hd - 1)
    ramp = ((torch.arange(hd // 2, dtype=torch.float64) - first) / max(last - first, 0.001)).clamp(0, 1)
    return slow * ramp + plain * (1 - ramp), rope.get('attention_factor', 0.1 * math.log(rope['factor']) + 1.0)


def attend(q, k, v, causal):
    a = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).masked_fill(causal, -math.inf).softmax(-1) @ v
    return a.transpose(1, 2).reshape(a.shape[0], a.shape[2], -1)


def llama(p, c, tokens):
    batch, seq = tokens.shape
    heads, kv, eps = c['num_attention_heads'], c['num_key_value_heads'], c['rms_norm_eps']
    hd = c.get('head_dim', c['hidden_size'] // heads)
    rate, size = frequencies(c, hd)
    angle = torch.outer(torch.arange(seq, dtype=torch.float64), rate)
    cos, sin = size * torch.cat((angle, angle), 1).cos(), size * torch.cat((angle, angle), 1).sin()
    far = torch.ones(seq, seq).tril(-c['sliding_window']) if c.get('sliding_window') and c['model_type'] == 'mistral' else torch.zeros(seq, seq)
    causal = (torch.ones(seq, seq).triu(1) + far).bool()

    def linear(path, x):
        w = p[path + '.weight']
        if path + '.wscale' in p:
            w = torch.where(w >= 0, 1.0, -1.0).double() * p[path + '.wscale'] + p[path + '.wbias']
        return F.linear(x, w, p.get(path + '.bias'))

    norm = lambda x, name: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * p[name]
    turn = lambda x: x * cos + torch.cat((-x[..., hd // 2:], x[..., :hd // 2]), -1) * sin
    x = p['model.embed_tokens.weight'][tokens]
    for i in range(c['num_hidden_layers']):
        at = f'model.layers.{i}.'
        h = norm(x, at + 'input_layernorm.weight')
        q, k, v = (linear(f'{at}self_attn.{m}_proj', h).view(batch, seq, -1, hd) for m in 'qkv')
        if c['model_type'] == 'qwen3':
            q, k = norm(q, at + 'self_attn.q_norm.weight'), norm(k, at + 'self_attn.k_norm.weight')
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        k, v = (t.repeat_interleave(heads // kv, 1) for t in (turn(k), v))
        x = x + linear(at + 'self_attn.o_proj', attend(turn(q), k, v, causal))
        h = norm(x, at + 'post_attention_layernorm.weight')
        x = x + linear(at + 'mlp.down_proj', F.silu(linear(at + 'mlp.gate_proj', h)) * linear(at + 'mlp.up_proj', h))
    return norm(x, 'model.norm.weight') @ p['model.embed_tokens.weight' if c['tie_word_embeddings'] else 'lm_head.weight'].T


def gpt2(p, c, tokens):
    batch, seq = tokens.shape
    at, d, heads = 'transformer.' if 'transformer.wte.weight' in p else '', c['n_embd'], c['n_head']
    causal = torch.ones(seq, seq).triu(1).bool()
    conv1d = lambda path, x: x @ p[path + '.weight'] + p[path + '.bias']
    norm = lambda path, x: F.layer_norm(x, (d,), p[path + '.weight'], p[path + '.bias'], c['layer_norm_epsilon'])
    gelu_new = lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    x = p[at + 'wte.weight'][tokens] + p[at + 'wpe.weight'][:seq]
    for i in range(c['n_layer']):
        b = f'{at}h.{i}.'
        q, k, v = conv1d(b + 'attn.c_attn', norm(b + 'ln_1', x)).split(d, -1)
        q, k, v = (t.view(batch, seq, heads, d // heads).transpose(1, 2) for t in (q, k, v))
        x = x + conv1d(b + 'attn.c_proj', attend(q, k, v, causal))
        x = x + conv1d(b + 'mlp.c_proj', gelu_new(conv1d(b + 'mlp.c_fc', norm(b + 'ln_2', x))))
    return norm(at + 'ln_f', x) @ p[at + 'wte.weight' if c.get('tie_word_embeddings', True) else 'lm_head.weight'].T


def forward(p, c, tokens):
    return (gpt2 if c['model_type'] == 'gpt2' else llama)(p, c, tokens)


# --- what is written ---------------------------------------------------------------------------------------

def golden():
    cases = {}
    for name, c in CASES.items():
        parts = arrays(name, c)
        tokens = torch.from_numpy(formula_tokens('tokens.' + name, BATCH * SEQ, c['vocab_size']).reshape(BATCH, SEQ))
        z = forward(fill(name, parts), c, tokens)
        cases[name] = {'config': c, 'arrays': parts, 'logits': [[float(f'{x:.8g}') for x in z[b, i]] for b, i in POSITIONS]}
    return {'made_by': f'tests/golden/families.py, torch {torch.__version__}', 'batch': BATCH, 'seq': SEQ, 'logits_at': POSITIONS,
            'cases': cases}


def write_json(path, g):
    row = lambda v: json.dumps(v)
    with open(path, 'w', encoding='utf-8') as f:
        f.write('{' + f'"made_by": {row(g["made_by"])}, "batch": {BATCH}, "seq": {SEQ}, "logits_at": {row(POSITIONS)}, "cases": {{\n')
        f.write(',\n'.join(f'"{n}": {{"config": {row(v["config"])},\n "arrays": [{(","+chr(10)+"  ").join(map(row, v["arrays"]))}],\n'
                           f' "logits": [{(","+chr(10)+"  ").join(map(row, v["logits"]))}]}}' for n, v in g['cases'].items()))
        f.write('\n}}\n')


def live():
    from parity_live import signum
    with tempfile.TemporaryDirectory(prefix='signum-families-') as top:
        for name, c in CASES.items():
            p, vocab = fill(name, arrays(name, c)), c['vocab_size']
            at = lambda n: os.path.join(top, f'{name}-{n}')
            os.mkdir(at('model'))
            write_safetensors(at('model/model.safetensors'), {n: t.float() for n, t in p.items()})
            with open(at('model/config.json'), 'w', encoding='utf-8') as f:
                json.dump(c, f)
            ids = formula_tokens('live.' + name, 20 * SEQ + 1, vocab)
            ids.astype('<u2').tofile(at('ids.bin'))
            signum('tokenize', at('ids.bin'), '--ids', 'u16', '--vocab', str(vocab), '--valid', '0', '--out', at('data'))
            rows = torch.from_numpy(np.stack([ids[k * SEQ:(k + 1) * SEQ + 1] for k in range(20)]))
            want = F.cross_entropy(forward(p, c, rows[:, :-1]).reshape(-1, vocab), rows[:, 1:].reshape(-1)).item()
            for form in ('packed', 'hf'):
                signum('export', at('model'), '--format', form, '--out', at(form))
            if name != 'fbi':                        # what is written is what was read
                back, trunk = read_safetensors(at('hf/model.safetensors')), name == 'gpt2_trunk'
                named = lambda n: 'transformer.' + n if trunk and not n.startswith('lm_head') else n
                assert sorted(back) == sorted(map(named, p)), name
                assert all((back[named(n)] == t.float().numpy()).all() for n, t in p.items()), name
            for where in ('model', 'packed', 'hf'):
                got = json.loads(signum('eval', at(where), '--data', at('data'), '--seq', str(SEQ), '--json'))['nats_per_token']
                print(f'{name} ({where}): {got:.7f} nats per token, PyTorch {want:.7f}', flush=True)
                if not abs(got - want) <= 1e-5 * want:
                    sys.exit(f'{name}: signum eval and PyTorch differ by {abs(got / want - 1):.1e}')


def check():
    with open(os.path.join(HERE, 'families.json'), encoding='utf-8') as f:
        stored, now = json.load(f)['cases'], json.loads(json.dumps(golden()))['cases']
    assert list(stored) == list(now), 'other cases'
    for name, c in now.items():
        assert (stored[name]['config'], stored[name]['arrays']) == (c['config'], c['arrays']), name
        off = np.abs(np.array(stored[name]['logits']) - np.array(c['logits'])).max()
        if not off < 1e-7:
            sys.exit(f'{name}: the stored logits are {off:.1e} off')
    print(f'families.json: {len(now)} cases as PyTorch has them')


if __name__ == '__main__':
    if '--live' in sys.argv:
        live()
    elif '--check' in sys.argv:
        check()
    else:
        write_json(os.path.join(HERE, 'families.json'), golden())
