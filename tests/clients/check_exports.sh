#!/bin/bash
# check_exports.sh - what `signum export` writes, in the hands of others: PyTorch for Hugging Face directories, llama.cpp and
# @huggingface/gguf for GGUF files; and damaged files, so that the comparison itself is known to see.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/../cli/common.sh"
shared=../shared/data

# --- models: rows of whole blocks for every type, a tokenizer of bytes, one of SentencePiece's kind ----------------------------
awk -v seed=1 -v words=9000 -f tests/cli/nonsense.awk >"$D/text.txt"
printf "It's 3 o'clock: na\303\257ve caf\303\251s,  \344\270\255\346\226\207 \360\237\230\200!\n\n\t  end\n" >"$D/mixed.txt"
head -c 2000 "$D/text.txt" >>"$D/mixed.txt"
quiet $S tokenizer train "$D/text.txt" --vocab 512 --out "$D/bpe.json"
quiet $S tokenize "$D/text.txt" --tokenizer "$D/bpe.json" --out "$D/data" --valid 0.05
cat >"$D/small.yaml" <<'YAML'
model: {dim: 256, layers: 2, heads: 4, kv_heads: 2, ffn: 512}
train: {seq: 64, batch: 2, steps: 15, save_every: 0, eval_every: 0}
optim: {lr: 3e-3, warmup: 3}
YAML
models="full column row group128 tensor tied"
for m in $models; do
    case $m in
        full) set -- model.linear=full ;;
        tied) set -- model.linear=fbi model.scales=column model.tie_scales=true model.kv_heads=4 ;;
        *) set -- model.linear=fbi model.scales=$m ;;
    esac
    quiet $S train "$D/small.yaml" data.train="$D/data" "$@" --out "$D/$m"
done
$S tokenizer encode --tokenizer "$D/bpe.json" <"$D/mixed.txt" >"$D/bpe.ids"
head -c 600 "$D/text.txt" | $S tokenizer encode --tokenizer "$D/bpe.json" | tr ' ' '\n' | head -n 48 >"$D/48"
rows() { $S logprobs "$1" --ids --top 1000000 <"${3:-$D/48}" >"$2"; }
for m in $models; do rows "$D/$m" "$D/$m.rows"; done
stories=$shared/models/stories260K
if [ -r $stories/stories260K.bin ]; then
    $PY -c 'import json; print(*json.load(open("tests/golden/stories260k.json"))["ids"])' >"$D/64"
    rows $stories/stories260K.bin "$D/stories.rows" "$D/64"
fi

# --- Hugging Face directories, in PyTorch ---------------------------------------------------------------------------------------
if $PY -c 'import torch, numpy' 2>/dev/null; then
    for m in full column group128; do
        for t in f32 f16 bf16; do
            quiet $S export "$D/$m" --format hf --type $t --out "$D/hf-$m-$t"
            rows "$D/hf-$m-$t" "$D/hf-$m-$t.rows"
        done
        $PY tests/clients/hf_torch.py "$D/hf-$m-f32" "$D/$m.rows" 1e-4 "$D"/hf-$m-{f16,bf16}
    done
    if [ -r $stories/stories260K.bin ]; then
        quiet $S export $stories/stories260K.bin --tokenizer $stories/tok512.bin --format hf --out "$D/hf-stories"
        $PY tests/clients/hf_torch.py "$D/hf-stories" "$D/stories.rows" 1e-4
    fi
    for m in column tied; do                                   # scales of each layer's own, shared ones too
        quiet $S export "$D/$m" --format hf --latent --out "$D/latent-$m"
        $PY tests/clients/hf_torch.py "$D/latent-$m" "$D/$m.rows" 1e-4
    done
else
    echo "SKIPPED: $0: $PY has no torch or numpy; nobody else read the Hugging Face directories" >&2
fi

