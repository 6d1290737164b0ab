#!/bin/bash
# test_teacher_cache.sh - a cache made by two processes at once, by one that is killed and run again, by two threads: the same bytes;
# a student learns from it; inspect describes and verifies it.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
same() { diff -r "$D/whole" "$D/$1" >"$D/log" || { cat "$D/log" >&2; fail "$1 is another cache"; }; }

awk -v seed=1 -v words=12000 -f tests/cli/nonsense.awk >"$D/text.txt"
quiet $S tokenize "$D/text.txt" --tokenizer byte --out "$D/data"
common="data.train=$D/data model.dim=32 model.layers=1 model.heads=2 model.ffn=64 train.batch=4 train.seq=32 train.steps=4 train.threads=1"
quiet $S train tiny $common model.linear=full --out "$D/teacher"
make="$S teacher-cache $D/teacher --data $D/data --seq 32 --top 8 --threads 1"

quiet $make --out "$D/whole"
grep -q '"complete": true' "$D/whole/cache.json" || fail "the cache is not whole"
[ "$(ls "$D"/whole/slice-*.zst | wc -l)" -ge 3 ] || fail "too few slices to share"
[ -z "$(ls -A "$D/whole" | grep '^\.')" ] || fail "left behind: $(ls -A "$D/whole")"

$make --out "$D/pair" >"$D/one" 2>&1 & first=$!
$make --out "$D/pair" >"$D/two" 2>&1 & second=$!
wait $first || fail "the first of two: $(cat "$D/one")"
wait $second || fail "the second of two: $(cat "$D/two")"
same pair
ok "two processes at once"

$make --out "$D/killed" >"$D/log" 2>&1 & victim=$!
for i in $(seq 200); do [ -e "$D/killed/slice-00001.zst" ] && break; sleep 0.02; done
kill -9 $victim 2>/dev/null || :
wait $victim 2>/dev/null || :
quiet $make --out "$D/killed"
same killed
ok "killed and run again"

quiet $make --out "$D/parts" --part 1/2
code=0
$S train tiny $common distill.teacher="$D/parts" --out "$D/never" >/dev/null 2>"$D/err" || code=$?
[ "$code" -eq 2 ] && grep -q 'is not finished' "$D/err" || fail "an unfinished cache: code $code, $(cat "$D/err")"
quiet $make --out "$D/parts" --part 0/2
same parts
quiet $make --out "$D/many" --threads 2
same many
ok "in parts, and with two threads"

quiet $S train tiny $common distill.teacher="$D/whole" --out "$D/student"
tail -n 1 "$D/student/metrics.jsonl" | grep -Eq '"teacher_entropy": [0-9.]*[1-9]' || fail "no teacher in the log"
quiet $S inspect "$D/whole" --verify
grep -q 'all match' "$D/log" || fail "inspect --verify: $(cat "$D/log")"
code=0
$S train tiny $common train.seq=16 distill.teacher="$D/whole" --out "$D/never" >/dev/null 2>"$D/err" || code=$?
[ "$code" -eq 2 ] && grep -q 'set train.seq=32' "$D/err" || fail "another window: code $code, $(cat "$D/err")"
ok "a student learns from it"
