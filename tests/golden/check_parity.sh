#!/bin/bash
# check_parity.sh - the program beside an independent PyTorch implementation (parity_live.py, eval_live.py).
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
python=/usr/bin/python3
if ! $python -c 'import torch, numpy, h5py' 2>/dev/null; then
    echo "SKIPPED: $python has no torch, numpy or h5py; the comparison with PyTorch needs them" >&2
    exit 0
fi
export PYTHONDONTWRITEBYTECODE=1
sets=auto,ref
grep -q avx2 /proc/cpuinfo && sets=$sets,avx2
grep -q avx512f /proc/cpuinfo && sets=$sets,avx512
$python tests/bench/torch_step.py --check
for case in small mixed full; do $python tests/golden/parity_live.py --case $case --kernels $sets; done
$python tests/golden/parity_live.py --case large
$python tests/golden/eval_live.py
