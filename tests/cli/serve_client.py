"""serve_client.py PORT WHAT [FILES]: a client of signum serve; each function is one thing that test_serve.sh asks for.
SPDX-License-Identifier: MIT"""
import http.client, json, math, socket, sys, threading, time

port = int(sys.argv[1])


def request(method, path, body=None, headers={}):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request(method, path, body, headers)
    r = c.getresponse()
    text = r.read()
    c.close()
    return r, text


def ask(expect=200, **fields):
    r, text = request("POST", "/v1/completions", json.dumps(fields), {"Content-Type": "application/json"})
    assert r.status == expect, (r.status, text)
    assert r.getheader("Content-Type") == "application/json"
    return json.loads(text)


def texts(answer): return [c["text"] for c in answer["choices"]]


def fields(generated):
    r, text = request("GET", "/health")
    assert r.status == 200 and json.loads(text) == {"status": "ok"}
    models = json.loads(request("GET", "/v1/models")[1])
    assert models["object"] == "list" and len(models["data"]) == 1
    model = models["data"][0]
    assert model["id"] == "stories260K.bin" and model["object"] == "model" and model["max_model_len"] == 512
    assert json.loads(request("GET", "/v1/models/stories260K.bin")[1]) == model
    assert request("GET", "/v1/models/other")[0].status == 404
    assert request("HEAD", "/health")[0].status == 200

    # the same seed gives what signum generate gives; without one each request has its own, the first the server's
    mine = [json.loads(line) for line in open(generated)]
    own = ask(prompt="Once upon a time", max_tokens=24)
    assert texts(own) == [mine[0]["text"]], own
    assert texts(ask(prompt="Once upon a time", max_tokens=24)) == [mine[1]["text"]]
    assert texts(ask(prompt="Once upon a time", max_tokens=24, seed=6)) == [mine[1]["text"]]
    assert own["object"] == "text_completion" and own["model"] == "stories260K.bin" and abs(own["created"] - time.time()) < 100
    assert own["usage"] == {"prompt_tokens": 4, "completion_tokens": 24, "total_tokens": 28}
    assert own["choices"][0]["finish_reason"] == "length" and own["choices"][0]["logprobs"] is None
    assert own["id"].startswith("cmpl-") and own["id"] != ask(prompt="a")["id"]
    assert ask(prompt="Once")["usage"]["completion_tokens"] == 16

    greedy = dict(prompt="Once upon a time", temperature=0, max_tokens=30)
    story = texts(ask(**greedy))[0]
    assert story.startswith(", there was a little girl named Lily. She"), story
    for more in (dict(top_p=0), dict(top_k=1), dict(min_p=1), dict(top_k=-1, temperature=0)):
        assert texts(ask(**{**greedy, "temperature": 2, **more})) == [story], more
    assert texts(ask(**greedy, repetition_penalty=5)) != [story]
    likely = dict(prompt=[403, 407, 261, 378], temperature=0, max_tokens=60, logprobs=100)
    for presence, frequency in ((1.5, 0), (0, 0.7), (-0.5, 0.9), (2, 2)):     # of what was generated, on the model's own probabilities
        got = ask(**likely, presence_penalty=presence, frequency_penalty=frequency)["choices"][0]["logprobs"]
        assert got["tokens"] != ask(**likely)["choices"][0]["logprobs"]["tokens"]
        for i, token in enumerate(got["tokens"]):
            seen = got["tokens"][:i]
            z = {t: p - frequency * seen.count(t) - presence * (t in seen) for t, p in got["top_logprobs"][i].items()}
            assert z[token] > max(z.values()) - 1e-4, (presence, frequency, i, token)
    assert texts(ask(**greedy, logit_bias={"286": 100})) == [" was" * 30]
    banned = texts(ask(**greedy, logit_bias={"286": -100, "0": 1.5}))[0]
    assert banned.startswith(", there") and " was" not in banned, banned
    stopped = ask(**greedy, stop="girl named")
    assert texts(stopped) == [", there was a little "] and stopped["choices"][0]["finish_reason"] == "stop"
    assert texts(ask(**greedy, stop=["nowhere", "e g", "Lily"])) == [", there was a littl"]
    assert texts(ask(**greedy, stop=None, user="x", suffix=None, logit_bias={}, best_of=1, presence_penalty=0, frequency_penalty=0.0)) == [story]
    assert texts(ask(**greedy, stop_token_ids=[286])) == [", there"]          # 286: " was"

    # prompts of all four sorts, n answers to each, in order
    ids = [403, 407, 261, 378]
    for prompt in (ids, [ids], ["Once upon a time"]):
        assert texts(ask(**{**greedy, "prompt": prompt})) == [story]
    many = ask(prompt=["Once", "One day"], n=3, max_tokens=6, seed=7, temperature=2)
    assert [c["index"] for c in many["choices"]] == list(range(6))
    assert many["usage"] == {"prompt_tokens": 3, "completion_tokens": 36, "total_tokens": 39}
    assert len(set(texts(many)[:3])) > 1
    assert texts(many)[::3] == [texts(ask(prompt=p, max_tokens=6, seed=7, temperature=2))[0] for p in ("Once", "One day")]
    assert texts(ask(**{**greedy, "prompt": [ids, ids + [432]], "max_tokens": 2})) == [", there", " there was"]
    assert len(texts(ask(max_tokens=3))[0]) > 0                                # no prompt: the start of a document
    full = ask(prompt=[261] * 510, max_tokens=50, temperature=0, ignore_eos=True)
    assert full["usage"]["completion_tokens"] == 3 and full["choices"][0]["finish_reason"] == "length"
    assert texts(ask(prompt="Once", echo=True, max_tokens=0)) == ["Once"]
    assert texts(ask(**greedy, echo=True)) == ["Once upon a time" + story]


