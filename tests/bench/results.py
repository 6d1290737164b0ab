# SPDX-License-Identifier: MIT
"""results.py SIGNUM WORK - trains, packs and measures the rows of results_rows.py under WORK; what is done there stays done.

A row is a directory WORK/TEXT/rows/NAME with settings.json, run/, packed/, log and done.json, which says what came out or how it failed."""
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from results_rows import AFTER, DEMO, FAMILIES, FULL, HEADLINE, RATES, RECOVERY, RECOVERY_RATE, SEEDS, TAUGHT, TRAINED, chosen

S, WORK = sys.argv[1:]
STEPS = int(os.environ.get('RESULTS_STEPS', 700))
WANTED = re.compile(os.environ.get('RESULTS_ROWS', '.'))
PRESET = 'configs/demo.yaml'


class Failed(Exception):
    pass


class Ended(KeyboardInterrupt):
    """SIGTERM, which, unlike Ctrl-C, only this program gets."""


def end(*_):
    raise Ended


def save(path, value):
    with open(path + '.part', 'w') as f:
        json.dump(value, f, indent=1)
    os.replace(path + '.part', path)


def load(path):
    try:
        with open(path) as f:
            return json.load(f)
    except FileNotFoundError:
        return None


def call(log, *words):
    """Runs signum; Ctrl-C reaches it too, and it saves what it has before this program ends."""
    with open(log, 'a') as f:
        child = subprocess.Popen([S, *words], stdout=subprocess.PIPE, stderr=f, text=True)
        try:
            out = child.communicate()[0]
        except KeyboardInterrupt as e:
            if isinstance(e, Ended):
                child.terminate()
            child.wait()
            sys.exit(85)
        f.write(out)
    if child.returncode == 85:
        sys.exit(85)
    if child.returncode:
        with open(log) as f:
            said = [line for line in f.read().splitlines() if line.startswith('signum:')]
        raise Failed(said[-1] if said else f'exit code {child.returncode}')
    return out


def metrics(run):
    with open(os.path.join(run, 'metrics.jsonl')) as f:
        return {line['step']: line for line in map(json.loads, f)}  # a resumed run repeats a few steps


def once(place, settings, make):
    """What make() finds for these settings, or how it failed, kept in place/done.json: the same settings are not done twice."""
    done, said = os.path.join(place, 'done.json'), os.path.join(place, 'settings.json')
    if os.path.isdir(place) and load(said) != settings:
        shutil.rmtree(place)
    if (load(done) or {}).get('bpb'):
        return load(done)
    os.makedirs(place, exist_ok=True)
    save(said, settings)
    print(f'  {os.path.relpath(place, WORK)}', flush=True)
    try:
        result = make()
    except (Failed, KeyError, OSError) as e:
        result = {'failed': str(e)}
    save(done, result)
    print(f'    {result.get("bpb") or result["failed"]}', flush=True)
    return result


def train(place, settings):
    """The run of these settings in place/run: its last bits per byte and the seconds of its steps."""
    def make():
        call(os.path.join(place, 'log'), 'train', PRESET, *settings, 'train.eval_every=0', 'train.save_every=200', 'train.keep=1', 'train.threads=2',
             '--out', os.path.join(place, 'run'), '--resume', 'auto')
        steps = metrics(os.path.join(place, 'run'))
        last = steps[max(steps)]
        return {'bpb': last['valid_bpb'], 'tokens': last['tokens'], 'seconds': sum(s['seconds'] for s in steps.values())}
    return once(place, settings, make)


def binarize(place, words):
    """place/run of the full-precision model by `signum binarize`."""
    def make():
        log, run, others, began = os.path.join(place, 'log'), os.path.join(place, 'run'), busy(), time.time()
        call(log, 'binarize', teacher('mixed', 1), *words, '--calibration', text('mixed') + '/data', '--windows', '128', '--threads', '2', '--out', run, '--replace')
        took = time.time() - began
        return {'bpb': json.loads(call(log, 'eval', run, '--data', text('mixed') + '/data', '--json'))['bits_per_byte'], 'seconds': took, 'others': others}
    return once(place, words, make)


def text(name):
    return os.path.join(WORK, name)


def teacher(name, seed):
    return os.path.join(text(name), 'rows', f'full-{seed}', 'run')


def rate(family):
    """Of RATES the one chosen by runs of a third of the steps on the tuning text; students learn it with the teacher."""
    found = {}
    for lr in RATES:
        settings = [*FAMILIES[family], f'data.train={text("mixed")}/data', f'data.valid={text("mixed")}/tune', f'train.steps={max(1, STEPS // 3)}',
                    f'optim.lr={lr:g}', f'optim.min_lr={lr / 30:g}']
        if family != 'full':
            learn('mixed', FULL, 1, False)
            settings += [f'distill.teacher={teacher("mixed", 1)}', *TAUGHT]
        found[lr] = train(os.path.join(text('mixed'), 'rates', f'{family}-{lr:g}'), settings)
    good = {lr: r['bpb'] for lr, r in found.items() if 'bpb' in r}
    return chosen(good) or RATES[1]


def learn(name, row, seed, distilled):
    lr = rate(row.family)
    settings = [*row.settings, f'data.train={text(name)}/data', f'data.valid={text(name)}/data', f'train.steps={STEPS}', f'train.seed={seed}',
                f'data.seed={seed}', f'optim.lr={lr:g}', f'optim.min_lr={lr / 30:g}']
    if distilled:
        learn(name, FULL, seed, False)
        settings += [f'distill.teacher={teacher(name, seed)}', *TAUGHT]
    place = os.path.join(text(name), 'rows', f'{row.name}{"-distilled" if distilled else ""}-{seed}')
    return place, train(place, settings)


