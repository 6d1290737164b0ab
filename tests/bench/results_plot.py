# SPDX-License-Identifier: MIT
"""results_plot.py - rows as an SVG of two panels, trained from the start and made binary after training: size of the file on a logarithmic axis,
bits per byte on a linear one that both share; lower left is better. Full precision is a line, what lies far above stands at the upper edge with its value."""
import math
from collections import namedtuple

# alone: bits per byte without a teacher, or as calibrated; taught: with a teacher, or recovered; None: not there. after: made binary after training
Point = namedtuple('Point', 'title kib alone taught after')
Box = namedtuple('Box', 'x0 y0 x1 y1')

W, H, LEFT, TOP, PANEL, GAP, BOTTOM, FONT = 1080, 680, 62, 84, 500, 12, 54, 12
COLOURS = '#b0602a', '#1f5fa8'
ABOVE = 0.25         # bits per byte above the best, the upper edge


def overlap(a, b):
    return max(0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0, min(a.y1, b.y1) - max(a.y0, b.y0))


def cross(a, b, c, d):
    """Whether the lines from a to b and from c to d meet."""
    side = lambda p, q, r: (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def through(a, b, box):
    return cross(a, b, (box.x0, box.y0), (box.x1, box.y1)) or cross(a, b, (box.x0, box.y1), (box.x1, box.y0))


def places(x, y, width):
    """Where the name of (x, y) can stand: how far away, its box, and the end of the line that leads there."""
    for distance in (9, 18, 30, 46, 66, 92, 124):
        for turn in range(16):
            px, py = x + distance * math.cos(turn * math.pi / 8), y + distance * math.sin(turn * math.pi / 8)
            x0 = px if px > x + 3 else px - width if px < x - 3 else px - width / 2
            yield distance, Box(x0, py - FONT / 2, x0 + width, py + FONT / 2), (px, py)


def place(names, taken, panel):
    """names: (x, y, width) -> (box, end) of each: near, in the panel, clear of boxes taken, other names and their lines; each in turn moves, a few times over."""
    at = [None] * len(names)
    for _ in range(3):
        for i, (x, y, width) in enumerate(names):
            boxes = taken + [a[0] for j, a in enumerate(at) if a and j != i]
            lines = [(names[j][:2], a[1]) for j, a in enumerate(at) if a and j != i]

            def cost(found):
                distance, box, end = found
                outside = (box.x1 - box.x0) * FONT - overlap(box, panel)
                hits = sum(through(*line, box) or cross((x, y), end, *line) for line in lines)
                hits += sum(through((x, y), end, b) for b in boxes if not (b.x0 <= x <= b.x1 and b.y0 <= y <= b.y1))
                return distance + 90 * hits + 4 * sum(overlap(box, b) for b in boxes) + 9 * outside
            at[i] = min(places(x, y, width), key=cost)[1:]
    return at


def draw(title, words, points, full, left, at_x, at_y, kibs):
    low, high = TOP, H - BOTTOM
    out = [f'<text x="{left}" y="{TOP - 34}" font-size="14" font-weight="bold">{title}</text>']
    for n, word in enumerate(words):
        x = left + 6 + 130 * n
        out.append(f'<circle cx="{x}" cy="{TOP - 18}" r="4" fill="{COLOURS[n]}"/><text x="{x + 9}" y="{TOP - 14}">{word}</text>')
    for kib in kibs:
        out.append(f'<path d="M{at_x(kib):.1f} {low}V{high}" stroke="#eee"/><text x="{at_x(kib):.1f}" y="{high + 17}" text-anchor="middle">{kib}</text>')
    out.append(f'<text x="{left + PANEL / 2:.0f}" y="{H - 14}" text-anchor="middle">KiB of the packed file (16-bit scales; embedding and head in Q8_0)</text>')
    taken, names = [], []
    for value, colour, word in full:
        y, label = at_y(value), f'full precision{word}'
        room = [Box(x, y - 17, x + 6.3 * len(label), y) for x in (left + 4, left + PANEL - 4 - 6.3 * len(label))]
        at = min(room, key=lambda b: sum(b.x0 - 9 < at_x(p.kib) < b.x1 + 9 for p in points))
        out.append(f'<path d="M{left} {y:.1f}H{left + PANEL}" stroke="{colour}" stroke-dasharray="6 4"/><text x="{at.x0:.1f}" y="{y - 5:.1f}" fill="{colour}">{label}</text>')
        taken += [Box(left, y - 1, left + PANEL, y + 1), at]
    for p in points:
        x, there = at_x(p.kib), [(v, c) for v, c in zip((p.alone, p.taught), COLOURS) if v]
        if len(there) == 2:
            out.append(f'<path d="M{x:.1f} {at_y(p.alone):.1f}V{at_y(p.taught):.1f}" stroke="#bbb"/>')
            taken.append(Box(x - 2, min(at_y(v) for v, _ in there), x + 2, max(at_y(v) for v, _ in there)))
        for v, colour in there:
            y = at_y(v)
            shape = f'<path d="M{x:.1f} {low - 5}l5 9h-10z"' if y <= low else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"'
            out.append(f'{shape} fill="{colour}"><title>{p.title}: {p.kib:.0f} KiB, {v:.4f}</title>{"</path>" if y <= low else "</circle>"}')
            taken.append(Box(x - 5, y - 5, x + 5, y + 5))
        far = [f'{v:.2f}' for v, _ in there if at_y(v) <= low]
        names.append((f'{p.title} ({", ".join(far)})' if far else p.title, x, at_y(min(v for v, _ in there))))
    found = place([(x, y, 6.3 * len(name) + 3) for name, x, y in names], taken, Box(left, low + 4, left + PANEL, high))
    for (name, x, y), (box, end) in zip(names, found):
        if math.dist((x, y), end) > 10:
            out.append(f'<path d="M{x:.1f} {y:.1f}L{end[0]:.1f} {end[1]:.1f}" stroke="#999" stroke-width="0.7"/>')
        at, anchor = (box.x0, 'start') if box.x0 > x else (box.x1, 'end') if box.x1 < x else ((box.x0 + box.x1) / 2, 'middle')
        out.append(f'<text x="{at:.1f}" y="{box.y1 - 2:.1f}" text-anchor="{anchor}" paint-order="stroke" stroke="white" stroke-width="3">{name}</text>')
    return out


def svg(points, full):
    """full: bits per byte of full precision alone and with a teacher."""
    values = [v for p in points for v in p[2:4] if v] + [v for v in full if v]
    y0 = min(values) - 0.015
    y1 = min(max(values), y0 + ABOVE) + 0.01
    small, large = math.log(min(p.kib for p in points) * 0.96), math.log(max(p.kib for p in points) * 1.06)
    at_y = lambda v: max(TOP, TOP + (y1 - v) / (y1 - y0) * (H - TOP - BOTTOM))
    kibs = [k for k in (*range(200, 500, 50), *range(500, 1000, 100), *range(1000, 9000, 1000)) if small <= math.log(k) <= large]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="{FONT}">',
           f'<rect width="{W}" height="{H}" fill="white"/>',
           f'<text x="{LEFT}" y="24" font-size="16">Bits per byte of validation text against the size of the packed file</text>',
           f'<text transform="translate(16 {(TOP + H - BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle">bits per byte</text>']
    panels = (('Trained from the start', ('alone', 'with a teacher'), list(zip(full, COLOURS, (', alone', ', with a teacher')))),
              ('Made binary after training', ('calibrated', 'recovered'), [(full[0], '#666', '')]))
    for n, (title, words, lines) in enumerate(panels):
        left = LEFT + n * (PANEL + GAP)
        for k in range(math.ceil(y0 / 0.05), int(y1 / 0.05) + 1):
            y = at_y(k * 0.05)
            out.append(f'<path d="M{left} {y:.1f}H{left + PANEL}" stroke="#ddd"/>' + ('' if n else f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{k * 0.05:.2f}</text>'))
        at_x = lambda kib, left=left: left + (math.log(kib) - small) / (large - small) * PANEL
        out += draw(title, words, [p for p in points if p.after == n], [line for line in lines if line[0]], left, at_x, at_y, kibs)
    return '\n'.join(out + ['</svg>']) + '\n'