def echo(ids_file, logprobs_file, eval_file):
    ids = [int(i) for i in open(ids_file).read().split()]
    lines = [json.loads(line) for line in open(logprobs_file)]
    for most in (0, 1):
        answer = ask(prompt=ids, echo=True, logprobs=3, max_tokens=most, temperature=0)
        l = answer["choices"][0]["logprobs"]
        text = texts(answer)[0]
        assert len(l["tokens"]) == len(l["token_logprobs"]) == len(l["top_logprobs"]) == len(l["text_offset"]) == len(ids) + most
        assert l["token_logprobs"][0] is None and l["top_logprobs"][0] is None
        for i, line in enumerate(lines[:-1]):
            assert abs(l["token_logprobs"][i + 1] - line["logprob"]) < 1e-5, (i, line)
            top = sorted(l["top_logprobs"][i + 1].values(), reverse=True)
            assert all(abs(a - b[1]) < 1e-5 for a, b in zip(top, line["top"]))
            greedy = line["next"] == line["top"][0][0]                         # as lm-evaluation-harness asks it
            assert (l["token_logprobs"][i + 1] == max(l["top_logprobs"][i + 1].values())) == greedy
        for i, at in enumerate(l["text_offset"]):
            if i and not l["tokens"][i].startswith("bytes:"): assert text[at:].startswith(l["tokens"][i]), i
        assert l["text_offset"] == sorted(l["text_offset"])
        nats = -sum(l["token_logprobs"][1:129]) / 128
        said = json.load(open(eval_file))
        assert abs(nats - said["nats_per_token"]) < 1e-5, (nats, said)
    # a continuation's part of the whole, as gguf clients cut it: by characters
    context, more = "Once upon a time", ", there was"
    l = ask(prompt=context + more, echo=True, logprobs=10, max_tokens=1, temperature=0)["choices"][0]["logprobs"]
    first = next(i for i, at in enumerate(l["text_offset"]) if at >= len(context))
    assert "".join(l["tokens"][first:-1]) == more
    # characters of several bytes are counted once, pieces of them are told as bytes
    word = "caf\u00e9 \u6f22!"
    answer = ask(prompt=word, echo=True, logprobs=0, max_tokens=0)
    l = answer["choices"][0]["logprobs"]
    assert texts(answer) == [word] and l["top_logprobs"] is None
    assert max(l["text_offset"]) == len(word) - 1, l
    assert [t for t in l["tokens"] if t.startswith("bytes:")] == ["bytes:\\x%02x" % b for b in "\u6f22".encode()] or "\u00e9" not in l["tokens"], l
    ends = ask(prompt="Once", logprobs=1, max_tokens=4, temperature=0)["choices"][0]["logprobs"]
    assert len(ends["tokens"]) == 4 and ends["text_offset"][0] == 0


