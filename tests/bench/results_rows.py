# SPDX-License-Identifier: MIT
"""results_rows.py - what docs/results.md compares: each row its settings, the runs that they make, and the seeds."""
from collections import namedtuple

SEEDS = (1, 2, 3)
RATES = (1.5e-3, 3e-3, 6e-3)
RATE_MARGIN = 0.01  # bits per byte, about what a seed does

TAUGHT = ['distill.lambda=1', 'distill.lambda_end=0.25']     # of every row with a teacher


def chosen(found):
    """Of rates and their bits per byte the smallest rate that is within RATE_MARGIN of the best: a rate on the brink gains nothing and diverges with another seed."""
    return min((lr for lr in found if found[lr] <= min(found.values()) + RATE_MARGIN), default=None)


# name: of directories; family: whose learning rate it takes; settings: of `signum train`
Row = namedtuple('Row', 'name title family settings')


def kind(name, title, settings):
    return Row(name, title, settings[0].split('=')[1], settings)


FULL = kind('full', 'full precision', ['model.linear=full'])
TRAINED = [
    kind('fbi', 'FBI, column', ['model.linear=fbi']),
    kind('nm4', 'native 1:4', ['model.linear=nm', 'model.keep=1:4']),
    kind('nm8', 'native 1:8', ['model.linear=nm', 'model.keep=1:8']),
    kind('nm16', 'native 1:16', ['model.linear=nm', 'model.keep=1:16']),
    kind('fbi-row', 'FBI, row', ['model.linear=fbi', 'model.scales=row']),
    kind('fbi-group', 'FBI, group128', ['model.linear=fbi', 'model.scales=group128']),
    kind('partial', 'FBI, column; attention full', ['model.linear=fbi', 'model.binary=mlp']),
    kind('bitnet', 'BitNet b1', ['model.linear=bitnet']),
    kind('bitnet158', 'BitNet b1.58', ['model.linear=bitnet158']),
    kind('onebit', 'OneBit', ['model.linear=onebit']),
    kind('littlebit80', 'LittleBit, 0.8', ['model.linear=littlebit', 'model.bits=0.8']),
    kind('littlebit55', 'LittleBit, 0.55', ['model.linear=littlebit', 'model.bits=0.55']),
    kind('paretoq', 'ParetoQ, 1 bit', ['model.linear=paretoq']),
    kind('xnor', 'XNOR', ['model.linear=xnor']),
    kind('binaryconnect', 'BinaryConnect', ['model.linear=binaryconnect']),
]
# The settings with which a family's rate is chosen: those of its first row.
FAMILIES = {r.family: r.settings for r in reversed([FULL] + TRAINED)}
HEADLINE = ('fbi', 'nm4', 'nm8')  # with a teacher these have three seeds
DEMO = ('nm8', 'nm4')             # and these on the King James text alone

# After the training of FULL: words of `signum binarize`, the settings of the kind that comes out, and a short distillation from there.
After = namedtuple('After', 'name title words settings')
RECOVERY = 5          # a run of this part of the steps,
RECOVERY_RATE = 1e-3  # at this peak rate, for all methods


def after(name, title, words, kind, *more):
    return After(name, title, words.split(), [f'model.linear={kind}', *more])


AFTER = [
    after('sign', 'signs (FBI, column)', '--method sign', 'fbi'),
    after('post-xnor', 'XNOR', '--method xnor', 'xnor'),
    after('arb-rc', 'ARB-RC', '--method arb-rc', 'rowcol'),
    after('billm', 'BiLLM', '--method billm', 'zoned'),
    after('stbllm68', 'STBLLM 6:8', '--method stbllm --n 6 --m 8', 'zoned'),
    after('stbllm58', 'STBLLM 5:8', '--method stbllm --n 5 --m 8', 'zoned'),
    after('stbllm48', 'STBLLM 4:8', '--method stbllm --n 4 --m 8', 'zoned'),
    after('post-onebit', 'OneBit (SVID)', '--method onebit', 'onebit'),
    after('post-littlebit80', 'LittleBit, 0.8 (Joint-ITQ)', '--method littlebit --bits 0.8', 'littlebit', 'model.bits=0.8'),
    after('post-littlebit55', 'LittleBit, 0.55 (Joint-ITQ)', '--method littlebit --bits 0.55', 'littlebit', 'model.bits=0.55'),
]
