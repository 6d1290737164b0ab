#!/bin/bash
# test_serve.sh - signum serve: every field of a request, streams, echo against eval and logprobs, malformed and oversized requests,
# clients that leave, several at once, and a clean end. The client is tests/cli/serve_client.py.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
M=../shared/data/models/stories260K
T=../shared/data/text/tinystories-sample.txt
needs "$M/stories260K.bin" "$T"
fail() { echo "FAIL: $*" >&2; [ ! -s "$D/out" ] || cat "$D/out" "$D/err" >&2; exit 1; }
start() {   # option ...: sets $port
    $S serve "$M/stories260K.bin" --tokenizer "$M/tok512.bin" --port 0 "$@" >"$D/out" 2>"$D/err" &
    server=$!
    for _ in $(seq 200); do
        port=$(sed -n 's,.*http://[^ ]*:\([0-9]*\)/v1.*,\1,p' "$D/out")
        [ -z "$port" ] || return 0
        kill -0 "$server" 2>/dev/null || fail "the server does not start"
        sleep 0.1
    done
    fail "the server says no port"
}
ends() {    # signal: the server ends by itself, with 0
    local code=0
    kill "-$1" "$server"
    for _ in $(seq 100); do
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    kill -0 "$server" 2>/dev/null && fail "the server is still there ten seconds after SIG$1"
    wait "$server" || code=$?
    server=
    [ "$code" -eq 0 ] || fail "after SIG$1 the server ends with $code"
}
client() { timeout 120 python3 tests/cli/serve_client.py "$port" "$@" || fail "client $*"; }

# --- what others say of the same tokens -----------------------------------------------------------------------------
head -c 1200 "$T" >"$D/text.txt"
$S tokenizer encode --tokenizer "$M/tok512.bin" <"$D/text.txt" | tr '\n' ' ' | cut -d' ' -f1-129 >"$D/ids"
$S logprobs "$M/stories260K.bin" --tokenizer "$M/tok512.bin" --ids --top 3 <"$D/ids" >"$D/logprobs"
python3 -c 'import struct, sys; ids = [int(i) for i in open(sys.argv[1]).read().split()]; sys.stdout.buffer.write(struct.pack("<%dH" % len(ids), *ids))' \
    "$D/ids" >"$D/ids.bin"
$S tokenize "$D/ids.bin" --ids u16 --vocab 512 --out "$D/shards" >"$D/log" 2>&1 || fail "$(cat "$D/log")"
$S eval "$M/stories260K.bin" --data "$D/shards" --seq 128 --windows 1 --json >"$D/eval" || fail "eval"
for seed in 5 6; do
    $S generate "$M/stories260K.bin" --tokenizer "$M/tok512.bin" --prompt "Once upon a time" --tokens 24 --temperature 1 --top-p 1 --seed $seed --json
done >"$D/generated"

start --seed 5
grep -q 'on http://127.0.0.1:' "$D/out" || fail "it does not listen on loopback by default"
client fields "$D/generated"
ok "fields of requests"
client echo "$D/ids" "$D/logprobs" "$D/eval"
ok "echoed prompts are as probable as eval and logprobs say"
client stream
ok "streams are the answers in pieces"
client wrong
ok "wrong requests get their status and say what is wrong"
client together
ok "requests at once wait for each other"
client leave
ok "a client that leaves stops its answer"
kill -0 "$server" || fail "the server is gone"
client linger "$D/asked" & lingering=$!        # a long answer runs while the server is told to end
for _ in $(seq 200); do [ ! -e "$D/asked" ] || break; sleep 0.1; done
sleep 1
ends TERM
wait "$lingering" || fail "the client of a server that ends"
start --body-limit 1 --name some/name --bos --context 64 --quiet
client large
client named
ends INT
ok "limits, names, ends"

start --host 0.0.0.0
grep -q 'whoever reaches this machine' "$D/err" || fail "it does not warn of being open to all"
ends TERM
code=0
timeout 20 $S serve "$M/stories260K.bin" --tokenizer "$M/tok512.bin" --host no.such.host.invalid >"$D/out" 2>"$D/err" || code=$?
[ "$code" -eq 2 ] || fail "an unknown host ends with $code"
start
code=0
timeout 20 $S serve "$M/stories260K.bin" --tokenizer "$M/tok512.bin" --port "$port" >"$D/out2" 2>"$D/err2" || code=$?
[ "$code" -eq 4 ] && grep -q 'cannot be listened on' "$D/err2" || fail "a port in use ends with $code: $(cat "$D/err2")"
ends TERM
ok "addresses"