# --- GGUF files, in llama.cpp -----------------------------------------------------------------------------------------------------
. tests/clients/npm.sh
[ "$(uname -sm)" = "Linux x86_64" ] || skip "llama.cpp's package is for x86_64 Linux; this is $(uname -sm)"
: >"$D/cases"
add() { echo "$1" >>"$D/cases"; }
# Model, type, most that log p may be off, JSON of the types of tensors, more of the case.
gguf() {
    quiet $S export "$D/$1" --format gguf --type "$2" --out "$D/gguf-$1-$2"
    add "{\"name\": \"$1 as $2\", \"file\": \"$D/gguf-$1-$2/model.gguf\", \"rows\": \"$D/$1.rows\", \"within\": $3, \"shape\": \"$D/shape-$1.json\", \"types\": $4 ${5:-}}"
}
# Signs of the layers, all else as F16; what a layer adds by its shift is in beta.gguf.
signs() {
    local up adapter=; up=$(echo "$2" | tr a-z A-Z)
    [ "$1" = group128 ] || adapter=", \"adapter\": \"$D/gguf-$1-$2/beta.gguf\""
    gguf "$1" "$2" "$3" "{\"token_embd.weight\": \"F16\", \"output.weight\": \"F16\", \"\": \"$up\"}" "$adapter"
}
for m in $models; do
    cp "$D/$m"/checkpoints/step-*/config.json "$D/shape-$m.json"
    gguf $m f32 1e-3 '{}' ", \"text\": \"$D/mixed.txt\", \"ids\": \"$D/bpe.ids\""
    gguf $m f16 1e-2 '{"": "F16"}'
done
gguf full q8_0 0.25 '{"": "Q8_0"}'
gguf column q8_0 5e-2 '{"": "Q8_0"}'
gguf full bf16 0.2 '{"": "BF16"}'
# Columns that share their scales: folded into norms and the rows before.
signs tied q1_0 0.1
signs tied tq2_0 0.1
# Scales of columns have no place in a block: refused by name, or rounded, and then the file is what both of us read.
if $S export "$D/column" --format gguf --type q1_0 --out "$D/none" >"$D/log" 2>&1; then fail "Q1_0 took scales of columns"; fi
grep -q 'model.layers.0.self_attn.q_proj' "$D/log" || fail "the refusal does not name a layer: $(cat "$D/log")"
quiet $S export "$D/column" --format gguf --type q1_0 --approximate --out "$D/gguf-rounded"
rows "$D/gguf-rounded" "$D/rounded.rows"
add "{\"name\": \"column rounded to q1_0\", \"file\": \"$D/gguf-rounded/model.gguf\", \"rows\": \"$D/rounded.rows\", \"within\": 0.1,
      \"adapter\": \"$D/gguf-rounded/beta.gguf\"}"
for m in row group128 tensor; do
    quiet $S export "$D/$m" --format hf --latent --out "$D/latent-$m"
    for t in q1_0 tq1_0 tq2_0; do
        case $m,$t in group128,t*) continue ;; esac            # a block of 256 has one scale
        signs $m $t 0.1
        $PY tests/clients/gguf_blocks.py "$D/gguf-$m-$t" "$D/latent-$m"
    done
