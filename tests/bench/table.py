# SPDX-License-Identifier: MIT
"""table.py LOG DOCUMENT - turns the lines of run.sh (who, case, JSON) into the tables between DOCUMENT's markers."""
import json
import re
import statistics
import sys

BEGIN, END = '<!-- bench: begin -->', '<!-- bench: end -->'


def read(path):
    """(who, case) -> results of its rounds; in the order of the file."""
    all_of = {}
    with open(path) as f:
        for line in f:
            who, case, result = line.rstrip('\n').split('\t')
            all_of.setdefault((who, case), []).append(json.loads(result))
    return all_of


def cpu_model():
    with open('/proc/cpuinfo') as f:
        found = re.search(r'^model name\s*:\s*(.*)$', f.read(), re.M)
    return found.group(1) if found else 'unknown'


def spread(values, form):
    mid, low, high = statistics.median(values), min(values), max(values)
    return form % mid + (f' ({form % low} - {form % high})' if len(values) > 1 else '')


def gemm_table(all_of):
    rows = []
    for (_, case), runs in all_of.items():
        if not case.startswith('gemm '):
            continue
        _, m, n, k, threads = case.split()
        r, s = runs[0], runs[0]['spread']
        ratio = lambda key: f'**{r[key]:.2f}** ({s[key][0]:.2f} - {s[key][1]:.2f})'
        rows.append(f'| {m} x {n} x {k} | {threads} | {r["binary_gflops"]:.0f} | {r["sgemm_gflops"]:.0f} | {ratio("ratio_forward")} | '
                    f'{ratio("ratio_dx")} | {r["rel_error"]:.1e} | {1e3 * r["refresh_s"]:.2f} |')
    if not rows:
        return []
    return ['| M x N x K | threads | ours, GF/s | SGEMM, GF/s | ratio, forward | ratio, dx | error | refresh, ms |',
            '|---|---|---|---|---|---|---|---|', *rows, '']


def code_table(all_of):
    rows = []
    for (_, case), runs in all_of.items():
        if case.startswith('code '):
            _, code, m, n, k, threads = case.split()
            r = runs[0]
            rows.append(f'| {code} | {m} x {n} x {k} | {threads} | {r["binary_gflops"]:.0f} | {r["ratio_forward"]:.2f} | {r["ratio_dx"]:.2f} |')
    head = ['| signs | M x N x K | threads | ours, GF/s with zeros counted | over SGEMM, forward | dx |', '|---|---|---|---|---|---|']
    return [*head, *rows, ''] if rows else []


def op_table(steps):
    """Of each case microseconds per token in attention and in everything else of the two passes."""
    rows = []
    for name, tokens, ours in steps:
        of = lambda pick: statistics.median(sum(v['forward'] + v['backward'] for k, v in r['op_s'].items() if pick(k)) for r in ours)
        cells = [of(lambda k: k == 'sign_matmul'), of(lambda k: k == 'head_loss'), of(lambda k: k == 'attention'),
                 of(lambda k: k not in ('sign_matmul', 'head_loss', 'attention'))]
        rows.append(f'| {name} | ' + ' | '.join('%.1f' % (1e6 * c / tokens) for c in cells) + ' |')
    return ['| microseconds per token | threads | binary layers | head and loss | attention | the rest |', '|---|---|---|---|---|---|', *rows, '']


def ratios(all_of):
    """What is judged as a quotient of two of our own rows."""
    speed = {case: statistics.median(r['tok_s'] for r in runs) for (who, case), runs in all_of.items() if who == 'ours' and case.startswith('step ')}
    two, one = speed.get('step fbi-130m 4 256 none 2'), speed.get('step fbi-130m 4 256 none 1')
    small, long = speed.get('step fbi-130m 4 64 none 2'), speed.get('step fbi-130m 1 2048 none 2')
    lines = []
    if two and one:
        lines += [f'{t} threads over 1, fbi-130m, 4 x 256: **{speed[c] / one:.2f}**.' for t in (2, 4, 8, 16, 32, 64)
                  if (c := f'step fbi-130m 4 256 none {t}') in speed]
    if two and long:
        lines.append(f'Time per token at 1 x 2048 over 4 x 256: **{two / long:.2f}**; operations, all counted alike: 1.17.')
    if small:
        lines.append(f'fbi-130m, 4 x 64, over the 32 tokens/s published for llm.c (GPT-2 124M, 4 x 64, two cores of another machine): **{small / 32:.0f}**.')
    return [line for pair in zip(lines, [''] * len(lines)) for line in pair]