def recover(r):
    """A row of AFTER and the same after a short distillation: both places and results."""
    first, then = (os.path.join(text('mixed'), 'rows', n) for n in (f'{r.name}-1', f'{r.name}-recovered-1'))
    found = binarize(first, r.words)
    if 'bpb' not in found:
        return [(first, found)]
    settings = [*r.settings, f'init={first}/run', f'data.train={text("mixed")}/data', f'data.valid={text("mixed")}/data', f'distill.teacher={teacher("mixed", 1)}', *TAUGHT,
                f'train.steps={max(1, STEPS // RECOVERY)}', 'optim.warmup=10', f'optim.lr={RECOVERY_RATE:g}', f'optim.min_lr={RECOVERY_RATE / 30:g}']
    return [(first, found), (then, train(then, settings))]


def pack(name, place):
    """place/packed with scales of 16 bits and all else that is not binary in Q8_0; what it takes, and what its text costs it."""
    out = os.path.join(place, 'packed.json')
    if (load(out) or {}).get('packed'):
        return
    log, run, packed = (os.path.join(place, n) for n in ('log', 'run', 'packed'))
    try:
        call(log, 'export', run, '--format', 'packed', '--scales', 'f16', '--type', 'q8_0', '--approximate', '--out', packed, '--replace', '--data',
             text(name) + '/data')
        bits = json.loads(call(log, 'inspect', packed, '--bits', '--json'))['bits']
        score = json.loads(call(log, 'eval', packed, '--data', text(name) + '/data', '--json'))
        result = {'packed': True, 'bpb': score['bits_per_byte']}
    except Failed as e:
        bits = json.loads(call(log, 'inspect', run, '--bits', '--json'))['bits']
        result = {'packed': False, 'why': str(e)}
    save(out, {**result, 'true': bits['binarized_bits_per_weight'], 'nominal': bits['paper_bits_per_weight'], 'bytes': bits['file_bytes'],
               'all': bits['all'], 'counted': bits['counted']})


def busy():
    """Share of the processors that others take, in one second of waiting."""
    def read():
        with open('/proc/stat') as f:
            n = [int(x) for x in f.readline().split()[1:]]
        return sum(n), n[3] + n[4]
    a = read()
    time.sleep(1)
    b = read()
    return 1 - (b[1] - a[1]) / max(1, b[0] - a[0])


def measure(name, row, place, distilled):
    """Seconds of a step and tokens a second of decoding, of three tries the best; how busy the machine was beside it."""
    out = os.path.join(place, 'time.json')
    if load(out) and os.environ.get('RESULTS_TIME') != 'again':
        return
    log, others, best = os.path.join(place, 'log'), busy(), {}
    model = os.path.join(place, 'packed') if (load(os.path.join(place, 'packed.json')) or {}).get('packed') else os.path.join(place, 'run')
    who = teacher(name, 1) if distilled else 'none'
    for _ in range(3):
        try:
            step = json.loads(call(log, 'bench', 'step', '--preset', PRESET, *row.settings, f'data.train={text(name)}/data', '--batch', '8', '--seq', '256',
                                   '--teacher', who, '--steps', '5', '--threads', '2', '--json'))
            best['step_s'] = min(best.get('step_s', 1e9), sum(step['step_s'].values()))
            runs = json.loads(call(log, 'bench', 'decode', model, '--threads', '2', '--tokens', '200', '--prompt', '16', '--n', '64', '--k', '64', '--span',
                                   '1', '--json'))['decode']
            for r in runs:
                best[r['path']] = max(best.get(r['path'], 0), r['tok_s_median'])
        except Failed as e:
            best['failed'] = str(e)
            break
    save(out, {**best, 'others': others})


def main():
    signal.signal(signal.SIGTERM, end)
    lock = open(os.path.join(WORK, '.lock'), 'a')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f'results.py: another call works in {WORK}')
    lock.truncate(0)
    lock.write(f'{os.getpid()}\n')
    lock.flush()
    done, seen = [], set()

    def row(name, r, seed, distilled):
        if (name, r.name, seed, distilled) in seen or not WANTED.search(f'{name}/{r.name}'):
            return
        seen.add((name, r.name, seed, distilled))
        place, result = learn(name, r, seed, distilled)
        if 'bpb' in result:
            pack(name, place)
            done.append((name, r, place, distilled))

    by_name = {r.name: r for r in TRAINED}
    print('full precision and the headline rows', flush=True)
    row('mixed', FULL, 1, False)
    for n in HEADLINE:
        row('mixed', by_name[n], 1, True)
    print('after training, and recovered', flush=True)
    for r in AFTER:
        if WANTED.search(f'mixed/{r.name}'):
            learn('mixed', FULL, 1, False)
            for place, result in recover(r):
                if 'bpb' in result:
                    pack('mixed', place)
                    done.append(('mixed', r, place, True))
    print('the same on the King James text, with seeds', flush=True)
    for seed in SEEDS:
        for n in DEMO:
            for distilled in (False, True):
                row('kjv', FULL, seed, distilled)
            row('kjv', by_name[n], seed, True)
    print('every kind, with the teacher and without', flush=True)
    for distilled in (True, False):
        for r in [FULL, *TRAINED]:
            row('mixed', r, 1, distilled)
    print('more seeds', flush=True)
    for seed in SEEDS[1:]:
        row('mixed', FULL, seed, False)
        for n in HEADLINE:
            row('mixed', by_name[n], seed, True)
    if os.environ.get('RESULTS_TIME') == 'never':
        return
    print('times', flush=True)
    for name, r, place, distilled in done:
        if name == 'mixed' and place.endswith('-1'):
            measure(name, r, place, distilled)


try:
    main()
except KeyboardInterrupt:
    sys.exit(85)
