#!/bin/bash
# test_models.sh - the commands around a model: tokenizer, tokenize, inspect, export, eval, generate, one by one.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"

# --- tokenizer: bytes in, the same bytes out ----------------------------------------------------------
awk -v seed=3 -v words=4000 -f tests/cli/nonsense.awk >"$D/text.txt"
quiet $S tokenizer train "$D/text.txt" --vocab 300 --out "$D/tok.json"
grep -q 'bytes per token' "$D/log" || fail "training a tokenizer says nothing of it: $(cat "$D/log")"
printf 'laven mute\n\n  \303\251\346\274\242\360\237\230\200 \377\376 end' >"$D/bytes"
quiet $S tokenizer train "$D/text.txt" --vocab 300 --split qwen2 --out "$D/qwen2.json"
printf 'cafe\314\201 laven\n' >>"$D/bytes"          # not NFC
for t in byte "$D/tok.json" "$D/qwen2.json"; do
    $S tokenizer encode --tokenizer "$t" <"$D/bytes" >"$D/ids"
    $S tokenizer decode --tokenizer "$t" <"$D/ids" >"$D/back"
    cmp -s "$D/bytes" "$D/back" || fail "$t does not give the bytes back"
    $S tokenizer encode --tokenizer "$t" --json <"$D/bytes" | $S tokenizer decode --tokenizer "$t" --json >"$D/json"
    check "$D/json" "v == open('$D/bytes', 'rb').read().decode(errors='replace')"
done
printf '{"text":"ab"}\n{"text":"c"}\n' >"$D/two.jsonl"
[ "$($S tokenizer encode --tokenizer byte --texts "$D/two.jsonl" | tr '\n' '/')" = "97 98/99/" ] || fail "--texts gives no line of ids per document"
[ "$($S tokenizer encode --tokenizer byte --texts --json "$D/two.jsonl" | tr '\n' '/')" = "[97, 98]/[99]/" ] || fail "--texts --json gives no array per document"
[ "$($S tokenizer encode --tokenizer byte A B)" = "65 32 66" ] || fail "words are not encoded with a space between"
[ "$($S tokenizer decode --tokenizer byte --specials 65 256)" = "A<|endoftext|>" ] || fail "--specials does not name them"
$S tokenizer info "$D/tok.json" --json >"$D/info"
check "$D/info" "v['kind'] == 'bpe' and v['vocab'] == 300 and v['endoftext'] == 299 and len(v['hash']) == 32"
refuse 5 '300' $S tokenizer decode --tokenizer "$D/tok.json" 300
refuse 2 'token id' $S tokenizer decode --tokenizer "$D/tok.json" 12 x
refuse 2 'train, encode' $S tokenizer learn
ok "tokenizer"

# --- tokenize --------------------------------------------------------------------------------------------
quiet $S tokenize "$D/text.txt" --tokenizer "$D/tok.json" --out "$D/data" --valid 0.1
refuse 4 'exists already' $S tokenize "$D/text.txt" --tokenizer "$D/tok.json" --out "$D/data"
$S tokenize "$D/text.txt" --tokenizer "$D/tok.json" --out "$D/data" --valid 0.1 --replace --json >"$D/report"
check "$D/report" "v['bytes'] == $(wc -c <"$D/text.txt") and v['tokens'] == v['train_tokens'] + v['valid_tokens']"
printf 'one==two==three' >"$D/docs.txt"
$S tokenize "$D/docs.txt" --tokenizer byte --separator '==' --out "$D/docs" --json >"$D/report"
check "$D/report" "v['documents'] == 3 and v['tokens'] == 11 + 3"
printf 'one\ntwo\n' >"$D/lines.txt"
$S tokenize "$D/lines.txt" --tokenizer byte --separator '\n' --no-eot --out "$D/lines" --json >"$D/report"
check "$D/report" "v['documents'] == 2 and v['tokens'] == 6"
printf '{"body": "ab"}\n{"body": "cde"}\n' >"$D/some.data"
$S tokenize "$D/some.data" --format jsonl --field body --tokenizer byte --out "$D/jsonl" --json >"$D/report"
check "$D/report" "v['documents'] == 2 and v['bytes'] == 5 and v['tokens'] == 7"
printf '\001\000\002\000\007\000' >"$D/raw"
$S tokenize "$D/raw" --ids u16 --vocab 8 --out "$D/raw-set" --json >"$D/report"
check "$D/report" "v['tokens'] == 3"
refuse 5 '7' $S tokenize "$D/raw" --ids u16 --vocab 7 --out "$D/none"
refuse 2 'u16 or u32' $S tokenize "$D/raw" --ids u8 --vocab 7 --out "$D/none"
refuse 2 '--valid' $S tokenize "$D/text.txt" --tokenizer byte --valid 1.5 --out "$D/none"
[ ! -e "$D/none" ] || fail "a refused shard set was left"
ok "tokenize"

