#!/bin/bash
# stories_table.sh - a binary student of stories260K's shape, distilled from it on story texts or not; prints the table of docs/distillation.md.
#   STORIES_STEPS=2000 of 8 x 128 tokens; wants ../shared (a real trained LLaMA, its tokenizer, the texts). About a minute per student.
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/../.."
S=${SIGNUM:-./signum} steps=${STORIES_STEPS:-2000}
M=../shared/data/models/stories260K T=../shared/data/text
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
$S tokenize $T/tinystories-sample.txt --tokenizer $M/tok512.bin --out "$W/tiny" --valid 0.2 >&2
$S tokenize $T/stories.md --tokenizer $M/tok512.bin --out "$W/tales" --valid 0.02 >&2
cat >"$W/s.yaml" <<YAML
model: {dim: 64, layers: 5, heads: 8, kv_heads: 4, ffn: 172, tied_head: true}
data: {mix: ["$W/tiny=1", "$W/tales=9"]}
train: {seq: 128, batch: 8, steps: $steps, save_every: 0, eval_every: 0}
optim: {lr: 4e-3, warmup: 50}
YAML
bits() { $S eval "$1" --data "$W/$2" --seq 128 --json | python3 -c 'import json, sys; print("%.4f" % json.load(sys.stdin)["bits_per_byte"])'; }
row() { echo "| $1 | $(bits "$2" tiny) | $(bits "$2" tales) |"; }
student() {
    name=$1 dir=$2; shift 2
    $S train "$W/s.yaml" "$@" --out "$W/$dir" >&2
    row "$name" "$W/$dir"
}
echo "| $steps steps of 1,024 tokens | TinyStories, bits per byte | fairy tales |"
echo "|---|---|---|"
row "stories260K itself" $M/stories260K.bin
student "its shape in full precision, alone" full model.linear=full
student "binary, alone" alone model.linear=fbi
student "binary, teacher only (lambda 1)" soft model.linear=fbi distill.teacher=$M/stories260K.bin distill.lambda=1
student "binary, half and half (lambda 0.5)" half model.linear=fbi distill.teacher=$M/stories260K.bin distill.lambda=0.5
