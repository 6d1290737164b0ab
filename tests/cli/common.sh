# common.sh - what a test of commands begins with, sourced: the root as folder, the program $S, a folder $D that goes with the test,
# and how a test says that something failed.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/../.."
S=$(realpath "${SIGNUM:-./signum}")
PY=/usr/bin/python3                    # the one that has h5py, numpy and torch
D=$(mktemp -d "${TMPDIR:-/tmp}/signum-$(basename "$0" .sh)-XXXXXX")
server=                                # of a process to end with the test
leave() {
    local code=$? at=$BASH_COMMAND
    [ -z "$server" ] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true
    rm -rf "$D"
    case $code-$at in 0-* | *-exit*) ;; *) echo "FAIL: $0: $at ended with $code" >&2 ;; esac
}
trap leave EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
ok() { echo "  ok   $*"; }
alike() { [ -n "$1" ] && [ "$1" = "$2" ] || fail "$3: '$1' and '$2'"; }          # two texts, of which a command that failed gave none
needs() { # file ...
    for f; do [ -r "$f" ] || { echo "SKIPPED: $f is not there; this test needs it" >&2; exit 0; }; done
}
quiet() { "$@" >"$D/log" 2>&1 || { local code=$?; cat "$D/log" >&2; fail "$* ended with $code"; }; }
tells() { # pattern, command ...
    quiet "${@:2}"
    grep -qE -- "$1" "$D/log" || fail "'${*:2}' does not say /$1/: $(cat "$D/log")"
}
refuse() { # code, pattern, command ...
    local want=$1 pattern=$2 code=0
    shift 2
    "$@" >"$D/out" 2>"$D/err" </dev/null || code=$?
    [ "$code" -eq "$want" ] || fail "'$*' ended with $code, expected $want: $(cat "$D/err")"
    grep -qE -- "$pattern" "$D/err" || fail "'$*' does not say /$pattern/: $(cat "$D/err")"
}
check() { $PY -c "import json, sys; v = json.load(open(sys.argv[1])); assert $2, v" "$1" || fail "$2"; }   # file of JSON, what holds of v
json() { $PY -c "import json, sys; v = json.load(sys.stdin); print($1)"; }
nats() { $S eval "$1" --data "$D/data" "${@:2}" --json | json "'%.6f' % v['nats_per_token']"; }           # model, option ...
