# SPDX-License-Identifier: MIT
"""distill_table.py WORK DOCUMENT - the runs and caches of distill_table.sh as the table between DOCUMENT's markers."""
import json
import os
import re
import sys

BEGIN, END = '<!-- distill: begin -->', '<!-- distill: end -->'


def last_line(path):
    with open(path) as f:
        return json.loads(f.read().splitlines()[-1])


def size(work, name):
    """Bytes per token on the disk; None without a cache."""
    path = os.path.join(work, 'cache-' + name)
    if not os.path.isdir(path):
        return None
    with open(os.path.join(path, 'cache.json')) as f:
        info = json.load(f)
    return sum(s['bytes'] for s in info['slices']) / (info['windows'] * info['seq'])


def title(name):
    if name == 'none':
        return 'no teacher'
    if name == 'live':
        return 'live'
    kind, count, *rest = name.split('-')
    return f'--{kind} {count}' + (' --bits 8' if rest else '')


def main():
    work, document = sys.argv[1:]
    names = sorted((re.sub('^run-', '', d) for d in os.listdir(work) if re.fullmatch(r'run-[a-z0-9-]+', d)),
                   key=lambda n: (['none', 'live', 'top', 'samples'].index(n.split('-')[0]), [int(x) for x in re.findall(r'\d+', n)]))
    runs = {n: last_line(os.path.join(work, 'run-' + n, 'metrics.jsonl')) for n in names}
    live = runs['live']['valid_bpb']
    steps, tokens = runs['live']['step'], runs['live']['tokens']
    lines = [f'{steps} steps, {tokens / 1e6:.2f} M tokens each.', '',
             '| teacher | bytes per token | validation, nats per token | bits per byte | over live |', '|---|---|---|---|---|']
    for n in names:
        r, b = runs[n], size(work, n)
        lines.append(f'| {title(n)} | {"-" if b is None else f"{b:.1f}"} | {r["valid"]:.4f} | {r["valid_bpb"]:.4f} | {r["valid_bpb"] / live:.4f} |')
    with open(document) as f:
        text = f.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f'distill_table.py: {document} has no markers {BEGIN} ... {END}')
    before, rest = text.split(BEGIN)
    with open(document, 'w') as f:
        f.write(before + BEGIN + '\n' + '\n'.join(lines) + '\n' + END + rest.split(END)[1])
    print('\n'.join(lines))


main()