def events(**fields):
    r, text = request("POST", "/v1/completions", json.dumps(dict(stream=True, **fields)))
    assert r.status == 200 and r.getheader("Content-Type") == "text/event-stream", (r.status, text)
    parts = text.decode().split("\n\n")
    assert parts[-1] == "" and parts[-2] == "data: [DONE]", parts[-3:]
    assert all(p.startswith("data: ") for p in parts[:-1])
    return [json.loads(p[6:]) for p in parts[:-2]]


def joined(chunks):
    """Chunks as the choices of one answer."""
    choices = {}
    for chunk in chunks:
        assert chunk["object"] == "text_completion" and chunk["id"] == chunks[0]["id"]
        for c in chunk["choices"]:
            if c["index"] not in choices: choices[c["index"]] = c
            else:
                whole = choices[c["index"]]
                assert whole["finish_reason"] is None
                whole["text"] += c["text"]
                whole["finish_reason"] = c["finish_reason"]
                if c["logprobs"]:
                    for key, value in c["logprobs"].items(): whole["logprobs"][key] += value
    return [choices[i] for i in sorted(choices)]


def stream():
    for fields in (dict(prompt="Once upon a time", max_tokens=20, seed=3, logprobs=2),
                   dict(prompt=["Once", "One day"], max_tokens=8, seed=3, n=2, echo=True, logprobs=1),
                   dict(prompt="Once upon a time", max_tokens=20, temperature=0, stop=["l gir", "zz"], logprobs=1),
                   dict(prompt="Once", max_tokens=0, echo=True),
                   dict(prompt="Once upon a time", max_tokens=40, temperature=2, seed=1)):
        whole = ask(**fields)
        chunks = events(**fields)
        parts = joined(chunks)
        assert parts == whole["choices"], (parts, whole)
        assert all("usage" not in c for c in chunks)
        counted = events(**fields, stream_options={"include_usage": True})
        assert counted[-1]["choices"] == [] and counted[-1]["usage"] == whole["usage"]
        assert all(c["usage"] is None for c in counted[:-1])
    assert len(events(prompt="Once", max_tokens=20, ignore_eos=True, temperature=0)) > 10
    # pieces come while the rest is made
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("POST", "/v1/completions", json.dumps(dict(prompt="Once", max_tokens=400, stream=True, ignore_eos=True)))
    r = c.getresponse()
    assert r.readline().startswith(b"data: {")
    c.close()


def wrong():
    def refused(body, *words, status=400, param=None, path="/v1/completions", method="POST"):
        r, text = request(method, path, body)
        assert r.status == status, (body[:80], r.status, text)
        e = json.loads(text)["error"]
        assert e["type"] == ("invalid_request_error" if status < 500 else "server_error") and e["param"] == param, e
        assert all(w in e["message"] for w in words), e
        return r
    for body in (b"", b"{", b"[]", b"7", b"\xff\xfe{}", b'{"prompt": "a"} x', b'{"prompt": "a\\u0000b"}', b"{" * 100000, b'{"n": 1, "n": 2}'):
        refused(body)
    for field, values in dict(
            prompt=[{}, 7, [], [[]], [1, "a"], ["a", 1], [1.5], [512], [-1], [[1], [99999]], "word " * 2000, [True]],
            max_tokens=[-1, "5", 1.5, True, 2 ** 40], temperature=[-0.1, 2.1, "1", 1e300], top_p=[-1, 1.1, "x"], min_p=[2], top_k=[-2, 0.5],
            repetition_penalty=[0, -1], n=[0, 129, 1.0], best_of=[2, 0], seed=["x", 1.5], stop=["", [""], 5, ["a"] * 65, [["a"]], "x" * 2000],
            logprobs=[-1, 101, True], echo=[1, "true"], stream=["yes"], stream_options=[1, {"include_usage": 1}], suffix=["text"],
            presence_penalty=[2.1, "1"], frequency_penalty=[-3], model=[1], stop_token_ids=[3, [-1], ["a"]],
            logit_bias=[[], {"512": 1}, {"-1": 1}, {"x": 1}, {"": 1}, {"5": -100.5}, {"5": "1"}, {str(i): 1 for i in range(1025)}],
            ignore_eos=[0], add_special_tokens=["no"]).items():
        for value in values:
            refused(json.dumps({"prompt": "Once", field: value}).encode(), field, param=field)
    refused(b'{"prompt": 99999999999999999999999}', "too big integer")
    refused(b'{"prompt": "a", "max_token": 5}', "max_token", "did you mean 'max_tokens'", param="max_token")
    refused(b'{"prompt": "a", "qqqqqqqqqqq": 5}', "qqqqqqqqqqq", param="qqqqqqqqqqq")
    refused(b"", status=404, path="/v1/nothing")
    refused(b"", status=404, path="/")
    refused(b"", status=404, path="/v1/completions/../../etc/passwd")
    assert refused(b"", status=405, path="/v1/completions", method="GET").getheader("Allow") == "POST"
    assert refused(b"{}", status=405, path="/v1/models").getheader("Allow") == "GET"
    for raw in (b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"\0" * 200,
                b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n", b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"):
        s = socket.create_connection(("127.0.0.1", port), 60)
        try:                                                   # the server may hang up at any point of these
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
            s.recv(1 << 16)
        except OSError: pass
        s.close()
    assert texts(ask(prompt="Once upon a time", temperature=0, max_tokens=2)) == [", there"]
    # a connection is kept, after errors too, and a body may come in chunks
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body, status in ((b"{", 400), (b'{"prompt": "Once", "max_tokens": 1}', 200), (iter([b'{"prompt"', b': "Once"}']), 200)):
        c.request("POST", "/v1/completions", body)
        r = c.getresponse()
        assert r.status == status, (r.status, r.read())
        r.read()
    c.close()


