#!/bin/bash
# test_chat_serve.sh - /v1/chat/completions of signum serve: the answers of signum chat, whole and streamed; what is refused.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
M=../shared/data/models/stories260K
needs "$M/stories260K.bin"
start() { # options
    $S serve "$M" --tokenizer "$M/tok512.bin" --port 0 "$@" >"$D/said" 2>"$D/log" &
    server=$!
    for i in $(seq 600); do grep -q '/v1' "$D/said" && break; sleep 0.1; done
    port=$(sed -n 's,.*://127.0.0.1:\([0-9]*\)/v1.*,\1,p' "$D/said")
    [ -n "$port" ] || { cat "$D/log" >&2; fail "the server does not start"; }
}
stop() { kill "$server"; wait "$server" || true; server=; }

printf 'Once upon a time\nAnd then?\n' | $S chat "$M" --tokenizer "$M/tok512.bin" --template plain --temperature 0 --tokens 30 --json >"$D/talk"
start --template plain
python3 - "$port" "$D/talk" <<'PY' || { cat "$D/log" >&2; fail "an answer is wrong"; }
import http.client, json, sys

def post(body, path="/v1/chat/completions"):
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    c.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    r = c.getresponse()
    text = r.read().decode()
    c.close()
    return r.status, text

def ask(**body):
    status, text = post(body)
    assert status == 200, text
    return json.loads(text)

def refuse(says, param, **body):
    status, text = post(body)
    error = json.loads(text)["error"]
    assert status == 400 and says in error["message"] and error["param"] == param, (status, text)

talk = [json.loads(line) for line in open(sys.argv[2])]
user = lambda text: {"role": "user", "content": text}
messages = [user("Once upon a time")]
rest = dict(temperature=0, max_tokens=30)
one = ask(messages=messages, **rest)
assert one["object"] == "chat.completion" and one["id"].startswith("chatcmpl-") and len(one["choices"]) == 1
choice = one["choices"][0]
assert choice["message"] == {"role": "assistant", "content": talk[0]["text"]}, (choice, talk[0])
assert choice["finish_reason"] == {"length": "length", "stop": "stop", "end": "stop"}[talk[0]["finish"]] and choice["logprobs"] is None
assert one["usage"]["prompt_tokens"] == talk[0]["prompt_tokens"]
messages += [choice["message"], user([{"type": "text", "text": "And then?"}])]
two = ask(messages=messages, **rest, stop=["nowhere to be found"])
assert two["choices"][0]["message"]["content"] == talk[1]["text"], two
assert ask(messages=messages, temperature=0, max_completion_tokens=30)["choices"] == two["choices"]

# a stream: the role first, then the same text
status, text = post(dict(messages=messages, stream=True, stream_options={"include_usage": True}, **rest))
events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
assert status == 200 and events[-1] == "[DONE]", text
chunks = [json.loads(e) for e in events[:-1]]
assert all(c["object"] == "chat.completion.chunk" for c in chunks)
assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == two["usage"]["completion_tokens"]
deltas = [c["choices"][0]["delta"] for c in chunks[:-1]]
assert deltas[0]["role"] == "assistant" and all("role" not in d for d in deltas[1:])
assert "".join(d.get("content", "") for d in deltas) == talk[1]["text"]
assert chunks[-2]["choices"][0]["finish_reason"] == two["choices"][0]["finish_reason"]

# probabilities are those of /v1/completions for the rendered text
seen = ask(messages=[user("Tell me")], temperature=0, max_tokens=6, logprobs=True, top_logprobs=3)["choices"][0]["logprobs"]["content"]
plain = json.loads(post(dict(prompt="User: Tell me\nAssistant:", temperature=0, max_tokens=6, logprobs=3), "/v1/completions")[1])
assert [t["token"] for t in seen] == plain["choices"][0]["logprobs"]["tokens"], (seen, plain)
assert all(abs(t["logprob"] - p) < 1e-4 for t, p in zip(seen, plain["choices"][0]["logprobs"]["token_logprobs"]))
assert all(len(t["top_logprobs"]) == 3 and bytes(t["bytes"]).decode() == t["token"] for t in seen), seen

refuse("at least one", "messages", model="x")
refuse("at least one", "messages", messages=[])
refuse("message 0 is no object with", "messages", messages=["x"])
refuse("message 1 has no \"content\"", "messages", messages=[user("x"), {"role": "user"}])
refuse("part 0 of message 0 is no text", "messages", messages=[user([{"type": "image_url"}])])
refuse("unknown field 'prompt'", "prompt", messages=[user("x")], prompt="x")
refuse("true or false", "logprobs", messages=[user("x")], logprobs=3)
refuse("needs \"logprobs\": true", "top_logprobs", messages=[user("x")], top_logprobs=3)
refuse("context has 512 tokens", "messages", messages=[user("word " * 600)])
assert post(dict(messages=[user("x")]), "/v1/completions")[0] == 400
PY
stop
ok "messages are answered as signum chat does, whole and streamed"

start
python3 - "$port" <<'PY' || fail "a model without a template"
import json, sys, urllib.error, urllib.request
body = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
try:
    urllib.request.urlopen("http://127.0.0.1:%s/v1/chat/completions" % sys.argv[1], body)
    sys.exit("it is answered")
except urllib.error.HTTPError as e:
    assert e.code == 400 and "start the server with --template" in json.loads(e.read())["error"]["message"]
PY
stop
if timeout 60 $S serve "$M" --tokenizer "$M/tok512.bin" --port 0 --template nonsense >"$D/said" 2>"$D/err"; then fail "--template nonsense is taken"; fi
grep -q "'nonsense' is no template" "$D/err" || fail "--template nonsense: $(cat "$D/err")"
ok "without a template messages are refused"
