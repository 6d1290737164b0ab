#!/bin/bash
# test_chat.sh - a talk with a real trained LLaMA: the model's own template, what is remembered and forgotten, Ctrl-C.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
M=../shared/data/models/stories260K
needs "$M/stories260K.bin"
json() { python3 -c "import json, sys; v = [json.loads(l) for l in sys.stdin]; print($1)"; }
refused() { # words, message
    if $S chat "$@" </dev/null >"$D/out" 2>"$D/err"; then fail "chat $* is taken"; fi
}

$S export "$M" --format hf --tokenizer "$M/tok512.bin" --out "$D/hf" >"$D/log" 2>&1 || { cat "$D/log" >&2; fail "export ended with $?"; }
python3 - "$D/hf/tokenizer_config.json" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
c["chat_template"] = ("{% for m in messages %}{% if m.role == 'system' %}{{ m.content }} {% elif m.role == 'user' %}{{ m.content | trim }}"
                      "{% else %}{{ m.content + ' ' }}{% endif %}{% endfor %}")
json.dump(c, open(sys.argv[1], "w"))
PY
rm "$D/hf/MANIFEST"        # which has the files' digests
say="Once upon a time"
[ "$(echo "$say" | $S chat "$D/hf" --system "Hear." --render)" = "Hear. $say" ] || fail "the model's template is not followed"
$S export "$D/hf" --format gguf --out "$D/gguf" >"$D/log" 2>&1 || { cat "$D/log" >&2; fail "export to GGUF ended with $?"; }
cp "$D/gguf/model.gguf" "$D/alone.gguf"
[ "$(echo "$say" | $S chat "$D/alone.gguf" --system "Hear." --render)" = "Hear. $say" ] || fail "a GGUF file has lost the template"
echo "$say" | $S chat "$D/hf" --tokens 40 --temperature 0 >"$D/one"
$S generate "$D/hf" --prompt "$say" --tokens 40 --temperature 0 | cut -c "$((${#say} + 1))-" | cmp - "$D/one" || fail "an answer is not what the model goes on with"
ok "answers by the model's own template"

printf '%s\nThe end. One day,\n/reset\n%s\n/exit\nnever said\n' "$say" "$say" | $S chat "$D/hf" --tokens 40 --temperature 0 --json >"$D/talk"
[ "$(json 'len(v)' <"$D/talk")" = 3 ] || fail "three answers are expected, not $(cat "$D/talk")"
[ "$(json 'v[0]["text"] == v[2]["text"] and v[0]["prompt_tokens"] == v[2]["prompt_tokens"]' <"$D/talk")" = True ] || fail "/reset does not begin again"
[ "$(json 'v[1]["prompt_tokens"] > v[0]["prompt_tokens"] + v[0]["tokens"] - 2' <"$D/talk")" = True ] || fail "what was said is forgotten"
[ "$(json 'v[0]["finish"]' <"$D/talk")" = length ] || fail "an answer of 40 tokens ends otherwise"
for i in 1 2 3 4 5 6 7 8; do echo "$say there was a cat."; done | $S chat "$D/hf" --tokens 20 --temperature 0 --context 128 --json >"$D/talk" 2>"$D/err"
[ "$(json 'len(v), max(t["prompt_tokens"] for t in v) <= 108' <"$D/talk")" = "8 True" ] || fail "the context of 128 tokens is not kept"
grep -q 'the context of 128 tokens is full: the oldest 1 question and its answer are forgotten' "$D/err" || fail "it is not said what is forgotten"
ok "remembers, forgets the oldest where the context is full, says so"

echo "Tell me" | $S chat "$M" --tokenizer "$M/tok512.bin" --template plain --render >"$D/out"
printf 'User: Tell me\nAssistant:\n' | cmp - "$D/out" || fail "--template plain gives $(cat "$D/out")"
refused "$M" --tokenizer "$M/tok512.bin"
grep -q 'has no chat template; say --template chatml, llama2, plain or FILE' "$D/err" || fail "without a template: $(cat "$D/err")"
refused "$D/hf" --tokens 0
refused "$D/hf" --template nonsense
printf '{%% for m in messages %%}\n{{ m.content | shout }}{%% endfor %%}' >"$D/bad.jinja"
if echo x | $S chat "$D/hf" --template "$D/bad.jinja" >"$D/out" 2>"$D/err"; then fail "an unknown filter is taken"; fi
grep -q "bad.jinja:2:16: the filter 'shout' is not known" "$D/err" || fail "an unknown filter: $(cat "$D/err")"
if python3 -c "print('$say ' * 200)" | $S chat "$D/hf" >"$D/out" 2>"$D/err"; then fail "a message beyond the context is taken"; fi
grep -q 'shorten it' "$D/err" || fail "a message beyond the context: $(cat "$D/err")"
ok "refuses what it cannot follow"

python3 - "$S" "$D/hf" "$D/bad.jinja" <<'PY' || fail "the terminal"
import os, pty, select, sys, time
def talk(args, steps):
    pid, fd = pty.fork()
    if pid == 0: os.execv(sys.argv[1], [sys.argv[1], "chat"] + args)
    seen = b""
    for wait, send in steps:
        end = time.time() + 60
        while wait not in seen:
            ready, _, _ = select.select([fd], [], [], 1)
            try: seen += os.read(fd, 4096) if ready else b""
            except OSError: sys.exit("it ended before %r: %r" % (wait, seen))
            if time.time() > end: sys.exit("no %r in %r" % (wait, seen))
        seen = seen[seen.index(wait) + len(wait):]
        os.write(fd, send)
    while True:
        try:
            if not os.read(fd, 4096): break
        except OSError: break
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
model = [sys.argv[2], "--temperature", "0"]
assert talk(model, [(b"> ", b"\x03"), (b"leaves\r\n> ", b"Once upon a time\n"), (b", there", b"\x03"), (b"\n> ", b"/help\n"),
                    (b"/reset", b""), (b"\n> ", b"One day\n"), (b",", b""), (b"\n> ", b"/exit\n")]) == 0
assert talk(model + ["--template", sys.argv[3]], [(b"> ", b"x\n"), (b"'shout' is not known", b""), (b"> ", b"/exit\n")]) == 0
assert talk(model, [(b"> ", b"\x04")]) == 0
PY
ok "Ctrl-C ends an answer, not the program"
