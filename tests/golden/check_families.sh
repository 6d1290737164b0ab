#!/bin/bash
# check_families.sh - every family of models beside PyTorch (families.py): the stored numbers, then the program.
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
python=/usr/bin/python3
if ! $python -c 'import torch, numpy' 2>/dev/null; then
    echo "SKIPPED: $python has no torch or numpy; the comparison of model families with PyTorch needs them" >&2
    exit 0
fi
export PYTHONDONTWRITEBYTECODE=1
$python tests/golden/families.py --check
$python tests/golden/families.py --live
