#!/bin/bash
# check_tokenizer.sh - our tokenizer.json in a foreign reader: the same ids, and the same text back. Needs npm and zstd.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/../cli/common.sh"
. tests/clients/npm.sh

awk -v seed=3 -v words=4000 -f tests/cli/nonsense.awk >"$D/text.txt"
printf "It's 3 o'clock: na\303\257ve caf\303\251s,\302\240\344\270\255\346\226\207 \360\237\230\200!\n\n\t  end  \n" >>"$D/text.txt"
vectors=../shared/data/tokenizers/vectors/gpt-2.inp
[ ! -r $vectors ] || cat $vectors >>"$D/text.txt"
"$S" tokenizer train "$D/text.txt" --vocab 600 --out "$D/bpe.json" >"$D/log" 2>&1 || { cat "$D/log"; exit 1; }
for t in byte "$D/bpe.json"; do
    rm -rf "$D/data"
    "$S" tokenize "$D/text.txt" --tokenizer "$t" --valid 0 --out "$D/data" >"$D/log" 2>&1 || { cat "$D/log"; exit 1; }
    node $clients/tokenizer.mjs "$D/data/train" "$D/text.txt"
done
