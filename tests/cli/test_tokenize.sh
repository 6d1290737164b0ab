#!/bin/bash
# test_tokenize.sh - signum tokenize: inputs of all sorts, several processes, kill -9 and going on, reports, many shards.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$@"; }

mkdir -p "$D/in/b"
for i in 1 2 3 4 5 6 7 8; do
    seq $((i * 1000)) $((i * 1000 + 9000)) | sed 's/.*/{"body": "number & of some", "id": &}/' >"$D/in/$i.jsonl"
    seq "$i" 9 20000 >"$D/in/b/$i.txt"
done

# --- the same documents, however they are given -----------------------------------------------------------
how="--tokenizer byte --field body"
$S tokenize "$D/in" $how --out "$D/want" --valid 0.1 --part-bytes 400000 --json >"$D/report"
[ "$(field "$D/report" files)" = 16 ] && [ "$(field "$D/report" documents)" = 72016 ] || fail "$(cat "$D/report")"
[ "$(field "$D/report" parts)" -ge 4 ] || fail "few parts: $(cat "$D/report")"
(cd "$D/in" && find . -name '*.jsonl' | sort | sed "s,^,$D/in/," && find b -name '*.txt' | sort | sed "s,^,$D/in/,") >"$D/list"
while read -r f; do gzip -k "$D/in/$f"; done < <(sed -n 's,.*/\(.*\.jsonl\),\1,p' "$D/list" | head -n 4)
sed -i -e 's,/\([1-4]\)\.jsonl,/\1.jsonl.gz,' "$D/list"
for i in 5 6; do zstd -q "$D/in/$i.jsonl"; done
sed -i -e 's,/\([56]\)\.jsonl,/\1.jsonl.zst,' "$D/list"
$S tokenize "@$D/list" $how --out "$D/listed" >/dev/null
$S tokenize "$D"/in/?.jsonl "$D/in/b" $how --out "$D/named" >/dev/null
cmp "$D/listed/train/shards.json" "$D/named/train/shards.json"
cat "$D"/in/?.jsonl | gzip | $S tokenize - "$D/in/b" --format jsonl $how --out "$D/piped" >/dev/null 2>"$D/err" && fail "text was read as JSON"
cat "$D"/in/?.jsonl | gzip | $S tokenize - --format jsonl $how --out "$D/piped" >/dev/null
$S tokenize "$D"/in/?.jsonl $how --out "$D/files" >/dev/null
cmp "$D/piped/train/shards.json" "$D/files/train/shards.json"
rm "$D"/in/*.gz "$D"/in/*.zst
ok "directory, list, gzip, zstd, standard input"

# --- several processes; killed and gone on ------------------------------------------------------------------
run="$S tokenize $D/in $how --valid 0.1 --part-bytes 400000"
same() { diff -r "$D/want/train" "$1/train" >/dev/null && diff -r "$D/want/valid" "$1/valid" >/dev/null; }
$run --out "$D/two" >"$D/log1" 2>&1 & one=$!
$run --out "$D/two" --threads 1 >"$D/log2" 2>&1 || fail "the second process: $(cat "$D/log2")"
wait $one || fail "the first process: $(cat "$D/log1")"
same "$D/two" || fail "two processes made another set"
for pause in 0.02 0.1 0.2; do
    $run --out "$D/killed" >/dev/null 2>&1 & one=$!
    sleep $pause
    kill -9 $one 2>/dev/null || true
    wait $one 2>/dev/null || true
done
$run --out "$D/killed" >"$D/log1"
same "$D/killed" || fail "after kill -9 another set was made"
[ -z "$(ls -A "$D" | grep -E 'parts|tmp|old')" ] || fail "left behind: $(ls -A "$D")"
tells 'was there already' $run --out "$D/killed"
refuse 4 'made from other inputs or settings' $run --out "$D/killed" --no-eot
ok "two processes, kill -9"

# --- duplicates and reports ---------------------------------------------------------------------------------
$S tokenize "$D/in" $how --dedupe --out "$D/once" --json >"$D/report"
[ "$(field "$D/report" documents)" = 16009 ] || fail "not 16001 numbers and 8 texts: $(cat "$D/report")"
$S inspect "$D/once" --json --verify | python3 -c '
import json, sys
j = json.load(sys.stdin)
t = j["tokenizing"]
assert t["documents"] == j["train"]["documents"] == 16009 and t["duplicates"] == 72016 - 16009, j
assert t["tokens"] == j["train"]["tokens"] and abs(t["bytes_per_token"] * t["tokens"] - t["bytes"]) < 1 and t["mb_per_s"] > 0, j
assert t["invalid_bytes"] == t["unknown_ids"] == 0 and j["train"]["digests"] == "all match", j'
tells duplicates $S inspect "$D/once"
ok "duplicates and the report"

# --- documents that cannot be read ------------------------------------------------------------------------------
mkdir "$D/bad" "$D/good"
python3 - "$D" <<'PY'
import json, sys
bad = ['{"text": "a\\u0000b"}', '{"text": "\\ud800"}', '{"text": "cut', '{"other": 1}', '{"text": "\xff"}']
for name in ('w', 'x', 'y'):
    with open(f'{sys.argv[1]}/good/{name}.jsonl', 'wb') as good, open(f'{sys.argv[1]}/bad/{name}.jsonl', 'wb') as mixed:
        for i in range(60):
            line = json.dumps({'text': f'{name} {i * i}'}).encode() + b'\n'
            good.write(line)
            mixed.write(line)
            if name > 'w' and i % 10 == 3: mixed.write(bad[i // 10 % 5].encode('latin-1') + b'\n')
PY
bytes="--tokenizer byte --part-bytes 500"
$S tokenize "$D/good" $bytes --out "$D/clean" >/dev/null
refuse 5 'x\.jsonl: line 5: .*u0000 stands for no character' $S tokenize "$D/bad" $bytes --out "$D/skipped"
refuse 2 '--skip-bad was another .*--restart' $S tokenize "$D/bad" $bytes --out "$D/skipped" --skip-bad
$S tokenize "$D/bad" $bytes --out "$D/skipped" --skip-bad --restart >"$D/log" 2>"$D/err"
diff -r "$D/clean/train" "$D/skipped/train" >/dev/null || fail "bad documents leave a trace"
grep -q '12 documents could not be read' "$D/log" || fail "12 bad documents are not counted: $(cat "$D/log")"
[ "$(grep -c 'left out: .*jsonl: line' "$D/err")" = 8 ] && grep -q '4 more such' "$D/err" || fail "the first 8 are not listed: $(cat "$D/err")"
python3 - "$D" <<'PY' || fail "report of bad documents"
import json, sys
r = json.load(open(f'{sys.argv[1]}/skipped/report.json'))
assert r['bad_documents'] == 12 and r['documents'] == 180 and r['parts'] == 3, r
at = [b.split('.jsonl: line ')[0][-1] + b.split('.jsonl: line ')[1].split(':')[0] for b in r['bad']]
assert at == ['x5', 'x16', 'x27', 'x38', 'x49', 'x60', 'y5', 'y16'], at
PY
ok "documents that cannot be read"

# --- a thousand files: few are open at a time -----------------------------------------------------------------
$S tokenize "$D"/in/?.jsonl $how --shard-tokens 1400 --out "$D/many" >/dev/null
[ "$(ls "$D/many/train" | wc -l)" -gt 1000 ] || fail "too few shards: $(ls "$D/many/train" | wc -l)"
(ulimit -n 40; $S bench shards --data "$D/many" --json) >"$D/bench"
ok "$(field "$D/bench" shards) shards with 40 files"
