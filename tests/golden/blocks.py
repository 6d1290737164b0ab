# SPDX-License-Identifier: MIT
"""blocks.py - writes blocks.h: blocks of ggml's types, put together from their integers, and the numbers they stand for.

    /usr/bin/python3 tests/golden/blocks.py

It only encodes, number by number, as the layouts are described (docs/formats/gguf.md); the C code only decodes.
"""
import os
import struct

import numpy as np

rng = np.random.default_rng(1)


def half(d):
    return struct.pack('<e', d)


def q8_0(q, d):                         # 32 of -128..127
    return half(d) + bytes(int(v) & 255 for v in q)


def q4_0(q, d):                         # 32 of -8..7
    out = bytearray(16)
    for j, v in enumerate(q):
        out[j % 16] |= (int(v) + 8) << (4 if j >= 16 else 0)
    return half(d) + bytes(out)


def q1_0(q, d):                         # 128 of -1, 1
    out = bytearray(16)
    for j, v in enumerate(q):
        out[j // 8] |= (1 if v > 0 else 0) << (j % 8)
    return half(d) + bytes(out)


def tq2_0(q, d):                        # 256 of -1, 0, 1
    out = bytearray(64)
    for j, v in enumerate(q):
        part, rest = divmod(j, 128)
        n, m = divmod(rest, 32)
        out[32 * part + m] |= (int(v) + 1) << (2 * n)
    return bytes(out) + half(d)


def tq1_0(q, d):                        # 256 of -1, 0, 1
    def packed(first, count, digits):
        for m in range(count):
            number = 0
            for n in range(5):
                number = 3 * number + (int(q[first + m + count * n]) + 1 if n < digits else 0)
            yield (number * 256 + 242) // 243
    return bytes(packed(0, 32, 5)) + bytes(packed(160, 16, 5)) + bytes(packed(240, 4, 4)) + half(d)


TYPES = {'Q8_0': (q8_0, 32, -128, 128), 'Q4_0': (q4_0, 32, -8, 8), 'Q1_0': (q1_0, 128, 0, 2), 'TQ1_0': (tq1_0, 256, -1, 2),
         'TQ2_0': (tq2_0, 256, -1, 2)}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, 'blocks.h'), 'w') as f:
        f.write('/* blocks.h - made by tests/golden/blocks.py: two blocks of each type; their numbers are integers times a half.\n'
                ' *\n * SPDX-License-Identifier: MIT */\n#ifndef SGN_TESTS_GOLDEN_BLOCKS_H\n#define SGN_TESTS_GOLDEN_BLOCKS_H\n\n'
                'static const struct {\n    sgn_dtype   type;\n    int         count;\n    float       d[2];\n'
                '    uint8_t     bytes[136];\n    signed char q[512];\n} block_golden[] = {\n')
        for name, (encode, n, low, high) in TYPES.items():
            scales = [float(np.float16(v)) for v in (0.0123, -1.75)]
            q = rng.integers(low, high, 2 * n)
            if name == 'Q1_0':
                q = 2 * q - 1
            raw = encode(q[:n], scales[0]) + encode(q[n:], scales[1])
            f.write(f'    {{ SGN_DTYPE_{name}, {2 * n}, {{ {scales[0].hex()}f, {scales[1].hex()}f }},\n      {{ '
                    + ', '.join(str(b) for b in raw) + ' },\n      { ' + ', '.join(str(v) for v in q) + ' } },\n')
        f.write('};\n\n#endif\n')


if __name__ == '__main__':
    main()
