#!/bin/bash
# check_tasks.sh - every question of the shared PIQA and ARC-easy files beside an independent implementation (tasks_numpy.py).
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1 /usr/bin/python3 tests/golden/tasks_numpy.py "${SIGNUM:-./signum}"