done
if [ -r $stories/stories260K.bin ]; then
    $S tokenizer encode --tokenizer $stories/tok512.bin <"$D/mixed.txt" >"$D/spm.ids"
    for t in f32:1e-3 f16:2e-2; do
        quiet $S export $stories/stories260K.bin --tokenizer $stories/tok512.bin --format gguf --type ${t%:*} --out "$D/stories-${t%:*}"
        add "{\"name\": \"stories260K as ${t%:*}\", \"file\": \"$D/stories-${t%:*}/model.gguf\", \"rows\": \"$D/stories.rows\", \"within\": ${t#*:},
              \"text\": \"$D/mixed.txt\", \"ids\": \"$D/spm.ids\"}"
    done
    # The vocabularies of LLaMA and GPT-2, whole, on text of many kinds; a model of no matter goes with them.
    cat $shared/tokenizers/vectors/{llama-spm,gpt-2}.inp "$D/mixed.txt" README.md >"$D/kinds.txt"
    head -c 100000 $shared/text/wikitext-2/valid.txt >>"$D/kinds.txt"
    for t in llama/tokenizer.model gpt2; do
        n=${t%%/*}
        quiet $S tokenize "$D/text.txt" --tokenizer $shared/tokenizers/$t --out "$D/data-$n" --valid 0
        quiet $S train "$D/small.yaml" model.dim=32 model.layers=1 model.ffn=32 model.linear=full train.steps=1 data.train="$D/data-$n" --out "$D/of-$n"
        quiet $S export "$D/of-$n" --format gguf --type f16 --out "$D/gguf-$n"
        $S tokenizer encode --tokenizer $shared/tokenizers/$t <"$D/kinds.txt" >"$D/$n.ids"
        add "{\"name\": \"the vocabulary of $n\", \"file\": \"$D/gguf-$n/model.gguf\", \"text\": \"$D/kinds.txt\", \"ids\": \"$D/$n.ids\"}"
    done
else
    echo "SKIPPED: $0: no $shared; stories260K and the vocabularies of LLaMA and GPT-2 are left out" >&2
fi

# --- damage is seen: one block of a matrix, a header cut off ----------------------------------------------------------------------
damage() {     # file, new file: 64 bytes in the middle of the last fifth changed
    $PY - "$1" "$2" <<'PY'
import sys
raw = bytearray(open(sys.argv[1], 'rb').read())
at = len(raw) * 9 // 10 // 4 * 4
for k in range(at, at + 64):
    raw[k] ^= 0x40 if k % 2 else 0x15
open(sys.argv[2], 'wb').write(raw)
PY
}
damage "$D/gguf-full-f16/model.gguf" "$D/damaged.gguf"
add "{\"name\": \"a damaged block\", \"file\": \"$D/damaged.gguf\", \"rows\": \"$D/full.rows\", \"within\": 1e-2, \"must_fail\": true}"
add "{\"name\": \"no adapter\", \"file\": \"$D/gguf-row-q1_0/model.gguf\", \"rows\": \"$D/row.rows\", \"within\": 0.1, \"must_fail\": true}"
mkdir "$D/damaged"
damage "$D/gguf-group128-q1_0/model.gguf" "$D/damaged/model.gguf"
if $PY tests/clients/gguf_blocks.py "$D/damaged" "$D/latent-group128" >"$D/log" 2>&1; then fail "a damaged block of signs was not found"; fi
head -c 20000 "$D/gguf-full-f32/model.gguf" >"$D/cut.gguf"
add "{\"name\": \"a file cut off\", \"file\": \"$D/cut.gguf\", \"rows\": \"$D/full.rows\", \"within\": 1e-3, \"must_fail\": true}"
sed 's/ \([0-9]*\)$/ 7/' "$D/bpe.ids" >"$D/other.ids"
add "{\"name\": \"another id\", \"file\": \"$D/gguf-full-f32/model.gguf\", \"text\": \"$D/mixed.txt\", \"ids\": \"$D/other.ids\", \"must_fail\": true}"
add "{\"name\": \"another type\", \"file\": \"$D/gguf-full-f32/model.gguf\", \"shape\": \"$D/shape-full.json\", \"types\": {\"blk.0.ffn_up.weight\": \"F16\"}, \"must_fail\": true}"
$PY -c 'import json, sys; d = json.JSONDecoder(); t = open(sys.argv[1]).read().strip(); out = []
while t:
    c, n = d.raw_decode(t); out.append(c); t = t[n:].strip()
json.dump(out, open(sys.argv[1] + ".json", "w"))' "$D/cases"
node $clients/llama.mjs "$D/cases.json"
