#!/usr/bin/python3
"""hf_torch.py DIR ROWS WITHIN [ROUNDED ...] - the logits of Hugging Face directories in PyTorch.

DIR against the lines of `signum logprobs --top`, WITHIN apart at most over the whole vocabulary; then each ROUNDED (f16, bf16): every
number is that of DIR rounded by PyTorch, and `signum logprobs` of it (ROUNDED.rows) is the forward pass over these numbers. The
formulas are those of tests/golden/families.py, in double; files are read here, by the safetensors layout alone.
SPDX-License-Identifier: MIT
"""
import json
import os
import struct
import sys

import numpy as np
import torch

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden'))
from families import forward                                                   # noqa: E402

KINDS = {'F32': ('<f4', torch.float32), 'F16': ('<f2', torch.float16), 'BF16': ('<i2', torch.bfloat16)}
torch.set_num_threads(2)


def read(directory):
    """config.json and the arrays, from one file or as the index says."""
    with open(directory + '/config.json') as f:
        config = json.load(f)
    index = directory + '/model.safetensors.index.json'
    wanted = json.load(open(index))['weight_map'] if os.path.exists(index) else None
    out = {}
    for file in sorted(set(wanted.values())) if wanted else ['model.safetensors']:
        with open(f'{directory}/{file}', 'rb') as f:
            raw = f.read()
        n = struct.unpack('<Q', raw[:8])[0]
        for name, a in json.loads(raw[8:8 + n]).items():
            if name == '__metadata__':
                assert a['format'] == 'pt', a
                continue
            kind, torch_kind = KINDS[a['dtype']]
            assert config['torch_dtype'] == str(torch_kind).split('.')[1], (config['torch_dtype'], a['dtype'])
            begin, end = a['data_offsets']
            x = torch.from_numpy(np.frombuffer(raw[8 + n + begin:8 + n + end], kind).copy().reshape(a['shape']))
            out[name] = x.view(torch.bfloat16) if a['dtype'] == 'BF16' else x
            assert not wanted or wanted[name] == file, name
    assert not wanted or sorted(wanted) == sorted(out)
    return config, out


def compare(directory, rows, within):
    config, arrays = read(directory)
    want = [json.loads(line) for line in open(rows)]
    ids = torch.tensor([[r['token'] for r in want]])
    logp = forward({n: t.double() for n, t in arrays.items()}, config, ids)[0].log_softmax(-1)
    ours = torch.empty_like(logp)
    for i, r in enumerate(want):
        assert len(r['top']) == logp.shape[1], f'{rows}: a line has {len(r["top"])} of {logp.shape[1]} ids'
        for k, p in r['top']:
            ours[i, k] = p
    off = (ours - logp).abs().max().item()
    kind = config['torch_dtype']
    print(f'  ok   {os.path.basename(directory)} ({kind}): log p within {off:.1e} of PyTorch at {len(want)} positions' if off <= within else
          f'FAIL {directory} ({kind}): log p off by {off:.1e}, {within} is allowed')
    if not off <= within:
        sys.exit(1)
    return arrays


exact = compare(sys.argv[1], sys.argv[2], float(sys.argv[3]))
for where in sys.argv[4:]:
    rounded = compare(where, where + '.rows', float(sys.argv[3]))
    assert sorted(rounded) == sorted(exact), where
    for name, x in rounded.items():
        assert torch.equal(x, exact[name].to(x.dtype)), f'{where}: {name} is not the f32 array rounded to {x.dtype}'
said = {name: json.load(open(f'{sys.argv[1]}/{name}.json')) for name in ('config', 'tokenizer_config', 'special_tokens_map', 'generation_config')}
spm = said['tokenizer_config']['tokenizer_class'] == 'LlamaTokenizer'
assert os.path.exists(f'{sys.argv[1]}/tokenizer.model') == spm and os.path.exists(f'{sys.argv[1]}/tokenizer.json') == (not spm)
for role in ('bos', 'eos'):                            # all files name the same tokens
    assert said['generation_config'].get(f'{role}_token_id') == said['config'][f'{role}_token_id']
    assert said['tokenizer_config'].get(f'{role}_token') == said['special_tokens_map'].get(f'{role}_token')
    assert (said['config'][f'{role}_token_id'] is None) == (f'{role}_token' not in said['special_tokens_map'])
