#!/bin/bash
# test_results.sh - the comparison of docs/results.md in three steps of training: rows, table, picture; what is done is not done again, what fails stands as failed.
# SPDX-License-Identifier: MIT
. "$(dirname "$0")/common.sh"
fail() { echo "FAIL: $*" >&2; tail -n 20 "$D/log" >&2; exit 1; }

# The text that is there already is used.
mkdir "$D/made"
for t in bible jargon devil gcide; do head -c 200000 <(cat docs/*.md) >"$D/made/$t.txt"; done
printf 'before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n' >"$D/results.md"
export RESULTS_WORK="$D/made" RESULTS_OUT="$D/results.md" RESULTS_STEPS=3 RESULTS_TIME=never
results() { SIGNUM=${1:-./signum} RESULTS_ROWS=$2 sh tests/bench/results.sh >"$D/log" 2>&1; }

results ./signum 'mixed/(full|fbi)$' || fail "a rehearsal ended with $?"
grep -qE '^\| full precision \| [0-9.]+ ± [0-9.]+ \| 1 \|' "$D/results.md" || fail "no row of full precision"
grep -qE '^\| FBI, column \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ ± [0-9.]+ \| [0-9.]+ ± [0-9.]+ \| 1\.20 \| 1\.18 \|' "$D/results.md" \
    || fail "the row of signs is not as expected: $(grep FBI "$D/results.md")"
[ "$(sed -n '1p;$p' "$D/results.md" | tr '\n' ' ')" = "before after " ] && ! grep -q '^old' "$D/results.md" || fail "what is around the markers has changed"
$PY - "$D/results.svg" <<'PY' || fail "the picture is not of signs, alone and taught, beside full precision"
import sys
import xml.dom.minidom
picture = xml.dom.minidom.parse(sys.argv[1])
texts = lambda tag: [e.firstChild.data for e in picture.getElementsByTagName(tag)]
assert sum(t.startswith('FBI, column: ') for t in texts('title')) == 2 and 'bits per byte' in texts('text'), texts('title')
assert {'full precision, alone', 'full precision, with a teacher'} <= set(texts('text')), texts('text')
PY
ok "rows, table and picture"

results ./signum 'mixed/(full|fbi)$' || fail "the second call ended with $?"
! grep -q 'mixed/' "$D/log" || fail "the second call did rows again"
ok "what is done is not done again"

cat >"$D/signum" <<'SH'
#!/bin/sh
case "$*" in train*linear=xnor*) echo "signum: no such luck" >&2; exit 7 ;; esac
exec ./signum "$@"
SH
chmod +x "$D/signum"
results "$D/signum" 'mixed/xnor$' || fail "a failing row ended the call with $?"
grep -qE '^\| XNOR \| failed ' "$D/results.md" && grep -q 'XNOR: signum: no such luck' "$D/results.md" || fail "a failed row does not stand as failed"
ok "a row that fails stands in the table as failed"

PYTHONPATH=tests/bench python3 -c 'from results_rows import chosen as c
assert c({1: 2.6, 2: 2.45, 3: 2.445}) == 2 and c({1: 2.6, 2: 2.46, 3: 2.445}) == 3 and c({}) is None' || fail "another rate than the smallest of the good ones is chosen"
ok "a rate is the smallest within the margin of the best"