def step_table(all_of):
    rows, parts, steps = [], [], []
    for (who, case), ours in all_of.items():
        if who != 'ours' or not case.startswith('step '):
            continue
        _, preset, batch, seq, teacher, threads, *setting = case.split(' ')
        # PyTorch has no cache: what it would have to do is run the teacher.
        theirs = all_of.get(('torch', case.replace(' cached ', ' same ').split(' data.train=')[0]), [])
        speed = lambda runs: spread([r['tok_s'] for r in runs], '%.1f')
        memory = statistics.median(r['rss_mb'] for r in ours)
        gain = share = '-'
        if theirs:
            gain = '**%.2f**' % (statistics.median(r['tok_s'] for r in ours) / statistics.median(r['tok_s'] for r in theirs))
            if len(ours) > 1:
                each = [a['tok_s'] / b['tok_s'] for a, b in zip(ours, theirs)]
                gain += f' ({min(each):.2f} - {max(each):.2f})'
            share = '%.2f' % (memory / statistics.median(r['rss_mb'] for r in theirs))
        name = ', '.join([preset, f'{batch} x {seq}', f'teacher {teacher}', *filter(None, setting)]) + f' | {threads}'
        steps.append((name, int(batch) * int(seq), ours))
        rows.append(f'| {name} | {speed(ours)} | {speed(theirs) if theirs else "-"} | {gain} | '
                    f'{spread([r["sgemm_ratio"] for r in ours], "%.2f")} | {memory:.0f} | {share} |')
        time = lambda key: statistics.median(r['step_s'][key] for r in ours)
        step = sum(time(k) for k in ('teacher', 'forward', 'backward', 'optimizer', 'data'))
        cell = lambda s: f'{s:.3f} ({100 * s / step:.0f} %)'
        parts.append(f'| {name} | ' + ' | '.join(cell(time(k)) for k in ('teacher', 'forward', 'backward', 'optimizer')) +
                     f' | {100 * statistics.median(r["refresh_s"] for r in ours) / step:.2f} % |')
    if not rows:
        return []
    return ['| step | threads | ours, tokens/s | PyTorch, tokens/s | ratio | model FLOP/s over SGEMM | peak MiB | over PyTorch |',
            '|---|---|---|---|---|---|---|---|', *rows, '',
            '| step | threads | teacher, s | forward, s | backward, s | optimizer, s | of it: planes and indices |',
            '|---|---|---|---|---|---|---|', *parts, '', *op_table(steps), *ratios(all_of)]


def main():
    log, document = sys.argv[1:]
    all_of = read(log)
    if not all_of:
        sys.exit('table.py: nothing was measured; BENCH_CASES leaves no case')
    ours = [r for (who, _), runs in all_of.items() if who == 'ours' for r in runs]
    torch = [r for (who, _), runs in all_of.items() if who == 'torch' for r in runs]
    facts = [f'CPU: {cpu_model()}', f'kernels: {ours[0]["isa"]}', ours[0]['blas']]
    if ours[0]['isa'] == 'avx512' and ours[0]['blas'].split()[-1] in ('Haswell', 'Zen', 'Excavator'):
        facts.append('**not a fair pair: our kernels use AVX-512, OpenBLAS here does not**')
    if torch:
        facts.append(f'PyTorch {torch[0]["torch"]} on {", ".join("/".join(p.split("/")[-2:]) for p in torch[0]["blas"])}, core type {torch[0]["core"]}')
    with open(document) as f:
        text = f.read()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f'table.py: {document} has no markers {BEGIN} ... {END}')
    before, rest = text.split(BEGIN)
    lines = ['; '.join(facts) + '.', '', *gemm_table(all_of), *code_table(all_of), *step_table(all_of)]
    with open(document, 'w') as f:
        f.write(before + BEGIN + '\n' + '\n'.join(lines).rstrip('\n') + '\n' + END + rest.split(END)[1])
    print('\n'.join(lines))


main()
