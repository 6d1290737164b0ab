# SPDX-License-Identifier: MIT
"""results_plot.py - points (KiB, bits per byte, title, taught) as an SVG: size on a logarithmic axis, quality on a linear one, lower left is better."""
import math

W, H, LEFT, TOP, RIGHT, BOTTOM = 860, 520, 64, 40, 150, 52
COLOURS = {False: '#b0602a', True: '#1f5fa8'}


def ticks(low, high, step):
    n = math.ceil(low / step)
    while n * step <= high + 1e-9:
        yield n * step
        n += 1


def spaced(wanted, gap):
    """The heights wanted, moved down as little as keeps them apart."""
    placed = {}
    last = -1e9
    for key, y in sorted(wanted, key=lambda w: w[1]):
        last = max(y, last + gap)
        placed[key] = last
    return placed


def svg(points):
    sizes, values = [p[0] for p in points], [p[1] for p in points]
    x0, x1 = math.log(min(sizes) * 0.95), math.log(max(sizes) * 1.05)
    y0, y1 = min(values) - 0.02, max(values) + 0.02
    at_x = lambda kib: LEFT + (math.log(kib) - x0) / (x1 - x0) * (W - LEFT - RIGHT)
    at_y = lambda bpb: TOP + (y1 - bpb) / (y1 - y0) * (H - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">',
           f'<rect width="{W}" height="{H}" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="15">Bits per byte against the size of the packed file</text>']
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1) if (y1 - y0) / s <= 9 or s == 1)
    for v in ticks(y0, y1, step):
        out.append(f'<path d="M{LEFT} {at_y(v):.1f}H{W - RIGHT}" stroke="#ddd"/><text x="{LEFT - 6}" y="{at_y(v) + 4:.1f}" text-anchor="end">{v:.2f}</text>')
    for kib in (300, 350, 400, 450, 500, 600, 800, 1000, 1200, 2000, 4000):
        if x0 <= math.log(kib) <= x1:
            out.append(f'<path d="M{at_x(kib):.1f} {TOP}V{H - BOTTOM}" stroke="#eee"/><text x="{at_x(kib):.1f}" y="{H - BOTTOM + 18}" text-anchor="middle">{kib}</text>')
    out.append(f'<text x="{(LEFT + W - RIGHT) / 2:.0f}" y="{H - 12}" text-anchor="middle">KiB (16-bit scales, embedding and head in Q8_0)</text>')
    for n, (taught, word) in enumerate(((False, 'alone, or calibrated'), (True, 'with a teacher, or recovered'))):
        y = 22 + 16 * n - 8
        out.append(f'<circle cx="{W - 250}" cy="{y}" r="4" fill="{COLOURS[taught]}"/><text x="{W - 240}" y="{y + 4}">{word}</text>')
    labels = spaced([(i, at_y(p[1]) + 4) for i, p in enumerate(points)], 12)
    for i, (kib, bpb, title, taught) in enumerate(points):
        x, y = at_x(kib), at_y(bpb)
        out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{COLOURS[taught]}"><title>{title}: {kib:.0f} KiB, {bpb:.4f}</title></circle>')
        if labels[i] - y > 8:
            out.append(f'<path d="M{x:.1f} {y:.1f}L{x + 8:.1f} {labels[i] - 4:.1f}" stroke="#bbb"/>')
        out.append(f'<text x="{x + 9:.1f}" y="{labels[i]:.1f}" fill="{COLOURS[taught]}" font-size="10">{title}</text>')
    return '\n'.join(out + ['</svg>']) + '\n'
