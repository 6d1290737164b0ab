#!/bin/sh
# recover.sh MODEL SHARDS OUT [METHOD [KEY=VALUE ...]] - binarize a model (arb-rc), distil the result from the model, pack and compare.
# What is there already is used again; Ctrl-C leaves a run that the next call continues. OPTIONS: more for 'signum binarize'.
# SPDX-License-Identifier: MIT
set -eu
S=${SIGNUM:-./signum}
[ $# -ge 3 ] || { echo "usage: recover.sh MODEL SHARDS OUT [METHOD [KEY=VALUE ...]]" >&2; exit 2; }
model=$1 data=$2 out=$3 method=${4:-arb-rc}
if [ $# -ge 4 ]; then shift 4; else shift 3; fi
mkdir -p "$out"
# shellcheck disable=SC2086
[ -d "$out/binary" ] || $S binarize "$model" --method "$method" --calibration "$data" ${OPTIONS:-} --out "$out/binary"
$S train recover init="$out/binary" distill.teacher="$model" data.train="$data" data.valid="$data" "$@" --out "$out/recovered" --resume auto
[ -d "$out/packed" ] || $S export "$out/recovered" --format packed --out "$out/packed"
$S eval "$model" "$out/binary" "$out/packed" --data "$data"
