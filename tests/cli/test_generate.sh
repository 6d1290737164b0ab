#!/bin/bash
# test_generate.sh - signum generate on a real model: stop strings, probabilities, prompts from files and in batches, refusals.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
M=../shared/data/models/stories260K
needs "$M/stories260K.bin"
check() { python3 -c "import json, math, sys; v = [json.loads(l) for l in open(sys.argv[1])]; assert $2, v" "$1" || fail "$2"; }
refuse() {   # pattern, option ...
    local pattern=$1 code=0
    shift
    generate "$@" >"$D/out" 2>"$D/err" </dev/null || code=$?
    [ "$code" -eq 2 ] || fail "generate $* ended with $code: $(cat "$D/err")"
    grep -qE -- "$pattern" "$D/err" || fail "generate $* does not say /$pattern/: $(cat "$D/err")"
}
generate() { timeout 60 $S generate "$M/stories260K.bin" --tokenizer "$M/tok512.bin" "$@"; }
greedy() { generate --prompt "Once upon a time" --temperature 0 --tokens 30 "$@"; }

greedy >"$D/story"
[ "$(printf 'Once upon a time' | generate --prompt-file - --temperature 0 --tokens 30)" = "$(cat "$D/story")" ] || fail "a prompt out of a file is another"
[ "$(greedy --stop "girl named")" = "Once upon a time, there was a little " ] || fail "a stop string does not end the text: $(greedy --stop "girl named")"
[ "$(greedy --stop nothing --stop "e g" --stop "Lily")" = "Once upon a time, there was a littl" ] || fail "the first of several stop strings does not end it"
[ "$(greedy --stop "Lilz")" = "$(cat "$D/story")" ] || fail "a stop string that does not come changes the text"
ok "stop strings"

greedy --json --logprobs 3 >"$D/json"
check "$D/json" 'v[0]["finish"] == "length" and len(v[0]["tokens"]) == 30 == len(v[0]["logprobs"]) and v[0]["prompt_tokens"] == 4'
check "$D/json" 'all(t["likeliest"][0] == {k: t[k] for k in ("id", "token", "logprob")} for t in v[0]["logprobs"])'
check "$D/json" '"".join(t["token"] for t in v[0]["logprobs"]) == v[0]["text"]'
check "$D/json" 'all(0 > a["logprob"] >= b["logprob"] for t in v[0]["logprobs"] for a, b in zip(t["likeliest"], t["likeliest"][1:]))'
greedy --json --stop "girl" >"$D/json"
check "$D/json" 'v[0]["finish"] == "stop" and v[0]["text"] == ", there was a little "'
ok "probabilities"

# Heat makes any token come; min-p leaves those that are nearly as probable as the most probable one.
generate --prompt "Once" --temperature 50 --top-p 1 --tokens 25 --json --logprobs 1 >"$D/json"
check "$D/json" 'min(t["logprob"] - t["likeliest"][0]["logprob"] for t in v[0]["logprobs"]) < -5'
generate --prompt "Once" --temperature 50 --top-p 1 --min-p 0.97 --tokens 25 --json --logprobs 1 >"$D/json"
check "$D/json" 'min(t["logprob"] - t["likeliest"][0]["logprob"] for t in v[0]["logprobs"]) >= 50 * math.log(0.97) - 1e-4'
generate --prompt "Once" --temperature 0 --repetition-penalty 1000 --tokens 60 --json >"$D/json"
check "$D/json" 'len(set(v[0]["tokens"])) > 55'
greedy --seed 2 | cmp -s - "$D/story" || fail "a seed changes the most probable tokens"
[ "$(generate --prompt Once --tokens 20 --seed 2)" != "$(generate --prompt Once --tokens 20 --seed 3)" ] || fail "two seeds give one text"
generate --prompt "Once" --bos --tokens 1 --json >"$D/json"
check "$D/json" 'v[0]["prompt_tokens"] == 2'
ok "sampling"

printf 'One day\nThe cat\r\n\nOne day\n' | generate --batch - --tokens 8 >"$D/json"
check "$D/json" '[x["prompt"] for x in v] == ["One day", "The cat", "", "One day"] and all(len(x["tokens"]) == 8 for x in v)'
check "$D/json" 'v[0]["text"] == v[3]["text"] != v[1]["text"]'
printf '{"prompt":"One day","id":"a"}\n{"prompt":[1,403,407]}\n{"x":1}\n{\n{"prompt":[512]}\n{"prompt":"Once"}\n' >"$D/lines"
generate --batch "$D/lines" --jsonl --tokens 8 >"$D/json" 2>"$D/err" && fail "a batch with wrong lines ends well"
grep -q '3 of 6 prompts failed' "$D/err" || fail "it does not say how many failed: $(cat "$D/err")"
check "$D/json" '["error" in x for x in v] == [False, False, True, True, True, False] and v[0]["id"] == "a" and v[1]["prompt"] == [1, 403, 407]'
ok "batches"

refuse 'min-p' --min-p 2
refuse 'repetition penalty' --repetition-penalty -1
refuse 'stop string 0' --stop ""
refuse 'exclude each other' --prompt a --batch -
refuse '--logprobs needs' --prompt a --logprobs 2
refuse '0 to 100' --prompt a --logprobs 101 --json
alike "$(greedy --cache f16 --tokens 12)" "$(greedy --tokens 12)" "a cache of halves tells another story"
greedy --int8 --tokens 12 >/dev/null || fail "--int8"
refuse "cache is" --prompt a --cache f8
refuse '--context is -1' --prompt a --context -1
refuse 'context has 3' --prompt "Once upon a time, there" --context 3
ok "refusals"
