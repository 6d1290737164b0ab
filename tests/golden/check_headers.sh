#!/bin/bash
# check_headers.sh - the stored numbers of kinds and binarizers are what their formulas give here and now (kinds.py, binarize.py).
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
python=/usr/bin/python3
if ! $python -c 'import torch, numpy' 2>/dev/null; then
    echo "SKIPPED: $python has no torch or numpy; making golden headers anew needs them" >&2
    exit 0
fi
export PYTHONDONTWRITEBYTECODE=1
for name in kinds binarize; do
    $python tests/golden/$name.py | $python -c '
import re, sys
name = sys.argv[1]
made, stored = (re.findall(r"[^\s,]+", text.split("*/", 1)[1]) for text in (sys.stdin.read(), open("tests/golden/" + name + ".h").read()))


def near(a, b):
    try:
        return abs(float(a) - float(b)) <= 1e-7 + 1e-6 * abs(float(b))
    except ValueError:
        return a == b


other = [(a, b) for a, b in zip(made, stored) if not near(a, b)]
if other or len(made) != len(stored):
    sys.exit("tests/golden/%s.h is not what %s.py gives: %d of %d words differ, the first %s" % (name, name, len(other), len(made), other[:1]))
print("  ok  ", name, len(made), "words")' "$name"
done
