# SPDX-License-Identifier: MIT
"""compare_runs.py RUN OTHER - the same bits? Every array of the newest checkpoints, every metric but the clock's."""
import json
import os
import sys

import h5py

CLOCK = ('tokens_per_s', 'seconds')


def arrays(run):
    place = os.path.join(run, 'checkpoints')
    newest = os.path.join(place, max(d for d in os.listdir(place) if d.startswith('step-')))
    found = {}
    for name in sorted(os.listdir(newest)):
        if name.endswith('.h5'):
            with h5py.File(os.path.join(newest, name)) as f:
                f.visititems(lambda n, a: found.update({n: a[()].tobytes()}) if isinstance(a, h5py.Dataset) else None)
    return os.path.basename(newest), found


def metrics(run):
    with open(os.path.join(run, 'metrics.jsonl')) as f:
        return [{k: v for k, v in json.loads(line).items() if k not in CLOCK} for line in f]


def main(a, b):
    (step_a, one), (step_b, two) = arrays(a), arrays(b)
    if step_a != step_b or not one or set(one) != set(two):
        sys.exit(f'{a} ends at {step_a} with {len(one)} arrays, {b} at {step_b} with {len(two)}')
    different = [n for n in one if one[n] != two[n]]
    if different:
        sys.exit(f'{a} and {b} differ in {len(different)} of {len(one)} arrays: {different[0]} ...')
    rows = metrics(a), metrics(b)
    if len(rows[0]) != len(rows[1]):
        sys.exit(f'{a} has {len(rows[0])} lines of metrics, {b} has {len(rows[1])}')
    for x, y in zip(*rows):
        if x != y:
            sys.exit(f'metrics differ:\n{x}\n{y}')
    if [r['step'] for r in rows[0]] != list(range(1, len(rows[0]) + 1)):
        sys.exit(f'{a}: the steps in metrics.jsonl are not 1, 2, 3 ...')


main(*sys.argv[1:])
