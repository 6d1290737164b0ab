# SPDX-License-Identifier: MIT
"""results_table.py WORK DOCUMENT - what results.py has made so far as the tables between DOCUMENT's markers, and the picture beside DOCUMENT."""
import json
import os
import statistics
import sys

import results_plot
from results_rows import AFTER, DEMO, FULL, RATES, SEEDS, TRAINED, chosen

WORK, DOCUMENT = sys.argv[1:]
BUSY = 0.15          # of the processors taken by others: times say nothing exact
failures, unpacked, hurried, moved = [], [], [], []


def load(*path):
    try:
        with open(os.path.join(WORK, *path)) as f:
            return json.load(f)
    except FileNotFoundError:
        return {}


def place(text, name, seed, distilled=False):
    return os.path.join(text, 'rows', f'{name}{"-distilled" if distilled else ""}-{seed}')


def scores(text, name, distilled=False, seeds=SEEDS):
    """seed -> (bits per byte, over the full model of that seed) of the runs that are done."""
    found = {}
    for s in seeds:
        done, full = load(place(text, name, s, distilled), 'done.json'), load(place(text, 'full', s), 'done.json')
        if 'bpb' in done and 'bpb' in full:
            found[s] = done['bpb'], done['bpb'] / full['bpb']
    return found


def first_seed(name, distilled):
    """Bits per byte of the seed that every row has."""
    return scores('mixed', name, distilled).get(SEEDS[0], [None])[0]


def spread(values, digits):
    mean = f'{statistics.mean(values):.{digits}f}'
    return mean + (f' ± {statistics.stdev(values):.{digits}f}' if len(values) > 1 else '')


def quality(text, name, title, distilled):
    """Two cells: bits per byte, over full precision."""
    failed = load(place(text, name, 1, distilled), 'done.json').get('failed')
    if failed:
        failures.append(f'{title}{", with a teacher" if distilled else ""}: {failed}')
        return ['failed', '']
    found = list(scores(text, name, distilled).values())
    return [spread([f[0] for f in found], 4), '1' if name == FULL.name and not distilled else spread([f[1] for f in found], 3)] if found else ['-', '-']


def seconds(where):
    """Of the whole run: what a step takes with nothing beside it, else what it took when it was made."""
    done, time = load(where, 'done.json'), load(where, 'time.json')
    if 'bpb' not in done:
        return '-'
    measured = 'step_s' in time and 'tokens' in done
    others = (time if measured else done).get('others', 1)
    if others > BUSY:
        hurried.append(where)
    value = time['step_s'] * done['tokens'] / (8 * 256) if measured else done['seconds']
    return f'{"~" if others > BUSY else ""}{value:.0f}'


def decoding(where):
    time = load(where, 'time.json')
    if 'failed' in time:
        failures.append(f'times of {os.path.basename(where)}: {time["failed"]}')
    speeds = [f'{time[p]:.0f}' for p in ('exact', 'int8') if p in time]
    if speeds and time.get('others', 0) > BUSY:
        hurried.append(where)
        return '~' + ', '.join(speeds)
    return ', '.join(speeds) or '-'


def size(where, title):
    """Cells: true bits per weight, what papers count, KiB of the file."""
    p = load(where, 'packed.json')
    if not p:
        return ['-', '-', '-']
    if not p['packed']:
        unpacked.append(title)
    else:
        moved.append((abs(p['bpb'] - load(where, 'done.json')['bpb']), title))
    show = lambda key: '-' if p.get(key) is None else f'{p[key]:.2f}'
    stored = f'{p["bytes"] / 1024:.0f}' if p['packed'] else '-'
    return [show('true') + ('' if p['packed'] else '*'), show('nominal'), stored]


def main_table():
    lines = ['| model | bits per byte, alone | over full | with a teacher | over full | bits per weight, true | as papers count | file, KiB | seconds to train, alone, with a '
             'teacher | decoding, tokens/s, exact, int8 |', '|---|---|---|---|---|---|---|---|---|---|']
    for r in [FULL, *TRAINED]:
        alone, taught = place('mixed', r.name, 1), place('mixed', r.name, 1, True)
        form = alone if r is FULL else taught
        cells = [r.title, *quality('mixed', r.name, r.title, False), *quality('mixed', r.name, r.title, True),
                 *size(form, r.title), f'{seconds(alone)}, {seconds(taught)}', decoding(form)]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines


