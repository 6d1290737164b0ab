#!/bin/bash
# test_import.sh - models from elsewhere as runs: imported, trained on, binarized; and what is refused leaves nothing behind.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"

awk -v seed=5 -v words=3000 -f tests/cli/nonsense.awk >"$D/text.txt"
quiet $S tokenizer train "$D/text.txt" --vocab 280 --out "$D/tok.json"
quiet $S tokenize "$D/text.txt" --tokenizer "$D/tok.json" --out "$D/data" --valid 0.1

# --- a model of each architecture, as Hugging Face has it ---------------------------------------------------
cat >"$D/tiny.yaml" <<'YAML'
model: {dim: 32, layers: 2, heads: 4, ffn: 64, linear: full}
train: {seq: 32, batch: 4, steps: 30, save_every: 0, eval_every: 0}
optim: {lr: 3e-3, warmup: 5}
YAML
llama='model.qk_norm=true model.kv_heads=2 model.rope_type=llama3 model.rope_scaling=4 model.rope_original=8'
gpt2='model.arch=gpt2 model.attention_bias=true model.mlp_bias=true model.tied_head=true'
type_llama=qwen3 type_gpt2=gpt2
for arch in llama gpt2; do
    # shellcheck disable=SC2086
    quiet $S train "$D/tiny.yaml" ${!arch} data.train="$D/data" --out "$D/$arch"
    quiet $S export "$D/$arch" --format hf --out "$D/hf-$arch"
    type=type_$arch
    check "$D/hf-$arch/config.json" "v['model_type'] == '${!type}' and 'signum' not in v"
    before=$(nats "$D/$arch")

    $S import "$D/hf-$arch" --out "$D/run-$arch" --json >"$D/report"
    check "$D/report" "v['arch'] == '$arch' and v['binary_weights'] == 0 and v['tokenizer'] == 'bpe'"
    cmp -s "$D/tok.json" "$D/run-$arch/tokenizer.json" || fail "the tokenizer is not the same"
    [ "$(nats "$D/run-$arch")" = "$before" ] || fail "the imported $arch is another model: $(nats "$D/run-$arch"), not $before"
    quiet $S train "$D/run-$arch" data.train="$D/data" train.steps=5 train.batch=4 optim.warmup=1 --out "$D/run-$arch" --resume auto
    grep -q 'continuing .* from step 0' "$D/log" || fail "the imported run is not continued: $(cat "$D/log")"
    quiet $S train "$D/run-$arch" --out "$D/run-$arch" --resume auto
    refuse 2 'the run began with train.steps = 5' $S train "$D/run-$arch" train.steps=6 --out "$D/run-$arch" --resume auto

    $S import "$D/hf-$arch" --out "$D/binary-$arch" --set model.linear=fbi model.scales=row --json >"$D/report"
    check "$D/report" "v['binary_weights'] == $([ $arch = gpt2 ] && echo '2 * (4 * 1024 + 2 * 2048)' || echo '2 * (3 * 1024 + 3 * 2048)') and v['linear'] == 'fbi'"
    refuse 2 'the run began with model.scales' $S train "$D/binary-$arch" model.scales=column data.train="$D/data" --out "$D/binary-$arch" --resume auto
    before=$(nats "$D/binary-$arch")
    quiet $S train "$D/binary-$arch" data.train="$D/data" distill.teacher="$D/hf-$arch" train.steps=40 train.batch=4 optim.lr=3e-3 optim.warmup=4 --out "$D/binary-$arch" --resume auto
    after=$(nats "$D/binary-$arch")
    awk "BEGIN { exit !($after < $before) }" || fail "the binarized $arch does not learn: $before, then $after"
    quiet $S export "$D/binary-$arch" --format packed --out "$D/packed-$arch"
    quiet $S generate "$D/packed-$arch" --prompt la --tokens 5
    quiet $S train "$D/tiny.yaml" ${!arch} init="$D/hf-$arch" data.train="$D/data" train.steps=2 model.linear=fbi --out "$D/init-$arch"
    ok "$arch: imported, trained on, binarized, distilled"
done

# --- another teacher under the name of the one a run began with ------------------------------------------------
quiet $S export "$D/llama" --format gguf --out "$D/gguf"
cp -r "$D/hf-llama" "$D/teacher" && rm "$D/teacher/MANIFEST"
mv "$D/gguf/model.gguf" "$D/teacher.gguf"
flip() { python3 -c "import sys; f = open(sys.argv[1], 'r+b'); f.seek(-2, 2); b = f.read(1)[0]; f.seek(-2, 2); f.write(bytes([b ^ 1]))" "$1"; }
for teacher in teacher teacher.gguf; do
    again() { "$@" $S train "$D/tiny.yaml" data.train="$D/data" train.steps=4 distill.teacher="$D/$teacher" --out "$D/of-$teacher" --resume auto; }
    again quiet
    again quiet
    file=$D/$teacher
    [ -f "$file" ] || file=$file/model.safetensors
    flip "$file"
    again refuse 2 'this is not the teacher that the run began with'
    flip "$file"
    again quiet
done
ok "a teacher exchanged between two calls is noticed"

# --- replacing, and errors before anything is written ---------------------------------------------------------
refuse 4 '--replace' $S import "$D/hf-llama" --out "$D/run-llama"
quiet $S import "$D/hf-llama" --out "$D/run-llama" --replace
ls "$D/run-llama/checkpoints" | grep -qx step-00000000 || fail "--replace did not replace: $(ls "$D/run-llama/checkpoints")"
quiet $S export "$D/binary-llama" --format hf --latent --out "$D/latent"
python3 - "$D" <<'PY'
import json, sys
d = sys.argv[1]
c = json.load(open(d + '/latent/config.json'))
del c['signum']                              # the released FBI-LLM checkpoints have no such word
json.dump(c, open(d + '/latent/config.json', 'w'))
PY
rm "$D/latent/MANIFEST"
$S import "$D/latent" --out "$D/fbi" --json >"$D/report"
check "$D/report" "v['linear'] == 'fbi' and v['binary_weights'] == 2 * (3 * 1024 + 3 * 2048)"
alike "$(nats "$D/fbi")" "$(nats "$D/binary-llama")" "FBI-LLM's own layout is another model"
refuse 2 "q of layer 0 is 'fbi' there and cannot become 'full'" $S import "$D/latent" --out "$D/none" --set model.linear=full
refuse 2 'did you mean model.linear' $S import "$D/hf-llama" --out "$D/none" --set model.linaer=fbi
refuse 6 'but the model needs' $S import "$D/hf-llama" --out "$D/none" --set model.dim=40
refuse 4 'is not there' $S import "$D/nowhere" --out "$D/none"
refuse 2 '--out' $S import "$D/hf-llama"
python3 - "$D" <<'PY'
import json, sys
d = sys.argv[1]
c = json.load(open(d + '/hf-llama/config.json'))
c['quantization_config'] = {'bits': 4}
json.dump(c, open(d + '/hf-llama/config.json', 'w'))
PY
rm "$D/hf-llama/MANIFEST"
refuse 9 'quantization_config is \{"bits": ?4\}' $S import "$D/hf-llama" --out "$D/none"
[ ! -e "$D/none" ] || fail "a refused import left something"
[ -z "$(ls -d "$D"/.none* "$D"/none* 2>/dev/null)" ] || fail "a refused import left its stage"
ok "replacing and refusing"