def together():
    wanted = [texts(ask(prompt="Once upon", max_tokens=20, seed=i)) for i in range(8)]
    got = [None] * 8
    def one(i): got[i] = texts(ask(prompt="Once upon", max_tokens=20, seed=i))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads: t.start()
    for t in threads: t.join(60)
    assert got == wanted


def leave():
    """Answers of many tokens whose clients go away: the next one must not wait for them."""
    long = dict(prompt=["Once upon a time"] * 64, n=128, max_tokens=500, ignore_eos=True)
    for fields in (long, dict(long, stream=True)):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        c.request("POST", "/v1/completions", json.dumps(fields))
        time.sleep(0.5)
        if "stream" in fields: assert c.getresponse().read(10)
        assert request("GET", "/health")[0].status == 200                     # answered while another is made
        c.close()
        begin = time.time()
        ask(prompt="Once", max_tokens=1)
        assert time.time() - begin < 20


def linger(asked):
    begin = time.time()
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("POST", "/v1/completions", json.dumps(dict(prompt=["Once"] * 64, n=128, max_tokens=500, ignore_eos=True)))
    open(asked, "w").close()
    r = c.getresponse()
    text = r.read()
    assert r.status == 503 and b"stopping" in text, (r.status, text[:200])
    assert time.time() - begin < 30


def large():
    r, text = request("POST", "/v1/completions", b'{"prompt": "' + b"a" * (1 << 20) + b'"}')
    assert r.status == 413 and "error" in json.loads(text), r.status
    r, text = request("POST", "/v1/completions", b'{"prompt": "a"' + b" " * ((1 << 20) - 20) + b"}")
    assert r.status == 200, (r.status, text[:300])
    s = socket.create_connection(("127.0.0.1", port), 60)      # more than is worth reading to the end
    s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n")
    try:
        for _ in range(64): s.sendall(b" " * (1 << 20))
    except OSError: pass
    else: raise AssertionError("the server reads what it will never take")
    s.close()


def named():
    models = json.loads(request("GET", "/v1/models")[1])
    assert models["data"][0]["id"] == "some/name" and models["data"][0]["max_model_len"] == 64
    assert json.loads(request("GET", "/v1/models/some/name")[1])["id"] == "some/name"
    assert ask(prompt="Once", max_tokens=1)["usage"]["prompt_tokens"] == 2     # --bos
    assert ask(prompt="Once", max_tokens=1, add_special_tokens=False)["usage"]["prompt_tokens"] == 1
    assert ask(prompt=[403], max_tokens=1)["usage"]["prompt_tokens"] == 1
    l = ask(prompt="Once upon", max_tokens=0, echo=True, logprobs=0)["choices"][0]["logprobs"]
    assert l["text_offset"][:2] == [0, 0] and len(l["tokens"]) == 3
    ask(400, prompt=[1] * 65)


globals()[sys.argv[2]](*sys.argv[3:])