def after_table():
    """Post-training rows: as calibrated, and after the recovery."""
    lines = ['| method | bits per byte, calibrated | over full | recovered | over full | bits per weight, true | as papers count | file, KiB | seconds, calibration, recovery | decoding |',
             '|---|---|---|---|---|---|---|---|---|---|']
    for r in AFTER:
        first, then = place('mixed', r.name, 1), place('mixed', r.name + '-recovered', 1)
        cells = [r.title, *quality('mixed', r.name, r.title, False), *quality('mixed', r.name + '-recovered', r.title + ', recovered', False),
                 *size(first, r.title), f'{seconds(first)}, {seconds(then)}', decoding(first)]
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines if AFTER else []


def demo_table():
    full = [f[0] for f in scores('kjv', 'full').values()]
    lines = ['| King James text alone, with a teacher | bits per byte | over full, mean | each seed |', '|---|---|---|---|',
             f'| {FULL.title}, alone | {spread(full, 4) if full else "-"} | 1 | |']
    for r in [FULL, *TRAINED]:
        if r is FULL or r.name in DEMO:
            found = list(scores('kjv', r.name, True).values())
            cells = quality('kjv', r.name, r.title + ' (King James)', True)
            lines.append(f'| {r.title} | {cells[0]} | {cells[1]} | {", ".join(f"{f[1]:.3f}" for f in found)} |')
    return lines


def rate_table():
    lines = ['| family | ' + ' | '.join(f'{lr:g}' for lr in RATES) + ' |', '|---|' + '---|' * len(RATES)]
    for family in dict.fromkeys(r.family for r in [FULL, *TRAINED]):
        got = {lr: load('mixed', 'rates', f'{family}-{lr:g}', 'done.json').get('bpb') for lr in RATES}
        best = chosen({lr: g for lr, g in got.items() if g})
        lines.append(f'| {family} | ' + ' | '.join('-' if g is None else f'**{g:.4f}**' if lr == best else f'{g:.4f}' for lr, g in got.items()) + ' |')
    return lines


def points():
    found = []
    for r in [*TRAINED, *AFTER]:
        second = (r.name + '-recovered', False) if r in AFTER else (r.name, True)
        values, size = [], None
        for name, taught in ((r.name, False), second):
            p = load(place('mixed', name, 1, taught), 'packed.json')
            values.append(first_seed(name, taught))
            size = p['bytes'] / 1024 if p.get('packed') else size
        if size and any(values):
            found.append(results_plot.Point(r.title, size, *values, r in AFTER))
    return found


def notes():
    said = []
    if unpacked:
        said.append(f'\\* Not packed by this version; counted by `inspect --bits` of the run, signs and masks as two planes: {", ".join(dict.fromkeys(unpacked))}.')
    if hurried:
        said.append(f'~ Measured while the machine had other work ({len(hurried)} of the times): an upper bound for seconds, a lower one for tokens/s.')
    if moved:
        worst = max(moved)
        said.append(f'Bits per byte are those of the trained model; of the files (16-bit scales, Q8_0 for embedding, head and what is not binary) they differ by at most '
                    f'{worst[0]:.4f} ({worst[1]}).')
    return said + [f'Failed: {f}' for f in failures]


def main():
    full = load(place('mixed', 'full', 1), 'done.json')
    if 'bpb' not in full:
        sys.exit('results_table.py: the full-precision row is not there yet')
    lines = [f'{full["tokens"] / 1e6:.2f} M tokens each.', '', *main_table(), '', *after_table(), '']
    drawn = points()
    if drawn:
        with open(os.path.splitext(DOCUMENT)[0] + '.svg', 'w') as f:
            f.write(results_plot.svg(drawn, [first_seed(FULL.name, taught) for taught in (False, True)]))
        lines += ['![bits per byte against the size of the file](results.svg)', '']
    demo = demo_table()
    for n in notes():
        lines += [n, '']
    lines += [*demo, '', 'Learning rates, bits per byte on the tuning text after a third of the steps:', '', *rate_table()]
    begin, end = '<!-- results: begin -->', '<!-- results: end -->'
    with open(DOCUMENT) as f:
        text = f.read()
    if text.count(begin) != 1 or text.count(end) != 1:
        sys.exit(f'results_table.py: {DOCUMENT} has no markers {begin} ... {end}')
    before, rest = text.split(begin)
    with open(DOCUMENT, 'w') as f:
        f.write(before + begin + '\n' + '\n'.join(lines) + '\n' + end + rest.split(end)[1])


main()
