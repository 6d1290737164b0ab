# SPDX-License-Identifier: MIT
"""results_plot.py - rows (title, KiB, bits per byte, bits per byte with a teacher or recovered; None: not there) as an SVG: size on a logarithmic axis,
quality on a linear one, both of a row joined, lower left is better; what is worse than half a bit above the best stands at the upper edge."""
import math

W, H, LEFT, TOP, RIGHT, BOTTOM, NAMES = 860, 560, 60, 64, 24, 52, 470
ALONE, TAUGHT = '#b0602a', '#1f5fa8'


def ticks(low, high, step):
    return [n * step for n in range(math.ceil(low / step), int(high / step) + 1)]


def spread(wanted, low, high, gap):
    """Heights near those wanted, in their order, gap apart, between low and high as far as they fit."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    got = [0.0] * len(wanted)
    last = low - gap
    for i in order:
        last = got[i] = max(wanted[i], last + gap)
    last = high + gap
    for i in reversed(order):
        last = got[i] = min(got[i], last - gap)
    return got


def svg(rows):
    best = min(v for r in rows for v in r[2:] if v)
    y0 = best - 0.02
    y1 = min(max(v for r in rows for v in r[2:] if v), best + 0.5) + 0.01
    small, large = math.log(min(r[1] for r in rows) * 0.96), math.log(max(max(r[1] for r in rows), 1100) * 1.1)
    at_x = lambda kib: LEFT + (math.log(kib) - small) / (large - small) * (W - LEFT - RIGHT)
    at_y = lambda bpb: TOP + (y1 - min(bpb, y1)) / (y1 - y0) * (H - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">',
           f'<rect width="{W}" height="{H}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="15">Bits per byte against the size of the packed file</text>']
    for n, (colour, word) in enumerate(((ALONE, 'alone, or calibrated'), (TAUGHT, 'with a teacher, or recovered'))):
        out.append(f'<circle cx="{LEFT + 6 + 170 * n}" cy="42" r="4" fill="{colour}"/><text x="{LEFT + 15 + 170 * n}" y="46">{word}</text>')
    step = 0.05 if y1 - y0 < 0.6 else 0.1
    for v in ticks(y0, y1, step):
        out.append(f'<path d="M{LEFT} {at_y(v):.1f}H{W - RIGHT}" stroke="#ddd"/><text x="{LEFT - 6}" y="{at_y(v) + 4:.1f}" text-anchor="end">{v:.2f}</text>')
    for kib in (300, 350, 400, 450, 500, 600, 800, 1000, 2000, 4000):
        if small <= math.log(kib) <= large:
            out.append(f'<path d="M{at_x(kib):.1f} {TOP}V{H - BOTTOM}" stroke="#eee"/><text x="{at_x(kib):.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{kib}</text>')
    out.append(f'<text x="{(LEFT + W) / 2:.0f}" y="{H - 12}" text-anchor="middle">KiB (16-bit scales; embedding and head in Q8_0)</text>')
    names = spread([at_y(min(v for v in r[2:] if v)) for r in rows], TOP + 4, H - BOTTOM - 4, 13)
    for (title, kib, alone, taught), y in zip(rows, names):
        x, near = at_x(kib), at_y(min(v for v in (alone, taught) if v))
        beside = x > NAMES + 120
        if not beside:
            out.append(f'<path d="M{x:.1f} {near:.1f}L{NAMES - 4} {y:.1f}" stroke="#ccc" stroke-width="0.7"/>')
        if alone and taught:
            out.append(f'<path d="M{x:.1f} {at_y(alone):.1f}V{at_y(taught):.1f}" stroke="#999" stroke-dasharray="2 2"/>')
        for v, colour in ((alone, ALONE), (taught, TAUGHT)):
            if v:
                out.append(f'<circle cx="{x:.1f}" cy="{at_y(v):.1f}" r="4" fill="{colour}"><title>{title}: {kib:.0f} KiB, {v:.4f}</title></circle>')
        said = ', '.join(f'{v:.3f}' for v in (alone, taught) if v)
        where = f'x="{x + 24:.1f}" y="{near - 10:.1f}" text-anchor="end"' if beside else f'x="{NAMES}" y="{y + 4:.1f}"'
        out.append(f'<text {where} font-size="11">{title}: {said}</text>')
    return '\n'.join(out + ['</svg>']) + '\n'