# --- export: what it says is so -------------------------------------------------------------------------------
cat >"$D/tiny.yaml" <<'YAML'
model: {dim: 40, layers: 2, heads: 4, ffn: 80, linear: fbi, scales: column}
train: {seq: 32, batch: 4, steps: 20, save_every: 0, eval_every: 0}
optim: {lr: 2e-3, warmup: 5}
YAML
quiet $S train "$D/tiny.yaml" data.train="$D/data" data.valid="$D/data" --out "$D/run"
$S export "$D/run" --format packed --out "$D/packed" --json >"$D/report"
# 2 layers of 4 x 40x40 and 3 x 40x80 weights; a row of 40 signs takes 8 bytes, of 80 takes 16; two floats per column
check "$D/report" "v['binary_weights'] == 2 * (4 * 1600 + 3 * 3200)"
check "$D/report" "v['binary_bytes'] == 2 * (4 * (40 * 8 + 2 * 4 * 40) + 2 * (80 * 8 + 2 * 4 * 40) + (40 * 16 + 2 * 4 * 80))"
check "$D/report" "abs(v['binary_bits_per_weight'] - 8 * v['binary_bytes'] / v['binary_weights']) < 1e-9"
check "$D/report" "v['model_bytes'] == $(stat -c %s "$D/packed/model.safetensors") and v['file_bits_per_weight'] == 8 * v['model_bytes'] / v['parameters']"
check "$D/report" "v['largest_difference'] <= 1e-4 and v['check_tokens'] == 128 and 'valid' in v['check_data']"
check "$D/report" "1e-4 < v['int8_largest_difference'] < 0.1 * v['largest_logit'] and abs(v['int8_nats_per_token'] - v['nats_per_token']) < 0.01"
$S eval "$D/packed" --data "$D/data" --int8 --json >"$D/int8"
$S eval "$D/packed" --data "$D/data" --json >"$D/exact"
check "$D/int8" "v['int8'] and 0 < abs(v['nats_per_token'] - json.load(open('$D/exact'))['nats_per_token']) < 0.01"
refuse 4 '--replace' $S export "$D/run" --out "$D/packed"
quiet $S export "$D/packed" --out "$D/packed" --replace
grep -q 'random tokens' "$D/log" || fail "a packed model knows no validation data, yet: $(cat "$D/log")"
quiet $S export "$D/packed" --out "$D/packed" --replace --verify-data "$D/data"
grep -q "$D/data/valid" "$D/log" || fail "--verify-data was not used: $(cat "$D/log")"
quiet $S export "$D/run" --format hf --latent --out "$D/latent"
refuse 2 'no latent' $S export "$D/packed" --format hf --latent --out "$D/none"
refuse 2 '--format hf' $S export "$D/run" --format packed --latent --out "$D/none"
quiet $S export "$D/run" --format gguf --out "$D/gguf"
quiet $S inspect "$D/gguf" --bits
grep -q 'arrays of the file' "$D/log" || fail "inspect GGUF --bits counts nothing: $(cat "$D/log")"
quiet $S inspect "$D/gguf"
grep -q 'GGUF' "$D/log" || fail "inspect does not see a GGUF file: $(cat "$D/log")"
quiet $S inspect "$D/gguf/model.gguf"
grep -q 'layers' "$D/log" && grep -q 'blk.0.attn_q.weight' "$D/log" || fail "inspect of a GGUF file says neither shape nor arrays: $(cat "$D/log")"
mkdir "$D/half"
head -c 20000 "$D/gguf/model.gguf" >"$D/half/model.gguf"
for command in "inspect" "generate --prompt la" "eval --data $D/data"; do
    refuse 5 'half/model.gguf: offset [0-9]+: .* bytes' $S ${command%% *} "$D/half" ${command#"${command%% *}"}
done
mv "$D/gguf/model.gguf" "$D/alone.gguf"              # with the vocabulary that is inside
for t in "$D/run/checkpoints"/step-*/tokenizer.json "$D/alone.gguf"; do $S tokenizer encode --tokenizer "$t" <"$D/bytes"; done | uniq | wc -l | grep -qx ' *1' ||
    fail "the tokenizer in a GGUF file is another"
quiet $S generate "$D/alone.gguf" --prompt laven --tokens 3
refuse 2 '--format hf' $S export "$D/run" --format gguf --latent --out "$D/none"
refuse 2 "--type q9: --format gguf has f32, f16" $S export "$D/run" --format gguf --type q9 --out "$D/none"
refuse 2 '--type bf16: --format packed has f32' $S export "$D/run" --format packed --type bf16 --out "$D/none"
refuse 2 'turn a sign' $S export "$D/run" --format hf --latent --type bf16 --out "$D/none"
refuse 2 '--scales is f32 or f16' $S export "$D/run" --scales q8 --out "$D/none"
refuse 2 'goes with --format packed' $S export "$D/run" --format hf --scales f16 --out "$D/none"
[ ! -e "$D/none" ] || fail "a refused export was left"
refuse 9 "model.embed_tokens: its rows of 40 numbers are no whole blocks" $S export "$D/run" --type q8_0 --out "$D/none"
$S export "$D/run" --scales f16 --type f16 --out "$D/small" --json >"$D/report2"
check "$D/report2" "0 < v['largest_difference'] and v['binary_bits_per_weight'] < json.load(open('$D/report'))['binary_bits_per_weight']"
check "$D/report2" "v['model_bytes'] == len(open('$D/small/model.safetensors', 'rb').read()) and v['paper_bits_per_weight'] > 1"
$S inspect "$D/small" --bits --json >"$D/bits"
check "$D/bits" "v['bits']['all']['bits'] == sum(r['bits'] for r in v['bits']['layers']) == 8 * v['bits']['array_bytes']"
check "$D/bits" "v['bits']['array_bytes'] + v['bits']['overhead_bytes'] == v['bits']['file_bytes'] and 'as FBI-LLM counts' in v['bits']['paper']"
quiet $S inspect "$D/run" --bits
grep -q 'what it takes packed' "$D/log" && grep -q 'as FBI-LLM counts' "$D/log" || fail "inspect RUN --bits counts nothing: $(cat "$D/log")"
ok "export"

# --- eval ---------------------------------------------------------------------------------------------------------
$S eval "$D/packed" --data "$D/data" --json >"$D/all"
$S eval "$D/packed" --data "$D/data/valid" --windows 2 --seq 16 --json >"$D/two"
check "$D/two" "v['windows'] == 2 and v['seq'] == 16 and v['tokens'] == 32 and v['kind'] == 'packed'"
check "$D/all" "abs(v['perplexity'] - __import__('math').exp(v['nats_per_token'])) < 1e-6 * v['perplexity']"
check "$D/all" "v['model_bytes'] == $(stat -c %s "$D/packed/model.safetensors")"
python3 - "$D" <<'PY'
import json, math, sys
v, info = (json.load(open(sys.argv[1] + n)) for n in ('/all', '/data/valid/shards.json'))
bpb = v['nats_per_token'] * info['tokens'] / (math.log(2) * info['text_bytes'])
assert abs(v['bits_per_byte'] - bpb) < 1e-9, (v, bpb)
assert v['windows'] == (info['tokens'] - 1) // 32, (v, info)
PY
$S eval "$D/run" "$D/packed" --data "$D/data" --json >"$D/both"
check "$D/both" "[m['kind'] for m in v] == ['checkpoint', 'packed'] and abs(v[0]['nats_per_token'] - v[1]['nats_per_token']) < 1e-5"
$S eval "$D/run" "$D/packed" --data "$D/data" >"$D/table"
[ "$(wc -l <"$D/table")" -eq 3 ] || fail "two models do not make a table of three lines: $(cat "$D/table")"
refuse 2 '--seq' $S eval "$D/packed" --data "$D/data" --seq 1000000
refuse 2 '--data' $S eval "$D/packed"
ok "eval"

# --- logprobs: as eval counts them, and every row a distribution -------------------------------------------------------
zstd -dc "$D"/data/valid/*.zst | od -An -v -tu2 -w2 | head -n 33 >"$D/33" || true
head -n 32 "$D/33" | $S logprobs "$D/packed" --ids --top 1000 >"$D/rows"
$S eval "$D/packed" --data "$D/data/valid" --windows 1 --seq 31 --json >"$D/one"
python3 - "$D" <<'PY'
import json, math, sys
rows = [json.loads(line) for line in open(sys.argv[1] + '/rows')]
one = json.load(open(sys.argv[1] + '/one'))
ids = [int(i) for i in open(sys.argv[1] + '/33')][:32]
assert [r['token'] for r in rows] == ids and [r['next'] for r in rows] == ids[1:] + [None] and rows[-1]['logprob'] is None
assert abs(sum(r['logprob'] for r in rows[:-1]) / 31 + one['nats_per_token']) < 1e-5, one
for r in rows:
    p = [x for _, x in r['top']]
    assert sorted(i for i, _ in r['top']) == list(range(300)) and p == sorted(p, reverse=True) and abs(sum(map(math.exp, p)) - 1) < 1e-5
    assert r['next'] is None or dict(r['top'])[r['next']] == r['logprob']
PY
[ "$($S logprobs "$D/packed" laven mute | wc -l)" -eq "$($S tokenizer encode --tokenizer "$D/tok.json" laven mute | wc -w)" ] || fail "logprobs of a text has not a line per token"
refuse 2 '300.* 0 to 299' $S logprobs "$D/packed" --ids 1 300
refuse 2 'no tokens' $S logprobs "$D/packed" --ids
refuse 2 'context has' sh -c "yes 1 | head -n 99999 | $S logprobs '$D/packed' --ids"
ok "logprobs"

# --- generate -------------------------------------------------------------------------------------------------------
generate() { $S generate "$D/packed" --prompt "laven" --tokens 20 --seed 5 "$@"; }
generate --json >"$D/json"
check "$D/json" "v['prompt'] == 'laven' and 0 < len(v['tokens']) <= 20 and v['tokens_per_s'] > 0"
generate >"$D/stream"
check "$D/json" "(v['prompt'] + v['text'] + '\n').encode() == open('$D/stream', 'rb').read().decode(errors='replace').encode()"
$S tokenizer decode --tokenizer "$D/tok.json" --json <<<"$(python3 -c "import json; print(*json.load(open('$D/json'))['tokens'])")" >"$D/text"
check "$D/text" "v == json.load(open('$D/json'))['text']"
generate --threads 1 | cmp -s - "$D/stream" || fail "one thread writes another text"
alike "$(generate --top-k 1)" "$(generate --temperature 0)" "the one most probable token is not the greedy one"
[ "$(generate --tokens 0)" = "laven" ] || fail "no tokens are more than the prompt"
quiet $S generate "$D/packed" --tokens 3
$S generate "$D/packed" --prompt laven --tokens 500 --temperature 3 --top-p 1 --json >"$D/json" 2>"$D/err"
grep -q 'context of 32 tokens is full' "$D/err" || check "$D/json" "len(v['tokens']) < 30"
refuse 2 'context has 32' $S generate "$D/packed" --prompt "$(head -c 400 "$D/text.txt")"
refuse 2 'top-p' $S generate "$D/packed" --prompt a --top-p 0
refuse 2 'temperature' $S generate "$D/packed" --prompt a --temperature -1
ok "generate"

# --- inspect ------------------------------------------------------------------------------------------------------------
checkpoint=$(ls -d "$D"/run/checkpoints/step-*)
what() { $S inspect "$1" >"$D/text" || fail "inspect $1 ended with $?"; grep -q "$2" "$D/text" || fail "inspect $1 does not say /$2/: $(cat "$D/text")"
         $S inspect "$1" --json >"$D/json" || fail "inspect $1 --json ended with $?"; check "$D/json" "v['what'] and v['path'] == '$1'"; }
what "$D/data" 'a shard set in parts'
what "$D/data/train" 'a shard set'
what "$D/data/train/shard-00000.zst" 'a shard of this set'
what "$D/run" 'a run'
check "$D/json" "v['steps'] == 20 and v['last_metrics']['step'] == 20 and v['newest']['step'] == 20"
$S train "$D/tiny.yaml" data.mix="$D/data=3,$D/data/train=1" data.mask_documents=true train.steps=5 --out "$D/mixed" >"$D/text" ||
    fail "a mix with masked documents ended with $?"
grep -q 'data/train: weight 75.0000 %, realised 75.0000 %' "$D/text" || fail "train does not say the realised shares: $(cat "$D/text")"
what "$D/mixed" 'realised  *0.75'
check "$D/json" "[s['realised'] for s in v['mix']] == [0.75, 0.25] and v['mix'][0]['windows'] == 3 * v['mix'][1]['windows'] == 3 * v['last_metrics']['windows'][1]"
what "$checkpoint" 'a checkpoint'
what "$checkpoint/shard-0000.h5" 'arrays in HDF5'
check "$D/json" "any(0.4 < a.get('positive', 0) < 0.6 for a in v['arrays'])"
what "$checkpoint/run.yaml" 'settings of a run'
what "$D/packed" 'a packed model'
check "$D/json" "v['binary_weights'] == 32000 and v['scales'] == 'column'"
what "$D/packed/model.safetensors" 'arrays in safetensors'
python3 - "$D" <<'PY'
import json, sys
file = sys.argv[1] + '/packed/model.safetensors'
raw = open(file, 'rb').read()
n = int.from_bytes(raw[:8], 'little')
head = json.loads(raw[8:8 + n])
for a in json.load(open(sys.argv[1] + '/json'))['arrays']:
    if a['name'].endswith('.sign'):
        begin, end = head[a['name']]['data_offsets']
        ones = sum(bin(b).count('1') for b in raw[8 + n + begin:8 + n + end])
        cols = 80 if 'down_proj' in a['name'] else 40
        assert abs(a['positive'] - ones / (a['shape'][0] * cols)) < 1e-12, a
PY
what "$D/packed/config.json" 'configuration'
what "$D/tok.json" 'a tokenizer'
what "$D/latent" 'Hugging Face'
$S inspect "$D/latent/model.safetensors" --stats --json >"$D/json"
check "$D/json" "all(a['min'] <= a['mean'] <= a['max'] for a in v['arrays'])"
tells 'all match' $S inspect "$D/packed" --verify
printf 'X' | dd of="$D/packed/model.safetensors" bs=1 seek=9000 conv=notrunc status=none
refuse 5 'model.safetensors' $S inspect "$D/packed" --verify
refuse 5 'model.safetensors: its contents' $S inspect "$D/packed"
quiet $S inspect "$D/packed" --no-verify
refuse 5 'model.safetensors: its contents' $S generate "$D/packed" --prompt la --tokens 2
quiet $S generate "$D/packed" --prompt la --tokens 2 --no-verify
refuse 5 'model.safetensors: its contents' $S eval "$D/packed" --data "$D/data"
refuse 4 'nowhere' $S inspect "$D/nowhere"
refuse 5 'no known archive' $S inspect "$D/text.txt"
ok "inspect"
